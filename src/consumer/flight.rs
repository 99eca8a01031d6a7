//! A thread's flight recorder from the consumer's side.

use crate::ring::recorder::overwriting::Follower;

/// The recorder, and what a dump says of it.
pub(super) struct Flight {
    pub(super) follower: Follower,
    /// How many records were overwritten since a mark last said so.
    pub(super) overwritten: u64,
    /// How many threads had ended with something in their recorders when this one did, with it.
    pub(super) retired: Option<u64>,
}

impl Flight {
    pub(super) fn new(follower: Follower) -> Self {
        Self { follower, overwritten: 0, retired: None }
    }

    /// Copies what is there, unless something of an earlier copy could not be written.
    pub(super) fn copy(&mut self) {
        self.overwritten += self.follower.look().overwritten();
    }

    /// What was copied and not written.
    pub(super) fn words(&self) -> &[u64] {
        self.follower.copied()
    }

    /// How many words that are.
    pub(super) fn left(&self) -> usize {
        self.follower.left()
    }
}
