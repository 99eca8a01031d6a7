//! The consuming end: one thread that sweeps all rings into the segment.
//!
//! A sweep takes a bounded batch from each ring, in turn, compacts the records into blocks, appends
//! them to the output and commits it. Only then does it release the words of the rings. So an empty
//! ring means that all that was in it is in the file. `flush` waits for that.
//!
//! In: rings, requests, the clocks. Out: calls of the segment's writer, the accounts of the threads, a [`Report`]. It
//! knows nothing of frames, nor of how a thread logs.

mod account;
mod batch;
pub(crate) mod dump;
mod end;
mod failure;
#[cfg(all(test, not(kymo_loom)))]
mod faults;
#[cfg(any(feature = "sinks", kymo_loom))]
pub(crate) mod feed;
mod flight;
mod followed;
mod follower;
mod lane;
mod log;
mod losses;
mod pace;
#[cfg(all(test, not(kymo_loom)))]
mod power;
mod rotate;
mod segments;
#[cfg(all(test, not(kymo_loom)))]
mod several;
mod sorting;
mod sweep;
mod takeover;
#[cfg(all(test, not(kymo_loom)))]
mod tests;
mod watch;

use std::ops::Range;

use account::LogAccount;
#[cfg(feature = "testing")]
pub(crate) use batch::BATCH_WORDS;
use batch::Leftover;
use dump::Dumps;
pub use end::{LogReport, Report};
#[cfg(feature = "sinks")]
pub(crate) use follower::Followed;
pub(crate) use follower::Follower;
use lane::Lane;
use log::Log;
use pace::Found;
pub(crate) use pace::{Pacing, Swept};
use segments::SegmentState;
use sorting::Sorter;
pub use watch::Notice;
pub(crate) use watch::{Hook, OwnRecord, OwnRecords, Watch};

use crate::clock::discipline::{Discipline, Observed};
use crate::clock::{Observation, monotonic_ns, stopwatch};
use crate::mutant::{self, Mutant};
use crate::ring::storage::LogMark;
use crate::segment::LogOutput;
use crate::shared::Shared;
use crate::shared::orphans::Orphan;
use crate::shared::registry::NewRing;
pub(crate) use crate::shared::routes::MAIN;
use crate::sync::{Arc, thread};

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
    logs: Vec<Log<O>>,
    /// `Some` if there are several logs.
    sorter: Option<Sorter>,
    dumps: Dumps,
    lanes: Vec<Lane>,
    /// The watermark that the last sweep reached, written or not.
    complete: u64,
    /// Whether that sweep left records in a ring because there were too many for a batch.
    left: bool,
    /// What the last sweep found.
    found: Found,
    watch: Option<Watch>,
    /// Another segment is being begun, and the side file is locked for that.
    is_parting: bool,
    /// Who follows what is committed.
    followers: Vec<Box<dyn Follower>>,
    /// How many records of each level the last segment has, once it is complete.
    written_at_end: [u64; 5],
    served: u64,
    /// The ticks that replace the clock's, if that must not be asked.
    frozen: Option<u64>,
}

impl<O: LogOutput> Consumer<O> {
    pub(crate) fn new(shared: Arc<Shared>, discipline: Discipline, output: O, salt: u32) -> Self {
        let mut log = Log::new(output, salt);
        log.writer.clock(&discipline.line());
        shared.lines.note(discipline.line());
        stopwatch::publish(shared.clock, discipline.rate());
        if let Some(crash_proof) = shared.crash_proof() {
            crash_proof.set_clock(&discipline.line());
        }
        Self {
            shared,
            clock_interval_ns: FIRST_CLOCK_INTERVAL_NS,
            next_clock_ns: discipline.line().monotonic_ns + FIRST_CLOCK_INTERVAL_NS,
            discipline,
            logs: vec![log],
            sorter: None,
            dumps: Dumps::default(),
            lanes: Vec::new(),
            complete: 0,
            left: false,
            found: Found::default(),
            watch: None,
            is_parting: false,
            followers: Vec::new(),
            written_at_end: [0; 5],
            served: 0,
            frozen: None,
        }
    }

    /// Adds a log that routes lead to, in their order. To be called before the first sweep.
    pub(crate) fn add_log(&mut self, output: O, salt: u32) {
        let mut log = Log::new(output, salt);
        log.writer.clock(&self.discipline.line());
        self.logs.push(log);
        self.sorter.get_or_insert_with(|| Sorter::new(self.shared.routes.clone()));
    }

    /// Sweeps until it is told to stop, then drains the rings and closes the segment. After each
    /// sweep it calls `wait` with what the sweep found. `wait` may sleep with `park`.
    pub(crate) fn run(&mut self, mut wait: impl FnMut(Swept)) -> (Report, Vec<Orphan>) {
        if !mutant::broken(Mutant::AttachLate) {
            self.shared.control.attach(thread::current());
        }
        loop {
            let now_ns = monotonic_ns();
            if now_ns >= self.next_clock_ns {
                self.check_outputs();
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
                true => Swept::Records(self.found),
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
            self.check_outputs();
        }
        // After the request, which is acknowledged below.
        let asked = self.shared.policies.flight.is_some() && self.shared.dump_request.take();
        // As for a dump; and so what the asker logged before is in the file that was moved.
        let moved = self.shared.reopen_request.take();
        self.note_rotate_requests();
        let took = self.sweep();
        // Before the request is acknowledged, below.
        self.shared.counters.complete.set(if took { self.complete } else { u64::MAX });
        self.dump_if_wanted(asked, monotonic_ns);
        if mutant::broken(Mutant::RequestReadLate) {
            (request, _) = self.shared.control.begin_sweep();
        }
        if moved {
            self.reopen();
        }
        self.rotate_if_due();
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
        self.found = Found::default();
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
            let lane = &self.lanes[index];
            if lane.took_records() {
                took = true;
                self.found.records += lane.took();
                self.found.fill = self.found.fill.max(lane.taken_share());
            }
            if self.logs.iter().any(|log| log.writer.staged_bytes() > STAGING_BYTES) {
                self.commit(open..index + 1);
                open = index + 1;
            }
        }
        self.complete = complete;
        if took {
            let is_alone = self.logs.len() == 1;
            let is_staged = |log: &&mut Log<O>| log.writer.oldest_staged().is_some();
            for log in self.logs.iter_mut().filter(|log| is_alone || is_staged(log)) {
                log.writer.end_sweep(complete);
                log.writer.put_index_part();
            }
        }
        self.commit(open..self.lanes.len());
        self.forget_finished();
        took || held
    }

    /// Sweeps until all that was in the rings when this was called is taken. Ends before that at `deadline_ns` on the
    /// monotonic clock, and if `stop` says so. Returns whether all was taken.
    fn drain_until(&mut self, deadline_ns: u64, stop: impl Fn(&Self) -> bool) -> bool {
        let as_of = self.now();
        // Until the rings are empty, or there is only what was logged since.
        while self.sweep() && self.complete <= as_of {
            if self.is_failing() {
                self.check_outputs();
            }
            if stop(self) || monotonic_ns() >= deadline_ns {
                return false;
            }
        }
        true
    }

    /// Takes a batch from the rings of one thread.
    fn drain(&mut self, index: usize) -> Leftover {
        let lane = &mut self.lanes[index];
        let left = lane.drain(&mut self.logs, self.sorter.as_mut());
        lane.stage_marks(&mut self.logs);
        if let Some(level) = lane.most_urgent()
            && self.shared.policies.dumps_at(level)
            && !lane.state.is_own
        {
            self.dumps.want(level);
        }
        if lane.is_finished() && !lane.has_flight() {
            lane.stage_end(&mut self.logs);
        }
        left
    }

    /// Writes what was taken from these lanes, and releases the words of their rings. What a log cannot write counts as
    /// dropped there.
    fn commit(&mut self, lanes: Range<usize>) {
        if mutant::broken(Mutant::RoomBeforeOutput) {
            self.settle(MAIN, lanes.clone());
            self.release(lanes.clone());
        }
        let oldest = self.logs.iter().filter_map(|log| log.writer.oldest_staged()).min();
        let mut is_written = false;
        for log in 0..self.logs.len() {
            if self.write(log, lanes.clone()) {
                is_written = true;
                self.settle(log, lanes.clone());
            } else {
                self.lanes[lanes.clone()].iter_mut().for_each(|lane| lane.fail(log));
            }
        }
        if let Some(oldest) = oldest.filter(|_| is_written) {
            self.note_lag(oldest);
        }
        self.release(lanes);
    }

    /// Counts what a log has of what was taken from these lanes, which is committed.
    fn settle(&mut self, log: usize, lanes: Range<usize>) {
        let writer = &mut self.logs[log].writer;
        self.lanes[lanes].iter_mut().for_each(|lane| lane.settle(log, writer));
    }

    /// Releases the words of these lanes' rings. All logs have what was taken from them, or have counted it as lost.
    fn release(&mut self, lanes: Range<usize>) {
        self.lanes[lanes].iter_mut().for_each(Lane::release);
        // After the words. A takeover that finds the log longer than this does not write them again.
        for log in &mut self.logs {
            log.released_bytes = log.writer.output().len();
        }
    }

    fn forget_finished(&mut self) {
        self.retire();
        let (logs, counters) = (&mut self.logs, &self.shared.counters);
        for lane in self.lanes.extract_if(.., |lane| lane.is_finished()) {
            for (log, account) in logs.iter_mut().zip(&lane.logs) {
                log.ended.add(account);
            }
            counters.dismiss(&lane.state);
            if let Some(ring) = lane.into_ring() {
                self.shared.registry.put_by(ring);
            }
        }
    }

    /// Whether a log could not be written the last time.
    fn is_failing(&self) -> bool {
        self.logs.iter().any(|log| log.failing)
    }

    /// Commits what is staged for a log, with records from these lanes. Before that, accounts are written to
    /// their rings' files. Returns whether that worked.
    fn write(&mut self, index: usize, lanes: Range<usize>) -> bool {
        let log = &mut self.logs[index];
        if log.writer.staged_bytes() == 0 {
            return true;
        }
        let lanes = &mut self.lanes[lanes];
        let committed = log.writer.commit(|output| {
            if index == MAIN {
                let mark = LogMark { segment: output.segment_number(), committed: output.len() };
                lanes.iter_mut().for_each(|lane| lane.prepare(mark));
            }
        });
        match committed {
            Ok(()) => {
                log.segment = SegmentState::Begun;
                log.failing = false;
                log.writer.tell_index_part();
                self.shared.counters_of(index).file_bytes.set(log.writer.output().len());
                if index == MAIN {
                    self.tell_followers();
                }
                true
            }
            Err(error) => {
                self.note_failure(index, error);
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
        let thread = &ring.state.thread;
        let add = |log: &mut Log<O>| LogAccount::new(log.writer.add_thread(thread.clone()));
        let accounts = self.logs.iter_mut().map(add).collect();
        self.lanes.push(Lane::new(ring, accounts));
    }

    /// Writes what the clocks show, and how far the file is complete.
    fn compare_clocks(&mut self, now_ns: u64) {
        self.take_observation(self.shared.clock.observe(), now_ns);
    }

    fn take_observation(&mut self, seen: Observation, now_ns: u64) {
        let Observed { line, set } = self.discipline.observe(seen, self.clock_interval_ns);
        self.shared.lines.note(line);
        stopwatch::publish(self.shared.clock, self.discipline.rate());
        for log in &mut self.logs {
            log.writer.clock(&line);
            if let Some(set) = set {
                log.writer.clock_set(set);
            }
            // So that a reader that follows the file need not wait for the next record to learn that
            // the last ones are complete.
            log.writer.raise_watermark(self.complete);
        }
        if let Some(crash_proof) = self.shared.crash_proof() {
            crash_proof.set_clock(&line);
        }
        self.clock_interval_ns = (self.clock_interval_ns * 10).min(CLOCK_INTERVAL_NS);
        self.next_clock_ns = now_ns + self.clock_interval_ns;
    }
}
