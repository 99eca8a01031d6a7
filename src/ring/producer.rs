//! The producer's half of the record protocol: reserve, write, publish.
//!
//! The fast path, [`Producer::reserve_known`], asks whether the record ends before `end`, up to
//! where the words are known to be free, and nothing else. All the rest is outlined behind
//! [`Producer::reserve`]: looking how far the consumer has come, skipping to the ring's beginning,
//! refusing. A log statement tries the first and, when that has nothing, tail-calls a cold function
//! that does the second: so its registers need not survive a call.
//!
//! See `ring` for the invariants.
//!
//! Beside rtrb's positions, `next` and `end` are a second account of the same thing. It pays. In
//! instructions, for a record whose length is known at compile time (rustc 1.95, x86-64):
//!
//! | | here | rtrb's chunks alone |
//! | --- | --- | --- |
//! | is there room | 4 | 15 |
//! | is it in one piece, and where | 0 | 8 |
//! | publish | 14 | 12 |
//!
//! Of the 14, 9 move rtrb's tail, which wraps at twice the capacity; a mask would take 1 or 2.

use super::storage::{Run, Writer};
use super::{MAX_RECORD_WORDS, WORD_BYTES};
use crate::format::MAX_RECORD_BYTES;
use crate::twin::{self, Twin};
use std::ptr;

/// Writes records into a ring.
#[derive(Debug)]
pub struct Producer<W> {
    /// Where the next record goes, unless this is `end`.
    next: *mut u64,
    /// Up to where the words are known to be free.
    end: *mut u64,
    writer: W,
}

// SAFETY: `next` and `end` delimit words that are the producer's alone (INV-3), whichever thread it
// is on.
unsafe impl<W: Writer> Send for Producer<W> {}

/// Why a record got no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no room for it now.
    Full,
    /// There will never be: it is longer than [`Producer::longest`].
    TooLong,
}

impl<W: Writer> Producer<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { next: ptr::null_mut(), end: ptr::null_mut(), writer }
    }

    /// Finds room for a record of this many words, in one piece, among the words that are known to
    /// be free.
    ///
    /// Of a slot that is dropped instead of published nothing remains: the next reservation may get
    /// the same words.
    #[inline(always)]
    pub fn reserve_known(&mut self, words: usize) -> Option<Slot<'_, W>> {
        // Decided at compile time where `words` is. It keeps the sum below from overflowing
        // (INV-3).
        if words > MAX_RECORD_WORDS {
            return None;
        }
        let start = self.next;
        if start.wrapping_add(words).addr() > self.end.addr() {
            return None;
        }
        let place = Place { start, end: self.end, commit: words };
        Some(Slot { producer: self, words, place })
    }

    /// Finds room for a record of this many words, in one piece: from the tail on or, if the ring's
    /// end is in the way, at its beginning. Looks how far the consumer has come.
    #[cold]
    #[inline(never)]
    pub fn reserve(&mut self, words: usize) -> Result<Slot<'_, W>, Refusal> {
        if words > self.longest() {
            return Err(Refusal::TooLong);
        }
        // The run from `next` to `end` is void with the next call of `free`. Until this record is
        // published, no words are known to be free.
        self.end = self.next;
        let [ahead, beginning] = self.writer.free();
        let (run, mut commit) = if words <= ahead.words {
            (ahead, words)
        } else if words <= beginning.words {
            (beginning, ahead.words + words)
        } else {
            return Err(Refusal::Full);
        };
        if commit > words {
            if twin::broken(Twin::FillerLate) {
                // SAFETY: These words are free.
                unsafe { self.writer.commit(ahead.words) };
                commit = words;
            }
            // SAFETY: The first word of a free run that is not empty is the producer's to write
            // (INV-1).
            unsafe { ahead.start.write(filler(ahead.words)) };
        }
        let end = self.end_of(run);
        Ok(Slot { producer: self, words, place: Place { start: run.start, end, commit } })
    }

    /// Whether the consumer has consumed all that was published.
    pub fn is_drained(&mut self) -> bool {
        // INV-3: what `free` returned before is void.
        self.end = self.next;
        let [ahead, beginning] = self.writer.free();
        ahead.words + beginning.words == self.capacity()
    }

    /// The longest record in words that this ring takes, however empty (INV-4).
    pub fn longest(&self) -> usize {
        self.capacity().div_ceil(2).min(MAX_RECORD_WORDS)
    }

    /// How many words the ring has.
    pub fn capacity(&self) -> usize {
        self.writer.capacity()
    }

    /// Whether the ring is in a file, so that what is in it outlives the process.
    pub fn is_in_file(&self) -> bool {
        self.writer.is_in_file()
    }

    /// Whether the consumer's half has been dropped.
    pub fn is_abandoned(&self) -> bool {
        self.writer.is_abandoned()
    }

    /// Up to where `reserve_known` may use a free run.
    fn end_of(&self, run: Run) -> *mut u64 {
        // INV-4: `reserve_known` itself asks for `MAX_RECORD_WORDS`; in a small ring it must not
        // know of room for more than the longest record.
        let longest = self.longest();
        let words = if longest < MAX_RECORD_WORDS { run.words.min(longest) } else { run.words };
        let end = run.start.wrapping_add(words);
        // INV-3: no system puts a heap there.
        assert!(end.addr().checked_add(MAX_RECORD_BYTES).is_some(), "the end of the address space");
        end
    }
}

/// Room for a record.
#[derive(Debug)]
#[must_use = "the record is not logged until `publish`"]
pub struct Slot<'a, W: Writer> {
    producer: &'a mut Producer<W>,
    words: usize,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    /// Where the record begins.
    start: *mut u64,
    /// Up to where the words behind it are known to be free.
    end: *mut u64,
    /// How many words to commit: the record, and before it what is skipped.
    commit: usize,
}

impl<W: Writer> Slot<'_, W> {
    /// Where the record's words go. Valid for as many as were reserved, aligned for a `u64`; what
    /// they hold is initialised, but unspecified.
    #[inline(always)]
    pub fn as_mut_ptr(&mut self) -> *mut u64 {
        self.place.start
    }

    /// Shows the record to the consumer: one release store.
    ///
    /// # Safety
    ///
    /// All reserved words have been written, and are a record as the consumer expects it.
    #[inline(always)]
    pub unsafe fn publish(self) {
        let Self { producer, words, place } = self;
        // INV-3: the record ends where the tail will be, and the words from there on to `end` are
        // free.
        producer.next = place.start.wrapping_add(words);
        producer.end = place.end;
        // SAFETY: All these words were returned by `free`, and not committed since.
        unsafe { producer.writer.commit(place.commit) };
    }

    /// The same for a ring that is known not to be in a file: a branch less.
    ///
    /// # Safety
    ///
    /// As for [`publish`](Self::publish); and [`Producer::is_in_file`] is false.
    #[inline(always)]
    pub unsafe fn publish_on_heap(self) {
        let Self { producer, words, place } = self;
        // INV-3: the record ends where the tail will be, and the words from there on to `end` are
        // free.
        producer.next = place.start.wrapping_add(words);
        producer.end = place.end;
        // SAFETY: as above; and the caller's promise.
        unsafe { producer.writer.commit_on_heap(place.commit) };
    }
}

/// The header that says: this many words up to the ring's end are skipped.
fn filler(words: usize) -> u64 {
    // Less is skipped than the record that follows has.
    debug_assert!(words < MAX_RECORD_WORDS);
    (words * WORD_BYTES) as u64
}
