//! What a fork means for parent and child.
//!
//! The parent does not notice. The child has copies of its parent's memory, rings included, but not
//! the consumer's thread: its logger is gone.
//!
//! - Records that the forking thread had logged are in the parent's ring, and are written there.
//!   The child forgets its copy.
//! - Records that the child logs count as unlogged, until it starts a logger of its own.
//! - The child shares nothing with the parent's file. Mappings are not inherited (`MADV_DONTFORK`),
//!   and the descriptor is closed. The lock on the file stays with the parent; unlocking it would
//!   take it from both.
//!
//! Not covered are children that no `fork` handler sees: a `clone` or `vfork` by a system call of
//! the program's own. `Command` may use these. It starts another program, which has nothing of
//! kymo.

use std::fs::File;
use std::ops::Deref;
use std::os::fd::AsRawFd;

use crate::process::statics::{GENERATION, PRIVATE};
use crate::sync::statics::{AtomicI32, Ordering};

/// Returns the fork generation, which differs between a process and the one that it was forked
/// from.
pub(crate) fn generation() -> u32 {
    // Relaxed: written by the only thread of a new process, before anything else there.
    GENERATION.load(Ordering::Relaxed)
}

/// A file that a forked child closes, because it has no use for it.
#[derive(Debug)]
pub(crate) struct Private(File);

impl Private {
    pub(crate) fn new(file: File) -> Self {
        // Relaxed, all: a fork copies the descriptors before the memory. So a descriptor that is
        // still written here was open then, and is in the child. (If there is no place left, the
        // child keeps the file open, and with it the lock.)
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

/// Begins a forked child, in its only thread: raises the generation, and closes the files of its
/// parent.
pub(crate) fn begin_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    for slot in &PRIVATE {
        let file = slot.swap(-1, Ordering::Relaxed);
        if file >= 0 {
            // SAFETY: a descriptor that this process got from its parent (see `Private::new`). Its
            // owner was a thread that is not here, or memory that such a thread left.
            unsafe { libc::close(file) };
        }
    }
}
