//! The model against rtrb, and both against plain queues.
//!
//! Three layers: the model's storage against rtrb's own interface; the record protocol, on both
//! storages, against a queue of records and an account of where each must lie; and threads, for the
//! sanitizers.

use super::consumer::{Consumer, records};
use super::producer::{Producer, Refusal};
use super::storage::{Reader, Words, Writer};
use super::{LENGTH_BITS, MAX_RECORD_WORDS, WORD_BYTES, model, on_rtrb, recorder};
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
    fn model_is_rtrb(capacity in 1_usize..20, steps in steps(22)) {
        let model = model::storage(capacity);
        let adaptor = on_rtrb::storage(capacity);
        prop_assert_eq!(model.0.capacity(), capacity);
        prop_assert_eq!(adaptor.0.capacity(), capacity);
        let of_model = run_storage(model, &steps);
        prop_assert_eq!(&of_model, &run_storage(adaptor, &steps));
        prop_assert_eq!(&of_model, &run_rtrb(capacity, &steps));
        prop_assert_eq!(&of_model, &run_queue(capacity, &steps));
    }

    #[test]
    fn a_bounded_recorder_is_rtrb(shift in 4_u32..6, steps in steps(40)) {
        let of_recorder = run_storage(bounded_recorder(1 << shift), &steps);
        prop_assert_eq!(&of_recorder, &run_rtrb(1 << shift, &steps));
        let (writer, reader) = bounded_recorder(1 << shift);
        run_records(Producer::new(writer), Consumer::new(reader), &steps);
    }

    #[test]
    fn records_go_where_they_should(capacity in 1_usize..40, steps in steps(22)) {
        let (writer, reader) = model::storage(capacity);
        run_records(Producer::new(writer), Consumer::new(reader), &steps);
        let (writer, reader) = on_rtrb::storage(capacity);
        run_records(Producer::new(writer), Consumer::new(reader), &steps);
    }
}

fn bounded_recorder(capacity_words: u64) -> (recorder::bounded::Writer, recorder::bounded::Reader) {
    let identity = recorder::layout::Identity { capacity_words, ..Default::default() };
    recorder::bounded::storage(std::sync::Arc::new(recorder::memory::Ring::on_heap(identity)))
}

/// What a storage answered to a step.
#[derive(Debug, PartialEq)]
enum Answer {
    /// Free words before it, and whether the other half has ended; `free` is split at the wrap.
    Wrote { free: [usize; 2], accepted: bool, alone: bool },
    /// What was committed, and whether the other half has ended.
    Read { runs: [Vec<u64>; 2], alone: bool },
}

fn run_storage<W: Writer, R: Reader>(halves: (W, R), steps: &[Step]) -> Vec<Answer> {
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
                let alone = reader.is_abandoned();
                reader.look();
                let words = reader.committed();
                let runs = [words.runs().0.to_vec(), words.runs().1.to_vec()];
                words.consume(most.min(runs[0].len() + runs[1].len()));
                answers.push(Answer::Read { runs, alone });
            }
            Step::DropProducer => drop(writer.take()),
            Step::DropConsumer => drop(reader.take()),
        }
    }
    answers
}

/// The same through rtrb's own interface, with no code of kymo's.
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
                let alone = consumer.is_abandoned();
                let chunk = consumer.read_chunk(consumer.slots()).unwrap();
                let runs = [chunk.as_slices().0.to_vec(), chunk.as_slices().1.to_vec()];
                let words = most.min(chunk.len());
                chunk.commit(words);
                answers.push(Answer::Read { runs, alone });
            }
            Step::DropProducer => drop(producer.take()),
            Step::DropConsumer => drop(consumer.take()),
        }
    }
    answers
}

/// The same on a queue.
fn run_queue(capacity: usize, steps: &[Step]) -> Vec<Answer> {
    let mut queue = VecDeque::new();
    let (mut written, mut read) = (0, 0);
    let (mut produces, mut consumes) = (true, true);
    let mut answers = Vec::new();
    let split = |position: usize, words: usize| words.min(capacity - position % capacity);
    for step in steps {
        match *step {
            Step::Log(words) | Step::Forgo(words) if produces => {
                let room = capacity - queue.len();
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
                answers.push(Answer::Read { runs, alone: !produces });
            }
            Step::DropProducer => produces = false,
            Step::DropConsumer => consumes = false,
            _ => {}
        }
    }
    answers
}

/// Runs the record protocol beside a queue of records and an account of the ring's words.
fn run_records<W: Writer, R: Reader>(producer: Producer<W>, consumer: Consumer<R>, steps: &[Step]) {
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

                let free = capacity - used;
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
                let ended = producer.is_none();
                let Some(consumer) = &mut consumer else { continue };
                let committed = consumer.look();
                assert_eq!(committed.is_last(), ended);
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
    let header = (number << LENGTH_BITS) | (words * WORD_BYTES) as u64;
    std::iter::once(header).chain((1..words as u64).map(|index| (number << 32) | index)).collect()
}

fn log<W: Writer>(
    producer: &mut Producer<W>,
    record: &[u64],
    publish: bool,
) -> Result<(), Refusal> {
    if let Some(slot) = producer.reserve_known(record.len()) {
        write(slot, record, publish);
    } else {
        write(producer.reserve(record.len())?, record, publish);
    }
    Ok(())
}

fn write<W: Writer>(mut slot: super::producer::Slot<'_, W>, record: &[u64], publish: bool) {
    let (at, words) = (slot.as_mut_ptr(), if publish { record.len() } else { record.len() / 2 });
    // SAFETY: As many words were reserved, or more.
    unsafe { std::ptr::copy_nonoverlapping(record.as_ptr(), at, words) };
    if publish {
        // SAFETY: All of the record was written.
        unsafe { slot.publish() };
    }
}

/// In an empty ring the longest record finds a place wherever the positions stand (INV-4).
#[test]
fn the_longest_record_always_fits_an_empty_ring() {
    for capacity in 1..40 {
        for position in 0..2 * capacity {
            let (mut producer, mut consumer) = super::ring(capacity);
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
    let (mut producer, mut consumer) = super::ring(3 * MAX_RECORD_WORDS - 1);
    assert_eq!(producer.longest(), MAX_RECORD_WORDS);
    let longer = record(MAX_RECORD_WORDS + 1, 1);
    assert_eq!(log(&mut producer, &longer, true), Err(Refusal::TooLong));
    // The third one does not fit by one word, so that the longest possible filler stands before it.
    for number in 1..=2 {
        log(&mut producer, &record(MAX_RECORD_WORDS, number), true).unwrap();
    }
    assert_eq!(log(&mut producer, &record(MAX_RECORD_WORDS, 3), true), Err(Refusal::Full));
    consumer.look().consume_all();
    log(&mut producer, &record(MAX_RECORD_WORDS, 3), true).unwrap();
    let committed = consumer.look();
    assert_eq!(committed.runs().0, {
        let mut skipped = vec![0; MAX_RECORD_WORDS - 1];
        skipped[0] = ((MAX_RECORD_WORDS - 1) * WORD_BYTES) as u64;
        skipped
    });
    assert_eq!(committed.runs().1, record(MAX_RECORD_WORDS, 3));
}

/// Two threads and a ring that is too small for them. For ThreadSanitizer, mostly (whose report of
/// the test harness's own channel comes from `std`, which is not instrumented).
#[test]
fn threads() {
    const RECORDS: u64 = 100_000;
    let (mut producer, mut consumer) = super::ring(64);
    let logging = std::thread::spawn(move || {
        for number in 1..=RECORDS {
            let record = record(1 + number as usize % 9, number);
            while log(&mut producer, &record, true).is_err() {
                std::thread::yield_now();
            }
        }
    });
    let mut number = 0;
    loop {
        let committed = consumer.look();
        let (first, second) = committed.runs();
        for read in records(first).chain(records(second)) {
            number += 1;
            assert_eq!(read, record(1 + number as usize % 9, number));
        }
        if committed.is_last() {
            break;
        }
        committed.consume_all();
        std::thread::yield_now();
    }
    assert_eq!(number, RECORDS);
    logging.join().unwrap();
}
