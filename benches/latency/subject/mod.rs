//! What is measured, and the messages that it is given.

pub mod bare;
pub mod floor;
pub mod logger;

use std::time::Duration;

use crate::Result;
use crate::common::place::Scratch;
use crate::common::values::{name, price, text};
use crate::options::Options;

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

    /// The name of the thread that does the work behind the calls, if there is one.
    const CONSUMER: Option<&'static str>;

    fn start(setup: &Setup) -> Result<Self>;

    /// Prepares the calling thread to log.
    fn producer(&self) -> Self::Producer<'_>;

    fn stop(self) -> Result<Outcome>;
}

/// A thread's way to the logger.
pub trait Producer {
    fn mixed(&mut self, id: u64, px: f64, who: &str);
    fn ints(&mut self, a: u64, b: u64, c: u64);
    fn without_arguments(&mut self);
    fn str64(&mut self, text: &str);
    /// A message below the level in force.
    fn disabled(&mut self, id: u64, px: f64, who: &str);
    /// Waits until all that this thread logged has left the ring, and where there is a file, is in
    /// it.
    fn flush(&mut self);
}

/// A message, as a type: the loops are compiled for each.
pub trait Message {
    const NAME: &'static str;

    /// Logs it with values that go with the number.
    fn log<P: Producer>(producer: &mut P, number: u64);
}

pub struct Mixed;
pub struct Ints;
pub struct Static;
pub struct Str64;
pub struct Disabled;

impl Message for Mixed {
    const NAME: &'static str = "mixed";

    #[inline(always)]
    fn log<P: Producer>(producer: &mut P, number: u64) {
        producer.mixed(number, price(number), name(number));
    }
}

impl Message for Ints {
    const NAME: &'static str = "ints";

    #[inline(always)]
    fn log<P: Producer>(producer: &mut P, number: u64) {
        producer.ints(number, number + 7, number ^ 0x55);
    }
}

impl Message for Static {
    const NAME: &'static str = "static";

    #[inline(always)]
    fn log<P: Producer>(producer: &mut P, _number: u64) {
        producer.without_arguments();
    }
}

impl Message for Str64 {
    const NAME: &'static str = "str64";

    #[inline(always)]
    fn log<P: Producer>(producer: &mut P, number: u64) {
        producer.str64(text(number));
    }
}

impl Message for Disabled {
    const NAME: &'static str = "disabled";

    #[inline(always)]
    fn log<P: Producer>(producer: &mut P, number: u64) {
        producer.disabled(number, price(number), name(number));
    }
}
