//! The storage that ships: rtrb's ring.
//!
//! A thin adaptor. rtrb's `slots` loads the other half's position with acquire ordering; a chunk's
//! commit stores this half's with release ordering. See `ring` for the invariants.

use super::storage::{self, Run};
use std::hint::assert_unchecked;
use std::mem::MaybeUninit;

/// Makes a storage of this many words.
pub fn storage(capacity_words: usize) -> (Writer, Reader) {
    assert!(capacity_words > 0, "a ring has at least one word");
    let (mut producer, consumer) = rtrb::RingBuffer::new(capacity_words);
    // INV-2: all words are written here. It also makes the kernel provide their memory now.
    let mut all = producer.write_chunk_uninit(capacity_words).expect("a new ring is empty");
    let (first, second) = all.as_mut_slices();
    first.fill(MaybeUninit::new(0));
    second.fill(MaybeUninit::new(0));
    (Writer(producer), Reader(consumer))
}

/// The producer's half.
#[derive(Debug)]
pub struct Writer(rtrb::Producer<u64>);

// SAFETY: INV-1 is rtrb's own. INV-2: `storage` writes all words, and nothing makes one
// uninitialised again. `free` returns rtrb's slices as they are: they lie in a buffer that neither
// moves nor is freed while the producer lives, and no other reference to these words is made before
// the next call of `free`.
unsafe impl storage::Writer for Writer {
    #[inline]
    fn capacity(&self) -> usize {
        self.0.buffer().capacity()
    }

    #[inline]
    fn free(&mut self) -> [Run; 2] {
        let slots = self.0.slots();
        let mut chunk = self.0.write_chunk_uninit(slots).expect("room does not shrink");
        let (first, second) = chunk.as_mut_slices();
        [first, second].map(|run| Run { start: run.as_mut_ptr().cast(), words: run.len() })
    }

    #[inline]
    unsafe fn commit(&mut self, words: usize) {
        // SAFETY: The caller commits what `free` returned, so rtrb's cached positions have that
        // much room. Saying so removes the branch that would look for more.
        unsafe { assert_unchecked(self.0.cached_slots() >= words) };
        let Ok(chunk) = self.0.write_chunk_uninit(words) else { unreachable!() };
        // SAFETY: The words are initialised (INV-2).
        unsafe { chunk.commit_all() };
    }

    #[inline]
    fn is_abandoned(&self) -> bool {
        self.0.is_abandoned()
    }
}

/// The consumer's half.
#[derive(Debug)]
pub struct Reader(rtrb::Consumer<u64>);

impl storage::Reader for Reader {
    type Words<'a> = Words<'a>;

    #[inline]
    fn look(&mut self) {
        self.0.slots();
    }

    #[inline]
    fn committed(&mut self) -> Words<'_> {
        let slots = self.0.cached_slots();
        Words(self.0.read_chunk(slots).expect("what is committed stays so"))
    }

    #[inline]
    fn is_abandoned(&self) -> bool {
        self.0.is_abandoned()
    }
}

/// Committed words.
#[derive(Debug)]
pub struct Words<'a>(rtrb::chunks::ReadChunk<'a, u64>);

impl storage::Words for Words<'_> {
    #[inline]
    fn runs(&self) -> (&[u64], &[u64]) {
        self.0.as_slices()
    }

    #[inline]
    fn consume(self, words: usize) {
        // rtrb would silently take less.
        assert!(words <= self.0.len(), "consumed more words than there are");
        self.0.commit(words);
    }
}
