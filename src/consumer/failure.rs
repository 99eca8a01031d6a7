//! What the consumer does when its output fails.
//!
//! In: an error. Out: counts, and a segment in which all that was lost is marked as soon as that is possible.
//!
//! A sweep that cannot be written is counted as dropped, and its rings get their room back, so that
//! no producer waits for a disk. What was written before may be gone, too: the file was cut, or
//! what was not committed is lost. So call sites, names and the clock are written again. A file
//! that was removed is [replaced](super::segments).

use std::io;

use crate::consumer::segments::SegmentState;
use crate::consumer::{Consumer, MAIN};
use crate::segment::LogOutput;

impl<O: LogOutput> Consumer<O> {
    /// Looks whether what was written to the logs is still there.
    pub(crate) fn check_outputs(&mut self) {
        (0..self.logs.len()).for_each(|log| self.check_output(log));
    }

    /// Looks whether what was written to a log is still there.
    pub(super) fn check_output(&mut self, log: usize) {
        if let Err(error) = self.logs[log].writer.output_mut().check() {
            self.note_failure(log, error);
        }
    }

    /// Notes an error of a log's output. What is staged is lost.
    pub(super) fn note_failure(&mut self, index: usize, error: io::Error) {
        let error = self.shared.of_log(index, error);
        let lost = self.lost(index);
        let log = &mut self.logs[index];
        if !std::mem::replace(&mut log.failing, true) {
            let copy = io::Error::new(error.kind(), error.to_string());
            log.untold.get_or_insert((copy, lost));
        }
        self.shared.counters_of(index).output_errors.increment();
        log.error.get_or_insert(error);
        if log.writer.output().is_removed() && !log.is_removed() {
            log.segment = SegmentState::Removed;
            if index == MAIN
                && let Some(crash_proof) = self.shared.crash_proof()
            {
                // The log that had the rings is gone. If the process dies before it has another one, or just then,
                // any log has them that leads there.
                let _ = crash_proof.set_log([0; 16]);
            }
            self.shared.counters.lose_ended(index, &log.ended.written);
            log.ended.lose_segment();
            self.lanes.iter_mut().for_each(|lane| lane.lose_segment(index));
            log.writer.lose_segment();
        }
        log.writer.restage();
        for lane in &mut self.lanes {
            lane.logs[index].in_segment.forget_announcement();
        }
        if log.segment == SegmentState::Renewed {
            log.ended.put(&mut log.writer);
        }
    }
}
