//! What a record costs in each kind of ring, and in rtrb's: reserve, write five words, publish. No
//! clock, no arguments, no file.
//!
//! ```text
//! cargo bench --bench ring                    nanoseconds, and the multiple of rtrb's ring
//! cargo bench --bench ring -- count KIND N    logs N records; for counting instructions:
//! valgrind --tool=callgrind --toggle-collect=kymo_ring_KIND PROGRAM count KIND N
//! ```
//!
//! The kinds are measured in turn, a short batch of each, many times: what disturbs one disturbs
//! all. What counts is the median of the batches, and of their ratios to the batch of rtrb's ring
//! just before.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use kymo::internals::ring::producer::{ReservedWords, RingProducer};
use kymo::internals::ring::storage::file;
use kymo::internals::ring::storage::layout::{RingIdentity, RingMode};
use kymo::internals::ring::storage::memory::Ring;
use kymo::internals::ring::storage::overwriting::{OverwritingConsumer, OverwritingProducer};
use kymo::internals::ring::storage::{bounded, overwriting};
use kymo::internals::ring::{RingConsumer, WORD_BYTES};
use kymo_bench::counter;
use kymo_bench::place::{PRODUCER_CORE, consumer_core, pin};

/// The words of a record: a header, a time stamp, three arguments.
const WORDS: usize = 5;

/// The words of a ring: 1 MiB.
const RING_WORDS: usize = 128 << 10;

/// Records in a batch: a sixth of the ring.
const BATCH: u64 = 4_096;

/// Batches of each kind.
const ROUNDS: usize = 301;

/// Batches of each kind, if the consumer has a thread of its own.
const ROUNDS_BESIDE: usize = 41;

/// How long the consumer's thread waits between two looks.
const PACE_NS: f64 = 1_000.0;

const HEADER: u64 = kymo::internals::ring::header(1, WORDS * WORD_BYTES);

/// What a producer does, given a function that logs a record.
type Produce<'a> = dyn FnMut(&mut dyn FnMut(u64) -> bool) + 'a;

/// One kind of ring, with both halves.
trait Kind: Send {
    /// Logs a record; false if the ring is full.
    fn log(&mut self, number: u64) -> bool;
    /// Runs `produce` while a thread of its own consumes.
    fn beside(&mut self, produce: &mut Produce<'_>);
    /// Takes all that is there.
    fn drain(&mut self);
}

struct Rtrb {
    producer: rtrb::Producer<u64>,
    consumer: rtrb::Consumer<u64>,
}

#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_ring_rtrb(producer: &mut rtrb::Producer<u64>, number: u64) -> bool {
    // Of its functions those that know that a record is short and can be copied.
    let Ok(mut chunk) = producer.write_chunk_uninit(WORDS) else { return false };
    let record = record(number);
    let (first, second) = chunk.as_mut_slices();
    if let [a, b, c, d, e] = first {
        [a, b, c, d, e].into_iter().zip(record).for_each(|(to, word)| _ = to.write(word));
    } else {
        let both = first.iter_mut().chain(second);
        both.zip(record).for_each(|(to, word)| _ = to.write(word));
    }
    // SAFETY: all words of the chunk have been written.
    unsafe { chunk.commit_all() };
    true
}

struct Records {
    cursor: Cursor,
    consumer: RingConsumer,
}

/// Where the next record goes, as the logger has it.
struct Cursor {
    reserved: ReservedWords,
    producer: RingProducer,
}

// SAFETY: what is lent is the producer's, on whichever thread.
unsafe impl Send for Cursor {}

#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_ring_bounded(cursor: &mut Cursor, number: u64) -> bool {
    let ReservedWords { next, end, publisher } = cursor.reserved;
    let following = next.wrapping_add(WORDS);
    if following > end {
        return outlined(cursor, number);
    }
    // SAFETY: as many words are lent.
    unsafe { next.cast::<[u64; WORDS]>().write(record(number)) };
    // SAFETY: all of them were written.
    unsafe { publisher.publish(next, following, false) };
    cursor.reserved.next = following;
    true
}

#[cold]
#[inline(never)]
fn outlined(cursor: &mut Cursor, number: u64) -> bool {
    // SAFETY: so far records have been published.
    unsafe { cursor.producer.return_unused(cursor.reserved.next) };
    let slot = cursor.producer.reserve(WORDS);
    let logged = slot.is_ok();
    if let Ok(mut slot) = slot {
        // SAFETY: the slot has as many words as a record.
        unsafe { slot.as_mut_ptr().cast::<[u64; WORDS]>().write(record(number)) };
        // SAFETY: all of them were written.
        unsafe { slot.publish() };
    }
    cursor.reserved = cursor.producer.reserve_free();
    logged
}

#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_ring_overwriting(recorder: &mut OverwritingProducer, number: u64) -> bool {
    let record = record(number);
    recorder.push_known(&record, 0) || push_outlined(recorder, number)
}

#[cold]
#[inline(never)]
fn push_outlined(recorder: &mut OverwritingProducer, number: u64) -> bool {
    recorder.push(&record(number), 0).is_ok()
}

#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_ring_overwriting_slot(recorder: &mut OverwritingProducer, number: u64) -> bool {
    let Some(mut slot) = recorder.reserve(WORDS) else { return false };
    // SAFETY: the slot has as many words as a record.
    unsafe { slot.as_mut_ptr().cast::<[u64; WORDS]>().write(record(number)) };
    // SAFETY: all of them were written.
    unsafe { slot.publish(0) };
    true
}

#[inline(always)]
fn record(number: u64) -> [u64; WORDS] {
    [HEADER, number, number + 7, number ^ 0x55, number]
}

impl Kind for Rtrb {
    fn log(&mut self, number: u64) -> bool {
        kymo_ring_rtrb(&mut self.producer, number)
    }

    fn beside(&mut self, produce: &mut Produce<'_>) {
        let Self { producer, consumer } = self;
        beside(
            || {
                let chunk = consumer.read_chunk(consumer.slots()).expect("what is there stays");
                let (first, second) = chunk.as_slices();
                black_box(first.iter().chain(second).fold(0, |sum, word| sum ^ word));
                chunk.commit_all();
            },
            || produce(&mut |number| kymo_ring_rtrb(producer, number)),
        );
    }

    fn drain(&mut self) {
        let slots = self.consumer.slots();
        self.consumer.read_chunk(slots).expect("what is there stays").commit_all();
    }
}

impl Kind for Records {
    fn log(&mut self, number: u64) -> bool {
        kymo_ring_bounded(&mut self.cursor, number)
    }

    fn beside(&mut self, produce: &mut Produce<'_>) {
        let Self { cursor, consumer } = self;
        beside(
            || {
                let committed = consumer.look();
                let (first, second) = committed.runs();
                black_box(first.iter().chain(second).fold(0, |sum, word| sum ^ word));
                committed.consume_all();
            },
            || produce(&mut |number| kymo_ring_bounded(cursor, number)),
        );
    }

    fn drain(&mut self) {
        self.consumer.look().consume_all();
    }
}

struct Overwriting {
    recorder: OverwritingProducer,
    follower: OverwritingConsumer,
    log: fn(&mut OverwritingProducer, u64) -> bool,
}

impl Kind for Overwriting {
    fn log(&mut self, number: u64) -> bool {
        (self.log)(&mut self.recorder, number)
    }

    fn beside(&mut self, produce: &mut Produce<'_>) {
        let Self { recorder, follower, log } = self;
        beside(
            || {
                let copied = follower.look();
                black_box(copied.runs().0.iter().fold(0, |sum, word| sum ^ word));
                copied.consume_all();
            },
            || produce(&mut |number| log(recorder, number)),
        );
    }

    /// Nobody has to: this is what a flight recorder costs, which goes round and round.
    fn drain(&mut self) {}
}

/// Calls `look` on another core, at the pace, until `produce` is done.
fn beside(mut look: impl FnMut() + Send, produce: impl FnOnce()) {
    let done = AtomicBool::new(false);
    let ready = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if let Some(core) = consumer_core() {
                pin(core).expect("a core");
            }
            let pace = (PACE_NS * counter::ticks_per_ns()) as u64;
            ready.store(true, Ordering::Release);
            while !done.load(Ordering::Acquire) {
                look();
                counter::spin_ticks(pace);
            }
            look();
        });
        while !ready.load(Ordering::Acquire) {
            std::hint::spin_loop();
        }
        produce();
        done.store(true, Ordering::Release);
    });
}

fn identity(mode: RingMode) -> RingIdentity {
    RingIdentity { capacity_words: RING_WORDS as u64, mode, ..RingIdentity::default() }
}

/// In a file, where there is the directory for it.
fn in_file(mode: RingMode) -> Option<Ring> {
    let (ring, path) = file::create("/dev/shm".as_ref(), identity(mode)).ok()?;
    // The mapping stays.
    std::fs::remove_file(path).expect("a file that was just made");
    Some(ring)
}

fn of_rtrb() -> Box<dyn Kind> {
    let (mut producer, consumer) = rtrb::RingBuffer::new(RING_WORDS);
    // As kymo's, all of its memory is touched before it is used.
    let mut all = producer.write_chunk_uninit(RING_WORDS).expect("it is empty");
    all.as_mut_slices().0.fill(std::mem::MaybeUninit::new(0));
    Box::new(Rtrb { producer, consumer })
}

fn of_bounded(ring: Ring) -> Box<dyn Kind> {
    let (mut producer, consumer, _) = bounded(ring);
    let cursor = Cursor { reserved: producer.reserve_free(), producer };
    Box::new(Records { cursor, consumer })
}

fn of_overwriting(ring: Ring, log: fn(&mut OverwritingProducer, u64) -> bool) -> Box<dyn Kind> {
    let (recorder, follower) = overwriting(ring);
    Box::new(Overwriting { recorder, follower, log })
}

fn kinds() -> Vec<(&'static str, Box<dyn Kind>)> {
    let heap = |mode| Ring::on_heap(identity(mode));
    let mut kinds = vec![
        ("rtrb", of_rtrb()),
        ("rtrb again", of_rtrb()),
        ("bounded, heap", of_bounded(heap(RingMode::Bounded))),
    ];
    if let Some(ring) = in_file(RingMode::Bounded) {
        kinds.push(("bounded, /dev/shm", of_bounded(ring)));
    }
    kinds.push((
        "overwriting, record on the stack",
        of_overwriting(heap(RingMode::Overwriting), kymo_ring_overwriting),
    ));
    if let Some(ring) = in_file(RingMode::Overwriting) {
        let kind = of_overwriting(ring, kymo_ring_overwriting);
        kinds.push(("the same, /dev/shm", kind));
    }
    kinds.push((
        "overwriting, record in a buffer",
        of_overwriting(heap(RingMode::Overwriting), kymo_ring_overwriting_slot),
    ));
    kinds
}

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [count, kind, number] = &arguments[..]
        && count == "count"
    {
        return count_instructions(kind, number.parse().expect("a number of records"));
    }
    pin(PRODUCER_CORE).expect("a core");
    report("the consumer looks when nobody logs", ROUNDS, |kind| {
        let begin = counter::read_fenced();
        for number in 0..BATCH {
            black_box(kind.log(number));
        }
        let passed = counter::read_fenced() - begin;
        kind.drain();
        passed
    });
    report("the consumer looks once a microsecond", ROUNDS_BESIDE, |kind| {
        let mut passed = 0;
        kind.beside(&mut |log| {
            let begin = counter::read_fenced();
            for number in 0..BATCH {
                while !log(number) {
                    std::hint::spin_loop();
                }
            }
            passed = counter::read_fenced() - begin;
        });
        passed
    });
}

/// Measures all kinds in turn, and prints a table.
fn report(title: &str, rounds: usize, batch: impl Fn(&mut dyn Kind) -> u64) {
    let begin = Instant::now();
    let mut kinds = kinds();
    let mut passed = vec![Vec::new(); kinds.len()];
    for _ in 0..rounds {
        for ((_, kind), passed) in kinds.iter_mut().zip(&mut passed) {
            passed.push(batch(&mut **kind) as f64);
        }
    }
    println!("| {title} | ns | times rtrb |");
    println!("| --- | --- | --- |");
    for ((name, _), own) in kinds.iter().zip(&passed) {
        let ratios = own.iter().zip(&passed[0]).map(|(own, rtrb)| own / rtrb);
        let ns = counter::ns(median(own.iter().copied())) / BATCH as f64;
        println!("| {name} | {ns:.2} | {:.2} |", median(ratios));
    }
    println!("({rounds} batches of {BATCH} records each, {:.1?})\n", begin.elapsed());
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Logs so many records after a first one, which asks for room.
fn count_instructions(kind: &str, records: u64) {
    let mut kind = match kind {
        "rtrb" => of_rtrb(),
        "bounded" => of_bounded(Ring::on_heap(identity(RingMode::Bounded))),
        "overwriting" => {
            of_overwriting(Ring::on_heap(identity(RingMode::Overwriting)), kymo_ring_overwriting)
        }
        "overwriting_slot" => of_overwriting(
            Ring::on_heap(identity(RingMode::Overwriting)),
            kymo_ring_overwriting_slot,
        ),
        other => panic!("there is no kind {other:?}"),
    };
    (0..=records).for_each(|number| assert!(kind.log(number), "too many for the ring"));
}
