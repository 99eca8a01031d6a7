//! The logger is shut down while threads log.

use super::{check, must_fail};
use kymo::loom_export::mutant::Mutant;
use kymo::loom_export::rig::{Ended, Overflow, RECORD_WORDS, Rig};
use kymo::loom_export::sync::thread;

/// Records that were logged before the stop are written.
fn drain() {
    let rig = Rig::new(2 * RECORD_WORDS, Overflow::DropNewest);
    let consumer = rig.start();
    let mut thread = rig.thread().expect("the logger runs");
    (1..=2).for_each(|number| assert!(thread.log(number)));
    rig.stop();
    assert_eq!(consumer.join().unwrap().report.written, 2, "left behind");
}

#[test]
fn a_stop_drains_the_rings() {
    check("a_stop_drains_the_rings", drain);
}

#[test]
fn a_stop_drains_the_rings_mutants() {
    let mutants = [(Mutant::StopStore, "left behind"), (Mutant::StopLoad, "left behind")];
    must_fail(a_stop_drains_the_rings_mutants, drain, &mutants);
}

/// A thread makes its ring and logs while the logger ends.
fn stop_while_logging() {
    let rig = Rig::new(2 * RECORD_WORDS, Overflow::DropNewest);
    let consumer = rig.start();
    let logging = thread::spawn({
        let rig = rig.handle();
        move || {
            let Some(mut thread) = rig.thread() else { return 0 };
            (1..=2).filter(|number| thread.log(*number)).count() as u64
        }
    });
    rig.stop();
    account(&rig, consumer.join().unwrap(), logging.join().unwrap());
}

/// Each record is written, counted as dropped, or found afterwards.
fn account(rig: &Rig, mut ended: Ended, logged: u64) {
    let (report, contents) = (&ended.report, rig.contents());
    assert_eq!(report.written, contents.records.len() as u64);
    assert_eq!((report.written, report.dropped), contents.thread_ends);
    assert_eq!(report.dropped, contents.dropped, "dropped without a mark");
    let reported = report.written + report.dropped;
    assert_eq!(reported + ended.late(), logged, "not accounted for");
}

#[test]
fn every_record_is_accounted_for() {
    check("every_record_is_accounted_for", stop_while_logging);
}

#[test]
fn every_record_is_accounted_for_mutants() {
    let mutants = [(Mutant::RegistryStaysOpen, "not accounted for")];
    must_fail(every_record_is_accounted_for_mutants, stop_while_logging, &mutants);
}

/// Three records and a ring that holds two, while the logger ends: each record is written, dropped,
/// or found afterwards.
///
/// The first `early` of them are logged before the consumer starts.
fn stop_while_full(overflow: Overflow, early: u64) {
    let rig = Rig::new(2 * RECORD_WORDS, overflow);
    let mut thread = rig.thread().expect("the logger runs");
    (1..=early).for_each(|number| assert!(thread.log(number)));
    let consumer = rig.start();
    let logging = thread::spawn(move || {
        early + (early + 1..=3).filter(|number| thread.log(*number)).count() as u64
    });
    rig.stop();
    account(&rig, consumer.join().unwrap(), logging.join().unwrap());
}

fn stop_while_dropping() {
    stop_while_full(Overflow::DropNewest, 2);
}

#[test]
fn every_drop_is_accounted_for() {
    check("every_drop_is_accounted_for", stop_while_dropping);
}

#[test]
fn every_drop_is_accounted_for_mutants() {
    let mutants = [(Mutant::LateDropsForgotten, "not accounted for")];
    must_fail(every_drop_is_accounted_for_mutants, stop_while_dropping, &mutants);
}

/// A thread waits for room while the logger ends: it does not wait for a consumer that has gone.
///
/// The first two records may fill the ring after the last sweep.
fn stop_while_waiting() {
    stop_while_full(Overflow::Wait { timeout: None }, 0);
}

#[test]
fn no_wait_for_a_dead_consumer() {
    check("no_wait_for_a_dead_consumer", stop_while_waiting);
}

#[test]
fn no_wait_for_a_dead_consumer_mutants() {
    let mutants = [(Mutant::ModeStaysOpen, "maximum number of branches")];
    must_fail(no_wait_for_a_dead_consumer_mutants, stop_while_waiting, &mutants);
}

/// A thread flushes while the logger ends: the flush returns, and returns whether it worked.
fn stop_while_flushing() {
    let rig = Rig::new(2 * RECORD_WORDS, Overflow::DropNewest);
    let mut thread = rig.thread().expect("the logger runs");
    assert!(thread.log(1));
    let consumer = rig.start();
    let flushing = thread::spawn({
        let rig = rig.handle();
        move || thread.flush().then(|| rig.in_file())
    });
    rig.stop();
    consumer.join().unwrap();
    let flushed = flushing.join().unwrap();
    assert_ne!(flushed, Some(0), "flushed, and not in the file");
}

#[test]
fn a_flush_ends_with_the_logger() {
    check("a_flush_ends_with_the_logger", stop_while_flushing);
}

#[test]
fn a_flush_ends_with_the_logger_mutants() {
    let mutants = [
        (Mutant::EndUnsaid, "deadlock"),
        (Mutant::RoomBeforeOutput, "flushed, and not in the file"),
    ];
    must_fail(a_flush_ends_with_the_logger_mutants, stop_while_flushing, &mutants);
}

/// A thread reserves words of its ring while the logger ends: it still notices the shutdown.
fn stop_while_lending() {
    let rig = Rig::new(2 * RECORD_WORDS, Overflow::DropNewest);
    let consumer = rig.start();
    let mut thread = rig.thread().expect("the logger runs");
    let logging = thread::spawn(move || {
        thread.is_drained();
        thread
    });
    rig.stop();
    consumer.join().unwrap();
    assert!(logging.join().unwrap().is_closed(), "logs for ever");
}

#[test]
fn a_thread_notices_the_shutdown() {
    check("a_thread_notices_the_shutdown", stop_while_lending);
}

#[test]
fn a_thread_notices_the_shutdown_mutants() {
    let mutants = [(Mutant::LimitOverClosed, "logs for ever")];
    must_fail(a_thread_notices_the_shutdown_mutants, stop_while_lending, &mutants);
}
