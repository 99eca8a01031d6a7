//! A thread's flight recorder from the consumer's side.

use crate::ring::storage::overwriting::OverwritingConsumer;

/// The recorder, and what a dump says of it.
pub(crate) struct Flight {
    pub(crate) follower: OverwritingConsumer,
    /// How many records were overwritten since a mark last said so.
    pub(crate) overwritten: u64,
    /// How many threads had ended with something in their recorders when this one did, with it.
    pub(crate) retired: Option<u64>,
}

impl Flight {
    pub(crate) fn new(follower: OverwritingConsumer) -> Self {
        Self { follower, overwritten: 0, retired: None }
    }

    /// Copies what is there, unless something of an earlier copy could not be written.
    pub(crate) fn copy(&mut self) {
        self.overwritten += self.follower.look().overwritten();
    }

    /// What was copied and not written.
    pub(crate) fn words(&self) -> &[u64] {
        self.follower.copied()
    }

    /// How many words that are.
    pub(crate) fn left(&self) -> usize {
        self.follower.left()
    }
}
