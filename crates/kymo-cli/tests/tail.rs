//! `kymo tail`: follows a logger in another process, and notices how it ends.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use common::{Turn, kymo as command, run};
use kymo::{Logger, Overflow, info};

/// How long anything may take before it counts as never happening.
const DEADLINE: Duration = Duration::from_secs(60);

/// A process that logs what it is told to.
struct Writer {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Writer {
    fn start(log: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer", "--ignored", "--nocapture"])
            .env("KYMO_TEST_LOG", log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut writer = Self { child, commands, answers };
        writer.tell("start");
        writer
    }

    /// Tells it to do something, and waits until it has.
    fn tell(&mut self, what: &str) {
        writeln!(self.commands, "{what}").unwrap();
        let mut line = String::new();
        while !line.starts_with("done") {
            line.clear();
            assert_ne!(self.answers.read_line(&mut line).unwrap(), 0, "{what}: it has ended");
        }
    }

    /// Kills it as `kill -9` does.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "the process that the others start"]
fn writer() {
    let Some(path) = std::env::var_os("KYMO_TEST_LOG").map(PathBuf::from) else { return };
    let mut logger: Option<Logger> = None;
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let (what, count) = line.split_once(' ').unwrap_or((&line, "0"));
        let count: u64 = count.parse().unwrap();
        match what {
            "start" => {
                let builder = Logger::builder(&path).ring_capacity(4 << 10);
                logger = Some(builder.overflow(Overflow::DropNewest).start().unwrap());
            }
            "log" => info!("record {count}"),
            "burst" => (0..count).for_each(|number| info!("burst {number}")),
            "reopen" => drop(logger.as_ref().unwrap().reopen()),
            "close" => drop(logger.take().unwrap().shutdown()),
            what => panic!("{what}?"),
        }
        println!("\ndone");
    }
}

/// A running `kymo tail`.
struct Tail {
    child: Child,
    lines: Receiver<String>,
}

impl Tail {
    fn start(args: &[&dyn AsRef<std::ffi::OsStr>]) -> Self {
        let args: Vec<&dyn AsRef<std::ffi::OsStr>> = [&"tail" as &dyn AsRef<std::ffi::OsStr>]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        let mut command = command(&args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                if sender.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The next line that it prints.
    #[track_caller]
    fn line(&self) -> String {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("nothing was printed"),
            Err(RecvTimeoutError::Disconnected) => panic!("it has ended"),
        }
    }

    /// Checks that the next line ends with this.
    #[track_caller]
    fn prints(&self, end: &str) {
        let line = self.line();
        assert!(line.ends_with(end), "{line:?} and not {end:?}");
    }

    /// Waits for its end: what else it printed, what it complained about, and its exit code.
    fn end(mut self) -> (Vec<String>, String, Option<i32>) {
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end"),
            }
        }
        let mut complaints = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        (lines, complaints, self.child.wait().unwrap().code())
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
fn interrupt(child: &Child) {
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
}

/// The last records are printed in the order of time.
#[test]
fn last_records_are_in_order_of_time() {
    let turn = Turn::take();
    let log = || (0..100).for_each(|number| info!("record {number}"));
    let (one, two) = (turn.logged("one.kymo", log), turn.logged("two.kymo", log));
    let out = run(&[&"tail", &one]).fine();
    let messages: Vec<_> = out.lines().map(|line| line.rsplit_once(": ").unwrap().1).collect();
    let expected: Vec<_> = (90..100).map(|number| format!("record {number}")).collect();
    assert_eq!(messages, expected);
    let out = run(&[&"tail", &"-n", &"105", &two, &one]).fine();
    assert_eq!(out.lines().count(), 105);
    assert!(out.lines().is_sorted_by_key(|line| &line[..30]), "{out}");
    assert!(out.starts_with(run(&[&"tail", &"-n5", &one]).fine().as_str()), "{out}");
    // Filters and formats are those of cat; a directory is its files.
    let folder = turn.path(".");
    let args: [&dyn AsRef<std::ffi::OsStr>; 6] =
        [&"tail", &"--grep", &"record 7$", &"--format", &"json", &folder];
    assert_eq!(run(&args).fine().matches("\"message\":\"record 7\"").count(), 2);
    let ran = run(&[&"tail", &"--level", &"error", &one]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(1), "", ""));
    run(&[&"tail", &"-f", &turn.path("missing")]).complains(2, &["missing: ", "cannot open"]);
    run(&[&"tail", &turn.file("foreign", b"no log")]).complains(2, &["foreign: ", "not a kymo"]);
}

/// A logger in another process is followed until it closes the file.
#[test]
fn another_process_is_followed_to_its_end() {
    let turn = Turn::take();
    let log = turn.path("log.kymo");
    let mut writer = Writer::start(&log);
    writer.tell("log 1");
    let tail = Tail::start(&[&"-f", &log]);
    tail.prints(": record 1");
    for number in 2..6 {
        writer.tell(&format!("log {number}"));
        tail.prints(&format!(": record {number}"));
    }
    writer.tell("close");
    assert_eq!(tail.end(), (vec![], String::new(), Some(0)));
}

#[test]
fn drops_are_shown_as_they_happen() {
    let turn = Turn::take();
    let log = turn.path("log.kymo");
    let mut writer = Writer::start(&log);
    // Without what the logger itself says about drops.
    let tail = Tail::start(&[&"-f", &"--format", &"json", &"--target", &"tail", &log]);
    writer.tell("log 1");
    assert!(tail.line().contains("record 1"));
    // More than the ring holds.
    writer.tell("burst 20000");
    let (mut records, mut dropped) = (0, 0);
    while records + dropped < 20_000 {
        let line: serde_json::Value = serde_json::from_str(&tail.line()).unwrap();
        match line["event"].as_str() {
            Some("drops") => dropped += line["records"].as_u64().unwrap(),
            None => records += 1,
            Some(event) => panic!("{event}"),
        }
    }
    assert!(dropped > 0);
    // It continues after them.
    writer.tell("log 7");
    assert!(tail.line().contains("record 7"));
    writer.tell("close");
    assert_eq!(tail.end(), (vec![], String::new(), Some(0)));
}

#[test]
fn a_writer_that_was_killed_has_gone() {
    let turn = Turn::take();
    let log = turn.path("log.kymo");
    let mut writer = Writer::start(&log);
    let tail = Tail::start(&[&"-f", &log]);
    writer.tell("log 1");
    tail.prints(": record 1");
    writer.kill();
    let (lines, complaints, code) = tail.end();
    assert_eq!((lines, code), (vec![], Some(0)));
    assert_eq!(complaints, format!("kymo: {}: the writer has gone\n", log.display()));
    // A file whose writer had gone before.
    let (lines, again, _) = Tail::start(&[&"-f", &log]).end();
    assert_eq!((lines.len(), again), (1, complaints));
}

/// Records that a dead writer did not commit are printed once.
#[test]
fn uncommitted_records_are_printed_once() {
    use kymo_format::header::COMMITTED_OFFSET;
    let turn = Turn::take();
    let whole = turn.logged("whole.kymo", || {
        for number in 0..10 {
            info!("record {number}");
            kymo::flush();
        }
    });
    // Not closed, and the writer had committed less than it had written.
    let mut bytes = std::fs::read(whole).unwrap();
    let mut ends = vec![4096];
    while let Some(header) = bytes[ends[ends.len() - 1]..].first_chunk() {
        let header = kymo_format::frame::FrameHeader::from_bytes(header);
        ends.push(ends[ends.len() - 1] + header.frame_bytes());
    }
    bytes.truncate(ends[ends.len() - 2]);
    let committed = ends[ends.len() / 2] as u64;
    bytes[COMMITTED_OFFSET..COMMITTED_OFFSET + 8].copy_from_slice(&committed.to_le_bytes());
    let log = turn.file("dead.kymo", &bytes);
    let (lines, complaints, code) = Tail::start(&[&"-f", &log]).end();
    let numbers: Vec<_> = lines.iter().map(|line| line.rsplit_once(' ').unwrap().1).collect();
    assert_eq!(numbers, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert!(complaints.contains("the writer has gone"), "{complaints}");
    assert_eq!(code, Some(0));
}

#[test]
fn the_next_file_of_the_name_is_waited_for() {
    let turn = Turn::take();
    let log = turn.path("log.kymo");
    let tail = Tail::start(&[&"-F", &log]);
    let mut writer = Writer::start(&log);
    writer.tell("log 1");
    tail.prints(": record 1");
    writer.tell("close");
    // It renames the one before.
    writer.tell("start");
    writer.tell("log 2");
    tail.prints(": record 2");
    writer.kill();
    let mut writer = Writer::start(&log);
    writer.tell("log 3");
    tail.prints(": record 3");
    interrupt(&tail.child);
    let (lines, complaints, code) = tail.end();
    assert_eq!((lines, code), (vec![], Some(130)));
    assert!(complaints.contains("the writer has gone"), "{complaints}");
}

/// New files in a directory are followed, each once.
#[test]
fn new_files_of_a_directory_are_followed() {
    let turn = Turn::take();
    std::fs::create_dir(turn.path("logs")).unwrap();
    let (one, two) = (turn.path("logs/one.kymo"), turn.path("logs/two.kymo"));
    let tail = Tail::start(&[&"-F", &turn.path("logs")]);
    let mut first = Writer::start(&one);
    first.tell("log 1");
    tail.prints(": record 1");
    let mut second = Writer::start(&two);
    second.tell("log 2");
    tail.prints(": record 2");
    first.tell("close");
    // Renames it, which makes it no new one.
    first.tell("start");
    first.tell("log 3");
    tail.prints(": record 3");
    second.tell("log 4");
    tail.prints(": record 4");
    interrupt(&tail.child);
    assert_eq!(tail.end().2, Some(130));
}

#[test]
fn it_ends_when_nobody_reads_what_it_prints() {
    let turn = Turn::take();
    let log = turn.path("log.kymo");
    let mut writer = Writer::start(&log);
    writer.tell("log 1");
    let mut child = command(&[&"tail", &"-f", &log]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// `tail -f EMPTYDIR` ended without a word.
#[test]
fn a_directory_without_logs_is_waited_for() {
    let turn = Turn::take();
    let directory = turn.path("empty");
    std::fs::create_dir(&directory).unwrap();
    run(&[&"tail", &directory]).complains(2, &["is a directory without any file named *.kymo\n"]);
    let mut command = command(&[&"tail", &"-f", &directory, &"--format={message}"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It says that it waits before the first log is made.
    let mut said = String::new();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    errors.read_line(&mut said).unwrap();
    assert!(said.contains("without any file named *.kymo; waiting for one"), "{said}");
    turn.logged("empty/first.kymo", || info!("here it is"));
    let mut printed = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut printed).unwrap();
    assert_eq!(printed, "here it is\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// `tail -` said "No such file".
#[test]
fn standard_input_is_read_to_its_end() {
    let turn = Turn::take();
    let log = turn.logged("log.kymo", || (0..20).for_each(|number| info!("{number}")));
    let expected = "18\n19\n";
    for follow in ["-n2", "-fn2"] {
        let input = std::fs::File::open(&log).unwrap();
        let args: [&dyn AsRef<std::ffi::OsStr>; 4] =
            [&"tail", &follow, &"-", &"--format={message}"];
        let file = command(&args).stdin(input).output().unwrap();
        assert_eq!(common::finished(file).fine(), expected);
        let mut cat = Command::new("cat").arg(&log).stdout(Stdio::piped()).spawn().unwrap();
        let pipe = command(&args).stdin(cat.stdout.take().unwrap()).output().unwrap();
        assert!(cat.wait().unwrap().success());
        assert_eq!(common::finished(pipe).fine(), expected);
    }
}

/// Whoever cuts a log that is being written (`> app.kymo`) ended `tail -f`, or let `tail -F` wait for
/// ever. The logger mends the file and goes on in it, and so do both.
#[test]
fn a_log_that_is_cut_is_followed_on() {
    let turn = Turn::take();
    let log = turn.path("log.kymo");
    let mut writer = Writer::start(&log);
    let tails = ["-f", "-F"].map(|option| Tail::start(&[&option, &"--target", &"tail", &log]));
    writer.tell("log 0");
    tails.iter().for_each(|tail| tail.prints("record 0"));
    let file = std::fs::OpenOptions::new().write(true).open(&log).unwrap();
    let mut number = 0;
    for _ in 0..30 {
        file.set_len(0).unwrap();
        for tail in &tails {
            // What was just being written is lost, with a mark.
            loop {
                number += 1;
                writer.tell(&format!("log {number}"));
                if tail.line().contains("record") {
                    break;
                }
            }
        }
    }
    // What is read may be older than the last cut, which may cost the record that is written next.
    let before = number;
    let is_later = |line: String| {
        let number = line.rsplit_once("record ").and_then(|(_, number)| number.parse().ok());
        number.is_some_and(|number: u64| number > before)
    };
    for tail in &tails {
        loop {
            number += 1;
            writer.tell(&format!("log {number}"));
            if is_later(tail.line()) {
                break;
            }
        }
    }
}

/// Another program renames the log, and the logger is told to begin a new one: `tail -F` shows what
/// both have.
#[test]
fn a_log_that_was_moved_is_followed_in_the_new_file() {
    let turn = Turn::take();
    let log = turn.path("log.kymo");
    let mut writer = Writer::start(&log);
    let tail = Tail::start(&[&"-F", &"--target", &"tail", &log]);
    for number in [1, 3] {
        writer.tell(&format!("log {number}"));
        tail.prints(&format!("record {number}"));
        std::fs::rename(&log, turn.path(&format!("moved-{number}.kymo"))).unwrap();
        writer.tell(&format!("log {}", number + 1));
        writer.tell("reopen");
        tail.prints(&format!("record {}", number + 1));
    }
    writer.tell("log 5");
    tail.prints("record 5");
}
