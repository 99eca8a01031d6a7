//! The consumer's half of the record protocol: look, walk over the records, consume.
//!
//! See `ring` for the invariants.

use crate::ring::WORD_BYTES;
use crate::ring::address;
use crate::ring::bytes;
use crate::ring::storage::LogMark;
use crate::ring::storage::accounts::Accounts;
use crate::ring::storage::bounded::{BoundedReader, CommittedWords};
use crate::ring::storage::file::RingFile;

/// Reads records from a ring.
#[derive(Debug)]
pub struct RingConsumer {
    reader: BoundedReader,
    /// The file and the accounts, if the ring is in a file.
    in_file: Option<Box<FileSide>>,
}

#[derive(Debug)]
struct FileSide {
    accounts: Accounts,
    file: RingFile,
}

impl RingConsumer {
    pub(super) fn new(reader: BoundedReader) -> Self {
        Self { reader, in_file: None }
    }

    /// Adds the file that the ring is in, and its accounts.
    pub(super) fn with_file(self, accounts: Accounts, file: RingFile) -> Self {
        Self { in_file: Some(Box::new(FileSide { accounts, file })), ..self }
    }

    /// Releases the first `words` words that the last look returned.
    ///
    /// # Panics
    ///
    /// If there were fewer.
    #[inline]
    pub fn consume(&mut self, words: usize) {
        self.reader.committed().consume(words);
    }

    /// Whether the ring is in a file. If not, the four methods below do nothing.
    pub fn is_in_file(&self) -> bool {
        self.in_file.is_some()
    }

    /// Says in the ring's file that the next words, and the records in them, are in the log once
    /// that is committed: see `storage::accounts`.
    pub fn prepare(&mut self, words: usize, records: u64, mark: LogMark) {
        if let Some(in_file) = &mut self.in_file {
            in_file.accounts.prepare(words, records, mark);
        }
    }

    /// Takes back what was prepared last: the log was not committed.
    pub fn retract(&mut self, words: usize, records: u64) {
        if let Some(in_file) = &mut self.in_file {
            in_file.accounts.retract(words, records);
        }
    }

    /// Leaves the ring's file where it is, for recovery.
    pub fn keep_file(&mut self) {
        if let Some(in_file) = &mut self.in_file {
            in_file.file.keep();
        }
    }

    /// Removes the ring's file, unless it is to be kept.
    pub fn remove_file(&mut self) {
        if let Some(in_file) = &mut self.in_file {
            in_file.file.remove();
        }
    }

    /// Loads the tail, and returns all words that are published and not consumed.
    #[inline]
    pub fn look(&mut self) -> Committed<'_> {
        self.reader.look();
        Committed { words: self.reader.committed() }
    }
}

/// What a producer has published.
#[derive(Debug)]
#[must_use = "it stays in the ring until `consume`"]
pub struct Committed<'a> {
    words: CommittedWords<'a>,
}

impl Committed<'_> {
    /// The words up to the ring's end, and those at its beginning that follow. Both are whole
    /// records, in order.
    #[inline]
    pub fn runs(&self) -> (&[u64], &[u64]) {
        self.words.runs()
    }

    /// How many words.
    #[inline]
    pub fn words(&self) -> usize {
        let (first, second) = self.runs();
        first.len() + second.len()
    }

    /// Releases the first `words` words, fillers included. To take nothing, drop this instead: that
    /// spares a store.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    #[inline]
    pub fn consume(self, words: usize) {
        self.words.consume(words);
    }

    /// Releases all words.
    #[inline]
    pub fn consume_all(self) {
        let words = self.words();
        self.consume(words);
    }
}

/// Walks over the records of a run.
///
/// ```text
/// let (first, second) = committed.runs();
/// for record in records(first).chain(records(second)) { … }
/// ```
#[inline]
pub fn records(run: &[u64]) -> Records<'_> {
    Records { rest: run }
}

/// The records of a run, each from its header to its last word. Fillers are skipped.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u64],
}

impl<'a> Records<'a> {
    /// The words that the walk has not reached.
    #[inline]
    pub fn rest(&self) -> &'a [u64] {
        self.rest
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u64];

    #[inline]
    fn next(&mut self) -> Option<&'a [u64]> {
        loop {
            let header = *self.rest.first()?;
            let bytes = bytes(header);
            assert!(bytes > 0, "a record or filler has a length");
            // Panics if a record reaches past the run, which no producer of this crate writes.
            let (record, rest) = self.rest.split_at(bytes.div_ceil(WORD_BYTES));
            self.rest = rest;
            if address(header) != 0 {
                return Some(record);
            }
        }
    }
}
