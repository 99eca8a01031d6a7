//! The overwriting mode, and a process that finds what another one left.
//!
//! Records are two words long, a header and a number, if the story does not say otherwise.

use super::{check, must_fail};
use kymo::loom_export::mutant::Mutant;
use kymo::loom_export::ring::consumer::records;
use kymo::loom_export::ring::storage::layout::{RingIdentity, RingMode};
use kymo::loom_export::ring::storage::memory::Ring;
use kymo::loom_export::ring::storage::overwriting::{OverwritingConsumer, OverwritingProducer};
use kymo::loom_export::ring::storage::recovery::{Image, RingContents};
use kymo::loom_export::ring::storage::{LogMark, bounded, overwriting};
use kymo::loom_export::ring::{RingProducer, WORD_BYTES};
use kymo::loom_export::sync::atomic::{AtomicU64, Ordering};
use kymo::loom_export::sync::{Arc, thread};

/// The ring is almost full of records that were not read when the consumer begins to copy, and the
/// producer goes on: the consumer gets whole records, and counts those that it does not get.
fn overwrite_while_reading() {
    let (mut recorder, mut follower) = overwriting(ring(RingMode::Overwriting, 8));
    (1..=3).for_each(|number| record(&mut recorder, number));
    let logging = thread::spawn(move || {
        (4..=5).for_each(|number| record(&mut recorder, number));
        recorder
    });
    let mut next = 1;
    follow(&mut follower, &mut next);
    let recorder = logging.join().unwrap();
    follow(&mut follower, &mut next);
    assert_eq!(next, 6, "miscounted");
    drop(recorder);
}

#[test]
fn overwritten_copies_are_discarded() {
    check("overwritten_copies_are_discarded", overwrite_while_reading);
}

#[test]
fn overwritten_copies_are_discarded_mutants() {
    let mutants = [
        (Mutant::RingTailStore, "has a length"),
        (Mutant::RingTailLoad, "has a length"),
        (Mutant::RingReserveFence, "assertion"),
        (Mutant::RingCopyFence, "assertion"),
        (Mutant::RingUnvalidated, "assertion"),
    ];
    must_fail(overwritten_copies_are_discarded_mutants, overwrite_while_reading, &mutants);
}

/// The ring has been all around when the consumer begins, so that it needs the index, while the
/// producer goes on to write that over.
fn lapped() {
    let (mut recorder, mut follower) = overwriting(ring(RingMode::Overwriting, 8));
    (1..=5).for_each(|number| record(&mut recorder, number));
    let logging = thread::spawn(move || {
        record(&mut recorder, 6);
        recorder
    });
    let mut next = 1;
    follow(&mut follower, &mut next);
    assert!(next > 5, "the newest record is always there");
    let recorder = logging.join().unwrap();
    follow(&mut follower, &mut next);
    assert_eq!(next, 7, "miscounted");
    drop(recorder);
}

#[test]
fn a_lapped_consumer_counts_exactly() {
    check("a_lapped_consumer_counts_exactly", lapped);
}

#[test]
fn a_lapped_consumer_counts_exactly_mutants() {
    let mutants = [
        (Mutant::RingReserveFence, "assertion"),
        (Mutant::RingCopyFence, "assertion"),
        (Mutant::RingIndexEarly, "assertion"),
    ];
    must_fail(a_lapped_consumer_counts_exactly_mutants, lapped, &mutants);
}

/// A process dies at any moment while a thread logs. Who recovers finds whole records from the
/// first on.
fn publish_and_die() {
    let (mut producer, _consumer, accounts) = bounded(ring(RingMode::Bounded, 8));
    let ring = accounts.shared_ring();
    let logging = thread::spawn(move || {
        (1..=3).for_each(|number| log(&mut producer, 2, number));
        producer
    });
    let image = Image::of(&ring);
    let recovered = image.recover(image.consumed(|_| Some(0)), None).unwrap();
    let numbers = whole(&recovered);
    assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "not a prefix");
    logging.join().unwrap();
}

#[test]
fn recovery_finds_a_prefix() {
    check("recovery_finds_a_prefix", publish_and_die);
}

#[test]
fn recovery_finds_a_prefix_mutants() {
    let mutants =
        [(Mutant::RingTailStore, "assertion"), (Mutant::RingCommitBeforeWrite, "assertion")];
    must_fail(recovery_finds_a_prefix_mutants, publish_and_die, &mutants);
}

/// A process dies at any moment while one thread logs and its consumer writes a log. The recovery
/// finds whole records. Each is in the log or in the ring, and none in both.
///
/// The log of this model is only its committed length, in records: it has all records before that.
fn recovery() {
    let (mut producer, mut consumer, mut accounts) = bounded(ring(RingMode::Bounded, 8));
    let log_length = Arc::new(AtomicU64::new(0));
    log(&mut producer, 2, 1);
    let ring = accounts.shared_ring();
    let logging = thread::spawn(move || {
        log(&mut producer, 2, 2);
        producer
    });
    let consuming = thread::spawn({
        let log_length = log_length.clone();
        move || {
            let committed = consumer.look();
            let words = committed.runs().0.len();
            let count = records(committed.runs().0).count() as u64;
            accounts.prepare(words, count, LogMark { segment: 0, committed: count });
            // Release: as the segment's committed length is stored. `consume` would come after it;
            // but who recovers here looks at the log before the ring, because the process goes on.
            log_length.store(count, Ordering::Release);
            drop(committed);
            (consumer, accounts)
        }
    });
    // Acquire: pairs with that. First, because in the model the process goes on meanwhile.
    let in_log = log_length.load(Ordering::Acquire);
    let image = Image::of(&ring);
    let consumed = image.consumed(|_| Some(in_log));
    assert_eq!(consumed.records, Some(in_log), "twice or not at all");
    let recovered = image.recover(consumed, None).unwrap();
    let numbers = whole(&recovered);
    assert!(numbers.iter().copied().eq(in_log + 1..=in_log + numbers.len() as u64), "not a prefix");
    assert!(in_log + numbers.len() as u64 >= 1, "the first record was there");
    logging.join().unwrap();
    consuming.join().unwrap();
}

#[test]
fn recovery_finds_each_record_once() {
    check("recovery_finds_each_record_once", recovery);
}

#[test]
fn recovery_finds_each_record_once_mutants() {
    let mutants = [(Mutant::RingAccountUnsaid, "twice or not at all")];
    must_fail(recovery_finds_each_record_once_mutants, recovery, &mutants);
}

/// The process dies while a thread logs to an overwriting ring that nobody consumes, and that is
/// being overwritten.
fn recovery_of_the_newest() {
    let ring = ring(RingMode::Overwriting, 8);
    let (mut recorder, follower) = overwriting(ring);
    (1..=3).for_each(|number| record(&mut recorder, number));
    let ring = follower.shared_ring();
    let logging = thread::spawn(move || {
        (4..=5).for_each(|number| record(&mut recorder, number));
        recorder
    });
    let image = Image::of(&ring);
    let recovered = image.recover(image.consumed(|_| Some(0)), None).unwrap();
    let numbers = whole(&recovered);
    let first = recovered.overwritten.unwrap() + 1;
    assert!(numbers.iter().copied().eq(first..first + numbers.len() as u64), "miscounted");
    assert!(first + numbers.len() as u64 > 3, "the newest record was there");
    assert_eq!(recovered.damage, []);
    logging.join().unwrap();
}

#[test]
fn recovery_finds_the_newest() {
    check("recovery_finds_the_newest", recovery_of_the_newest);
}

#[test]
fn recovery_finds_the_newest_mutants() {
    let mutants = [(Mutant::RingTailStore, "assertion"), (Mutant::RingReserveFence, "miscounted")];
    must_fail(recovery_finds_the_newest_mutants, recovery_of_the_newest, &mutants);
}

fn ring(mode: RingMode, words: u64) -> Ring {
    Ring::on_heap(RingIdentity { capacity_words: words, mode, ..RingIdentity::default() })
}

/// Logs a record of `words` words, waiting for room. All words after the header are `number`.
fn log(producer: &mut RingProducer, words: usize, number: u64) {
    let mut slot = loop {
        match producer.reserve(words) {
            Ok(slot) => break slot,
            Err(_) => thread::yield_now(),
        }
    };
    // SAFETY: the slot has `words` words.
    let record = unsafe { std::slice::from_raw_parts_mut(slot.as_mut_ptr(), words) };
    record.fill(number);
    record[0] = header(words);
    // SAFETY: all words have been written, and the header says how many there are.
    unsafe { slot.publish() };
}

fn record(recorder: &mut OverwritingProducer, number: u64) {
    recorder.push(&[header(2), number], 0).unwrap();
}

fn header(words: usize) -> u64 {
    kymo::loom_export::ring::header(1, words * WORD_BYTES)
}

/// Consumes the records that are there. `next` is the first record that is not yet consumed or
/// counted.
fn follow(follower: &mut OverwritingConsumer, next: &mut u64) {
    let copied = follower.look();
    *next += copied.overwritten();
    for record in records(copied.runs().0) {
        assert_eq!(record, [header(2), *next]);
        *next += 1;
    }
    copied.consume_all();
}

/// The numbers of the records.
fn whole(recovered: &RingContents<'_>) -> Vec<u64> {
    assert_eq!(recovered.damage, []);
    recovered
        .records
        .iter()
        .map(|record| {
            assert!(record.len() > 1 && record[0] == header(record.len()), "torn: {record:x?}");
            record[1]
        })
        .collect()
}
