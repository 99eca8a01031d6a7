//! `fork`: parent and child go different ways.
//!
//! The parent does not notice. The child has copies of its parent's memory, the rings included, but
//! not the consumer's thread: its logger is gone. What its one thread had logged is in the parent's
//! ring and is written there; its copy is forgotten. What it logs from then on counts as unlogged,
//! until it starts a logger of its own. It shares nothing with the parent's file: the mappings are
//! not inherited (`MADV_DONTFORK`), and the descriptor is closed, which leaves the lock on the file
//! to the parent. (To unlock it would take it away from both.)
//!
//! What no handler sees is not covered: a `clone` or `vfork` by a system call of the program's own.
//! `Command` may use these, and starts another program, which has nothing of kymo's.

use std::fs::File;
use std::ops::Deref;
use std::os::fd::AsRawFd;

use crate::process::statics::{GENERATION, PRIVATE};
use crate::sync::statics::{AtomicI32, Ordering};

/// Tells one process from those that it came from by a `fork`.
pub(crate) fn generation() -> u32 {
    // Relaxed: written by the only thread of a new process, before anything else there.
    GENERATION.load(Ordering::Relaxed)
}

/// A file of which a child of a fork has no use: it is closed there.
#[derive(Debug)]
pub(crate) struct Private(File);

impl Private {
    pub(crate) fn new(file: File) -> Self {
        // Relaxed, all: a fork takes its copy of the descriptors before that of the memory. So one
        // that is still written here was open then, and is in the child. (Where there is no place
        // left, the child keeps it open, and with it the lock on the file.)
        let _ = PRIVATE.iter().any(|slot| replace(slot, -1, file.as_raw_fd()));
        Self(file)
    }
}

impl Deref for Private {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // Before it is closed.
        let _ = PRIVATE.iter().any(|slot| replace(slot, self.0.as_raw_fd(), -1));
    }
}

fn replace(slot: &AtomicI32, old: i32, new: i32) -> bool {
    slot.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

/// In the only thread of a forked child: it is another process, and closes what is its parent's.
pub(crate) fn begin_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    for slot in &PRIVATE {
        let file = slot.swap(-1, Ordering::Relaxed);
        if file >= 0 {
            // SAFETY: a descriptor that this process got from its parent (see `Private::new`), and
            // whose owner was a thread that is not here, or what that has left.
            unsafe { libc::close(file) };
        }
    }
}
