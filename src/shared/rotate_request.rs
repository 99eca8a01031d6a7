//! How a thread or a signal handler asks the consumer for the next segment of a rotated log: see `consumer::rotate`.

use std::io;

use crate::sync::statics::{AtomicBool, AtomicU64, Mutex, Ordering, PoisonError};

/// Requests for another segment.
#[derive(Default)]
pub(crate) struct RotateRequest {
    /// The number of the last request of a thread.
    asked: AtomicU64,
    /// A signal handler has asked.
    signalled: AtomicBool,
    answered: Mutex<Answered>,
}

/// What became of the requests.
#[derive(Default)]
struct Answered {
    /// Up to which number they are answered.
    number: u64,
    /// The error of the last answer.
    error: Option<(io::ErrorKind, String)>,
}

impl RotateRequest {
    /// The asker's side: asks, and returns the number of the request. The asker then requests sweeps until there is an
    /// [answer](Self::answer).
    pub(crate) fn ask(&self) -> u64 {
        // Release: pairs with the acquire in `asked`: what this thread logged before is in the segment before.
        self.asked.fetch_add(1, Ordering::Release) + 1
    }

    /// A signal handler's side: asks. Nobody waits for the answer.
    pub(crate) fn signal(&self) {
        // Release: as in `ask`.
        self.signalled.store(true, Ordering::Release);
    }

    /// The asker's side: what became of a request; `None` if it is not answered yet.
    pub(crate) fn answer(&self, number: u64) -> Option<io::Result<()>> {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let error =
            || answered.error.as_ref().map(|(kind, text)| io::Error::new(*kind, text.clone()));
        (answered.number >= number).then(|| error().map_or(Ok(()), Err))
    }

    /// The consumer's side: the number of the last request. To be called before a sweep.
    pub(crate) fn asked(&self) -> u64 {
        // Acquire: pairs with the release in `ask`.
        self.asked.load(Ordering::Acquire)
    }

    /// The consumer's side: whether a signal handler has asked; clears that. To be called before a sweep.
    pub(crate) fn take_signal(&self) -> bool {
        // Relaxed, the first: it is looked at again. Acquire: pairs with the release in `signal`.
        self.signalled.load(Ordering::Relaxed) && self.signalled.swap(false, Ordering::Acquire)
    }

    /// The consumer's side: answers all requests up to `number`.
    pub(crate) fn reply(&self, number: u64, result: Result<(), &io::Error>) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.number = number;
        answered.error = result.err().map(|error| (error.kind(), error.to_string()));
    }
}
