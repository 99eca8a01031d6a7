//! How others ask the consumer to go on in a new file: see `consumer::reopen`.

use std::io;

use crate::sync::statics::{AtomicBool, Mutex, Ordering, PoisonError};

/// How others ask for a new file.
#[derive(Default)]
pub(crate) struct ReopenRequest {
    /// One thread at a time.
    pub(crate) turn: Mutex<()>,
    asked: AtomicBool,
    /// Why it could not be done.
    error: Mutex<Option<io::Error>>,
}

impl ReopenRequest {
    /// The asker's side. A sweep has to be asked for after that, and waited for. A signal handler may
    /// call it, which does not wait.
    pub(crate) fn ask(&self) {
        // Release: pairs with the acquire in `take`: what was published before goes to the old file,
        // or to the new one, and is waited for.
        self.asked.store(true, Ordering::Release);
    }

    /// What became of it, once the sweep was served.
    pub(crate) fn result(&self) -> io::Result<()> {
        let mut error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        error.take().map_or(Ok(()), Err)
    }

    /// The consumer's side: whether somebody has asked. To be called after `Control::begin_sweep`.
    pub(crate) fn take(&self) -> bool {
        // Acquire: pairs with the release in `ask`. Relaxed, the first: it is looked at again.
        self.asked.load(Ordering::Relaxed) && self.asked.swap(false, Ordering::Acquire)
    }

    /// The consumer's side: what became of it.
    pub(crate) fn note(&self, result: io::Result<()>) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = result.err();
    }
}
