//! The logger that runs in this process. Log statements find it here; starting publishes it, and
//! ending withdraws it.

use std::sync::TryLockError;
use std::time::Duration;

use crate::clock::{monotonic_ns, nanoseconds};
use crate::process::statics::{FILTERS, GATE, RUNNING, TURN, UNLOGGED};
use crate::shared::Shared;
use crate::sync::Arc;
use crate::sync::statics::{Mutex, MutexGuard, Ordering, PoisonError};

/// The lock that lets one logger at a time start or end.
pub(crate) type Turn = MutexGuard<'static, ()>;

/// Waits until no other logger starts or ends, and keeps others from it.
pub(crate) fn turn() -> Turn {
    // A start that panicked has published nothing.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the running logger, if there is one. Never waits. A logger that is still starting does
/// not count.
pub(crate) fn current() -> Option<Arc<Shared>> {
    RUNNING.get()
}

/// Withdraws the logger from log statements, for `exit`.
///
/// Waits at most `limit` for a logger that starts or ends.
pub(crate) fn withdraw(limit: Duration) -> Option<Arc<Shared>> {
    let _turn = lock_within(&TURN, limit);
    let shared = RUNNING.withdraw();
    match lock_within(&FILTERS, limit) {
        Some(mut filters) => filters.open(),
        None => GATE.open(),
    }
    shared
}

/// Forgets the logger in the child of a fork.
pub(crate) fn forget() {
    RUNNING.forget();
}

/// Counts calls that found no running logger.
pub(crate) fn count_unlogged(calls: u64) {
    // Relaxed: a number to look at; nothing is read on its account.
    UNLOGGED.fetch_add(calls, Ordering::Relaxed);
}

/// Locks within a time limit; `None` if the limit passes.
pub(crate) fn lock_within<T>(
    lock: &'static Mutex<T>,
    limit: Duration,
) -> Option<MutexGuard<'static, T>> {
    let deadline_ns = monotonic_ns().saturating_add(nanoseconds(limit));
    loop {
        match lock.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if monotonic_ns() >= deadline_ns => return None,
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_micros(50)),
        }
    }
}
