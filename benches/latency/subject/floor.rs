//! The floor program, as a subject.

use super::{Outcome, Setup, Subject};
use crate::Result;
pub use crate::common::floor::Floor;
use crate::common::floor::FloorProducer;

impl Subject for Floor {
    type Producer<'s> = FloorProducer;
    const CONSUMER: Option<&'static str> = Some(Floor::CONSUMER);

    fn start(setup: &Setup) -> Result<Self> {
        let file = setup.floor_writes.then(|| setup.file.path());
        Ok(Floor::start(setup.consumer_core, setup.poll_interval, file)?)
    }

    fn producer(&self) -> FloorProducer {
        Floor::producer(self)
    }

    fn stop(self) -> Result<Outcome> {
        let written = Floor::stop(self)?;
        Ok(Outcome { written: written.records, dropped: 0, file_bytes: written.file_bytes })
    }
}
