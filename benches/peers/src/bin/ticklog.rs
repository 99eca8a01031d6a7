//! ticklog.

use kymo_peers::peer::{Peer, Setup};
use kymo_peers::{Result, driver, log_with};
use ticklog::{Backpressure, FileSink, Guard};

struct Ticklog(Guard);

struct Calls;

impl Peer for Ticklog {
    type Producer = Calls;

    fn start(setup: &Setup) -> Result<Self> {
        // "Quick start" and "Configuration" of its README; `Block` is the policy that "never drops
        // records".
        let guard = ticklog::configure! {
            sink: FileSink::truncate(setup.file())?,
            backpressure: Backpressure::Block,
            drain_affinity: setup.consumer_core.map(|core| vec![core]),
        }?;
        Ok(Self(guard))
    }

    fn producer(&self) -> Calls {
        ticklog::warm_up().expect("it is configured");
        Calls
    }

    fn stop(self) -> Result<Option<u64>> {
        drop(self.0);
        Ok(None)
    }
}

log_with!(Calls: ticklog::info, ticklog::trace);

fn main() -> std::process::ExitCode {
    driver::main::<Ticklog>()
}
