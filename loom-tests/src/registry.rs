//! A thread makes its ring while the consumer sweeps.

use super::{check, must_fail};
use kymo::loom_export::mutant::Mutant;
use kymo::loom_export::rig::{Overflow, RECORD_WORDS, Rig};
use kymo::loom_export::sync::thread;

/// Two threads make their rings. One of them logs and asks for one sweep. The sweep finds the ring
/// and the record, whatever the consumer was doing.
fn register() {
    let rig = Rig::new(2 * RECORD_WORDS, Overflow::DropNewest);
    let consumer = rig.start();
    let asking = thread::spawn({
        let rig = rig.handle();
        move || {
            let mut thread = rig.thread().expect("the logger runs");
            thread.log(1);
            assert!(rig.request_sweep());
            assert!(thread.is_drained(), "the ring was not found");
        }
    });
    drop(rig.thread());
    asking.join().unwrap();
    rig.stop();
    assert_eq!(consumer.join().unwrap().report.written, 1);
}

#[test]
fn a_request_finds_a_new_ring() {
    check("a_request_finds_a_new_ring", register);
}

#[test]
fn a_request_finds_a_new_ring_mutants() {
    const UNFOUND: &str = "the ring was not found";
    let mutants = [
        (Mutant::FlagClearedLate, UNFOUND),
        (Mutant::RequestAdd, UNFOUND),
        (Mutant::RequestLoad, UNFOUND),
    ];
    must_fail(a_request_finds_a_new_ring_mutants, register, &mutants);
}
