//! `kymo stats`: the counts are those of what was logged, the bytes those of the file.

mod common;
use kymo_testing::segment;

use std::collections::{BTreeMap, BTreeSet};

use common::{Turn, run};
use kymo::{debug, info, warn};
use kymo_format::frame::{FrameHeader, Kind};
use kymo_format::types::Type;
use kymo_format::varint;
use segment::{Arg, Rec, Segment};
use serde_json::Value;

fn stats(args: &[&dyn AsRef<std::ffi::OsStr>]) -> Value {
    let args: Vec<&dyn AsRef<std::ffi::OsStr>> =
        [&"stats" as &dyn AsRef<std::ffi::OsStr>, &"--json"]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
    serde_json::from_str(&run(&args).fine()).unwrap()
}

/// How many bytes of records are in the blocks of a file, by the specification.
fn record_bytes(bytes: &[u8]) -> u64 {
    let mut sum = 0;
    let mut at = 4096;
    while at < bytes.len() {
        let header = FrameHeader::from_bytes(bytes[at..at + 8].try_into().unwrap());
        let mut payload = &bytes[at + 8..][..header.payload_bytes];
        if let Some(Kind::Records | Kind::LastRecords) = Kind::from_code(header.kind) {
            for _ in 0..2 {
                payload = &payload[varint::get(payload).unwrap().1..];
            }
            let watermark = if header.kind == Kind::LastRecords as u8 { 4 } else { 0 };
            sum += (payload.len() - 8 - watermark) as u64;
        }
        at += header.frame_bytes();
    }
    sum
}

/// Records and bytes are counted by call site, target, level and thread.
#[test]
fn stats_count_records_and_bytes() {
    let turn = Turn::take();
    let path = turn.path("log.kymo");
    let logger = kymo::Logger::builder(&path).start().unwrap();
    std::thread::scope(|scope| {
        for (name, records) in [("one", 500_u64), ("two", 250)] {
            let thread = std::thread::Builder::new().name(name.to_owned());
            thread
                .spawn_scoped(scope, move || {
                    for number in 0..records {
                        info!(target: "counts", "{number} of {}", "many");
                        if number % 10 == 0 {
                            warn!(target: "rare", "{number}");
                            // So that there is more than one block.
                            kymo::flush();
                        }
                    }
                })
                .unwrap();
        }
    });
    logger.shutdown();
    let summary = stats(&[&path]);
    assert_eq!(summary["records"], 825);
    assert_eq!(summary["bytes"], record_bytes(&std::fs::read(&path).unwrap()));
    let by = |table: &str, key: &str| -> BTreeMap<String, u64> {
        let rows = summary[table].as_array().unwrap();
        rows.iter()
            .map(|row| (row[key].as_str().unwrap().to_owned(), row["records"].as_u64().unwrap()))
            .collect()
    };
    let pairs = |pairs: &[(&str, u64)]| {
        pairs.iter().map(|&(name, count)| (name.to_owned(), count)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(by("threads", "name"), pairs(&[("one", 550), ("two", 275)]));
    assert_eq!(by("targets", "name"), pairs(&[("counts", 750), ("rare", 75)]));
    assert_eq!(by("levels", "name"), pairs(&[("info", 750), ("warn", 75)]));
    let sites = summary["call_sites"].as_array().unwrap();
    assert_eq!((sites.len(), &sites[0]["format"]), (2, &Value::from("{number} of {}")));
    for table in ["threads", "targets", "levels", "call_sites"] {
        let rows = summary[table].as_array().unwrap();
        let bytes: u64 = rows.iter().map(|row| row["bytes"].as_u64().unwrap()).sum();
        assert_eq!(bytes, summary["bytes"], "{table}");
    }
    let columns = summary["histogram"]["records"].as_array().unwrap();
    assert_eq!(columns.iter().map(|count| count.as_u64().unwrap()).sum::<u64>(), 825);

    // Filters apply, and what they leave out does not change the size of what is left.
    let rare = stats(&[&path, &"--target", &"rare"]);
    assert_eq!((&rare["records"], &rare["bytes"]), (&75.into(), &sites[1]["bytes"]));
    let text = run(&[&"stats", &path]).fine();
    for part in ["825 records, 0 dropped, 0 lost", "call site", "█", "rare: {number}"] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

/// A call site in two files counts once, and drops are counted by reason.
#[test]
fn stats_merge_files() {
    let turn = Turn::take();
    let log = || (0..10).for_each(|number| debug!("{number}"));
    let files = ["a.kymo", "b.kymo"].map(|name| turn.logged(name, log));
    let summary = stats(&[&files[0], &files[1]]);
    assert_eq!(summary["call_sites"].as_array().unwrap().len(), 1);
    assert_eq!(summary["call_sites"][0]["records"], 20);

    let mut file = Segment::new(7);
    file.clock(1_000).site(0, 3, "tick", &[]).thread(0, "main").block(0, &[Rec(0, 10, &[])]);
    file.drops(0, 11, 12, 4).block(0, &[Rec(0, 20, &[])]).drops(0, 21, 22, 5).close();
    let path = turn.file("drops.kymo", &file.bytes);
    let summary = stats(&[&path]);
    assert_eq!(summary["drops"][0]["records"], 9);
    assert_eq!(summary["threads"][0]["dropped"], 9);
    assert!(run(&[&"stats", &path]).fine().contains("9  the ring was full (info)"));
}

/// Two threads that ask (line 10) and are answered (line 11), with 100 to 140 ns between.
fn questions() -> Segment {
    let mut file = Segment::new(7);
    let id = [("id", Type::U64)];
    file.clock(1_000).site(0, 3, "ask {id}", &id).site(1, 3, "answer {id}", &id);
    file.thread(0, "left").thread(1, "right");
    let id = |id| [Arg::Unsigned(id)];
    // An answer without a question; one that is asked twice; one that is never answered.
    file.block(
        0,
        &[
            Rec(1, 5, &id(9)),
            Rec(0, 10, &id(1)),
            Rec(1, 110, &id(2)),
            Rec(0, 200, &id(3)),
            Rec(0, 210, &id(3)),
            Rec(1, 330, &id(3)),
            Rec(0, 400, &id(4)),
        ],
    );
    file.last_block(1, &[Rec(0, 20, &id(2)), Rec(1, 160, &id(1))], 500).close();
    file
}

/// The time between two places is measured within a thread or by a value.
#[test]
fn between_measures_by_thread_or_value() {
    let turn = Turn::take();
    let path = turn.file("log.kymo", &questions().bytes);
    let between = |args: &[&str]| -> (u64, Vec<u64>) {
        let places = "main.rs:10,main.rs:11";
        let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&path, &"--between", &places];
        all.extend(args.iter().map(|arg| arg as &dyn AsRef<std::ffi::OsStr>));
        let latency = stats(&all)["between"].clone();
        assert_eq!((&latency["begun"], &latency["ended"]), (&5.into(), &4.into()));
        let percentiles = latency["percentiles"].as_array().unwrap();
        let ns = |at: usize| percentiles[at]["ns"].as_u64().unwrap();
        (
            latency["pairs"].as_u64().unwrap(),
            vec![latency["min_ns"].as_u64().unwrap(), ns(0), ns(5)],
        )
    };
    // left: 10 to 110, 210 to 330; right: 20 to 160.
    assert_eq!(between(&[]), (3, vec![100, 120, 140]));
    // 1: 10 to 160; 2: 20 to 110; 3: 210 to 330.
    assert_eq!(between(&["--by", "id"]), (3, vec![90, 120, 150]));
    let text = run(&[&"stats", &path, &"--between", &"main.rs:10,main.rs:11"]).fine();
    assert!(text.contains("in the same thread: 3 pairs of 5 and 4 records"), "{text}");
}

/// A place at which nothing was logged is an error.
#[test]
fn an_unlogged_place_is_an_error() {
    let turn = Turn::take();
    let path = turn.file("log.kymo", &questions().bytes);
    let ran = run(&[&"stats", &path, &"--between", &"main.rs:10,nowhere.rs:1"]);
    ran.complains(2, &["no record was logged at nowhere.rs:1"]);
    for wrong in ["main.rs:10", ",", "a.rs:1,"] {
        assert_eq!(run(&[&"stats", &path, &"--between", &wrong]).code, Some(2));
    }
    assert_eq!(run(&[&"stats", &path, &"--level", &"error"]).code, Some(1));
}

/// The statements in the body of a macro have one file, line and column.
#[test]
fn statements_of_one_macro_are_told_apart() {
    macro_rules! order {
        ($id:expr) => {{
            let id: u64 = $id;
            info!(target: "desk", "order {id} received");
            warn!(target: "desk", "order {id} is large");
            info!(target: "engine", "order {id} filled");
        }};
    }
    let turn = Turn::take();
    let log = turn.logged("log.kymo", || (0..10).for_each(|id| order!(id)));
    let rows = stats(&[&log])["call_sites"].clone();
    let at = rows[0]["at"].as_str().unwrap();
    assert!(rows.as_array().unwrap().iter().all(|row| row["at"] == at), "{rows}");
    let place = |conditions: &str| format!("{at}?{conditions}");

    let messages = |conditions: &str| {
        let args: [&dyn AsRef<std::ffi::OsStr>; 6] =
            [&"cat", &"--format", &"{message}", &"--at", &place(conditions), &log];
        run(&args).fine()
    };
    for (conditions, end) in [
        ("level=warn", "is large"),
        ("target=engine", "filled"),
        ("message=received", "received"),
        ("target=desk&level=info", "received"),
    ] {
        let found = messages(conditions);
        assert_eq!(found.lines().count(), 10, "{found}");
        assert!(found.lines().all(|line| line.ends_with(end)), "{found}");
    }

    let between = |from: &str, to: &str| {
        let places = format!("{},{}", place(from), place(to));
        stats(&[&log, &"--between", &places, &"--by", &"id"])["between"].clone()
    };
    let filled = between("message=received", "message=filled");
    assert_eq!(
        (&filled["begun"], &filled["ended"], &filled["pairs"]),
        (&10.into(), &10.into(), &10.into())
    );
    let large = between("level=warn", "target=engine");
    assert_eq!((&large["begun"], &large["pairs"]), (&10.into(), &10.into()));

    // What is there is listed.
    let missing = place("message=sent");
    let ran = run(&[&"cat", &"--at", &missing, &log]);
    ran.complains(
        1,
        &["--at: no statement in the input is at", "info desk \"order {id} received\", "],
    );
    let wrong = run(&[&"cat", &"--at", &place("colour=red"), &log]);
    assert!(wrong.code == Some(2) && wrong.err.contains("`level=LEVEL`"), "{wrong:?}");
}

/// The keys of an object and of all that is in it.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                found.insert(key.clone());
                keys(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

/// Every key is described in the README, and no other.
#[test]
fn keys_of_json_are_documented() {
    let turn = Turn::take();
    let mut file = Segment::new(7);
    file.clock(1_000).site(0, 3, "ask", &[]).thread(0, "main").block(0, &[Rec(0, 10, &[])]);
    file.drops(0, 21, 22, 5).close();
    let path = turn.file("log.kymo", &file.bytes);
    let ran = run(&[&"stats", &"--json", &"--between", &"main.rs:10,main.rs:10", &path]);
    let summary: Value = serde_json::from_str(&ran.out).unwrap();
    for table in ["levels", "targets", "threads", "call_sites", "drops"] {
        assert!(!summary[table].as_array().unwrap().is_empty(), "{table}");
    }
    let mut found = BTreeSet::new();
    keys(&summary, &mut found);
    // What statements that measure have.
    let path = turn.logged("measured.kymo", || {
        drop(kymo::scope!("match"));
        kymo::count!("orders", 1, venue = "x");
        kymo::gauge!("depth", 2.5);
        kymo::histogram!("latency", std::time::Duration::from_millis(3));
        (0..3).for_each(|_| kymo::info!(every_n: 3; "tick"));
    });
    let ran = run(&[&"stats", &"--json", &"--scopes", &"--metrics", &path]);
    keys(&serde_json::from_str(&ran.out).unwrap(), &mut found);
    // A label's name, which is the program's.
    assert!(found.remove("venue"));

    let readme = include_str!("../README.md");
    let (_, section) = readme.split_once("### Keys of `kymo stats --json`").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let words = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    let options = ["--between", "--scopes", "--metrics"];
    let others = ["Report::dropped", "unwritten", "warnings_dropped"];
    let documented: BTreeSet<String> = words
        .filter(|word| ![&options[..], &others].concat().contains(word))
        .map(str::to_owned)
        .collect();
    assert_eq!(found, documented);
}

/// What rates have suppressed is summed, for each statement and in all.
#[test]
fn suppressed_records_are_summed() {
    let turn = Turn::take();
    let path = turn.logged("log.kymo", || {
        for tick in 0..10 {
            warn!(every_n: 4; "tick {tick}");
            warn!(once; "once");
        }
        info!("plain");
    });
    let text = run(&[&"stats", &path]).fine();
    assert!(text.contains("\n16 records were suppressed by a rate\n"), "{text}");
    assert!(text.contains(": tick {tick} (7 suppressed)\n"), "{text}");
    assert!(text.contains(": once (9 suppressed)\n"), "{text}");
    assert!(text.contains(": plain\n"), "{text}");
}
