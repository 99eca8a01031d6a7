//! `kymo export`: what is exported parses back, and a trace is what the Trace Event Format says.

mod common;
use kymo_testing::segment;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use common::{Turn, cat, run};
use kymo::{info, warn};
use kymo_format::types::{SpanRole, Type};
use segment::{Arg, Rec, Segment, sample};
use serde_json::Value;

/// Checks a trace against the Trace Event Format, and returns its events.
fn events(text: &str) -> Vec<Value> {
    let trace: Value = serde_json::from_str(text).unwrap();
    assert!(["ms", "ns"].contains(&trace["displayTimeUnit"].as_str().unwrap()));
    assert!(trace["otherData"].is_object());
    let events = trace["traceEvents"].as_array().unwrap().clone();
    for event in &events {
        assert!(event["name"].is_string(), "{event}");
        let is = |key: &str| event[key].as_u64().is_some_and(|id| u32::try_from(id).is_ok());
        assert!(is("pid"), "{event}");
        assert!(event["args"].is_object(), "{event}");
        let phase = event["ph"].as_str().unwrap();
        if phase != "M" {
            assert!(event["ts"].is_number(), "{event}");
        }
        match phase {
            "i" => match event["s"].as_str().unwrap() {
                "t" => assert!(is("tid"), "{event}"),
                scope => assert!(["p", "g"].contains(&scope), "{event}"),
            },
            "C" => {
                let args = event["args"].as_object().unwrap();
                assert!(!args.is_empty() && args.values().all(Value::is_number), "{event}");
            }
            "B" | "E" => assert!(is("tid"), "{event}"),
            "M" => {
                let key = match event["name"].as_str().unwrap() {
                    "process_name" | "thread_name" => "name",
                    "process_labels" => "labels",
                    _ => continue,
                };
                assert!(event["args"][key].is_string(), "{event}");
            }
            phase => panic!("phase {phase}: {event}"),
        }
    }
    events
}

fn of<'e>(events: &'e [Value], phase: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["ph"] == phase).collect()
}

/// A trace has a track for each thread and an event for each record.
#[test]
fn a_trace_has_tracks_and_events() {
    let turn = Turn::take();
    let log = turn.logged("log.kymo", || {
        std::thread::scope(|scope| {
            for name in ["one", "two"] {
                let thread = std::thread::Builder::new().name(name.to_owned());
                let log = || (0..50).for_each(|id| info!("{id} \"quoted\"\n{}", 1.5));
                thread.spawn_scoped(scope, log).unwrap();
            }
        });
        warn!(target: "risk", "last");
    });
    let out = turn.path("trace.json");
    assert_eq!(run(&[&"export", &"--to", &"perfetto", &out, &log]).fine(), "");
    let events = events(&std::fs::read_to_string(&out).unwrap());
    let instants = of(&events, "i");
    assert_eq!(instants.len(), 101);
    let names: BTreeMap<u64, &str> = of(&events, "M")
        .into_iter()
        .filter(|event| event["name"] == "thread_name")
        .map(|event| (event["tid"].as_u64().unwrap(), event["args"]["name"].as_str().unwrap()))
        .collect();
    assert_eq!(names.len(), 3);
    for name in ["one", "two"] {
        let track: Vec<_> =
            instants.iter().filter(|it| names[&it["tid"].as_u64().unwrap()] == name).collect();
        assert_eq!(track.len(), 50);
        for (id, event) in track.iter().enumerate() {
            assert_eq!(event["name"], "{id} \"quoted\"\n{}");
            assert_eq!(event["args"]["message"], format!("{id} \"quoted\"\n1.5"));
            assert_eq!(event["args"]["fields"]["id"], id);
            assert_eq!(event["args"]["fields"]["0"], 1.5);
            assert_eq!(event["pid"], std::process::id());
        }
        assert!(track.is_sorted_by_key(|event| (event["ts"].as_f64().unwrap() * 1e3) as u64));
    }
    let last = instants.iter().find(|event| event["name"] == "last").unwrap();
    assert_eq!((&last["cat"], &last["args"]["target"]), (&"warn".into(), &"risk".into()));
    let at = last["args"]["at"].as_str().unwrap();
    assert!(at.starts_with("crates/kymo-cli/tests/export.rs:"), "{at}");
}

/// Events are named by their statement, so that a viewer can count those of one, and what opens a
/// trace is named as it is called today.
#[test]
fn events_of_a_statement_have_one_name() {
    let turn = Turn::take();
    let log = turn.logged("log.kymo", || (0..50).for_each(|id| info!("order {id} filled")));
    let text = run(&[&"export", &"--to", &"perfetto", &"-", &log]).fine();
    let events = events(&text);
    let names: BTreeSet<_> = of(&events, "i").iter().map(|it| it["name"].as_str()).collect();
    assert_eq!(names, BTreeSet::from([Some("order {id} filled")]));
    let messages: BTreeSet<_> =
        of(&events, "i").iter().map(|it| it["args"]["message"].as_str()).collect();
    assert_eq!(messages.len(), 50);
    let help = run(&[&"export", &"--help"]).fine();
    assert!(help.contains("ui.perfetto.dev") && !help.contains("chrome"), "{help}");
}

/// Times have a nanosecond and drops a counter.
#[test]
fn traces_have_nanoseconds_and_drop_counter() {
    let turn = Turn::take();
    let mut file = Segment::new(7);
    file.clock(1_700_000_000_123_456_789).site(0, 3, "tick", &[]).thread(0, "main");
    file.block(0, &[Rec(0, 1, &[])]).drops(0, 2, 1_000, 4).block(0, &[Rec(0, 1_001, &[])]);
    file.drops(0, 2_000, 3_000, 5).close();
    let log = turn.file("log.kymo", &file.bytes);
    let text = run(&[&"export", &"--to", &"perfetto", &"-", &log]).fine();
    assert!(text.contains("\"start\":\"2023-11-14T22:13:20.000000000Z\""), "{text}");
    assert!(text.contains("\"ts\":123456.790,"), "{text}");
    let events = events(&text);
    let counts: Vec<_> =
        of(&events, "C").iter().map(|event| event["args"]["dropped"].as_u64().unwrap()).collect();
    assert_eq!(counts, [0, 4, 4, 9]);
    let marks = of(&events, "i").iter().filter(|event| event["cat"] == "drops").count();
    assert_eq!(marks, 2);
}

/// Threads of several files share a track only if they are one thread.
#[test]
fn only_one_thread_has_one_track() {
    let turn = Turn::take();
    // One thread of one process; then another process with equal numbers.
    let one = turn.file("one.kymo", &sample().bytes);
    let two = turn.file("two.kymo", &sample().bytes);
    let mut other = sample().bytes;
    other[20] ^= 1;
    other[2048 + 20] ^= 1;
    let mut copies = [0, 2048].map(|at| other[at..at + 188].to_vec());
    for (copy, at) in copies.iter_mut().zip([0, 2048]) {
        let crc = crc32c(copy);
        other[at + 188..at + 192].copy_from_slice(&crc.to_le_bytes());
    }
    let three = turn.file("three.kymo", &other);
    let text = run(&[&"export", &"--to", &"perfetto", &"-", &one, &two, &three]).fine();
    let events = events(&text);
    let threads: BTreeSet<_> = of(&events, "i")
        .iter()
        .filter(|event| event["s"] == "t")
        .map(|event| (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap()))
        .collect();
    let tids: BTreeSet<_> = threads.iter().map(|(_, tid)| tid).collect();
    // Viewers look threads up by their number alone.
    assert_eq!((threads.len(), tids.len()), (6, 6), "{threads:?}");
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0x82F6_3B78 & 0_u32.wrapping_sub(crc & 1))
        })
    })
}

#[test]
fn json_and_csv_are_what_cat_prints() {
    let turn = Turn::take();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/v1.kymo");
    for format in ["json", "csv"] {
        let out = turn.path(format);
        assert_eq!(run(&[&"export", &"--to", &format, &out, &golden]).fine(), "");
        let printed = run(&[&"cat", &"--format", &format, &golden]).fine();
        assert_eq!(std::fs::read_to_string(out).unwrap(), printed);
    }
}

/// A file is replaced only on request, and an input file never.
#[test]
fn output_replaces_only_on_request() {
    let turn = Turn::take();
    let log = turn.logged("log.kymo", || info!("one"));
    let out = turn.file("out", b"mine");
    let export = |to: &Path, args: &[&str]| {
        let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> =
            vec![&"export", &"--to", &"json", &to, &log];
        all.extend(args.iter().map(|arg| arg as &dyn AsRef<std::ffi::OsStr>));
        run(&all)
    };
    export(&out, &[]).complains(2, &["out: exists already"]);
    assert_eq!(std::fs::read(&out).unwrap(), b"mine");
    let link = turn.path("link");
    std::os::unix::fs::symlink(&log, &link).unwrap();
    export(&log, &["--force"]).complains(2, &["is the file that is read"]);
    export(&link, &["--force"]).complains(2, &["is the file that is read"]);
    export(Path::new("/dev/null"), &["--force"]).complains(2, &["not a regular file"]);
    export(&out, &["--force"]).fine();
    assert_eq!(std::fs::read_to_string(&out).unwrap().lines().count(), 1);
    cat(&log).fine();

    // What cannot be read makes no file.
    let missing = run(&[&"export", &"--to", &"json", &turn.path("new"), &turn.path("missing")]);
    missing.complains(2, &["missing: "]);
    assert_eq!(std::fs::read_dir(turn.path(".")).unwrap().count(), 3, "no other file remains");
}

#[test]
fn without_a_record_it_is_a_trace_still() {
    let turn = Turn::take();
    let log = turn.logged("log.kymo", || ());
    let ran = run(&[&"export", &"--to", &"perfetto", &"-", &log]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""));
    assert!(of(&events(&ran.out), "i").is_empty());
}

/// A file in which threads enter and leave spans: in any order, twice, with records missing.
fn spans(turn: &Turn) -> std::path::PathBuf {
    let mut file = Segment::new(0x59A2);
    file.clock(1_000_000_000).thread(0, "main").thread(1, "other");
    let role = Type::Span;
    file.site(0, 3, "outer {{}}", &[("a", Type::U64), ("", role(SpanRole::New))]);
    file.site(1, 3, "inner", &[("", role(SpanRole::New)), ("", role(SpanRole::In))]);
    for (number, role) in [(2, SpanRole::Enter), (3, SpanRole::Exit), (4, SpanRole::Close)] {
        file.site(number, 3, "outer {{}}", &[("", Type::Span(role))]);
        file.site(number + 3, 3, "inner", &[("", Type::Span(role))]);
    }
    let id = Arg::Unsigned;
    file.block(
        0,
        &[
            Rec(0, 0, &[id(7), id(5)]),
            Rec(1, 0, &[id(6), id(5)]),
            Rec(2, 100, &[id(5)]),
            Rec(5, 200, &[id(6)]),
            // Not the one that was entered last.
            Rec(3, 300, &[id(5)]),
            Rec(6, 400, &[id(6)]),
            // Never entered.
            Rec(3, 500, &[id(5)]),
            Rec(5, 600, &[id(6)]),
            Rec(5, 700, &[id(6)]),
            Rec(6, 800, &[id(6)]),
            Rec(6, 900, &[id(6)]),
        ],
    );
    file.block(1, &[Rec(2, 1_000, &[id(5)])]);
    file.drops(1, 1_100, 1_200, 3);
    file.block(1, &[Rec(3, 1_300, &[id(5)]), Rec(7, 1_400, &[id(6)]), Rec(4, 1_500, &[id(5)])]);
    file.block(1, &[Rec(4, 1_600, &[id(99)])]);
    file.close();
    turn.file("spans.kymo", &file.bytes)
}

/// Slices of a thread nest, whatever is missing, and end where the thread left the span.
#[test]
fn spans_are_slices() {
    let turn = Turn::take();
    let out = turn.path("trace.json");
    run(&[&"export", &"--to", &"perfetto", &out, &spans(&turn)]).fine();
    let events = events(&std::fs::read_to_string(&out).unwrap());
    let slices = events.iter().filter(|event| ["B", "E"].contains(&event["ph"].as_str().unwrap()));
    let slices = slices.map(|event| {
        let name = event["name"].as_str().unwrap().to_owned();
        let at = (event["ts"].as_f64().unwrap() * 1_000.0).round() as u64;
        (event["ph"].as_str().unwrap().to_owned(), name, at)
    });
    let expected = [
        ("B", "outer {}", 100),
        ("B", "inner", 200),
        ("E", "", 300),
        ("E", "", 300),
        ("B", "inner", 300),
        ("E", "", 400),
        ("B", "inner", 600),
        ("B", "inner", 700),
        ("E", "", 800),
        ("E", "", 900),
        ("B", "outer {}", 1_000),
        // Records are missing.
        ("E", "", 1_100),
    ];
    let expected = expected.map(|(phase, name, at)| (phase.to_owned(), name.to_owned(), at));
    assert_eq!(slices.collect::<Vec<_>>(), expected);
    assert!(events.iter().any(|event| event["args"]["a"] == 7 && event["args"]["id"] == 5));
}

/// Busy and idle times, by name.
#[test]
fn stats_measure_spans() {
    let turn = Turn::take();
    let path = spans(&turn);
    let json: Value =
        serde_json::from_str(&run(&[&"stats", &"--spans", &"--json", &path]).out).unwrap();
    let spans = &json["spans"];
    let row = |name: &str| {
        let rows = spans["rows"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap().clone()
    };
    // In the main thread from 100 to 300, in the other from 1,000 to 1,300; it was there from 0 to 1,500.
    let outer = row("outer {}");
    assert_eq!((&outer["spans"], &outer["entered"]), (&1.into(), &2.into()));
    let near = |value: &Value, ns: u64| (ns..=ns + ns / 100).contains(&value[0].as_u64().unwrap());
    assert!(near(&outer["busy_ns"], 500) && near(&outer["idle_ns"], 1_000), "{outer}");
    // From 200 to 400, and from 600 to 900; until 1,400.
    let inner = row("inner");
    assert!(near(&inner["busy_ns"], 500) && near(&inner["idle_ns"], 900), "{inner}");
    assert_eq!((&spans["open"], &spans["unknown"]), (&0.into(), &1.into()));
    let text = run(&[&"stats", &"--spans", &path]).out;
    assert!(text.contains("  target: outer {}\n") && text.contains("busy p50"), "{text}");
}

/// `kymo cat` prints the records of spans if it is asked to.
#[test]
fn cat_prints_records_of_spans_on_request() {
    let turn = Turn::take();
    let path = spans(&turn);
    let shown = |lines: &str| lines.lines().filter(|line| !line.contains("-- ")).count();
    assert_eq!(shown(&run(&[&"cat", &path]).out), 0);
    let all = run(&[&"cat", &"--spans", &path]).out;
    assert_eq!(shown(&all), 16);
    for part in [
        "target: new outer {} a=7\n",
        "target: outer {}{a=7}: new inner\n",
        "target: outer {}{a=7}: inner: enter inner\n",
        "target: outer {}{a=7}: exit outer {}\n",
        "target: #99: close outer {}\n",
    ] {
        assert!(all.contains(part), "{part} in {all}");
    }
}
