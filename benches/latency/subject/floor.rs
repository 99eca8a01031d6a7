//! The floor program, as a subject.

use super::{Outcome, Setup, Subject};
use crate::Result;
pub use kymo_bench::floor::Floor;
use kymo_bench::floor::FloorProducer;

impl<const WORDS: usize> Subject for Floor<WORDS> {
    type Producer<'s> = FloorProducer<WORDS>;
    const CONSUMER: Option<&'static str> = Some(Floor::<WORDS>::CONSUMER);

    fn start(setup: &Setup) -> Result<Self> {
        let file = setup.floor_writes.then(|| setup.file.path());
        Ok(Floor::start(setup.consumer_core, setup.poll_interval, file)?)
    }

    fn producer(&self) -> FloorProducer<WORDS> {
        Floor::producer(self)
    }

    fn stop(self) -> Result<Outcome> {
        let written = Floor::stop(self)?;
        Ok(Outcome { written: written.records, dropped: 0, file_bytes: written.file_bytes })
    }
}
