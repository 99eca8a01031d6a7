//! What the consumer says in the ring of what it has put into the log.
//!
//! For each batch, in this order: write the records to the log; [`Accounts::prepare`]; commit the
//! log; consume the words. So at each moment one of the two accounts tells exactly what of the ring
//! is in the log: see `recovery`.

use std::sync::Arc;

use crate::mutant::{self, Mutant};
use crate::ring::storage::LogMark;
use crate::ring::storage::memory::Ring;

/// Writes the accounts of one ring.
#[derive(Debug)]
pub struct Accounts {
    ring: Arc<Ring>,
    /// Up to where records are accounted for.
    position: u64,
    /// How many were logged before that.
    records: u64,
    /// The account that was written last.
    last: usize,
}

impl Accounts {
    /// Those of a new ring.
    pub(in crate::ring) fn of(ring: Arc<Ring>) -> Self {
        Self { ring, position: 0, records: 0, last: 0 }
    }

    /// Whose ring it is.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The ring, for whoever recovers it in a model.
    #[cfg(kymo_loom)]
    pub fn shared_ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring)
    }

    /// Says that the next `words` words of the ring, in which `records` records are, will be in the
    /// log as soon as that is committed up to `mark`.
    ///
    /// Where writing them to the log failed, `mark` is [`LogMark::GIVEN_UP`].
    pub fn prepare(&mut self, words: usize, records: u64, mark: LogMark) {
        self.position += words as u64;
        self.records += records;
        self.last ^= 1;
        if !mutant::broken(Mutant::RingAccountUnsaid) {
            self.ring.write_account(self.last, self.position, self.records, mark);
        }
    }

    /// Takes back what was prepared last, because its log will not be committed. To be called before
    /// anything else is written to the log, whose length might come to be what was said.
    pub fn retract(&mut self, words: usize, records: u64) {
        self.position -= words as u64;
        self.records -= records;
        // The other account is left alone: it holds until this one is whole.
        self.ring.write_account(self.last, self.position, self.records, LogMark::default());
    }

    /// Goes on at another place.
    pub(crate) fn skip_to(&mut self, position: u64, records: u64) {
        self.position = position;
        self.records = records;
    }
}
