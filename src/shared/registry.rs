//! Hands new rings over to the consumer.

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

/// How many rings of threads that have ended are kept for others.
const MAX_SPARE: usize = 16;

/// The rings that were made since the consumer last looked.
pub(crate) struct Registry {
    any: AtomicBool,
    rings: Mutex<Rings>,
}

struct Rings {
    new: Vec<NewRing>,
    /// Those of threads that have ended, empty.
    spare: Vec<(RingProducer, RingConsumer)>,
    /// Whether the consumer has taken rings for the last time.
    closed: bool,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            any: AtomicBool::new(false),
            rings: Mutex::new(Rings { new: Vec::new(), spare: Vec::new(), closed: false }),
        }
    }

    /// A ring of a thread that has ended, of this capacity, if there is one. Its memory has been
    /// touched.
    pub(crate) fn spare(&self, words: usize) -> Option<(RingProducer, RingConsumer)> {
        let spare = &mut self.rings().spare;
        let index = spare.iter().position(|(producer, _)| producer.capacity() == words)?;
        Some(spare.swap_remove(index))
    }

    /// For the consumer: puts an empty ring by, for the next thread, unless there are enough.
    pub(crate) fn put_by(&self, ring: (RingProducer, RingConsumer)) {
        let mut rings = self.rings();
        if !rings.closed && rings.spare.len() < MAX_SPARE {
            rings.spare.push(ring);
        }
    }

    /// Whether nobody will ever read a ring that is handed over now.
    pub(crate) fn is_closed(&self) -> bool {
        self.rings().closed
    }

    /// Hands a ring over; false if nobody will ever read it.
    pub(crate) fn add(&self, ring: NewRing) -> bool {
        let mut rings = self.rings();
        if rings.closed {
            return false;
        }
        rings.new.push(ring);
        // Set under the lock, so that it is never cleared with a ring left behind. Relaxed: the
        // lock orders the rings; a request that follows (`Control::request_sweep`) orders this, so
        // that it finds the ring.
        self.any.store(true, Ordering::Relaxed);
        true
    }

    /// The rings that came since the last call. One load where there are none.
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

    /// The same for the last time: rings that come later are refused.
    pub(crate) fn close(&self) -> Vec<NewRing> {
        let mut rings = self.rings();
        rings.closed = !mutant::broken(Mutant::RegistryStaysOpen);
        rings.spare = Vec::new();
        std::mem::take(&mut rings.new)
    }

    fn rings(&self) -> Locked<MutexGuard<'_, Rings>> {
        // Nothing under this lock panics but the allocation of a `Vec`, which leaves it as it was.
        Locked::by(|| self.rings.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}
