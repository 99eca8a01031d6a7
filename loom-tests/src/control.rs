//! Requests to the consumer: flush, wake up.

use super::{check, must_fail};
use kymo::loom_export::mutant::Mutant;
use kymo::loom_export::rig::{Overflow, RECORD_WORDS, Rig};
use kymo::loom_export::sync::thread;

/// A thread logs and flushes, twice. Each time all that it logged is in the file.
fn flush() {
    let rig = Rig::new(2 * RECORD_WORDS, Overflow::DropNewest);
    let consumer = rig.start();
    let mut thread = rig.thread().expect("the logger runs");
    for number in 1..=2 {
        thread.log(number);
        assert!(thread.flush());
        assert_eq!(rig.in_file(), number, "flushed, and not in the file");
    }
    rig.stop();
    assert_eq!(consumer.join().unwrap().report.written, 2);
}

#[test]
fn what_was_flushed_is_in_the_file() {
    check("what_was_flushed_is_in_the_file", flush);
}

#[test]
fn what_was_flushed_is_in_the_file_mutants() {
    const MISSING: &str = "flushed, and not in the file";
    let mutants = [(Mutant::RoomBeforeOutput, MISSING)];
    must_fail(what_was_flushed_is_in_the_file_mutants, flush, &mutants);
}

/// A critical record is in the file when its call returns.
fn write_through() {
    let rig = Rig::write_through(2 * RECORD_WORDS);
    let consumer = rig.start();
    let mut thread = rig.thread().expect("the logger runs");
    for number in 1..=2 {
        assert!(thread.log(number));
        assert_eq!(rig.in_file(), number, "returned, and not in the file");
    }
    rig.stop();
    let report = consumer.join().unwrap().report;
    assert_eq!((report.written, report.dropped), (2, 0));
}

#[test]
fn a_critical_record_is_in_the_file() {
    check("a_critical_record_is_in_the_file", write_through);
}

#[test]
fn a_critical_record_is_in_the_file_mutants() {
    const MISSING: &str = "returned, and not in the file";
    let mutants = [(Mutant::WriteThroughAtOnce, MISSING), (Mutant::RoomBeforeOutput, MISSING)];
    must_fail(a_critical_record_is_in_the_file_mutants, write_through, &mutants);
}

/// A critical record while the logger ends: the call returns, and the record is accounted for.
fn write_through_while_ending() {
    let rig = Rig::write_through(2 * RECORD_WORDS);
    let mut thread = rig.thread().expect("the logger runs");
    let consumer = rig.start();
    let logging = thread::spawn(move || u64::from(thread.log(1)));
    rig.stop();
    let mut ended = consumer.join().unwrap();
    let logged = logging.join().unwrap();
    let reported = ended.report.written + ended.report.dropped;
    assert_eq!(reported + ended.late(), logged, "not accounted for");
}

#[test]
fn a_critical_record_at_shutdown() {
    let name = "a_critical_record_at_shutdown";
    check(name, write_through_while_ending);
}

#[test]
fn a_critical_record_at_shutdown_mutants() {
    let mutants = [(Mutant::EndUnsaid, "deadlock")];
    let test = a_critical_record_at_shutdown_mutants;
    must_fail(test, write_through_while_ending, &mutants);
}

/// One request is enough: the sweep that answers it saw all earlier records.
fn request() {
    let rig = Rig::new(2 * RECORD_WORDS, Overflow::DropNewest);
    let consumer = rig.start();
    let mut thread = rig.thread().expect("the logger runs");
    thread.log(1);
    assert!(rig.request_sweep());
    assert_eq!(rig.in_file(), 1, "answered without a sweep");
    rig.stop();
    consumer.join().unwrap();
}

#[test]
fn one_request_is_enough() {
    check("one_request_is_enough", request);
}

#[test]
fn one_request_is_enough_mutants() {
    const UNSWEPT: &str = "answered without a sweep";
    let mutants = [
        (Mutant::RequestReadLate, UNSWEPT),
        (Mutant::RequestAdd, UNSWEPT),
        (Mutant::RequestLoad, UNSWEPT),
    ];
    must_fail(one_request_is_enough_mutants, request, &mutants);
}

/// A consumer without work sleeps until it is woken. Two threads make requests, and then it is
/// stopped.
fn sleep() {
    let rig = Rig::new(2 * RECORD_WORDS, Overflow::DropNewest);
    let consumer = rig.start();
    let asking = thread::spawn({
        let rig = rig.handle();
        move || assert!(rig.request_sweep())
    });
    assert!(rig.request_sweep());
    asking.join().unwrap();
    rig.stop();
    consumer.join().unwrap();
}

#[test]
fn no_wake_up_is_lost() {
    check("no_wake_up_is_lost", sleep);
}

#[test]
fn no_wake_up_is_lost_mutants() {
    let mutants = [
        (Mutant::WakeBeforeRequest, "deadlock"),
        (Mutant::WakeBeforeStop, "deadlock"),
        (Mutant::AttachLate, "deadlock"),
    ];
    must_fail(no_wake_up_is_lost_mutants, sleep, &mutants);
}

/// A thread whose ring is full waits for a sleeping consumer, and wakes it.
fn wait_for_room() {
    let rig = Rig::new(2 * RECORD_WORDS, Overflow::Wait { timeout: None });
    let consumer = rig.start();
    let mut thread = rig.thread().expect("the logger runs");
    (1..=3).for_each(|number| assert!(thread.log(number)));
    rig.stop();
    let report = consumer.join().unwrap().report;
    assert_eq!((report.written, report.dropped), (3, 0));
}

#[test]
fn waiting_wakes_the_consumer() {
    check("waiting_wakes_the_consumer", wait_for_room);
}

#[test]
fn waiting_wakes_the_consumer_mutants() {
    let mutants = [(Mutant::WaitAsleep, "maximum number of branches")];
    must_fail(waiting_wakes_the_consumer_mutants, wait_for_room, &mutants);
}
