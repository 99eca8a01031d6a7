//! A thread's ring: whole records in, whole records out, one producer and one consumer.
//!
//! Two layers. A *storage* moves words from one half to the other and knows nothing of records:
//! rtrb's ring (`on_rtrb`) or one in a file (`recorder`) in the shipped crate, a model of rtrb's
//! protocol under loom (`model`); all have the few methods of `storage`. The *record protocol* above it (`producer`, `consumer`) is
//! one code for both, so that loom checks the lines that ship.
//!
//! The record protocol:
//!
//! - A record is a run of 64-bit words. The first is its header: the address of its call site in
//!   the upper 48 bits, its length in bytes, header included, in the lower 15. Bit 15 is for
//!   whoever writes and reads records.
//! - A record lies in one piece. Where the run of free words up to the ring's end is too short for
//!   it but the one behind it, at the ring's beginning, is not, it goes there. The rest of the ring
//!   up to its end is skipped: its first word is a *filler*, a header without a call site whose
//!   length is that of what is skipped.
//! - A record and the filler before it are published by one release store of the tail.
//!
//! Invariants, which the safety comments of this folder cite:
//!
//! - INV-1: The words from the head to the tail belong to the consumer, the others to the producer.
//!   Only the producer moves the tail, only the consumer the head, each over words that are its
//!   own, by a release store; each learns of the other's by an acquire load. So what a half once
//!   knew to be its own stays so until it gives it away.
//! - INV-2: Every word is initialised when the ring is made.
//! - INV-3: The words from the producer's `next` to its `end` are its own and in one piece. Unless
//!   there are none, they begin at the tail. `end` is so far from the end of the address space that
//!   the longest record fits behind it.
//! - INV-4: No record is longer than half of the ring, rounded up. So a record finds its place in
//!   an empty ring wherever head and tail stand; a longer one might wait forever, and is refused
//!   instead.
//!
//! Not taken: records split at the wrap, as rtrb's chunks would have it. Every store of an
//! argument, and the consumer's every load, would have to ask on which side of the wrap it lies.

pub mod consumer;
#[cfg(not(kymo_loom))]
pub mod either;
#[cfg(any(test, kymo_loom))]
pub mod model;
#[cfg(not(kymo_loom))]
pub mod on_rtrb;
pub mod producer;
pub mod recorder;
pub mod storage;
#[cfg(all(test, not(kymo_loom)))]
mod tests;

#[cfg(not(kymo_loom))]
use either as chosen;
#[cfg(kymo_loom)]
use model as chosen;

use crate::format::MAX_RECORD_BYTES;

/// The bytes of a word. Rings are measured in words.
pub const WORD_BYTES: usize = 8;

/// The longest record in words.
pub const MAX_RECORD_WORDS: usize = MAX_RECORD_BYTES / WORD_BYTES;

/// How many lower bits of a header are not the address.
pub const LENGTH_BITS: u32 = 16;

/// The bits of a header that are the length in bytes.
pub const LENGTH_MASK: u64 = (1 << (LENGTH_BITS - 1)) - 1;

const _: () = assert!(MAX_RECORD_BYTES.is_multiple_of(WORD_BYTES));
const _: () =
    assert!(MAX_RECORD_BYTES <= LENGTH_MASK as usize, "a length fits its bits of a header");

/// The producer's half of a ring.
pub type WordProducer = producer::Producer<chosen::Writer>;

/// The consumer's half of a ring.
pub type WordConsumer = consumer::Consumer<chosen::Reader>;

/// Room for a record.
#[cfg(kymo_loom)]
pub type WordSlot<'a> = producer::Slot<'a, chosen::Writer>;

/// Makes a ring of this many words, all of them written once, so that its memory is there.
///
/// # Panics
///
/// When `capacity_words` is zero, or its bytes exceed `isize::MAX`.
pub fn ring(capacity_words: usize) -> (WordProducer, WordConsumer) {
    let (writer, reader) = chosen::storage(capacity_words);
    (WordProducer::new(writer), WordConsumer::new(reader))
}

/// Makes a ring in a file in this directory.
///
/// # Errors
///
/// What the system says.
pub fn ring_in_file(
    directory: &std::path::Path,
    identity: recorder::layout::Identity,
) -> std::io::Result<(WordProducer, WordConsumer)> {
    #[cfg(not(kymo_loom))]
    {
        let (writer, reader) = either::in_file(directory, identity)?;
        Ok((WordProducer::new(writer), WordConsumer::new(reader)))
    }
    // Models have no files.
    #[cfg(kymo_loom)]
    {
        let _ = (directory, identity);
        Err(std::io::ErrorKind::Unsupported.into())
    }
}
