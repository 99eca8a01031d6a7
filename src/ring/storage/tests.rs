//! The rings against plain queues, and recovery against bytes of all kinds.

use std::fs;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use crate::ring::consumer::records;
use crate::ring::producer::{Refusal, RingProducer};
use crate::ring::storage::LogMark;
use crate::ring::storage::bounded;
use crate::ring::storage::file::{self, create, process_start};
use crate::ring::storage::layout::{
    BLOCKS, COPY_BYTES, HEADER_BYTES, RingIdentity, RingMode, account_offset,
};
use crate::ring::storage::memory::{Ring, capacity_for};
use crate::ring::storage::overwriting;
use crate::ring::storage::overwriting::{CLASSES, OverwritingProducer};
use crate::ring::storage::recovery::{
    Consumed, FilePart, Image, Known, RingContents, RingError, WordsKind,
};
use crate::ring::{WORD_BYTES, address, header};

const LOGGER: [u8; 16] = *b"segment \0\0\0\0\0\0\0\0";

pub(crate) fn identity(mode: RingMode, words: usize) -> RingIdentity {
    let process = std::process::id();
    RingIdentity {
        capacity_words: capacity_for(words),
        mode,
        process,
        process_start: process_start(process).unwrap_or_default(),
        logger: LOGGER,
        thread_os_id: 17,
        thread_name: "wörker".to_owned(),
        ..RingIdentity::default()
    }
}

/// A record whose words all tell its number and its length.
pub(crate) fn record(number: u64, words: usize) -> Vec<u64> {
    let words = words as u64;
    let header = header(number, words as usize * WORD_BYTES);
    let behind = (1..words).map(|index| (number << 32) | (words << 16) | index);
    std::iter::once(header).chain(behind).collect()
}

/// Whether these words are one of `record`'s.
fn is_record(words: &[u64]) -> WordsKind {
    match address(words[0]) {
        number if number >= 1 << 32 => WordsKind::Stranger,
        number if words == record(number, words.len()) => WordsKind::Record,
        _ => WordsKind::None,
    }
}

pub(crate) fn number(words: &[u64]) -> u64 {
    assert_eq!(is_record(words), WordsKind::Record, "torn: {words:x?}");
    address(words[0])
}

pub(crate) fn log(producer: &mut RingProducer, record: &[u64]) -> Result<(), Refusal> {
    let mut slot = producer.reserve(record.len())?;
    // SAFETY: as many words were reserved.
    unsafe { slot.as_mut_ptr().copy_from_nonoverlapping(record.as_ptr(), record.len()) };
    // SAFETY: all of the record was written.
    unsafe { slot.publish() };
    Ok(())
}

fn log_by_slot(recorder: &mut OverwritingProducer, record: &[u64], class: usize) {
    let mut slot = recorder.reserve(record.len()).expect("there is always room");
    // SAFETY: as many words were reserved.
    unsafe { slot.as_mut_ptr().copy_from_nonoverlapping(record.as_ptr(), record.len()) };
    // SAFETY: all of the record was written.
    unsafe { slot.publish(class) };
}

/// The class of the record with this number.
fn class(number: u64) -> usize {
    (number / 3 * 7 + number) as usize % CLASSES
}

/// How many records of each class there are among these.
fn by_class(numbers: std::ops::Range<u64>) -> [u64; CLASSES] {
    let mut counts = [0; CLASSES];
    numbers.for_each(|number| counts[class(number)] += 1);
    counts
}

/// A ring file in a directory for temporary files, and its bytes when `use_it` is done.
fn file_of<R>(identity: RingIdentity, use_it: impl FnOnce(Ring) -> R) -> (Vec<u8>, R) {
    let (ring, path) = create(&std::env::temp_dir(), identity).unwrap();
    let result = use_it(ring);
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(path).unwrap();
    (bytes, result)
}

fn numbers(recovered: &RingContents<'_>) -> Vec<u64> {
    recovered.records.iter().map(|record| number(record)).collect()
}

fn all_committed(_: u64) -> Option<u64> {
    Some(u64::MAX)
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Log so many records of so many words.
    Log(usize, usize),
    /// Look, and consume up to so many records.
    Consume(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..20_usize, 1..=16_usize).prop_map(|(count, words)| Step::Log(count, words)),
        1 => (0..30_usize).prop_map(Step::Consume),
    ];
    prop::collection::vec(step, 0..100)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Each look of the consumer: whole records, in order, none missing that is not counted.
    #[test]
    fn an_overwriting_ring_counts_what_it_loses(shift in 6_u32..9, steps in steps()) {
        let ring = Ring::on_heap(identity(RingMode::Overwriting, 1 << shift));
        let (mut recorder, mut follower) = overwriting(ring);
        let (mut next, mut logged) = (1, 0);
        for step in steps {
            match step {
                Step::Log(count, words) => for _ in 0..count {
                    logged += 1;
                    if logged % 2 == 0 {
                        let record = record(logged, words);
                        if !recorder.push_known(&record, class(logged)) {
                            recorder.push(&record, class(logged)).unwrap();
                        }
                    } else {
                        log_by_slot(&mut recorder, &record(logged, words), class(logged));
                    }
                },
                Step::Consume(most) => {
                    let (copied, overwritten) = follower.look_by_class(|record| class(number(record)));
                    let missed = next..next + copied.overwritten();
                    prop_assert_eq!(overwritten, by_class(missed.clone()));
                    next = missed.end;
                    let run = copied.runs().0;
                    let mut walk = records(run);
                    for record in walk.by_ref().take(most) {
                        prop_assert_eq!(number(record), next);
                        next += 1;
                    }
                    let words = run.len() - walk.rest().len();
                    copied.consume(words);
                }
            }
        }
        prop_assert_eq!(recorder.records(), logged);
        drop(recorder);
        loop {
            let (copied, overwritten) = follower.look_by_class(|record| class(number(record)));
            let missed = next..next + copied.overwritten();
            prop_assert_eq!(overwritten, by_class(missed.clone()));
            next = missed.end;
            for record in records(copied.runs().0) {
                prop_assert_eq!(number(record), next);
                next += 1;
            }
            if copied.runs().0.is_empty() { break; }
            copied.consume_all();
        }
        prop_assert_eq!(next, logged + 1);
    }

    /// Looks that do not count by class find the same sum, whatever the classes of the records are.
    /// So do looks after some that did count by class.
    ///
    /// They took all records for class 0, so that with overflow checks the second look at a ring
    /// that had wrapped panicked.
    #[test]
    fn looks_without_classes_count_all(by_class in 0..4_usize, steps in steps()) {
        let ring = Ring::on_heap(identity(RingMode::Overwriting, 64));
        let (mut recorder, mut follower) = overwriting(ring);
        let (mut next, mut logged) = (1, 0);
        let looks = steps.into_iter().chain([Step::Consume(usize::MAX); 2]);
        let mut looked = 0;
        for step in looks {
            match step {
                Step::Log(count, words) => for _ in 0..count {
                    logged += 1;
                    recorder.push(&record(logged, words), class(logged)).unwrap();
                },
                Step::Consume(_) => {
                    looked += 1;
                    let copied = match looked > by_class {
                        true => follower.look(),
                        false => follower.look_by_class(|record| class(number(record))).0,
                    };
                    next += copied.overwritten();
                    for record in records(copied.runs().0) {
                        prop_assert_eq!(number(record), next);
                        next += 1;
                    }
                    copied.consume_all();
                }
            }
        }
        prop_assert_eq!(next, logged + 1);
    }

    /// As many words survive as the ring has room for, less two blocks and the fillers.
    #[test]
    fn an_overwriting_ring_keeps_the_newest(words in 1..=16_usize, logged in 1..300_u64) {
        let ring = Ring::on_heap(identity(RingMode::Overwriting, 64));
        let (mut recorder, mut follower) = overwriting(ring);
        (1..=logged).for_each(|number| recorder.push(&record(number, words), 0).unwrap());
        let copied = follower.look();
        let kept: Vec<u64> = records(copied.runs().0).map(number).collect();
        let expected = ((64 - 2 * 64 / BLOCKS as usize - (words - 1)) / words - 1).max(1) as u64;
        prop_assert!(kept.len() as u64 >= expected.min(logged), "{kept:?}");
        let oldest = copied.overwritten() + 1;
        prop_assert!(kept.into_iter().eq(oldest..=logged));
    }

    /// What recovery finds is what the consumer had not consumed, in both modes.
    #[test]
    fn recovery_finds_the_rest(
        overwrites in any::<bool>(), shift in 6_u32..9, steps in steps(), known in any::<bool>(),
    ) {
        let mode = if overwrites { RingMode::Overwriting } else { RingMode::Bounded };
        let (bytes, (logged, next)) = file_of(identity(mode, 1 << shift), |ring| {
            if overwrites { use_overwriting(ring, &steps) } else { use_bounded(ring, &steps) }
        });
        let image = Image::from_bytes(&bytes).unwrap();
        prop_assert_eq!(&image.identity().thread_name, "wörker");
        let consumed = image.consumed(all_committed);
        prop_assert!(consumed.certain);
        prop_assert_eq!(consumed.records, Some(next - 1));
        let known = known.then_some(&is_record as &Known<'_>);
        let recovered = image.recover(consumed, known).unwrap();
        prop_assert!(recovered.damage.is_empty());
        let first = next + recovered.overwritten.unwrap();
        prop_assert!(numbers(&recovered).into_iter().eq(first..=logged));
        if logged >= next {
            prop_assert!(!recovered.records.is_empty());
        }
    }

    /// Any bytes in the part that changes: no panic, and no record that is not there.
    #[test]
    fn hostile_headers_are_refused_or_read(
        overwrites in any::<bool>(),
        writes in prop::collection::vec((0..92_usize, hostile_word()), 1..8),
    ) {
        let mode = if overwrites { RingMode::Overwriting } else { RingMode::Bounded };
        let steps = [Step::Log(30, 5), Step::Consume(7), Step::Log(3, 3)];
        let (mut bytes, _) = file_of(identity(mode, 64), |ring| {
            if overwrites { use_overwriting(ring, &steps) } else { use_bounded(ring, &steps) }
        });
        for (word, value) in writes {
            let at = crate::ring::storage::layout::SHARED_OFFSET + 8 * word;
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        let image = Image::from_bytes(&bytes).unwrap();
        for committed in [None, Some(0), Some(u64::MAX)] {
            let consumed = image.consumed(|_| committed);
            for known in [None, Some(&is_record as &Known<'_>)] {
                if let Ok(recovered) = image.recover(consumed, known) {
                    prop_assert!(recovered.records.len() <= 64);
                    if known.is_some() {
                        numbers(&recovered);
                    }
                }
            }
        }
    }
}

fn hostile_word() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0..200_u64, (0..200_u64).prop_map(|less| u64::MAX - less)]
}

/// Runs the steps, with an account and a committed log for all that is consumed. Returns how many
/// records were logged, and which is the first that was neither consumed nor counted as
/// overwritten.
fn use_bounded(ring: Ring, steps: &[Step]) -> (u64, u64) {
    let (mut producer, mut consumer, mut accounts) = bounded(ring);
    let (mut logged, mut next) = (0, 1);
    for step in steps {
        match *step {
            Step::Log(count, words) => {
                for _ in 0..count {
                    match log(&mut producer, &record(logged + 1, words)) {
                        Ok(()) => logged += 1,
                        Err(Refusal::Full) => break,
                        Err(Refusal::TooLong) => panic!("{words} words"),
                    }
                }
            }
            Step::Consume(most) => {
                let committed = consumer.look();
                let (mut words, mut taken) = (0, 0);
                for run in [committed.runs().0, committed.runs().1] {
                    let mut walk = records(run);
                    taken += walk.by_ref().take(most - taken).count();
                    words += run.len() - walk.rest().len();
                }
                if words > 0 {
                    accounts.prepare(words, taken as u64, LogMark::default());
                    committed.consume(words);
                }
                next += taken as u64;
            }
        }
    }
    (logged, next)
}

fn use_overwriting(ring: Ring, steps: &[Step]) -> (u64, u64) {
    let (mut recorder, mut follower) = overwriting(ring);
    let (mut logged, mut next) = (0, 1);
    for step in steps {
        match *step {
            Step::Log(count, words) => {
                for _ in 0..count {
                    logged += 1;
                    recorder.push(&record(logged, words), 0).unwrap();
                }
            }
            Step::Consume(most) => {
                let mut copied = follower.look();
                let run = copied.runs().0;
                let mut walk = records(run);
                let taken = walk.by_ref().take(most).count() as u64;
                let words = run.len() - walk.rest().len();
                if words > 0 {
                    next += copied.overwritten() + taken;
                    copied.prepare(words, taken, LogMark::default());
                    copied.consume(words);
                } else {
                    // What this look missed is told once, so take all of it.
                    next += copied.overwritten() + records(run).count() as u64;
                    let (words, taken) = (run.len(), records(run).count() as u64);
                    copied.prepare(words, taken, LogMark::default());
                    copied.consume_all();
                }
            }
        }
    }
    (logged, next)
}

/// Two threads: no record is torn, and those that the consumer gets and those that it missed are
/// all. For ThreadSanitizer too.
#[test]
fn an_overwriting_ring_between_threads() {
    const RECORDS: u64 = 300_000;
    let ring = Ring::on_heap(identity(RingMode::Overwriting, 1 << 10));
    let (mut recorder, mut follower) = overwriting(ring);
    let logging = std::thread::spawn(move || {
        for number in 1..=RECORDS {
            recorder.push(&record(number, 1 + number as usize % 40), 0).unwrap();
        }
    });
    let (mut next, mut got) = (1, 0);
    while next <= RECORDS {
        let copied = follower.look();
        next += copied.overwritten();
        for record in records(copied.runs().0) {
            assert_eq!(number(record), next);
            assert_eq!(record.len(), 1 + next as usize % 40);
            next += 1;
            got += 1;
        }
        copied.consume_all();
    }
    assert_eq!(next, RECORDS + 1);
    assert!(got > 0);
    logging.join().unwrap();
}

#[test]
fn what_is_too_long_is_refused() {
    let (mut recorder, _follower) = overwriting(Ring::on_heap(identity(RingMode::Overwriting, 64)));
    assert_eq!(recorder.longest(), 16);
    assert_eq!(recorder.push(&record(1, 17), 0), Err(Refusal::TooLong));
    assert!(recorder.reserve(17).is_none());
    let (producer, _consumer, _) = bounded(Ring::on_heap(identity(RingMode::Bounded, 64)));
    assert_eq!(producer.longest(), 32);
}

/// A slot that is dropped leaves nothing.
#[test]
fn a_forgone_record_is_not_there() {
    let (mut recorder, mut follower) =
        overwriting(Ring::on_heap(identity(RingMode::Overwriting, 64)));
    for number in 1..100 {
        let _ = recorder.reserve(16).unwrap().as_mut_ptr();
        log_by_slot(&mut recorder, &record(number, 3), 0);
    }
    let copied = follower.look();
    let first = copied.overwritten() + 1;
    assert!(records(copied.runs().0).map(number).eq(first..100));
}

#[test]
fn a_producer_notices_the_end_of_the_consumer() {
    let (producer, consumer, _) = bounded(Ring::on_heap(identity(RingMode::Bounded, 64)));
    assert!(!producer.is_abandoned());
    drop(consumer);
    assert!(producer.is_abandoned());
    let (recorder, follower) = overwriting(Ring::on_heap(identity(RingMode::Overwriting, 64)));
    drop(follower);
    assert!(recorder.is_abandoned());
}

/// Twenty records of three words. The consumer has taken none.
fn twenty(mode: RingMode) -> Vec<u8> {
    let steps = [Step::Log(20, 3)];
    let (bytes, _) = file_of(identity(mode, 64), |ring| match mode {
        RingMode::Bounded => use_bounded(ring, &steps),
        RingMode::Overwriting => use_overwriting(ring, &steps),
    });
    bytes
}

const FROM_BEGINNING: Consumed = Consumed { position: 0, records: Some(0), certain: true };

#[test]
fn a_file_that_was_made_shorter_is_read_as_far_as_it_goes() {
    for mode in [RingMode::Bounded, RingMode::Overwriting] {
        let bytes = twenty(mode);
        for length in 0..bytes.len() {
            let image = match Image::from_bytes(&bytes[..length]) {
                Ok(image) => image,
                Err(error) => {
                    assert_eq!(error, RingError::TooShort(length));
                    assert!(length < HEADER_BYTES);
                    continue;
                }
            };
            let recovered = image.recover(FROM_BEGINNING, None).unwrap();
            let whole = (length - HEADER_BYTES) / (3 * WORD_BYTES);
            assert!(numbers(&recovered).into_iter().eq(1..=whole.min(20) as u64), "{length}");
            assert_eq!(recovered.damage[0].part, FilePart::End);
            let words = (length - HEADER_BYTES) / WORD_BYTES;
            assert_eq!(recovered.damage[0].offset, HEADER_BYTES + words * WORD_BYTES);
            assert_eq!(recovered.damage.len(), if whole < 20 { 2 } else { 1 }, "{length}");
        }
    }
}

/// Damages each byte in turn, once all its bits and once one. No panic; undamaged records are
/// found, and damage to the header is reported.
#[test]
fn a_damaged_byte_costs_no_more_than_it_must() {
    for mode in [RingMode::Bounded, RingMode::Overwriting] {
        let bytes = twenty(mode);
        for (at, flip) in (0..bytes.len()).flat_map(|at| [(at, 0xFF), (at, 0x08)]) {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            // The identity has two copies, so this is always readable.
            let image = Image::from_bytes(&damaged).unwrap();
            let consumed = image.consumed(all_committed);
            let in_copy = |copy: usize| (copy..copy + COPY_BYTES).contains(&at);
            let expected = 1..=20_u64;
            if at < HEADER_BYTES && !(1024..1024 + 24).contains(&at) {
                // Not the positions.
                let recovered = image.recover(consumed, None).unwrap();
                assert!(numbers(&recovered).into_iter().eq(expected), "byte {at}");
                let seen = in_copy(0) || in_copy(2048);
                assert_eq!(recovered.damage.is_empty(), !seen, "byte {at}");
            } else if at >= HEADER_BYTES {
                let hit = ((at - HEADER_BYTES) / (3 * WORD_BYTES) + 1) as u64;
                let known = Some(&is_record as &Known<'_>);
                let recovered = image.recover(consumed, known).unwrap();
                let expected: Vec<u64> = expected.filter(|number| *number != hit).collect();
                assert_eq!(numbers(&recovered), expected, "byte {at} ^ {flip}");
                assert_eq!(recovered.damage.is_empty(), hit > 20);
                if let Some(damage) = recovered.damage.first() {
                    assert_eq!(damage.part, FilePart::Records);
                    assert_eq!(damage.bytes, 24);
                    assert_eq!(damage.offset, HEADER_BYTES + (hit as usize - 1) * 24);
                }
            } else if let Ok(recovered) = image.recover(consumed, Some(&is_record)) {
                let found = numbers(&recovered);
                let first = recovered.overwritten.unwrap() + 1;
                assert!(found.iter().copied().eq(first..first + found.len() as u64), "byte {at}");
            }
        }
    }
}

/// Records of unknown call sites cost only themselves, several in a row, and at both ends.
#[test]
fn strangers_are_passed_over() {
    let strangers = [1, 2, 5, 9, 10, 11, 20];
    let mut bytes = twenty(RingMode::Bounded);
    for number in strangers {
        // The highest byte of the call site's address.
        bytes[HEADER_BYTES + (number - 1) * 24 + 5] = 1;
    }
    let image = Image::from_bytes(&bytes).unwrap();
    let recovered = image.recover(FROM_BEGINNING, Some(&is_record)).unwrap();
    let expected = (1..=20).filter(|number| !strangers.contains(&(*number as usize)));
    assert!(numbers(&recovered).into_iter().eq(expected));
    let damage = recovered.damage.iter().map(|it| ((it.offset - HEADER_BYTES) / 24, it.bytes / 24));
    assert_eq!(damage.collect::<Vec<_>>(), [(0, 2), (4, 1), (8, 3), (19, 1)]);
}

#[test]
fn errors_say_what_is_wrong() {
    let bytes = twenty(RingMode::Bounded);
    let error = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        let image = Image::from_bytes(&bytes);
        image.and_then(|image| image.recover(FROM_BEGINNING, None).map(|_| ())).unwrap_err()
    };
    assert_eq!(error(&|bytes| bytes[..4096].fill(0)), RingError::NeverUsed);
    assert_eq!(error(&|bytes| (bytes[3], bytes[2051]) = (0, 0)), RingError::Identity);
    assert_eq!(error(&|bytes| bytes[1029] = 1), RingError::Positions(1024));
    let of_version_2 = |bytes: &mut Vec<u8>| {
        for copy in [0, 2048] {
            bytes[copy + 8] = 2;
            let sum = crc32c::crc32c(&bytes[copy..copy + 252]).to_le_bytes();
            bytes[copy + 252..copy + 256].copy_from_slice(&sum);
        }
    };
    assert_eq!(error(&of_version_2), RingError::Version(2));
    assert!(RingError::Version(2).to_string().contains("use a later release"));
}

/// The log holds what was consumed and committed; an account whose log was not committed does not
/// count, nor does one that is half written.
#[test]
fn what_is_in_the_log_is_told_exactly() {
    let segment = u64::from_le_bytes(*b"segment ");
    for mode in [RingMode::Bounded, RingMode::Overwriting] {
        let (mut bytes, _) = file_of(identity(mode, 64), |ring| {
            let mark = |committed| LogMark { segment, committed };
            // Three records are in the log, two more are on their way.
            if mode == RingMode::Bounded {
                let (mut producer, mut consumer, mut accounts) = bounded(ring);
                (1..=8).for_each(|number| log(&mut producer, &record(number, 2)).unwrap());
                accounts.prepare(6, 3, mark(100));
                consumer.look().consume(6);
                accounts.prepare(4, 2, mark(200));
            } else {
                let (mut recorder, mut follower) = overwriting(ring);
                (1..=8).for_each(|number| recorder.push(&record(number, 2), 0).unwrap());
                let mut copied = follower.look();
                copied.prepare(6, 3, mark(100));
                copied.consume(6);
                follower.look().prepare(4, 2, mark(200));
            }
        });
        let image = Image::from_bytes(&bytes).unwrap();
        let left = |image: &Image, committed: u64| {
            let consumed = image.consumed(|which| (which == segment).then_some(committed));
            assert!(consumed.certain);
            numbers(&image.recover(consumed, None).unwrap())
        };
        assert_eq!(left(&image, 200), [6, 7, 8]);
        assert_eq!(left(&image, 199), [4, 5, 6, 7, 8]);
        assert_eq!(left(&image, 100), [4, 5, 6, 7, 8]);
        assert!(!image.consumed(|_| None).certain);

        // The second batch's account is the first of the file's.
        bytes[account_offset(0)] ^= 1;
        let image = Image::from_bytes(&bytes).unwrap();
        assert_eq!(left(&image, 150), [4, 5, 6, 7, 8]);
        // Damage between two batches: the head says what an account cannot.
        bytes[account_offset(1)] ^= 1;
        let image = Image::from_bytes(&bytes).unwrap();
        assert_eq!(image.consumed(|_| Some(0)).records, None);
        assert_eq!(left(&image, 150), [4, 5, 6, 7, 8]);
    }
}

/// A process was killed after it had given up a batch, and before it had consumed it: that batch is in no log, whatever
/// logs are known. It was said that some of it might be in one that is gone.
#[test]
fn a_batch_that_was_given_up_is_recovered() {
    let segment = u64::from_le_bytes(*b"segment ");
    let (bytes, _) = file_of(identity(RingMode::Bounded, 64), |ring| {
        let (mut producer, mut consumer, mut accounts) = bounded(ring);
        (1..=8).for_each(|number| log(&mut producer, &record(number, 2)).unwrap());
        accounts.prepare(6, 3, LogMark { segment, committed: 100 });
        consumer.look().consume(6);
        accounts.prepare(4, 2, LogMark::GIVEN_UP);
    });
    let image = Image::from_bytes(&bytes).unwrap();
    let consumed = image.consumed(|which| (which == segment).then_some(1_000));
    assert!(consumed.certain);
    assert_eq!(numbers(&image.recover(consumed, None).unwrap()), [4, 5, 6, 7, 8]);
}

#[test]
fn a_ring_file_is_its_users_alone_and_tells_whose_it_is() {
    use std::os::unix::fs::MetadataExt;
    let directory = std::env::temp_dir();
    let (ring, path) = create(&directory, identity(RingMode::Bounded, 100)).unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o600);
    assert_eq!(metadata.len(), 4096 + 128 * 8);
    assert!(metadata.blocks() * 512 >= metadata.len());
    assert_eq!(path.extension(), Some(file::EXTENSION.as_ref()));
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let process = std::process::id();
    let start = process_start(process).unwrap();
    assert!(name.starts_with(&format!("kymo-{process}-{start}-")), "{name}");
    assert!(file::is_alive(ring.identity(), &[0; 16]));
    assert!(!file::is_alive(ring.identity(), &[1; 16]), "of another boot");
    let later = RingIdentity { process_start: start + 1, ..ring.identity().clone() };
    assert!(!file::is_alive(&later, &[0; 16]), "of another process");
    fs::remove_file(path).unwrap();
    assert!(create(&directory.join("there is none"), identity(RingMode::Bounded, 100)).is_err());
}

/// A file system without room for a ring: an error, and no file is left.
#[test]
fn a_ring_that_has_no_room_is_an_error() {
    let directory = std::path::Path::new("/dev/shm");
    let identity = RingIdentity { thread_os_id: 18, ..identity(RingMode::Bounded, 1 << 40) };
    let wanted = crate::ring::storage::memory::ring_bytes(identity.capacity_words);
    // Only if the system surely has less room: a tmpfs refuses that at once.
    let Ok(system) = rustix::fs::statvfs(directory) else { return };
    if system.f_blocks == 0 || system.f_blocks * system.f_frsize >= wanted {
        return;
    }
    let mine = |path: &std::path::Path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with(&format!("kymo-{}-", std::process::id()))
    };
    let error = create(directory, identity).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    let left = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(left.filter(|path| mine(path)).count(), 0);
}

const CHILD: &str = "KYMO_TEST_RING_CHILD";
const KILLS: usize = 60;

/// A process logs and consumes as fast as it can, and is killed at any moment. Then each record is
/// once in what its consumer has committed, or in the ring.
#[test]
fn a_killed_process_leaves_each_record_once() {
    if let Ok(directory) = std::env::var(CHILD) {
        child(directory.as_ref());
    }
    let test = "ring::storage::tests::a_killed_process_leaves_each_record_once";
    let (mut from_ring, mut in_log) = (0, 0);
    for kill in 0..KILLS {
        let directory =
            std::env::temp_dir().join(format!("kymo-ring-kill-{}-{kill}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args([test, "--exact"]).env(CHILD, &directory).stdout(Stdio::null());
        let mut child = child.spawn().unwrap();
        let begin = std::time::Instant::now();
        let found = |prefix: &str| {
            let files = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
            let mut files = files
                .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(prefix));
            files.next()
        };
        // Let it come so far that it has logged something, then by a little more each time.
        while !found("returned").is_some_and(|path| {
            fs::read(path).is_ok_and(|bytes| bytes.len() == 8 && word(&bytes, 0) > 1000)
        }) {
            assert!(begin.elapsed().as_secs() < 60, "the child does not log");
            std::thread::yield_now();
        }
        (0..kill * 20_000).for_each(|_| std::hint::spin_loop());
        child.kill().unwrap();
        child.wait().unwrap();

        let returned = word(&fs::read(directory.join("returned")).unwrap(), 0);
        let log = fs::read(directory.join("log")).unwrap();
        // The committed length, and numbers.
        let committed = word(&log, 0);
        let mut all: Vec<u64> = (1..committed).map(|at| word(&log, 8 * at as usize)).collect();
        in_log += all.len();

        let ring = fs::read(found("kymo-").unwrap()).unwrap();
        let image = Image::from_bytes(&ring).unwrap();
        let consumed = image.consumed(|_| Some(committed));
        assert_eq!(consumed.records, Some(all.len() as u64));
        let recovered = image.recover(consumed, None).unwrap();
        assert_eq!((recovered.damage.len(), recovered.overwritten), (0, Some(0)));
        all.extend(numbers(&recovered));
        from_ring += recovered.records.len();
        let last = all.len() as u64;
        assert!(all.into_iter().eq(1..=last), "lost, doubled or out of order");
        assert!(last == returned || last == returned + 1, "{last} of {returned}");
        fs::remove_dir_all(directory).unwrap();
    }
    assert!(in_log > 0 && from_ring > 0);
}

fn word(bytes: &[u8], at: usize) -> u64 {
    crate::ring::storage::layout::u64_at(bytes, at)
}

/// Logs numbers, notes in a shared word which call has returned, and consumes into a file whose
/// first word is its length in words.
fn child(directory: &std::path::Path) -> ! {
    use std::sync::atomic::{AtomicU64, Ordering};
    const LOG_WORDS: usize = 1 << 22;
    let shared = |name, words: usize| -> &'static [AtomicU64] {
        let file = fs::File::create_new(directory.join(name)).unwrap();
        file.set_len(8 * words as u64).unwrap();
        let path = directory.join(name);
        let file = fs::File::options().read(true).write(true).open(path).unwrap();
        let map = memmap2::MmapOptions::new().map_raw(&file).unwrap();
        let start = map.as_mut_ptr().cast::<AtomicU64>();
        std::mem::forget(map);
        // SAFETY: the mapping has as many words and is never unmapped.
        unsafe { std::slice::from_raw_parts(start, words) }
    };
    let log_words = shared("log", LOG_WORDS);
    let returned = &shared("returned", 1)[0];
    let (ring, _) = create(directory, identity(RingMode::Bounded, 1 << 12)).unwrap();
    let (mut producer, mut consumer, mut accounts) = bounded(ring);
    std::thread::spawn(move || {
        for number in 1.. {
            while log(&mut producer, &record(number, 1 + number as usize % 9)).is_err() {
                std::hint::spin_loop();
            }
            returned.store(number, Ordering::Release);
        }
    });
    let mut length = 1;
    log_words[0].store(length as u64, Ordering::Release);
    while length < LOG_WORDS - (1 << 12) {
        let committed = consumer.look();
        let (first, second) = committed.runs();
        let before = length;
        for record in records(first).chain(records(second)) {
            log_words[length].store(number(record), Ordering::Relaxed);
            length += 1;
        }
        let words = first.len() + second.len();
        if words > 0 {
            let mark = LogMark { segment: 0, committed: length as u64 };
            accounts.prepare(words, (length - before) as u64, mark);
            log_words[0].store(length as u64, Ordering::Release);
            committed.consume(words);
        }
    }
    loop {
        std::thread::park();
    }
}
