//! The storage of a ring: words in memory that another process can read after this one was killed.
//!
//! In come records as words; out go the same words, whole and in order, and the count of what was
//! overwritten. Nothing here knows of arguments, threads or the consumer's sweep.
//!
//! The memory ([`memory`]) is a file mapping that others share, or the heap. Its layout
//! ([`layout`]) is specified in `docs/format.md`, "Ring files": a header page and a power of two of
//! words. Records and fillers are those of `ring`. Positions count words since the ring was made,
//! and only grow. A word is at its position modulo the capacity.
//!
//! There are two modes, with a producer and a consumer each:
//!
//! - *Bounded* ([`mod@bounded`]): words are written again only after they were consumed. It is the
//!   storage for the record protocol of `ring`.
//! - *Overwriting* ([`mod@overwriting`]): the producer never waits. The consumer copies words, then
//!   finds out which of the copy it can trust, and how many records it has missed.
//!
//! [`recovery`] reads what a dead process left, out of bytes that may be anything.
//!
//! Invariants, beside those of `ring` (INV-1 does not hold in the overwriting mode):
//!
//! - INV-R1: The tail is stored with release ordering when all records before it are whole, and
//!   only grows. So a reader that loads it with acquire ordering, or finds it when the writer is
//!   dead, finds whole records before it.
//! - INV-R2: At each multiple of the capacity before the tail, a record begins.
//! - INV-R3 (overwriting): A word at a position *p* is written only when the position `reserved`,
//!   stored before it, is greater than *p*. So words from `reserved - capacity` on are as they were
//!   published. `reserved` is always a multiple of the block length, and greater than the tail.
//! - INV-R4 (overwriting): The entry of the index for the tail's block says where the first record
//!   of the block begins, and how many were logged before it. It is overwritten only after the
//!   block itself was reserved again. Between `reserved - capacity` and the tail, every entry that
//!   lies in its own block is right.
//! - INV-R5 (overwriting): No record is longer than a quarter of the ring, and a block is at most
//!   that long. So the newest record is always intact.
//! - INV-R6: The consumer writes an account into the memory before it commits the log that the
//!   account names.
//!
//! Not taken: to encode arguments straight into an overwriting ring. The stores of arguments are
//! unaligned and plain. A consumer that copies these words meanwhile would make that a data race,
//! whatever becomes of the copy. So such a record is made elsewhere and moved by words. Each is one
//! relaxed store, which costs an instruction or two.
//!
//! Not taken: a sequence number in each record. It would cost a word, a store and a fence for each.
//! One `reserved` for a sixteenth of the ring has no cost that can be measured.

pub mod accounts;
pub mod bounded;
pub mod file;
pub mod layout;
pub mod memory;
pub mod overwriting;
pub mod recovery;
#[cfg(all(test, not(kymo_loom)))]
mod stepped;
#[cfg(all(test, not(kymo_loom)))]
mod tests;

use std::sync::Arc;

use crate::ring::consumer::RingConsumer;
use crate::ring::producer::RingProducer;
use accounts::Accounts;
use layout::RingMode;
use memory::Ring;

/// Makes a bounded ring of this memory. The consumer uses the accounts if there is a log.
///
/// # Panics
///
/// If the ring's mode is another.
pub fn bounded(ring: Ring) -> (RingProducer, RingConsumer, Accounts) {
    let ring = Arc::new(ring);
    let (writer, reader) = bounded::storage(Arc::clone(&ring));
    (RingProducer::new(writer), RingConsumer::new(reader), Accounts::of(ring))
}

/// Makes an overwriting ring of this memory.
///
/// # Panics
///
/// If the ring's mode is another.
pub fn overwriting(
    ring: Ring,
) -> (overwriting::OverwritingProducer, overwriting::OverwritingConsumer) {
    overwriting::halves(ring)
}

/// What the consumer knows of the log when it writes an account: see [`accounts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogMark {
    /// The segment: the first eight bytes of its id, as a little-endian number.
    pub segment: u64,
    /// The committed length from which on the records are in the segment.
    pub committed: u64,
}

impl LogMark {
    /// The mark of records that are not in the log, and are given up. They can be recovered until
    /// they have been consumed.
    pub const GIVEN_UP: Self = Self { segment: 0, committed: u64::MAX };
}

fn assert_mode(ring: &Ring, mode: RingMode) {
    assert_eq!(ring.identity().mode, mode, "the ring was made for another mode");
}
