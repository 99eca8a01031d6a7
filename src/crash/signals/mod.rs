//! Signals that end the process: the rings are drained before the signal has its effect.
//!
//! A handler may interrupt anything, `malloc` or a log call for instance. So it does next to
//! nothing.
//!
//! A *crash*: the handler leaves a request in the [`mailbox`](crate::shared::mailbox), wakes the
//! consumer, and waits until the request is served or the time is up. It cannot return: the
//! thread's next instruction is the one that faults. Then the handler that was there before kymo
//! takes over. That is the program's own, the one of Rust's standard library (which tells a stack
//! overflow from other faults), or the default. Exit status and core file are those that the
//! process would have had.
//!
//! A *termination* signal: the handler leaves it in [`pending`](crate::shared::pending), wakes the
//! standby thread ([`standby`]), and returns. It must not wait: its thread may hold a lock that the
//! drain needs, of kymo or of `malloc`. The standby thread has the rings drained. Then it ends the
//! process, or sends the signal once more to the same thread, where the handler calls that of the
//! program. If a thread sends itself the signal (`raise`), the handler waits: the caller counts on
//! the effect, and is inside no other call.
//!
//! Returning has three risks:
//!
//! 1. The thread goes on, and may return from `main` with another status. So `exit` waits for the
//!    drain, and the signal decides the status (`crate::crash::exit`). The start of another logger
//!    waits, too, because the signal would not drain that one.
//! 2. The thread may miss the interruption that its own handler was to cause. So the signal is sent
//!    to the same thread once more after the drain. It interrupts a system call then, as the
//!    program's own handler would.
//! 3. The thread goes on logging. Its records are written until the consumer closes the rings, and
//!    then counted ([`unlogged`](crate::unlogged)).
//!
//! Every call in a handler is async-signal-safe: atomics, `clock_gettime`, `nanosleep`,
//! `sigaction`, sending the signal, and `Thread::unpark`. On Linux the last is an atomic swap and a
//! `futex` call.
//!
//! The handlers remain loaded even if the program unloads the library
//! ([`crate::process::stay_loaded`]).
//!
//! INV-1: a [`SignalTarget`], which handlers read, is never freed. Each logger with such handlers
//! has one, of some 2 KiB.

pub(crate) mod hangup;
pub(crate) mod standby;

use std::ffi::{c_int, c_void};
use std::ptr;
use std::time::Duration;

use crate::clock::{monotonic_ns, nanoseconds};
use crate::process::fork;
use crate::process::signal_action::{self, Action, FAULTS};
use crate::process::statics::SIGNALS;
use crate::process::thread_info::os_thread_id;
use crate::segment::guard;
use crate::shared::emergency::{Emergency, GRACE_NS, TERMINATION, nap};
use crate::shared::mailbox::{Mailbox, Request};
use crate::shared::pending::{Effect, Payload, Post, Posted};
use crate::sync::Arc;
use crate::sync::statics::{AtomicBool, AtomicU64, Ordering};

/// The signals that are handled, and for how long each may be delayed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Handled {
    /// Faults: `SIGSEGV`, `SIGBUS`, `SIGILL`, `SIGFPE`, `SIGABRT`.
    pub(crate) crash: Option<Duration>,
    /// `SIGTERM`, `SIGINT`.
    pub(crate) termination: Option<Duration>,
    /// `SIGHUP`.
    pub(crate) hangup: Option<Duration>,
}

impl Handled {
    /// Returns whether the logger needs a standby thread.
    pub(crate) fn any(self) -> bool {
        self.crash.or(self.termination).or(self.hangup).is_some()
    }

    /// Returns for how long one of [`TERMINATION`] may be delayed.
    fn limit(self, signal: c_int) -> Option<Duration> {
        if signal == libc::SIGHUP { self.hangup } else { self.termination }
    }

    /// Returns each handled signal, whether it means a crash, and its limit.
    fn all(self) -> impl Iterator<Item = (c_int, bool, Duration)> {
        let crash = self.crash.into_iter().flat_map(|limit| FAULTS.map(|it| (it, true, limit)));
        let termination = self
            .termination
            .into_iter()
            .flat_map(|limit| [libc::SIGTERM, libc::SIGINT].map(|it| (it, false, limit)));
        let hangup = self.hangup.into_iter().map(|limit| (libc::SIGHUP, false, limit));
        crash.chain(termination).chain(hangup)
    }
}

/// The part of a logger that its handlers use.
pub(crate) struct SignalTarget {
    emergency: Arc<Emergency>,
    consumer: std::thread::Thread,
    standby: Option<std::thread::Thread>,
    /// The fork generation of the process that installed the handlers.
    generation: u32,
    signals: Vec<Signal>,
    /// The thread that crashed first; 0 before.
    crashed: AtomicU64,
    /// True if the drain for that crash is complete.
    crash_drained: AtomicBool,
}

/// A signal that is handled.
struct Signal {
    number: c_int,
    crash: bool,
    limit_ns: u64,
    previous: Action,
}

/// Installs the handlers. To be called by one thread at a time.
pub(crate) fn install(
    handled: Handled,
    emergency: &Arc<Emergency>,
    consumer: std::thread::Thread,
    standby: Option<std::thread::Thread>,
) {
    // First removes the handlers of a logger that was leaked, or of the process from which this one
    // was forked.
    uninstall();
    let signals = handled.all().filter_map(|(number, crash, limit)| {
        let previous = signal_action::current(number)?;
        let wanted = !signal_action::is_ignored(&previous)
            && !signal_action::calls(&previous, handler(crash));
        let limit_ns = nanoseconds(limit);
        wanted.then_some(Signal { number, crash, limit_ns, previous })
    });
    let signals: Vec<Signal> = signals.collect();
    if signals.is_empty() {
        return;
    }
    let (emergency, generation) = (emergency.clone(), fork::generation());
    let target = Box::new(SignalTarget {
        emergency,
        consumer,
        standby,
        generation,
        signals,
        crashed: AtomicU64::new(0),
        crash_drained: AtomicBool::new(false),
    });
    let target: &SignalTarget = Box::leak(target);
    // Release: pairs with the acquire load in `target`.
    SIGNALS.store(ptr::from_ref(target).cast_mut(), Ordering::Release);
    for signal in &target.signals {
        signal_action::set(
            signal.number,
            &signal_action::calling(handler(signal.crash), &signal.previous),
        );
    }
}

/// Removes the handlers that are still in place. A program that has installed its own in front of
/// them keeps those.
///
/// To be called by one thread at a time, before the next `install`.
pub(crate) fn uninstall() {
    let Some(target) = target() else { return };
    for signal in &target.signals {
        let ours = |now: &Action| signal_action::calls(now, handler(signal.crash));
        if signal_action::current(signal.number).as_ref().is_some_and(ours) {
            signal_action::set(signal.number, &signal.previous);
        }
    }
}

/// If a signal is about to end the process, waits until it does.
///
/// `start` calls it: the signal drains only the logger that received it, and would lose the records
/// of a new one.
pub(crate) fn wait_for_end() {
    if let Some(target) = target().filter(|target| target.generation == fork::generation()) {
        target.emergency.end_by_signal();
    }
}

fn handler(crash: bool) -> signal_action::Handler {
    if crash { on_crash } else { on_termination }
}

fn target() -> Option<&'static SignalTarget> {
    // Acquire: pairs with the release in `install`.
    let target = SIGNALS.load(Ordering::Acquire);
    // SAFETY: null, or a leaked box that nobody changes (INV-1).
    unsafe { target.as_ref() }
}

impl SignalTarget {
    fn mailbox(&self) -> &Mailbox {
        &self.emergency.mailbox
    }

    fn signal(&self, number: c_int) -> Option<&Signal> {
        self.signals.iter().find(|signal| signal.number == number)
    }

    /// Drains for a crash. Two threads that crash at once are one crash: the second one waits.
    ///
    /// One thread may crash again: `std` reports a stack overflow and aborts.
    fn drain_crash(&self, signal: &Signal, request: Request) {
        let this_thread = os_thread_id();
        // Relaxed: only one thread finds zero; nothing is read on account of it.
        let first =
            self.crashed.compare_exchange(0, this_thread, Ordering::Relaxed, Ordering::Relaxed);
        let by_other = first.is_err_and(|first| first != this_thread);
        if by_other
            && !self.emergency.is_consumer_thread(this_thread)
            && !self.emergency.is_standby_thread(this_thread)
        {
            let deadline_ns =
                monotonic_ns().saturating_add(signal.limit_ns).saturating_add(GRACE_NS);
            // Acquire: pairs with the release below.
            while !self.crash_drained.load(Ordering::Acquire) && monotonic_ns() < deadline_ns {
                nap();
            }
            return;
        }
        self.drain(signal, request);
        // Release: pairs with the acquire above: what the other drained is in the file.
        self.crash_drained.store(true, Ordering::Release);
    }

    /// Has the rings drained, and waits until that is done or the time is up.
    fn drain(&self, signal: &Signal, request: Request) {
        // In the child of a fork there is no consumer.
        if self.generation != fork::generation() {
            return;
        }
        let deadline_ns = monotonic_ns().saturating_add(signal.limit_ns);
        let this_thread = os_thread_id();
        let by_consumer = self.emergency.is_consumer_thread(this_thread);
        if !by_consumer && self.emergency.is_standby_thread(this_thread) {
            // The standby thread was draining because the consumer had crashed, and met the same
            // fault. No more can be done.
            if let Some(request) = self.mailbox().pending() {
                self.mailbox().acknowledge(request);
            }
            return;
        }
        self.mailbox().set_deadline(request.signal(), deadline_ns);
        let (request, _) = self.mailbox().request(request);
        if by_consumer {
            // While this thread waits here, the standby thread alone uses the consumer.
            match &self.standby {
                Some(standby) => {
                    self.emergency.takeover.ask();
                    standby.unpark();
                }
                None => return,
            }
        } else {
            self.consumer.unpark();
        }
        let deadline_ns = deadline_ns.saturating_add(GRACE_NS);
        while !self.mailbox().is_served(request) && monotonic_ns() < deadline_ns {
            nap();
        }
    }
}

/// Handles a fault: the process is about to die of it, or of such a signal that it was sent.
extern "C" fn on_crash(number: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
    let saved = errno();
    // SAFETY: the kernel gives a handler of this kind what it knows of the signal.
    if number == libc::SIGBUS && guard::absorb(unsafe { &*info }) {
        // Another program has cut the file: no crash.
        return set_errno(saved);
    }
    let found = target().and_then(|target| target.signal(number).map(|signal| (target, signal)));
    if let Some((target, signal)) = found {
        target.drain_crash(signal, Request::drain(number as u8, os_thread_id()).marked());
        signal_action::set(number, &signal.previous);
    }
    // SAFETY: the kernel gives a handler of this kind what it knows of the signal.
    let by_fault = unsafe { (*info).si_code } > 0;
    // The instruction is executed again and faults again, so the core file shows the true place.
    // `SIGABRT` is always sent. So is a report of bad memory that no instruction has touched yet.
    if !by_fault || number == libc::SIGABRT || is_report(number, info) {
        // SAFETY: in the handler, with what that was given.
        unsafe { signal_action::send_again(number, info) };
    }
    set_errno(saved);
}

/// Returns whether this is the kernel's report of bad memory that no instruction has touched.
fn is_report(number: c_int, info: *mut libc::siginfo_t) -> bool {
    // SAFETY: as in `on_crash`.
    number == libc::SIGBUS && unsafe { (*info).si_code } == libc::BUS_MCEERR_AO
}

/// Handles a signal that asks the process to end.
extern "C" fn on_termination(number: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let saved = errno();
    let found = target().and_then(|target| target.signal(number).map(|signal| (target, signal)));
    if let Some((target, signal)) = found
        && target.terminate(signal, info)
    {
        if signal_action::is_default(&signal.previous) {
            signal_action::end_process(number);
        } else {
            set_errno(saved);
            // SAFETY: in the handler, with what that was given; neither default nor ignored
            // (`install` leaves those that are), so it calls a function.
            unsafe { signal_action::call(&signal.previous, number, info, context) };
        }
    }
    set_errno(saved);
}

impl SignalTarget {
    /// Leaves a termination signal with the standby thread. Returns whether the signal is to have
    /// its effect now.
    fn terminate(&self, signal: &Signal, info: *mut libc::siginfo_t) -> bool {
        let Some(slot) = TERMINATION.into_iter().position(|it| it == signal.number) else {
            return true;
        };
        let chained = signal.is_chained();
        let effect = match () {
            () if chained => Effect::Nothing,
            () if signal_action::is_default(&signal.previous) => Effect::Kill,
            () => Effect::Call,
        };
        // A handler that calls this one acts on the signal itself, after this or before. What was
        // there when the logger started is part of it.
        let acts = !chained || signal_action::is_function(&signal.previous);
        // The child of a fork has no standby thread.
        let Some(standby) = self.standby.as_ref().filter(|_| self.generation == fork::generation())
        else {
            return acts;
        };
        if effect == Effect::Kill {
            let deadline_ns = monotonic_ns().saturating_add(signal.limit_ns);
            // Relaxed: published with the signal.
            self.emergency.deadline_ns.fetch_min(deadline_ns, Ordering::Relaxed);
        }
        let waits = !chained && is_from_this_thread(info);
        let post = Post { effect, waits, thread: os_thread_id() };
        let pending = &self.emergency.pending[slot];
        match pending.post(post, &payload(info)) {
            Posted::Left => standby.unpark(),
            Posted::Merged => {}
            Posted::Drained | Posted::Gone => return acts,
        }
        if !waits {
            return chained && acts;
        }
        // The standby limits this. (If it kills the process, this does not return.)
        loop {
            if pending.collect() || pending.is_gone() {
                return true;
            }
            if pending.is_idle() {
                // Another thread got the same signal, and had the effect of both.
                return false;
            }
            nap();
        }
    }
}

impl Signal {
    /// Returns whether the program has installed a handler in front of this one, which calls it.
    fn is_chained(&self) -> bool {
        signal_action::current(self.number).is_some_and(|now| {
            signal_action::is_function(&now)
                && !signal_action::calls(&now, on_termination)
                && now.sa_sigaction != self.previous.sa_sigaction
        })
    }
}

/// Returns whether a thread of this process sent the signal to one thread of it, as `raise` does.
fn is_from_this_thread(info: *mut libc::siginfo_t) -> bool {
    // SAFETY: the kernel gives a handler of this kind what it knows of the signal.
    let info = unsafe { &*info };
    if info.si_code != libc::SI_TKILL {
        return false;
    }
    // SAFETY: a signal that was sent says by whom.
    let sender = unsafe { info.si_pid() };
    sender == std::process::id() as c_int
}

fn payload(info: *mut libc::siginfo_t) -> Payload {
    const { assert!(cfg!(kymo_loom) || size_of::<Payload>() == size_of::<libc::siginfo_t>()) };
    let mut payload = Payload::default();
    let bytes = size_of::<Payload>().min(size_of::<libc::siginfo_t>());
    let to = payload.as_mut_ptr().cast::<u8>();
    // SAFETY: the kernel has filled in all of it; both are so long.
    unsafe { info.cast::<u8>().copy_to_nonoverlapping(to, bytes) };
    payload
}

fn errno() -> c_int {
    // SAFETY: always valid, for the calling thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    unsafe { *errno }
}

fn set_errno(value: c_int) {
    // SAFETY: always valid, for the calling thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    unsafe { *errno = value };
}
