//! A thread's records are in order, whether a critical one was rescued or not.
//!
//! They were not: the side file has clock frames of its own, and its copy was shown in place of the
//! log's.

use std::time::Duration;

use kymo::{Level, Logger, Overflow, WriteThrough, error, info};
use kymo_reader::{Event, Files, Options, Order};

#[test]
fn rescued_records_are_in_their_places() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let logger = Logger::builder(&path)
        .overflow(Overflow::Wait { timeout: None })
        // So short that many are rescued.
        .write_through(WriteThrough::at(Level::Error).timeout(Duration::from_nanos(1)))
        .start()
        .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for number in 0..1_500u64 {
                    match number % 6 {
                        5 => error!("{number}"),
                        _ => info!("{number}"),
                    }
                }
            });
        }
    });
    let report = logger.shutdown();
    assert!(report.rescued > 0);
    for order in [Order::Written, Order::Time, Order::Exact] {
        let mut files = Files::open([&path], || Options::new().order(order)).unwrap();
        let mut threads = std::collections::BTreeMap::<_, Vec<u64>>::new();
        let (mut newest_ns, mut late) = (i64::MIN, 0);
        while let Some((_, event)) = files.next_event().unwrap() {
            let Event::Record(record) = event else { continue };
            let number = record.argument("number").and_then(|value| value.as_u128()).unwrap();
            threads.entry(record.thread().os_id()).or_default().push(number as u64);
            late += u64::from(record.time_ns() < newest_ns);
            newest_ns = newest_ns.max(record.time_ns());
        }
        assert_eq!(threads.len(), 2);
        for numbers in threads.values() {
            assert_eq!(*numbers, (0..1_500).collect::<Vec<_>>(), "{order:?}");
        }
        if order != Order::Written {
            // A side file's records have the times that the log's clock gives them.
            let disordered: u64 = files.readers().iter().map(|it| it.report().disordered).sum();
            assert!(late <= disordered, "{late} of {newest_ns}");
        }
    }
}
