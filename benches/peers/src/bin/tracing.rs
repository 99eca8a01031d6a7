//! tracing with tracing-appender.

use std::fs::File;
use std::io::BufWriter;

use kymo_peers::peer::{Peer, Setup};
use kymo_peers::{Result, driver, log_with};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};

struct Tracing(WorkerGuard);

struct Calls;

impl Peer for Tracing {
    type Producer = Calls;

    fn start(setup: &Setup) -> Result<Self> {
        // "Non-Blocking Writer" of tracing-appender's README, buffered; not lossy, as the others.
        let file = BufWriter::new(File::create(setup.file())?);
        let (writer, guard) = NonBlockingBuilder::default().lossy(false).finish(file);
        tracing_subscriber::fmt().with_writer(writer).with_ansi(false).init();
        Ok(Self(guard))
    }

    fn producer(&self) -> Calls {
        Calls
    }

    fn stop(self) -> Result<Option<u64>> {
        drop(self.0);
        Ok(None)
    }
}

log_with!(Calls: tracing::info, tracing::trace);

fn main() -> std::process::ExitCode {
    driver::main::<Tracing>()
}
