//! The bounded mode: the storage for the record protocol of `ring`.
//!
//! Positions only grow and the capacity is a power of two, so moving one is an addition. While
//! words are reserved, their addresses represent positions: the difference is a constant, the
//! [`Publisher`]'s bias.
//!
//! Of the published tail, the consumer believes only where in the ring it is. How often the
//! producer has wrapped follows from the head. So the ring is never quite full, because a full one
//! would look empty. And so a ring on the heap publishes plain addresses, without a bias: nobody
//! else reads its tail. The tail of a ring in a file tells its position, for recovery.
//!
//! loom does not see plain words. So under loom each half has a copy of the words that are its own,
//! and moves them to and from the ring's atomic words. A cell for each word shows loom that the
//! word has one owner at a time. A half touches the cell when the word becomes its own, and again
//! before it gives the word away: see `Plain`.

use std::ptr::NonNull;
use std::sync::Arc;

use crate::mutant::{self, Mutant};
use crate::ring::storage::assert_mode;
use crate::ring::storage::layout::{RingHeader, RingMode, position_of, tail_at};
use crate::ring::storage::memory::Ring;
use crate::sync::atomic::Ordering;

/// Words in one piece.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The address of the first word. Not to be dereferenced if `words` is zero.
    pub start: *mut u64,
    /// How many words.
    pub words: usize,
}

/// Makes the two halves of a ring.
pub fn storage(ring: Arc<Ring>) -> (BoundedWriter, BoundedReader) {
    assert_mode(&ring, RingMode::Bounded);
    let origin = if ring.publishes_addresses() { ring.words().addr().get() as u64 } else { 0 };
    // Relaxed: no other thread knows the ring yet.
    ring.shared().tail.store(origin, Ordering::Relaxed);
    let shared = NonNull::from(ring.shared());
    let writer = BoundedWriter { shared, origin, tail: 0, plain: Plain::new(&ring), ring };
    let ring = Arc::clone(&writer.ring);
    let plain = Plain::new(&ring);
    (writer, BoundedReader { ring, plain, origin, head: 0, tail: 0 })
}

/// How many words of a ring stay free.
pub const SPARE_WORDS: u64 = 1;

/// The producer's half.
#[derive(Debug)]
pub struct BoundedWriter {
    /// Points into `ring`, which saves an indirection when a record is published.
    shared: NonNull<RingHeader>,
    /// What is published for position zero.
    origin: u64,
    /// The tail. Only this half moves it.
    tail: u64,
    plain: Plain,
    ring: Arc<Ring>,
}

// SAFETY: `shared` points into `ring`, which all threads may use.
unsafe impl Send for BoundedWriter {}

impl BoundedWriter {
    #[inline(always)]
    fn shared(&self) -> &RingHeader {
        // SAFETY: `ring` keeps the header alive.
        unsafe { self.shared.as_ref() }
    }
}

impl BoundedWriter {
    /// How many words the ring has.
    pub fn capacity(&self) -> usize {
        self.ring.capacity() as usize
    }

    /// Loads the head, and returns all words that are the producer's, as two runs. The first begins
    /// at the tail. The second begins at the ring's beginning, and is empty unless the first one
    /// ends at the ring's end.
    ///
    /// The words may be read and written through these pointers until they are committed, wherever
    /// the writer is moved meanwhile. The runs of an earlier call are void.
    pub fn free(&mut self) -> [Run; 2] {
        // Acquire: pairs with the store in `consume`, so the consumer has read what is free.
        let acquire = mutant::ordering(Ordering::Acquire, Mutant::RingHeadLoad);
        let head = self.shared().consumer.head.load(acquire);
        let capacity = self.ring.capacity();
        let most = capacity - SPARE_WORDS;
        let free = most.saturating_sub(self.tail.wrapping_sub(head));
        self.plain.claim(&self.ring, self.tail, self.tail + free);
        let ahead = free.min(capacity - (self.tail & (capacity - 1)));
        let behind = self.tail + ahead;
        [
            self.plain.run(&self.ring, self.tail, ahead),
            self.plain.run(&self.ring, behind, free - ahead),
        ]
    }

    /// Gives the consumer the first `words` free words, by one release store.
    ///
    /// # Safety
    ///
    /// `words` is at most as many as the last call of [`free`](Self::free) returned, less those
    /// committed since.
    pub unsafe fn commit(&mut self, words: usize) {
        let tail = self.tail + words as u64;
        let published = self.origin.wrapping_add(tail_at(tail));
        publish(self.shared(), published, || self.plain.give(&self.ring, self.tail, tail));
        self.tail = tail;
    }

    /// The publisher of words of the first run of [`free`](Self::free). It is good until `free` is
    /// called again.
    pub fn publisher(&self) -> Publisher {
        let start = self.plain.run(&self.ring, self.tail, 0).start;
        let bias = tail_at(self.tail).wrapping_sub(start.addr() as u64);
        Publisher {
            bias: if self.ring.publishes_addresses() { 0 } else { bias },
            shared: self.shared,
            #[cfg(kymo_loom)]
            ring: Arc::as_ptr(&self.ring),
            #[cfg(kymo_loom)]
            plain: &raw const *self.plain.0,
        }
    }

    /// Notes that a publisher gave so many words to the consumer.
    ///
    /// # Safety
    ///
    /// The conditions of [`commit`](Self::commit) hold, and the publisher has given these words.
    pub unsafe fn advance(&mut self, words: usize) {
        self.tail += words as u64;
    }

    /// Whether the consumer's half has been dropped.
    pub fn is_abandoned(&self) -> bool {
        // Acquire: pairs with the store in the consumer's `drop`.
        self.shared().consumer.ended.load(Ordering::Acquire) != 0
    }
}

/// Publishes what is before this tail. `give` first moves the words to where the consumer finds
/// them.
#[inline(always)]
fn publish(shared: &RingHeader, tail: u64, give: impl FnOnce()) {
    // Release: pairs with the load in `look`, and with what recovery finds (INV-R1).
    let release = mutant::ordering(Ordering::Release, Mutant::RingTailStore);
    if mutant::broken(Mutant::RingCommitBeforeWrite) {
        shared.tail.store(tail, release);
    }
    give();
    shared.tail.store(tail, release);
}

impl Drop for BoundedWriter {
    fn drop(&mut self) {
        // Release: a reader of the file that finds it has all records before.
        self.shared().ended.store(1, Ordering::Release);
    }
}

/// Publishes reserved words, by their addresses: one store, and before it an addition if the ring
/// is in a file.
#[derive(Clone, Copy, Debug)]
pub struct Publisher {
    /// The difference between an address and the tail that is published there.
    bias: u64,
    shared: NonNull<RingHeader>,
    #[cfg(kymo_loom)]
    ring: *const Ring,
    #[cfg(kymo_loom)]
    plain: *const [std::cell::Cell<u64>],
}

impl Publisher {
    /// Gives the consumer the reserved words from one address to another. `on_heap`: the ring is on
    /// the heap.
    ///
    /// # Safety
    ///
    /// The ring lives. The words are reserved, have been written, and follow on those that were
    /// given before.
    #[inline(always)]
    pub unsafe fn publish(&self, from: *mut u64, to: *mut u64, on_heap: bool) {
        // SAFETY: the caller's promise: the ring lives.
        let shared = unsafe { self.shared.as_ref() };
        let tail = if on_heap && !cfg!(kymo_loom) { to.addr() as u64 } else { self.tail(to) };
        debug_assert_eq!(tail, self.tail(to));
        publish(shared, tail, || {
            #[cfg(kymo_loom)]
            {
                // SAFETY: the caller's promise: the ring lives.
                let ring = unsafe { &*self.ring };
                // SAFETY: the ring lives, and with it the producer, which has the cells.
                let cells = unsafe { &*self.plain };
                give(cells, ring, position_of(self.tail(from)), position_of(self.tail(to)));
            }
            let _ = from;
        });
    }

    /// The tail that is published for this address.
    #[inline(always)]
    fn tail(&self, address: *mut u64) -> u64 {
        (address.addr() as u64).wrapping_add(self.bias)
    }
}

/// The consumer's half.
#[derive(Debug)]
pub struct BoundedReader {
    ring: Arc<Ring>,
    plain: Plain,
    /// What is published for position zero.
    origin: u64,
    /// The head. Only this half moves it.
    head: u64,
    /// The tail when it was loaded last.
    tail: u64,
}

impl BoundedReader {
    /// Loads the tail.
    #[inline]
    pub fn look(&mut self) {
        // Acquire: pairs with the store in `commit`.
        let acquire = mutant::ordering(Ordering::Acquire, Mutant::RingTailLoad);
        let published = self.ring.shared().tail.load(acquire);
        let tail = position_of(published.wrapping_sub(self.origin));
        // Less than the capacity. So nothing outside of the ring is read, whatever other processes
        // write to its file.
        let words = tail.wrapping_sub(self.head) & (self.ring.capacity() - 1);
        self.tail = self.head + words;
        self.plain.take(&self.ring, self.head, self.tail);
    }

    /// All words that were committed at the last [`look`](Self::look) and are not consumed.
    #[inline]
    pub fn committed(&mut self) -> CommittedWords<'_> {
        CommittedWords(self)
    }
}

impl Drop for BoundedReader {
    fn drop(&mut self) {
        // Release: pairs with the load in the producer's `is_abandoned`.
        self.ring.shared().consumer.ended.store(1, Ordering::Release);
    }
}

/// Committed words.
#[derive(Debug)]
pub struct CommittedWords<'a>(&'a mut BoundedReader);

impl CommittedWords<'_> {
    /// The words up to the ring's end, and those at its beginning that follow.
    #[inline]
    pub fn runs(&self) -> (&[u64], &[u64]) {
        let BoundedReader { ring, plain, head, tail, .. } = &*self.0;
        let words = tail - head;
        let first = words.min(ring.capacity() - (head & (ring.capacity() - 1)));
        let run = |position, words| {
            let Run { start, words } = plain.run(ring, position, words);
            // SAFETY: the words are initialised, and belong to the consumer until `consume`, which
            // takes `self` (INV-1). Their memory lives as long as `ring`.
            unsafe { std::slice::from_raw_parts(start, words) }
        };
        (run(*head, first), run(head + first, words - first))
    }

    /// Gives the first `words` of them back to the producer, by one release store.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    #[inline]
    pub fn consume(self, words: usize) {
        let reader = self.0;
        assert!(words as u64 <= reader.tail - reader.head, "consumed more words than there are");
        let head = reader.head + words as u64;
        reader.plain.release(&reader.ring, reader.head, head);
        reader.head = head;
        // Release: pairs with the load in `free`. A producer that sees the head may write over the
        // words before it.
        let release = mutant::ordering(Ordering::Release, Mutant::RingHeadStore);
        reader.ring.shared().consumer.head.store(reader.head, release);
    }
}

/// Words as plain memory: the ring's own.
#[cfg(not(kymo_loom))]
#[derive(Debug)]
struct Plain;

#[cfg(not(kymo_loom))]
impl Plain {
    fn new(_: &Ring) -> Self {
        Self
    }

    /// The words from `position` on. They do not reach past the ring's end.
    #[inline]
    fn run(&self, ring: &Ring, position: u64, words: u64) -> Run {
        Run { start: ring.word_at(position).as_ptr().cast(), words: words as usize }
    }

    /// Free words become the producer's.
    #[inline(always)]
    fn claim(&self, _: &Ring, _from: u64, _to: u64) {}

    /// The words no longer belong to the consumer.
    #[inline(always)]
    fn release(&self, _: &Ring, _from: u64, _to: u64) {}

    /// Moves words to the ring.
    #[inline(always)]
    fn give(&self, _: &Ring, _from: u64, _to: u64) {}

    /// Moves words from the ring.
    #[inline(always)]
    fn take(&self, _: &Ring, _from: u64, _to: u64) {}
}

/// Words as plain memory: a copy of each half's own.
#[cfg(kymo_loom)]
#[derive(Debug)]
struct Plain(Box<[std::cell::Cell<u64>]>);

#[cfg(kymo_loom)]
impl Plain {
    fn new(ring: &Ring) -> Self {
        Self((0..ring.capacity()).map(|_| std::cell::Cell::new(0)).collect())
    }

    fn run(&self, _: &Ring, position: u64, words: u64) -> Run {
        // From the whole buffer's address, so that it is valid for all words of the run.
        let start = self.0.as_ptr().wrapping_add(position as usize & (self.0.len() - 1));
        Run { start: start.cast_mut().cast(), words: words as usize }
    }

    fn claim(&self, ring: &Ring, from: u64, to: u64) {
        (from..to).for_each(|at| ring.owner(at).with_mut(|_| ()));
    }

    fn release(&self, ring: &Ring, from: u64, to: u64) {
        (from..to).for_each(|at| ring.owner(at).with(|_| ()));
    }

    fn give(&self, ring: &Ring, from: u64, to: u64) {
        give(&self.0, ring, from, to);
    }

    fn take(&self, ring: &Ring, from: u64, to: u64) {
        for at in from..to {
            ring.owner(at).with(|_| ());
            self.0[at as usize & (self.0.len() - 1)].set(ring.load_word(at));
        }
    }
}

#[cfg(kymo_loom)]
fn give(cells: &[std::cell::Cell<u64>], ring: &Ring, from: u64, to: u64) {
    for at in from..to {
        ring.owner(at).with_mut(|_| ());
        ring.store_word(at, cells[at as usize & (cells.len() - 1)].get());
    }
}
