//! flexi_logger, asynchronous.

use flexi_logger::{DEFAULT_MESSAGE_CAPA, FileSpec, Logger, LoggerHandle, WriteMode};
use std::time::Duration;

use kymo_peers::peer::{Peer, Setup};
use kymo_peers::{Result, driver, log_with};

struct Flexi(LoggerHandle);

struct Calls;

impl Peer for Flexi {
    type Producer = Calls;

    fn start(setup: &Setup) -> Result<Self> {
        // "Choose the write mode" of its documentation. Flushed when it ends, as its README's
        // section on performance does; a pool that holds a batch ("could further reduce
        // allocations").
        let file = FileSpec::default().directory(&setup.directory).basename("log");
        let handle = Logger::try_with_str("info")?
            .log_to_file(file.suppress_timestamp())
            .write_mode(WriteMode::AsyncWith {
                pool_capa: 8_192,
                message_capa: DEFAULT_MESSAGE_CAPA,
                flush_interval: Duration::from_secs(1),
            })
            .format(flexi_logger::detailed_format)
            .start()?;
        Ok(Self(handle))
    }

    fn producer(&self) -> Calls {
        Calls
    }

    fn stop(self) -> Result<Option<u64>> {
        self.0.shutdown();
        Ok(None)
    }
}

log_with!(Calls: log::info, log::trace);

fn main() -> std::process::ExitCode {
    driver::main::<Flexi>()
}
