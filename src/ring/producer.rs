//! The producer's half of a bounded ring: reserve, write, publish.
//!
//! A log call usually does not come here. It writes into words that [`RingProducer::reserve_free`]
//! reserved for many records, and publishes with their [`Publisher`]: one comparison, the stores,
//! one release store. The rest is here: load the head, wrap, refuse.
//!
//! See `ring` for the invariants.

use crate::mutant::{self, Mutant};
use crate::ring::MAX_RECORD_WORDS;
use crate::ring::RESERVED_END;
use crate::ring::WORD_BYTES;
use crate::ring::storage::bounded::{BoundedWriter, Publisher, Run, SPARE_WORDS};

/// Writes records into a ring.
#[derive(Debug)]
pub struct RingProducer {
    writer: BoundedWriter,
    /// Where the reserved words begin, if any are reserved.
    reserved: Option<*mut u64>,
}

// SAFETY: `reserved` is an address among words that are the producer's alone (INV-1), whichever thread
// it is on.
unsafe impl Send for RingProducer {}

/// Why a ring refuses a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no room now.
    Full,
    /// There will never be room: the record is longer than [`RingProducer::longest`].
    TooLong,
}

/// Free words for a record.
struct Opening {
    start: *mut u64,
    /// The free run up to the ring's end, if the record wraps because that is too short. It is not empty: if it
    /// were, nothing would be free.
    skipped: Option<Run>,
}

/// Writes a filler, so that the consumer skips a run.
///
/// # Safety
///
/// It is free, and not empty.
unsafe fn write_filler(run: Run) {
    // Less is skipped than the record that follows has.
    debug_assert!((1..MAX_RECORD_WORDS).contains(&run.words));
    // SAFETY: The first word of a free run that is not empty is the producer's to write (INV-1).
    unsafe { run.start.write(crate::ring::filler(run.words)) };
}

/// Words that are reserved for records to come.
#[derive(Clone, Copy, Debug)]
pub struct ReservedWords {
    /// The address of the next record: their first word.
    pub next: *mut u64,
    /// The address past their last word. A record that fits, and is at most [`MAX_RECORD_WORDS`] long, is one that
    /// the ring takes.
    pub end: *mut u64,
    /// Publishes records in them.
    pub publisher: Publisher,
}

impl RingProducer {
    pub(super) fn new(writer: BoundedWriter) -> Self {
        Self { writer, reserved: None }
    }

    /// Reserves the words from the tail on that are known to be free, in one piece, which may be empty.
    /// Records may be written there, one after the other, and published, until
    /// [`return_unused`](Self::return_unused).
    pub fn reserve_free(&mut self) -> ReservedWords {
        let [Run { start, words }, _] = self.writer.free();
        // INV-4: callers do not ask how long a record may be.
        let words =
            if self.longest() < MAX_RECORD_WORDS { words.min(self.longest()) } else { words };
        let end = start.wrapping_add(words);
        // INV-3: no system puts a heap there.
        assert!(end.addr() <= RESERVED_END, "the end of the address space");
        self.reserved = Some(start);
        ReservedWords { next: start, end, publisher: self.writer.publisher() }
    }

    /// Wraps if a record of this many words needs it: if there is room at the ring's beginning, and none up to
    /// its end.
    ///
    /// # Panics
    ///
    /// If words are reserved.
    pub fn wrap_for(&mut self, words: usize) {
        if let Ok(Opening { skipped: Some(skipped), .. }) = self.place(words) {
            // SAFETY: it is free, and not empty: see `Opening`.
            unsafe { write_filler(skipped) };
            // SAFETY: these words are free, and the filler is written.
            unsafe { self.writer.commit(skipped.words) };
        }
    }

    /// Returns the reserved words that are not used. Those before `next` have been published. No other method
    /// may be called before this one.
    ///
    /// # Safety
    ///
    /// `next` is the address past the last record that was published in them, or their beginning.
    pub unsafe fn return_unused(&mut self, next: *mut u64) {
        if let Some(start) = self.reserved.take() {
            let words = (next.addr() - start.addr()) / WORD_BYTES;
            // SAFETY: so many words were free, and have been published: the caller's promise.
            unsafe { self.writer.advance(words) };
        }
    }

    /// Whether words are reserved.
    pub fn has_reserved(&self) -> bool {
        self.reserved.is_some()
    }

    /// Reserves words for one record, in one piece: from the tail on or, if the ring's end is in
    /// the way, at its beginning. Loads the head.
    ///
    /// A slot that is dropped instead of published leaves nothing: the next reservation may get these words.
    ///
    /// # Errors
    ///
    /// If there is no room now, or never will be.
    ///
    /// # Panics
    ///
    /// If words are reserved.
    pub fn reserve(&mut self, words: usize) -> Result<Slot<'_>, Refusal> {
        let Opening { start, skipped } = self.place(words)?;
        let mut commit = words;
        if let Some(skipped) = skipped {
            if mutant::broken(Mutant::FillerLate) {
                // SAFETY: These words are free.
                unsafe { self.writer.commit(skipped.words) };
            } else {
                commit += skipped.words;
            }
            // SAFETY: it is free, and not empty: see `Opening`.
            unsafe { write_filler(skipped) };
        }
        Ok(Slot { writer: &mut self.writer, start, commit })
    }

    /// Finds free words for a record.
    fn place(&mut self, words: usize) -> Result<Opening, Refusal> {
        assert!(self.reserved.is_none(), "words are reserved");
        if words > self.longest() {
            return Err(Refusal::TooLong);
        }
        let [to_end, beginning] = self.writer.free();
        if words <= to_end.words {
            Ok(Opening { start: to_end.start, skipped: None })
        } else if words <= beginning.words {
            Ok(Opening { start: beginning.start, skipped: Some(to_end) })
        } else {
            Err(Refusal::Full)
        }
    }

    /// Whether the consumer has consumed all that was published.
    pub fn is_drained(&mut self) -> bool {
        assert!(self.reserved.is_none(), "words are reserved");
        let [to_end, beginning] = self.writer.free();
        (to_end.words + beginning.words) as u64 == self.capacity() as u64 - SPARE_WORDS
    }

    /// The longest record in words that this ring takes, however empty (INV-4).
    pub fn longest(&self) -> usize {
        self.capacity().div_ceil(2).min(MAX_RECORD_WORDS)
    }

    /// The capacity in words.
    pub fn capacity(&self) -> usize {
        self.writer.capacity()
    }

    /// Whether the consumer's half has been dropped.
    pub fn is_abandoned(&self) -> bool {
        self.writer.is_abandoned()
    }
}

/// Reserved words for one record.
#[derive(Debug)]
#[must_use = "the record is not logged until `publish`"]
pub struct Slot<'a> {
    writer: &'a mut BoundedWriter,
    /// Where the record begins.
    start: *mut u64,
    /// How many words to commit: the record, and before it what is skipped.
    commit: usize,
}

impl Slot<'_> {
    /// The address of the record's words, aligned for a `u64`. It is valid for as many words as
    /// were reserved. They are initialised, but unspecified.
    pub fn as_mut_ptr(&mut self) -> *mut u64 {
        self.start
    }

    /// Publishes the record, by one release store.
    ///
    /// # Safety
    ///
    /// All reserved words have been written, and are a record as the consumer expects it.
    pub unsafe fn publish(self) {
        // SAFETY: All these words were returned by `free`, and not committed since.
        unsafe { self.writer.commit(self.commit) };
    }
}
