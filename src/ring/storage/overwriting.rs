//! The overwriting mode: the producer never waits, the consumer finds out what it has missed.
//!
//! A sequence lock, after Hans Boehm, "Can seqlocks get along with programming language memory
//! models?" (MSPC 2012, section 4): all words are atomic and accessed with relaxed ordering, and a
//! pair of fences orders them with one number.
//!
//! ```text
//! producer                                 consumer
//! reserved = r      (relaxed)              t = tail           (acquire)
//! fence(release)                           words before t     (relaxed)
//! words before r    (relaxed)              fence(acquire)
//! tail = t          (release)              r = reserved       (relaxed)
//! ```
//!
//! If a load of the consumer's reads a word that was stored behind the producer's fence, the fences
//! synchronise, and the load of `reserved` reads what was stored before that fence, or something
//! later (INV-R3). So words at `r - capacity` and behind it are what was published when the
//! consumer loaded the tail. Boehm's writer is one of many and makes its number odd while it
//! writes; here there is one writer, whose number says which words it may be writing, so that the
//! consumer never has to start over for the others.
//!
//! A block is reserved at a time, so that a record needs neither the store nor the fence: a
//! sixteenth of the ring is given up for it.
//!
//! The caller sorts records into classes (the logger: by level), and learns how many of each were
//! overwritten: the producer counts them, and writes its counts down beside each entry of the index
//! (`ByClass`). They are not in the ring's memory, so that whoever recovers it from a file knows
//! only the sum.

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

/// How often a consumer copies again in one look, because while it copied a whole ring was written.
const ATTEMPTS: usize = if cfg!(kymo_loom) { 2 } else { 8 };

/// How many classes of records there are.
pub const CLASSES: usize = if cfg!(kymo_loom) { 1 } else { 5 };

/// How many records of each class were logged before those of the index's entries: written and read
/// with them.
#[derive(Debug)]
struct ByClass([[AtomicU64; CLASSES]; BLOCKS as usize]);

impl ByClass {
    fn new() -> Self {
        Self(std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))))
    }
}

/// Makes both halves of an overwriting ring.
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
        last: false,
        accounts: Accounts::of(Arc::clone(&recorder.ring)),
        file: None,
    };
    (recorder, follower)
}

/// The longest record (INV-R5).
fn longest(ring: &Ring) -> usize {
    (ring.capacity() / 4).min(MAX_RECORD_WORDS as u64) as usize
}

/// The producer's half.
#[derive(Debug)]
pub struct OverwritingProducer {
    /// Where the next record goes, unless it has to be skipped to the ring's beginning.
    tail: u64,
    /// See INV-R3.
    reserved: u64,
    /// How many records were published.
    records: u64,
    /// How many of each class.
    classes: [u64; CLASSES],
    by_class: Arc<ByClass>,
    mask: u64,
    /// Points into `ring`, as `shared` does.
    words: NonNull<AtomicU64>,
    shared: NonNull<RingHeader>,
    /// Where a [`OverwritingSlot`]'s record is made.
    scratch: Box<[u64]>,
    ring: Arc<Ring>,
}

// SAFETY: the pointers point into `ring`, which may be used by all threads.
unsafe impl Send for OverwritingProducer {}

impl OverwritingProducer {
    /// Publishes a record of a class, its words, the first of them its header, where no block has to
    /// be reserved for it; returns false, having done nothing, where one has, and where the record
    /// is too long.
    ///
    /// Where the compiler knows its length, and it is made on the stack, it goes from registers to
    /// the ring.
    ///
    /// # Panics
    ///
    /// When there is no such class.
    #[inline(always)]
    #[must_use]
    pub fn push_known(&mut self, record: &[u64], class: usize) -> bool {
        // `reserved` is never beyond the ring's end while the tail is before it, so that the record
        // does not wrap; and it is at most one block beyond the tail, so that the record is no
        // longer than the longest. The first comparison keeps the sum from overflowing.
        let words = record.len() as u64;
        if record.len() > MAX_RECORD_WORDS || self.tail + words >= self.reserved {
            return false;
        }
        self.classes[class] += 1;
        // SAFETY: see above.
        unsafe { self.publish(record) };
        true
    }

    /// Publishes a record of a class.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooLong`] when it is longer than [`longest`](Self::longest).
    ///
    /// # Panics
    ///
    /// When there is no such class.
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
        // SAFETY: `make_way` moves the tail to where there is room before the ring's end; without
        // it see `push_known`.
        unsafe { self.publish(record) };
        Ok(())
    }

    /// Writes a record at the tail, and publishes it.
    ///
    /// # Safety
    ///
    /// It ends before the ring does, and before `reserved`.
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
        // Release: pairs with the load in `OverwritingConsumer::look`, and with what recovery finds (INV-R1).
        let release = mutant::ordering(Ordering::Release, Mutant::RingTailStore);
        self.shared().tail.store(tail_at(self.tail), release);
    }

    /// Finds room for a record of this many words, as the other rings' producers do: there always
    /// is. The record is made in a buffer, and moved from there when it is published.
    #[inline(always)]
    pub fn reserve(&mut self, words: usize) -> Option<OverwritingSlot<'_>> {
        if words > self.scratch.len() {
            None
        } else {
            Some(OverwritingSlot { recorder: self, words })
        }
    }

    /// The longest record in words that this ring takes: a quarter of it, at most.
    pub fn longest(&self) -> usize {
        self.scratch.len()
    }

    /// How many words the ring has.
    pub fn capacity(&self) -> usize {
        self.ring.capacity() as usize
    }

    /// How many records were published.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Whether the consumer has consumed all that was published and not overwritten.
    pub fn is_drained(&self) -> bool {
        // Acquire: pairs with the store in `OverwritingConsumer::consume`: what the consumer did before is seen.
        self.shared().consumer.head.load(Ordering::Acquire) == self.tail
    }

    /// Whether the consumer's half has been dropped.
    pub fn is_abandoned(&self) -> bool {
        // Acquire: pairs with the store in `OverwritingConsumer::drop`.
        self.shared().consumer.ended.load(Ordering::Acquire) != 0
    }

    #[inline(always)]
    fn shared(&self) -> &RingHeader {
        // SAFETY: `ring` keeps it.
        unsafe { self.shared.as_ref() }
    }

    /// Reserves the blocks that a record of `words` words needs, up to and with that in which the
    /// next one will begin. Moves the tail to the ring's beginning if the ring's end is in the way.
    /// `before`: how many records of each class were published so far.
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
        // Relaxed: the fence behind it orders it before the words that are written now; the fence
        // in `OverwritingConsumer::look` is the other half.
        ring.shared().reserved.store(self.reserved, Ordering::Relaxed);
        if !mutant::broken(Mutant::RingReserveFence) {
            fence(Ordering::Release);
        }
        if skipped > 0 {
            // Relaxed: as in `push`.
            ring.word(self.tail).store(filler(skipped as usize), Ordering::Relaxed);
        }
        if !index_early {
            self.write_entries(begin, end, before);
        }
        self.tail = begin;
    }

    /// Writes the entries of blocks that are entered by a record (INV-R4), if this is the record.
    fn write_entries(&self, begin: u64, end: u64, before: [u64; CLASSES]) {
        let block = self.ring.block_words();
        let write = |position: u64, records, classes: [u64; CLASSES]| {
            let index = (position / block % BLOCKS) as usize;
            let entry = &self.shared().index[index];
            // Relaxed, all: as the words in `push`.
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
        // Release: pairs with the load in `OverwritingConsumer::look`: who sees it sees the tail.
        let release = mutant::ordering(Ordering::Release, Mutant::RingEndedStore);
        self.shared().ended.store(1, release);
    }
}

/// Room for a record.
#[derive(Debug)]
#[must_use = "the record is not logged until `publish`"]
pub struct OverwritingSlot<'a> {
    recorder: &'a mut OverwritingProducer,
    words: usize,
}

impl OverwritingSlot<'_> {
    /// Where the record's words go. Valid for as many as were reserved, aligned for a `u64`; what
    /// they hold is initialised, but unspecified.
    #[inline(always)]
    pub fn as_mut_ptr(&mut self) -> *mut u64 {
        self.recorder.scratch.as_mut_ptr()
    }

    /// Shows the record, one of a class, to the consumer: one release store.
    ///
    /// # Safety
    ///
    /// All reserved words have been written, and are a record as the consumer expects it.
    ///
    /// # Panics
    ///
    /// When there is no such class.
    #[inline(always)]
    pub unsafe fn publish(self, class: usize) {
        let Self { recorder, words } = self;
        let scratch = recorder.scratch.as_ptr();
        // SAFETY: the scratch buffer has that many words (`reserve`), and pushing does not
        // touch it.
        let record = unsafe { std::slice::from_raw_parts(scratch, words) };
        if !recorder.push_known(record, class) {
            // It is not longer than the longest.
            let _ = recorder.push(record, class);
        }
    }
}

/// The consumer's half. It copies.
#[derive(Debug)]
pub struct OverwritingConsumer {
    ring: Arc<Ring>,
    /// Up to where it has copied: where a record begins, or has begun.
    position: u64,
    /// How many records were logged before that.
    records: u64,
    /// How many of each class, where looks count by class.
    classes: [u64; CLASSES],
    by_class: Arc<ByClass>,
    /// The last copy: words that end at `position`.
    copied: Vec<u64>,
    /// How many of them have been consumed.
    consumed: usize,
    /// Whether nothing comes behind them.
    last: bool,
    accounts: Accounts,
    /// Where the ring is in a file: its name.
    file: Option<RingFile>,
}

impl OverwritingConsumer {
    /// The same for a ring in a file.
    pub(in crate::ring) fn with_file(mut self, file: RingFile) -> Self {
        self.file = Some(file);
        self
    }

    /// The ring, for whoever recovers it in a model.
    #[cfg(kymo_loom)]
    pub fn shared_ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring)
    }

    /// Provides for the memory of the longest copy, so that none has to be had later.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn provide(&mut self) -> Result<(), TryReserveError> {
        self.copied.try_reserve_exact(self.ring.capacity() as usize)
    }

    /// Copies all that was published since the last copy and has not been overwritten, if all of that
    /// copy has been consumed; else returns what is left of it.
    ///
    /// Counts what was overwritten, whatever the classes of the records are.
    pub fn look(&mut self) -> Copied<'_> {
        let overwritten = self.renew().map_or(0, |first| self.pass(&first));
        Copied { follower: self, overwritten }
    }

    /// As [`look`](Self::look), and returns how many records of each class were overwritten; `class`
    /// returns the class of a record. Those of one follower are all counted by class, or none.
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

    /// Makes a new copy if the last one is used up. Returns where it begins; `None` if there is none.
    fn renew(&mut self) -> Option<First> {
        if self.consumed != self.copied.len() {
            return None;
        }
        self.copied.clear();
        self.consumed = 0;
        // Acquire: pairs with the store in `OverwritingProducer::drop`. Before the tail: see `Consumer::look`.
        let acquire = mutant::ordering(Ordering::Acquire, Mutant::RingEndedLoad);
        self.last = self.ring.shared().ended.load(acquire) != 0;
        for _ in 0..ATTEMPTS {
            if let Some(first) = self.copy() {
                return Some(first);
            }
            self.last = false;
        }
        None
    }

    /// Counts the records before and in a new copy. Returns how many were overwritten before it.
    fn pass(&mut self, first: &First) -> u64 {
        let overwritten = first.records - self.records;
        self.records = first.records + records(&self.copied).count() as u64;
        overwritten
    }

    /// Whether the ring is in a file. The four methods below do nothing for others.
    pub fn is_in_file(&self) -> bool {
        self.file.is_some()
    }

    /// Says in the ring's file that the next words of the last copy, and the records in them, are in
    /// the log as soon as that is committed, and that what was overwritten before them is told there:
    /// see [`Accounts::prepare`].
    pub fn prepare(&mut self, words: usize, records: u64, mark: LogMark) {
        if self.is_in_file() {
            self.accounts.prepare(words, records, mark);
        }
    }

    /// Takes back what was said last: the log was not committed.
    pub fn retract(&mut self, words: usize, records: u64) {
        if self.is_in_file() {
            self.accounts.retract(words, records);
        }
    }

    /// Leaves the ring's file where it is, for whoever recovers it.
    pub fn keep_file(&mut self) {
        if let Some(file) = &mut self.file {
            file.keep();
        }
    }

    /// Removes the ring's file, unless it is to stay.
    pub fn remove_file(&mut self) {
        if let Some(file) = &mut self.file {
            file.remove();
        }
    }

    /// The words of the last copy that are not consumed: whole records, in order.
    pub fn copied(&self) -> &[u64] {
        &self.copied[self.consumed..]
    }

    /// Forgets the first `words` words of the last copy, fillers included.
    ///
    /// # Panics
    ///
    /// When there are not as many.
    pub fn consume(&mut self, words: usize) {
        assert!(words <= self.left(), "consumed more words than there are");
        self.consumed += words;
        // Release: pairs with what recovery finds, and with the load in `OverwritingProducer::is_drained`.
        self.ring.shared().consumer.head.store(self.first_left(), Ordering::Release);
    }

    /// How many words the ring has.
    pub fn capacity(&self) -> usize {
        self.ring.capacity() as usize
    }

    /// How many words of the last copy are not consumed.
    pub fn left(&self) -> usize {
        self.copied.len() - self.consumed
    }

    /// Whether there is nothing that was not consumed.
    pub fn is_empty(&self) -> bool {
        // Acquire: as in `copy`.
        let tail = position_of(self.ring.shared().tail.load(Ordering::Acquire));
        self.left() == 0 && tail == self.position
    }

    /// The position of the first word of the copy that is not consumed.
    fn first_left(&self) -> u64 {
        self.position - self.left() as u64
    }

    /// Returns the first record of the new copy; `None` when the producer has been all around the ring
    /// meanwhile.
    fn copy(&mut self) -> Option<First> {
        let ring = &*self.ring;
        let (shared, capacity) = (ring.shared(), ring.capacity());
        // Acquire: pairs with the store in `OverwritingProducer::push`.
        let acquire = mutant::ordering(Ordering::Acquire, Mutant::RingTailLoad);
        let tail = position_of(shared.tail.load(acquire));
        let from = self.position.max(tail.saturating_sub(capacity));
        self.copied.clear();
        // Relaxed: validated below.
        self.copied.extend((from..tail).map(|at| ring.word(at).load(Ordering::Relaxed)));
        let mut first =
            First { position: self.position, records: self.records, classes: self.classes };
        loop {
            // Acquire: pairs with the fence in `OverwritingProducer::make_way`, by way of any word of the ring
            // or the index that was read and has been written over.
            if !mutant::broken(Mutant::RingCopyFence) {
                fence(Ordering::Acquire);
            }
            // Relaxed: ordered by the fence.
            let reserved = shared.reserved.load(Ordering::Relaxed);
            let floor = reserved.saturating_sub(capacity);
            if first.position >= floor || mutant::broken(Mutant::RingUnvalidated) {
                break;
            }
            // Validated in the next round. Each round but the first means that the producer has
            // meanwhile reserved another block; the entries end with the tail.
            let Some(found) = first_record(ring, &self.by_class, floor, tail) else {
                // Nothing of it may be taken for records.
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

/// The first record of a copy: its position, and how many were logged before it.
struct First {
    position: u64,
    records: u64,
    classes: [u64; CLASSES],
}

/// The first record that begins at `floor`, where a block begins, or behind it, and that was
/// published before the tail was loaded. Wrong where the entry has been written over.
fn first_record(ring: &Ring, by_class: &ByClass, floor: u64, tail: u64) -> Option<First> {
    let block = ring.block_words();
    (floor / block..=tail / block).find_map(|number| {
        let index = (number % BLOCKS) as usize;
        let entry = &ring.shared().index[index];
        // Relaxed, all: an entry for a position that is not behind the tail was written before
        // that was stored, so it is at least as new as the acquire load of the tail.
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

/// What a producer has published, copied.
#[derive(Debug)]
#[must_use = "it stays in the copy until `consume`"]
pub struct Copied<'a> {
    follower: &'a mut OverwritingConsumer,
    overwritten: u64,
}

impl Copied<'_> {
    /// How many records were overwritten before they could be copied: exactly those between what
    /// was copied before and the first record of this copy. Told once.
    pub fn overwritten(&self) -> u64 {
        self.overwritten
    }

    /// Whether the producer has ended, so that nothing comes after these words.
    pub fn is_last(&self) -> bool {
        self.follower.last
    }

    /// The words: whole records, in order. The second run is empty.
    pub fn runs(&self) -> (&[u64], &[u64]) {
        (self.follower.copied(), &[])
    }

    /// Says that the next words will be in the log: see [`Accounts::prepare`]. Either all words of
    /// a copy are accounted for, in order, or none.
    pub fn prepare(&mut self, words: usize, records: u64, mark: LogMark) {
        self.follower.accounts.prepare(words, records, mark);
    }

    /// Forgets the first `words` words, fillers included.
    ///
    /// # Panics
    ///
    /// When there are not as many.
    pub fn consume(self, words: usize) {
        self.follower.consume(words);
    }

    /// Forgets all words.
    pub fn consume_all(self) {
        let words = self.runs().0.len();
        self.consume(words);
    }
}
