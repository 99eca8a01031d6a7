//! Ctrl-C ends a long work cleanly: no partial file remains, and the exit code is that of a signal.

mod common;
use kymo_testing::segment;

use std::fs::File;
use std::io::Write;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::{Turn, kymo};
use segment::{Rec, Segment};

/// Logs without an end, until nobody reads it.
fn endless(mut stdin: ChildStdin) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut file = Segment::new(7);
        file.clock(1_000).site(0, 3, "tick", &[]).thread(0, "main");
        let records: Vec<_> = (0..1_000).map(|ticks| Rec(0, ticks, &[])).collect();
        let begin = file.bytes.len();
        file.last_block(0, &records, 2_000);
        let (head, block) = file.bytes.split_at(begin);
        let mut written = stdin.write_all(head);
        while written.is_ok() {
            written = stdin.write_all(block);
        }
    })
}

/// Interrupts the command once it `has_begun`, and waits for its end.
fn interrupt(mut child: Child, has_begun: impl Fn() -> bool) -> Output {
    let endless = endless(child.stdin.take().unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    while !has_begun() {
        assert!(Instant::now() < deadline, "it does not begin");
        std::thread::yield_now();
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    endless.join().unwrap();
    output
}

/// An export that is interrupted leaves no file.
#[test]
fn an_interrupted_export_leaves_no_file() {
    let turn = Turn::take();
    let out = turn.path("out.json");
    let child = kymo(&[&"export", &"--to", &"json", &out, &"-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let files = || std::fs::read_dir(turn.path(".")).unwrap().count();
    // Once there is a temporary file, it has begun.
    let output = interrupt(child, || files() > 0);
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(130), &b""[..]));
    assert_eq!(files(), 0);
}

/// Output to a file ends with a whole line after an interrupt.
#[test]
fn interrupted_output_ends_with_a_whole_line() {
    let turn = Turn::take();
    let out = turn.path("out.text");
    let child = kymo(&[&"cat", &"--format", &"{message}", &"-"])
        .stdin(Stdio::piped())
        .stdout(File::create(&out).unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = interrupt(child, || out.metadata().unwrap().len() > 0);
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(130), &b""[..]));
    let printed = std::fs::read_to_string(out).unwrap();
    assert_eq!(printed.lines().count() * "tick\n".len(), printed.len());
    assert!(printed.ends_with("tick\n"));
}
