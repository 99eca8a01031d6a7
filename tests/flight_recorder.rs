//! The flight recorder: what goes round, when it is dumped, and where a reader finds it.

use kymo_testing::logged;

use std::thread;
use std::time::Duration;

use kymo::{Level, Logger, Overflow, debug, error, info, trace, warn};
use kymo_reader::{DumpReason, Event, Options, Order};
use logged::Turn;
use proptest::prelude::*;

/// A record, or a mark of a dump, as it was read.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Record {
        thread: String,
        time_ns: i64,
        level: Level,
        message: String,
    },
    Dump {
        thread: String,
        reason: DumpReason,
        first_ns: i64,
        last_ns: i64,
        records: u64,
        overwritten: u64,
    },
    End {
        thread: String,
        records: u64,
    },
}

/// What the file holds in this order; kymo's own records are left out.
fn read(turn: &Turn, options: Options<'_>) -> Vec<Seen> {
    let mut reader = options.open(&turn.path).unwrap();
    let mut seen = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        seen.push(match event {
            Event::Record(record) if record.target() != "kymo" => {
                let mut message = String::new();
                record.message(&mut message);
                let thread = record.thread().name().to_owned();
                Seen::Record { thread, time_ns: record.time_ns(), level: record.level(), message }
            }
            Event::Dump(dump) => Seen::Dump {
                thread: dump.thread.name().to_owned(),
                reason: dump.reason,
                first_ns: dump.first_ns,
                last_ns: dump.last_ns,
                records: dump.records,
                overwritten: dump.overwritten,
            },
            Event::DumpEnd(end) => {
                Seen::End { thread: end.thread.name().to_owned(), records: end.records }
            }
            Event::Gap(gap) => panic!("{} records are missing", gap.records),
            Event::Damage(damage) => panic!("{damage}"),
            _ => continue,
        });
    }
    let report = reader.report();
    // A thread may be suspended between reading the clock and publishing. What was dumped is never
    // late.
    assert!(report.disordered <= report.late, "{report:?}");
    assert!(report.is_whole());
    seen
}

fn messages(seen: &[Seen]) -> Vec<&str> {
    let mut messages = Vec::new();
    for seen in seen {
        if let Seen::Record { message, .. } = seen {
            messages.push(message.as_str());
        }
    }
    messages
}

fn dumps(seen: &[Seen]) -> Vec<&Seen> {
    seen.iter().filter(|seen| matches!(seen, Seen::Dump { .. })).collect()
}

const ORDERS: [Order; 3] = [Order::Written, Order::Time, Order::Exact];

/// A dump on request writes the recorded records in the order of time.
#[test]
fn dumps_on_request_are_in_order() {
    let turn = Turn::take();
    let logger = turn.builder().flight_recorder(Level::Debug, 64 << 10).start().unwrap();
    for round in 0..30 {
        debug!("{}", 3 * round);
        trace!("{}", 3 * round + 1);
        info!("{}", 3 * round + 2);
        if round % 10 == 9 {
            // Watermarks pass what is recorded.
            assert!(logger.flush());
        }
    }
    assert_eq!(logger.stats().total.written(), 30, "only those that are not recorded");
    assert_eq!(logger.dump_flight_recorder(), 60);
    assert_eq!(logger.dump_flight_recorder(), 0, "once");
    debug!("90");
    info!("91");
    assert_eq!(logger.dump_flight_recorder(), 1);
    debug!("never seen");
    let stats = logger.stats();
    assert_eq!((stats.dumps, stats.dumped), (2, 61));
    let report = logger.shutdown();
    assert_eq!((report.written, report.dumped, report.dropped), (92, 61, 0));
    let expected: Vec<_> = (0..92).map(|number| number.to_string()).collect();
    for order in [Order::Time, Order::Exact] {
        let seen = read(&turn, Options::new().order(order));
        assert_eq!(messages(&seen), expected, "{order:?}");
        assert!(matches!(
            dumps(&seen)[0],
            Seen::Dump { reason: DumpReason::Call, records: 60, overwritten: 0, .. }
        ));
        // The marks are around the records.
        assert!(matches!(seen[0], Seen::Dump { .. }));
        let end = seen.iter().position(|seen| matches!(seen, Seen::End { .. })).unwrap();
        assert_eq!(messages(&seen[..end]).last(), Some(&"88"), "{order:?}");
    }
    let written = read(&turn, Options::new());
    assert_eq!(messages(&written).len(), 92);
    // Whatever the order, a record has one time.
    let times = |seen: &[Seen]| {
        let time = |seen: &Seen| match seen {
            Seen::Record { time_ns, message, .. } => Some((message.clone(), *time_ns)),
            _ => None,
        };
        let mut times: Vec<_> = seen.iter().filter_map(time).collect();
        times.sort();
        times
    };
    let by_time = read(&turn, Options::new().order(Order::Time));
    assert_eq!(times(&written), times(&by_time));
}

/// An urgent record dumps the recorder, at most once per interval.
#[test]
fn urgent_records_dump_at_intervals() {
    let turn = Turn::take();
    let long = Duration::from_secs(3_600);
    let logger = turn
        .builder()
        .flight_recorder(Level::Debug, 64 << 10)
        .dump_at(Level::Warn, long)
        .start()
        .unwrap();
    debug!("before");
    warn!("one");
    // After the sweep that took it.
    assert!(logger.flush());
    while logger.stats().dumps == 0 {
        thread::yield_now();
    }
    debug!("between");
    error!("two");
    assert!(logger.flush());
    info!("{} dump", logger.stats().dumps);
    // The second one is made when there is no later.
    let report = logger.shutdown();
    assert_eq!((report.written, report.dumped), (5, 2));
    for order in ORDERS {
        let seen = read(&turn, Options::new().order(order));
        let reasons: Vec<_> = dumps(&seen)
            .into_iter()
            .map(|dump| match dump {
                Seen::Dump { reason, .. } => *reason,
                _ => unreachable!(),
            })
            .collect();
        let record = |level| DumpReason::Record(Some(level));
        assert_eq!(reasons, [record(Level::Warn), record(Level::Error)], "{order:?}");
        if order != Order::Written {
            assert_eq!(messages(&seen), ["before", "one", "between", "two", "1 dump"]);
        }
    }
}

#[test]
fn no_record_has_it_dumped_where_none_is_to() {
    let turn = Turn::take();
    let builder = turn.builder().flight_recorder(Level::Debug, 4 << 10);
    let logger = builder.dump_at(None, Duration::ZERO).start().unwrap();
    debug!("recorded");
    error!("logged");
    logger.flush();
    let report = logger.shutdown();
    assert_eq!((report.written, report.dumped, report.dropped), (1, 0, 0));
}

/// Each thread has its part of a dump, even after its end.
#[test]
fn ended_threads_have_their_part() {
    let turn = Turn::take();
    let logger = turn.builder().flight_recorder(Level::Debug, 16 << 10).start().unwrap();
    const THREADS: usize = 40;
    for number in 0..THREADS {
        let run = move || {
            debug!("debug of {number}");
            info!("info of {number}");
        };
        let thread = thread::Builder::new().name(format!("t{number}"));
        thread.spawn(run).unwrap().join().unwrap();
        // The consumer has seen its end before the next one begins.
        logger.flush();
    }
    // One more that is still there.
    debug!("debug of main");
    let dumped = logger.dump_flight_recorder();
    assert_eq!(dumped, 17, "the last 16 that have ended, and the one that has not");
    let report = logger.shutdown();
    assert_eq!((report.written, report.dropped), (THREADS as u64 + 17, 0));
    let seen = read(&turn, Options::new().order(Order::Time));
    let parts = dumps(&seen).len();
    assert_eq!(parts, 17);
    for number in THREADS - 16..THREADS {
        let debug = format!("debug of {number}");
        let info = format!("info of {number}");
        let place = |text: &str| messages(&seen).iter().position(|it| *it == text);
        assert_eq!(place(&debug).unwrap() + 1, place(&info).unwrap());
    }
}

#[test]
fn overwriting_and_recording_go_together() {
    let turn = Turn::take();
    let logger = turn
        .builder()
        .overflow_at(Level::Debug, Overflow::OverwriteOldest)
        .flight_recorder(Level::Trace, 1 << 20)
        .start()
        .unwrap();
    const ROUNDS: u64 = 5_000;
    for round in 0..ROUNDS {
        trace!("{}", 3 * round);
        debug!("{}", 3 * round + 1);
        info!("{}", 3 * round + 2);
    }
    let dumped = logger.dump_flight_recorder();
    assert_eq!(dumped, ROUNDS);
    let report = logger.shutdown();
    assert_eq!(report.written + report.dropped - report.dumped, 2 * ROUNDS);
    let seen = read(&turn, Options::new().order(Order::Exact));
    let numbers: Vec<u64> = messages(&seen).iter().map(|text| text.parse().unwrap()).collect();
    assert!(numbers.is_sorted());
    assert_eq!(numbers.len() as u64, report.written);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A dump has the newest records that fit, in order, as `format!` writes them.
    #[test]
    fn a_dump_has_the_newest_records(texts in prop::collection::vec("\\PC{0,60}", 1..300)) {
        let turn = Turn::take();
        let logger = turn.builder().flight_recorder(Level::Trace, 4 << 10).start().unwrap();
        let mut expected = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            trace!("{number:>6} {text:?} {}", text);
            expected.push(format!("{number:>6} {text:?} {}", text));
        }
        let dumped = logger.dump_flight_recorder() as usize;
        logger.shutdown();
        let seen = read(&turn, Options::new().order(Order::Time));
        let found = messages(&seen);
        prop_assert_eq!(found.len(), dumped);
        let overwritten = expected.len() - dumped;
        prop_assert!(found == expected[overwritten..], "of {} records", expected.len());
        let seen_overwritten = match dumps(&seen)[0] {
            Seen::Dump { overwritten, .. } => *overwritten,
            _ => 0,
        };
        prop_assert_eq!(seen_overwritten as usize, overwritten);
        // Three quarters of the ring at least hold records: two blocks of it are given up, and what
        // is skipped at its end.
        let bytes: usize = texts.iter().rev().take(dumped + 1).map(|text| 16 + 8 + 3 + 2 * text.len() + 8).sum();
        prop_assert!(overwritten == 0 || bytes > (4 << 10) / 2, "{} bytes", bytes);
    }
}

#[test]
fn a_large_recorder_is_dumped_in_pieces() {
    let turn = Turn::take();
    let logger = turn.builder().flight_recorder(Level::Trace, 16 << 20).start().unwrap();
    let text = "x".repeat(3_000);
    const RECORDS: u64 = 4_000;
    for number in 0..RECORDS {
        trace!("{number} {text}");
    }
    assert_eq!(logger.dump_flight_recorder(), RECORDS);
    logger.shutdown();
    for order in ORDERS {
        let seen = read(&turn, Options::new().order(order));
        let numbers = messages(&seen).into_iter().map(|text| text.split(' ').next().unwrap());
        assert!(numbers.eq((0..RECORDS).map(|number| number.to_string())), "{order:?}");
        assert_eq!(dumps(&seen).len(), 1);
    }
}

/// A recorder that wraps between dumps, with records of several levels: each dump says how many
/// records were overwritten since the last one.
///
/// The second dump of a wrapped recorder panicked the consumer in builds with overflow checks.
#[test]
fn a_wrapped_recorder_is_dumped_again() {
    let turn = Turn::take();
    let logger = turn.builder().flight_recorder(Level::Debug, 4 << 10).start().unwrap();
    const RECORDS: u64 = 2_000;
    let mut dumped = 0;
    for dump in 0..4 {
        for number in 0..RECORDS {
            match number % 3 {
                0 => debug!("{dump} {number}"),
                _ => trace!("{dump} {number}"),
            }
        }
        dumped += logger.dump_flight_recorder();
    }
    let report = logger.shutdown();
    assert!(report.error.is_none(), "{report:?}");
    let seen = read(&turn, Options::new());
    let overwritten: u64 = dumps(&seen)
        .into_iter()
        .map(|dump| match dump {
            Seen::Dump { overwritten, .. } => *overwritten,
            _ => unreachable!("a dump"),
        })
        .sum();
    assert_eq!(dumps(&seen).len(), 4);
    assert_eq!(overwritten + dumped, 4 * RECORDS);
}

/// Without a flight recorder, a dump writes nothing.
#[test]
fn without_a_recorder_dumps_are_empty() {
    let turn = Turn::take();
    let logger: Logger = turn.builder().start().unwrap();
    debug!("logged as ever");
    assert_eq!(logger.dump_flight_recorder(), 0);
    assert_eq!(logger.shutdown().written, 1);
}
