//! A thread's rings: whole records in, whole records out, one producer and one consumer each.
//!
//! In come the words of records; out go these words, and the count of what was overwritten. A ring knows
//! nothing of arguments, of threads, or of the log file.
//!
//! | file | holds |
//! | --- | --- |
//! | `storage/` | words in memory or in a file, in two modes: bounded and overwriting |
//! | `producer`, `consumer` | the record protocol of a bounded ring |
//! | `cursor` | what a log call needs of its thread's bounded ring, in one cache line |
//! | `overwriting_rings` | a thread's overwriting rings: that of the log, and the flight recorder |
//! | `record` | header and time stamp of a record |
//! | `known_sites` | the call sites that a thread need not write to a file again |
//!
//! A bounded ring of 16 words, whose consumer has released 5, and whose next record has 4:
//!
//! ```text
//!   0           5 = head                  13 = tail   16
//!   | free      | record | record         | filler    |     before
//!   | record |  | record | record         | filler    |     after: tail = 16 + 4
//! ```
//!
//! The record protocol:
//!
//! - A record is a run of 64-bit words. The first is its header. The lower 48 bits of the header
//!   are the address of the call site. The 15 bits above are the record's length in bytes, header
//!   included. Bit 63 belongs to the caller.
//! - A record lies in one piece. If the free words up to the ring's end are too few, and those at its
//!   beginning are not, the record wraps. A *filler* skips the last words: a header without a call site,
//!   whose length is that of the words that are skipped.
//! - One release store of the tail publishes a record and the filler before it.
//!
//! loom checks the code that ships, except for the words themselves, which it does not see.
//!
//! Invariants, which the safety comments of this folder cite:
//!
//! - INV-1: The words from the head to the tail belong to the consumer, the others to the producer. Only the
//!   producer moves the tail and only the consumer the head, each over its own words, by a release store.
//!   Each learns of the other's by an acquire load. So words that a half knows to be its own stay so until it
//!   gives them away.
//! - INV-2: Every word is initialised when the ring is made.
//! - INV-3: Reserved words (`RingProducer::reserve_free`) are the producer's own and in one piece. They end
//!   at [`RESERVED_END`] at the latest.
//! - INV-4: No record is longer than half of the ring, rounded up. So an empty ring has room for a record,
//!   wherever head and tail are. A longer one might wait for ever, and is refused instead.
//!
//! Not taken: records that are split at the wrap, as rtrb's chunks would have it. Every store of an argument,
//! and every load of the consumer, would have to ask on which side of the wrap it lies.

pub mod consumer;
pub(crate) mod cursor;
pub(crate) mod known_sites;
pub(crate) mod overwriting_rings;
pub mod producer;
pub(crate) mod record;
pub mod storage;
#[cfg(all(test, not(kymo_loom)))]
mod tests;

pub use consumer::RingConsumer;
pub use producer::RingProducer;

use std::collections::TryReserveError;
use std::io;
use std::path::Path;

use crate::format::MAX_RECORD_BYTES;
use storage::file::RingFile;
use storage::layout::RingIdentity;
use storage::overwriting::{OverwritingConsumer, OverwritingProducer};

/// The bytes of a word. Rings are measured in words.
pub const WORD_BYTES: usize = 8;

/// The longest record in words.
pub const MAX_RECORD_WORDS: usize = MAX_RECORD_BYTES / WORD_BYTES;

/// How many lower bits of a header are the address.
pub const ADDRESS_BITS: u32 = 48;

/// No reserved words lie past this address. So the length of a record may be added to the address of any.
pub const RESERVED_END: usize = (usize::MAX - 2 * MAX_RECORD_BYTES) & !(WORD_BYTES - 1);

/// The bits above the address that are the length in bytes.
const LENGTH_MASK: u64 = (1 << 15) - 1;

/// The bit of a header that is free for the writer and the reader of records.
pub const MARK: u64 = 1 << 63;

const _: () = assert!(MAX_RECORD_BYTES.is_multiple_of(WORD_BYTES));
const _: () =
    assert!(MAX_RECORD_BYTES <= LENGTH_MASK as usize, "a length fits its bits of a header");

/// The header of a record.
pub const fn header(address: u64, bytes: usize) -> u64 {
    address | (bytes as u64) << ADDRESS_BITS
}

/// The header that says: this many words up to the ring's end are skipped.
pub const fn filler(words: usize) -> u64 {
    header(0, words * WORD_BYTES)
}

/// The address in a header; zero if it is a filler's.
pub const fn address(header: u64) -> u64 {
    header & ((1 << ADDRESS_BITS) - 1)
}

/// The length in bytes in a header.
pub const fn bytes(header: u64) -> usize {
    (header >> ADDRESS_BITS & LENGTH_MASK) as usize
}

/// Makes a ring of at least this many words (see [`storage::memory::capacity_for`]), all of them
/// written once, so that its memory is there.
pub fn ring(words: usize) -> (RingProducer, RingConsumer) {
    try_ring(words).expect("memory for a ring")
}

/// As [`ring`].
///
/// # Errors
///
/// If there is no memory for it.
pub fn try_ring(words: usize) -> Result<(RingProducer, RingConsumer), TryReserveError> {
    let capacity_words = storage::memory::capacity_for(words);
    let identity = RingIdentity { capacity_words, ..Default::default() };
    let ring = storage::memory::Ring::try_on_heap(identity)?;
    #[cfg(kymo_loom)]
    let ring = ring.with_hidden_words();
    let (producer, consumer, _) = storage::bounded(ring);
    Ok((producer, consumer))
}

/// Makes a ring in a file in this directory.
///
/// # Errors
///
/// What the system says.
pub fn ring_in_file(
    directory: &Path,
    identity: RingIdentity,
) -> io::Result<(RingProducer, RingConsumer)> {
    let (ring, file) = RingFile::create(directory, identity)?;
    let (producer, consumer, accounts) = storage::bounded(ring);
    Ok((producer, consumer.with_file(accounts, file)))
}

/// Makes a ring in a file in this directory that overwrites its oldest records.
///
/// # Errors
///
/// What the system says.
pub fn recorder_in_file(
    directory: &Path,
    identity: RingIdentity,
) -> io::Result<(OverwritingProducer, OverwritingConsumer)> {
    let (ring, file) = RingFile::create(directory, identity)?;
    let (recorder, follower) = storage::overwriting(ring);
    Ok((recorder, follower.with_file(file)))
}
