//! The bounded mode: a storage for the record protocol.
//!
//! With positions that only grow and a capacity that is a power of two, moving one is an addition,
//! where rtrb has to wrap at twice the capacity.
//!
//! Under loom, which does not see plain words, each half has a copy of the words that are its own,
//! and moves them to and from the ring's atomic words. That each word has one owner at a time, loom
//! sees by cells that are touched when it becomes a half's own, and before that gives it away: see
//! [`Plain`], and `ring::model`, which does the same.

use std::ptr::NonNull;
use std::sync::Arc;

use super::assert_mode;
use super::layout::{Mode, Shared};
use super::memory::Ring;
use crate::ring::storage::{self, Run};
use crate::sync::atomic::Ordering;
use crate::twin::{self, Twin};

/// Makes a storage of a ring.
pub fn storage(ring: Arc<Ring>) -> (Writer, Reader) {
    assert_mode(&ring, Mode::Bounded);
    let writer =
        Writer { shared: NonNull::from(ring.shared()), tail: 0, plain: Plain::new(&ring), ring };
    let ring = Arc::clone(&writer.ring);
    let plain = Plain::new(&ring);
    (writer, Reader { ring, plain, head: 0, tail: 0 })
}

/// The producer's half.
#[derive(Debug)]
pub struct Writer {
    /// Points into `ring`: one indirection less where a record is published.
    shared: NonNull<Shared>,
    /// The tail, which nobody else moves.
    tail: u64,
    plain: Plain,
    ring: Arc<Ring>,
}

// SAFETY: `shared` points into `ring`, which may be used by all threads.
unsafe impl Send for Writer {}

impl Writer {
    #[inline(always)]
    fn shared(&self) -> &Shared {
        // SAFETY: `ring` keeps it.
        unsafe { self.shared.as_ref() }
    }
}

// SAFETY: INV-1: the words from the tail to the head, one capacity further on, are the producer's;
// `commit` moves the tail over them, and `consume` the head over those before the tail. INV-2: the
// memory was zero. The runs of `free` stay where they are while `ring` lives.
unsafe impl storage::Writer for Writer {
    #[inline]
    fn capacity(&self) -> usize {
        self.ring.capacity() as usize
    }

    #[inline]
    fn free(&mut self) -> [Run; 2] {
        // Acquire: pairs with the store in `consume`: the consumer has read what is free.
        let acquire = twin::ordering(Ordering::Acquire, Twin::RecorderHeadLoad);
        let head = self.shared().consumer.head.load(acquire);
        let capacity = self.ring.capacity();
        let free = capacity.saturating_sub(self.tail.wrapping_sub(head));
        self.plain.claim(&self.ring, self.tail, self.tail + free);
        let ahead = free.min(capacity - (self.tail & (capacity - 1)));
        let behind = self.tail + ahead;
        [
            self.plain.run(&self.ring, self.tail, ahead),
            self.plain.run(&self.ring, behind, free - ahead),
        ]
    }

    #[inline]
    unsafe fn commit(&mut self, words: usize) {
        let tail = self.tail + words as u64;
        // Release: pairs with the load in `look`, and with what recovery finds (INV-R1).
        let release = twin::ordering(Ordering::Release, Twin::RecorderTailStore);
        if twin::broken(Twin::RecorderCommitBeforeWrite) {
            self.shared().tail.store(tail, release);
        }
        self.plain.give(&self.ring, self.tail, tail);
        self.tail = tail;
        self.shared().tail.store(tail, release);
    }

    #[inline]
    fn is_abandoned(&self) -> bool {
        // Acquire: as rtrb has it. Pairs with the store in the consumer's `drop`.
        self.shared().consumer.ended.load(Ordering::Acquire) != 0
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Release: pairs with the load in the consumer's `is_abandoned`: who sees it sees the tail.
        let release = twin::ordering(Ordering::Release, Twin::RecorderEndedStore);
        self.shared().ended.store(1, release);
    }
}

/// The consumer's half.
#[derive(Debug)]
pub struct Reader {
    ring: Arc<Ring>,
    plain: Plain,
    /// The head, which nobody else moves.
    head: u64,
    /// The tail as of the last look.
    tail: u64,
}

impl storage::Reader for Reader {
    type Words<'a> = Words<'a>;

    #[inline]
    fn look(&mut self) {
        // Acquire: pairs with the store in `commit`.
        let acquire = twin::ordering(Ordering::Acquire, Twin::RecorderTailLoad);
        let tail = self.ring.shared().tail.load(acquire);
        // It is what it should be as long as no other process writes to the file. Nobody may be
        // made to read outside of the ring.
        self.tail = tail.clamp(self.head, self.head + self.ring.capacity());
        self.plain.take(&self.ring, self.head, self.tail);
    }

    #[inline]
    fn committed(&mut self) -> Words<'_> {
        Words(self)
    }

    #[inline]
    fn is_abandoned(&self) -> bool {
        // Acquire: pairs with the store in the producer's `drop`.
        let acquire = twin::ordering(Ordering::Acquire, Twin::RecorderEndedLoad);
        self.ring.shared().ended.load(acquire) != 0
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Release: pairs with the load in the producer's `is_abandoned`.
        self.ring.shared().consumer.ended.store(1, Ordering::Release);
    }
}

/// Committed words.
#[derive(Debug)]
pub struct Words<'a>(&'a mut Reader);

impl storage::Words for Words<'_> {
    #[inline]
    fn runs(&self) -> (&[u64], &[u64]) {
        let Reader { ring, plain, head, tail, .. } = &*self.0;
        let words = tail - head;
        let first = words.min(ring.capacity() - (head & (ring.capacity() - 1)));
        let run = |position, words| {
            let Run { start, words } = plain.run(ring, position, words);
            // SAFETY: The words are initialised, and belong to the consumer until `consume`, which
            // takes `self` (INV-1). Their memory lives as long as `ring`.
            unsafe { std::slice::from_raw_parts(start, words) }
        };
        (run(*head, first), run(head + first, words - first))
    }

    #[inline]
    fn consume(self, words: usize) {
        let reader = self.0;
        assert!(words as u64 <= reader.tail - reader.head, "consumed more words than there are");
        let head = reader.head + words as u64;
        reader.plain.release(&reader.ring, reader.head, head);
        reader.head = head;
        // Release: pairs with the load in `free`: who sees the head may write over the words before
        // it.
        let release = twin::ordering(Ordering::Release, Twin::RecorderHeadStore);
        reader.ring.shared().consumer.head.store(reader.head, release);
    }
}

/// Words as plain memory: those of the ring themselves.
#[cfg(not(kymo_loom))]
#[derive(Debug)]
struct Plain;

#[cfg(not(kymo_loom))]
impl Plain {
    fn new(_: &Ring) -> Self {
        Self
    }

    /// The words from `position` on, which do not reach beyond the ring's end.
    #[inline]
    fn run(&self, ring: &Ring, position: u64, words: u64) -> Run {
        Run { start: ring.word(position).as_ptr(), words: words as usize }
    }

    /// Free words become the producer's.
    #[inline(always)]
    fn claim(&self, _: &Ring, _from: u64, _to: u64) {}

    /// Words are the consumer's no longer.
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

    fn cell(&self, position: u64) -> &std::cell::Cell<u64> {
        &self.0[position as usize & (self.0.len() - 1)]
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
        for at in from..to {
            ring.owner(at).with_mut(|_| ());
            // Relaxed, here and below: the tail and the head order the words.
            ring.word(at).store(self.cell(at).get(), Ordering::Relaxed);
        }
    }

    fn take(&self, ring: &Ring, from: u64, to: u64) {
        for at in from..to {
            ring.owner(at).with(|_| ());
            self.cell(at).set(ring.word(at).load(Ordering::Relaxed));
        }
    }
}
