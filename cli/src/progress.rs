//! How far a long work has come: a bar on standard error, where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Work that is done sooner shows no bar.
const SILENT: Duration = Duration::from_millis(500);

/// A bar that counts bytes. Cleared when it is dropped.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// For so many bytes; `what` is done with them.
    pub fn new(what: &'static str, bytes: u64) -> Self {
        // Draws nothing where standard error is not a terminal.
        let bar = ProgressBar::new(bytes);
        let template = "{msg} {wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self { bar }
    }

    /// Says that so many bytes are done.
    pub fn at(&self, bytes: u64) {
        if self.bar.elapsed() >= SILENT {
            self.bar.set_position(bytes);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
