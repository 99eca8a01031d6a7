//! A thread crashes: its handler asks the consumer for a drain, and waits.

use super::{check, must_fail};
use kymo::loom_export::rig::{Overflow, RECORD_WORDS, Rig};
use kymo::loom_export::sync::thread;
use kymo::loom_export::twin::Twin;

/// A thread logs two records, which are two batches, and crashes, while another one has logged a
/// third. When the handler goes on, all of them are in the file, and its mark.
fn crash() {
    let rig = Rig::new(2 * RECORD_WORDS, Overflow::DropNewest);
    let consumer = rig.start();
    let mut other = rig.thread().expect("the logger runs");
    other.log(3);
    let crashing = thread::spawn({
        let rig = rig.handle();
        move || {
            let mut thread = rig.thread().expect("the logger runs");
            (1..=2).for_each(|number| assert!(thread.log(number)));
            assert!(rig.crash());
            assert_eq!(rig.in_file(), 3, "answered, and not in the file");
        }
    });
    crashing.join().unwrap();
    rig.stop();
    assert_eq!(consumer.join().unwrap().report.written, 3);
    assert_eq!(rig.contents().signals, [11]);
}

#[test]
fn what_was_logged_before_a_crash_is_in_the_file() {
    check("what_was_logged_before_a_crash_is_in_the_file", crash);
}

#[test]
fn what_was_logged_before_a_crash_is_in_the_file_twins() {
    const MISSING: &str = "answered, and not in the file";
    let twins = [
        (Twin::SignalServedEarly, MISSING),
        (Twin::SignalRequest, MISSING),
        (Twin::SignalPendingLoad, MISSING),
        (Twin::SignalAcknowledge, MISSING),
        (Twin::SignalServedLoad, MISSING),
    ];
    must_fail(what_was_logged_before_a_crash_is_in_the_file_twins, crash, &twins);
}

/// Two threads crash at once, or one after the other; one of them has logged. This is in the file when
/// it goes on, unless it found the other's request, which came first; that has been served then.
fn two() {
    let rig = Rig::new(2 * RECORD_WORDS, Overflow::DropNewest);
    let mut thread = rig.thread().expect("the logger runs");
    let consumer = rig.start();
    let other = thread::spawn({
        let rig = rig.handle();
        move || rig.crash_elsewhere()
    });
    thread.log(1);
    let own = rig.crash();
    assert!(!own || thread.is_drained(), "answered, and not drained");
    let other = other.join().unwrap();
    assert!(own || other, "nobody asked");
    rig.stop();
    assert_eq!(consumer.join().unwrap().report.written, 1);
    assert_eq!(rig.contents().signals.len(), usize::from(own) + usize::from(other));
}

#[test]
fn two_threads_may_crash_at_once() {
    check("two_threads_may_crash_at_once", two);
}

#[test]
fn two_threads_may_crash_at_once_twins() {
    let twins = [(Twin::SignalServedEarly, "answered, and not drained")];
    must_fail(two_threads_may_crash_at_once_twins, two, &twins);
}
