//! The end of a process that did not shut its logger down: `exit`, or a return from `main`.
//!
//! A handler of `atexit`, registered when the first logger starts, ends the logger that runs. It may
//! be called in odd places (on the consumer's own thread, in a signal handler, while another thread
//! starts or shuts down a logger), so it waits for no lock and no thread without a limit.

use std::sync::Once;
use std::time::Duration;

use crate::clock::{monotonic_ns, nanoseconds};
use crate::crash::signals;
use crate::process::statics::LATEST;
use crate::shared::Shared;
use crate::shared::running;
use crate::sync::Arc;
use crate::sync::statics::MutexGuard;

/// How long the handler waits for locks, which nobody holds for long.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// This logger is to be ended at `exit`, within this time.
pub(crate) fn end_at_exit(shared: &Arc<Shared>, timeout: Duration) {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: a function without arguments that stays where it is (`stay_loaded`). Where there is no
        // room for it, which C leaves open, `exit` ends no logger.
        let _ = unsafe { libc::atexit(at_exit) };
    });
    if let Some(mut latest) = latest() {
        *latest = Some((shared.clone(), timeout));
    }
}

extern "C" fn at_exit() {
    let withdrawn = running::withdraw(LOCK_TIMEOUT);
    // Also a logger that is being shut down by a thread that will not live to see the end of it.
    let Some((shared, timeout)) = latest().and_then(|latest| latest.clone()) else { return };
    let deadline_ns = monotonic_ns().saturating_add(nanoseconds(timeout));
    // Where a signal came first, it decides the status.
    if shared.emergency.mailbox.has_ended() {
        return shared.emergency.end_by_signal();
    }
    if shared.emergency.is_consumer_thread(crate::process::thread_info::os_thread_id()) {
        // It would wait for itself. `exit` does not return to it, so it may be taken over here.
        shared.emergency.takeover.run(None, deadline_ns);
        shared.emergency.mailbox.end();
        return shared.emergency.end_by_signal();
    }
    shared.control.stop_without_waiting();
    while !shared.emergency.mailbox.has_ended() && monotonic_ns() < deadline_ns {
        if shared.emergency.fatal_signal().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    shared.emergency.end_by_signal();
    signals::uninstall();
    // Threads of the program may run on, and its destructors are not to run under them.
    std::mem::forget((withdrawn, shared));
}

/// The lock on it.
pub(crate) type Latest = MutexGuard<'static, Option<(Arc<Shared>, Duration)>>;

/// The lock, unless that takes too long.
pub(crate) fn latest() -> Option<Latest> {
    running::lock_within(&LATEST, LOCK_TIMEOUT)
}
