//! `SIGHUP` as the message that another program has moved the log, or that it is to be rotated.
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
use crate::shared::Shared;
use crate::shared::requests::ReopenRequest;
use crate::shared::rotate_request::RotateRequest;
use crate::sync::Arc;
use crate::sync::statics::Ordering;

/// The part of a logger that the handler uses.
pub(crate) struct HangupTarget {
    request: Request,
    consumer: std::thread::Thread,
    /// The fork generation of the process that installed the handler.
    generation: u32,
    previous: Action,
}

/// What the signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HangupRequest {
    /// Another program has moved the log.
    Reopen,
    /// The log is to be rotated.
    Rotate,
}

/// Where the request is left.
enum Request {
    Reopen(Arc<ReopenRequest>),
    Rotate(Arc<RotateRequest>),
}

/// Installs the handler, unless the program ignores the signal. To be called by one thread at a
/// time.
pub(crate) fn install(request: HangupRequest, shared: &Shared, consumer: std::thread::Thread) {
    uninstall();
    let Some(previous) = signal_action::current(libc::SIGHUP) else { return };
    if signal_action::is_ignored(&previous) || signal_action::calls(&previous, on_hangup) {
        return;
    }
    let request = match request {
        HangupRequest::Reopen => Request::Reopen(shared.reopen_request.clone()),
        HangupRequest::Rotate => Request::Rotate(shared.rotate_request.clone()),
    };
    let generation = fork::generation();
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
        match &target.request {
            Request::Reopen(request) => request.ask(),
            Request::Rotate(request) => request.signal(),
        }
        target.consumer.unpark();
    }
    set_errno(saved);
    if signal_action::is_function(&target.previous) {
        // SAFETY: in the handler, with what that was given; it calls a function.
        unsafe { signal_action::call(&target.previous, number, info, context) };
    }
    set_errno(saved);
}
