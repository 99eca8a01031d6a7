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

use std::ptr::NonNull;
use std::sync::Arc;

use super::accounts::Accounts;
use super::layout::{BLOCKS, Mode, Shared, position_of, tail_at};
use super::memory::Ring;
use super::{LogMark, assert_mode};
use crate::ring::consumer::records;
use crate::ring::producer::Refusal;
use crate::ring::{MAX_RECORD_WORDS, filler};
use crate::sync::atomic::{AtomicU64, Ordering, fence};
use crate::twin::{self, Twin};

/// How often a consumer copies again in one look, because while it copied a whole ring was written.
const ATTEMPTS: usize = if cfg!(kymo_loom) { 2 } else { 8 };

/// Makes both halves of an overwriting ring.
pub(super) fn halves(ring: Ring) -> (Recorder, Follower) {
    assert_mode(&ring, Mode::Overwriting);
    let ring = Arc::new(ring);
    let recorder = Recorder {
        tail: 0,
        reserved: ring.block_words(),
        records: 0,
        mask: ring.capacity() - 1,
        words: ring.words(),
        shared: NonNull::from(ring.shared()),
        scratch: vec![0; longest(&ring)].into_boxed_slice(),
        ring,
    };
    let follower = Follower {
        ring: Arc::clone(&recorder.ring),
        position: 0,
        records: 0,
        copied: Vec::new(),
        consumed: 0,
        last: false,
        accounts: Accounts::of(Arc::clone(&recorder.ring)),
    };
    (recorder, follower)
}

/// The longest record (INV-R5).
fn longest(ring: &Ring) -> usize {
    (ring.capacity() / 4).min(MAX_RECORD_WORDS as u64) as usize
}

/// The producer's half.
#[derive(Debug)]
pub struct Recorder {
    /// Where the next record goes, unless it has to be skipped to the ring's beginning.
    tail: u64,
    /// See INV-R3.
    reserved: u64,
    /// How many records were published.
    records: u64,
    mask: u64,
    /// Points into `ring`, as `shared` does.
    words: NonNull<AtomicU64>,
    shared: NonNull<Shared>,
    /// Where a [`Slot`]'s record is made.
    scratch: Box<[u64]>,
    ring: Arc<Ring>,
}

// SAFETY: the pointers point into `ring`, which may be used by all threads.
unsafe impl Send for Recorder {}

impl Recorder {
    /// Publishes a record, its words, the first of them its header, where no block has to be
    /// reserved for it; returns false, having done nothing, where one has, and where the record is
    /// too long.
    ///
    /// Where the compiler knows its length, and it is made on the stack, it goes from registers to
    /// the ring.
    #[inline(always)]
    #[must_use]
    pub fn push_known(&mut self, record: &[u64]) -> bool {
        // `reserved` is never beyond the ring's end while the tail is before it, so that the record
        // does not wrap; and it is at most one block beyond the tail, so that the record is no
        // longer than the longest. The first comparison keeps the sum from overflowing.
        let words = record.len() as u64;
        if record.len() > MAX_RECORD_WORDS || self.tail + words >= self.reserved {
            return false;
        }
        // SAFETY: see above.
        unsafe { self.publish(record) };
        true
    }

    /// Publishes a record.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooLong`] when it is longer than [`longest`](Self::longest).
    #[cold]
    #[inline(never)]
    pub fn push(&mut self, record: &[u64]) -> Result<(), Refusal> {
        if record.len() > self.longest() {
            return Err(Refusal::TooLong);
        }
        if self.tail + record.len() as u64 >= self.reserved {
            self.make_way(record.len());
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
        // Release: pairs with the load in `Follower::look`, and with what recovery finds (INV-R1).
        let release = twin::ordering(Ordering::Release, Twin::RecorderTailStore);
        self.shared().tail.store(tail_at(self.tail), release);
    }

    /// Finds room for a record of this many words, as the other rings' producers do: there always
    /// is. The record is made in a buffer, and moved from there when it is published.
    #[inline(always)]
    pub fn reserve_known(&mut self, words: usize) -> Option<Slot<'_>> {
        if words > self.scratch.len() { None } else { Some(Slot { recorder: self, words }) }
    }

    /// As [`reserve_known`](Self::reserve_known), but says what is wrong.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooLong`], never [`Refusal::Full`].
    #[cold]
    pub fn reserve(&mut self, words: usize) -> Result<Slot<'_>, Refusal> {
        self.reserve_known(words).ok_or(Refusal::TooLong)
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

    /// Whether the consumer's half has been dropped.
    pub fn is_abandoned(&self) -> bool {
        // Acquire: pairs with the store in `Follower::drop`.
        self.shared().consumer.ended.load(Ordering::Acquire) != 0
    }

    #[inline(always)]
    fn shared(&self) -> &Shared {
        // SAFETY: `ring` keeps it.
        unsafe { self.shared.as_ref() }
    }

    /// Reserves the blocks that a record of `words` words needs, up to and with that in which the
    /// next one will begin. Moves the tail to the ring's beginning if the ring's end is in the way.
    fn make_way(&mut self, words: usize) {
        let ring = &*self.ring;
        let (capacity, block) = (ring.capacity(), ring.block_words());
        let ahead = capacity - (self.tail & self.mask);
        let skipped = if words as u64 > ahead { ahead } else { 0 };
        let begin = self.tail + skipped;
        let end = begin + words as u64;

        let index_early = twin::broken(Twin::RecorderIndexEarly);
        if index_early {
            self.write_entries(begin, end);
        }
        self.reserved = (end / block + 1) * block;
        // Relaxed: the fence behind it orders it before the words that are written now; the fence
        // in `Follower::look` is the other half.
        ring.shared().reserved.store(self.reserved, Ordering::Relaxed);
        if !twin::broken(Twin::RecorderReserveFence) {
            fence(Ordering::Release);
        }
        if skipped > 0 {
            // Relaxed: as in `push`.
            ring.word(self.tail).store(filler(skipped as usize), Ordering::Relaxed);
        }
        if !index_early {
            self.write_entries(begin, end);
        }
        self.tail = begin;
    }

    /// Writes the entries of blocks that are entered by a record (INV-R4), if this is the record.
    fn write_entries(&self, begin: u64, end: u64) {
        let block = self.ring.block_words();
        let write = |position: u64, records| {
            let entry = &self.shared().index[(position / block % BLOCKS) as usize];
            // Relaxed, both: as the words in `push`.
            entry.position.store(position, Ordering::Relaxed);
            entry.records.store(records, Ordering::Relaxed);
        };
        if begin != self.tail {
            write(begin, self.records);
        }
        if end / block != begin / block {
            write(end, self.records + 1);
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Release: pairs with the load in `Follower::look`: who sees it sees the tail.
        let release = twin::ordering(Ordering::Release, Twin::RecorderEndedStore);
        self.shared().ended.store(1, release);
    }
}

/// Room for a record.
#[derive(Debug)]
#[must_use = "the record is not logged until `publish`"]
pub struct Slot<'a> {
    recorder: &'a mut Recorder,
    words: usize,
}

impl Slot<'_> {
    /// Where the record's words go. Valid for as many as were reserved, aligned for a `u64`; what
    /// they hold is initialised, but unspecified.
    #[inline(always)]
    pub fn as_mut_ptr(&mut self) -> *mut u64 {
        self.recorder.scratch.as_mut_ptr()
    }

    /// Shows the record to the consumer: one release store.
    ///
    /// # Safety
    ///
    /// All reserved words have been written, and are a record as the consumer expects it.
    #[inline(always)]
    pub unsafe fn publish(self) {
        let Self { recorder, words } = self;
        let scratch = recorder.scratch.as_ptr();
        // SAFETY: the scratch buffer has that many words (`reserve_known`), and pushing does not
        // touch it.
        let record = unsafe { std::slice::from_raw_parts(scratch, words) };
        if !recorder.push_known(record) {
            // It is not longer than the longest.
            let _ = recorder.push(record);
        }
    }
}

/// The consumer's half. It copies.
#[derive(Debug)]
pub struct Follower {
    ring: Arc<Ring>,
    /// Up to where it has copied: where a record begins, or has begun.
    position: u64,
    /// How many records were logged before that.
    records: u64,
    /// The last copy: words that end at `position`.
    copied: Vec<u64>,
    /// How many of them have been consumed.
    consumed: usize,
    /// Whether nothing comes behind them.
    last: bool,
    accounts: Accounts,
}

impl Follower {
    /// The ring, for whoever recovers it in a model.
    #[cfg(kymo_loom)]
    pub fn shared_ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring)
    }

    /// Copies all that was published since the last copy and has not been written over, if all of
    /// that copy has been consumed; else returns what is left of it.
    pub fn look(&mut self) -> Copied<'_> {
        let mut overwritten = 0;
        if self.consumed == self.copied.len() {
            self.copied.clear();
            self.consumed = 0;
            // Acquire: pairs with the store in `Recorder::drop`. Before the tail: see
            // `Consumer::look`.
            let acquire = twin::ordering(Ordering::Acquire, Twin::RecorderEndedLoad);
            self.last = self.ring.shared().ended.load(acquire) != 0;
            for _ in 0..ATTEMPTS {
                if let Some(missed) = self.copy() {
                    overwritten = missed;
                    break;
                }
                self.last = false;
            }
        }
        Copied { follower: self, overwritten }
    }

    /// The position of the first word of the copy that is not consumed.
    fn first_left(&self) -> u64 {
        self.position - (self.copied.len() - self.consumed) as u64
    }

    /// Returns how many records were overwritten between the last copy and this one; `None` when
    /// the producer has been all around the ring meanwhile.
    fn copy(&mut self) -> Option<u64> {
        let ring = &*self.ring;
        let (shared, capacity) = (ring.shared(), ring.capacity());
        // Acquire: pairs with the store in `Recorder::push`.
        let acquire = twin::ordering(Ordering::Acquire, Twin::RecorderTailLoad);
        let tail = position_of(shared.tail.load(acquire));
        let from = self.position.max(tail.saturating_sub(capacity));
        self.copied.clear();
        // Relaxed: validated below.
        self.copied.extend((from..tail).map(|at| ring.word(at).load(Ordering::Relaxed)));
        let (mut begin, mut before) = (self.position, self.records);
        loop {
            // Acquire: pairs with the fence in `Recorder::make_way`, by way of any word of the ring
            // or the index that was read and has been written over.
            if !twin::broken(Twin::RecorderCopyFence) {
                fence(Ordering::Acquire);
            }
            // Relaxed: ordered by the fence.
            let reserved = shared.reserved.load(Ordering::Relaxed);
            let floor = reserved.saturating_sub(capacity);
            if begin >= floor || twin::broken(Twin::RecorderUnvalidated) {
                break;
            }
            // Validated in the next round. Each round but the first means that the producer has
            // meanwhile reserved another block; the entries end with the tail.
            let Some(found) = first_record(ring, floor, tail) else {
                // Nothing of it may be taken for records.
                self.copied.clear();
                return None;
            };
            (begin, before) = found;
        }
        self.copied.drain(..(begin - from) as usize);
        let missed = before - self.records;
        self.accounts.skip_to(begin, before);
        self.position = tail;
        self.records = before + records(&self.copied).count() as u64;
        Some(missed)
    }
}

/// The first record that begins at `floor`, where a block begins, or behind it, and that was
/// published before the tail was loaded: its position, and how many were logged before it. Wrong
/// where the entry has been written over.
fn first_record(ring: &Ring, floor: u64, tail: u64) -> Option<(u64, u64)> {
    let block = ring.block_words();
    (floor / block..=tail / block).find_map(|number| {
        let entry = &ring.shared().index[(number % BLOCKS) as usize];
        // Relaxed, both: an entry for a position that is not behind the tail was written before
        // that was stored, so it is at least as new as the acquire load of the tail.
        let position = entry.position.load(Ordering::Relaxed);
        let records = entry.records.load(Ordering::Relaxed);
        (position / block == number && position <= tail).then_some((position, records))
    })
}

impl Drop for Follower {
    fn drop(&mut self) {
        // Release: pairs with the load in `Recorder::is_abandoned`.
        self.ring.shared().consumer.ended.store(1, Ordering::Release);
    }
}

/// What a producer has published, copied.
#[derive(Debug)]
#[must_use = "it stays in the copy until `consume`"]
pub struct Copied<'a> {
    follower: &'a mut Follower,
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
        (&self.follower.copied[self.follower.consumed..], &[])
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
        assert!(words <= self.runs().0.len(), "consumed more words than there are");
        let follower = self.follower;
        follower.consumed += words;
        // Release: pairs with what recovery finds. The producer does not look here.
        let head = follower.first_left();
        follower.ring.shared().consumer.head.store(head, Ordering::Release);
    }

    /// Forgets all words.
    pub fn consume_all(self) {
        let words = self.runs().0.len();
        self.consume(words);
    }
}
