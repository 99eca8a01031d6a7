//! How a thread asks the consumer for a dump of the flight recorder, or for a new file: with a
//! flag, and a request for a sweep after it. A signal handler asks for a new file, too, and waits
//! for nothing.

use std::io;

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

/// A request for a new file.
#[derive(Default)]
pub(crate) struct ReopenRequest {
    /// Held by the thread that asks, so that one asks at a time.
    pub(crate) turn: statics::Mutex<()>,
    asked: statics::AtomicBool,
    /// The error of the last attempt.
    error: statics::Mutex<Option<io::Error>>,
}

impl ReopenRequest {
    /// The asker's side: asks for a new file. The asker then requests a sweep and waits for it; a
    /// signal handler does not wait.
    pub(crate) fn ask(&self) {
        // Release: pairs with the acquire in `take`: what was published before goes to the old
        // file, or to the new one, and is waited for.
        self.asked.store(true, Ordering::Release);
    }

    /// The asker's side: returns the result, after the sweep was served.
    pub(crate) fn result(&self) -> io::Result<()> {
        let mut error = self.error.lock().unwrap_or_else(statics::PoisonError::into_inner);
        error.take().map_or(Ok(()), Err)
    }

    /// The consumer's side: returns whether a new file was asked for, and clears the request. To be
    /// called after `Control::begin_sweep`.
    pub(crate) fn take(&self) -> bool {
        // Acquire: pairs with the release in `ask`. Relaxed, the first: it is looked at again.
        self.asked.load(Ordering::Relaxed) && self.asked.swap(false, Ordering::Acquire)
    }

    /// The consumer's side: notes the result.
    pub(crate) fn note(&self, result: io::Result<()>) {
        *self.error.lock().unwrap_or_else(statics::PoisonError::into_inner) = result.err();
    }
}
