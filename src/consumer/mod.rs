//! The consuming end: one thread that sweeps all rings into the segment.
//!
//! A sweep takes a bounded batch from each ring, in turn, compacts the records into blocks, appends
//! them to the output and commits it; only then the rings get their room back. So an empty ring
//! means that all that was in it is in the file, which is what `flush` waits for.

mod compact;
mod dictionary;
mod frames;
mod lane;
mod pace;
mod rescue;
mod staging;
#[cfg(all(test, feature = "reader", not(kymo_loom)))]
mod tests;

use std::io;
use std::ops::Range;

use dictionary::Dictionary;
use frames::Totals;
use lane::{Block, Lane, Left};
pub(crate) use pace::Pacing;
use staging::Staging;

use crate::clock::TickSource;
use crate::clock::discipline::Discipline;
use crate::control::Control;
use crate::orphans::Orphan;
use crate::producer::Mode;
use crate::registry::{NewRing, Registry};
use crate::segment::Output;
use crate::sync::atomic::Ordering;
use crate::sync::{Arc, thread};
use crate::twin::{self, Twin};

/// What became of everything that was logged.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// How many records are in the file.
    pub written: u64,
    /// How many were dropped, for whatever reason.
    pub dropped: u64,
    /// In how many of those written something was cut off to fit.
    pub cut: u64,
    /// The length of the file in bytes.
    pub file_bytes: u64,
    /// The first error of the output, if there was one. Later attempts may have succeeded.
    pub error: Option<io::Error>,
}

/// How often the clocks are compared once the rate is known, in nanoseconds.
const CLOCK_INTERVAL_NS: u64 = 1_000_000_000;

/// How long after the start they are compared for the first time; each time after that, ten times
/// as long.
const FIRST_CLOCK_INTERVAL_NS: u64 = 1_000_000;

/// When this much is staged, it goes to the output before the sweep goes on, in bytes.
const STAGING_BYTES: usize = 1 << 20;

/// The consumer.
pub(crate) struct Consumer<O> {
    registry: Arc<Registry>,
    control: Arc<Control>,
    clock: TickSource,
    discipline: Discipline,
    clock_interval_ns: u64,
    next_clock_ns: u64,
    output: O,
    staging: Staging,
    dictionary: Dictionary,
    block: Block,
    lanes: Vec<Lane>,
    next_thread: u64,
    watermark: u64,
    /// The watermark that the last sweep reached, written or not.
    complete: u64,
    /// The totals of the threads that have ended.
    ended: Totals,
    error: Option<io::Error>,
    served: u64,
}

impl<O: Output> Consumer<O> {
    pub(crate) fn new(
        registry: Arc<Registry>,
        control: Arc<Control>,
        clock: TickSource,
        discipline: Discipline,
        output: O,
        salt: u32,
    ) -> Self {
        let mut staging = Staging::new(salt);
        frames::put_clock(&mut staging, &discipline.line());
        Self {
            registry,
            control,
            clock,
            clock_interval_ns: FIRST_CLOCK_INTERVAL_NS,
            next_clock_ns: discipline.line().monotonic_ns + FIRST_CLOCK_INTERVAL_NS,
            discipline,
            output,
            staging,
            dictionary: Dictionary::new(),
            block: Block::default(),
            lanes: Vec::new(),
            next_thread: 0,
            watermark: 0,
            complete: 0,
            ended: Totals::default(),
            error: None,
            served: 0,
        }
    }

    /// Sweeps until it is told to stop, then drains what is left and closes the segment. After each
    /// sweep it calls `wait` with whether there were records; that may sleep with `park`.
    pub(crate) fn run(&mut self, mut wait: impl FnMut(bool)) -> (Report, Vec<Orphan>) {
        if !twin::broken(Twin::AttachLate) {
            self.control.attach(thread::current());
        }
        loop {
            let now_ns = crate::clock::monotonic_ns();
            if now_ns >= self.next_clock_ns {
                self.compare_clocks(now_ns);
            }
            let (took, stop) = self.serve();
            if stop {
                break;
            }
            wait(took);
            if twin::broken(Twin::AttachLate) {
                self.control.attach(thread::current());
            }
        }
        self.close()
    }

    /// One sweep, with what was asked for before it. Whether it took records, and whether to stop.
    pub(crate) fn serve(&mut self) -> (bool, bool) {
        let (mut request, stop) = self.control.begin_sweep();
        let took = self.sweep();
        if twin::broken(Twin::RequestReadLate) {
            (request, _) = self.control.begin_sweep();
        }
        let stop = self.drain_for_signal() || stop;
        if request != self.served {
            self.served = request;
            self.control.end_sweep(request);
        }
        (took, stop)
    }

    /// Takes a batch from each ring, and commits it. Whether there was anything.
    pub(crate) fn sweep(&mut self) -> bool {
        let mut complete = self.clock.begin_sweep();
        for ring in self.registry.take() {
            self.add_lane(ring);
        }
        let mut took = false;
        // The lanes before this one are committed.
        let mut open = 0;
        for index in 0..self.lanes.len() {
            if let Left::NewerThan(ticks) = self.drain(index) {
                complete = complete.min(ticks);
            }
            took |= self.lanes[index].took_records();
            if self.staging.len() > STAGING_BYTES {
                self.block.close(&mut self.staging);
                self.commit(open..index + 1);
                open = index + 1;
            }
        }
        self.complete = complete;
        if took {
            self.watermark = self.watermark.max(complete);
            self.block.close_with_watermark(self.watermark, &mut self.staging);
        }
        self.commit(open..self.lanes.len());
        self.forget_finished();
        took
    }

    /// Takes a batch from one ring.
    fn drain(&mut self, index: usize) -> Left {
        let lane = &mut self.lanes[index];
        let left = lane.drain(&mut self.dictionary, &mut self.staging, &mut self.block);
        lane.mark_drops(&mut self.staging, &mut self.block);
        if lane.is_finished() && lane.has_account() {
            self.block.close(&mut self.staging);
            let (written, dropped) = (lane.written_then(), lane.dropped());
            frames::put_thread_end(&mut self.staging, lane.number, written, dropped);
        }
        left
    }

    /// Writes what was taken from some lanes, and gives their rings the room back; where it cannot
    /// be written, counts it as dropped.
    fn commit(&mut self, lanes: Range<usize>) {
        if twin::broken(Twin::RoomBeforeOutput) {
            self.lanes[lanes.clone()].iter_mut().for_each(Lane::commit);
        }
        if self.append() {
            self.lanes[lanes].iter_mut().for_each(Lane::commit);
        } else {
            // Some of the dictionary may be lost: it is written again as it is needed.
            self.dictionary.forget();
            self.next_clock_ns = 0;
            self.lanes.iter_mut().for_each(Lane::forget_announcement);
            self.lanes[lanes].iter_mut().for_each(Lane::fail);
        }
    }

    fn forget_finished(&mut self) {
        for lane in self.lanes.extract_if(.., |lane| lane.is_finished()) {
            self.ended.add(&lane);
            if let Some(ring) = lane.into_ring() {
                self.registry.put_by(ring);
            }
        }
    }

    /// Gives what is staged to the output and lets readers see it; says whether that worked.
    fn append(&mut self) -> bool {
        if self.staging.len() == 0 {
            return true;
        }
        let result = self.output.append(self.staging.as_slice());
        self.staging.clear();
        match result {
            Ok(()) => {
                self.output.commit();
                true
            }
            Err(error) => {
                self.error.get_or_insert(error);
                false
            }
        }
    }

    fn add_lane(&mut self, ring: NewRing) {
        self.lanes.push(Lane::new(ring, self.next_thread));
        self.next_thread += 1;
    }

    /// Writes what the clocks show, and how far the file is complete.
    fn compare_clocks(&mut self, now_ns: u64) {
        let seen = self.clock.observe();
        let line = self.discipline.observe(seen, self.clock_interval_ns);
        frames::put_clock(&mut self.staging, &line);
        if self.complete > self.watermark {
            // So that who follows the file does not wait for the next record to learn that the last
            // ones are complete.
            self.watermark = self.complete;
            frames::put_watermark(&mut self.staging, self.watermark);
        }
        self.clock_interval_ns = (self.clock_interval_ns * 10).min(CLOCK_INTERVAL_NS);
        self.next_clock_ns = now_ns + self.clock_interval_ns;
    }

    /// Ends the threads that are still there, and the segment. Returns also their rings, into which
    /// they may just be publishing a last record that nobody will write.
    pub(crate) fn close(&mut self) -> (Report, Vec<Orphan>) {
        self.close_rings();
        while self.sweep() {}
        self.control.end();
        if let Some(request) = self.control.mailbox.pending()
            && request.is_marked()
        {
            self.mark_signal(request, self.clock.now());
        }
        self.put_totals(self.clock.now());
        self.report()
    }

    /// Writes the last frames of the segment.
    fn put_totals(&mut self, ticks: u64) {
        for lane in self.lanes.iter().filter(|lane| lane.has_account()) {
            frames::put_thread_end(&mut self.staging, lane.number, lane.written, lane.dropped());
        }
        let totals = self.totals();
        frames::put_end(&mut self.staging, totals, ticks);
        self.append();
    }

    /// Ends without another sweep, because one panicked: nothing is written any more, and nobody
    /// waits for it.
    pub(crate) fn abandon(&mut self) -> (Report, Vec<Orphan>) {
        self.close_rings();
        self.control.end();
        self.error.get_or_insert_with(|| io::Error::other("the consumer panicked"));
        self.report()
    }

    /// Takes over the last rings, and tells the threads that nobody reads them any more.
    fn close_rings(&mut self) {
        for ring in self.registry.close() {
            self.add_lane(ring);
        }
        for lane in &self.lanes {
            // Relaxed: a producer that misses it leaves a last record in the ring.
            if !twin::broken(Twin::ModeStaysOpen) {
                lane.state.mode.store(Mode::CLOSED, Ordering::Relaxed);
            }
        }
    }

    fn totals(&self) -> Totals {
        let mut totals = self.ended;
        self.lanes.iter().for_each(|lane| totals.add(lane));
        totals
    }

    fn report(&mut self) -> (Report, Vec<Orphan>) {
        let totals = self.totals();
        if let Err(error) = self.output.close() {
            self.error.get_or_insert(error);
        }
        let report = Report {
            written: totals.written,
            dropped: totals.dropped,
            cut: totals.cut,
            file_bytes: self.output.len(),
            error: self.error.take(),
        };
        (report, std::mem::take(&mut self.lanes).into_iter().map(Lane::into_orphan).collect())
    }
}

impl Totals {
    fn add(&mut self, lane: &Lane) {
        self.written += lane.written;
        self.dropped += lane.dropped();
        self.cut += lane.cut;
    }
}
