//! How a thread asks the consumer for a dump of the flight recorder.

use crate::mutant::{self, Mutant};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, statics};

/// How a thread asks for a dump.
#[derive(Default)]
pub(crate) struct DumpRequest {
    /// One thread at a time.
    pub(crate) turn: Mutex<()>,
    asked: AtomicBool,
    /// How many records the dump had.
    records: statics::AtomicU64,
}

impl DumpRequest {
    /// The asker's side. A sweep has to be asked for behind that, and waited for.
    pub(crate) fn ask(&self) {
        // Relaxed: the number of this dump is stored behind it.
        self.records.store(0, Ordering::Relaxed);
        // Release: pairs with the acquire in `take`: what this thread recorded before is found.
        self.asked.store(true, mutant::ordering(Ordering::Release, Mutant::DumpAskedStore));
    }

    /// How many records the dump had, once the sweep was served.
    pub(crate) fn records(&self) -> u64 {
        // Relaxed: ordered by the request for the sweep.
        self.records.load(Ordering::Relaxed)
    }

    /// The consumer's side: how many records the dump has.
    pub(crate) fn set_records(&self, records: u64) {
        // Relaxed: see `records`.
        self.records.store(records, Ordering::Relaxed);
    }

    /// The consumer's side: whether somebody has asked. To be called behind `Control::begin_sweep`,
    /// so that who waits for the sweep waits for the dump.
    pub(crate) fn take(&self) -> bool {
        // Acquire: pairs with the release in `ask`. Relaxed, the first: it is looked at again.
        self.asked.load(Ordering::Relaxed)
            && self.asked.swap(false, mutant::ordering(Ordering::Acquire, Mutant::DumpAskedLoad))
    }
}
