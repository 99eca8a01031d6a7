//! A log with a side file beside it: each record is shown once, from either file.

mod common;
use kymo_testing::segment;

use common::{Turn, kymo, run};
use kymo_format::types::Type;
use segment::{Arg, Rec, Segment};

/// A file in which a thread logged these numbers at these ticks.
fn logged(mut file: Segment, numbers: &[u64]) -> Segment {
    file.clock(1_000).thread(0, "main").site(0, 1, "critical {n}", &[("n", Type::U64)]);
    for &number in numbers {
        file.last_block(0, &[Rec(0, number, &[Arg::Unsigned(number)])], number);
    }
    file.close();
    file
}

/// Log and side file: 2 is in both.
fn place(turn: &Turn) -> [std::path::PathBuf; 2] {
    let log = turn.file("app.kymo", &logged(Segment::new(1), &[1, 2, 4]).bytes);
    [log, turn.file("app.kymo.rescue", &logged(Segment::side(2), &[2, 3]).bytes)]
}

const ONCE: &str = "critical 1\ncritical 2\ncritical 3\ncritical 4\n";

#[test]
fn each_record_is_printed_once() {
    let turn = Turn::take();
    let [log, side] = place(&turn);
    let cat = |file: &dyn AsRef<std::ffi::OsStr>| run(&[&"cat", &"--format", &"{message}", file]);
    assert_eq!(cat(&log).fine(), ONCE);
    assert_eq!(cat(&turn.path(".")).fine(), ONCE);
    assert_eq!(cat(&side).fine(), "critical 2\ncritical 3\n");
    // As `app.kymo*` is to a shell.
    for files in [[&log, &side], [&side, &log]] {
        let args: [&dyn AsRef<_>; 5] = [&"cat", &"--format", &"{message}", files[0], files[1]];
        assert_eq!(run(&args).fine(), ONCE);
    }
    let args: [&dyn AsRef<_>; 7] =
        [&"cat", &"--format", &"{message}", &"--where", &"n > 1", &"--last=2", &log];
    assert_eq!(run(&args).fine(), "critical 3\ncritical 4\n");
}

#[test]
fn stats_and_export_count_each_record_once() {
    let turn = Turn::take();
    let [log, _] = place(&turn);
    let stats: serde_json::Value =
        serde_json::from_str(&run(&[&"stats", &"--json", &log]).fine()).unwrap();
    assert_eq!(stats["records"], 4, "{stats}");
    let exported = run(&[&"export", &"--to", &"json", &"-", &log]).fine();
    assert_eq!(exported.lines().count(), 4, "{exported}");
}

#[test]
fn one_of_another_log_is_left_alone() {
    let turn = Turn::take();
    let log = turn.file("app.kymo", &logged(Segment::new(1), &[1]).bytes);
    turn.file("app.kymo.rescue", &logged(Segment::new(2), &[2]).bytes);
    assert_eq!(run(&[&"cat", &"--format", &"{message}", &log]).fine(), "critical 1\n");
}

/// An unreadable side file is named, and the log is printed.
#[test]
fn unreadable_side_files_are_named() {
    let turn = Turn::take();
    let [log, side] = place(&turn);
    std::fs::write(&side, b"no log").unwrap();
    let ran = common::finished(kymo(&[&"cat", &"--format", &"{message}", &log]).output().unwrap());
    assert_eq!(ran.out, "critical 1\ncritical 2\ncritical 4\n");
    ran.complains(2, &["app.kymo.rescue: "]);
}

#[test]
fn verify_and_repair_are_about_one_file() {
    let turn = Turn::take();
    let [log, side] = place(&turn);
    for (file, records) in [(&log, "whole: 3 records"), (&side, "whole: 2 records")] {
        let verdict = run(&[&"verify", file]).fine();
        assert!(verdict.contains(records), "{verdict}");
    }
    let copy = turn.path("copy.kymo");
    assert_eq!(run(&[&"repair", &side, &copy]).code, Some(0));
    assert_eq!(run(&[&"cat", &"--format", &"{message}", &copy]).fine(), "critical 2\ncritical 3\n");
}
