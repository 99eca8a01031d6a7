//! What a fork does to the logger: it takes the locks of the whole process in their order, so that no
//! other thread holds one, and the child forgets the parent's logger.
//!
//! [`process::fork`](crate::process::fork) says what becomes of parent and child.

use std::cell::RefCell;
use std::sync::Once;

use crate::crash::exit;
use crate::process::fork;
use crate::segment::guard;
use crate::shared::{orphans, running};
use crate::thread;

thread_local! {
    /// The locks, while this thread forks.
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

/// No other thread holds these while a process forks: in the child nobody could release them.
struct Held {
    _turn: running::Turn,
    latest: Option<exit::Latest>,
    orphans: orphans::Orphans,
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

extern "C" fn prepare() {
    // In the order in which others take them.
    let held = Held { _turn: running::turn(), latest: exit::latest(), orphans: orphans::orphans() };
    // A thread whose locals have been destroyed cannot keep them.
    let _ = HELD.try_with(|cell| cell.replace(Some(held)));
}

extern "C" fn in_parent() {
    let _ = HELD.try_with(|cell| cell.take());
}

extern "C" fn in_child() {
    fork::begin_child();
    guard::begin_child();
    if let Ok(Some(mut held)) = HELD.try_with(|cell| cell.take()) {
        running::forget();
        if let Some(latest) = &mut held.latest {
            std::mem::forget(latest.take());
        }
        std::mem::forget(std::mem::take(&mut *held.orphans));
    }
    thread::begin_child();
}
