//! How the consumer ends: the last records, the ends of the threads and of the segment, and the report.
//!
//! In: rings that are closed. Out: a segment that is complete, a [`Report`], and the rings, in
//! which a thread may just be publishing.

use std::io;
use std::path::PathBuf;

use crate::consumer::dump::Reason;
use crate::consumer::lane::Lane;
use crate::consumer::log::Log;
use crate::consumer::{Consumer, MAIN};
use crate::mutant::{self, Mutant};
use crate::segment::LogOutput;
use crate::segment::writer::Totals;
use crate::shared::mailbox::Request;
use crate::shared::orphans::Orphan;
use crate::shared::stats::SinkStats;

/// What became of all records of a logger, from its start to its end.
/// [`Logger::shutdown`](crate::Logger::shutdown) returns it.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// How many records are in the file.
    pub written: u64,
    /// How many records were dropped, for all reasons.
    pub dropped: u64,
    /// How many records were left in the rings when the time for shutting down was over. The file
    /// has marks for them, as for dropped ones. `dropped` does not include them.
    pub unwritten: u64,
    /// How many critical records their threads wrote into the side file, because the consumer did
    /// not write them in time. Most of them are among the written ones, too: see
    /// [`Builder::write_through`](crate::Builder::write_through).
    pub rescued: u64,
    /// How many warnings of kymo itself are in the file. `written` does not include them.
    pub warnings: u64,
    /// How many warnings of kymo itself were dropped. `dropped` does not include them. The file has
    /// marks for them, of the thread `kymo`, and `kymo stats` counts them among the dropped.
    pub warnings_dropped: u64,
    /// How many of the written records are from flight recorders: see
    /// [`Builder::flight_recorder`](crate::Builder::flight_recorder).
    pub dumped: u64,
    /// How many records statements with a rate have suppressed: see [`info!`](crate::info). They are in no other number,
    /// and the log says them.
    pub suppressed: u64,
    /// How many of the written records were cut to fit.
    pub cut: u64,
    /// How many records the console has shown, or hides by choice: see `Builder::console`. 0 without a console.
    ///
    /// Each record of the console's levels in the file is counted once, kymo's own included: as shown, skipped, or
    /// unshown.
    pub shown: u64,
    /// How many records the console has skipped, because it was late or could not write.
    pub skipped: u64,
    /// How many records the console has neither shown nor skipped, because it ended before: nobody read any more, or
    /// the end of the logger did not wait longer.
    pub unshown: u64,
    /// What became of the records that each sink was for: see `Builder::sink`. Each is counted once.
    pub sinks: Vec<SinkStats>,
    /// What became of the records that routes lead to other logs, in the order in which these were given. All other
    /// numbers are of the log at the logger's path.
    pub logs: Vec<LogReport>,
    /// The length of the file in bytes.
    pub file_bytes: u64,
    /// The first error of the output, if there was one. Later attempts may have succeeded.
    pub error: Option<io::Error>,
}

impl Report {
    /// Notes an error of a log, unless there was one before.
    pub(crate) fn note_error(&mut self, log: usize, error: Option<io::Error>) {
        let place = match log {
            MAIN => Some(&mut self.error),
            _ => self.logs.get_mut(log - 1).map(|log| &mut log.error),
        };
        if let (Some(error), Some(place)) = (error, place) {
            place.get_or_insert(error);
        }
    }
}

/// What became of the records that were for one log of a route: see [`Builder::route`](crate::Builder::route).
///
/// The numbers mean what those of [`Report`] mean.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct LogReport {
    /// Its path, as it was given to the route.
    pub path: PathBuf,
    /// How many records are in it.
    pub written: u64,
    /// How many records for it were dropped, for all reasons.
    pub dropped: u64,
    /// How many records for it were left in the rings when the time for shutting down was over.
    pub unwritten: u64,
    /// How many warnings of kymo itself are in it.
    pub warnings: u64,
    /// How many warnings of kymo itself that were for it were dropped.
    pub warnings_dropped: u64,
    /// How many of the written records were cut to fit.
    pub cut: u64,
    /// The length of its file in bytes.
    pub file_bytes: u64,
    /// Its first error, if there was one. Later attempts may have succeeded.
    pub error: Option<io::Error>,
}

impl<O: LogOutput> Consumer<O> {
    /// Ends the threads that are still there, and the segment. Also returns their rings: a thread
    /// may just be publishing a last record, which will not be written.
    pub(crate) fn close(&mut self) -> (Report, Vec<Orphan>) {
        // While there can still be a ring for kymo's own warnings.
        self.look_now(u64::MAX);
        while self.tell_suppressed() {
            self.sweep();
        }
        self.close_rings();
        self.check_outputs();
        let mut unwritten = Vec::new();
        while self.sweep() {
            if self.shared.control.is_overdue() || self.shared.emergency.is_overdue() {
                unwritten = self.give_up(true);
                break;
            }
        }
        self.look_now(u64::MAX);
        while self.sweep() {}
        if self.shared.policies.flight.is_some() {
            let fatal = self.fatal_signal().map(|request| Reason::Signal(request.signal()));
            let wanted = self
                .wants_dump()
                .filter(|_| unwritten.iter().all(|it| *it == 0))
                .map(Reason::Record);
            if let Some(reason) = fatal.or(wanted) {
                self.dump(reason);
            }
        }
        self.shared.control.end();
        if let Some(request) = self.fatal_signal() {
            self.mark_signal(request);
        }
        self.end_retention();
        self.end(unwritten)
    }

    /// Returns the request of a handler for a signal that will end the process.
    fn fatal_signal(&self) -> Option<Request> {
        let emergency = &self.shared.emergency;
        let asked = emergency.mailbox.pending().filter(|request| request.is_marked());
        asked.or_else(|| emergency.fatal_request())
    }

    /// Ends the threads that are left, and the segments. `unwritten`: how many records were given up, for each log.
    pub(super) fn end(&mut self, unwritten: Vec<u64>) -> (Report, Vec<Orphan>) {
        for log in 0..self.logs.len() {
            // What fails is tried once more.
            for _ in 0..2 {
                self.stage_last(log, true);
                if self.write_last(log) && self.append_end(log) {
                    break;
                }
                self.check_output(log);
                self.replace_if_removed(log);
            }
        }
        self.lanes.iter_mut().for_each(Lane::remove_ring_files);
        if let Some(crash_proof) = self.shared.crash_proof() {
            crash_proof.end();
        }
        self.report(&unwritten)
    }

    /// Stages all that a log has not of the threads, between sweeps: marks of drops, and, if `ends`, the ends of the
    /// threads.
    pub(super) fn stage_last(&mut self, index: usize, ends: bool) {
        let log = &mut self.logs[index];
        self.lanes.iter_mut().for_each(|lane| lane.stage_last(index, log, ends));
    }

    /// Writes what is staged for a log, between sweeps. Returns whether that worked.
    pub(super) fn write_last(&mut self, index: usize) -> bool {
        let (done, lanes) = (self.write(index, 0..0), 0..self.lanes.len());
        if done {
            self.settle(index, lanes.clone());
        }
        self.release(lanes);
        done
    }

    /// Ends the segment of a log. Returns whether that worked.
    pub(super) fn append_end(&mut self, log: usize) -> bool {
        let now = self.now();
        self.logs[log].writer.end(now);
        self.write(log, 0..0)
    }

    /// Ends without another sweep, because one panicked. Nothing is written any more, and no thread
    /// waits for it.
    pub(crate) fn abandon(&mut self) -> (Report, Vec<Orphan>) {
        self.close_rings();
        // It may have panicked after a commit (reading a clock for the statistics, say). What was
        // committed is in the file, and must not be found in the rings once more.
        let lanes = 0..self.lanes.len();
        let is_committed = |log: &Log<O>| log.writer.output().len() > log.released_bytes;
        if self.logs.iter().any(is_committed) {
            for log in 0..self.logs.len() {
                match is_committed(&self.logs[log]) {
                    true => self.settle(log, lanes.clone()),
                    false => self.lanes.iter_mut().for_each(|lane| lane.fail(log)),
                }
            }
            self.release(lanes);
        }
        self.lanes.iter_mut().for_each(Lane::keep_ring_files);
        self.shared.control.end();
        self.logs[MAIN].error.get_or_insert_with(|| io::Error::other("the consumer panicked"));
        self.report(&[])
    }

    /// Takes over the last rings, and tells the threads that these are not read any more.
    fn close_rings(&mut self) {
        for ring in self.shared.registry.close() {
            self.add_lane(ring);
        }
        for lane in &self.lanes {
            if !mutant::broken(Mutant::ModeStaysOpen) {
                lane.state.cursor.close();
            }
        }
    }

    pub(super) fn totals(&self, log: usize) -> Totals {
        let mut totals = self.logs[log].ended.totals();
        self.lanes.iter().for_each(|lane| totals.add(lane.logs[log].totals()));
        totals
    }

    /// The totals of kymo's own records, which the segment's totals include.
    pub(super) fn own_totals(&self, log: usize) -> Totals {
        let mut own = Totals::default();
        let lanes = self.lanes.iter().filter(|lane| lane.state.is_own);
        lanes.for_each(|lane| own.add(lane.logs[log].totals()));
        own
    }

    fn report(&mut self, unwritten: &[u64]) -> (Report, Vec<Orphan>) {
        let mut logs: Vec<_> = (0..self.logs.len()).map(|log| self.report_log(log)).collect();
        logs.iter_mut().zip(unwritten).for_each(|(log, unwritten)| {
            log.unwritten = *unwritten;
            log.dropped -= unwritten;
        });
        self.written_at_end = self.written_in_segment(MAIN);
        let main = logs.remove(MAIN);
        let report = Report {
            written: main.written,
            dropped: main.dropped,
            unwritten: main.unwritten,
            rescued: self.shared.counters.rescued.get(),
            warnings: main.warnings,
            warnings_dropped: main.warnings_dropped,
            dumped: self.shared.counters.dumped.get(),
            suppressed: self.shared.counters.suppressed(),
            cut: main.cut,
            shown: 0,
            skipped: 0,
            unshown: 0,
            sinks: Vec::new(),
            logs,
            file_bytes: main.file_bytes,
            error: main.error,
        };
        (report, std::mem::take(&mut self.lanes).into_iter().map(Lane::into_orphan).collect())
    }

    /// Closes a log, and reports what became of the records for it.
    fn report_log(&mut self, index: usize) -> LogReport {
        if let Err(error) = self.logs[index].writer.output_mut().close() {
            // All that was written may be gone.
            self.note_failure(index, error);
        }
        let (mut totals, mut own) = (self.totals(index), self.own_totals(index));
        let log = &mut self.logs[index];
        totals.add(log.earlier.totals);
        own.add(log.earlier.own);
        let routed = index.checked_sub(1).map(|routed| &self.shared.routed[routed]);
        LogReport {
            path: routed.map(|log| log.path.clone()).unwrap_or_default(),
            written: totals.written - own.written,
            dropped: totals.dropped - own.dropped,
            unwritten: 0,
            warnings: own.written,
            warnings_dropped: own.dropped,
            cut: totals.cut - own.cut,
            file_bytes: log.writer.output().len(),
            error: log.error.take(),
        }
    }
}
