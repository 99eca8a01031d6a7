//! A thread ends with records left in its ring.

use super::{check, must_fail};
use kymo::loom_export::mutant::Mutant;
use kymo::loom_export::rig::{Overflow, RECORD_WORDS, Rig};
use kymo::loom_export::sync::thread;

/// A thread logs two records, which are two batches, and ends. The consumer notices the end, and
/// writes both records before the thread's totals.
fn exit() {
    let rig = Rig::new(2 * RECORD_WORDS, Overflow::DropNewest);
    let consumer = rig.start();
    let logging = thread::spawn({
        let rig = rig.handle();
        move || {
            let mut thread = rig.thread().expect("the logger runs");
            (1..=2).for_each(|number| assert!(thread.log(number)));
            drop(thread);
            assert!(rig.request_sweep());
        }
    });
    logging.join().unwrap();
    rig.stop();
    let mut ended = consumer.join().unwrap();
    let contents = rig.contents();
    assert_eq!(contents.records, [(0, 1), (0, 2)], "lost");
    assert_eq!(contents.thread_ends, (2, 0), "wrong totals");
    assert_eq!((ended.report.written, ended.late()), (2, 0));
}

#[test]
fn totals_follow_the_last_record() {
    check("totals_follow_the_last_record", exit);
}

#[test]
fn totals_follow_the_last_record_mutants() {
    let mutants = [
        (Mutant::FinishedEarly, "lost"),
        (Mutant::EndedLast, "lost"),
        (Mutant::EndedStore, "lost"),
        (Mutant::EndedLoad, "lost"),
    ];
    must_fail(totals_follow_the_last_record_mutants, exit, &mutants);
}
