//! How other threads ask the consumer to wake up, to finish a sweep, or to stop.
//!
//! A request is a number. The consumer reads it *before* a sweep and acknowledges it *after* that
//! sweep. So the asker knows that the sweep saw all that was published before the request. The
//! consumer sleeps with `park`, whose token cannot be lost: an `unpark` that comes before the
//! `park` makes that return at once.
//!
//! ```text
//! 1. asker:    requested += 1 (release), unpark
//! 2. consumer: reads requested (acquire), sweeps, commits
//! 3. consumer: served = the number that it read, under the lock, and notifies
//! 4. asker:    waits under the lock until served has reached its number
//! ```

use std::time::Duration;

use crate::clock::monotonic_ns;
use crate::mutant::{self, Mutant};
use crate::process::inside::Locked;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard, thread};

/// The requests to the consumer.
pub(crate) struct Control {
    requested: AtomicU64,
    stop: AtomicBool,
    /// The time limit of a stop, on the monotonic clock.
    deadline_ns: AtomicU64,
    served: Mutex<Served>,
    changed: Condvar,
}

struct Served {
    /// The last request that was served.
    request: u64,
    /// True if the consumer has ended and serves no more requests.
    ended: bool,
    /// The consumer's thread, while it runs.
    consumer: Option<thread::Thread>,
}

impl Control {
    pub(crate) fn new() -> Self {
        Self {
            requested: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            deadline_ns: AtomicU64::new(u64::MAX),
            served: Mutex::new(Served { request: 0, ended: false, consumer: None }),
            changed: Condvar::new(),
        }
    }

    /// Wakes the consumer if it sleeps.
    pub(crate) fn wake(&self) {
        if let Some(consumer) = &self.served().consumer {
            consumer.unpark();
        }
    }

    /// Waits for a whole sweep that begins after this call. Returns false if the deadline passes or
    /// the consumer ends before.
    ///
    /// The deadline is on the monotonic clock.
    pub(crate) fn request_sweep(&self, deadline_ns: Option<u64>) -> bool {
        // Release: pairs with the acquire load in `begin_sweep`: what this thread published is seen
        // by that sweep.
        if self.is_consumer() {
            // The consumer would wait for itself. (A panic hook that logs and flushes runs in its
            // thread.)
            return false;
        }
        let release = mutant::ordering(Ordering::Release, Mutant::RequestAdd);
        if mutant::broken(Mutant::WakeBeforeRequest) {
            self.wake();
        }
        let request = self.requested.fetch_add(1, release) + 1;
        if !mutant::broken(Mutant::WakeBeforeRequest) {
            self.wake();
        }
        let mut served = self.served();
        loop {
            if served.request >= request {
                return true;
            }
            if served.ended {
                return false;
            }
            served = match deadline_ns {
                None => wait(&self.changed, served),
                Some(deadline) => {
                    let left = deadline.saturating_sub(monotonic_ns());
                    if left == 0 {
                        return false;
                    }
                    wait_timeout(&self.changed, served, Duration::from_nanos(left))
                }
            };
        }
    }

    /// Returns whether the calling thread is the consumer's.
    pub(crate) fn is_consumer(&self) -> bool {
        self.served().consumer.as_ref().is_some_and(|thread| thread.id() == thread::current().id())
    }

    /// Tells the consumer to drain the rings and end.
    ///
    /// At `deadline_ns` on the monotonic clock, if one is given, it stops and leaves in the rings
    /// what it has not written.
    pub(crate) fn stop(&self, deadline_ns: Option<u64>) {
        if let Some(deadline) = deadline_ns {
            // Relaxed: the store of the flag below publishes it.
            self.deadline_ns.store(deadline, Ordering::Relaxed);
        }
        // Release: pairs with the acquire load in `begin_sweep`: what was published before the stop
        // is drained.
        let release = mutant::ordering(Ordering::Release, Mutant::StopStore);
        if mutant::broken(Mutant::WakeBeforeStop) {
            self.wake();
        }
        self.stop.store(true, release);
        if !mutant::broken(Mutant::WakeBeforeStop) {
            self.wake();
        }
    }

    /// Tells the consumer to stop, for callers that must not wait for a lock. The consumer may
    /// notice only when its sleep is over.
    pub(crate) fn stop_without_waiting(&self) {
        // Release: as in `stop`.
        self.stop.store(true, Ordering::Release);
        if let Ok(served) = self.served.try_lock()
            && let Some(consumer) = &served.consumer
        {
            consumer.unpark();
        }
    }

    /// The consumer's side: returns whether the time limit of the stop is over.
    pub(crate) fn is_overdue(&self) -> bool {
        // Relaxed: see `stop`.
        let deadline = self.deadline_ns.load(Ordering::Relaxed);
        deadline != u64::MAX && monotonic_ns() >= deadline
    }

    /// The consumer's side: returns the time limit of the stop, on the monotonic clock.
    pub(crate) fn deadline_ns(&self) -> u64 {
        // Relaxed: see `stop`.
        self.deadline_ns.load(Ordering::Relaxed)
    }

    /// The consumer's side: notes its thread when it begins.
    pub(crate) fn attach(&self, consumer: thread::Thread) {
        self.served().consumer = Some(consumer);
    }

    /// The consumer's side: returns the last request, and whether to stop. To be called before a
    /// sweep.
    pub(crate) fn begin_sweep(&self) -> (u64, bool) {
        // Acquire, both: see `request_sweep` and `stop`.
        let for_request = mutant::ordering(Ordering::Acquire, Mutant::RequestLoad);
        let for_stop = mutant::ordering(Ordering::Acquire, Mutant::StopLoad);
        (self.requested.load(for_request), self.stop.load(for_stop))
    }

    /// The consumer's side: `request` was read before a sweep that is now committed.
    pub(crate) fn end_sweep(&self, request: u64) {
        let mut served = self.served();
        if served.request < request {
            served.request = request;
            self.changed.notify_all();
        }
    }

    /// The consumer's side: notes its end, and releases all threads that wait.
    pub(crate) fn end(&self) {
        let mut served = self.served();
        served.ended = !mutant::broken(Mutant::EndUnsaid);
        served.consumer = None;
        self.changed.notify_all();
    }

    fn served(&self) -> LockedServed<'_> {
        // Nothing under this lock panics; if something did, the numbers would still be whole.
        Locked::by(|| self.served.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

type LockedServed<'a> = Locked<MutexGuard<'a, Served>>;

fn wait<'a>(condvar: &Condvar, served: LockedServed<'a>) -> LockedServed<'a> {
    served.map(|guard| condvar.wait(guard).unwrap_or_else(|poisoned| poisoned.into_inner()))
}

fn wait_timeout<'a>(
    condvar: &Condvar,
    served: LockedServed<'a>,
    limit: Duration,
) -> LockedServed<'a> {
    served.map(|guard| {
        condvar.wait_timeout(guard, limit).unwrap_or_else(|poisoned| poisoned.into_inner()).0
    })
}
