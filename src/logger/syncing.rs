//! The thread that brings the log to the disk, of a logger with a [`Durability`] other than the kernel's.

use std::io;
use std::time::Duration;

use crate::clock::{monotonic_ns, nanoseconds};
use crate::process::own_thread;
use crate::process::thread_info::be_ordinary;
use crate::shared::Shared;
use crate::shared::disk::{Durability, Which};
use crate::sync::Arc;

/// Starts the thread of one log, unless the kernel decides alone. A disk that blocks delays no other log.
///
/// # Errors
/// If there can be no other thread.
pub(super) fn start(shared: &Arc<Shared>, log: usize) -> io::Result<()> {
    let interval = match shared.disk_of(log).durability() {
        Durability::Kernel => return Ok(()),
        Durability::Every(interval) => Some(interval),
        Durability::AtClose => None,
    };
    let its_shared = shared.clone();
    let run = move || {
        be_ordinary();
        sync_until_end(&its_shared, log, interval);
    };
    let thread = own_thread::spawn("kymo-sync", run)?;
    shared.disk_of(log).set_thread(thread.thread().clone());
    Ok(())
}

/// Syncs a log at intervals, if there are any, and the files that the logger leaves, until it has ended. (The last
/// sync is not made here, but when the consumer has closed the log.)
fn sync_until_end(shared: &Shared, log: usize, interval: Option<Duration>) {
    let (disk, interval_ns) = (shared.disk_of(log), interval.map(nanoseconds));
    let mut next_ns = interval_ns.map(|interval_ns| monotonic_ns().saturating_add(interval_ns));
    let mut synced = None;
    while !disk.has_ended() {
        let now_ns = monotonic_ns();
        // A failure is counted, and the consumer tells it.
        if next_ns.is_some_and(|next_ns| now_ns >= next_ns) {
            next_ns = interval_ns.map(|interval_ns| now_ns.saturating_add(interval_ns));
            // Read before the sync, which has at least that much.
            let written = shared.written(log);
            let is_new = disk.has_left() || written != synced;
            if is_new && written.is_some() {
                synced = shared.sync_log(log).ok().and(written);
            }
        } else if disk.has_left() {
            let _ = disk.sync(Which::Left, shared.counters_of(log));
        } else if let Some(next_ns) = next_ns {
            std::thread::park_timeout(Duration::from_nanos(next_ns - now_ns));
        } else {
            std::thread::park();
        }
    }
}
