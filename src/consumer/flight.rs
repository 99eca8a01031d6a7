//! A thread's flight recorder, as the consumer sees it.
//!
//! In: copies of the recorder. Out: records for the part of a dump. When the thread has ended, its
//! lane keeps nothing but the recorder.

use crate::consumer::MAIN;
use crate::consumer::lane::Lane;
use crate::ring::consumer::records;
use crate::ring::record::Record;
use crate::ring::storage::overwriting::OverwritingConsumer;
use crate::ring::{RingConsumer, RingProducer, ring};
use crate::segment::Output;
use crate::segment::writer::SegmentWriter;

/// The recorder, and what a dump says of it.
pub(crate) struct Flight {
    pub(crate) follower: OverwritingConsumer,
    /// How many records were overwritten since a mark last said so.
    pub(crate) overwritten: u64,
    /// If the thread has ended: its number among the threads that ended with something in their
    /// recorders.
    pub(crate) retired: Option<u64>,
}

impl Flight {
    pub(crate) fn new(follower: OverwritingConsumer) -> Self {
        Self { follower, overwritten: 0, retired: None }
    }

    /// Copies what is there, unless something of an earlier copy could not be written.
    pub(crate) fn copy(&mut self) {
        self.overwritten += self.follower.look().overwritten();
    }

    /// What was copied and not written.
    pub(crate) fn words(&self) -> &[u64] {
        self.follower.copied()
    }

    /// How many words were copied and not written.
    pub(crate) fn left(&self) -> usize {
        self.follower.left()
    }
}

impl Lane {
    /// Stages what was copied of the flight recorder, until so many bytes are staged. Returns
    /// whether there is more.
    pub(crate) fn put_flight<O: Output>(
        &mut self,
        writer: &mut SegmentWriter<O>,
        staged_bytes: usize,
    ) -> bool {
        self.clear_sweep();
        let Some(flight) = &self.flight else { return false };
        let words = flight.words();
        let mut walk = records(words);
        let mut more = false;
        let mut left = 0;
        while let Some(record) = walk.clone().next() {
            if writer.staged_bytes() > staged_bytes {
                (more, left) = (true, walk.rest().len());
                break;
            }
            // SAFETY: as in `Batch::take`.
            let record = unsafe { Record::new(record) };
            writer.put_lines_until(record.ticks);
            writer.put(record, &mut self.logs[MAIN].in_segment);
            self.sweep.other_records += 1;
            walk.next();
        }
        self.sweep.flight_words = words.len() - left;
        more
    }

    /// Leaves what was staged of the flight recorder in the copy: it could not be written.
    pub(crate) fn forgo(&mut self) {
        self.retract();
        self.clear_sweep();
    }

    /// Whether its flight recorder has something that no dump has written.
    pub(crate) fn has_flight(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| !flight.follower.is_empty())
    }

    /// If only the flight recorder is left of a thread that has ended, keeps the lane for that
    /// alone. Returns both ends of the ring, the first time.
    pub(crate) fn retire(&mut self, retired: &mut u64) -> Option<(RingProducer, RingConsumer)> {
        if !self.has_flight() {
            return None;
        }
        self.sweep.finished = false;
        let flight = self.flight.as_mut()?;
        if flight.retired.is_some() {
            return None;
        }
        *retired += 1;
        flight.retired = Some(*retired);
        self.followed = None;
        let producer = self.state.take_returned()?;
        let consumer = std::mem::replace(&mut self.ring, ring(1).1);
        // A ring in a file is not handed on: see `into_ring`.
        (!consumer.is_in_file()).then_some((producer, consumer))
    }
}
