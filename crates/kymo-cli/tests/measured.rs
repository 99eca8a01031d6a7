//! What the command makes of scopes and metrics.

mod common;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::{Turn, run};
use kymo::{Level, count, gauge, histogram, info, scope};
use serde_json::Value;

/// The time of these tests is that of a clock which they set.
static NOW_NS: AtomicU64 = AtomicU64::new(1_700_000_000_000_000_000);

fn pass(time: Duration) {
    NOW_NS.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
}

/// A file with what `work` logs, by the clock that it sets.
fn logged(turn: &Turn, work: impl FnOnce()) -> PathBuf {
    let path = turn.path("log.kymo");
    let clock = kymo::Clock::Custom(|| NOW_NS.load(Ordering::Relaxed));
    let logger = kymo::Logger::builder(&path).clock(clock).start().unwrap();
    work();
    logger.shutdown();
    path
}

fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn work() {
    for round in 1..=3 {
        let _outer = scope!(target: "engine", "match; all", round);
        pass(milliseconds(1));
        for _ in 0..2 {
            let _inner = scope!(target: "engine", Level::Debug, begin_end: "match one");
            pass(milliseconds(10 * round));
        }
    }
    let _alone = scope!(target: "engine", "match one");
    pass(milliseconds(5));
}

#[test]
fn scopes_have_percentiles() {
    let turn = Turn::take();
    let path = logged(&turn, || {
        work();
        std::mem::forget(scope!(begin_end: "never ends"));
    });
    let json: Value =
        serde_json::from_str(&run(&[&"stats", &"--scopes", &"--json", &path]).fine()).unwrap();
    let [outer, inner] = &json["scopes"]["rows"].as_array().unwrap()[..] else { panic!("{json}") };
    let ms = |row: &Value, key: &str| row[key].as_f64().unwrap() / 1e6;
    assert_eq!((outer["name"].as_str(), outer["scopes"].as_u64()), (Some("match one"), Some(7)));
    assert_eq!(ms(outer, "total_ns"), 125.0);
    assert_eq!((inner["name"].as_str(), inner["scopes"].as_u64()), (Some("match; all"), Some(3)));
    assert_eq!(ms(inner, "total_ns"), 123.0);
    let took = inner["took_ns"].as_array().unwrap();
    let expected = [41.0, 61.0, 61.0, 61.0];
    for (found, expected) in took.iter().zip(expected) {
        let error = found.as_f64().unwrap() / 1e6 / expected - 1.0;
        assert!((0.0..0.01).contains(&error), "{found} {expected}");
    }
    assert_eq!(json["scopes"]["open"], 1);
    let text = run(&[&"stats", &"--scopes", &path]).fine();
    assert!(text.contains("engine: match one\n") && text.contains("1  had not ended\n"), "{text}");
}

/// The nanoseconds of each stack, against a sum by hand.
#[test]
fn folded_stacks_add_up() {
    let turn = Turn::take();
    let path = logged(&turn, || {
        let thread = std::thread::Builder::new().name("feed".to_owned());
        thread.spawn(work).unwrap().join().unwrap();
        work();
    });
    let out = turn.path("out.folded");
    run(&[&"export", &"--to", &"folded", &out, &path]).fine();
    let folded = std::fs::read_to_string(&out).unwrap();
    let main = std::thread::current().name().unwrap().to_owned();
    let lines = |thread: &str| {
        format!(
            "{thread};match one 5000000\n{thread};match: all 3000000\n{thread};match: all;match one 120000000\n"
        )
    };
    assert_eq!(folded, lines("feed") + &lines(&main));
}

#[test]
fn metrics_are_summed_by_name_and_labels() {
    let turn = Turn::take();
    let path = logged(&turn, || {
        for number in 1..=100_u64 {
            count!("orders", number, venue = if number % 4 == 0 { "XETRA" } else { "LSE" });
            gauge!("depth", 100.5 - number as f64);
            histogram!("round trip", Duration::from_micros(number));
            pass(milliseconds(1));
        }
        gauge!("depth", f64::NAN);
        info!(value = 5; "orders");
    });
    let json: Value =
        serde_json::from_str(&run(&[&"stats", &"--metrics", &"--json", &path]).fine()).unwrap();
    let [lse, xetra, depth, trip] = &json["metrics"]["rows"].as_array().unwrap()[..] else {
        panic!("{json}")
    };
    assert_eq!(
        (&lse["labels"]["venue"], &lse["sum"], &lse["records"]),
        (&"LSE".into(), &3750.into(), &75.into())
    );
    assert_eq!((&xetra["labels"]["venue"], &xetra["sum"]), (&"XETRA".into(), &1300.into()));
    let gauge = ["last", "least", "most"].map(|key| depth[key].as_f64().unwrap());
    assert_eq!(gauge, [0.5, 0.5, 99.5]);
    assert_eq!(trip["unit"], "ns");
    for (found, expected) in trip["percentiles"].as_array().unwrap().iter().zip([50, 90, 99, 100]) {
        let error = found.as_f64().unwrap() / (f64::from(expected) * 1e3) - 1.0;
        assert!(error.abs() <= 0.0101, "{found} {expected}");
    }
    let text = run(&[&"stats", &"--metrics", &path]).fine();
    for part in ["3750  orders{venue=LSE}\n", "0.500", "round trip\n", "100.00 µs"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn traces_have_slices_and_counters() {
    let turn = Turn::take();
    let path = logged(&turn, || {
        work();
        std::mem::forget(scope!(begin_end: "never ends"));
        count!("orders", 2, venue = "XETRA");
        count!("orders", 3, venue = "XETRA");
        gauge!("depth", 7);
    });
    let out = turn.path("trace.json");
    run(&[&"export", &"--to", &"perfetto", &out, &path]).fine();
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |phase: &str| events.iter().filter(|event| event["ph"] == phase).collect::<Vec<_>>();
    let slices = of("X");
    assert_eq!(slices.len(), 10);
    let outer: Vec<_> = slices.iter().filter(|slice| slice["name"] == "match; all").collect();
    assert_eq!(outer.len(), 3);
    for outer in outer {
        // Each has its two inner slices within it.
        let bounds = |slice: &Value| {
            let ts = slice["ts"].as_f64().unwrap();
            (ts, ts + slice["dur"].as_f64().unwrap())
        };
        let (begin, end) = bounds(outer);
        let inside = slices.iter().filter(|slice| {
            let (from, to) = bounds(slice);
            slice["name"] == "match one" && begin - 0.001 <= from && to <= end + 0.001
        });
        assert_eq!(inside.count(), 2, "{outer}");
    }
    let [open] = of("B")[..] else { panic!("{trace}") };
    assert_eq!(open["name"], "never ends");
    let counters = of("C").into_iter().filter(|event| event["cat"] == "metric");
    let counters: Vec<_> =
        counters.map(|it| (it["name"].as_str().unwrap(), &it["args"]["value"])).collect();
    let [two, five, seven] = [2.0, 5.0, 7.0].map(Value::from);
    assert_eq!(
        counters,
        [("orders{venue=XETRA}", &two), ("orders{venue=XETRA}", &five), ("depth", &seven)]
    );
}

/// Expressions and JSON know what is measured.
#[test]
fn other_commands_know_what_is_measured() {
    let turn = Turn::take();
    let path = logged(&turn, || {
        work();
        count!("orders", 2, venue = "XETRA");
        for _ in 0..5 {
            kymo::warn!(every_n: 4; "late");
        }
    });
    let slow = run(&[&"cat", &"--where", &"duration > 50ms", &path]).fine();
    assert_eq!(slow.lines().count(), 1);
    assert!(slow.contains("engine: match; all took 61ms round=3\n"), "{slow}");
    let suppressed =
        run(&[&"cat", &"--where", &"suppressed > 0", &"--format", &"logfmt", &path]).fine();
    assert!(suppressed.contains(r#"message="late (suppressed 3)" suppressed=3"#), "{suppressed}");
    let json =
        run(&[&"cat", &"--where", &"venue == \"XETRA\"", &"--format", &"json", &path]).fine();
    let record: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(record["metric"], serde_json::json!({"kind": "count", "name": "orders"}));
    assert_eq!(record["fields"], serde_json::json!({"venue": "XETRA", "value": 2}));
}
