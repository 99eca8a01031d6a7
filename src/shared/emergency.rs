//! What a logger and its signal handlers share.
//!
//! Everything here is async-signal-safe: atomics, and cells that are set before a handler is
//! installed.

use std::ffi::c_int;
use std::ptr;

use crate::clock::monotonic_ns;
use crate::process::signal_action;
use crate::shared::mailbox::{Mailbox, Request};
use crate::shared::pending::Pending;
use crate::sync::statics::{AtomicBool, AtomicPtr, AtomicU64, OnceLock, Ordering};

/// How long past its limit a handler waits for a drain, in nanoseconds. In that time the consumer
/// marks and counts the records that are left in the rings.
pub(crate) const GRACE_NS: u64 = 1_000_000_000;

/// The signals that ask a process to end.
pub(crate) const TERMINATION: [c_int; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP];

/// What a logger and its signal handlers share.
pub(crate) struct Emergency {
    /// The requests of signal handlers for a drain.
    pub(crate) mailbox: Mailbox,
    pub(crate) takeover: Takeover,
    /// The termination signals under way, in the order of [`TERMINATION`].
    pub(crate) pending: [Pending; TERMINATION.len()],
    /// The latest time at which a fatal signal has its effect, on the monotonic clock.
    pub(crate) deadline_ns: AtomicU64,
    /// The consumer's thread, set when it runs.
    pub(crate) consumer: OnceLock<std::thread::Thread>,
    /// The operating system's numbers of the consumer's thread and of the standby thread.
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
    /// Returns whether `os_id` is the consumer's thread.
    pub(crate) fn is_consumer_thread(&self, os_id: u64) -> bool {
        // Relaxed, all: a thread asks for itself; another one's number is not its own.
        self.threads[0].load(Ordering::Relaxed) == os_id
    }

    /// Returns whether `os_id` is the standby thread.
    pub(crate) fn is_standby_thread(&self, os_id: u64) -> bool {
        self.threads[1].load(Ordering::Relaxed) == os_id
    }

    /// Notes the consumer's thread number, as the first thing that thread does.
    pub(crate) fn set_consumer_thread(&self, os_id: u64) {
        self.threads[0].store(os_id, Ordering::Relaxed);
    }

    /// Notes the consumer's thread, so that handlers can wake it.
    pub(crate) fn set_consumer(&self, consumer: std::thread::Thread) {
        let _ = self.consumer.set(consumer);
    }

    /// Returns the signal under way that will end the process, if there is one.
    pub(crate) fn fatal_signal(&self) -> Option<c_int> {
        self.fatal_request().map(|request| request.signal().into())
    }

    /// Returns that signal as a request for a marked, closing drain.
    ///
    /// The consumer uses it if it closes the file for another reason before the standby thread
    /// asks.
    pub(crate) fn fatal_request(&self) -> Option<Request> {
        let mut slots = TERMINATION.into_iter().zip(&self.pending);
        slots.find_map(|(signal, pending)| {
            let post = pending.fatal()?;
            Some(Request::drain(signal as u8, post.thread).marked().closing())
        })
    }

    /// Returns whether a signal will end the process and the time for draining is over.
    pub(crate) fn is_overdue(&self) -> bool {
        // Relaxed: a number to look at.
        let deadline_ns = self.deadline_ns.load(Ordering::Relaxed);
        deadline_ns != u64::MAX && monotonic_ns() >= deadline_ns
    }

    /// Waits for the drain and ends the process, if a fatal signal is under way.
    ///
    /// `exit` calls it: the signal decides the exit status.
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

/// Drains the rings in the place of a consumer, because of a request, until a time on the monotonic
/// clock.
///
/// # Safety
/// The pointer is the one that was offered, and its thread does not use it any more.
pub(crate) type TakeOver = unsafe fn(*mut (), Option<Request>, u64);

/// The way to the consumer for a thread that takes over from it.
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

    /// The consumer's side: offers itself.
    ///
    /// # Safety
    /// `take_over` accepts this pointer. The consumer stays there, and only the calling
    /// thread uses it, until [`Takeover::withdraw`].
    pub(crate) unsafe fn offer(&self, consumer: *mut (), take_over: TakeOver) {
        let _ = self.take_over.set(take_over);
        // Release: pairs with the acquire in `take`.
        self.consumer.store(consumer, Ordering::Release);
    }

    /// The consumer's side: withdraws the offer.
    pub(crate) fn withdraw(&self) {
        // Relaxed: a take-over happens only after this thread itself asked for it.
        self.consumer.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// Asks for a take-over, in a signal handler on the consumer's thread.
    pub(crate) fn ask(&self) {
        // Release: pairs with the acquire in `is_asked`: what the thread has done to the consumer
        // is seen.
        self.asked.store(true, Ordering::Release);
    }

    pub(crate) fn is_asked(&self) -> bool {
        // Acquire: pairs with the release in `ask`.
        self.asked.load(Ordering::Acquire)
    }

    /// Drains the rings in the place of the consumer, once.
    ///
    /// To be called while the consumer's thread waits for this call, or on that thread itself if it
    /// never returns to the consumer. At `deadline_ns` on the monotonic clock it gives up what is
    /// left in the rings.
    pub(crate) fn run(&self, request: Option<Request>, deadline_ns: u64) {
        // Acquire: pairs with the release in `offer`. Taken out, so that it happens once.
        let consumer = self.consumer.swap(ptr::null_mut(), Ordering::Acquire);
        if let (false, Some(take_over)) = (consumer.is_null(), self.take_over.get()) {
            // SAFETY: where the consumer is (`offer`). Its thread does not use it any more: it is
            // the caller's thread, which does not return to it, or has called `ask` in a handler,
            // in which it waits, and from which it returns only to die.
            unsafe { take_over(consumer, request, deadline_ns) };
        }
    }
}

/// Sleeps for 50 µs.
pub(crate) fn nap() {
    let time = libc::timespec { tv_sec: 0, tv_nsec: 50_000 };
    // SAFETY: valid for a read; the time that is left is not asked for.
    unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) };
}
