//! Ctrl-C ends a long work in order: nothing is left behind, and the exit code says so.

mod common;
#[path = "../../tests/common/segment.rs"]
mod segment;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Turn, kymo};
use segment::{Rec, Segment};

#[test]
fn an_export_that_is_interrupted_leaves_nothing_behind() {
    let turn = Turn::take();
    let out = turn.path("out.json");
    let mut child = kymo(&[&"export", &"--to", &"json", &out, &"-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A log without an end.
    let mut stdin = child.stdin.take().unwrap();
    let endless = std::thread::spawn(move || {
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
    });
    // Once there is a temporary file, it has begun.
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::fs::read_dir(turn.path(".")).unwrap().count() == 0 {
        assert!(Instant::now() < deadline, "it does not begin");
        std::thread::yield_now();
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(130), &b""[..]));
    endless.join().unwrap();
    assert_eq!(std::fs::read_dir(turn.path(".")).unwrap().count(), 0);
}
