//! What the consumer does when its output fails.
//!
//! In: an error. Out: counts, and a segment in which all that was lost is marked as soon as that is possible.
//!
//! A sweep that cannot be written is counted as dropped, and its rings get their room back, so that
//! no producer waits for a disk. What was written before may be gone, too: the file was cut, or
//! what was not committed is lost. So call sites, names and the clock are written again. A file
//! that was removed is [replaced](super::segments).

use std::io;

use crate::consumer::Consumer;
use crate::consumer::lane::Lane;
use crate::consumer::segments::SegmentState;
use crate::segment::LogOutput;

impl<O: LogOutput> Consumer<O> {
    /// Looks whether what was written is still there.
    pub(crate) fn check_output(&mut self) {
        if let Err(error) = self.writer.output_mut().check() {
            self.note_failure(error);
        }
    }

    /// Notes an error of the output. What is staged is lost.
    pub(super) fn note_failure(&mut self, error: io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            let copy = io::Error::new(error.kind(), error.to_string());
            let lost = self.lost();
            self.untold.get_or_insert((copy, lost));
        }
        self.shared.counters.output_errors.increment();
        self.error.get_or_insert(error);
        if self.writer.output().is_removed() && self.segment != SegmentState::Removed {
            self.segment = SegmentState::Removed;
            if let Some(crash_proof) = self.shared.crash_proof() {
                // The log that had the rings is gone. If the process dies before it has another one, or just then,
                // any log has them that leads there.
                let _ = crash_proof.set_log([0; 16]);
            }
            self.shared.counters.lose_ended(&self.ended.written);
            self.ended.lose_segment();
            self.lanes.iter_mut().for_each(Lane::lose_segment);
            self.writer.lose_segment();
        }
        self.writer.restage();
        self.lanes.iter_mut().for_each(|lane| lane.in_segment.forget_announcement());
        if self.segment == SegmentState::Renewed {
            self.ended.put(&mut self.writer);
        }
    }
}
