//! inqjet.

use std::fs::File;
use std::io::BufWriter;

use inqjet::{BackpressureMode, ColorMode, InqJetBuilder, InqJetGuard, LevelFilter};
use kymo_peers::peer::{Peer, Setup};
use kymo_peers::{Result, driver, log_with};

struct Inqjet(InqJetGuard);

struct Calls;

impl Peer for Inqjet {
    type Producer = Calls;

    fn start(setup: &Setup) -> Result<Self> {
        // As its own benchmark (tests/bench_inqjet.rs): a buffered file, a ring of 1 MiB, and "Ultra-Low
        // Latency Mode" of its README, in which the archiver spins.
        let guard = InqJetBuilder::default()
            .with_writer(BufWriter::new(File::create(setup.file())?))
            .with_log_level(LevelFilter::Info)
            .with_buffer_size(1 << 20)
            .with_timeout(None)
            .with_color_mode(ColorMode::Never)
            .with_backpressure(BackpressureMode::Backoff)
            .build()?;
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

log_with!(Calls: inqjet::info, inqjet::trace);

fn main() -> std::process::ExitCode {
    driver::main::<Inqjet>()
}
