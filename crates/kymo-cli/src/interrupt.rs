//! Ctrl-C and SIGTERM. The work stops soon, printed lines are flushed, and temporary files are removed.
//! A second signal ends the process at once.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The number of the signal that arrived, or 0.
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// Begins to watch for signals. If that fails, they keep their default effect.
pub fn watch() {
    let again = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The order counts: a signal that comes again ends the process before it is noted again.
        let _ = flag::register_conditional_default(signal, Arc::clone(&again));
        let _ = flag::register(signal, Arc::clone(&again));
        let _ = flag::register_usize(signal, Arc::clone(&SIGNAL), signal as usize);
    }
}

/// Whether the command is to end. Costs a load.
pub fn requested() -> bool {
    // Relaxed: the number is all there is.
    SIGNAL.load(Ordering::Relaxed) != 0
}

/// The exit code of a command that was interrupted, as shells have it: 128 and the signal.
pub fn exit_code() -> ExitCode {
    ExitCode::from(128 + SIGNAL.load(Ordering::Relaxed) as u8)
}
