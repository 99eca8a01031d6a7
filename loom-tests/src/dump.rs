//! Overwriting rings: a flight recorder that is dumped, and records that overwrite older ones.

use super::{check, must_fail};
use kymo::loom_export::mutant::Mutant;
use kymo::loom_export::rig::{RECORD_WORDS, Rig};
use kymo::loom_export::sync::thread;

/// A thread records and asks for a dump, while the consumer comes and goes. When the request
/// returns, the record is in the file and was counted as dumped.
fn dump() {
    let rig = Rig::recording(2 * RECORD_WORDS);
    let mut recording = rig.thread().expect("the logger runs");
    let consumer = rig.start();
    assert!(recording.log(1));
    assert_eq!(rig.dump(), 1, "asked for, and not dumped");
    assert_eq!(rig.in_file(), 1, "answered, and not in the file");
    rig.stop();
    drop(recording);
    let ended = consumer.join().unwrap();
    assert_eq!((ended.report.written, ended.report.dumped, ended.report.dropped), (1, 1, 0));
}

#[test]
fn a_dump_has_all_records_before_it() {
    check("a_dump_has_all_records_before_it", dump);
}

#[test]
fn a_dump_has_all_records_before_it_mutants() {
    const MISSING: &str = "asked for, and not dumped";
    let mutants = [(Mutant::DumpAskedStore, MISSING), (Mutant::DumpAskedLoad, MISSING)];
    must_fail(a_dump_has_all_records_before_it_mutants, dump, &mutants);
}

/// A thread records while another one asks for a dump: the file has all records from some record
/// on.
fn dump_while_recording() {
    let rig = Rig::recording(2 * RECORD_WORDS);
    let mut recording = rig.thread().expect("the logger runs");
    let consumer = rig.start();
    assert!(recording.log(1));
    let dumping = thread::spawn({
        let rig = rig.handle();
        move || rig.dump()
    });
    assert!(recording.log(2));
    let dumped = dumping.join().unwrap();
    rig.stop();
    assert_eq!(consumer.join().unwrap().report.dumped, dumped);
    let numbers: Vec<u64> = rig.contents().records.iter().map(|&(_, number)| number).collect();
    assert_eq!(numbers, [1, 2][..dumped as usize], "not in one piece");
    assert!(dumped >= 1);
}

#[test]
fn a_dump_has_no_gap() {
    check("a_dump_has_no_gap", dump_while_recording);
}

/// A thread logs a record that may overwrite others, and flushes: then it is in the file.
fn flush() {
    let rig = Rig::overwriting(4 * RECORD_WORDS);
    let mut logging = rig.thread().expect("the logger runs");
    let consumer = rig.start();
    assert!(logging.log(1));
    assert!(logging.flush());
    assert_eq!(rig.in_file(), 1, "flushed, and not in the file");
    rig.stop();
    drop(logging);
    assert_eq!(consumer.join().unwrap().report.written, 1);
}

#[test]
fn what_may_be_overwritten_is_flushed() {
    check("what_may_be_overwritten_is_flushed", flush);
}
