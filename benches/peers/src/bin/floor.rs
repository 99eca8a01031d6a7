//! The floor: the least that a logger of this kind has to do.

use std::path::Path;
use std::time::Duration;

use kymo_bench::floor::{Floor, FloorProducer};
use kymo_peers::peer::{Peer, Setup};
use kymo_peers::{Result, driver};

struct Program(Floor);

impl Peer for Program {
    type Producer = FloorProducer;

    fn start(setup: &Setup) -> Result<Self> {
        // kymo's pace.
        let poll_interval = Duration::from_micros(5);
        Ok(Self(<Floor>::start(setup.consumer_core, poll_interval, Some(&setup.file()))?))
    }

    fn producer(&self) -> FloorProducer {
        self.0.producer()
    }

    fn stop(self) -> Result<Option<u64>> {
        self.0.stop()?;
        Ok(Some(0))
    }

    fn messages_in(file: &Path, _marker: &str) -> Result<u64> {
        Ok(file.metadata()?.len() / <Floor>::RECORD_BYTES)
    }
}

fn main() -> std::process::ExitCode {
    driver::main::<Program>()
}
