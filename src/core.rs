//! What the threads that log and the consumer of one logger share.

use crate::clock::TickSource;
use crate::control::Control;
use crate::policy::Policies;
use crate::producer::Producer;
use crate::registry::{NewRing, Registry};
use crate::ring::ring;
use crate::state::{RingState, ThreadInfo};
use crate::stats::Counters;
use crate::sync::Arc;

/// A logger, without its thread and its file.
pub(crate) struct Core {
    pub(crate) registry: Registry,
    pub(crate) control: Control,
    pub(crate) counters: Counters,
    pub(crate) clock: TickSource,
    pub(crate) policies: Policies,
    pub(crate) ring_words: usize,
}

impl Core {
    pub(crate) fn new(clock: TickSource, policies: Policies, ring_words: usize) -> Self {
        Self {
            registry: Registry::new(),
            control: Control::new(),
            counters: Counters::default(),
            clock,
            policies,
            ring_words,
        }
    }

    /// Has the system bring the file to the disk.
    pub(crate) fn sync(&self) {}

    /// Writes a record into the side file; false if that is impossible.
    pub(crate) fn rescue(&self, _record: &[u64], _thread: &ThreadInfo, _synced: bool) -> bool {
        false
    }

    /// A producer for the calling thread; `None` if the logger has just ended.
    pub(crate) fn make_producer(
        self: &Arc<Self>,
        ring_words: usize,
        thread: ThreadInfo,
    ) -> Option<Producer> {
        let (producer, consumer) = ring(ring_words);
        let state = Arc::new(RingState::new(self, ring_words, thread));
        self.counters.enlist(&state);
        self.registry
            .add(NewRing { ring: consumer, state: state.clone() })
            .then(|| Producer::new(producer, state, self.clone()))
    }
}
