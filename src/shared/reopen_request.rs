//! How a thread or a signal handler asks the consumer to continue in a new file: see
//! `consumer::reopen`.

use std::io;

use crate::sync::statics::{AtomicBool, Mutex, Ordering, PoisonError};

/// A request for a new file.
#[derive(Default)]
pub(crate) struct ReopenRequest {
    /// Held by the thread that asks, so that one asks at a time.
    pub(crate) turn: Mutex<()>,
    asked: AtomicBool,
    /// The error of the last attempt.
    error: Mutex<Option<io::Error>>,
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
        let mut error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
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
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = result.err();
    }
}
