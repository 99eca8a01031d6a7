//! `SIGHUP` as the message that another program has moved the log.
//!
//! The handler leaves a request with the consumer, wakes it, and calls the program's own handler,
//! if there was one. It never waits, and calls only what is async-signal-safe (see
//! [`signals`](super)).
//!
//! INV-1: a [`HangupTarget`], which the handler reads, is never freed: a few words for each logger
//! with this option.

use std::ffi::{c_int, c_void};
use std::ptr;

use crate::crash::signals::{errno, set_errno};
use crate::process::fork;
use crate::process::signal_action::{self, Action};
use crate::process::statics::HANGUP;
use crate::shared::requests::ReopenRequest;
use crate::sync::Arc;
use crate::sync::statics::Ordering;

/// The part of a logger that the handler uses.
pub(crate) struct HangupTarget {
    request: Arc<ReopenRequest>,
    consumer: std::thread::Thread,
    /// The fork generation of the process that installed the handler.
    generation: u32,
    previous: Action,
}

/// Installs the handler, unless the program ignores the signal. To be called by one thread at a
/// time.
pub(crate) fn install(request: &Arc<ReopenRequest>, consumer: std::thread::Thread) {
    uninstall();
    let Some(previous) = signal_action::current(libc::SIGHUP) else { return };
    if signal_action::is_ignored(&previous) || signal_action::calls(&previous, on_hangup) {
        return;
    }
    let (request, generation) = (request.clone(), fork::generation());
    let target = Box::new(HangupTarget { request, consumer, generation, previous });
    let target: &HangupTarget = Box::leak(target);
    // Release: pairs with the acquire load in `target`.
    HANGUP.store(ptr::from_ref(target).cast_mut(), Ordering::Release);
    signal_action::set(libc::SIGHUP, &signal_action::calling(on_hangup, &target.previous));
}

/// Removes the handler if it is still in place. To be called by one thread at a time.
pub(crate) fn uninstall() {
    let Some(target) = target() else { return };
    if signal_action::current(libc::SIGHUP).is_some_and(|now| signal_action::calls(&now, on_hangup))
    {
        signal_action::set(libc::SIGHUP, &target.previous);
    }
}

fn target() -> Option<&'static HangupTarget> {
    // Acquire: pairs with the release in `install`.
    let target = HANGUP.load(Ordering::Acquire);
    // SAFETY: null, or a leaked box that nobody changes (INV-1).
    unsafe { target.as_ref() }
}

extern "C" fn on_hangup(number: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let saved = errno();
    let Some(target) = target() else { return };
    if target.generation == fork::generation() {
        target.request.ask();
        target.consumer.unpark();
    }
    set_errno(saved);
    if signal_action::is_function(&target.previous) {
        // SAFETY: in the handler, with what that was given; it calls a function.
        unsafe { signal_action::call(&target.previous, number, info, context) };
    }
    set_errno(saved);
}
