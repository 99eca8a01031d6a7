//! The consuming end: one thread that sweeps all rings into the segment.
//!
//! A sweep takes a bounded batch from each ring, in turn, compacts the records into blocks, appends
//! them to the output and commits it. Only then does it release the words of the rings. So an empty
//! ring means that all that was in it is in the file. `flush` waits for that.
//!
//! In: rings, requests, the clocks. Out: calls of the segment's writer, the accounts of the threads, a [`Report`]. It
//! knows nothing of frames, nor of how a thread logs.

mod batch;
pub(crate) mod dump;
mod failure;
#[cfg(all(test, not(kymo_loom)))]
mod faults;
mod flight;
mod followed;
mod lane;
mod pace;
mod reopen;
mod segments;
mod sweep;
mod takeover;
#[cfg(all(test, not(kymo_loom)))]
mod tests;
mod watch;

use std::io;
use std::ops::Range;

use batch::Leftover;
use dump::{Dumps, Reason};
use lane::Lane;
pub(crate) use pace::{Pacing, Swept};
use segments::{Earlier, EndedThreads, SegmentState};
pub use watch::Notice;
pub(crate) use watch::{Hook, Log, Watch};

use crate::clock::Observation;
use crate::clock::discipline::{Discipline, Observed};
use crate::mutant::{self, Mutant};
use crate::ring::storage::LogMark;
use crate::segment::LogOutput;
use crate::segment::writer::{SegmentWriter, Totals};
use crate::shared::Shared;
use crate::shared::mailbox::Request;
use crate::shared::orphans::Orphan;
use crate::shared::registry::NewRing;
use crate::sync::{Arc, thread};

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
    /// How many of the written records are from flight recorders: see
    /// [`Builder::flight_recorder`](crate::Builder::flight_recorder).
    pub dumped: u64,
    /// How many of the written records were cut to fit.
    pub cut: u64,
    /// The length of the file in bytes.
    pub file_bytes: u64,
    /// The first error of the output, if there was one. Later attempts may have succeeded.
    pub error: Option<io::Error>,
}

/// How often the clocks are compared once the rate is known, in nanoseconds.
const CLOCK_INTERVAL_NS: u64 = 1_000_000_000;

/// When the clocks are first compared, in nanoseconds after the start. Each later interval is ten
/// times as long.
const FIRST_CLOCK_INTERVAL_NS: u64 = 1_000_000;

/// When so many bytes are staged, they go to the output before the sweep goes on.
const STAGING_BYTES: usize = 1 << 20;

/// The consumer.
pub(crate) struct Consumer<O> {
    pub(crate) shared: Arc<Shared>,
    discipline: Discipline,
    clock_interval_ns: u64,
    next_clock_ns: u64,
    writer: SegmentWriter<O>,
    dumps: Dumps,
    lanes: Vec<Lane>,
    /// The watermark that the last sweep reached, written or not.
    complete: u64,
    /// Whether that sweep left records in a ring because there were too many for a batch.
    left: bool,
    /// The account of the threads that have ended.
    ended: EndedThreads,
    /// What the segments before this one have.
    earlier: Earlier,
    segment: SegmentState,
    error: Option<io::Error>,
    /// Whether the last attempt to write has failed.
    failing: bool,
    /// The error, and how many records such failures had cost before it, until a notice was given.
    untold: Option<(io::Error, u64)>,
    watch: Option<Watch>,
    served: u64,
    /// The length of the output when the words of all its records had been released.
    released_bytes: u64,
    /// The ticks that replace the clock's, if that must not be asked.
    frozen: Option<u64>,
}

impl<O: LogOutput> Consumer<O> {
    pub(crate) fn new(shared: Arc<Shared>, discipline: Discipline, output: O, salt: u32) -> Self {
        let released_bytes = output.len();
        let mut writer = SegmentWriter::new(output, salt);
        writer.clock(&discipline.line());
        shared.lines.note(discipline.line());
        if let Some(crash_proof) = shared.crash_proof() {
            crash_proof.set_clock(&discipline.line());
        }
        Self {
            shared,
            clock_interval_ns: FIRST_CLOCK_INTERVAL_NS,
            next_clock_ns: discipline.line().monotonic_ns + FIRST_CLOCK_INTERVAL_NS,
            discipline,
            writer,
            dumps: Dumps::default(),
            lanes: Vec::new(),
            complete: 0,
            left: false,
            ended: EndedThreads::default(),
            earlier: Earlier::default(),
            segment: SegmentState::Begun,
            error: None,
            failing: false,
            untold: None,
            watch: None,
            served: 0,
            released_bytes,
            frozen: None,
        }
    }

    /// Sweeps until it is told to stop, then drains the rings and closes the segment. After each
    /// sweep it calls `wait` with what the sweep found. `wait` may sleep with `park`.
    pub(crate) fn run(&mut self, mut wait: impl FnMut(Swept)) -> (Report, Vec<Orphan>) {
        if !mutant::broken(Mutant::AttachLate) {
            self.shared.control.attach(thread::current());
        }
        loop {
            let now_ns = crate::clock::monotonic_ns();
            if now_ns >= self.next_clock_ns {
                self.check_output();
                self.compare_clocks(now_ns);
            }
            let (took, stop) = self.serve();
            if stop {
                break;
            }
            self.look(now_ns);
            let counters = &self.shared.counters;
            counters.sweeps.set(counters.sweeps.get() + 1);
            wait(match took {
                _ if self.left => Swept::More,
                true => Swept::Records,
                false => Swept::Nothing,
            });
            if mutant::broken(Mutant::AttachLate) {
                self.shared.control.attach(thread::current());
            }
        }
        self.close()
    }

    /// Makes one sweep, with what was asked for before it. Returns whether it took records, and
    /// whether to stop.
    pub(crate) fn serve(&mut self) -> (bool, bool) {
        let (mut request, stop) = self.shared.control.begin_sweep();
        let has_signal = self.shared.emergency.mailbox.pending().is_some();
        if request != self.served || stop || has_signal {
            // The thread that asked must not get an answer about a file that is gone. And an output
            // that has just failed is tried at once, and not after a while.
            self.check_output();
        }
        // After the request, which is acknowledged below.
        let asked = self.shared.policies.flight.is_some() && self.shared.dump_request.take();
        // As for a dump; and so what the asker logged before is in the file that was moved.
        let moved = self.shared.reopen_request.take();
        let took = self.sweep();
        self.dump_if_wanted(asked, crate::clock::monotonic_ns);
        if mutant::broken(Mutant::RequestReadLate) {
            (request, _) = self.shared.control.begin_sweep();
        }
        if moved {
            self.reopen();
        }
        let stop = self.drain_for_signal() || stop;
        if request != self.served {
            self.served = request;
            self.shared.control.end_sweep(request);
        }
        (took, stop)
    }

    /// Takes a batch from each ring, and commits it. Returns whether there was anything, or is for
    /// the next sweep.
    pub(crate) fn sweep(&mut self) -> bool {
        let mut complete = self.shared.clock.begin_sweep();
        self.replace_removed();
        for ring in self.shared.registry.take() {
            self.add_lane(ring);
        }
        let (mut took, mut held) = (false, false);
        self.left = false;
        // The lanes before this one are committed.
        let mut open = 0;
        for index in 0..self.lanes.len() {
            match self.drain(index) {
                Leftover::Nothing => {}
                Leftover::NewerThan(ticks) => {
                    complete = complete.min(ticks);
                    self.left = true;
                }
                Leftover::Held => held = true,
            }
            took |= self.lanes[index].took_records();
            if self.writer.staged_bytes() > STAGING_BYTES {
                self.commit(open..index + 1);
                open = index + 1;
            }
        }
        self.complete = complete;
        if took {
            self.writer.end_sweep(complete);
        }
        self.commit(open..self.lanes.len());
        self.forget_finished();
        took || held
    }

    /// Takes a batch from the rings of one thread.
    fn drain(&mut self, index: usize) -> Leftover {
        let lane = &mut self.lanes[index];
        let left = lane.drain(&mut self.writer);
        lane.mark_drops(&mut self.writer);
        if let Some(level) = lane.most_urgent()
            && self.shared.policies.dumps_at(level)
            && !lane.state.is_own
        {
            self.dumps.want(level);
        }
        if lane.is_finished() && lane.has_account() && !lane.has_flight() {
            self.writer.end_thread(&mut lane.in_segment);
        }
        left
    }

    /// Writes what was taken from these lanes, and releases the words of their rings. If it cannot
    /// be written, counts it as dropped.
    fn commit(&mut self, lanes: Range<usize>) {
        if mutant::broken(Mutant::RoomBeforeOutput) {
            self.count_written(lanes.clone());
        }
        let oldest = self.writer.oldest_staged();
        if self.write(lanes.clone()) {
            if let Some(oldest) = oldest {
                self.note_lag(oldest);
            }
            self.count_written(lanes);
            self.released_bytes = self.writer.output().len();
        } else {
            self.lanes[lanes].iter_mut().for_each(Lane::fail);
        }
    }

    /// Counts what was taken from these lanes, which is committed, and releases the words of their
    /// rings.
    fn count_written(&mut self, lanes: Range<usize>) {
        self.lanes[lanes].iter_mut().for_each(|lane| lane.commit(&mut self.writer));
    }

    fn forget_finished(&mut self) {
        self.retire();
        let (ended, counters) = (&mut self.ended, &self.shared.counters);
        for lane in self.lanes.extract_if(.., |lane| lane.is_finished()) {
            ended.add(&lane);
            counters.dismiss(&lane.state);
            if let Some(ring) = lane.into_ring() {
                self.shared.registry.put_by(ring);
            }
        }
    }

    /// Commits what is staged, with records from these lanes. Before that, accounts are written to
    /// their rings' files. Returns whether that worked.
    fn write(&mut self, lanes: Range<usize>) -> bool {
        if self.writer.staged_bytes() == 0 {
            return true;
        }
        let lanes = &mut self.lanes[lanes];
        let committed = self.writer.commit(|output| {
            let mark = LogMark { segment: output.segment_number(), committed: output.len() };
            lanes.iter_mut().for_each(|lane| lane.prepare(mark));
        });
        match committed {
            Ok(()) => {
                self.segment = SegmentState::Begun;
                self.failing = false;
                self.shared.counters.file_bytes.set(self.writer.output().len());
                true
            }
            Err(error) => {
                self.note_failure(error);
                false
            }
        }
    }

    /// Notes the lag: the oldest record that has just been written was logged at `ticks`.
    fn note_lag(&self, ticks: u64) {
        let age = self.now().wrapping_sub(ticks) as i64;
        let lag_ns = (i128::from(age.max(0)) * i128::from(self.discipline.line().rate)) >> 32;
        let counters = &self.shared.counters;
        counters.lag_ns.set(lag_ns as u64);
        counters.max_lag_ns.set(counters.max_lag_ns.get().max(lag_ns as u64));
    }

    fn add_lane(&mut self, ring: NewRing) {
        let in_segment = self.writer.add_thread(ring.state.thread.clone());
        self.lanes.push(Lane::new(ring, in_segment));
    }

    /// Writes what the clocks show, and how far the file is complete.
    fn compare_clocks(&mut self, now_ns: u64) {
        self.take_observation(self.shared.clock.observe(), now_ns);
    }

    fn take_observation(&mut self, seen: Observation, now_ns: u64) {
        let Observed { line, set } = self.discipline.observe(seen, self.clock_interval_ns);
        self.writer.clock(&line);
        self.shared.lines.note(line);
        if let Some(set) = set {
            self.writer.clock_set(set);
        }
        if let Some(crash_proof) = self.shared.crash_proof() {
            crash_proof.set_clock(&line);
        }
        // So that a reader that follows the file need not wait for the next record to learn that
        // the last ones are complete.
        self.writer.raise_watermark(self.complete);
        self.clock_interval_ns = (self.clock_interval_ns * 10).min(CLOCK_INTERVAL_NS);
        self.next_clock_ns = now_ns + self.clock_interval_ns;
    }

    /// Ends the threads that are still there, and the segment. Also returns their rings: a thread
    /// may just be publishing a last record, which will not be written.
    pub(crate) fn close(&mut self) -> (Report, Vec<Orphan>) {
        // While there can still be a ring for kymo's own warnings.
        self.look_now(u64::MAX);
        self.close_rings();
        self.check_output();
        let mut unwritten = 0;
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
            let wanted = self.wants_dump().filter(|_| unwritten == 0).map(Reason::Record);
            if let Some(reason) = fatal.or(wanted) {
                self.dump(reason);
            }
        }
        self.shared.control.end();
        if let Some(request) = self.fatal_signal() {
            self.mark_signal(request);
        }
        self.end(unwritten)
    }

    /// Returns the request of a handler for a signal that will end the process.
    fn fatal_signal(&self) -> Option<Request> {
        let emergency = &self.shared.emergency;
        let asked = emergency.mailbox.pending().filter(|request| request.is_marked());
        asked.or_else(|| emergency.fatal_request())
    }

    /// Ends the threads that are left, and the segment.
    fn end(&mut self, unwritten: u64) -> (Report, Vec<Orphan>) {
        // What fails is tried once more.
        for _ in 0..2 {
            if self.append_thread_ends() && self.append_end() {
                break;
            }
            self.check_output();
            self.replace_removed();
        }
        self.lanes.iter_mut().for_each(Lane::remove_ring_files);
        if let Some(crash_proof) = self.shared.crash_proof() {
            crash_proof.end();
        }
        self.report(unwritten)
    }

    /// Stages marks for all drops that are not marked yet.
    fn stage_drop_marks(&mut self) {
        for lane in &mut self.lanes {
            lane.see_last_drops();
            lane.mark_drops(&mut self.writer);
        }
    }

    /// Ends the threads that are left. Returns whether that worked.
    fn append_thread_ends(&mut self) -> bool {
        self.stage_drop_marks();
        for lane in &mut self.lanes {
            if lane.has_account() && !lane.in_segment.is_ended() {
                self.writer.end_thread(&mut lane.in_segment);
            }
        }
        let done = self.write(0..0);
        if done {
            self.count_written(0..self.lanes.len());
        }
        done
    }

    /// Ends the segment. Returns whether that worked.
    fn append_end(&mut self) -> bool {
        self.writer.end(self.now());
        self.write(0..0)
    }

    /// Ends without another sweep, because one panicked. Nothing is written any more, and no thread
    /// waits for it.
    pub(crate) fn abandon(&mut self) -> (Report, Vec<Orphan>) {
        self.close_rings();
        // It may have panicked after a commit (reading a clock for the statistics, say). What was
        // committed is in the file, and must not be found in the rings once more.
        if self.writer.output().len() > self.released_bytes {
            self.count_written(0..self.lanes.len());
        }
        self.lanes.iter_mut().for_each(Lane::keep_ring_files);
        self.shared.control.end();
        self.error.get_or_insert_with(|| io::Error::other("the consumer panicked"));
        self.report(0)
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

    fn totals(&self) -> Totals {
        let mut totals = self.ended.totals();
        self.lanes.iter().for_each(|lane| totals.add(lane.totals()));
        totals
    }

    /// The totals of kymo's own records, which the segment's totals include.
    fn own_totals(&self) -> Totals {
        let mut own = Totals::default();
        let lanes = self.lanes.iter().filter(|lane| lane.state.is_own);
        lanes.for_each(|lane| own.add(lane.totals()));
        own
    }

    fn report(&mut self, unwritten: u64) -> (Report, Vec<Orphan>) {
        if let Err(error) = self.writer.output_mut().close() {
            // All that was written may be gone.
            self.note_failure(error);
        }
        let (mut totals, mut own) = (self.totals(), self.own_totals());
        totals.add(self.earlier.totals);
        own.add(self.earlier.own);
        let report = Report {
            written: totals.written - own.written,
            dropped: totals.dropped - own.dropped - unwritten,
            unwritten,
            rescued: self.shared.counters.rescued.get(),
            warnings: own.written,
            dumped: self.shared.counters.dumped.get(),
            cut: totals.cut - own.cut,
            file_bytes: self.writer.output().len(),
            error: self.error.take(),
        };
        (report, std::mem::take(&mut self.lanes).into_iter().map(Lane::into_orphan).collect())
    }
}
