//! What the driver asks of a logger.

use std::path::{Path, PathBuf};

use crate::Result;
pub use kymo_bench::messages::Producer;

/// How a logger is to be set up.
pub struct Setup {
    /// A folder of its own, empty.
    pub directory: PathBuf,
    /// Where its threads are to run. They do already if they are started by the thread that calls
    /// [`Peer::start`], which is pinned there; a logger that pins its threads itself is told.
    pub consumer_core: Option<usize>,
    /// One of several ways to set the logger up; empty for the usual one.
    pub variant: String,
}

impl Setup {
    /// The usual name of the log file.
    pub fn file(&self) -> PathBuf {
        self.directory.join("log")
    }
}

/// A logger.
pub trait Peer: Sized + Sync {
    type Producer: Producer;

    /// Starts the logger.
    fn start(setup: &Setup) -> Result<Self>;

    /// Prepares the calling thread to log, where the logger has a call for that.
    fn producer(&self) -> Self::Producer;

    /// Ends the logger when all is in the file. The number of dropped messages, if it tells.
    fn stop(self) -> Result<Option<u64>>;

    /// How many messages are in a file that it wrote. `marker` is a part of the message's text that
    /// no other line contains.
    fn messages_in(file: &Path, marker: &str) -> Result<u64> {
        let text = std::fs::read(file)?;
        Ok(memchr::memmem::find_iter(&text, marker).count() as u64)
    }
}

/// Implements [`Producer`] for a unit-like type whose macros are like those of `log`.
#[macro_export]
macro_rules! log_with {
    ($producer:ty: $($info:ident)::+, $($trace:ident)::+) => {
        impl $crate::peer::Producer for $producer {
            #[inline(always)]
            fn mixed(&mut self, id: u64, px: f64, who: &str) {
                $($info)::+!("order {} filled at {} for {}", id, px, who);
            }

            #[inline(always)]
            fn ints(&mut self, a: u64, b: u64, c: u64) {
                $($info)::+!("tick {} {} {}", a, b, c);
            }

            #[inline(always)]
            fn without_arguments(&mut self) {
                $($info)::+!("heartbeat");
            }

            #[inline(always)]
            fn str64(&mut self, text: &str) {
                $($info)::+!("text {}", text);
            }

            #[inline(always)]
            fn disabled(&mut self, id: u64, px: f64, who: &str) {
                $($trace)::+!("order {} filled at {} for {}", id, px, who);
            }
        }
    };
}
