//! Ends the logger of a process that did not shut it down: at `exit`, or at a return from `main`.
//!
//! The first logger registers a handler of `atexit`, which ends the running logger. The handler may
//! run on the consumer's own thread, in a signal handler, or while another thread starts or shuts
//! down a logger. So it waits for no lock and no thread without a limit.

use std::sync::Once;
use std::time::Duration;

use crate::clock::{monotonic_ns, nanoseconds};
use crate::crash::signals;
use crate::process::statics::LATEST;
use crate::shared::Shared;
use crate::shared::running;
use crate::sync::Arc;
use crate::sync::statics::MutexGuard;

/// How long the handler waits for locks, which no thread holds for long.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// Has `exit` end this logger, within this time.
pub(crate) fn end_at_exit(shared: &Arc<Shared>, timeout: Duration) {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: a function without arguments that stays where it is (`stay_loaded`). Where there
        // is no room for it, which C leaves open, `exit` ends no logger.
        let _ = unsafe { libc::atexit(at_exit) };
    });
    if let Some(mut latest) = latest() {
        *latest = Some((shared.clone(), timeout));
    }
}

extern "C" fn at_exit() {
    let withdrawn = running::withdraw(LOCK_TIMEOUT);
    // This may be a logger whose shutdown is under way in another thread, which will not live to
    // complete it.
    let Some((shared, timeout)) = latest().and_then(|latest| latest.clone()) else { return };
    let deadline_ns = monotonic_ns().saturating_add(nanoseconds(timeout));
    // If a signal came first, it decides the status.
    if shared.emergency.mailbox.has_ended() {
        return shared.emergency.end_by_signal();
    }
    if shared.emergency.is_consumer_thread(crate::process::thread_info::os_thread_id()) {
        // The consumer would wait for itself. `exit` does not return to it, so it can be taken over
        // here.
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
    // Leaked: threads of the program may still run, and no destructor may run under them.
    std::mem::forget((withdrawn, shared));
}

/// The lock on the logger that `exit` ends.
pub(crate) type Latest = MutexGuard<'static, Option<(Arc<Shared>, Duration)>>;

/// Locks the logger that `exit` ends; `None` if that takes too long.
pub(crate) fn latest() -> Option<Latest> {
    running::lock_within(&LATEST, LOCK_TIMEOUT)
}
