//! Threads of kymo's own. They take none of the program's signals.
//!
//! A thread inherits the signals that its maker has blocked. So they are blocked before it is made, and not by the
//! thread itself: a handler of the program that logs could run in it before the standard library knows the thread, and
//! that ends the process.

use std::io;
use std::thread::{Builder, JoinHandle};

use crate::process::signal_action::Blocked;

/// Makes a thread of kymo's own with this name.
///
/// # Errors
/// If the system makes none.
pub(crate) fn spawn<T: Send + 'static>(
    name: impl Into<String>,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    spawn_by(Builder::new().name(name.into()), run)
}

/// Makes a thread of kymo's own with these options.
///
/// # Errors
/// If the system makes none.
pub(crate) fn spawn_by<T: Send + 'static>(
    thread: Builder,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let _blocked = Blocked::all_but_faults();
    thread.spawn(run)
}
