//! One producer, one consumer, one ring.
//!
//! The records of these stories are two words long, a header and a number, if the story does not
//! say otherwise.

use super::sweep::{sweep, sweep_until};
use super::{check, must_fail};
use kymo::loom_export::ring::{LENGTH_BITS, WordProducer, WordSlot, ring};
use kymo::loom_export::sync::thread;
use kymo::loom_export::twin::Twin;

/// What loom says when a thread touches a word that is not, or not yet, its own.
const RACE: &str = "Causality violation";

fn publish_and_consume() {
    let (mut producer, mut consumer) = ring(8);
    let logging = thread::spawn(move || {
        (1..=2).for_each(|number| assert!(try_log(&mut producer, 2, number)));
        producer
    });
    assert_eq!(sweep_until(&mut consumer, 2), [1, 2]);
    logging.join().unwrap();
}

#[test]
fn a_record_arrives_whole() {
    check("a_record_arrives_whole", publish_and_consume);
}

#[test]
fn a_record_arrives_whole_twins() {
    let twins = [(Twin::TailStore, RACE), (Twin::TailLoad, RACE), (Twin::CommitBeforeWrite, RACE)];
    must_fail(a_record_arrives_whole_twins, publish_and_consume, &twins);
}

/// Three records through a ring that holds two: the third one waits.
fn ring_full() {
    let (mut producer, mut consumer) = ring(4);
    let logging = thread::spawn(move || {
        (1..=3).for_each(|number| log(&mut producer, 2, number));
        producer
    });
    assert_eq!(sweep_until(&mut consumer, 3), [1, 2, 3]);
    logging.join().unwrap();
}

#[test]
fn a_full_ring_is_written_over_only_where_it_was_read() {
    check("a_full_ring_is_written_over_only_where_it_was_read", ring_full);
}

#[test]
fn a_full_ring_is_written_over_only_where_it_was_read_twins() {
    let twins = [(Twin::HeadStore, RACE), (Twin::HeadLoad, RACE), (Twin::ConsumeBeforeRead, RACE)];
    must_fail(a_full_ring_is_written_over_only_where_it_was_read_twins, ring_full, &twins);
}

/// Records of three words through a ring of five: behind the first two words are left, which are
/// skipped.
fn wrap() {
    let (mut producer, mut consumer) = ring(5);
    let logging = thread::spawn(move || {
        (1..=3).for_each(|number| log(&mut producer, 3, number));
        producer
    });
    assert_eq!(sweep_until(&mut consumer, 3), [1, 2, 3]);
    logging.join().unwrap();
}

#[test]
fn a_record_does_not_wrap() {
    check("a_record_does_not_wrap", wrap);
}

#[test]
fn a_record_does_not_wrap_twins() {
    let twins = [(Twin::FillerLate, "has a length")];
    must_fail(a_record_does_not_wrap_twins, wrap, &twins);
}

/// A thread logs and ends. The consumer, which learns of the end, must have all records by then.
fn thread_exit() {
    let (mut producer, mut consumer) = ring(8);
    let logging = thread::spawn(move || {
        (1..=2).for_each(|number| assert!(try_log(&mut producer, 2, number)));
    });
    let mut numbers = Vec::new();
    while sweep(&mut consumer, &mut numbers) {
        thread::yield_now();
    }
    assert_eq!(numbers, [1, 2], "lost");
    logging.join().unwrap();
}

#[test]
fn what_a_thread_logged_last_is_read() {
    check("what_a_thread_logged_last_is_read", thread_exit);
}

#[test]
fn what_a_thread_logged_last_is_read_twins() {
    let twins =
        [(Twin::LastLook, "lost"), (Twin::AbandonedStore, "lost"), (Twin::AbandonedLoad, "lost")];
    must_fail(what_a_thread_logged_last_is_read_twins, thread_exit, &twins);
}

/// Logs a record of `words` words, waiting for room; its words behind the header are all `number`.
fn log(producer: &mut WordProducer, words: usize, number: u64) {
    while !try_log(producer, words, number) {
        thread::yield_now();
    }
}

fn try_log(producer: &mut WordProducer, words: usize, number: u64) -> bool {
    if let Some(slot) = producer.reserve_known(words) {
        write(slot, words, number);
    } else if let Ok(slot) = producer.reserve(words) {
        write(slot, words, number);
    } else {
        return false;
    }
    true
}

fn write(mut slot: WordSlot<'_>, words: usize, number: u64) {
    let at = slot.as_mut_ptr();
    // SAFETY: The slot has `words` words.
    let record = unsafe { std::slice::from_raw_parts_mut(at, words) };
    record.fill(number);
    record[0] = (1 << LENGTH_BITS) | (8 * words as u64);
    // SAFETY: All words have been written, and the header says how many there are.
    unsafe { slot.publish() };
}
