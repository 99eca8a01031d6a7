//! The overwriting mode: the producer never waits, and the consumer finds out what it has missed.
//!
//! It is a sequence lock, after Hans Boehm, "Can seqlocks get along with programming language
//! memory models?" (MSPC 2012, section 4). All words are atomic and accessed with relaxed ordering.
//! A pair of fences orders them with one number.
//!
//! ```text
//! producer                                 consumer
//! reserved = r      (relaxed)              t = tail           (acquire)
//! fence(release)                           words before t     (relaxed)
//! words before r    (relaxed)              fence(acquire)
//! tail = t          (release)              r = reserved       (relaxed)
//! ```
//!
//! If a load of the consumer reads a word that was stored after the producer's fence, the fences
//! synchronise. Then the load of `reserved` reads what was stored before that fence, or something
//! later (INV-R3). So words at and past `r - capacity` are what was published when the consumer
//! loaded the tail.
//!
//! Boehm's writer is one of many, and makes its number odd while it writes. Here there is one
//! writer, and its number says which words it may be writing. So the consumer never has to start
//! over for the others.
//!
//! A block is reserved at a time, so that a record needs neither the store nor the fence. The price
//! is a sixteenth of the ring.
//!
//! The caller sorts records into classes (the logger: by level), and learns how many of each were
//! overwritten. The producer counts them, and writes its counts beside each entry of the index
//! (`ByClass`). They are not in the ring's memory, so recovery from a file knows only the sum.

use std::collections::TryReserveError;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::mutant::{self, Mutant};
use crate::ring::consumer::records;
use crate::ring::producer::Refusal;
use crate::ring::storage::LogMark;
use crate::ring::storage::accounts::Accounts;
use crate::ring::storage::assert_mode;
use crate::ring::storage::file::RingFile;
use crate::ring::storage::layout::{BLOCKS, RingHeader, RingMode, position_of, tail_at};
use crate::ring::storage::memory::Ring;
use crate::ring::{MAX_RECORD_WORDS, filler};
use crate::sync::atomic::{AtomicU64, Ordering, fence};

/// The most copies of one look. A copy is made again if a whole ring was written meanwhile.
const ATTEMPTS: usize = if cfg!(kymo_loom) { 2 } else { 8 };

/// The number of classes of records.
pub const CLASSES: usize = if cfg!(kymo_loom) { 1 } else { 5 };

/// For each entry of the index, how many records of each class were logged before its record.
/// Written and read with the entry.
#[derive(Debug)]
struct ByClass([[AtomicU64; CLASSES]; BLOCKS as usize]);

impl ByClass {
    fn new() -> Self {
        Self(std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))))
    }
}

/// Makes the two halves of an overwriting ring.
pub(crate) fn halves(ring: Ring) -> (OverwritingProducer, OverwritingConsumer) {
    assert_mode(&ring, RingMode::Overwriting);
    let ring = Arc::new(ring);
    let by_class = Arc::new(ByClass::new());
    let recorder = OverwritingProducer {
        tail: 0,
        reserved: ring.block_words(),
        records: 0,
        classes: [0; CLASSES],
        by_class: Arc::clone(&by_class),
        mask: ring.capacity() - 1,
        words: ring.words(),
        shared: NonNull::from(ring.shared()),
        scratch: vec![0; longest(&ring)].into_boxed_slice(),
        ring,
    };
    let follower = OverwritingConsumer {
        ring: Arc::clone(&recorder.ring),
        by_class,
        position: 0,
        records: 0,
        classes: [0; CLASSES],
        copied: Vec::new(),
        consumed: 0,
        accounts: Accounts::of(Arc::clone(&recorder.ring)),
        file: None,
    };
    (recorder, follower)
}

/// The longest record in words (INV-R5).
fn longest(ring: &Ring) -> usize {
    (ring.capacity() / 4).min(MAX_RECORD_WORDS as u64) as usize
}

/// The producer's half.
#[derive(Debug)]
pub struct OverwritingProducer {
    /// The position of the next record, unless it has to be moved to the ring's beginning.
    tail: u64,
    /// What `RingHeader::reserved` holds (INV-R3).
    reserved: u64,
    /// How many records were published.
    records: u64,
    /// How many records of each class were published.
    classes: [u64; CLASSES],
    by_class: Arc<ByClass>,
    mask: u64,
    /// Points into `ring`, as `shared` does.
    words: NonNull<AtomicU64>,
    shared: NonNull<RingHeader>,
    /// Where the record of an [`OverwritingSlot`] is made.
    scratch: Box<[u64]>,
    ring: Arc<Ring>,
}

// SAFETY: the pointers point into `ring`, which all threads may use.
unsafe impl Send for OverwritingProducer {}

impl OverwritingProducer {
    /// Fast path: publishes a record of a class, if no block has to be reserved for it. The first
    /// of its words is its header. If a block has to be reserved, or the record is too long, this
    /// returns false and changes nothing.
    ///
    /// If the compiler knows its length, and it is made on the stack, the record goes from
    /// registers to the ring.
    ///
    /// # Panics
    ///
    /// If there is no such class.
    #[inline(always)]
    #[must_use]
    pub fn push_known(&mut self, record: &[u64], class: usize) -> bool {
        // While the tail is before the ring's end, `reserved` is not past it, so the record does
        // not wrap. And `reserved` is at most one block past the tail, so the record is no longer
        // than the longest. The first comparison keeps the sum from overflowing.
        let words = record.len() as u64;
        if record.len() > MAX_RECORD_WORDS || self.tail + words >= self.reserved {
            return false;
        }
        self.classes[class] += 1;
        // SAFETY: the record ends before `reserved`, and so before the ring's end, as said above.
        unsafe { self.publish(record) };
        true
    }

    /// Slow path: publishes a record of a class, and reserves blocks for it if it needs them.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooLong`] if it is longer than [`longest`](Self::longest).
    ///
    /// # Panics
    ///
    /// If there is no such class.
    #[cold]
    #[inline(never)]
    pub fn push(&mut self, record: &[u64], class: usize) -> Result<(), Refusal> {
        if record.len() > self.longest() {
            return Err(Refusal::TooLong);
        }
        let before = self.classes;
        self.classes[class] += 1;
        if self.tail + record.len() as u64 >= self.reserved {
            self.make_way(record.len(), before);
        }
        // SAFETY: `make_way` moves the tail to where there is room before the ring's end, and moves
        // `reserved` past the record. If it was not called, the record ends before `reserved`, as
        // in `push_known`.
        unsafe { self.publish(record) };
        Ok(())
    }

    /// Writes a record at the tail, and publishes it.
    ///
    /// # Safety
    ///
    /// The record ends before the ring does, and before `reserved`.
    #[inline(always)]
    unsafe fn publish(&mut self, record: &[u64]) {
        let to = (self.tail & self.mask) as usize;
        // SAFETY: the index is masked.
        let to = unsafe { self.words.add(to) };
        for (index, word) in record.iter().enumerate() {
            // SAFETY: the caller's promise.
            let to = unsafe { to.add(index) };
            // SAFETY: the words live as long as `ring`.
            let to = unsafe { to.as_ref() };
            // Relaxed: the tail, and the fence in `make_way`, order it.
            to.store(*word, Ordering::Relaxed);
        }
        self.tail += record.len() as u64;
        self.records += 1;
        // Release: pairs with the load in `OverwritingConsumer::copy`, and with what recovery finds
        // (INV-R1).
        let release = mutant::ordering(Ordering::Release, Mutant::RingTailStore);
        self.shared().tail.store(tail_at(self.tail), release);
    }

    /// Returns room for a record of this many words, as the producers of bounded rings do. `None`
    /// if that is longer than the longest. The record is made in a buffer, and moved to the ring
    /// when it is published.
    #[inline(always)]
    pub fn reserve(&mut self, words: usize) -> Option<OverwritingSlot<'_>> {
        if words > self.scratch.len() {
            None
        } else {
            Some(OverwritingSlot { recorder: self, words })
        }
    }

    /// The longest record in words: at most a quarter of the ring.
    pub fn longest(&self) -> usize {
        self.scratch.len()
    }

    /// The capacity in words.
    #[cfg(any(test, kymo_loom, feature = "internals"))]
    pub fn capacity(&self) -> usize {
        self.ring.capacity() as usize
    }

    /// How many records were published.
    #[cfg(any(test, kymo_loom, feature = "internals"))]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Whether the consumer has consumed all that was published and not overwritten.
    pub fn is_drained(&self) -> bool {
        // Acquire: pairs with the store in `OverwritingConsumer::consume`, so what the consumer did
        // before is seen.
        self.shared().consumer.head.load(Ordering::Acquire) == self.tail
    }

    /// Whether the consumer's half has been dropped.
    #[cfg(any(test, kymo_loom, feature = "internals"))]
    pub fn is_abandoned(&self) -> bool {
        // Acquire: pairs with the store in `OverwritingConsumer::drop`.
        self.shared().consumer.ended.load(Ordering::Acquire) != 0
    }

    #[inline(always)]
    fn shared(&self) -> &RingHeader {
        // SAFETY: `ring` keeps it.
        unsafe { self.shared.as_ref() }
    }

    /// Reserves the blocks that a record of `words` words needs, up to and including the one in
    /// which the next record will begin. If the ring's end is in the way, moves the tail to the
    /// ring's beginning. `before`: how many records of each class were published so far.
    fn make_way(&mut self, words: usize, before: [u64; CLASSES]) {
        let ring = &*self.ring;
        let (capacity, block) = (ring.capacity(), ring.block_words());
        let ahead = capacity - (self.tail & self.mask);
        let skipped = if words as u64 > ahead { ahead } else { 0 };
        let begin = self.tail + skipped;
        let end = begin + words as u64;

        let index_early = mutant::broken(Mutant::RingIndexEarly);
        if index_early {
            self.write_entries(begin, end, before);
        }
        self.reserved = (end / block + 1) * block;
        // Relaxed: the fence that follows orders it before the words that are written now. The
        // fence in `OverwritingConsumer::copy` is the other half.
        ring.shared().reserved.store(self.reserved, Ordering::Relaxed);
        if !mutant::broken(Mutant::RingReserveFence) {
            fence(Ordering::Release);
        }
        if skipped > 0 {
            // Relaxed: as in `publish`.
            ring.word(self.tail).store(filler(skipped as usize), Ordering::Relaxed);
        }
        if !index_early {
            self.write_entries(begin, end, before);
        }
        self.tail = begin;
    }

    /// Writes the index's entries (INV-R4) of blocks whose first record is this one or the next.
    fn write_entries(&self, begin: u64, end: u64, before: [u64; CLASSES]) {
        let block = self.ring.block_words();
        let write = |position: u64, records, classes: [u64; CLASSES]| {
            let index = (position / block % BLOCKS) as usize;
            let entry = &self.shared().index[index];
            // Relaxed, all: as the words in `publish`.
            entry.position.store(position, Ordering::Relaxed);
            entry.records.store(records, Ordering::Relaxed);
            for (to, count) in self.by_class.0[index].iter().zip(classes) {
                to.store(count, Ordering::Relaxed);
            }
        };
        if begin != self.tail {
            write(begin, self.records, before);
        }
        if end / block != begin / block {
            write(end, self.records + 1, self.classes);
        }
    }
}

impl Drop for OverwritingProducer {
    fn drop(&mut self) {
        // Release: a reader of the file that finds it has all records before.
        self.shared().ended.store(1, Ordering::Release);
    }
}

/// Room for one record.
#[derive(Debug)]
#[must_use = "the record is not logged until `publish`"]
pub struct OverwritingSlot<'a> {
    recorder: &'a mut OverwritingProducer,
    words: usize,
}

impl OverwritingSlot<'_> {
    /// The address of the record's words, aligned for a `u64`. It is valid for as many words as
    /// were reserved. They are initialised, but unspecified.
    #[inline(always)]
    pub fn as_mut_ptr(&mut self) -> *mut u64 {
        self.recorder.scratch.as_mut_ptr()
    }

    /// Publishes the record, as one of a class, by one release store.
    ///
    /// # Safety
    ///
    /// All reserved words have been written, and are a record as the consumer expects it.
    ///
    /// # Panics
    ///
    /// If there is no such class.
    #[inline(always)]
    pub unsafe fn publish(self, class: usize) {
        let Self { recorder, words } = self;
        let scratch = recorder.scratch.as_ptr();
        // SAFETY: the scratch buffer has that many words (`reserve`), and pushing does not touch
        // it.
        let record = unsafe { std::slice::from_raw_parts(scratch, words) };
        if !recorder.push_known(record, class) {
            // No error: the record is not longer than the longest.
            let _ = recorder.push(record, class);
        }
    }
}

/// The consumer's half. It copies words before it reads them.
#[derive(Debug)]
pub struct OverwritingConsumer {
    ring: Arc<Ring>,
    /// The copy ends at this position. A record begins there, or began there.
    position: u64,
    /// How many records were logged before that position.
    records: u64,
    /// How many of each class, if looks count by class.
    classes: [u64; CLASSES],
    by_class: Arc<ByClass>,
    /// The last copy: words that end at `position`.
    copied: Vec<u64>,
    /// How many words of the copy have been consumed.
    consumed: usize,
    accounts: Accounts,
    /// The file of the ring, if it is in one.
    file: Option<RingFile>,
}

impl OverwritingConsumer {
    /// Adds the file that the ring is in.
    pub(in crate::ring) fn with_file(mut self, file: RingFile) -> Self {
        self.file = Some(file);
        self
    }

    /// The ring, for a model that recovers it.
    #[cfg(kymo_loom)]
    pub fn shared_ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring)
    }

    /// Allocates the memory of the longest copy, so that no later look has to.
    ///
    /// # Errors
    ///
    /// If there is no memory for it.
    pub fn provide(&mut self) -> Result<(), TryReserveError> {
        self.copied.try_reserve_exact(self.ring.capacity() as usize)
    }

    /// If the last copy has been consumed, copies what was published since and has not been
    /// overwritten. Otherwise returns what is left of the last copy.
    ///
    /// Counts what was overwritten, whatever the classes of the records are.
    pub fn look(&mut self) -> Copied<'_> {
        let overwritten = self.renew().map_or(0, |first| self.pass(&first));
        Copied { follower: self, overwritten }
    }

    /// Copies as [`look`](Self::look) does, and also returns how many records of each class were
    /// overwritten. `class` returns the class of a record. Of one consumer, either all looks count
    /// by class, or none.
    pub fn look_by_class(
        &mut self,
        class: impl Fn(&[u64]) -> usize,
    ) -> (Copied<'_>, [u64; CLASSES]) {
        let (mut overwritten, mut by_class) = (0, [0; CLASSES]);
        if let Some(first) = self.renew() {
            by_class = std::array::from_fn(|class| first.classes[class] - self.classes[class]);
            overwritten = self.pass(&first);
            self.classes = first.classes;
            for record in records(&self.copied) {
                self.classes[class(record)] += 1;
            }
        }
        debug_assert_eq!(
            overwritten,
            by_class.iter().sum::<u64>(),
            "all looks count by class, or none"
        );
        (Copied { follower: self, overwritten }, by_class)
    }

    /// Makes a new copy if the last one is used up. Returns its first record; `None` if there is no
    /// new copy.
    fn renew(&mut self) -> Option<First> {
        if self.consumed != self.copied.len() {
            return None;
        }
        self.copied.clear();
        self.consumed = 0;
        for _ in 0..ATTEMPTS {
            if let Some(first) = self.copy() {
                return Some(first);
            }
        }
        None
    }

    /// Counts the records before a new copy and in it. Returns how many were overwritten before it.
    fn pass(&mut self, first: &First) -> u64 {
        let overwritten = first.records - self.records;
        self.records = first.records + records(&self.copied).count() as u64;
        overwritten
    }

    /// Whether the ring is in a file. If not, the four methods below do nothing.
    pub fn is_in_file(&self) -> bool {
        self.file.is_some()
    }

    /// Says in the ring's file that the next words of the last copy, with their records, are in the
    /// log once it is committed. The mark of what was overwritten before them is then in the log,
    /// too. See [`Accounts::prepare`].
    pub fn prepare(&mut self, words: usize, records: u64, mark: LogMark) {
        if self.is_in_file() {
            self.accounts.prepare(words, records, mark);
        }
    }

    /// Takes back what was prepared last: the log was not committed.
    pub fn retract(&mut self, words: usize, records: u64) {
        if self.is_in_file() {
            self.accounts.retract(words, records);
        }
    }

    /// Leaves the ring's file where it is, for recovery.
    pub fn keep_file(&mut self) {
        if let Some(file) = &mut self.file {
            file.keep();
        }
    }

    /// Removes the ring's file, unless it is to be kept.
    pub fn remove_file(&mut self) {
        if let Some(file) = &mut self.file {
            file.remove();
        }
    }

    /// The words of the last copy that are not consumed: whole records, in order.
    pub fn copied(&self) -> &[u64] {
        &self.copied[self.consumed..]
    }

    /// Consumes the first `words` words of the last copy, fillers included.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    pub fn consume(&mut self, words: usize) {
        assert!(words <= self.left(), "consumed more words than there are");
        self.consumed += words;
        // Release: pairs with what recovery finds, and with the load in
        // `OverwritingProducer::is_drained`.
        self.ring.shared().consumer.head.store(self.first_left(), Ordering::Release);
    }

    /// The capacity in words.
    pub fn capacity(&self) -> usize {
        self.ring.capacity() as usize
    }

    /// How many words of the last copy are not consumed.
    pub fn left(&self) -> usize {
        self.copied.len() - self.consumed
    }

    /// Whether everything that was published has been consumed.
    pub fn is_empty(&self) -> bool {
        // Acquire: as in `copy`.
        let tail = position_of(self.ring.shared().tail.load(Ordering::Acquire));
        self.left() == 0 && tail == self.position
    }

    /// The position of the first word of the copy that is not consumed.
    fn first_left(&self) -> u64 {
        self.position - self.left() as u64
    }

    /// Copies, and returns the first record of the copy. `None` if the producer has overwritten a
    /// whole ring meanwhile.
    fn copy(&mut self) -> Option<First> {
        let ring = &*self.ring;
        let (shared, capacity) = (ring.shared(), ring.capacity());
        // Acquire: pairs with the store in `OverwritingProducer::publish`.
        let acquire = mutant::ordering(Ordering::Acquire, Mutant::RingTailLoad);
        let tail = position_of(shared.tail.load(acquire));
        let from = self.position.max(tail.saturating_sub(capacity));
        self.copied.clear();
        // Relaxed: validated below.
        self.copied.extend((from..tail).map(|at| ring.word(at).load(Ordering::Relaxed)));
        let mut first =
            First { position: self.position, records: self.records, classes: self.classes };
        loop {
            // Acquire: pairs with the fence in `OverwritingProducer::make_way`, through any word of
            // the ring or of the index that was read and had been overwritten.
            if !mutant::broken(Mutant::RingCopyFence) {
                fence(Ordering::Acquire);
            }
            // Relaxed: ordered by the fence.
            let reserved = shared.reserved.load(Ordering::Relaxed);
            let floor = reserved.saturating_sub(capacity);
            if first.position >= floor || mutant::broken(Mutant::RingUnvalidated) {
                break;
            }
            // Validated in the next iteration. Each but the first means that the producer has
            // reserved another block meanwhile. The entries end with the tail.
            let Some(found) = first_record(ring, &self.by_class, floor, tail) else {
                // Nothing of the copy may be taken for records.
                self.copied.clear();
                return None;
            };
            first = found;
        }
        self.copied.drain(..(first.position - from) as usize);
        self.accounts.skip_to(first.position, first.records);
        self.position = tail;
        Some(first)
    }
}

/// The first record of a copy: its position, and how many were logged before it, in all and by
/// class.
struct First {
    position: u64,
    records: u64,
    classes: [u64; CLASSES],
}

/// Returns the first record that begins at or past `floor`, the beginning of a block, and was
/// published before the tail was loaded. Its values are wrong if the entry has been overwritten.
fn first_record(ring: &Ring, by_class: &ByClass, floor: u64, tail: u64) -> Option<First> {
    let block = ring.block_words();
    (floor / block..=tail / block).find_map(|number| {
        let index = (number % BLOCKS) as usize;
        let entry = &ring.shared().index[index];
        // Relaxed, all: an entry for a position that is not past the tail was written before that
        // tail was stored. So it is at least as new as the acquire load of the tail.
        let position = entry.position.load(Ordering::Relaxed);
        let records = entry.records.load(Ordering::Relaxed);
        let classes = by_class.0[index].each_ref().map(|count| count.load(Ordering::Relaxed));
        let found = position / block == number && position <= tail;
        found.then_some(First { position, records, classes })
    })
}

impl Drop for OverwritingConsumer {
    fn drop(&mut self) {
        // Release: pairs with the load in `OverwritingProducer::is_abandoned`.
        self.ring.shared().consumer.ended.store(1, Ordering::Release);
    }
}

/// A copy of what a producer has published.
#[derive(Debug)]
#[must_use = "it stays in the copy until `consume`"]
pub struct Copied<'a> {
    follower: &'a mut OverwritingConsumer,
    overwritten: u64,
}

impl Copied<'_> {
    /// How many records were overwritten before they could be copied: exactly those between the
    /// copy before and the first record of this one. Returned once: 0 for the rest of a copy.
    pub fn overwritten(&self) -> u64 {
        self.overwritten
    }

    /// The words as two runs: whole records, in order. The second run is empty.
    pub fn runs(&self) -> (&[u64], &[u64]) {
        (self.follower.copied(), &[])
    }

    /// Says that the next words will be in the log: see [`Accounts::prepare`]. Of one copy, either
    /// all words are accounted for, in order, or none.
    #[cfg(any(test, kymo_loom, feature = "internals"))]
    pub fn prepare(&mut self, words: usize, records: u64, mark: LogMark) {
        self.follower.accounts.prepare(words, records, mark);
    }

    /// Consumes the first `words` words, fillers included.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    pub fn consume(self, words: usize) {
        self.follower.consume(words);
    }

    /// Consumes all words.
    pub fn consume_all(self) {
        let words = self.runs().0.len();
        self.consume(words);
    }
}
