//! insomnilog.

use std::sync::Arc;

use insomnilog::{
    BackendOptions, ContinuousFileSink, LogLevel, Logger, PatternFormatter, ShutdownGuard,
};
use kymo_peers::peer::{Peer, Producer, Setup};
use kymo_peers::{Result, driver};

struct Insomnilog {
    guard: ShutdownGuard,
    logger: Arc<Logger>,
}

struct Calls(Arc<Logger>);

impl Peer for Insomnilog {
    type Producer = Calls;

    fn start(setup: &Setup) -> Result<Self> {
        // Its default but for the queue, which holds a batch: 1 MiB in place of 128 KiB. There is
        // no policy that waits.
        let guard =
            insomnilog::start(BackendOptions { queue_capacity: 1 << 20, ..Default::default() })?;
        let sink =
            ContinuousFileSink::try_new(PatternFormatter::default(), LogLevel::Info, setup.file())?;
        let logger = insomnilog::create_logger("app", vec![Arc::new(sink)], LogLevel::Info)?;
        Ok(Self { guard, logger })
    }

    fn producer(&self) -> Calls {
        insomnilog::preallocate_thread();
        Calls(self.logger.clone())
    }

    fn stop(self) -> Result<Option<u64>> {
        drop(self.guard);
        Ok(None)
    }
}

impl Producer for Calls {
    #[inline(always)]
    fn mixed(&mut self, id: u64, px: f64, who: &str) {
        insomnilog::log_info!(self.0, "order {} filled at {} for {}", id, px, who);
    }

    #[inline(always)]
    fn ints(&mut self, a: u64, b: u64, c: u64) {
        insomnilog::log_info!(self.0, "tick {} {} {}", a, b, c);
    }

    #[inline(always)]
    fn without_arguments(&mut self) {
        insomnilog::log_info!(self.0, "heartbeat");
    }

    #[inline(always)]
    fn str64(&mut self, text: &str) {
        insomnilog::log_info!(self.0, "text {}", text);
    }

    #[inline(always)]
    fn disabled(&mut self, id: u64, px: f64, who: &str) {
        insomnilog::log_trace!(self.0, "order {} filled at {} for {}", id, px, who);
    }
}

fn main() -> std::process::ExitCode {
    driver::main::<Insomnilog>()
}
