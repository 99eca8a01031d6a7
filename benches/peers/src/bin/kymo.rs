//! kymo, as its README starts it, with the policy that loses nothing.

use std::path::Path;
use std::time::Duration;

use kymo::{Clock, Logger, Overflow};
use kymo_peers::peer::{Peer, Producer, Setup};
use kymo_peers::{Result, driver};
use kymo_reader::Reader;

struct Kymo(Logger);

impl Peer for Kymo {
    type Producer = Calls;

    fn start(setup: &Setup) -> Result<Self> {
        let clock = if setup.variant == "coarse" { Clock::Coarse } else { Clock::Counter };
        let mut builder = Logger::builder(setup.file())
            .clock(clock)
            .overflow(Overflow::Wait { timeout: None })
            // No warnings of kymo's own: what is in the file is counted.
            .high_water(2.0)
            // Awake, so that it looks at the ring during each batch: that costs the calls more.
            .idle_sleep(Duration::ZERO);
        if let Some(core) = setup.consumer_core {
            builder = builder.consumer_core(core);
        }
        Ok(Self(builder.start()?))
    }

    fn producer(&self) -> Calls {
        assert!(kymo::prepare_thread(), "a logger runs");
        Calls
    }

    fn stop(self) -> Result<Option<u64>> {
        let report = self.0.shutdown();
        match report.error {
            Some(error) => Err(error.into()),
            None => Ok(Some(report.dropped)),
        }
    }

    fn messages_in(file: &Path, _marker: &str) -> Result<u64> {
        let mut reader = Reader::open(file)?;
        let mut messages = 0;
        while reader.next_record()?.is_some() {
            messages += 1;
        }
        Ok(messages)
    }
}

struct Calls;

impl Producer for Calls {
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
        kymo::info!("text {}", text);
    }

    #[inline(always)]
    fn disabled(&mut self, id: u64, px: f64, who: &str) {
        kymo::trace!("order {} filled at {} for {}", id, px, who);
    }

    fn flush(&mut self) {
        assert!(kymo::flush(), "the logger runs");
    }
}

fn main() -> std::process::ExitCode {
    driver::main::<Kymo>()
}
