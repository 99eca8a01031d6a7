//! A dynamic library that logs, as a plugin of a program that does not: see `tests/plugin/main.rs`.

use std::ffi::{CStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use kymo::{Hangup, Logger, info};

/// Starts a logger that drains at each signal, logs, and ends it, unless it is to run on.
///
/// # Safety
/// `path` is a terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn log_to(path: *const c_char, runs_on: bool) {
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(path) };
    let path = Path::new(std::ffi::OsStr::from_bytes(path.to_bytes()));
    let limit = Duration::from_secs(60);
    let builder = Logger::builder(path).drain_on_crash(limit).drain_on_termination(limit);
    let logger = builder.on_hangup(Hangup::Drain(limit)).start().expect("a logger");
    (0..100).for_each(|number| info!("{}", number));
    if runs_on {
        std::mem::forget(logger);
    } else {
        logger.shutdown();
    }
}
