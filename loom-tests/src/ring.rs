//! One producer, one consumer, one ring.
//!
//! The records of these stories are two words long, a header and a number, if the story does not
//! say otherwise.

use super::{check, must_fail};
use kymo::loom_export::mutant::Mutant;
use kymo::loom_export::ring::consumer::records;
use kymo::loom_export::ring::producer::ReservedWords;
use kymo::loom_export::ring::{RingConsumer, RingProducer, WORD_BYTES, header, ring};
use kymo::loom_export::sync::thread;

/// The message of loom when a thread touches a word that is not, or not yet, its own.
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
fn a_record_arrives_whole_mutants() {
    let mutants = [
        (Mutant::RingTailStore, RACE),
        (Mutant::RingTailLoad, RACE),
        (Mutant::RingCommitBeforeWrite, RACE),
    ];
    must_fail(a_record_arrives_whole_mutants, publish_and_consume, &mutants);
}

/// Three records through a ring that holds one, so that each waits for the one before.
fn ring_full() {
    let (mut producer, mut consumer) = ring(4);
    assert_eq!(producer.capacity(), 4);
    let logging = thread::spawn(move || {
        (1..=3).for_each(|number| log(&mut producer, 2, number));
        producer
    });
    assert_eq!(sweep_until(&mut consumer, 3), [1, 2, 3]);
    logging.join().unwrap();
}

#[test]
fn only_read_words_are_overwritten() {
    check("only_read_words_are_overwritten", ring_full);
}

#[test]
fn only_read_words_are_overwritten_mutants() {
    let mutants = [(Mutant::RingHeadStore, RACE), (Mutant::RingHeadLoad, RACE)];
    must_fail(only_read_words_are_overwritten_mutants, ring_full, &mutants);
}

/// Records of three words through a ring of eight: after the second record two words are left,
/// which are skipped.
fn wrap() {
    let (mut producer, mut consumer) = ring(8);
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
fn a_record_does_not_wrap_mutants() {
    let mutants = [(Mutant::FillerLate, "has a length")];
    must_fail(a_record_does_not_wrap_mutants, wrap, &mutants);
}

/// Records in words that are reserved again when the ring wraps: the skipped words are published by
/// themselves.
fn wrap_reserved() {
    let (mut producer, mut consumer) = ring(8);
    let logging = thread::spawn(move || {
        for number in 1..=3 {
            while !try_log_reserved(&mut producer, 3, number) {
                producer.wrap_for(3);
                thread::yield_now();
            }
        }
        producer
    });
    assert_eq!(sweep_until(&mut consumer, 3), [1, 2, 3]);
    logging.join().unwrap();
}

#[test]
fn words_are_reserved_after_the_wrap() {
    check("words_are_reserved_after_the_wrap", wrap_reserved);
}

#[test]
fn words_are_reserved_after_the_wrap_mutants() {
    let mutants = [
        (Mutant::RingHeadStore, RACE),
        (Mutant::RingHeadLoad, RACE),
        (Mutant::RingTailStore, RACE),
        (Mutant::RingTailLoad, RACE),
    ];
    must_fail(words_are_reserved_after_the_wrap_mutants, wrap_reserved, &mutants);
}

/// Logs a record of `words` words, waiting for room. All words after the header are `number`.
fn log(producer: &mut RingProducer, words: usize, number: u64) {
    while !try_log(producer, words, number) {
        thread::yield_now();
    }
}

/// Into words that are lent, as a log call does, or else into a slot.
fn try_log(producer: &mut RingProducer, words: usize, number: u64) -> bool {
    if try_log_reserved(producer, words, number) {
        return true;
    }
    let Ok(mut slot) = producer.reserve(words) else { return false };
    write(slot.as_mut_ptr(), words, number);
    // SAFETY: All words have been written, and the header says how many there are.
    unsafe { slot.publish() };
    true
}

/// Into words that are lent.
fn try_log_reserved(producer: &mut RingProducer, words: usize, number: u64) -> bool {
    let ReservedWords { next, end, publisher } = producer.reserve_free();
    let after = next.wrapping_add(words);
    if after <= end {
        write(next, words, number);
        // SAFETY: All words have been written, and the header says how many there are.
        unsafe { publisher.publish(next, after, true) };
        // SAFETY: So far they have been published.
        unsafe { producer.return_unused(after) };
        return true;
    }
    // SAFETY: None has been published.
    unsafe { producer.return_unused(next) };
    false
}

/// Writes a record of `words` words, which are the producer's from `at` on.
fn write(at: *mut u64, words: usize, number: u64) {
    // SAFETY: The caller's promise.
    let record = unsafe { std::slice::from_raw_parts_mut(at, words) };
    record.fill(number);
    record[0] = header(1, words * WORD_BYTES);
}

/// Waits for that many records.
fn sweep_until(consumer: &mut RingConsumer, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        sweep(consumer, &mut numbers);
        thread::yield_now();
    }
    numbers
}

/// Consumes all records that are there, and appends their numbers.
fn sweep(consumer: &mut RingConsumer, numbers: &mut Vec<u64>) {
    let committed = consumer.look();
    let (first, second) = committed.runs();
    for record in records(first).chain(records(second)) {
        assert!(record[1..].iter().all(|word| *word == record[1]), "torn: {record:x?}");
        numbers.push(record[1]);
    }
    if !first.is_empty() {
        committed.consume_all();
    }
}
