//! kymo's ring: in memory that another process can read when this one has been killed, and able to
//! write over its oldest records.
//!
//! The memory ([`memory`]) is a file mapping that others share, or the heap. Its layout
//! ([`layout`]) is specified in `docs/format.md`, "Ring files": a header page and a power of two of
//! words. Records and fillers are those of every ring of kymo's (see `ring`). Positions count words
//! since the ring was made and only grow; a word stands at its position modulo the capacity.
//!
//! Two modes, which share all that but the producer and the consumer:
//!
//! - *Bounded* ([`mod@bounded`]): nothing is written over that has not been consumed. It is the
//!   storage for the record protocol of `ring`.
//! - *Overwriting* ([`mod@overwriting`]): the producer never waits. The consumer copies, finds out
//!   afterwards which words of the copy it can trust, and how many records it has missed.
//!
//! What a dead process left is read by [`recovery`], out of bytes that may be anything.
//!
//! Invariants, beside those of `ring` (of which INV-1 does not hold in the overwriting mode):
//!
//! - INV-R1: The tail is stored with release ordering when all records before it are whole, and
//!   only grows. So whoever loads it with acquire ordering, or finds it when the writer is dead,
//!   finds whole records before it.
//! - INV-R2: A multiple of the capacity before the tail is where a record begins.
//! - INV-R3 (overwriting): A word at a position *p* is written only when the position `reserved`,
//!   stored before it, is greater than *p*. So words from `reserved - capacity` on are as they were
//!   published. `reserved` is always a multiple of the block length, and greater than the tail.
//! - INV-R4 (overwriting): The entry of the index for the block in which the tail stands says where
//!   the first record begins in it, and how many were logged before that one. It is written over
//!   only when the block itself has been reserved again. Every entry between `reserved - capacity`
//!   and the tail that lies in the block it stands for is right.
//! - INV-R5 (overwriting): No record is longer than a quarter of the ring, and a block is at most
//!   that long. So the newest record is always intact.
//! - INV-R6: An account that the consumer has written is in the memory before the log that it
//!   speaks of is committed.
//!
//! Not taken: to encode arguments straight into an overwriting ring. The stores of arguments are
//! unaligned and plain; a consumer that copies the same words meanwhile would make that a data
//! race, whatever becomes of the copy. So such a record is made elsewhere and moved by words, each
//! by a relaxed store, which costs an instruction or two a word.
//! Not taken: a sequence number in each record. It would cost a word, a store and a fence for each;
//! one `reserved` for a sixteenth of the ring costs nothing that can be seen.

pub mod accounts;
pub mod bounded;
pub mod file;
pub mod layout;
pub mod mapping;
pub mod memory;
pub mod overwriting;
pub mod recovery;
#[cfg(all(test, target_os = "linux", not(kymo_loom)))]
mod stepped;
#[cfg(all(test, not(kymo_loom)))]
mod tests;

use std::sync::Arc;

use crate::ring::consumer::RingConsumer;
use crate::ring::producer::RingProducer;
use accounts::Accounts;
use layout::RingMode;
use memory::Ring;

/// Makes a bounded ring of it. The accounts are for the consumer, where there is a log.
///
/// # Panics
///
/// When the ring's mode is another.
pub fn bounded(ring: Ring) -> (RingProducer, RingConsumer, Accounts) {
    let ring = Arc::new(ring);
    let (writer, reader) = bounded::storage(Arc::clone(&ring));
    (RingProducer::new(writer), RingConsumer::new(reader), Accounts::of(ring))
}

/// Makes an overwriting ring of it.
///
/// # Panics
///
/// When the ring's mode is another.
pub fn overwriting(
    ring: Ring,
) -> (overwriting::OverwritingProducer, overwriting::OverwritingConsumer) {
    overwriting::halves(ring)
}

/// What the consumer knows of the log when it writes an account: see [`accounts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogMark {
    /// Which segment: the first eight bytes of its id, as a little-endian number.
    pub segment: u64,
    /// The committed length that says that the records are in it.
    pub committed: u64,
}

impl LogMark {
    /// Of records that are not in the log, and are given up. They are to be recovered until they
    /// have been consumed.
    pub const GIVEN_UP: Self = Self { segment: 0, committed: u64::MAX };
}

fn assert_mode(ring: &Ring, mode: RingMode) {
    assert_eq!(ring.identity().mode, mode, "the ring was made for another mode");
}
