//! Scopes and metrics: what their records say.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kymo::{Level, count, gauge, histogram, scope};
use kymo_reader::{Options, Purpose, Reader, Value};
use kymo_testing::logged::Turn;
use proptest::prelude::*;

/// A record that was read.
#[derive(Debug)]
struct Read {
    message: String,
    purpose: Purpose,
    level: Level,
    target: String,
    time_ns: i64,
    duration: Option<Duration>,
    number: Option<u64>,
}

/// The time of these tests is that of a clock which they set.
static NOW_NS: AtomicU64 = AtomicU64::new(1_700_000_000_000_000_000);

fn pass(time: Duration) {
    NOW_NS.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
}

/// What `work` logs, by the clock that it sets.
fn logged(work: impl FnOnce()) -> Vec<Read> {
    let turn = Turn::take();
    let path = turn.path.clone();
    let clock = kymo::Clock::Custom(|| NOW_NS.load(Ordering::Relaxed));
    let builder = kymo::Logger::builder(&path).overwrite(true).clock(clock).filter("info");
    let logger = builder.start().unwrap();
    work();
    logger.shutdown();
    let mut reader = Reader::open(&path).unwrap();
    let mut all = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        // A warning of the logger, about the file system for instance.
        if record.target() == "kymo" {
            continue;
        }
        let mut message = String::new();
        record.message(&mut message);
        let number = |name| match record.argument(name) {
            Some(Value::U64(number)) => Some(number),
            _ => None,
        };
        all.push(Read {
            message,
            purpose: record.call_site().purpose(),
            level: record.level(),
            target: record.target().to_owned(),
            time_ns: record.time_ns(),
            duration: record.scope_duration(),
            number: number("begin").or(number("end")),
        });
    }
    all
}

#[test]
fn a_scope_logs_its_duration_at_its_end() {
    let (id, name) = (7_u64, "ACME".to_owned());
    let found = logged(|| {
        let mut orders = 3;
        {
            let _scope = scope!("match {book}", id, book = name, orders);
            // Numbers are copied, so that the program can change them.
            orders += 1;
            pass(Duration::from_nanos(1_250));
        }
        assert_eq!(orders, 4);
        let outer = scope!(target: "engine", Level::Warn, "outer",);
        let inner = scope!(Level::Error, "inner", order = orders);
        pass(Duration::from_secs(3 * 86_400));
        assert_eq!(inner.end(), Some(Duration::from_secs(3 * 86_400)));
        assert_eq!(outer.end(), Some(Duration::from_secs(3 * 86_400)));
        assert_eq!(scope!(Level::Debug, "disabled").end(), None);
    });
    let messages: Vec<_> = found.iter().map(|read| &*read.message).collect();
    assert_eq!(
        messages,
        [
            "match {book} took 1.25µs id=7 book=ACME orders=3",
            "inner took 259200s order=4",
            "outer took 259200s",
        ]
    );
    assert!(found.iter().all(|read| read.purpose == Purpose::Scope));
    let levels: Vec<_> = found.iter().map(|read| read.level).collect();
    assert_eq!(levels, [Level::Info, Level::Error, Level::Warn]);
    assert_eq!((&*found[0].target, &*found[2].target), ("scopes", "engine"));
    assert_eq!(found[0].duration, Some(Duration::from_nanos(1_250)));
}

/// Two records, which name each other.
#[test]
fn a_scope_may_log_its_beginning() {
    let found = logged(|| {
        let first = scope!(begin_end: "settle", id = 1);
        pass(Duration::from_millis(2));
        let second = scope!(target: "engine", Level::Warn, begin_end: "settle");
        pass(Duration::from_millis(3));
        drop(first);
        drop(second);
    });
    let [one, two, end_one, end_two] = &found[..] else { panic!("{found:?}") };
    let purposes = found.iter().map(|read| read.purpose).collect::<Vec<_>>();
    let (begin, end) = (Purpose::ScopeBegin, Purpose::ScopeEnd);
    assert_eq!(purposes, [begin, begin, end, end]);
    assert_ne!(one.number, two.number);
    assert_eq!((one.number, two.number), (end_one.number, end_two.number));
    let number = one.number.unwrap();
    assert_eq!(one.message, format!("settle id=1 begin={number}"));
    assert_eq!(end_one.message, format!("settle took 5ms id=1 end={number}"));
    assert_eq!(end_one.time_ns - one.time_ns, 5_000_000);
    assert_eq!(end_two.duration, Some(Duration::from_millis(3)));
    assert_eq!((one.duration, one.level, two.level), (None, Level::Info, Level::Warn));
}

/// A scope may end elsewhere: it is a value like others.
#[test]
fn a_scope_ends_in_any_thread() {
    let found = logged(|| {
        let scope = scope!("job", id = 1);
        pass(Duration::from_micros(10));
        std::thread::spawn(move || drop(scope)).join().unwrap();
    });
    assert_eq!(found[0].message, "job took 10µs id=1");
}

fn not_evaluated() -> u8 {
    panic!("a disabled metric evaluates nothing");
}

#[test]
fn metrics_have_values_and_labels() {
    let (venue, px) = ("XETRA", 101.25);
    let found = logged(|| {
        count!("orders", 1, venue);
        count!(target: "md", Level::Warn, "bytes", 1_u64 << 40);
        gauge!("price", px, venue:%, side = "bid",);
        gauge!("{depth}", -(3_i32));
        histogram!("round trip", Duration::from_micros(250), venue = venue);
        histogram!(Level::Debug, "disabled", not_evaluated());
    });
    let shown: Vec<_> = found.iter().map(|read| (&*read.message, read.purpose)).collect();
    assert_eq!(
        shown,
        [
            ("orders venue=XETRA value=1", Purpose::Counter),
            ("bytes value=1099511627776", Purpose::Counter),
            ("price venue=XETRA side=bid value=101.25", Purpose::Gauge),
            ("{depth} value=-3", Purpose::Gauge),
            ("round trip venue=XETRA value=\"250µs\"", Purpose::Histogram),
        ]
    );
    assert_eq!((found[1].level, &*found[1].target), (Level::Warn, "md"));
}

/// What is said of a metric without its text.
#[test]
fn the_reader_knows_metrics() {
    let turn = Turn::take();
    let path = turn.path.clone();
    let logger = kymo::Logger::builder(&path).overwrite(true).start().unwrap();
    gauge!("pri{ce", 1.5, venue = "XETRA", side = 'b');
    kymo::info!(value = 1; "no metric");
    logger.shutdown();
    let mut reader = Options::new().open(&path).unwrap();
    let record = reader.next_record().unwrap().unwrap();
    let metric = record.metric().unwrap();
    assert_eq!((metric.kind(), metric.name()), ("gauge", "pri{ce"));
    assert_eq!(metric.value(), Value::F64(1.5));
    let labels: Vec<_> = metric.labels().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(labels, ["venue=XETRA", "side=b"]);
    assert!(reader.next_record().unwrap().unwrap().metric().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// From nanoseconds to days, the duration is what the clock has moved by, and what the times of the records say.
    #[test]
    fn durations_are_those_of_the_clock(times in prop::collection::vec((0_u32..50, 1_u64..1 << 20), 1..6)) {
        let times: Vec<_> = times
            .into_iter()
            .map(|(exponent, factor)| Duration::from_nanos((factor << (exponent % 28)).max(1)))
            .collect();
        let found = logged(|| {
            for time in &times {
                let _scope = scope!(begin_end: "work");
                pass(*time);
            }
        });
        let durations: Vec<_> = found.iter().filter_map(|read| read.duration).collect();
        prop_assert_eq!(&durations, &times);
        for pair in found.chunks(2) {
            let elapsed = pair[1].time_ns - pair[0].time_ns;
            prop_assert_eq!(Some(Duration::from_nanos(elapsed as u64)), pair[1].duration);
        }
    }
}
