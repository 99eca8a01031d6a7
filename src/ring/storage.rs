//! What the record protocol asks of a storage of words.
//!
//! rtrb offers more; this is all that kymo uses, so it is all that the model has to imitate. Runs
//! are raw pointers rather than slices because the producer keeps one from call to call, and writes
//! records through it unchecked.

use super::recorder::LogMark;

/// Words in one piece.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The address of the first word. Not to be dereferenced where `words` is zero.
    pub start: *mut u64,
    /// How many words.
    pub words: usize,
}

/// The producer's half of a storage.
///
/// # Safety
///
/// An implementation keeps INV-1 and INV-2, and what [`free`](Self::free) promises.
pub unsafe trait Writer: Send {
    /// How many words the storage has.
    fn capacity(&self) -> usize;

    /// Looks how far the consumer has come, and returns all words that are the producer's: the run
    /// from the tail on, and the run from the storage's beginning on, which is empty unless the
    /// first one ends at the storage's end.
    ///
    /// The words stay valid, and may be read and written through these pointers, until they are
    /// committed; moving the writer does not matter. The runs of an earlier call are void.
    fn free(&mut self) -> [Run; 2];

    /// Gives the consumer the first `words` free words, by one release store.
    ///
    /// # Safety
    ///
    /// No more words than the last call of [`free`](Self::free) returned, less those committed
    /// since.
    unsafe fn commit(&mut self, words: usize);

    /// The same, where the caller knows that the storage is not in a file, and need not ask.
    ///
    /// # Safety
    ///
    /// As for [`commit`](Self::commit); and [`is_in_file`](Self::is_in_file) is false.
    #[inline(always)]
    unsafe fn commit_on_heap(&mut self, words: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.commit(words) };
    }

    /// Whether the words are in a file, so that they outlive the process.
    fn is_in_file(&self) -> bool {
        false
    }

    /// Whether the consumer's half has been dropped.
    fn is_abandoned(&self) -> bool;
}

/// The consumer's half of a storage.
pub trait Reader: Send {
    /// Committed words, borrowed from the ring.
    type Words<'a>: Words
    where
        Self: 'a;

    /// Looks how far the producer has come.
    fn look(&mut self);

    /// All words that were committed as of the last [`look`](Self::look) and are not consumed.
    fn committed(&mut self) -> Self::Words<'_>;

    /// Whether the producer's half has been dropped. An acquire load: when this is true, the next
    /// [`look`](Self::look) sees the last words.
    fn is_abandoned(&self) -> bool;

    /// Whether the words are in a file. The methods below do nothing for others.
    fn is_in_file(&self) -> bool {
        false
    }

    /// Says in the file that the next words, and the records in them, will be in the log as soon as
    /// that is committed: see `recorder::accounts`.
    fn prepare(&mut self, _words: usize, _records: u64, _mark: LogMark) {}

    /// Takes back what was said last: the log was not committed.
    fn retract(&mut self, _words: usize, _records: u64) {}

    /// Leaves the file where it is, for whoever recovers it.
    fn keep_file(&mut self) {}

    /// Removes the file, unless it is to stay: nothing in it is needed any more.
    fn remove_file(&mut self) {}
}

/// Committed words.
pub trait Words {
    /// The words up to the storage's end, and those from its beginning on.
    fn runs(&self) -> (&[u64], &[u64]);

    /// Gives the producer the first `words` of them back, by one release store.
    ///
    /// # Panics
    ///
    /// When there are not as many.
    fn consume(self, words: usize);
}
