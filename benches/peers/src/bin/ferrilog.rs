//! ferrilog, which is zerolog-rs under another name.

use ferrilog::QueueFullPolicy;
use std::time::Duration;

use kymo_peers::peer::{Peer, Setup};
use kymo_peers::{Result, driver, log_with};

struct Ferrilog(ferrilog::ZeroLogGuard);

struct Calls;

impl Peer for Ferrilog {
    type Producer = Calls;

    fn start(setup: &Setup) -> Result<Self> {
        // As "Builder Configuration" of its README, but for the policy: `Block` loses nothing. A
        // poll interval of 1 ms is its default; its example `07_complete` has 100 µs.
        let mut builder = ferrilog::builder()
            .level(ferrilog::INFO)
            .log_file(setup.file().to_string_lossy())
            .queue_full_policy(QueueFullPolicy::Block)
            .poller_interval(Duration::from_micros(100));
        if let Some(core) = setup.consumer_core {
            builder = builder.poller_core_affinity(core);
        }
        Ok(Self(builder.start()?))
    }

    fn producer(&self) -> Calls {
        // What allocates a thread's buffer, and is what its README has a thread do first.
        ferrilog::set_thread_name("producer");
        Calls
    }

    fn stop(self) -> Result<Option<u64>> {
        drop(self.0);
        Ok(None)
    }
}

log_with!(Calls: ferrilog::info, ferrilog::debug);

fn main() -> std::process::ExitCode {
    driver::main::<Ferrilog>()
}
