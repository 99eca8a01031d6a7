//! spdlog-rs, asynchronous.

use std::sync::Arc;

use kymo_peers::peer::{Peer, Setup};
use kymo_peers::{Result, driver, log_with};
use spdlog::Logger;
use spdlog::sink::{AsyncPoolSink, FileSink, OverflowPolicy};

struct Spdlog(Arc<AsyncPoolSink>);

struct Calls;

impl Peer for Spdlog {
    type Producer = Calls;

    fn start(setup: &Setup) -> Result<Self> {
        // As its example 07-async, but for the flush after each message, which is there so that
        // the example shows something. The default pool: one thread, a channel of 8,192.
        let file = FileSink::builder().path(setup.file()).truncate(true).build_arc()?;
        let sink = AsyncPoolSink::builder()
            .sink(file)
            .overflow_policy(OverflowPolicy::Block)
            .build_arc()?;
        spdlog::set_default_logger(Logger::builder().sink(sink.clone()).build_arc()?);
        Ok(Self(sink))
    }

    fn producer(&self) -> Calls {
        Calls
    }

    fn stop(self) -> Result<Option<u64>> {
        use spdlog::sink::Sink;
        self.0.flush_on_exit()?;
        Ok(None)
    }
}

log_with!(Calls: spdlog::info, spdlog::trace);

fn main() -> std::process::ExitCode {
    driver::main::<Spdlog>()
}
