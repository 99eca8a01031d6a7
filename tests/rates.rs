//! Statements with a rate: which records are logged, and that each suppressed one is told once.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kymo::{Level, info, log, warn};
use kymo_reader::{Event, Files, Options, Purpose};
use kymo_testing::logged::Turn;
use proptest::prelude::*;

/// A record that was read.
#[derive(Debug)]
struct Read {
    message: String,
    suppressed: Option<u64>,
    purpose: Purpose,
    level: Level,
    line: u64,
    thread: String,
}

/// What `work` logs, and the logger's report.
fn logged(work: impl FnOnce(&kymo::Logger)) -> (Vec<Read>, kymo::Report) {
    let turn = Turn::take();
    let path = turn.path.clone();
    let logger = kymo::Logger::builder(&path).overwrite(true).filter("info").start().unwrap();
    work(&logger);
    let report = logger.shutdown();
    let mut files = Files::open([&path], Options::new).unwrap();
    let mut all = Vec::new();
    while let Some((_, event)) = files.next_event().unwrap() {
        let Event::Record(record) = event else { continue };
        // A warning of the logger, about the file system for instance.
        if record.target() == "kymo" {
            continue;
        }
        let mut message = String::new();
        record.message(&mut message);
        let site = record.call_site();
        all.push(Read {
            message,
            suppressed: record.suppressed(),
            purpose: site.purpose(),
            level: record.level(),
            line: record.line(),
            thread: record.thread().name().to_owned(),
        });
    }
    (all, report)
}

fn messages(work: impl FnOnce()) -> Vec<String> {
    logged(|_| work()).0.into_iter().map(|read| read.message).collect()
}

#[test]
fn every_n_logs_the_first_of_n() {
    let found = messages(|| {
        for tick in 0..8 {
            warn!(every_n: 3; "tick {tick}");
        }
    });
    let expected =
        ["tick 0", "tick 3 (suppressed 2)", "tick 6 (suppressed 2)", "tick {tick} (suppressed 1)"];
    assert_eq!(found, expected);
}

#[test]
fn first_and_once_log_the_first() {
    let found = messages(|| {
        for tick in 0..5 {
            info!(first: 2, tick; "started");
            info!(once, "only {}", tick);
        }
    });
    let expected = [
        "started tick=0",
        "only 0",
        "started tick=1",
        "only {} (suppressed 4)",
        "started (suppressed 3)",
    ];
    assert_eq!(sorted(found), sorted(expected.map(str::to_owned).to_vec()));
}

fn sorted(mut all: Vec<String>) -> Vec<String> {
    all.sort_unstable();
    all
}

#[test]
fn every_pow2_logs_ever_fewer() {
    let found = messages(|| {
        for tick in 1..=20 {
            warn!(every_pow2; "tick {tick}");
        }
    });
    let expected = [
        "tick 1",
        "tick 2",
        "tick 4 (suppressed 1)",
        "tick 8 (suppressed 3)",
        "tick 16 (suppressed 7)",
        "tick {tick} (suppressed 4)",
    ];
    assert_eq!(found, expected);
}

/// The time of the test is that of a clock which it sets.
static NOW_NS: AtomicU64 = AtomicU64::new(1_700_000_000_000_000_000);

#[test]
fn at_most_logs_one_in_each_period() {
    let turn = Turn::take();
    let path = turn.path.clone();
    let clock = kymo::Clock::Custom(|| NOW_NS.load(Ordering::Relaxed));
    let logger = kymo::Logger::builder(&path).overwrite(true).clock(clock).start().unwrap();
    for tick in 0..10 {
        warn!(at_most: Duration::from_secs(3); "tick {tick}");
        NOW_NS.fetch_add(1_000_000_000, Ordering::Relaxed);
    }
    logger.shutdown();
    let mut reader = kymo_reader::Reader::open(&path).unwrap();
    let mut found = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        let mut message = String::new();
        record.message(&mut message);
        found.push(message);
    }
    let expected = ["tick 0", "tick 3", "tick 6", "tick 9"];
    let expected = expected.map(|text| match text {
        "tick 0" => text.to_owned(),
        text => format!("{text} (suppressed 2)"),
    });
    assert_eq!(found, expected);
}

/// A suppressed statement evaluates nothing; one that is logged evaluates its arguments once.
#[test]
fn suppressed_arguments_are_not_evaluated() {
    let evaluated = Cell::new(0);
    let count = || {
        evaluated.set(evaluated.get() + 1);
        evaluated.get()
    };
    let found = messages(|| {
        for _ in 0..10 {
            warn!(every_n: 5, field = count(); "tick {}", count());
        }
    });
    assert_eq!(evaluated.get(), 4);
    assert_eq!(
        found,
        ["tick 1 field=2", "tick 3 field=4 (suppressed 4)", "tick {} (suppressed 4)",]
    );
}

/// A disabled statement counts nothing.
#[test]
fn a_disabled_statement_suppresses_nothing() {
    let (found, report) = logged(|_| {
        for _ in 0..10 {
            kymo::debug!(every_n: 5; "tick");
        }
    });
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(report.suppressed, 0);
}

/// The record that says what is outstanding has level and place of the statement.
#[test]
fn the_mark_is_of_the_statement() {
    let (found, report) = logged(|logger| {
        for _ in 0..4 {
            log!(target: "net", Level::Error, once; "{{lost}}");
        }
        assert_eq!(logger.stats().suppressed, 3);
    });
    let [record, mark] = &found[..] else { panic!("{found:?}") };
    assert_eq!(record.message, "{lost}");
    assert_eq!(mark.message, "{{lost}} (suppressed 3)", "the format string, as it is written");
    assert_eq!((record.purpose, mark.purpose), (Purpose::Limited, Purpose::Outstanding));
    assert_eq!((mark.level, mark.line), (Level::Error, record.line));
    assert_eq!(mark.thread, "kymo");
    assert_eq!((report.suppressed, report.written), (3, 1));
    assert!(report.warnings >= 1, "{report:?}");
}

/// All ways to write a rate.
#[test]
fn a_rate_precedes_fields_and_message() {
    let (level, once, px) = (Level::Warn, 7, 101.25);
    let found = messages(|| {
        info!(target: "t", every_n: 2, px; "a");
        info!(target: "t", every_n: 2; "b {px}");
        log!(level, first: 1 + 1, px, "c");
        log!(Level::Warn, every_pow2, "d {}", px);
        info!(at_most: Duration::ZERO, px, once);
        info!(once; "f");
        info!(once, once = once; "g");
        info!(once = once; "h");
        info!(once);
    });
    let expected = [
        "a px=101.25",
        "b 101.25",
        "c px=101.25",
        "d 101.25",
        "px=101.25 once=7",
        "f",
        "g once=7",
        "h once=7",
        "once=7",
    ];
    assert_eq!(found, expected);
}

/// Statements of all numbers of arguments.
#[test]
fn many_arguments_have_a_rate() {
    let found = messages(|| {
        for _ in 0..2 {
            info!(every_n: 1; "{} {} {} {} {}", 1, 2, 3, 4, 5);
            info!(every_n: 1; "{} {} {} {} {} {}", 1, 2, 3, 4, 5, 6);
            info!(every_n: 1; "{} {} {} {} {} {} {} {:>2}", 1, 2, 3, 4, 5, 6, 7, "x");
        }
    });
    let expected = ["1 2 3 4 5", "1 2 3 4 5 6", "1 2 3 4 5 6 7  x"];
    assert_eq!(found, [expected, expected].concat());
}

fn busy(tick: u64) {
    warn!(every_n: 7; "a {tick}");
    warn!(every_pow2; "b {tick}");
    warn!(first: 10; "c {tick}");
    warn!(at_most: Duration::from_micros(50); "d {tick}");
}

/// Many threads, some of which share a counter: each call is logged or told, and told once.
#[test]
fn each_call_is_logged_or_told_once() {
    const THREADS: u64 = 24;
    const CALLS: u64 = 2_000;
    let (found, report) = logged(|_| {
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| (0..CALLS).for_each(busy));
            }
        });
    });
    let mut sums: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for read in &found {
        let (logged, suppressed) = sums.entry(read.line).or_default();
        *logged += u64::from(read.purpose == Purpose::Limited);
        *suppressed += read.suppressed.unwrap();
    }
    assert_eq!(sums.len(), 4);
    for (line, (logged, suppressed)) in &sums {
        assert_eq!(logged + suppressed, THREADS * CALLS, "line {line}");
    }
    assert_eq!(report.suppressed, sums.values().map(|(_, suppressed)| suppressed).sum::<u64>());
    let logged: Vec<_> = sums.values().map(|(logged, _)| *logged).collect();
    // Of each of up to 16 counters, the first and each seventh.
    let calls = THREADS * CALLS;
    assert!((calls / 7..=calls / 7 + 16).contains(&logged[0]), "{logged:?}");
    assert_eq!(logged[2], 10);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Of one thread, what the log says is what a plain counter says.
    #[test]
    fn one_thread_is_exact(calls in 0_u64..200) {
        fn statement(tick: u64) {
            info!(every_n: 10; "tick {tick}");
        }
        // The statement goes on from where the case before has left it.
        static BEFORE: AtomicU64 = AtomicU64::new(0);
        let before = BEFORE.fetch_add(calls, Ordering::Relaxed);
        let (found, _) = logged(|_| (0..calls).for_each(statement));
        let passes = |call: &u64| call.is_multiple_of(10);
        let expected = (before..before + calls).filter(passes).count() as u64;
        let logged = found.iter().filter(|read| read.purpose == Purpose::Limited).count() as u64;
        let told: u64 = found.iter().filter_map(|read| read.suppressed).sum();
        prop_assert_eq!(logged, expected);
        prop_assert_eq!(told, calls - expected);
    }
}
