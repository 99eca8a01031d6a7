//! Makes a thread's producer: its rings, and the state that it shares with the consumer.

use std::collections::TryReserveError;

use crate::process::fork;
use crate::process::thread_info::ThreadInfo;
use crate::ring::overwriting_rings::{OverwritingConsumers, OverwritingProducers};
use crate::ring::storage::layout::{Purpose, RingIdentity, RingMode};
use crate::ring::storage::memory::{Ring, capacity_for};
use crate::ring::storage::overwriting::{OverwritingConsumer, OverwritingProducer};
use crate::ring::try_ring;
use crate::shared::Shared;
use crate::shared::registry::NewRing;
use crate::shared::state::RingState;
use crate::sync::Arc;
use crate::thread::producer::Producer;

impl Shared {
    /// Makes a producer for kymo's own records; `None` if the logger has just ended.
    pub(crate) fn make_own_producer(self: &Arc<Self>, ring_words: usize) -> Option<Producer> {
        let thread = ThreadInfo { name: "kymo".to_owned(), os_id: 0 };
        let state = RingState { is_own: true, ..RingState::new(self, ring_words, thread) };
        self.make(state, Default::default())
    }

    /// Makes a producer for the calling thread, with rings for its recorded levels; `None` if the
    /// logger has just ended.
    pub(crate) fn make_producer(
        self: &Arc<Self>,
        ring_words: usize,
        thread: ThreadInfo,
    ) -> Option<Producer> {
        // After the consumer has died, each log call comes here: it must not make a ring.
        if self.registry.is_closed() {
            return None;
        }
        match self.or_count(rings(self, ring_words, &thread))? {
            Some(rings) => {
                let state = RingState::new(self, ring_words, thread).with_overwriting(self);
                self.make(state, rings)
            }
            None => self.make_plain_producer(ring_words, thread),
        }
    }

    /// Makes a producer without rings for recorded levels: all records go to its one ring.
    pub(crate) fn make_plain_producer(
        self: &Arc<Self>,
        ring_words: usize,
        thread: ThreadInfo,
    ) -> Option<Producer> {
        self.make(RingState::new(self, ring_words, thread), Default::default())
    }

    /// Counts where there was no memory.
    fn or_count<T>(&self, made: Result<T, TryReserveError>) -> Option<T> {
        if made.is_err() {
            self.counters.ring_errors.increment();
        }
        made.ok()
    }

    fn make(
        self: &Arc<Self>,
        state: RingState,
        (recorders, followers): (Option<Box<OverwritingProducers>>, OverwritingConsumers),
    ) -> Option<Producer> {
        // See `make_producer`: no ring is made after the consumer has died.
        if self.registry.is_closed() {
            return None;
        }
        let in_file = if state.is_own {
            None
        } else {
            self.in_file(|files| files.ring(state.ring_words, &state.thread, self.clock))
        };
        let any_in_file = in_file.is_some() || followers.any_in_file();
        let state = if any_in_file { state.in_file() } else { state };
        let (producer, consumer) = match in_file.or_else(|| self.registry.spare(state.ring_words)) {
            Some(ring) => ring,
            None => self.or_count(try_ring(state.ring_words))?,
        };
        let state = Arc::new(state);
        if !self.registry.add(NewRing { ring: consumer, followers, state: state.clone() }) {
            return None;
        }
        // Listed after that, so that the list has only what the consumer knows. The thread still
        // has its end of the ring, so the consumer does not remove it before.
        self.counters.enlist(&state);
        Some(Producer::new(producer, recorders, state, self.clone()))
    }
}

/// Makes the rings of a thread's recorded levels; `None` if there are no such levels.
type Rings = (Option<Box<OverwritingProducers>>, OverwritingConsumers);

/// Makes the rings of a thread's recorded levels; `None` if there are no such levels.
///
/// # Errors
/// If there is no memory for one of them.
fn rings(
    shared: &Shared,
    ring_words: usize,
    thread: &ThreadInfo,
) -> Result<Option<Rings>, TryReserveError> {
    let ring = |words, purpose| {
        let in_file = shared.in_file(|files| files.recorder(words, purpose, thread, shared.clock));
        in_file.map_or_else(|| on_heap(words, purpose), Ok)
    };
    // The flight recorder comes first. A recovery relies on it: if the thread has ended, it finds
    // that ring alone.
    let flight = shared.policies.flight.map(|flight| ring(flight.words, Purpose::FlightRecorder));
    let flight = flight.transpose()?;
    let overwriting = shared.policies.overwrites_any().then(|| ring(ring_words, Purpose::Log));
    let overwriting = overwriting.transpose()?;
    if overwriting.is_none() && flight.is_none() {
        return Ok(None);
    }
    let (log_recorder, log_follower) = overwriting.unzip();
    let (flight_recorder, mut flight_follower) = flight.unzip();
    // A dump in a process that crashes must not allocate.
    flight_follower.iter_mut().try_for_each(OverwritingConsumer::provide)?;
    let recorders = OverwritingProducers {
        clock: shared.clock,
        log: log_recorder,
        flight: flight_recorder,
        generation: fork::generation(),
    };
    let followers = OverwritingConsumers { log: log_follower, flight: flight_follower };
    Ok(Some((Some(Box::new(recorders)), followers)))
}

fn on_heap(
    words: usize,
    purpose: Purpose,
) -> Result<(OverwritingProducer, OverwritingConsumer), TryReserveError> {
    let capacity_words = capacity_for(words);
    let mode = RingMode::Overwriting;
    let identity = RingIdentity { capacity_words, mode, purpose, ..RingIdentity::default() };
    Ok(crate::ring::storage::overwriting(Ring::try_on_heap(identity)?))
}
