//! kymo, with the one and the other clock.

use std::marker::PhantomData;
use std::path::PathBuf;

use kymo::{Clock, Keep, Level, Logger, Rotation};

use super::{Outcome, Producer, Setup, Subject};
use crate::Result;

/// Which clock.
pub trait Clocked: Sync {
    const CLOCK: Clock;
    /// Whether the log is rotated, as often as possible.
    const IS_ROTATED: bool = false;
}

pub struct Counter;
pub struct Coarse;
/// The counter, and a log of many small segments.
pub struct Rotated;

impl Clocked for Counter {
    const CLOCK: Clock = Clock::Counter;
}

impl Clocked for Rotated {
    const CLOCK: Clock = Clock::Counter;
    const IS_ROTATED: bool = true;
}

impl Clocked for Coarse {
    const CLOCK: Clock = Clock::Coarse;
}

/// kymo.
pub struct Kymo<C> {
    logger: Logger,
    /// The directory of a log that is rotated.
    directory: Option<PathBuf>,
    clock: PhantomData<C>,
}

/// A prepared thread.
pub struct Prepared<'s>(&'s Logger);

impl<C> AsRef<Logger> for Kymo<C> {
    fn as_ref(&self) -> &Logger {
        &self.logger
    }
}

impl<C: Clocked> Subject for Kymo<C> {
    type Producer<'s>
        = Prepared<'s>
    where
        C: 's;
    const CONSUMER: Option<&'static str> = Some("kymo-consumer");

    fn start(setup: &Setup) -> Result<Self> {
        let directory = C::IS_ROTATED.then(|| setup.file.path().with_extension("rotated"));
        let mut builder = match &directory {
            Some(directory) => Logger::builder(directory.join("log.kymo"))
                .make_directory(true)
                .rotate(Rotation::size(64 << 10))
                .keep(Keep::unlimited().files(5)),
            None => Logger::builder(setup.file.path()).overwrite(true),
        };
        builder = builder
            .clock(C::CLOCK)
            .overflow(setup.overflow)
            .poll_interval(setup.poll_interval)
            .max_level(Level::Debug);
        if let Some(core) = setup.consumer_core {
            builder = builder.consumer_core(core);
        }
        if let Some(bytes) = setup.ring_bytes {
            builder = builder.ring_capacity(bytes);
        }
        if let Some(longest) = setup.idle_sleep {
            builder = builder.idle_sleep(longest);
        }
        Ok(Self { logger: builder.start()?, directory, clock: PhantomData })
    }

    fn producer(&self) -> Prepared<'_> {
        assert!(kymo::prepare_thread(), "a logger runs");
        Prepared(&self.logger)
    }

    fn stop(self) -> Result<Outcome> {
        let report = self.logger.shutdown();
        if let Some(directory) = self.directory {
            std::fs::remove_dir_all(directory)?;
        }
        match report.error {
            Some(error) => Err(error.into()),
            None => Ok(Outcome {
                written: report.written,
                dropped: report.dropped,
                file_bytes: report.file_bytes,
            }),
        }
    }
}

impl Producer for Prepared<'_> {
    #[inline(always)]
    fn mixed(&mut self, id: u64, px: f64, who: &str) {
        kymo::info!("order {} filled at {} for {}", id, px, who);
    }

    #[inline(always)]
    fn ints(&mut self, a: u64, b: u64, c: u64) {
        kymo::info!("tick {} {} {}", a, b, c);
    }

    #[inline(always)]
    fn without_arguments(&mut self) {
        kymo::info!("heartbeat");
    }

    #[inline(always)]
    fn str64(&mut self, text: &str) {
        kymo::info!("{}", text);
    }

    #[inline(always)]
    fn disabled(&mut self, id: u64, px: f64, who: &str) {
        kymo::trace!("order {} filled at {} for {}", id, px, who);
    }

    fn flush(&mut self) {
        assert!(self.0.flush(), "the logger runs");
    }
}
