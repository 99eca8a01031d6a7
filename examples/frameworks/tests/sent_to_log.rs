//! `tracing` with its feature `log` beside both bridges: each event and each statement is in the log once.

use kymo::Logger;
use kymo::reader::Reader;

/// What a library would do.
fn work(n: u32) {
    tracing::info_span!("working", n).in_scope(|| tracing::info!("event {n}"));
    log::info!("by log {n}");
}

fn messages(path: &std::path::Path) -> Vec<String> {
    let mut reader = Reader::open(path).unwrap();
    let mut found = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        // Spans have records of their own, without a message.
        let mut message = String::new();
        record.message(&mut message);
        if message.starts_with("event") || message.starts_with("by log") {
            found.push(message.trim_end().to_owned());
        }
    }
    found
}

/// The only test here: `tracing` asks whether the process ever had a subscriber.
#[test]
fn events_are_logged_once_by_either_way() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name| dir.path().join(name);

    // Nobody takes what is traced: `tracing` sends it to `log`.
    let logger = Logger::builder(path("log.kymo")).bridge_log(true).start().unwrap();
    (0..3).for_each(work);
    logger.shutdown();

    let logger = Logger::builder(path("both.kymo")).bridge_log(true).bridge_tracing(true);
    let logger = logger.start().unwrap();
    (0..3).for_each(work);
    logger.shutdown();

    let expected = ["event 0", "by log 0", "event 1", "by log 1", "event 2", "by log 2"];
    assert_eq!(messages(&path("log.kymo")), expected);
    assert_eq!(messages(&path("both.kymo")), expected);
}
