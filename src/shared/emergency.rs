//! What a logger and the handlers of signals share.
//!
//! Everything here is async-signal-safe: atomics, and cells that are set before a handler is installed.

use std::ffi::c_int;
use std::ptr;

use crate::clock::monotonic_ns;
use crate::process::signal_action;
use crate::shared::mailbox::{Mailbox, Request};
use crate::shared::pending::Pending;
use crate::sync::statics::{AtomicBool, AtomicPtr, AtomicU64, OnceLock, Ordering};

/// How long past its limit a handler waits for a drain, in nanoseconds: the consumer has the limit for
/// draining, and then marks and counts what is left in the rings.
pub(crate) const GRACE_NS: u64 = 1_000_000_000;

/// The signals by which somebody asks a process to end.
pub(crate) const TERMINATION: [c_int; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP];

/// What a logger and the handlers share.
pub(crate) struct Emergency {
    /// What signal handlers ask for.
    pub(crate) mailbox: Mailbox,
    pub(crate) takeover: Takeover,
    /// Termination signals on their way, as in [`TERMINATION`].
    pub(crate) pending: [Pending; TERMINATION.len()],
    /// When a signal that ends the process has its effect at the latest, on the monotonic clock.
    pub(crate) deadline_ns: AtomicU64,
    /// The consumer's thread, once it runs.
    pub(crate) consumer: OnceLock<std::thread::Thread>,
    /// The operating system's numbers of the consumer's thread, and of the one that stands by.
    threads: [AtomicU64; 2],
}

impl Default for Emergency {
    fn default() -> Self {
        let threads = [const { AtomicU64::new(0) }; 2];
        Self {
            mailbox: Mailbox::new(),
            takeover: Takeover::new(),
            pending: std::array::from_fn(|_| Pending::new()),
            deadline_ns: AtomicU64::new(u64::MAX),
            consumer: OnceLock::new(),
            threads,
        }
    }
}

impl Emergency {
    /// Whether a thread is the consumer's.
    pub(crate) fn is_consumer_thread(&self, os_id: u64) -> bool {
        // Relaxed, all: a thread asks for itself; another one's number is not its own.
        self.threads[0].load(Ordering::Relaxed) == os_id
    }

    /// Whether a thread is the one that stands by.
    pub(crate) fn is_standby_thread(&self, os_id: u64) -> bool {
        self.threads[1].load(Ordering::Relaxed) == os_id
    }

    /// For the consumer's thread, first of all.
    pub(crate) fn set_consumer_thread(&self, os_id: u64) {
        self.threads[0].store(os_id, Ordering::Relaxed);
    }

    /// For the consumer's thread: it may be woken.
    pub(crate) fn set_consumer(&self, consumer: std::thread::Thread) {
        let _ = self.consumer.set(consumer);
    }

    /// The signal by which the process is going to end, if one is on its way.
    pub(crate) fn fatal_signal(&self) -> Option<c_int> {
        self.fatal_request().map(|request| request.signal().into())
    }

    /// The same, as it is marked in the file. The consumer may be closing that for another reason before
    /// the standby asks for it.
    pub(crate) fn fatal_request(&self) -> Option<Request> {
        let mut slots = TERMINATION.into_iter().zip(&self.pending);
        slots.find_map(|(signal, pending)| {
            let post = pending.fatal()?;
            Some(Request::drain(signal as u8, post.thread).marked().closing())
        })
    }

    /// Whether the process is going to end by a signal, and the time for draining is over.
    pub(crate) fn is_overdue(&self) -> bool {
        // Relaxed: a number to look at.
        let deadline_ns = self.deadline_ns.load(Ordering::Relaxed);
        deadline_ns != u64::MAX && monotonic_ns() >= deadline_ns
    }

    /// Where a signal is going to end the process, waits for the drain and ends it. For `exit`, whose
    /// status the signal replaces.
    pub(crate) fn end_by_signal(&self) {
        let Some(signal) = self.fatal_signal() else { return };
        // Relaxed: a number to look at.
        let deadline_ns = self.deadline_ns.load(Ordering::Relaxed).saturating_add(GRACE_NS);
        while !self.mailbox.has_ended() && monotonic_ns() < deadline_ns {
            nap();
        }
        signal_action::end_process(signal);
    }

    pub(crate) fn set_standby_thread(&self, os_id: u64) {
        self.threads[1].store(os_id, Ordering::Relaxed);
    }
}

/// Drains the rings in the place of a consumer: what for, and when to give up, on the monotonic clock.
///
/// # Safety
/// The pointer is the one that was offered, and its thread does not use it any more.
pub(crate) type TakeOver = unsafe fn(*mut (), Option<Request>, u64);

/// Where the consumer is found by who takes over.
pub(crate) struct Takeover {
    consumer: AtomicPtr<()>,
    take_over: OnceLock<TakeOver>,
    asked: AtomicBool,
}

impl Takeover {
    pub(crate) fn new() -> Self {
        Self {
            consumer: AtomicPtr::new(ptr::null_mut()),
            take_over: OnceLock::new(),
            asked: AtomicBool::new(false),
        }
    }

    /// The consumer's side: here it is.
    ///
    /// # Safety
    /// `take_over` is for such a consumer, which stays there, and is used by the calling thread only, until [`Takeover::withdraw`].
    pub(crate) unsafe fn offer(&self, consumer: *mut (), take_over: TakeOver) {
        let _ = self.take_over.set(take_over);
        // Release: pairs with the acquire in `take`.
        self.consumer.store(consumer, Ordering::Release);
    }

    /// The consumer's side: it is not to be taken over any more.
    pub(crate) fn withdraw(&self) {
        // Relaxed: who takes over does so on the word of this very thread.
        self.consumer.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// For a handler on the consumer's thread.
    pub(crate) fn ask(&self) {
        // Release: pairs with the acquire in `is_asked`: what the thread has done to the consumer is
        // seen.
        self.asked.store(true, Ordering::Release);
    }

    pub(crate) fn is_asked(&self) -> bool {
        // Acquire: pairs with the release in `ask`.
        self.asked.load(Ordering::Acquire)
    }

    /// Drains the rings for a consumer that will not. To be called where its thread waits for this
    /// call, or on that thread itself, which must not return to it.
    /// `deadline_ns`: when to give up what is left in the rings, on the monotonic clock.
    pub(crate) fn run(&self, request: Option<Request>, deadline_ns: u64) {
        // Acquire: pairs with the release in `offer`. Taken out, so that it happens once.
        let consumer = self.consumer.swap(ptr::null_mut(), Ordering::Acquire);
        if let (false, Some(take_over)) = (consumer.is_null(), self.take_over.get()) {
            // SAFETY: where the consumer is (`offer`). Its thread does not use it any more: it is the
            // caller's thread, which does not return to it, or has called `ask` in a handler, in which
            // it waits, and from which it returns only to die.
            unsafe { take_over(consumer, request, deadline_ns) };
        }
    }
}

/// Lets 50 µs pass.
pub(crate) fn nap() {
    let time = libc::timespec { tv_sec: 0, tv_nsec: 50_000 };
    // SAFETY: valid for a read; the time that is left is not asked for.
    unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) };
}
