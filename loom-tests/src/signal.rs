//! Signals. A thread that crashes asks the consumer for a drain and waits. A thread that gets a
//! termination signal leaves it with the standby thread and goes on.

use super::{check, must_fail};
use kymo::loom_export::mutant::Mutant;
use kymo::loom_export::rig::{Overflow, RECORD_WORDS, Rig, TERMINATED, Termination};
use kymo::loom_export::sync::atomic::{AtomicU64, Ordering};
use kymo::loom_export::sync::{Arc, thread};

/// A thread logs two records, which are two batches, and crashes. Another thread has logged a
/// third. When the handler goes on, all three are in the file, and its mark.
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
fn a_crash_drains_the_rings() {
    check("a_crash_drains_the_rings", crash);
}

#[test]
fn a_crash_drains_the_rings_mutants() {
    const MISSING: &str = "answered, and not in the file";
    let mutants = [
        (Mutant::SignalServedEarly, MISSING),
        (Mutant::SignalRequest, MISSING),
        (Mutant::SignalPendingLoad, MISSING),
        (Mutant::SignalAcknowledge, MISSING),
        (Mutant::SignalServedLoad, MISSING),
    ];
    must_fail(a_crash_drains_the_rings_mutants, crash, &mutants);
}

/// Two threads crash at once, or one after the other; one of them has logged. When it goes on, its
/// record is in the file, unless it found the request of the other, which came first. That request
/// has then been served.
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
fn two_threads_may_crash_at_once_mutants() {
    let mutants = [(Mutant::SignalServedEarly, "answered, and not drained")];
    must_fail(two_threads_may_crash_at_once_mutants, two, &mutants);
}

/// A handler leaves a termination signal and returns. The standby thread that takes it gets all of
/// it, and sees what the thread had done before.
fn leave() {
    let (termination, logged) = (Termination::default(), Arc::new(AtomicU64::new(0)));
    let handler = thread::spawn({
        let (termination, logged) = (termination.clone(), Arc::clone(&logged));
        move || {
            // Relaxed: the hand-over orders it.
            logged.store(1, Ordering::Relaxed);
            assert!(!termination.post(), "somebody stands by");
        }
    });
    let is_whole = termination.take();
    assert!(is_whole && logged.load(Ordering::Relaxed) == 1, "not seen");
    handler.join().unwrap();
}

#[test]
fn a_signal_is_left_whole() {
    check("a_signal_is_left_whole", leave);
}

#[test]
fn a_signal_is_left_whole_mutants() {
    let mutants = [(Mutant::PendingPost, "not seen"), (Mutant::PendingTake, "not seen")];
    must_fail(a_signal_is_left_whole_mutants, leave, &mutants);
}

/// The standby thread has taken a termination signal. When it ends the process, all earlier records
/// are in the file, with the mark. Records that a thread logs meanwhile are in the file or counted.
fn terminate() {
    let rig = Rig::new(2 * RECORD_WORDS, Overflow::DropNewest);
    let mut thread = rig.thread().expect("the logger runs");
    let mut other = rig.thread().expect("the logger runs");
    let consumer = rig.start();
    assert!(thread.log(1));
    let logging = thread::spawn(move || u64::from(other.log(2)));
    rig.end_for_signal();
    assert!(rig.in_file() >= 1, "ended, and not in the file");
    assert_eq!(rig.contents().signals, [TERMINATED]);
    drop(thread);
    let logged = 1 + logging.join().unwrap();
    let mut ended = consumer.join().unwrap();
    let reported = ended.report.written + ended.report.dropped;
    assert_eq!(reported + ended.late(), logged, "not accounted for");
}

#[test]
fn a_terminated_process_is_drained() {
    check("a_terminated_process_is_drained", terminate);
}

#[test]
fn a_terminated_process_is_drained_mutants() {
    const MISSING: &str = "ended, and not in the file";
    let mutants = [(Mutant::SignalRequest, MISSING), (Mutant::SignalPendingLoad, MISSING)];
    must_fail(a_terminated_process_is_drained_mutants, terminate, &mutants);
}

/// A termination signal comes while the standby thread ends: exactly one of the two acts on it.
fn stand_down() {
    let termination = Termination::default();
    let handler = thread::spawn({
        let termination = termination.clone();
        move || termination.post()
    });
    let standby = termination.close();
    let handler = handler.join().unwrap();
    assert_eq!(u32::from(standby) + u32::from(handler), 1, "not exactly one acts");
}

#[test]
fn a_signal_has_its_effect_once() {
    check("a_signal_has_its_effect_once", stand_down);
}

#[test]
fn a_signal_has_its_effect_once_mutants() {
    const NOBODY: &str = "not exactly one acts";
    let mutants = [(Mutant::PendingCloseBlind, NOBODY), (Mutant::PendingPostBlind, NOBODY)];
    must_fail(a_signal_has_its_effect_once_mutants, stand_down, &mutants);
}
