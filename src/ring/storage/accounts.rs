//! Accounts: the consumer's note in the ring of how much of it is in the log.
//!
//! For each batch the consumer does this, in this order: write the records to the log; call
//! [`Accounts::prepare`]; commit the log; consume the words. So at each moment one of the two
//! accounts tells exactly how much of the ring is in the log: see `recovery`.

use std::sync::Arc;

use crate::mutant::{self, Mutant};
use crate::ring::storage::LogMark;
use crate::ring::storage::memory::Ring;

/// Writes the accounts of one ring.
#[derive(Debug)]
pub struct Accounts {
    ring: Arc<Ring>,
    /// Records before this position are accounted for.
    position: u64,
    /// How many records were logged before that position.
    records: u64,
    /// The index of the account that was written last.
    last: usize,
}

impl Accounts {
    /// The accounts of a new ring.
    pub(in crate::ring) fn of(ring: Arc<Ring>) -> Self {
        Self { ring, position: 0, records: 0, last: 0 }
    }

    /// The ring, for a model that recovers it.
    #[cfg(kymo_loom)]
    pub fn shared_ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring)
    }

    /// Says that the next `words` words of the ring, with `records` records, are in the log once
    /// that is committed up to `mark`.
    ///
    /// If they could not be written to the log, `mark` is [`LogMark::GIVEN_UP`].
    pub fn prepare(&mut self, words: usize, records: u64, mark: LogMark) {
        self.position += words as u64;
        self.records += records;
        self.last ^= 1;
        if !mutant::broken(Mutant::RingAccountUnsaid) {
            self.ring.write_account(self.last, self.position, self.records, mark);
        }
    }

    /// Takes back what was prepared last, because its log will not be committed. The caller does so
    /// before it writes anything else to the log, whose length might otherwise reach the one in the
    /// account.
    pub fn retract(&mut self, words: usize, records: u64) {
        self.position -= words as u64;
        self.records -= records;
        // The other account stays as it is: it holds until this one is whole.
        self.ring.write_account(self.last, self.position, self.records, LogMark::default());
    }

    /// Goes on at this position, before which so many records were logged.
    pub(crate) fn skip_to(&mut self, position: u64, records: u64) {
        self.position = position;
        self.records = records;
    }
}
