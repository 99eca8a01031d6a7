//! The progress bar of a long work, on standard error if that is a terminal.

use std::cell::Cell;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work that is done sooner shows no bar.
const SILENT: Duration = Duration::from_millis(500);

/// A bar that counts bytes. Cleared when it is dropped.
pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
    is_shown: Cell<bool>,
}

impl Progress {
    /// For so many bytes; `what` is done with them.
    pub fn new(what: &'static str, bytes: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::hidden());
        let template = "{msg} {wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self { bar, begun: Instant::now(), is_shown: Cell::new(false) }
    }

    /// Says that so many bytes are done.
    pub fn at(&self, bytes: u64) {
        if self.begun.elapsed() < SILENT {
            return;
        }
        if !self.is_shown.replace(true) {
            // Draws nothing if standard error is not a terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
