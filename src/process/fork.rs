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

use std::cell::RefCell;
use std::fs::File;
use std::ops::Deref;
use std::os::fd::AsRawFd;
use std::sync::Once;

use crate::crash::exit;
use crate::logger;
use crate::segment::guard;
use crate::shared::orphans;
use crate::sync::statics::{AtomicI32, AtomicU32, Ordering};
use crate::thread;

/// How many forks lie between this process and the one that started first.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The descriptors of `Private` files, or -1. (A logger has three; unit tests have several loggers.)
static PRIVATE: [AtomicI32; 32] = [const { AtomicI32::new(-1) }; 32];

thread_local! {
    /// The locks, while this thread forks.
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

/// No other thread holds these while a process forks: in the child nobody could release them.
struct Held {
    _turn: logger::Turn,
    latest: Option<exit::Latest>,
    orphans: orphans::Orphans,
}

/// Tells one process from those that it came from by a `fork`.
pub(crate) fn generation() -> u32 {
    // Relaxed: written by the only thread of a new process, before anything else there.
    GENERATION.load(Ordering::Relaxed)
}

/// To be called before the first logger starts.
pub(crate) fn register() {
    static REGISTERED: Once = Once::new();
    let register = || {
        // SAFETY: functions without arguments, which stay where they are. Where there is no memory
        // for them, a child is not told apart, and must not log.
        unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
    };
    REGISTERED.call_once(register);
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

extern "C" fn prepare() {
    // In the order in which others take them.
    let held = Held { _turn: logger::turn(), latest: exit::latest(), orphans: orphans::orphans() };
    // A thread whose locals have been destroyed cannot keep them.
    let _ = HELD.try_with(|cell| cell.replace(Some(held)));
}

extern "C" fn in_parent() {
    let _ = HELD.try_with(|cell| cell.take());
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    for slot in &PRIVATE {
        let file = slot.swap(-1, Ordering::Relaxed);
        if file >= 0 {
            // SAFETY: a descriptor that this process got from its parent (see `Private::new`), and
            // whose owner was a thread that is not here, or what that has left.
            unsafe { libc::close(file) };
        }
    }
    guard::begin_child();
    if let Ok(Some(mut held)) = HELD.try_with(|cell| cell.take()) {
        logger::forget();
        if let Some(latest) = &mut held.latest {
            std::mem::forget(latest.take());
        }
        std::mem::forget(std::mem::take(&mut *held.orphans));
    }
    thread::begin_child();
}
