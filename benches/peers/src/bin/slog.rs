//! slog with slog-async and slog-term.

use std::fs::File;
use std::io::BufWriter;

use kymo_peers::peer::{Peer, Producer, Setup};
use kymo_peers::{Result, driver};
use slog::{Drain, Level, Logger, info, o, trace};
use slog_async::{Async, AsyncGuard, OverflowStrategy};
use slog_term::{FullFormat, PlainDecorator};

struct Slog {
    logger: Logger,
    guard: AsyncGuard,
}

struct Calls(Logger);

impl Peer for Slog {
    type Producer = Calls;

    fn start(setup: &Setup) -> Result<Self> {
        // As slog-term's documentation combines them for a file; buffered. The channel holds a
        // batch, and a full one waits.
        let decorator = PlainDecorator::new(BufWriter::new(File::create(setup.file())?));
        let drain = FullFormat::new(decorator).build().fuse();
        let (drain, guard) = Async::new(drain)
            .chan_size(8_192)
            .overflow_strategy(OverflowStrategy::Block)
            .build_with_guard();
        let drain = drain.filter_level(Level::Info).fuse();
        Ok(Self { logger: Logger::root(drain, o!()), guard })
    }

    fn producer(&self) -> Calls {
        Calls(self.logger.clone())
    }

    fn stop(self) -> Result<Option<u64>> {
        // The guard waits for the thread, which ends when nobody can log any more.
        drop(self.logger);
        drop(self.guard);
        Ok(None)
    }
}

impl Producer for Calls {
    #[inline(always)]
    fn mixed(&mut self, id: u64, px: f64, who: &str) {
        info!(self.0, "order {} filled at {} for {}", id, px, who);
    }

    #[inline(always)]
    fn ints(&mut self, a: u64, b: u64, c: u64) {
        info!(self.0, "tick {} {} {}", a, b, c);
    }

    #[inline(always)]
    fn without_arguments(&mut self) {
        info!(self.0, "heartbeat");
    }

    #[inline(always)]
    fn str64(&mut self, text: &str) {
        info!(self.0, "text {}", text);
    }

    #[inline(always)]
    fn disabled(&mut self, id: u64, px: f64, who: &str) {
        trace!(self.0, "order {} filled at {} for {}", id, px, who);
    }
}

fn main() -> std::process::ExitCode {
    driver::main::<Slog>()
}
