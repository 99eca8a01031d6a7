//! What `kymo cat` prints.

mod common;
use kymo_testing::segment;

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::thread;

use common::{Turn, cat, finished, kymo, run};
use kymo::{error, info, trace, warn};
use kymo_format::rotated::{Continued, Deleted};
use kymo_format::types::Type;
use serde_json::Value;

#[test]
fn text_is_time_level_thread_target_message() {
    let turn = Turn::take();
    let log = turn.logged("a.kymo", || {
        let feed = thread::Builder::new().name("feed".to_owned());
        let run = || warn!(target: "net", "tick {} is late by {late:?}", 7, late = 1.5);
        feed.spawn(run).unwrap().join().unwrap();
        // A thread without a name goes by its number.
        thread::spawn(|| trace!("bare")).join().unwrap();
    });
    let out = cat(&log).fine();
    let lines: Vec<&str> = out.lines().collect();
    let (time, rest) = lines[0].split_at("2025-01-01T00:00:00.000000000Z".len());
    assert_eq!(rest, " WARN  [feed] net: tick 7 is late by 1.5");
    let shape = time.replace(|c: char| c.is_ascii_digit(), "0");
    assert_eq!(shape, "0000-00-00T00:00:00.000000000Z");
    assert!(lines[1].ends_with(" TRACE [1] cat: bare"), "{out}");
    assert_eq!(lines.len(), 2);
}

/// JSON has its keys in order and values with all their digits.
#[test]
fn json_has_ordered_keys_and_all_digits() {
    let turn = Turn::take();
    let mut line = 0;
    let log = turn.logged("a.kymo", || {
        line = line!() + 1;
        info!(target: "t", "{} {id} {a:?} {b} {c:?}{d:?}{e}{f}", u64::MAX, id = i128::MIN,
            a = &[1u8, 2][..], b = true, c = None::<u8>, d = f64::NAN, e = "q\"\u{1b}", f = 'x');
    });
    let out = run(&[&"cat", &"--format", &"json", &log]).fine();
    let (time, rest) = out.split_at("{\"time\":\"2025-01-01T00:00:00.000000000Z".len());
    assert!(time.starts_with("{\"time\":\"2") && time.ends_with('Z'));
    let thread = "json_has_ordered_keys_and_all_digits";
    let expected = format!(
        concat!(
            r#"","level":"info","target":"t","file":"crates/kymo-cli/tests/cat.rs","line":{},"thread":"{}","#,
            r#""message":"18446744073709551615 -170141183460469231731687303715884105728 [1, 2] "#,
            r#"true NoneNaNq\"\u001bx","fields":{{"0":18446744073709551615,"#,
            r#""id":-170141183460469231731687303715884105728,"a":[1,2],"b":true,"c":null,"#,
            r#""d":"NaN","e":"q\"\u001b","f":"x"}}}}"#,
            "\n"
        ),
        line, thread
    );
    assert_eq!(rest, expected);
}

#[test]
fn a_record_that_was_cut_says_so_last() {
    let turn = Turn::take();
    let path = turn.path("a.kymo");
    let logger = kymo::Logger::builder(&path).ring_capacity(4096).start().unwrap();
    info!("{text}", text = "x".repeat(10_000));
    assert_eq!(logger.shutdown().cut, 1);
    let out = run(&[&"cat", &"--format", &"json", &path]).fine();
    assert!(out.ends_with("xxx…\"},\"cut\":true}\n"), "{out}");
}

/// Characters that control a terminal do not reach it.
#[test]
fn control_characters_are_escaped() {
    let turn = Turn::take();
    let log = turn.logged("a.kymo", || {
        let name = thread::Builder::new().name("th\u{1b}read".to_owned());
        let evil = "\u{1b}[2J\nmore\r\u{202e}\u{7f}\u{9b}";
        let run = move || error!(target: "tar\nget", "hi {evil} C:\\dir \"ü\"");
        name.spawn(run).unwrap().join().unwrap();
    });
    let out = cat(&log).fine();
    let expected =
        r#" ERROR [th\u{1b}read] tar\nget: hi \u{1b}[2J\nmore\r\u{202e}\u{7f}\u{9b} C:\dir "ü""#;
    assert!(out.contains(expected), "{out}");
    let json = run(&[&"cat", &"--format=json", &log]).fine();
    for out in [&out, &json] {
        assert_eq!(out.find(|c: char| c.is_control() || c == '\u{202e}'), Some(out.len() - 1));
    }
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["fields"]["evil"], "\u{1b}[2J\nmore\r\u{202e}\u{7f}\u{9b}");
    assert_eq!(json["thread"], "th\u{1b}read");
}

#[test]
fn several_files_are_merged_by_time() {
    let turn = Turn::take();
    let (mut logs, mut expected) = (Vec::new(), Vec::new());
    for (file, steps) in [[0, 3], [1, 4], [2, 5]].iter().enumerate() {
        // One tick is a nanosecond, so that the times are known.
        let mut segment = segment::Segment::new(7);
        segment.clock(1_000).thread(0, "t").site(0, 3, "step {}", &[("", Type::U64)]);
        let records = steps.map(|step| [segment::Arg::Unsigned(step)]);
        let [a, b] = [0, 1].map(|at| segment::Rec(0, steps[at], &records[at]));
        segment.block(0, &[a, b]).close();
        logs.push(turn.file(&format!("{file}.kymo"), &segment.bytes));
    }
    for step in 0..6 {
        expected.push(format!("1970-01-01T00:00:00.00000100{step}Z INFO  [t] target: step {step}"));
    }
    let out = run(&[&"cat", &logs[2], &logs[0], &logs[1]]).fine();
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn times_are_shown_in_a_zone() {
    let turn = Turn::take();
    let mut segment = segment::Segment::new(7);
    segment.clock(1_750_000_000_000_000_000).site(0, 3, "x", &[]);
    segment.block(0, &[segment::Rec(0, 5, &[])]).close();
    let log = turn.file("a.kymo", &segment.bytes);
    for (zone, time) in [
        ("UTC", "2025-06-15T15:06:40.000000005Z"),
        ("America/New_York", "2025-06-15T11:06:40.000000005-04:00"),
        ("+05:45", "2025-06-15T20:51:40.000000005+05:45"),
    ] {
        let out = run(&[&"cat", &"--tz", &zone, &log]).fine();
        assert_eq!(out, format!("{time} INFO  [0] target: x\n"));
    }
    let local = kymo(&[&"cat", &"--tz=local", &log]).env("TZ", "Asia/Tokyo").output().unwrap();
    assert!(finished(local).fine().starts_with("2025-06-16T00:06:40.000000005+09:00 "));
    let none = run(&[&"cat", &"--tz", &"Mars/Olympus", &log]);
    assert_eq!((none.out.as_str(), none.code), ("", Some(2)));
    assert!(none.err.contains("Mars/Olympus"));
}

#[test]
fn colour_is_for_terminals() {
    let turn = Turn::take();
    let log = turn.logged("a.kymo", || error!("x"));
    assert!(!cat(&log).fine().contains('\u{1b}'));
    let coloured = run(&[&"cat", &"--color=always", &log]).fine();
    assert!(coloured.contains("\u{1b}[1m\u{1b}[31mERROR\u{1b}[0m ["), "{coloured:?}");
}

#[test]
fn dropped_records_are_shown_in_their_place() {
    let turn = Turn::take();
    let mut segment = segment::Segment::new(7);
    segment.clock(0).thread(0, "feed").site(0, 3, "x", &[]);
    segment.block(0, &[segment::Rec(0, 1, &[])]).drops(0, 2, 8, 12);
    segment.block(0, &[segment::Rec(0, 9, &[])]).close();
    let log = turn.file("a.kymo", &segment.bytes);
    let out = cat(&log).fine();
    let time = "1970-01-01T00:00:00.00000000";
    assert_eq!(
        out.lines().nth(1),
        Some(&*format!(
            "{time}2Z -- 12 records of thread \"feed\" were dropped here, until {time}8Z: \
             the ring was full (info 12)"
        ))
    );
    let json = run(&[&"cat", &"--format=json", &log]).fine();
    let drops: Value = serde_json::from_str(json.lines().nth(1).unwrap()).unwrap();
    assert_eq!(drops["event"], "drops");
    assert_eq!(drops["counts"][0]["reason"], "full");
    assert_eq!((&drops["records"], &drops["thread"]), (&12.into(), &"feed".into()));
}

/// Where the wall clock was set, nothing said so.
#[test]
fn clock_jumps_are_shown_in_place() {
    let turn = Turn::take();
    let mut segment = segment::Segment::new(7);
    segment.clock(0).thread(0, "feed").site(0, 3, "x", &[]);
    segment.block(0, &[segment::Rec(0, 1, &[])]);
    segment.clock_set(2, 2, -3_600_000_000_001).clock_set(3, 3, 1_500_000_000).close();
    let log = turn.file("a.kymo", &segment.bytes);
    let out = cat(&log).fine();
    let time = "1970-01-01T00:00:00.00000000";
    let expected = [
        format!("{time}1Z INFO  [feed] target: x"),
        format!(
            "{time}2Z -- the wall clock was set back by 3600.000000001 s, from here on, times are \
             ahead of it"
        ),
        format!("{time}3Z -- the wall clock was set forward by 1.500000000 s, the times with it"),
    ];
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    let shown = |format: &str| run(&[&"cat", &"--format", &format, &log]).fine();
    let json = shown("json");
    let set: Value = serde_json::from_str(json.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&set["event"], &set["time"]), (&"clock_set".into(), &format!("{time}2Z").into()));
    assert_eq!(set["by_ns"], -3_600_000_000_001_i64);
    for format in ["logfmt", "csv"] {
        assert!(shown(format).contains("clock_set"), "{format}");
    }
    let trace = run(&[&"export", &"--to", &"perfetto", &"-", &log]).fine();
    assert!(trace.contains("\"the wall clock was set by 1500000000 ns\""), "{trace}");
    assert!(run(&[&"verify", &log]).fine().contains("whole"));
    // A repaired copy has the marks, too.
    let copy = turn.path("copy.kymo");
    assert_eq!(run(&[&"repair", &log, &copy]).code, Some(0));
    assert_eq!(cat(&copy).fine(), out);
}

/// What is gone of a log is said in each format, and the totals before the segment in none.
#[test]
fn deleted_segments_are_shown_in_place() {
    let turn = Turn::take();
    let mut segment = segment::Segment::new(7);
    segment.clock(0).continued(&Continued { segments: 5, written: 9, ..Continued::default() });
    segment.thread(0, "feed").site(0, 3, "x", &[]).block(0, &[segment::Rec(0, 1, &[])]);
    segment.deleted(&Deleted { ticks: 2, first: 3, last: 3, files: 1, bytes: 4_096 });
    segment.deleted(&Deleted { ticks: 3, first: 4, last: 9, files: 6, bytes: 1 << 33 }).close();
    let log = turn.file("a.kymo", &segment.bytes);
    let out = cat(&log).fine();
    let time = "1970-01-01T00:00:00.00000000";
    let why = "of the log were deleted, because of its limits";
    let expected = [
        format!("{time}1Z INFO  [feed] target: x"),
        format!(
            "{time}2Z -- segment 3 of the log was deleted, because of its limits: 1 file, 4096 bytes"
        ),
        format!("{time}3Z -- segments 4 to 9 {why}: 6 files, 8589934592 bytes"),
    ];
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    let shown = |format: &str| run(&[&"cat", &"--format", &format, &log]).fine();
    let json = shown("json");
    let deleted: Value = serde_json::from_str(json.lines().nth(2).unwrap()).unwrap();
    assert_eq!((&deleted["event"], &deleted["first"]), (&"deleted".into(), &4.into()));
    assert_eq!((&deleted["last"], &deleted["files"]), (&9.into(), &6.into()));
    for format in ["logfmt", "csv"] {
        assert!(shown(format).contains("deleted"), "{format}");
    }
    let trace = run(&[&"export", &"--to", &"perfetto", &"-", &log]).fine();
    assert!(trace.contains("segments 4 to 9 were deleted"), "{trace}");
    assert!(run(&[&"verify", &log]).fine().contains("whole"));
    let copy = turn.path("copy.kymo");
    assert_eq!(run(&[&"repair", &log, &copy]).code, Some(0));
    assert_eq!(cat(&copy).fine(), out);
}

#[test]
fn a_fatal_signal_is_shown_in_its_place() {
    let turn = Turn::take();
    let mut segment = segment::Segment::new(7);
    segment.clock(0).thread(0, "fe\ned").site(0, 3, "x", &[]);
    segment.block(0, &[segment::Rec(0, 1, &[])]).signal(1000, 11, 2).signal(9, 99, 3).close();
    let log = turn.file("a.kymo", &segment.bytes);
    let out = cat(&log).fine();
    let time = "1970-01-01T00:00:00.00000000";
    let expected = [
        format!(r#"{time}1Z INFO  [fe\ned] target: x"#),
        format!(r#"{time}2Z -- the process received SIGSEGV in thread "fe\ned""#),
        format!("{time}3Z -- the process received signal 99 in a thread that logged nothing (9)"),
    ];
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    let json = run(&[&"cat", &"--format=json", &log]).fine();
    let mut lines = json.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
    let (known, unknown) = (lines.next().unwrap(), lines.next().unwrap());
    assert_eq!((&known["event"], &known["time"]), (&"signal".into(), &format!("{time}2Z").into()));
    assert_eq!((&known["signal"], &known["name"]), (&11.into(), &"SIGSEGV".into()));
    assert_eq!((&known["thread"], &known["os_thread"]), (&"fe\ned".into(), &1000.into()));
    assert_eq!((&unknown["name"], &unknown["thread"]), (&Value::Null, &Value::Null));
}

#[test]
fn who_stops_reading_makes_no_error() {
    let turn = Turn::take();
    let log = turn.logged("a.kymo", || (0..50_000).for_each(|i| info!("some longer text {i}")));
    let mut child =
        kymo(&[&"cat", &log]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.ends_with("some longer text 0\n"), "{first}");
    let mut complaints = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
    assert_eq!((child.wait().unwrap().code(), complaints.as_str()), (Some(0), ""));
}
