//! The storage that ships: rtrb's ring, or a ring in a file, which outlives its process.
//!
//! Which one a ring is, is known when it is made. The consumer asks once for each look. A log call
//! does not ask: the mode of its level says it (`policy::Mode`), and there are two paths.

use std::io;
use std::path::Path;

use super::on_rtrb;
use super::recorder::LogMark;
use super::recorder::accounts::Accounts;
use super::recorder::file::RingFile;
use super::recorder::layout::Identity;
use super::recorder::{bounded, mapping};
use super::storage::{self, Run};
use crate::sync::Arc;

/// Makes a storage of this many words on the heap.
pub fn storage(capacity_words: usize) -> (Writer, Reader) {
    let (writer, reader) = on_rtrb::storage(capacity_words);
    (Writer { heap: writer, mapped: None }, Reader::Heap(reader))
}

/// Makes one in a file in this directory.
///
/// # Errors
///
/// What the system says.
pub fn in_file(directory: &Path, identity: Identity) -> io::Result<(Writer, Reader)> {
    let (ring, path) = mapping::create(directory, identity)?;
    let file = RingFile::new(path);
    let ring = Arc::new(ring);
    let (writer, reader) = bounded::storage(Arc::clone(&ring));
    let accounts = Accounts::of(ring);
    let writer = Writer { heap: on_rtrb::storage(1).0, mapped: Some(writer) };
    Ok((writer, Reader::Mapped(Box::new(Mapped { reader, accounts, file }))))
}

/// The producer's half.
///
/// Not an enum: through one, the compiler forgets what it was told in `on_rtrb`, and a log call takes
/// 18 instructions more.
#[derive(Debug)]
pub struct Writer {
    /// On the heap; of a single word where it is not used.
    heap: on_rtrb::Writer,
    /// In a file, if it is there.
    mapped: Option<bounded::Writer>,
}

// SAFETY: both are storages, and which of them is used does not change.
unsafe impl storage::Writer for Writer {
    #[inline]
    fn capacity(&self) -> usize {
        match &self.mapped {
            None => self.heap.capacity(),
            Some(mapped) => mapped.capacity(),
        }
    }

    #[inline]
    fn free(&mut self) -> [Run; 2] {
        match &mut self.mapped {
            None => self.heap.free(),
            Some(mapped) => mapped.free(),
        }
    }

    #[inline]
    unsafe fn commit(&mut self, words: usize) {
        match &mut self.mapped {
            // SAFETY: the caller's promise.
            None => unsafe { self.heap.commit(words) },
            // SAFETY: the caller's promise.
            Some(mapped) => unsafe { mapped.commit(words) },
        }
    }

    #[inline(always)]
    unsafe fn commit_on_heap(&mut self, words: usize) {
        // SAFETY: the caller's promise: it is on the heap.
        unsafe { self.heap.commit(words) };
    }

    #[inline]
    fn is_in_file(&self) -> bool {
        self.mapped.is_some()
    }

    #[inline]
    fn is_abandoned(&self) -> bool {
        match &self.mapped {
            None => self.heap.is_abandoned(),
            Some(mapped) => mapped.is_abandoned(),
        }
    }
}

/// The consumer's half.
#[derive(Debug)]
pub enum Reader {
    /// On the heap.
    Heap(on_rtrb::Reader),
    /// In a file.
    Mapped(Box<Mapped>),
}

/// The consumer's half of a ring in a file.
#[derive(Debug)]
pub struct Mapped {
    reader: bounded::Reader,
    accounts: Accounts,
    file: RingFile,
}

impl storage::Reader for Reader {
    type Words<'a> = Words<'a>;

    #[inline]
    fn look(&mut self) {
        match self {
            Self::Heap(reader) => reader.look(),
            Self::Mapped(mapped) => mapped.reader.look(),
        }
    }

    #[inline]
    fn committed(&mut self) -> Words<'_> {
        match self {
            Self::Heap(reader) => Words::Heap(reader.committed()),
            Self::Mapped(mapped) => Words::Mapped(mapped.reader.committed()),
        }
    }

    #[inline]
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Heap(reader) => reader.is_abandoned(),
            Self::Mapped(mapped) => mapped.reader.is_abandoned(),
        }
    }

    fn is_in_file(&self) -> bool {
        matches!(self, Self::Mapped(_))
    }

    fn prepare(&mut self, words: usize, records: u64, mark: LogMark) {
        if let Self::Mapped(mapped) = self {
            mapped.accounts.prepare(words, records, mark);
        }
    }

    fn retract(&mut self, words: usize, records: u64) {
        if let Self::Mapped(mapped) = self {
            mapped.accounts.retract(words, records);
        }
    }

    fn keep_file(&mut self) {
        if let Self::Mapped(mapped) = self {
            mapped.file.keep();
        }
    }

    fn remove_file(&mut self) {
        if let Self::Mapped(mapped) = self {
            mapped.file.remove();
        }
    }
}

/// Committed words.
#[derive(Debug)]
pub enum Words<'a> {
    /// Of a ring on the heap.
    Heap(on_rtrb::Words<'a>),
    /// Of a ring in a file.
    Mapped(bounded::Words<'a>),
}

impl storage::Words for Words<'_> {
    #[inline]
    fn runs(&self) -> (&[u64], &[u64]) {
        match self {
            Self::Heap(words) => words.runs(),
            Self::Mapped(words) => words.runs(),
        }
    }

    #[inline]
    fn consume(self, words: usize) {
        match self {
            Self::Heap(committed) => committed.consume(words),
            Self::Mapped(committed) => committed.consume(words),
        }
    }
}
