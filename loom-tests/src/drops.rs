//! Records that are dropped are counted.

use super::{check, must_fail};
use kymo::loom_export::mutant::Mutant;
use kymo::loom_export::rig::{DropCount, Overflow, RECORD_WORDS, Rig};
use kymo::loom_export::sync::{Arc, thread};

/// A thread that sees the total of drops sees the counts that belong to it.
fn count() {
    let drops = Arc::new(DropCount::new());
    // loom misses interleavings if this one drops, which loads the total before it raises it.
    let looking = thread::spawn({
        let drops = drops.clone();
        move || drops.look()
    });
    (1..=2).for_each(|_| drops.drop_record());
    let (total, counts) = looking.join().unwrap();
    assert!(total <= counts, "a total without its counts");
    assert_eq!(drops.look(), (2, 2));
}

#[test]
fn the_total_publishes_the_counts() {
    check("the_total_publishes_the_counts", count);
}

#[test]
fn the_total_publishes_the_counts_mutants() {
    let mutants = [
        (Mutant::DropsAdd, "a total without its counts"),
        (Mutant::DropsLoad, "a total without its counts"),
    ];
    must_fail(the_total_publishes_the_counts_mutants, count, &mutants);
}

/// A thread whose ring holds one record logs three, and ends.
fn full_ring() {
    let rig = Rig::new(2 * RECORD_WORDS - 1, Overflow::DropNewest);
    let consumer = rig.start();
    let mut thread = rig.thread().expect("the logger runs");
    (1..=3).for_each(|number| assert!(thread.log(number)));
    drop(thread);
    rig.stop();
    let report = consumer.join().unwrap().report;
    assert_eq!(report.written + report.dropped, 3, "a record is missing");
    let contents = rig.contents();
    assert_eq!(report.written, contents.records.len() as u64);
    assert_eq!(report.dropped, contents.dropped);
    assert_eq!((report.written, report.dropped), contents.thread_ends);
}

#[test]
fn written_plus_dropped_is_logged() {
    check("written_plus_dropped_is_logged", full_ring);
}

#[test]
fn written_plus_dropped_is_logged_mutants() {
    let mutants = [(Mutant::MarkBeforeLook, "a record is missing")];
    must_fail(written_plus_dropped_is_logged_mutants, full_ring, &mutants);
}
