//! `Stats::to_prometheus`: a strict reader of the text exposition format 0.0.4 takes it, and each number is that of
//! `Logger::stats`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use kymo::{
    Clock, DropReason, Keep, Level, Logger, Overflow, Rotation, Route, Stats, debug, error, info,
    warn,
};
use kymo_testing::logged;
use kymo_testing::stopping;
use logged::Turn;

/// A metric: its kind, its help, its samples by labels.
#[derive(Debug, Default)]
struct Metric {
    kind: String,
    help: String,
    samples: BTreeMap<BTreeMap<String, String>, String>,
}

/// The metrics of a text, by name.
///
/// Stricter than the format: `HELP`, `TYPE` and samples of a metric come together, in this order; no spaces but those
/// that the format needs; no times.
fn parse(text: &str) -> BTreeMap<String, Metric> {
    assert!(text.ends_with('\n'), "the last line has no end");
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    let mut current = String::new();
    for line in text.strip_suffix('\n').unwrap().split('\n') {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help");
            assert!(is_name(name, true), "{line}");
            assert!(!help.is_empty() && !help.contains('\\'), "{line}");
            let metric = Metric { help: help.to_owned(), ..Metric::default() };
            assert!(metrics.insert(name.to_owned(), metric).is_none(), "twice: {line}");
            current = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert_eq!(name, current, "a type without its help");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            let metric = metrics.get_mut(name).unwrap();
            assert!(metric.kind.is_empty() && metric.samples.is_empty(), "{line}");
            metric.kind = kind.to_owned();
        } else {
            let (name, labels, value) = sample(line);
            assert_eq!(name, current, "a sample of another metric");
            let metric = metrics.get_mut(name).unwrap();
            assert!(!metric.kind.is_empty(), "a sample before its type: {line}");
            assert!(value.parse::<f64>().is_ok_and(|it| it.is_finite() && it >= 0.0), "{line}");
            assert!(metric.samples.insert(labels, value.to_owned()).is_none(), "twice: {line}");
        }
    }
    metrics
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`; names of labels have no colons.
fn is_name(name: &str, has_colons: bool) -> bool {
    let is_letter =
        |char: char| char.is_ascii_alphabetic() || char == '_' || has_colons && char == ':';
    name.starts_with(is_letter) && name.chars().all(|it| is_letter(it) || it.is_ascii_digit())
}

/// The name, the labels and the value of a sample.
fn sample(line: &str) -> (&str, BTreeMap<String, String>, &str) {
    let end = line.find(['{', ' ']).expect("a value");
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name, true), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(first) = rest.strip_prefix('{') {
        rest = first;
        loop {
            let (label, text) = rest.split_once("=\"").expect("a label");
            assert!(is_name(label, false) && !label.starts_with("__"), "{line}");
            let mut value = String::new();
            let mut chars = text.chars();
            loop {
                match chars.next().expect("the end of a value") {
                    '"' => break,
                    '\\' => value.push(match chars.next() {
                        Some('\\') => '\\',
                        Some('"') => '"',
                        Some('n') => '\n',
                        other => panic!("escape {other:?} in {line}"),
                    }),
                    char => value.push(char),
                }
            }
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            rest = chars.as_str();
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').expect("the end of the labels");
    }
    let value = rest.strip_prefix(' ').expect("a space");
    assert!(!value.contains(' '), "{line}");
    (name, labels, value)
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
}

fn seconds(duration: Duration) -> String {
    format!("{}.{:09}", duration.as_secs(), duration.subsec_nanos())
}

/// Holds each number of the text against `stats`.
fn compare(stats: &Stats) -> BTreeMap<String, Metric> {
    let metrics = parse(&stats.to_prometheus());
    let mut seen = BTreeSet::new();
    let mut value = |name: &str, with: &[(&str, &str)]| {
        let (full, with) = (format!("kymo_{name}"), labels(with));
        let metric = metrics.get(&full).unwrap_or_else(|| panic!("no {full}"));
        let value = metric.samples.get(&with).unwrap_or_else(|| panic!("no {full}{with:?}"));
        seen.insert((full, with));
        value.clone()
    };
    // By the field of `Stats`, so that one that is added later is missed.
    let numbers = [
        ("sweeps", "sweeps_total", stats.sweeps.to_string()),
        ("busy", "consumer_busy_seconds_total", seconds(stats.busy)),
        ("running", "consumer_running_seconds_total", seconds(stats.running)),
        ("lag", "lag_seconds", seconds(stats.lag)),
        ("max_lag", "max_lag_seconds", seconds(stats.max_lag)),
        ("file_bytes", "file_bytes", stats.file_bytes.to_string()),
        ("output_errors", "output_errors_total", stats.output_errors.to_string()),
        ("sync_errors", "sync_errors_total", stats.sync_errors.to_string()),
        (
            "synced_ns",
            "synced_timestamp_seconds",
            seconds(Duration::from_nanos(stats.synced_ns as u64)),
        ),
        ("rescued", "rescued_records_total", stats.rescued.to_string()),
        ("dumps", "dumps_total", stats.dumps.to_string()),
        ("dumped", "dumped_records_total", stats.dumped.to_string()),
        ("suppressed", "suppressed_records_total", stats.suppressed.to_string()),
        ("ring_file_errors", "ring_file_errors_total", stats.ring_file_errors.to_string()),
        ("ring_errors", "ring_errors_total", stats.ring_errors.to_string()),
        ("unlogged", "unlogged_calls_total", stats.unlogged.to_string()),
        ("segments", "segments_total", stats.segments.to_string()),
        ("segments_late", "late_segments_total", stats.segments_late.to_string()),
        ("limit_exceeded", "limit_exceeded_total", stats.limit_exceeded.to_string()),
        ("segments_deleted", "deleted_segments_total", stats.segments_deleted.to_string()),
        ("bytes_deleted", "deleted_bytes_total", stats.bytes_deleted.to_string()),
        ("segments_compressed", "compressed_segments_total", stats.segments_compressed.to_string()),
        ("bytes_saved", "saved_bytes_total", stats.bytes_saved.to_string()),
        ("rotation_errors", "rotation_errors_total", stats.rotation_errors.to_string()),
        ("console_shown", "console_shown_records_total", stats.console_shown.to_string()),
        ("console_skipped", "console_skipped_records_total", stats.console_skipped.to_string()),
        ("console_errors", "console_errors_total", stats.console_errors.to_string()),
    ];
    for (field, name, number) in &numbers {
        assert_eq!(value(name, &[]), *number, "{field}");
    }
    let told: BTreeSet<_> = numbers.iter().map(|(field, ..)| *field).collect();
    let debug = format!("{stats:#?}");
    let fields = debug.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(": "));
    let fields = fields.map(|(field, _)| field).filter(|field| !field.starts_with(' '));
    let untold: Vec<_> = fields.filter(|it| !told.contains(it)).collect();
    let others = ["threads", "total", "logs", "sinks"];
    assert_eq!(untold, others, "`to_prometheus` lacks a field of `Stats`");

    assert_eq!(value("written_bytes_total", &[]), stats.total.bytes().to_string());
    for level in Level::ALL {
        let written = value("written_records_total", &[("level", level.name())]);
        assert_eq!(written, stats.total.written_at(level).to_string());
        let mut dropped = 0;
        for reason in DropReason::KNOWN {
            let with = [("reason", reason.name().unwrap()), ("level", level.name())];
            let count: u64 = value("dropped_records_total", &with).parse().unwrap();
            let drops = stats.total.drops().find(|drop| (drop.0, drop.1) == (reason, level));
            assert_eq!(count, drops.map_or(0, |(.., count)| count));
            dropped += count;
        }
        assert_eq!(dropped, stats.total.dropped_at(level));
    }
    for sink in &stats.sinks {
        let mut number = |name: &str| value(name, &[("sink", &sink.name)]);
        assert_eq!(number("sink_delivered_records_total"), sink.delivered.to_string());
        assert_eq!(number("sink_left_out_records_total"), sink.left_out.to_string());
        assert_eq!(number("sink_skipped_records_total"), sink.skipped.to_string());
        assert_eq!(number("sink_failed_records_total"), sink.failed.to_string());
        assert_eq!(number("sink_errors_total"), sink.errors.to_string());
        assert_eq!(number("sink_panics_total"), sink.panics.to_string());
    }
    for log in &stats.logs {
        let path = log.path.to_str().unwrap();
        for level in Level::ALL {
            let with = [("log", path), ("level", level.name())];
            let (written, dropped) = (log.total.written_at(level), log.total.dropped_at(level));
            assert_eq!(value("routed_written_records_total", &with), written.to_string());
            assert_eq!(value("routed_dropped_records_total", &with), dropped.to_string());
        }
        let mut number = |name: &str| value(name, &[("log", path)]);
        assert_eq!(number("routed_file_bytes"), log.file_bytes.to_string());
        assert_eq!(number("routed_output_errors_total"), log.output_errors.to_string());
        assert_eq!(number("routed_sync_errors_total"), log.sync_errors.to_string());
        assert_eq!(number("routed_segments_total"), log.segments.to_string());
        assert_eq!(number("routed_deleted_segments_total"), log.segments_deleted.to_string());
        assert_eq!(number("routed_rotation_errors_total"), log.rotation_errors.to_string());
    }
    for thread in &stats.threads {
        let tid = thread.os_id.to_string();
        let mut number = |name: &str| value(name, &[("thread", &thread.name), ("tid", &tid)]);
        assert_eq!(number("ring_capacity_bytes"), thread.ring_capacity.to_string());
        assert_eq!(number("ring_used_bytes"), thread.ring_used.to_string());
        assert_eq!(number("ring_high_water_bytes"), thread.ring_high_water.to_string());
        assert_eq!(number("thread_written_records_total"), thread.account.written().to_string());
        assert_eq!(number("thread_dropped_records_total"), thread.account.dropped().to_string());
    }
    for (name, metric) in &metrics {
        for with in metric.samples.keys() {
            assert!(seen.contains(&(name.clone(), with.clone())), "{name}{with:?} is of nothing");
        }
    }
    metrics
}

/// Threads of all names, records of all levels, drops, segments that limits have deleted, a sync.
#[test]
fn each_number_is_that_of_stats() {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let logger = Logger::builder(dir.path().join("app.kymo"))
        .rotate(Rotation::on_request())
        .keep(Keep::unlimited().files(2))
        .route(Route::level(Level::Warn).to("warnings.kymo"))
        .start()
        .unwrap();
    let (go, wait) = mpsc::channel::<()>();
    let (done, logged) = mpsc::channel();
    let wait = Arc::new(Mutex::new(wait));
    let names = ["plain", "quo\"ted", "back\\slash\\n", "line\nbreak", "schön", "two", "two", ""];
    let threads: Vec<_> = names
        .into_iter()
        .map(|name| {
            let (wait, done) = (wait.clone(), done.clone());
            let work = move || {
                (0..100).for_each(|record| info!("{record}"));
                warn!("{}", "last");
                kymo::flush();
                done.send(()).unwrap();
                let _ = wait.lock().unwrap().recv();
            };
            thread::Builder::new().name(name.to_owned()).spawn(work).unwrap()
        })
        .collect();
    names.iter().for_each(|_| logged.recv().unwrap());
    for _ in 0..4 {
        error!("next");
        logger.rotate().unwrap();
    }
    logger.sync().unwrap();
    let stats = logger.stats();
    assert_eq!(stats.total.written(), 8 * 101 + 4);
    assert_eq!(stats.segments, 5);
    let metrics = compare(&stats);
    for name in names {
        let mut samples = metrics["kymo_ring_capacity_bytes"].samples.keys();
        assert!(samples.any(|it| it["thread"] == name), "{name:?}");
    }
    assert!(metrics.values().all(|metric| metric.help.ends_with('.')));
    drop(go);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    drop(logger);
}

/// A logger whose consumer can be stopped, and whose rings fill soon.
fn with_small_rings(turn: &Turn) -> Logger {
    let builder = turn.builder().clock(Clock::Custom(stopping::clock));
    builder.ring_capacity(4 << 10).overflow(Overflow::DropNewest).start().unwrap()
}

/// Stops the consumer, at a sweep that has something to write.
fn stop_consumer() {
    stopping::stop();
    while !stopping::is_stopped() {
        info!("something to write");
        thread::yield_now();
    }
}

/// A ring that is full: its depth, and what was dropped, by level.
#[test]
fn a_full_ring_and_its_drops_are_seen() {
    let turn = Turn::take();
    let logger = with_small_rings(&turn);
    stop_consumer();
    // 24 bytes each.
    (0..100_u64).for_each(|record| info!("{record}"));
    (0..1_000_u64).for_each(|record| debug!("{record}"));
    stopping::go_on();
    assert!(logger.flush());
    let stats = logger.stats();
    let metrics = compare(&stats);
    let dropped = &metrics["kymo_dropped_records_total"].samples;
    let dropped = |level| dropped[&labels(&[("reason", "full"), ("level", level)])].parse::<u64>();
    assert!(dropped("debug").unwrap() > 800, "{metrics:#?}");
    assert_eq!(dropped("error"), Ok(0));
    let number = |name: &str| -> u64 {
        metrics[name].samples.values().map(|value| value.parse::<u64>().unwrap()).max().unwrap()
    };
    let (high, all) = (number("kymo_ring_high_water_bytes"), number("kymo_ring_capacity_bytes"));
    assert!(high * 10 >= all * 8 && high <= all, "{high} of {all}");
    // The consumer has found nothing since, or this flush.
    let used = number("kymo_ring_used_bytes");
    assert!(used <= high, "{used}");
    drop(logger);
}

/// Threads that cannot be told apart are one sample, with the sums.
#[test]
fn threads_with_one_name_and_number_are_one() {
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    info!("from this thread");
    assert!(logger.flush());
    let mut stats = logger.stats();
    let this = stats.threads[0].clone();
    stats.threads.push(this.clone());
    let metrics = parse(&stats.to_prometheus());
    let with = labels(&[("thread", &this.name), ("tid", &this.os_id.to_string())]);
    let capacity = &metrics["kymo_ring_capacity_bytes"].samples[&with];
    assert_eq!(*capacity, (2 * this.ring_capacity).to_string());
    drop(logger);
}

/// The reader of this file refuses what is no such text.
#[test]
fn the_strict_reader_is_strict() {
    let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{b=\"\\n\"} 1\n";
    assert_eq!(parse(good)["a_total"].samples[&labels(&[("b", "\n")])], "1");
    for (from, to) in [
        ("} 1\n", "} 1"),
        ("\\n", "\\x"),
        ("\\n", "\n"),
        ("\\n", "\""),
        ("TYPE a_total", "TYPE b_total"),
        ("HELP a_total", "HELP 1_total"),
        ("counter", "gauge"),
        ("counter", "number"),
        ("} 1", "} NaN"),
        ("} 1", "} -1"),
        ("} 1", "}  1"),
        ("} 1\n", "} 1\na_total{b=\"\\n\"} 2\n"),
        ("b=", "b b="),
        ("A.\n", "A.\n\n"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert!(std::panic::catch_unwind(|| parse(&bad)).is_err(), "{bad:?}");
    }
}

#[path = "../examples/metrics.rs"]
#[allow(dead_code, reason = "the example has a `main`")]
mod example;

/// The example's server answers a scraper, and its alarm is raised by a ring that was 80 % full.
#[test]
fn the_example_is_scraped_and_alarms() {
    let turn = Turn::take();
    let logger = with_small_rings(&turn);
    info!("not full");
    assert!(logger.flush());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| example::serve(&listener, &logger, 4));
        let calm = example::scrape(to).unwrap();
        parse(&calm);
        assert_eq!(example::alarms(&calm), Vec::<String>::new());
        stop_consumer();
        (0..1_000_u64).for_each(|record| info!("{record}"));
        stopping::go_on();
        assert!(logger.flush());
        let full = example::scrape(to).unwrap();
        parse(&full);
        let alarms = example::alarms(&full);
        assert_eq!(alarms.len(), 1, "{alarms:?}");
        let ask = |request: &str| {
            let mut stream = TcpStream::connect(to).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let other = ask("GET /secret HTTP/1.1\r\n\r\n");
        assert!(other.starts_with("HTTP/1.1 404 "), "{other}");
        let header = ask("GET /metrics HTTP/1.1\r\n\r\n");
        assert!(header.contains("\r\nContent-Type: text/plain; version=0.0.4; "), "{header}");
    });
    drop(logger);
}
