//! Keeps the logger whole when the process forks.
//!
//! Before the fork, the forking thread takes the locks of the process in their order, so that no
//! other thread holds one. Afterwards the child forgets the parent's logger.
//! [`process::fork`](crate::process::fork) describes what becomes of parent and child.

use std::cell::RefCell;
use std::sync::Once;

use crate::crash::exit;
use crate::filter::setting::Filters;
use crate::process::fork;
use crate::process::statics::FILTERS;
use crate::segment::guard;
use crate::shared::{orphans, running};
use crate::statement::rate;
use crate::sync::statics::{MutexGuard, PoisonError};
use crate::thread;

thread_local! {
    /// The locks that this thread holds while it forks.
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

/// The locks of the process. If another thread held one during a fork, nobody could release it in
/// the child.
struct Held {
    _turn: running::Turn,
    latest: Option<exit::Latest>,
    orphans: orphans::Orphans,
    filters: MutexGuard<'static, Filters>,
}

/// Installs the handlers of `fork`, once. To be called before the first logger starts.
pub(crate) fn register() {
    static REGISTERED: Once = Once::new();
    let register = || {
        // SAFETY: the functions take no arguments and stay loaded. If the call fails for lack of
        // memory, a child is not told apart and must not log.
        unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
    };
    REGISTERED.call_once(register);
}

extern "C" fn prepare() {
    // The order of locks is that of `process::statics`.
    let held = Held {
        _turn: running::turn(),
        latest: exit::latest(),
        orphans: orphans::orphans(),
        filters: FILTERS.lock().unwrap_or_else(PoisonError::into_inner),
    };
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
        held.filters.forget();
        if let Some(latest) = &mut held.latest {
            std::mem::forget(latest.take());
        }
        std::mem::forget(std::mem::take(&mut *held.orphans));
    }
    thread::begin_child();
    rate::begin_child();
}
