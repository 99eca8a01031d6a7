//! A thread's flight recorder, as the consumer sees it.

use crate::ring::storage::overwriting::OverwritingConsumer;

/// The recorder, and what a dump says of it.
pub(crate) struct Flight {
    pub(crate) follower: OverwritingConsumer,
    /// How many records were overwritten since a mark last said so.
    pub(crate) overwritten: u64,
    /// If the thread has ended: its number among the threads that ended with something in their
    /// recorders.
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

    /// How many words were copied and not written.
    pub(crate) fn left(&self) -> usize {
        self.follower.left()
    }
}
