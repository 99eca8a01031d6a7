//! How a thread asks the consumer for a dump of the flight recorder: with a flag, and a request for
//! a sweep after it.

use crate::mutant::{self, Mutant};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, statics};

/// A request for a dump.
#[derive(Default)]
pub(crate) struct DumpRequest {
    /// Held by the thread that asks, so that one asks at a time.
    pub(crate) turn: Mutex<()>,
    asked: AtomicBool,
    /// The number of records in the dump.
    records: statics::AtomicU64,
}

impl DumpRequest {
    /// The asker's side: asks for a dump. The asker then requests a sweep and waits for it.
    pub(crate) fn ask(&self) {
        // Relaxed: the number of this dump is stored after it.
        self.records.store(0, Ordering::Relaxed);
        // Release: pairs with the acquire in `take`: what this thread recorded before is found.
        self.asked.store(true, mutant::ordering(Ordering::Release, Mutant::DumpAskedStore));
    }

    /// The asker's side: returns the number of records in the dump, after the sweep was served.
    pub(crate) fn records(&self) -> u64 {
        // Relaxed: ordered by the request for the sweep.
        self.records.load(Ordering::Relaxed)
    }

    /// The consumer's side: sets the number of records in the dump.
    pub(crate) fn set_records(&self, records: u64) {
        // Relaxed: see `records`.
        self.records.store(records, Ordering::Relaxed);
    }

    /// The consumer's side: returns whether a dump was asked for, and clears the request.
    ///
    /// To be called after `Control::begin_sweep`: then a thread that waits for the sweep also waits
    /// for the dump.
    pub(crate) fn take(&self) -> bool {
        // Acquire: pairs with the release in `ask`. Relaxed, the first: it is looked at again.
        self.asked.load(Ordering::Relaxed)
            && self.asked.swap(false, mutant::ordering(Ordering::Acquire, Mutant::DumpAskedLoad))
    }
}
