//! Each example as a process of its own: what it prints, and what is in its log.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kymo::Level;
use kymo::reader::{Options, Order};

/// A directory for the log of an example.
struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("app.kymo")
    }
}

/// Runs an example to its end. Returns what it printed.
fn run(program: &str, log: &Path) -> String {
    let output = Command::new(program).arg(log).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A record as it was read.
struct Found {
    level: Level,
    target: String,
    message: String,
    thread: String,
}

fn read(log: &Path) -> Vec<Found> {
    let mut reader = Options::new().order(Order::Time).open(log).unwrap();
    let mut found = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        // Its own warnings, of rings that fill up.
        if record.thread().name() == "kymo" {
            continue;
        }
        let mut message = String::new();
        record.message(&mut message);
        let (target, thread) = (record.target().to_owned(), record.thread().name().to_owned());
        found.push(Found { level: record.level(), target, message, thread });
    }
    assert!(reader.report().is_whole());
    found
}

fn get(address: &str, path: &str, header: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn web() {
    let dir = Dir::new();
    let mut server = Command::new(env!("CARGO_BIN_EXE_web"))
        .arg(dir.log())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let answer = get(address.trim(), "/orders/7", "x-request-id: mine\r\n");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("x-request-id: mine"),
        "{answer}"
    );
    let answer = get(address.trim(), "/orders/0", "");
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("x-request-id: 1"), "{answer}");
    // SAFETY: a call without pointers.
    unsafe { libc::kill(server.id() as i32, libc::SIGINT) };
    assert!(server.wait().unwrap().success());
    let found = read(&dir.log());
    let is = |target: &str, begin: &str, end: &str| {
        let fits = |it: &&Found| {
            it.target == target && it.message.starts_with(begin) && it.message.ends_with(end)
        };
        assert_eq!(found.iter().filter(fits).count(), 1, "{target} {begin}");
    };
    is("orders", "order 7 shown", "request=mine");
    is("access", "GET /orders/7 200 ", "request=mine");
    is("orders", "no order 0", "request=1");
    is("access", "GET /orders/0 404 ", "request=1");
    assert_eq!(found.len(), 4);
}

#[test]
fn tasks() {
    let dir = Dir::new();
    assert_eq!(run(env!("CARGO_BIN_EXE_tasks"), &dir.log()), "2000 records\n");
    let found = read(&dir.log());
    let mut messages: Vec<_> = found.iter().map(|it| it.message.clone()).collect();
    messages.sort_unstable();
    let steps = (0..100).flat_map(|task| (0..20).map(move |step| (task, step)));
    let mut expected: Vec<_> =
        steps.map(|(task, step)| format!("task {task} at step {step}")).collect();
    expected.sort_unstable();
    assert_eq!(messages, expected);
    assert!(found.iter().all(|it| it.thread == "worker"));
}

#[test]
fn parallel() {
    let dir = Dir::new();
    assert_eq!(run(env!("CARGO_BIN_EXE_parallel"), &dir.log()), "1001 records\n");
    let found = read(&dir.log());
    assert!(found.iter().any(|it| it.message == "the sum is 332833500" && it.thread == "main"));
    assert_eq!(found.iter().filter(|it| it.thread.starts_with("rayon-")).count(), 1_000);
}

#[test]
fn audio() {
    let dir = Dir::new();
    let said = run(env!("CARGO_BIN_EXE_audio"), &dir.log());
    assert!(said.ends_with(" 0 dropped, 0 allocations\n"), "{said}");
    let found = read(&dir.log());
    assert_eq!(found.iter().filter(|it| it.level == Level::Debug).count(), 2_000);
    assert!(found.iter().all(|it| it.thread == "audio"));
}

#[test]
fn game() {
    let dir = Dir::new();
    run(env!("CARGO_BIN_EXE_game"), &dir.log());
    let found = read(&dir.log());
    // (A busy machine may make other frames slow, too.)
    let slow = found.iter().position(|it| it.message.starts_with("frame 300 took ")).unwrap();
    let before: Vec<_> = found[..slow].iter().map(|it| &*it.message).collect();
    assert_eq!(before[before.len() - 2], "frame 300 updates 106 entities");
    assert_eq!(before[before.len() - 1], "frame 300 draws 1272 triangles");
    assert_eq!(found.last().unwrap().message, "the game ends");
}

#[test]
fn children() {
    let dir = Dir::new();
    let said = run(env!("CARGO_BIN_EXE_children"), &dir.0.path().join("jobs"));
    for job in 1..=3 {
        let steps: Vec<_> = (0..3).map(|step| format!("child: job {job} at step {step}")).collect();
        let lines: Vec<_> =
            said.lines().filter(|line| line.contains(&format!("job {job} "))).collect();
        assert_eq!(lines, steps);
    }
    assert_eq!(said.matches("parent: child ").count(), 3);
    assert_eq!(said.matches(" ended: 0\n").count(), 3);
}

#[test]
fn workers() {
    let dir = Dir::new();
    let logs = dir.0.path().join("logs");
    let said = run(env!("CARGO_BIN_EXE_workers"), &logs);
    assert_eq!(said, "32 runs of 8 workers, killed: no step is missing, none is there twice\n");
    // Nine processes at a time, so nine logs at most.
    let is_current = |name: &str| name.ends_with(".kymo") && name.matches('.').count() == 1;
    let names = std::fs::read_dir(&logs).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let count = names.filter(|name| is_current(name)).count();
    assert!((2..=9).contains(&count), "{count}");
}
