//! Rings that go round: a flight recorder that is dumped, and records that overwrite older ones.

use super::{check, must_fail};
use kymo::loom_export::rig::{RECORD_WORDS, Rig};
use kymo::loom_export::sync::thread;
use kymo::loom_export::twin::Twin;

/// A thread records, and asks for a dump. When that returns, the record is in the file, and was
/// counted as dumped, while the consumer comes and goes.
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
fn what_was_recorded_before_a_dump_is_in_the_file() {
    check("what_was_recorded_before_a_dump_is_in_the_file", dump);
}

#[test]
fn what_was_recorded_before_a_dump_is_in_the_file_twins() {
    const MISSING: &str = "asked for, and not dumped";
    let twins = [(Twin::DumpAskedStore, MISSING), (Twin::DumpAskedLoad, MISSING)];
    must_fail(what_was_recorded_before_a_dump_is_in_the_file_twins, dump, &twins);
}

/// A thread records while another one asks for dumps: each record is in the file once, or was not
/// dumped.
fn dump_while_recording() {
    let rig = Rig::recording(2 * RECORD_WORDS);
    let mut recording = rig.thread().expect("the logger runs");
    let consumer = rig.start();
    let thread = thread::spawn(move || {
        (1..=3).for_each(|number| assert!(recording.log(number)));
    });
    let first = rig.dump();
    thread.join().unwrap();
    let second = rig.dump();
    rig.stop();
    let ended = consumer.join().unwrap();
    assert_eq!(ended.report.dumped, first + second);
    let numbers: Vec<u64> = rig.contents().records.iter().map(|&(_, number)| number).collect();
    assert!(numbers.is_sorted_by(|one, other| one < other), "{numbers:?}");
    assert_eq!(numbers.last(), Some(&3), "the newest is always there");
}

#[test]
fn a_dump_while_the_thread_records_has_each_record_once() {
    check("a_dump_while_the_thread_records_has_each_record_once", dump_while_recording);
}

/// A thread logs more than its ring holds and flushes: then all of it is in the file, or counted.
fn overwrite() {
    let rig = Rig::overwriting(4 * RECORD_WORDS);
    let mut logging = rig.thread().expect("the logger runs");
    let consumer = rig.start();
    let thread = thread::spawn({
        let rig = rig.handle();
        move || {
            (1..=5).for_each(|number| assert!(logging.log(number)));
            assert!(logging.flush());
            assert!(rig.in_file() > 0, "flushed, and nothing is in the file");
        }
    });
    thread.join().unwrap();
    rig.stop();
    let ended = consumer.join().unwrap();
    let contents = rig.contents();
    assert_eq!(ended.report.written + ended.report.dropped, 5, "miscounted");
    assert_eq!(contents.dropped, ended.report.dropped);
    assert_eq!(contents.records.last().map(|&(_, number)| number), Some(5));
}

#[test]
fn what_is_overwritten_is_counted() {
    check("what_is_overwritten_is_counted", overwrite);
}
