//! A model of rtrb's protocol, for loom to check what rtrb, which does not know loom, cannot show
//! it.
//!
//! Positions, their arithmetic, the order of the accesses and the ordering of each are those of
//! rtrb 0.4.1; the property tests in `ring::tests` hold the two against each other, on `std`'s
//! types. Not modelled: who frees the buffer (here an `Arc` does).
//!
//! loom sees cells, not buffers, while the code that ships writes and reads words through pointers
//! and slices. So each word of the ring is a cell, and each half has a *staging* buffer of the same
//! layout, private to it, where that code finds its words. The cells are touched at both ends of
//! the time in which the words belong to a half, so that loom sees ownership broken at either end
//! (INV-1):
//!
//! | half | when the words become its own | before it gives them away |
//! | --- | --- | --- |
//! | producer | `free` poisons the cells | `commit` copies the words from staging to the cells |
//! | consumer | `committed` copies the cells' words to staging | `consume` compares the two |

use super::storage::{self, Run};
use crate::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use crate::sync::{Arc, UnsafeCell};
use crate::twin::{self, Twin};

/// What a word holds that is the producer's.
const POISON: u64 = 0xDEAD_DEAD_DEAD_DEAD;

/// The flag that the first half to end raises.
const IS_ABANDONED: u8 = 0b1000_0000;

/// Makes a storage of this many words.
pub fn storage(capacity_words: usize) -> (Writer, Reader) {
    assert!(capacity_words > 0, "a ring has at least one word");
    let ring = Arc::new(Ring {
        head: AtomicUsize::new(0),
        tail: AtomicUsize::new(0),
        flags: AtomicU8::new(0),
        cells: (0..capacity_words).map(|_| UnsafeCell::new(POISON)).collect(),
    });
    let writer = Writer {
        ring: Arc::clone(&ring),
        cached_head: 0,
        cached_tail: 0,
        staging: vec![0; capacity_words],
    };
    (writer, Reader { ring, cached_head: 0, cached_tail: 0, staging: vec![0; capacity_words] })
}

#[derive(Debug)]
struct Ring {
    /// Up to where the consumer has come, in `0 .. 2 * capacity`. The consumer writes it.
    head: AtomicUsize,
    /// Up to where the producer has come, in `0 .. 2 * capacity`. The producer writes it.
    tail: AtomicUsize,
    flags: AtomicU8,
    cells: Box<[UnsafeCell<u64>]>,
}

// SAFETY: Each cell belongs to one half at a time (INV-1).
unsafe impl Sync for Ring {}

impl Ring {
    fn capacity(&self) -> usize {
        self.cells.len()
    }

    /// Wraps a position from `0 .. 2 * capacity` to `0 .. capacity`.
    fn collapse(&self, position: usize) -> usize {
        if position < self.capacity() { position } else { position - self.capacity() }
    }

    /// The position `n` words further on.
    fn increment(&self, position: usize, n: usize) -> usize {
        let threshold = 2 * self.capacity() - n;
        if position < threshold { position + n } else { position - threshold }
    }

    /// How many words lie from `a` to `b`.
    fn distance(&self, a: usize, b: usize) -> usize {
        if a <= b { b - a } else { 2 * self.capacity() - a + b }
    }

    /// The indices of `n` words from `position` on, in order.
    fn indices(&self, position: usize, n: usize) -> impl Iterator<Item = usize> + use<> {
        let (start, capacity) = (self.collapse(position), self.capacity());
        (start..start + n).map(move |index| index % capacity)
    }

    /// The lengths of the two runs of `n` words from `position` on.
    fn split(&self, position: usize, n: usize) -> (usize, usize) {
        let first = n.min(self.capacity() - self.collapse(position));
        (first, n - first)
    }

    fn read(&self, index: usize) -> u64 {
        // SAFETY: The caller's half owns the word (INV-1), which is what loom is here to check.
        self.cells[index].with(|word| unsafe { *word })
    }

    fn write(&self, index: usize, value: u64) {
        // SAFETY: As above.
        self.cells[index].with_mut(|word| unsafe { *word = value });
    }

    fn is_abandoned(&self) -> bool {
        // Pairs with `abandon`: who sees the flag sees all that the other half did.
        let acquire = twin::ordering(Ordering::Acquire, Twin::AbandonedLoad);
        self.flags.load(acquire) & IS_ABANDONED != 0
    }

    fn abandon(&self) {
        // Pairs with `is_abandoned`.
        let release = twin::ordering(Ordering::Release, Twin::AbandonedStore);
        self.flags.fetch_or(IS_ABANDONED, release);
    }
}

/// The producer's half.
#[derive(Debug)]
pub struct Writer {
    ring: Arc<Ring>,
    /// The head as of the last look, which may be stale.
    cached_head: usize,
    /// The tail.
    cached_tail: usize,
    /// The producer's words as the code that ships sees them.
    staging: Vec<u64>,
}

impl Writer {
    /// How many words are free as of the last look.
    fn cached_slots(&self) -> usize {
        self.ring.capacity() - self.ring.distance(self.cached_head, self.cached_tail)
    }
}

// SAFETY: INV-1 is checked by loom, INV-2 holds for the cells and for `staging`, whose buffer
// neither moves nor is referred to otherwise while the caller writes.
unsafe impl storage::Writer for Writer {
    fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    fn free(&mut self) -> [Run; 2] {
        // Pairs with the store in `consume`: the consumer has read what is the producer's again.
        let acquire = twin::ordering(Ordering::Acquire, Twin::HeadLoad);
        self.cached_head = self.ring.head.load(acquire);
        let slots = self.cached_slots();
        for index in self.ring.indices(self.cached_tail, slots) {
            self.ring.write(index, POISON);
        }
        let (first, second) = self.ring.split(self.cached_tail, slots);
        let (start, tail) = (self.staging.as_mut_ptr(), self.ring.collapse(self.cached_tail));
        // `tail` is less than the capacity, so the address is inside the buffer.
        [Run { start: start.wrapping_add(tail), words: first }, Run { start, words: second }]
    }

    unsafe fn commit(&mut self, words: usize) {
        assert!(words <= self.cached_slots(), "committed more words than there are");
        let indices = self.ring.indices(self.cached_tail, words);
        self.cached_tail = self.ring.increment(self.cached_tail, words);
        // Pairs with the load in `committed`: who sees the tail sees the words before it.
        let release = twin::ordering(Ordering::Release, Twin::TailStore);
        if twin::broken(Twin::CommitBeforeWrite) {
            self.ring.tail.store(self.cached_tail, release);
        }
        for index in indices {
            self.ring.write(index, self.staging[index]);
        }
        self.ring.tail.store(self.cached_tail, release);
    }

    fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.ring.abandon();
    }
}

/// The consumer's half.
#[derive(Debug)]
pub struct Reader {
    ring: Arc<Ring>,
    /// The head.
    cached_head: usize,
    /// The tail as of the last look, which may be stale.
    cached_tail: usize,
    /// The consumer's words as the code that ships sees them.
    staging: Vec<u64>,
}

impl storage::Reader for Reader {
    type Words<'a> = Words<'a>;

    fn look(&mut self) {
        // Pairs with the store in `commit`: the words before this tail have been written.
        let acquire = twin::ordering(Ordering::Acquire, Twin::TailLoad);
        self.cached_tail = self.ring.tail.load(acquire);
    }

    fn committed(&mut self) -> Words<'_> {
        let slots = self.ring.distance(self.cached_head, self.cached_tail);
        for index in self.ring.indices(self.cached_head, slots) {
            self.staging[index] = self.ring.read(index);
        }
        Words { reader: self, slots }
    }

    fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // As rtrb does. Pairs with the load in `free`, like the store in `consume`, which it
        // repeats.
        self.ring.head.store(self.cached_head, Ordering::Release);
        self.ring.abandon();
    }
}

/// Committed words.
#[derive(Debug)]
pub struct Words<'a> {
    reader: &'a mut Reader,
    slots: usize,
}

impl storage::Words for Words<'_> {
    fn runs(&self) -> (&[u64], &[u64]) {
        let Reader { ring, cached_head, staging, .. } = &*self.reader;
        let (first, second) = ring.split(*cached_head, self.slots);
        let head = ring.collapse(*cached_head);
        (&staging[head..head + first], &staging[..second])
    }

    fn consume(self, words: usize) {
        assert!(words <= self.slots, "consumed more words than there are");
        let Reader { ring, cached_head, staging, .. } = self.reader;
        let indices = ring.indices(*cached_head, words);
        *cached_head = ring.increment(*cached_head, words);
        // Pairs with the load in `free`: who sees the head may write over the words before it.
        let release = twin::ordering(Ordering::Release, Twin::HeadStore);
        if twin::broken(Twin::ConsumeBeforeRead) {
            ring.head.store(*cached_head, release);
        }
        for index in indices {
            assert_eq!(
                ring.read(index),
                staging[index],
                "a word changed while it was the consumer's"
            );
        }
        ring.head.store(*cached_head, release);
    }
}
