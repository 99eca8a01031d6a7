//! Going on in a new file where another program has moved the old one.
//!
//! The old file gets the ends of its threads, its index and its end, and is cut to its length. The
//! new segment begins with nothing: what the account of a thread says of it is what is in it. What
//! the segments before have is kept apart, for statistics and the report.
//!
//! 1. The new file is made at the path. If that fails, the old one goes on.
//! 2. The old one is ended. If that fails (its disk is full), it has all that was committed, and no
//!    end.
//! 3. What has not been written, and drops that have not been marked, go to the new one.

use std::io;

use crate::consumer::Consumer;
use crate::consumer::failure::{Ended, Segment};
use crate::consumer::lane::Lane;
use crate::segment::Output;
use crate::segment::writer::dictionary::Dictionary;
use crate::segment::writer::frames::{self, Totals};
use crate::segment::writer::index::Index;
use crate::segment::writer::staging::Staging;

/// What the segments before this one have.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    pub(super) totals: Totals,
    /// Of kymo's own records, which `totals` includes.
    pub(super) own: Totals,
    /// How many records failures of the output had cost, by the marks in them.
    pub(super) lost: u64,
}

impl<O: Output> Consumer<O> {
    /// Goes on in a new file, if the old one has lost its name. To be called between sweeps.
    pub(super) fn reopen(&mut self) {
        let result = self.try_reopen();
        if let Err(error) = &result {
            // It may have been a signal that asked, which nobody answers.
            let text = format!("it was moved, and there is no new one: {error}");
            self.shared.counters.output_errors.increment();
            self.untold = Some((io::Error::new(error.kind(), text), self.lost()));
        }
        self.shared.reopen_request.note(result);
    }

    fn try_reopen(&mut self) -> io::Result<()> {
        self.check_output();
        if self.segment == Segment::Removed {
            // Then there is a new one anyway, as soon as that is possible.
            return Ok(());
        }
        let Some((next, salt)) = self.output.begin_next()? else { return Ok(()) };
        self.end_old();
        let mut old = std::mem::replace(&mut self.output, next);
        if let Err(error) = old.close() {
            self.error.get_or_insert(error);
        }
        self.begin_segment(salt);
        Ok(())
    }

    /// Ends the old segment, if that is possible.
    fn end_old(&mut self) {
        for lane in self.lanes.iter().filter(|lane| !lane.end_in_file) {
            let Totals { written, dropped, .. } = lane.segment_totals();
            if written + dropped > 0 {
                frames::put_thread_end(&mut self.staging, lane.number, written, dropped);
            }
        }
        let appended = self.staging.len() == 0 || self.append();
        if appended {
            self.index.put(&mut self.staging, self.output.len());
            let (totals, now) = (self.segment_totals(), self.now());
            frames::put_end(&mut self.staging, totals, now);
            self.append();
        }
    }

    /// What is in the segment: drops that have no mark in it are not.
    fn segment_totals(&self) -> Totals {
        let mut totals = self.ended.totals();
        self.lanes.iter().for_each(|lane| totals.add(lane.segment_totals()));
        totals
    }

    fn begin_segment(&mut self, salt: u32) {
        let lost = self.lost();
        self.earlier.totals.add(self.segment_totals());
        let own = self.lanes.iter().filter(|lane| lane.state.is_own);
        own.for_each(|lane| self.earlier.own.add(lane.segment_totals()));
        self.ended = Ended::default();
        for (number, lane) in (0..).zip(&mut self.lanes) {
            lane.begin_segment(number);
        }
        self.next_thread = self.lanes.len() as u64;
        self.earlier.lost += lost - self.lost();
        self.segment = Segment::Begun;
        self.failing = false;
        self.released_bytes = self.output.len();
        self.shared.set_log(self.output.log_file());
        let clocks = std::mem::take(&mut self.staging.clocks);
        self.staging = Staging::new(salt);
        self.staging.clocks = clocks;
        self.dictionary = Dictionary::new();
        self.index = Index::new();
        self.dumps.begin_segment();
        self.lanes.iter_mut().for_each(Lane::forget_announcement);
        self.stage_first_frames();
    }
}
