//! The ring against rtrb's, and both against plain queues.
//!
//! Three layers: the storage against rtrb's interface; the record protocol against a queue of
//! records and an account of where each must lie; and threads, for the sanitizers.

use crate::ring::MAX_RECORD_WORDS;
use crate::ring::WORD_BYTES;
use crate::ring::consumer::{RingConsumer, records};
use crate::ring::header;
use crate::ring::producer::{Refusal, ReservedWords, RingProducer};
use crate::ring::storage;
use crate::ring::storage::bounded::{self, BoundedReader, BoundedWriter, SPARE_WORDS};
use proptest::prelude::*;
use std::collections::VecDeque;

/// One step of either half.
#[derive(Clone, Debug)]
enum Step {
    /// Publish a record of so many words.
    Log(usize),
    /// Reserve room for one, write half of it, and think better of it.
    Forgo(usize),
    /// Consume up to so many records (in the storage's tests: words).
    Consume(usize),
    DropProducer,
    DropConsumer,
}

fn steps(longest: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        30 => (1..=longest).prop_map(Step::Log),
        5 => (1..=longest).prop_map(Step::Forgo),
        30 => (0..=longest).prop_map(Step::Consume),
        1 => Just(Step::DropProducer),
        1 => Just(Step::DropConsumer),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_storage_is_rtrb(shift in 4_u32..6, steps in steps(40)) {
        let capacity = 1 << shift;
        let answers = run_storage(storage(capacity), &steps);
        prop_assert_eq!(&answers, &run_queue(capacity, &steps));
        let theirs = run_rtrb(capacity - SPARE_WORDS as usize, &steps);
        // Theirs is round elsewhere.
        prop_assert!(answers.into_iter().map(Answer::unsplit).eq(theirs.into_iter().map(Answer::unsplit)));
    }

    #[test]
    fn records_go_where_they_should(shift in 4_u32..6, steps in steps(22)) {
        let (writer, reader) = storage(1 << shift);
        run_records(RingProducer::new(writer), RingConsumer::new(reader), &steps);
    }
}

fn storage(capacity_words: usize) -> (BoundedWriter, BoundedReader) {
    let capacity_words = capacity_words as u64;
    let identity = storage::layout::RingIdentity { capacity_words, ..Default::default() };
    bounded::storage(std::sync::Arc::new(storage::memory::Ring::on_heap(identity)))
}

/// What a storage answered to a step.
#[derive(Debug, PartialEq)]
enum Answer {
    /// Free words before it, and whether the other half has ended; `free` is split at the wrap.
    Wrote { free: [usize; 2], accepted: bool, alone: bool },
    /// What was committed.
    Read { runs: [Vec<u64>; 2] },
}

impl Answer {
    /// The answer as if no wrap were in the way.
    fn unsplit(self) -> Self {
        match self {
            Self::Wrote { free, accepted, alone } => {
                Self::Wrote { free: [free[0] + free[1], 0], accepted, alone }
            }
            Self::Read { runs } => Self::Read { runs: [runs.concat(), Vec::new()] },
        }
    }
}

fn run_storage(halves: (BoundedWriter, BoundedReader), steps: &[Step]) -> Vec<Answer> {
    let (mut writer, mut reader) = (Some(halves.0), Some(halves.1));
    let (mut answers, mut next) = (Vec::new(), 0);
    for step in steps {
        match *step {
            Step::Log(words) | Step::Forgo(words) => {
                let Some(writer) = &mut writer else { continue };
                let runs = writer.free();
                let free = runs.map(|run| run.words);
                let accepted = words <= free[0] + free[1];
                if accepted && matches!(step, Step::Log(_)) {
                    for index in 0..words {
                        let [ahead, beginning] = runs;
                        let at = if index < ahead.words {
                            ahead.start.wrapping_add(index)
                        } else {
                            beginning.start.wrapping_add(index - ahead.words)
                        };
                        next += 1;
                        // SAFETY: The word is free.
                        unsafe { at.write(next) };
                    }
                    // SAFETY: There are as many free words.
                    unsafe { writer.commit(words) };
                }
                answers.push(Answer::Wrote { free, accepted, alone: writer.is_abandoned() });
            }
            Step::Consume(most) => {
                let Some(reader) = &mut reader else { continue };
                reader.look();
                let words = reader.committed();
                let runs = [words.runs().0.to_vec(), words.runs().1.to_vec()];
                words.consume(most.min(runs[0].len() + runs[1].len()));
                answers.push(Answer::Read { runs });
            }
            Step::DropProducer => drop(writer.take()),
            Step::DropConsumer => drop(reader.take()),
        }
    }
    answers
}

/// Runs the steps through rtrb's own interface, with no code of kymo.
fn run_rtrb(capacity: usize, steps: &[Step]) -> Vec<Answer> {
    let (producer, consumer) = rtrb::RingBuffer::new(capacity);
    let (mut producer, mut consumer) = (Some(producer), Some(consumer));
    let (mut answers, mut next) = (Vec::new(), 0);
    for step in steps {
        match *step {
            Step::Log(words) | Step::Forgo(words) => {
                let Some(producer) = &mut producer else { continue };
                let slots = producer.slots();
                let mut all = producer.write_chunk_uninit(slots).unwrap();
                let free = [all.as_mut_slices().0.len(), all.as_mut_slices().1.len()];
                let accepted = match producer.write_chunk_uninit(words) {
                    Ok(chunk) if matches!(step, Step::Log(_)) => {
                        chunk.fill_from_iter(next + 1..=next + words as u64);
                        next += words as u64;
                        true
                    }
                    answer => answer.is_ok(),
                };
                answers.push(Answer::Wrote { free, accepted, alone: producer.is_abandoned() });
            }
            Step::Consume(most) => {
                let Some(consumer) = &mut consumer else { continue };
                let chunk = consumer.read_chunk(consumer.slots()).unwrap();
                let runs = [chunk.as_slices().0.to_vec(), chunk.as_slices().1.to_vec()];
                let words = most.min(chunk.len());
                chunk.commit(words);
                answers.push(Answer::Read { runs });
            }
            Step::DropProducer => drop(producer.take()),
            Step::DropConsumer => drop(consumer.take()),
        }
    }
    answers
}

/// Runs the steps on a queue.
fn run_queue(capacity: usize, steps: &[Step]) -> Vec<Answer> {
    let mut queue = VecDeque::new();
    let (mut written, mut read) = (0, 0);
    let (mut produces, mut consumes) = (true, true);
    let mut answers = Vec::new();
    let split = |position: usize, words: usize| words.min(capacity - position % capacity);
    for step in steps {
        match *step {
            Step::Log(words) | Step::Forgo(words) if produces => {
                let room = capacity - SPARE_WORDS as usize - queue.len();
                let first = split(written, room);
                let accepted = words <= room;
                if accepted && matches!(step, Step::Log(_)) {
                    queue.extend(written as u64 + 1..=(written + words) as u64);
                    written += words;
                }
                let free = [first, room - first];
                answers.push(Answer::Wrote { free, accepted, alone: !consumes });
            }
            Step::Consume(most) if consumes => {
                let first = split(read, queue.len());
                let all: Vec<u64> = queue.iter().copied().collect();
                let runs = [all[..first].to_vec(), all[first..].to_vec()];
                read += queue.drain(..most.min(all.len())).count();
                answers.push(Answer::Read { runs });
            }
            Step::DropProducer => produces = false,
            Step::DropConsumer => consumes = false,
            _ => {}
        }
    }
    answers
}

/// Runs the record protocol beside a queue of records and an account of the ring's words.
fn run_records(producer: RingProducer, consumer: RingConsumer, steps: &[Step]) {
    let (capacity, longest) = (producer.capacity(), producer.longest());
    assert_eq!(longest, capacity.div_ceil(2));
    let (mut producer, mut consumer) = (Some(producer), Some(consumer));
    // Each record with the number of words that are skipped before it.
    let mut queue: VecDeque<(Vec<u64>, usize)> = VecDeque::new();
    let (mut tail, mut used, mut number) = (0, 0, 0);
    for step in steps {
        match *step {
            Step::Log(words) | Step::Forgo(words) => {
                let alone = consumer.is_none();
                let Some(producer) = &mut producer else { continue };
                number += 1;
                let record = record(words, number);
                let publish = matches!(step, Step::Log(_));

                let free = capacity - SPARE_WORDS as usize - used;
                let ahead = free.min(capacity - tail);
                let expected = if words > longest {
                    Err(Refusal::TooLong)
                } else if words <= ahead {
                    Ok(0)
                } else if words <= free - ahead {
                    Ok(ahead)
                } else {
                    Err(Refusal::Full)
                };

                assert_eq!(log(producer, &record, publish), expected.map(|_| ()), "{step:?}");
                assert_eq!(producer.is_abandoned(), alone);
                if let (Ok(skipped), true) = (expected, publish) {
                    used += skipped + words;
                    tail = (tail + skipped + words) % capacity;
                    queue.push_back((record, skipped));
                }
            }
            Step::Consume(most) => {
                let Some(consumer) = &mut consumer else { continue };
                let committed = consumer.look();
                let (first, second) = committed.runs();
                assert_eq!(first.len() + second.len(), used);
                let read = records(first).chain(records(second));
                assert!(read.eq(queue.iter().map(|(record, _)| &record[..])));
                let taken = queue.drain(..most.min(queue.len()));
                let words = taken.map(|(record, skipped)| skipped + record.len()).sum();
                committed.consume(words);
                used -= words;
            }
            Step::DropProducer => drop(producer.take()),
            Step::DropConsumer => drop(consumer.take()),
        }
    }
}

fn record(words: usize, number: u64) -> Vec<u64> {
    let header = header(number, words * WORD_BYTES);
    std::iter::once(header).chain((1..words as u64).map(|index| (number << 32) | index)).collect()
}

/// Logs a record as the logger does: into words that are lent, or are when the ring has gone round, or
/// else into a slot.
fn log(producer: &mut RingProducer, record: &[u64], publish: bool) -> Result<(), Refusal> {
    if log_lent(producer, record, publish) {
        return Ok(());
    }
    // A record that is not published would leave a filler. And slots must skip words, too.
    if publish && record.len().is_multiple_of(2) {
        producer.wrap_for(record.len());
        if log_lent(producer, record, publish) {
            return Ok(());
        }
    }
    let words = if publish { record.len() } else { record.len() / 2 };
    let mut slot = producer.reserve(record.len())?;
    // SAFETY: As many words were reserved, or more.
    unsafe { std::ptr::copy_nonoverlapping(record.as_ptr(), slot.as_mut_ptr(), words) };
    if publish {
        // SAFETY: All of the record was written.
        unsafe { slot.publish() };
    }
    Ok(())
}

/// Logs a record into words that are lent; says whether there are enough.
fn log_lent(producer: &mut RingProducer, record: &[u64], publish: bool) -> bool {
    let words = if publish { record.len() } else { record.len() / 2 };
    let ReservedWords { next, end, publisher } = producer.reserve_free();
    let behind = next.wrapping_add(record.len());
    if behind <= end && record.len() <= MAX_RECORD_WORDS {
        // SAFETY: As many words are lent.
        unsafe { std::ptr::copy_nonoverlapping(record.as_ptr(), next, words) };
        if publish {
            // SAFETY: All of the record was written.
            unsafe { publisher.publish(next, behind, true) };
        }
        // SAFETY: So far they have been published.
        unsafe { producer.return_unused(if publish { behind } else { next }) };
        return true;
    }
    // SAFETY: None has been published.
    unsafe { producer.return_unused(next) };
    false
}

/// In an empty ring the longest record finds room at every position (INV-4).
#[test]
fn the_longest_record_always_fits_an_empty_ring() {
    for capacity in [16, 32, 64] {
        for position in 0..2 * capacity {
            let (mut producer, mut consumer) = crate::ring::ring(capacity);
            for _ in 0..position {
                log(&mut producer, &record(1, 1), true).unwrap();
                consumer.look().consume_all();
            }
            let longest = record(producer.longest(), 2);
            log(&mut producer, &longest, true).unwrap();
            let committed = consumer.look();
            let (first, second) = committed.runs();
            assert_eq!(records(first).chain(records(second)).next(), Some(&longest[..]));
        }
    }
}

#[test]
fn a_large_ring_takes_records_up_to_the_limit_of_the_format() {
    let (mut producer, mut consumer) = crate::ring::ring(4 * MAX_RECORD_WORDS);
    assert_eq!(producer.longest(), MAX_RECORD_WORDS);
    let longer = record(MAX_RECORD_WORDS + 1, 1);
    assert_eq!(log(&mut producer, &longer, true), Err(Refusal::TooLong));
    // The last one does not fit by one word, so that the longest possible filler comes before it.
    for number in 1..=3 {
        log(&mut producer, &record(MAX_RECORD_WORDS, number), true).unwrap();
    }
    let left = producer.capacity() - 3 * MAX_RECORD_WORDS;
    log(&mut producer, &record(left - (MAX_RECORD_WORDS - 1), 4), true).unwrap();
    assert_eq!(log(&mut producer, &record(MAX_RECORD_WORDS, 5), true), Err(Refusal::Full));
    consumer.look().consume_all();
    log(&mut producer, &record(MAX_RECORD_WORDS, 5), true).unwrap();
    let committed = consumer.look();
    let (skipped, behind) = committed.runs();
    assert_eq!((skipped.len(), skipped[0]), (MAX_RECORD_WORDS - 1, header(0, skipped.len() * 8)));
    assert_eq!(behind, record(MAX_RECORD_WORDS, 5));
}

/// Two threads and a ring that is too small for them. For ThreadSanitizer, mostly (whose report of
/// the test harness's own channel comes from `std`, which is not instrumented).
#[test]
fn threads() {
    const RECORDS: u64 = 100_000;
    let (mut producer, mut consumer) = crate::ring::ring(64);
    let logging = std::thread::spawn(move || {
        for number in 1..=RECORDS {
            let record = record(1 + number as usize % 9, number);
            while log(&mut producer, &record, true).is_err() {
                std::thread::yield_now();
            }
        }
    });
    let mut number = 0;
    while number < RECORDS {
        let committed = consumer.look();
        let (first, second) = committed.runs();
        for read in records(first).chain(records(second)) {
            number += 1;
            assert_eq!(read, record(1 + number as usize % 9, number));
        }
        committed.consume_all();
        std::thread::yield_now();
    }
    logging.join().unwrap();
}
