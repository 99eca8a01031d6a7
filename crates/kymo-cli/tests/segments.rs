//! Rotated logs: the commands take a log of many segments as if it were one file.

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Turn, run};
use kymo_format::types::Type;
use kymo_testing::rotated::{segment_name, set_link, write_log};
use kymo_testing::segment::{Arg, Rec, Segment};

/// One record a segment, a second after that of the one before it; the third has drops.
fn segment(sequence: u64, is_closed: bool) -> Segment {
    let mut segment = Segment::of_log(9, sequence);
    fill(&mut segment, sequence);
    if sequence == 3 {
        segment.drops(1, 3_000_000_010, 3_000_000_020, 7);
    }
    match is_closed {
        true => segment.close_with_index(100),
        false => segment.commit(),
    };
    segment
}

fn fill(segment: &mut Segment, sequence: u64) {
    let at = sequence * 1_000_000_000;
    let level = if sequence == 4 { 1 } else { 3 };
    segment
        .clock(1_796_018_220_000_000_000)
        .site(sequence % 2, level, "segment {n}", &[("n", Type::U64)])
        .thread_of(sequence % 2, 1_000, "main")
        .last_block(sequence % 2, &[Rec(sequence % 2, at, &[Arg::Unsigned(sequence)])], at);
}

/// A log of so many segments, of which the last was not closed.
fn log(turn: &Turn, segments: u64) -> PathBuf {
    let segments: Vec<_> = (1..=segments).map(|it| segment(it, it < segments)).collect();
    write_log(turn.path("x").parent().unwrap(), &segments)
}

fn lines(segments: impl IntoIterator<Item = u64>) -> String {
    let line = |n: u64| {
        let level = if n == 4 { "ERROR" } else { "INFO " };
        format!("2026-11-30T05:57:0{n}.000000000Z {level} [main] target: segment {n}\n")
    };
    segments.into_iter().map(line).collect()
}

#[test]
fn cat_prints_all_segments_of_a_log() {
    let turn = Turn::take();
    let link = log(&turn, 5);
    let all = lines([1, 2, 3, 4, 5]);
    for path in [link.clone(), turn.path("app")] {
        assert_eq!(run(&[&"cat", &"--no-marks", &path]).fine(), all);
        assert_eq!(run(&[&"cat", &"--no-marks", &"--threads=2", &path]).fine(), all);
    }
    assert_eq!(run(&[&"cat", &"--no-marks", &link.parent().unwrap()]).fine(), all);
    assert_eq!(run(&[&"cat", &turn.path(&segment_name(2))]).fine(), lines([2]));
    let since = "--since=2026-11-30T05:57:02Z";
    let until = "--until=2026-11-30T05:57:04Z";
    assert_eq!(run(&[&"cat", &"--no-marks", &since, &until, &link]).fine(), lines([2, 3]));
    assert_eq!(run(&[&"cat", &"--no-marks", &"--last=2", &link]).fine(), lines([4, 5]));
    assert_eq!(run(&[&"cat", &"--no-marks", &"--level=error", &link]).fine(), lines([4]));
    assert_eq!(run(&[&"cat", &"--no-marks", &"-n2", &link]).fine(), lines([1, 2]));
    fs::remove_file(&link).unwrap();
    assert_eq!(run(&[&"cat", &"--no-marks", &link]).fine(), all);
}

#[test]
fn missing_segments_are_told() {
    let turn = Turn::take();
    let link = log(&turn, 5);
    fs::remove_file(turn.path(&segment_name(2))).unwrap();
    let ran = run(&[&"cat", &link]);
    ran.complains(2, &["app.kymo: segment 2 is missing"]);
    let missing = format!("-- {}: segment 2 is missing here\n", link.display());
    assert!(ran.out.starts_with(&(lines([1]) + &missing + &lines([3]))), "{}", ran.out);
    let ran = run(&[&"cat", &"--format=json", &link]);
    let line = ran.out.lines().nth(1).unwrap();
    let json: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(json["event"], "missing_segments");
    assert_eq!((&json["before"], &json["after"]), (&1.into(), &3.into()));
    assert_eq!(json["segments"], 1);
}

#[test]
fn stats_and_fields_take_a_log() {
    let turn = Turn::take();
    let link = log(&turn, 5);
    let json: serde_json::Value =
        serde_json::from_str(&run(&[&"stats", &"--json", &link]).fine()).unwrap();
    assert_eq!((&json["records"], &json["dropped"]), (&5.into(), &7.into()));
    assert_eq!((&json["lost"], &json["files"]), (&0.into(), &1.into()));
    let bytes: u64 =
        (1..=5).map(|it| fs::metadata(turn.path(&segment_name(it))).unwrap().len()).sum();
    assert_eq!(json["file_bytes"], bytes);
    assert_eq!(json["call_sites"].as_array().unwrap().len(), 3, "{json}");
    assert_eq!(json["threads"].as_array().unwrap().len(), 1, "{json}");
    let fields = run(&[&"fields", &link]).fine();
    assert!(fields.starts_with("n  u64"), "{fields}");
}

#[test]
fn ls_lists_segments() {
    let turn = Turn::take();
    let link = log(&turn, 5);
    fs::remove_file(turn.path(&segment_name(2))).unwrap();
    let ran = run(&[&"ls", &link]);
    assert_eq!((ran.err.as_str(), ran.code), ("", Some(2)), "{ran:?}");
    let rows: Vec<Vec<&str>> =
        ran.out.lines().map(|line| line.split_whitespace().collect()).collect();
    let time = |n: u64| format!("2026-11-30T05:57:0{n}.000Z");
    let name = |n: u64| segment_name(n);
    assert_eq!(rows[1][..7], ["segment", "from", "to", "records", "dropped", "size", "state"]);
    assert_eq!(rows[2][..5], ["1", &time(1), &time(1), "1", "0"]);
    assert_eq!(rows[2][7..], ["closed", &name(1)]);
    assert_eq!(rows[3], ["--", "segment", "2", "is", "missing"]);
    assert_eq!(rows[4][..5], ["3", &time(3), &time(3), "1", "7"]);
    assert_eq!(rows[6][..5], ["5", &time(5), &time(5), "1", "0"]);
    assert_eq!(rows[6][7..], ["crashed", &name(5)]);
    assert!(
        ran.out
            .lines()
            .last()
            .unwrap()
            .starts_with("4 segments and 1 missing: 4 records, 7 dropped, "),
        "{}",
        ran.out
    );
    // A directory is listed by its logs.
    assert_eq!(run(&[&"ls", &link.parent().unwrap()]).out, ran.out);

    let ran = run(&[&"ls", &"--json", &link]);
    let rows: Vec<serde_json::Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 5);
    assert_eq!((&rows[0]["sequence"], &rows[0]["state"]), (&1.into(), &"closed".into()));
    assert_eq!((&rows[1]["state"], &rows[1]["segments"]), (&"missing".into(), &1.into()));
    assert_eq!(rows[2]["first_ns"], 1_796_018_223_000_000_000_i64);
    assert_eq!((&rows[4]["state"], &rows[4]["records"]), (&"crashed".into(), &1.into()));
}

#[test]
fn ls_lists_logs_of_one_file() {
    let turn = Turn::take();
    turn.logged("one.kymo", || kymo::info!("hello"));
    let dir = turn.path("x").parent().unwrap().to_owned();
    let out = run(&[&"ls", &dir]).fine();
    let row: Vec<&str> = out.lines().nth(2).unwrap().split_whitespace().collect();
    assert_eq!((row[0], row[3], row[8]), ("-", "1", "one.kymo"), "{out}");
    let logger = kymo::Logger::builder(turn.path("two.kymo")).start().unwrap();
    kymo::info!("hello");
    kymo::flush();
    let out = run(&[&"ls", &turn.path("two.kymo")]).fine();
    assert!(out.contains("  open "), "{out}");
    logger.shutdown();
    run(&[&"ls", &turn.path("none.kymo")]).complains(2, &["none.kymo", "cannot open"]);
}

#[test]
fn links_that_lead_nowhere_are_passed() {
    let turn = Turn::take();
    let link = log(&turn, 3);
    set_link(&link, 9);
    assert_eq!(run(&[&"cat", &"--no-marks", &link]).fine(), lines([1, 2, 3]));
}

#[test]
fn verify_checks_all_segments() {
    let turn = Turn::take();
    let segments: Vec<_> = (1..=4).map(|it| segment(it, true)).collect();
    let link = write_log(turn.path("x").parent().unwrap(), &segments);
    let out = run(&[&"verify", &link]).fine();
    assert_eq!(out.lines().count(), 5, "{out}");
    let last = out.lines().last().unwrap();
    assert!(last.contains("app.kymo: whole: 4 segments, 4 records, 7 dropped, 0 lost"), "{out}");
    // One is missing, and one is damaged.
    fs::remove_file(turn.path(&segment_name(2))).unwrap();
    let path = turn.path(&segment_name(3));
    let mut bytes = fs::read(&path).unwrap();
    let end = segments[2].frames[3].1;
    bytes[end - 1] ^= 1;
    fs::write(&path, bytes).unwrap();
    let ran = run(&[&"verify", &link]);
    assert_eq!((ran.err.as_str(), ran.code), ("", Some(1)), "{ran:?}");
    assert!(ran.out.contains("app.kymo: segment 2 is missing\n"), "{}", ran.out);
    assert!(ran.out.contains("app.kymo: NOT WHOLE: 3 segments"), "{}", ran.out);
    let ran = run(&[&"verify", &"--json", &link]);
    let json: serde_json::Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!((&json["whole"], &json["segments"]), (&false.into(), &3.into()));
    assert_eq!((&json["missing"], &json["records"]), (&1.into(), &2.into()));
}

#[test]
fn export_takes_a_log() {
    let turn = Turn::take();
    let link = log(&turn, 5);
    let out = run(&[&"export", &"--to=csv", &"-", &link, &"--no-marks"]).fine();
    assert_eq!(out.lines().count(), 6, "{out}");
    let json = run(&[&"export", &"--to=json", &"-", &turn.path("app"), &"--no-marks"]).fine();
    assert_eq!(json.lines().count(), 5, "{json}");
}
