//! The consumer of the stories about rings, of either kind. The words of a record behind its header
//! are all its number.

use kymo::loom_export::ring::consumer::{Consumer, records};
use kymo::loom_export::ring::storage::Reader;
use kymo::loom_export::sync::thread;

/// Waits for that many records.
pub fn sweep_until(consumer: &mut Consumer<impl Reader>, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        sweep(consumer, &mut numbers);
        thread::yield_now();
    }
    numbers
}

/// Consumes what is there, and appends the numbers. Whether more may come.
pub fn sweep(consumer: &mut Consumer<impl Reader>, numbers: &mut Vec<u64>) -> bool {
    let committed = consumer.look();
    let (first, second) = committed.runs();
    for record in records(first).chain(records(second)) {
        assert!(record[1..].iter().all(|word| *word == record[1]), "torn: {record:x?}");
        numbers.push(record[1]);
    }
    let last = committed.is_last();
    if !first.is_empty() {
        committed.consume_all();
    }
    !last
}
