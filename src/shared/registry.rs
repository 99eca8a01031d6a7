//! Hands new rings over to the consumer, and keeps empty ones of ended threads for new threads.

use crate::mutant::{self, Mutant};
use crate::process::inside::Locked;
use crate::ring::overwriting_rings::OverwritingConsumers;
use crate::ring::{RingConsumer, RingProducer};
use crate::shared::state::RingState;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard};

/// A ring that the consumer has not seen yet.
pub(crate) struct NewRing {
    pub(crate) ring: RingConsumer,
    pub(crate) followers: OverwritingConsumers,
    pub(crate) state: Arc<RingState>,
}

/// The number of rings of ended threads that are kept for new ones.
const MAX_SPARE: usize = 16;

/// The rings that were made since the consumer last looked.
pub(crate) struct Registry {
    any: AtomicBool,
    rings: Mutex<RegisteredRings>,
}

struct RegisteredRings {
    new: Vec<NewRing>,
    /// Empty rings of threads that have ended.
    spare: Vec<(RingProducer, RingConsumer)>,
    /// True if the consumer has taken rings for the last time.
    closed: bool,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            any: AtomicBool::new(false),
            rings: Mutex::new(RegisteredRings {
                new: Vec::new(),
                spare: Vec::new(),
                closed: false,
            }),
        }
    }

    /// Returns a ring of this capacity of a thread that has ended, if there is one. Its memory is
    /// in use already, so the first calls cause no page faults.
    pub(crate) fn spare(&self, words: usize) -> Option<(RingProducer, RingConsumer)> {
        let spare = &mut self.rings().spare;
        let index = spare.iter().position(|(producer, _)| producer.capacity() == words)?;
        Some(spare.swap_remove(index))
    }

    /// The consumer's side: keeps an empty ring for the next thread, unless there are enough.
    pub(crate) fn put_by(&self, ring: (RingProducer, RingConsumer)) {
        let mut rings = self.rings();
        if !rings.closed && rings.spare.len() < MAX_SPARE {
            rings.spare.push(ring);
        }
    }

    /// Returns whether the consumer takes no more rings.
    pub(crate) fn is_closed(&self) -> bool {
        self.rings().closed
    }

    /// Hands a ring over to the consumer; false if the consumer takes no more rings.
    pub(crate) fn add(&self, ring: NewRing) -> bool {
        let mut rings = self.rings();
        if rings.closed {
            return false;
        }
        rings.new.push(ring);
        // Set under the lock, so that it is never cleared while a ring is left. Relaxed: the lock
        // orders the rings. A request that follows (`Control::request_sweep`) orders this, so that
        // the consumer finds the ring.
        self.any.store(true, Ordering::Relaxed);
        true
    }

    /// Returns the rings that were added since the last call. Costs one load if there are none.
    pub(crate) fn take(&self) -> Vec<NewRing> {
        // Relaxed: see `add`.
        if !self.any.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut rings = self.rings();
        let new = std::mem::take(&mut rings.new);
        if mutant::broken(Mutant::FlagClearedLate) {
            drop(rings);
        }
        // Relaxed: under the lock.
        self.any.store(false, Ordering::Relaxed);
        new
    }

    /// Returns the remaining rings, and refuses rings from now on.
    pub(crate) fn close(&self) -> Vec<NewRing> {
        let mut rings = self.rings();
        rings.closed = !mutant::broken(Mutant::RegistryStaysOpen);
        rings.spare = Vec::new();
        std::mem::take(&mut rings.new)
    }

    fn rings(&self) -> Locked<MutexGuard<'_, RegisteredRings>> {
        // Nothing under this lock panics but the allocation of a `Vec`, which leaves it as it was.
        Locked::by(|| self.rings.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}
