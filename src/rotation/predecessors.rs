//! Closes the segments of dead processes, in a thread of the lowest priority that ends when that is done.
//!
//! In: segments that may have no end, and what closes one. Out: those that stay unclosed, and why. Nobody waits for the
//! thread: it can be cut short anywhere, and the next start goes on.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::process::own_thread;
use crate::process::thread_info::{be_idle, be_ordinary};

/// A segment that could not be closed.
#[derive(Debug)]
pub(crate) struct Unclosed {
    pub(crate) path: PathBuf,
    pub(crate) error: io::Error,
}

/// Closes one segment. It stops soon after the function says no.
pub(crate) type Close = dyn Fn(&Path, &dyn Fn() -> bool) -> io::Result<()> + Send;

/// The thread that closes segments.
pub(crate) struct Predecessors {
    thread: Option<JoinHandle<Vec<Unclosed>>>,
    is_stopped: Arc<AtomicBool>,
}

impl Predecessors {
    /// Closes these segments, one after the other.
    ///
    /// # Errors
    /// If no thread can be made.
    pub(crate) fn close(paths: Vec<PathBuf>, close: Box<Close>) -> io::Result<Self> {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&is_stopped);
        let run = move || {
            be_ordinary();
            be_idle();
            // Ordering: the flag is set once, and is asked again. Nothing else depends on it.
            let go_on = || !stopped.load(Ordering::Relaxed);
            let close = |path: PathBuf| {
                let closed = catch_unwind(AssertUnwindSafe(|| close(&path, &go_on)));
                // The panic hook has reported it.
                let closed = closed.unwrap_or_else(|_| Err(io::Error::other("it panicked")));
                let error = closed.err().filter(|_| go_on())?;
                Some(Unclosed { path, error })
            };
            paths.into_iter().take_while(|_| go_on()).filter_map(close).collect()
        };
        let thread = own_thread::spawn("kymo-close", run)?;
        Ok(Self { thread: Some(thread), is_stopped })
    }

    /// Returns those that stay unclosed, once, when all are done.
    pub(crate) fn take_done(&mut self) -> Option<Vec<Unclosed>> {
        let thread = self.thread.take_if(|thread| thread.is_finished())?;
        Some(thread.join().unwrap_or_default())
    }
}

impl Drop for Predecessors {
    fn drop(&mut self) {
        // Ordering: as above.
        self.is_stopped.store(true, Ordering::Relaxed);
    }
}
