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

/// Programs in four segments, with threads of one name, and one without; the fourth is of another process.
fn varied(turn: &Turn) -> PathBuf {
    let mut segments = Vec::new();
    for sequence in 1..=4 {
        let header = kymo_format::header::Header {
            process: if sequence < 4 { 4711 } else { 1 },
            ..Segment::log_header(9, sequence)
        };
        let mut segment = Segment::with_header(header);
        segment.clock(1_796_018_220_000_000_000);
        let args = [("n", Type::U64), ("who", Type::Str)];
        segment.site(0, 3, "{n} of {who}", &args).site(1, 1, "error {n}", &[("n", Type::U64)]);
        // Names in another order in each segment, and a site that is not used.
        let names = [("worker", 1_001), ("", 1_002), ("worker", 1_003), ("main", 1_000)];
        let number = |thread: u64| (thread + sequence) % 4;
        for thread in 0..4 {
            let (name, os_id) = names[thread as usize];
            segment.thread_of(number(thread), os_id, name);
        }
        for round in 0..5 {
            let at = sequence * 1_000_000_000 + round * 100_000_000;
            for thread in 0..4 {
                let args = [Arg::Unsigned(10 * round + thread), Arg::Str(b"x\ny")];
                // Two threads log at one time.
                let ticks = at + thread / 2;
                segment
                    .block(number(thread), &[Rec(0, ticks, &args), Rec(1, ticks + 1, &args[..1])]);
            }
            segment.watermark(at + 10);
            let time_ns = 1_796_018_220_000_000_013 + at as i64;
            let _ = match round {
                1 => segment.drops(number(1), at + 11, at + 12, 4),
                2 => segment.clock_set(at + 13, time_ns, -5),
                3 => segment.dump(number(2), &[&[Rec(1, at - 50, &[Arg::Unsigned(77)])]]),
                4 => segment.signal(1_000, 15, at + 14),
                _ => &mut segment,
            };
        }
        segment.close_with_index(7);
        segments.push(segment);
    }
    write_log(turn.path("x").parent().unwrap(), &segments)
}

/// Of a part is printed what is printed of the log with the filters by which it was made.
#[test]
fn cut_parts_say_what_the_log_says() {
    let turn = Turn::take();
    let link = varied(&turn);
    let whole = run(&[&"cat", &link]).fine();
    assert_eq!(whole.lines().count(), 4 * 41 + 4 * 5, "{whole}");
    for (number, filters) in [
        &[][..],
        &["--level=error"],
        &["--since=2026-11-30T05:57:01.2Z", "--until=2026-11-30T05:57:03.3Z"],
        &["--thread=worker#2", "--no-marks"],
        &["--thread=worker", "--since=2026-11-30T05:57:02Z"],
        &["--where=n > 20", "--no-marks"],
        &["--grep=7"],
    ]
    .into_iter()
    .enumerate()
    {
        let part = turn.path(&format!("part{number}.kymo"));
        let filters: Vec<&dyn AsRef<std::ffi::OsStr>> =
            filters.iter().map(|it| it as &dyn AsRef<std::ffi::OsStr>).collect();
        let with = |args: &[&dyn AsRef<std::ffi::OsStr>]| run(&[args, &filters[..]].concat());
        let ran = with(&[&"cut", &link, &"-o", &part]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
        run(&[&"verify", &part]).fine();
        let expected = with(&[&"cat", &link]).fine();
        assert!(!expected.is_empty());
        assert_eq!(run(&[&"cat", &part]).fine(), expected);
        assert_eq!(run(&[&"cat", &"--threads=2", &part]).fine(), expected);
        // A part of the part, by its index.
        let of = |path: &PathBuf| {
            let since = "--since=2026-11-30T05:57:02Z";
            with(&[&"cat", path, &since, &"--no-marks", &"--format={time} {message}"]).out
        };
        if !filters.iter().any(|it| {
            let text = it.as_ref().to_string_lossy();
            text.starts_with("--since") || text == "--no-marks"
        }) {
            assert_eq!(of(&part), of(&link));
        }
    }
}

#[test]
fn cut_writes_over_nothing() {
    let turn = Turn::take();
    let link = log(&turn, 3);
    let part = turn.file("part.kymo", b"mine");
    run(&[&"cut", &link, &"-o", &part]).complains(2, &["part.kymo", "exists already"]);
    assert_eq!(fs::read(&part).unwrap(), b"mine");
    run(&[&"cut", &link, &"-o", &link]).complains(2, &["app.kymo", "is the file that is read"]);
    // Nothing matches.
    let none = turn.path("none.kymo");
    let ran = run(&[&"cut", &link, &"-o", &none, &"--no-marks", &"--since=2027-01-01"]);
    assert_eq!((ran.err.as_str(), ran.code), ("", Some(1)));
    assert!(!none.exists());
    // Nothing is left over.
    let names = fs::read_dir(link.parent().unwrap()).unwrap();
    assert_eq!(
        names
            .filter(|it| it.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'))
            .count(),
        0
    );
}

/// What is damaged or missing is told, and lost records have a mark.
#[test]
fn cut_tells_what_is_not_in_the_part() {
    let turn = Turn::take();
    let link = varied(&turn);
    fs::remove_file(turn.path(&segment_name(2))).unwrap();
    let path = turn.path(&segment_name(1));
    let mut bytes = fs::read(&path).unwrap();
    // The first block.
    let at = bytes.windows(3).position(|it| it == b"x\ny").unwrap();
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    let part = turn.path("part.kymo");
    let ran = run(&[&"cut", &link, &"-o", &part]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for said in ["segment 2 is missing", "are damaged", "2 records were lost", "have no mark in it"]
    {
        assert!(ran.err.contains(said), "no {said:?} in {}", ran.err);
    }
    let out = run(&[&"verify", &part]).fine();
    assert!(out.contains("whole: 121 records"), "{out}");
    let out = run(&[&"cat", &part]).fine();
    assert!(
        out.contains("were dropped here: was damaged in the file") || out.contains("damaged"),
        "{out}"
    );
}

/// A year of a log with a signal and a clock that was set: none of it is passed over with records that are not
/// wanted.
#[test]
fn filters_skip_segments_and_keep_marks() {
    let turn = Turn::take();
    let segments: Vec<_> = (1..=9)
        .map(|sequence| {
            let mut segment = Segment::of_log(9, sequence);
            fill(&mut segment, sequence);
            if sequence == 7 {
                segment.signal(1_000, 15, 7_000_000_005);
            }
            segment.close_with_index(100);
            segment
        })
        .collect();
    let link = write_log(turn.path("x").parent().unwrap(), &segments);
    let out = run(&[&"cat", &"--level=error", &link]).fine();
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(out.starts_with(&lines([4])) && out.contains("SIGTERM"), "{out}");
    let out = run(&[&"fields", &"--json", &link]).fine();
    assert!(out.contains("src/main.rs:10\"") && out.contains("src/main.rs:11\""), "{out}");
}

/// A log that kymo itself has rotated, also while its process was started anew.
#[test]
fn a_log_that_was_rotated_is_one() {
    let turn = Turn::take();
    let link = turn.path("real.kymo");
    for start in 0..2_u64 {
        let rotation = kymo::Rotation::on_request();
        let logger = kymo::Logger::builder(&link)
            .rotate(rotation)
            .keep(kymo::Keep::unlimited())
            .start()
            .unwrap();
        for round in 0..5 {
            for n in 0..100 {
                kymo::info!("record {}", start * 500 + round * 100 + n);
            }
            kymo::flush();
            if round < 4 {
                logger.rotate().unwrap();
            }
        }
        logger.shutdown();
    }
    let out = run(&[&"cat", &"--format={message}", &"--target=segments", &link]).fine();
    let expected: String = (0..1_000).map(|n| format!("record {n}\n")).collect();
    assert_eq!(out, expected);
    let out = run(&[&"verify", &link]).fine();
    assert!(out.lines().last().unwrap().contains(": whole: "), "{out}");
    let out = run(&[&"tail", &"--format={message}", &"--target=segments", &"-n2", &link]).fine();
    assert_eq!(out, "record 998\nrecord 999\n");
    let out = run(&[&"ls", &"--json", &link]).fine();
    assert!(out.lines().count() > 4, "{out}");
}

/// In containers, each run of a program has the process number 1. A run is told from the next by a number of its own.
#[test]
fn runs_with_one_process_number_are_told_apart() {
    let turn = Turn::take();
    for (runs, labels) in [([5, 6], ["worker", "worker"]), ([5, 5], ["worker", "worker#2"])] {
        let segments = [1, 2].map(|sequence| {
            let run = runs[sequence as usize - 1];
            let header = kymo_format::header::Header { run, ..Segment::log_header(9, sequence) };
            let mut segment = Segment::with_header(header);
            let os_id = 7 * sequence;
            segment.clock(1_796_018_220_000_000_000).site(0, 3, "x", &[]);
            segment.thread_of(0, os_id, "worker").block(0, &[Rec(0, 1_000 * sequence, &[])]);
            segment.close();
            segment
        });
        let link = write_log(turn.path("x").parent().unwrap(), &segments);
        let out = run(&[&"cat", &link]).fine();
        let shown = out.lines().map(|line| line.split_once(" [").unwrap().1);
        let shown: Vec<_> = shown.map(|line| line.split_once(']').unwrap().0).collect();
        assert_eq!(shown, labels, "{out}");
    }
}

/// By time, the dumps of two threads overlap, and records of the log are among them. Their part is a log, too.
#[test]
fn dumps_that_overlap_are_cut() {
    let dir = tempfile::tempdir().unwrap();
    let mut segment = Segment::new(3);
    segment.clock(1_000).thread(0, "one").thread(1, "two").site(0, 3, "x", &[]);
    let at = |ticks: u64| Rec(0, ticks, &[]);
    segment.block(0, &[at(22), at(28)]).last_block(1, &[at(24), at(29)], 90);
    segment.dump(0, &[&[at(10), at(20), at(26)]]).dump(1, &[&[at(15), at(21), at(30)]]);
    let (log, part) = (dir.path().join("app.kymo"), dir.path().join("part.kymo"));
    fs::write(&log, &segment.close().bytes).unwrap();
    let ran = run(&[&"cut", &log, &"-o", &part]);
    ran.complains(0, &["10 records"]);
    assert_eq!(run(&[&"cat", &part]).fine().lines().filter(|line| line.ends_with('x')).count(), 10);
}
