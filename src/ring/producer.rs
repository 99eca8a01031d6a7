//! The producer's half of the record protocol: reserve, write, publish; and lending the words that
//! are known to be free to a path that is shorter than this.
//!
//! A log call usually does not come here. It writes into the words that [`RingProducer::reserve_free`] gave
//! away, and publishes through the [`Publisher`](crate::ring::storage::bounded::Publisher) that came
//! with them: is there room, write, one release store. All the rest is here, out of its way:
//! looking how far the consumer has come, skipping to the ring's beginning, refusing.
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
    /// Where the words begin that are lent, if any are.
    lent: Option<*mut u64>,
}

// SAFETY: `lent` is an address among words that are the producer's alone (INV-1), whichever thread
// it is on.
unsafe impl Send for RingProducer {}

/// Why a record got no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no room for it now.
    Full,
    /// There will never be: it is longer than [`RingProducer::longest`].
    TooLong,
}

/// Where a record goes.
struct Opening {
    start: *mut u64,
    /// The free run up to the ring's end, if that is too short for it. (It is not empty: where it is,
    /// nothing is free.)
    skipped: Option<Run>,
}

/// Makes a run one that the consumer skips.
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

/// Words that are lent.
#[derive(Clone, Copy, Debug)]
pub struct ReservedWords {
    /// Where they begin: where the next record goes.
    pub next: *mut u64,
    /// Where they end. Of records of at most [`MAX_RECORD_WORDS`], only those fit that the ring takes.
    pub end: *mut u64,
    /// What shows records in them to the consumer.
    pub publisher: Publisher,
}

impl RingProducer {
    pub(super) fn new(writer: BoundedWriter) -> Self {
        Self { writer, lent: None }
    }

    /// Lends the words from the tail on that are known to be free, in one piece, which may be none.
    /// Records may be written there, one behind the other, and published, until
    /// [`return_unused`](Self::return_unused).
    pub fn reserve_free(&mut self) -> ReservedWords {
        let [Run { start, words }, _] = self.writer.free();
        // INV-4: who borrows does not ask how long a record may be.
        let words =
            if self.longest() < MAX_RECORD_WORDS { words.min(self.longest()) } else { words };
        let end = start.wrapping_add(words);
        // INV-3: no system puts a heap there.
        assert!(end.addr() <= RESERVED_END, "the end of the address space");
        self.lent = Some(start);
        ReservedWords { next: start, end, publisher: self.writer.publisher() }
    }

    /// Moves the tail to the ring's beginning if there is room for a record of this many words, but
    /// not up to the ring's end. The rest of the ring is skipped.
    ///
    /// # Panics
    ///
    /// When words are lent.
    pub fn wrap_for(&mut self, words: usize) {
        if let Ok(Opening { skipped: Some(skipped), .. }) = self.place(words) {
            // SAFETY: it is free, and not empty: see `Opening`.
            unsafe { write_filler(skipped) };
            // SAFETY: these words are free, and the filler is written.
            unsafe { self.writer.commit(skipped.words) };
        }
    }

    /// Takes the words back that were lent, of which those before `next` have been published. To be
    /// called before anything else is.
    ///
    /// # Safety
    ///
    /// `next` is the address behind the last record that was published in them, or their beginning.
    pub unsafe fn return_unused(&mut self, next: *mut u64) {
        if let Some(start) = self.lent.take() {
            let words = (next.addr() - start.addr()) / WORD_BYTES;
            // SAFETY: so many words were free, and have been published: the caller's promise.
            unsafe { self.writer.advance(words) };
        }
    }

    /// Whether words are lent.
    pub fn has_reserved(&self) -> bool {
        self.lent.is_some()
    }

    /// Finds room for a record of this many words, in one piece: from the tail on or, if the ring's
    /// end is in the way, at its beginning. Looks how far the consumer has come.
    ///
    /// Of a slot that is dropped instead of published nothing remains: the next reservation may get
    /// the same words.
    ///
    /// # Errors
    ///
    /// Why there is none.
    ///
    /// # Panics
    ///
    /// When words are lent.
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

    /// Finds the place for a record of this many words.
    fn place(&mut self, words: usize) -> Result<Opening, Refusal> {
        assert!(self.lent.is_none(), "words are lent");
        if words > self.longest() {
            return Err(Refusal::TooLong);
        }
        let [ahead, beginning] = self.writer.free();
        if words <= ahead.words {
            Ok(Opening { start: ahead.start, skipped: None })
        } else if words <= beginning.words {
            Ok(Opening { start: beginning.start, skipped: Some(ahead) })
        } else {
            Err(Refusal::Full)
        }
    }

    /// Whether the consumer has consumed all that was published.
    pub fn is_drained(&mut self) -> bool {
        assert!(self.lent.is_none(), "words are lent");
        let [ahead, beginning] = self.writer.free();
        (ahead.words + beginning.words) as u64 == self.capacity() as u64 - SPARE_WORDS
    }

    /// The longest record in words that this ring takes, however empty (INV-4).
    pub fn longest(&self) -> usize {
        self.capacity().div_ceil(2).min(MAX_RECORD_WORDS)
    }

    /// How many words the ring has.
    pub fn capacity(&self) -> usize {
        self.writer.capacity()
    }

    /// Whether the consumer's half has been dropped.
    pub fn is_abandoned(&self) -> bool {
        self.writer.is_abandoned()
    }
}

/// Room for a record.
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
    /// Where the record's words go. Valid for as many as were reserved, aligned for a `u64`; what
    /// they hold is initialised, but unspecified.
    pub fn as_mut_ptr(&mut self) -> *mut u64 {
        self.start
    }

    /// Shows the record to the consumer: one release store.
    ///
    /// # Safety
    ///
    /// All reserved words have been written, and are a record as the consumer expects it.
    pub unsafe fn publish(self) {
        // SAFETY: All these words were returned by `free`, and not committed since.
        unsafe { self.writer.commit(self.commit) };
    }
}
