//! What is measured.

pub mod bare;
pub mod floor;
pub mod logger;

use std::time::Duration;

use crate::Result;
use crate::options::Options;
pub use kymo_bench::messages::{Disabled, Ints, Message, Mixed, Producer, Static, Str64};
use kymo_bench::place::Scratch;

/// How a subject is to be set up.
pub struct Setup {
    pub consumer_core: Option<usize>,
    pub poll_interval: Duration,
    pub ring_bytes: Option<usize>,
    pub overflow: kymo::Overflow,
    /// kymo's: the longest sleep of its consumer. The floor's never sleeps.
    pub idle_sleep: Option<Duration>,
    pub file: Scratch,
    /// Whether the floor program writes the file, or only empties its rings.
    pub floor_writes: bool,
}

impl Setup {
    /// As the options say, and with a policy that loses nothing.
    pub fn new(options: &Options) -> Self {
        Self {
            consumer_core: options.consumer_core,
            poll_interval: options.poll_interval,
            ring_bytes: options.ring_bytes,
            overflow: kymo::Overflow::Wait { timeout: None },
            idle_sleep: None,
            file: Scratch::new(&options.directory, "latency"),
            floor_writes: false,
        }
    }
}

/// What became of what was logged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    pub written: u64,
    pub dropped: u64,
    pub file_bytes: u64,
}

/// A logger.
pub trait Subject: Sized + Sync {
    type Producer<'s>: Producer
    where
        Self: 's;

    /// The name of the thread that does the work for the calls, if there is one.
    const CONSUMER: Option<&'static str>;

    fn start(setup: &Setup) -> Result<Self>;

    /// Prepares the calling thread to log.
    fn producer(&self) -> Self::Producer<'_>;

    fn stop(self) -> Result<Outcome>;
}
