//! Hands new rings over to the consumer.

use crate::ring::WordConsumer;
use crate::state::RingState;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard};

/// A ring that the consumer has not seen yet.
pub(crate) struct NewRing {
    pub(crate) ring: WordConsumer,
    pub(crate) state: Arc<RingState>,
}

/// The rings that were made since the consumer last looked.
pub(crate) struct Registry {
    any: AtomicBool,
    rings: Mutex<Rings>,
}

struct Rings {
    new: Vec<NewRing>,
    /// Whether the consumer has taken rings for the last time.
    closed: bool,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            any: AtomicBool::new(false),
            rings: Mutex::new(Rings { new: Vec::new(), closed: false }),
        }
    }

    /// Hands a ring over; false if nobody will ever read it.
    pub(crate) fn add(&self, ring: NewRing) -> bool {
        let mut rings = self.rings();
        if rings.closed {
            return false;
        }
        rings.new.push(ring);
        // Release: pairs with the acquire in `take`. Set under the lock, so that it is never cleared with a ring left behind.
        self.any.store(true, Ordering::Release);
        true
    }

    /// The rings that came since the last call. One load where there are none.
    pub(crate) fn take(&self) -> Vec<NewRing> {
        // Acquire: pairs with the release in `add`. (The lock orders the rings themselves; this orders what the thread that made
        // a ring saw before, so that a request that follows a registration finds the ring.)
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut rings = self.rings();
        // Relaxed: under the lock.
        self.any.store(false, Ordering::Relaxed);
        std::mem::take(&mut rings.new)
    }

    /// The same for the last time: rings that come later are refused.
    pub(crate) fn close(&self) -> Vec<NewRing> {
        let mut rings = self.rings();
        rings.closed = true;
        std::mem::take(&mut rings.new)
    }

    fn rings(&self) -> MutexGuard<'_, Rings> {
        // Nothing under this lock panics but the allocation of a `Vec`, which leaves it as it was.
        self.rings.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
