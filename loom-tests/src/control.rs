//! Requests to the consumer: flush, wake up.

use super::{check, must_fail};
use kymo::loom_export::rig::{Overflow, RECORD_WORDS, Rig};
use kymo::loom_export::sync::thread;
use kymo::loom_export::twin::Twin;

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
fn what_was_flushed_is_in_the_file_twins() {
    const MISSING: &str = "flushed, and not in the file";
    let twins = [(Twin::RoomBeforeOutput, MISSING)];
    must_fail(what_was_flushed_is_in_the_file_twins, flush, &twins);
}

/// One request is enough: the sweep that answers it saw what was logged before.
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
fn a_request_is_answered_by_a_sweep_that_follows_it() {
    check("a_request_is_answered_by_a_sweep_that_follows_it", request);
}

#[test]
fn a_request_is_answered_by_a_sweep_that_follows_it_twins() {
    const UNSWEPT: &str = "answered without a sweep";
    let twins = [
        (Twin::RequestReadLate, UNSWEPT),
        (Twin::RequestAdd, UNSWEPT),
        (Twin::RequestLoad, UNSWEPT),
    ];
    must_fail(a_request_is_answered_by_a_sweep_that_follows_it_twins, request, &twins);
}

/// A consumer that has nothing to do sleeps until it is woken. Two threads ask it for something,
/// then it is stopped.
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
fn no_wake_up_is_lost_twins() {
    let twins = [
        (Twin::WakeBeforeRequest, "deadlock"),
        (Twin::WakeBeforeStop, "deadlock"),
        (Twin::AttachLate, "deadlock"),
    ];
    must_fail(no_wake_up_is_lost_twins, sleep, &twins);
}

/// A thread whose ring is full waits for a consumer that sleeps: it wakes it.
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
fn who_waits_for_room_wakes_the_consumer() {
    check("who_waits_for_room_wakes_the_consumer", wait_for_room);
}

#[test]
fn who_waits_for_room_wakes_the_consumer_twins() {
    let twins = [(Twin::WaitAsleep, "maximum number of branches")];
    must_fail(who_waits_for_room_wakes_the_consumer_twins, wait_for_room, &twins);
}
