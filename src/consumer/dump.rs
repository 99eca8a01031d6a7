//! Dumps of the flight recorder: what goes round in a ring of each thread's own, which the consumer
//! does not touch until somebody asks, is written into the file.
//!
//! A dump is made of parts, one for each thread that has something in its recorder. All recorders
//! are copied first, so that each part shows the same moment; then the parts are written one by one,
//! with a sweep of the other rings in between, so that these do not fill up.
//!
//! A part can be read by itself, so that a reader that puts records in order by time can read it
//! before what stands in front of it: behind the mark that begins it stand the thread's name, the
//! clock frames that hold for its records (and between them those that come into force), and the
//! call sites, all of them once more. Behind the mark that ends it stand the clock frames that hold
//! for what follows. `docs/format.md` has the details.
//!
//! What could not be written stays in the copy, for the next dump. Nothing of it counts as dropped:
//! nobody was promised that it would be in the file.

use std::collections::{HashSet, VecDeque};
use std::ptr;

use crate::clock::nanoseconds;
use crate::consumer::Consumer;
use crate::consumer::flight::Flight;
use crate::consumer::lane::Lane;
use crate::format::dump::{self, Dump};
use crate::format::frame::Clock;
use crate::level::Level;
use crate::ring::consumer::records;
use crate::ring::record::{Record, ticks_of};
use crate::segment::Output;
use crate::segment::writer::dictionary::Dictionary;
use crate::segment::writer::frames;
use crate::segment::writer::staging::Staging;

/// How many threads that have ended keep their recorders, with what no dump has written. Of more,
/// those that ended first are forgotten.
const MAX_ENDED: usize = 16;

/// How many clock frames are remembered, for records that are older than the last ones: an hour's.
/// Older records get the time that the oldest of them gives.
const MAX_LINES: usize = 3_600;

/// When this much of a part is staged, it goes to the output, in bytes. A block is not much longer.
const CHUNK_BYTES: usize = 256 << 10;

/// How many clock frames count for a record.
const LINES: usize = 4;

/// Why there is a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Record(Level),
    Call,
    Signal(u8),
}

/// What is to be known for dumps.
pub(crate) struct Dumps {
    /// A record that has a dump made was written, and there was none since.
    wanted: Option<Level>,
    /// When there may be the next one because of a record, on the monotonic clock.
    not_before_ns: u64,
    /// Where the last part begins; 0 where there is none.
    last_offset: u64,
    /// The clock frames that were written, the last ones.
    lines: VecDeque<Clock>,
    /// How many threads ended that keep their recorders.
    retired: u64,
}

impl Dumps {
    pub(crate) fn new() -> Self {
        let lines = VecDeque::new();
        Self { wanted: None, not_before_ns: 0, last_offset: 0, lines, retired: 0 }
    }

    /// A record of this level asks for a dump.
    pub(crate) fn want(&mut self, level: Level) {
        self.wanted = Some(self.wanted.map_or(level, |wanted| wanted.min(level)));
    }

    /// This clock frame was written.
    pub(crate) fn note_line(&mut self, line: Clock) {
        if self.lines.len() == MAX_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// There is a new segment.
    pub(crate) fn begin_segment(&mut self) {
        self.last_offset = 0;
    }

    /// The place behind the clock frame that holds for what was logged at `ticks`: of the next one to
    /// come into force.
    pub(crate) fn next_line(&self, ticks: u64) -> usize {
        self.lines.iter().rposition(|line| line.holds_at(ticks)).map_or(1, |last| last + 1)
    }

    /// The time of `ticks`.
    pub(crate) fn time_of(&self, ticks: u64) -> i64 {
        self.lines.get(self.next_line(ticks) - 1).map_or(0, |line| line.time_of(ticks))
    }

    /// The clock frame at a place.
    pub(crate) fn line(&self, place: usize) -> Option<Clock> {
        self.lines.get(place).copied()
    }

    /// Writes the clock frames that count for what comes behind all of them.
    pub(crate) fn put_last_lines(&self, staging: &mut Staging) {
        self.put_lines(self.lines.len(), staging);
    }

    /// Writes the clock frames that count for a record where `next` is the next to come into force.
    pub(crate) fn put_lines(&self, next: usize, staging: &mut Staging) {
        for back in (1..=LINES).rev() {
            if let Some(line) = self.lines.get(next.saturating_sub(back)) {
                frames::put_clock(staging, line);
            }
        }
    }
}

impl<O: Output> Consumer<O> {
    /// Makes a dump, if somebody has asked for one (`asked`), or a record has and its time has come.
    pub(crate) fn dump_if_wanted(&mut self, asked: bool, now_ns: impl FnOnce() -> u64) {
        if asked {
            let records = self.dump(Reason::Call);
            self.shared.dump_request.set_records(records);
        } else if let Some(level) = self.dumps.wanted {
            let now_ns = now_ns();
            if now_ns >= self.dumps.not_before_ns {
                let interval = nanoseconds(self.shared.policies.dump_at.interval);
                self.dumps.not_before_ns = now_ns.saturating_add(interval);
                self.dump(Reason::Record(level));
            }
        }
    }

    /// Writes what the recorders of all threads hold, and sweeps in between. Returns how many
    /// records that were.
    pub(crate) fn dump(&mut self, reason: Reason) -> u64 {
        self.copy_recorders();
        let (mut next, mut records) = (0, 0);
        // By number: the sweeps in between forget lanes.
        let has_copy = |lane: &Lane| lane.flight.as_ref().is_some_and(|flight| flight.left() > 0);
        while let Some(index) =
            self.lanes.iter().position(|lane| lane.number >= next && has_copy(lane))
        {
            next = self.lanes[index].number + 1;
            records += self.dump_part(index, reason);
            self.sweep();
        }
        self.count_dump(records);
        records
    }

    /// The same without sweeps, for who takes over from a consumer that has crashed.
    pub(crate) fn dump_last(&mut self, reason: Reason) {
        self.copy_recorders();
        let records = (0..self.lanes.len()).map(|index| self.dump_part(index, reason)).sum();
        self.count_dump(records);
    }

    fn count_dump(&self, records: u64) {
        if records > 0 {
            self.shared.counters.dumps.increment();
        }
    }

    fn copy_recorders(&mut self) {
        self.dumps.wanted = None;
        let flights = self.lanes.iter_mut().filter_map(|lane| lane.flight.as_mut());
        flights.for_each(Flight::copy);
    }

    /// A dump could not be written.
    fn want_again(&mut self, reason: Reason) {
        if let Reason::Record(level) = reason {
            self.dumps.want(level);
        }
    }

    /// Writes what was copied of one recorder. All that was staged before has been committed.
    fn dump_part(&mut self, index: usize, reason: Reason) -> u64 {
        let ticks = self.now();
        let lane = &self.lanes[index];
        let Some(mut part) = lane.flight.as_ref().and_then(|flight| summary(flight, lane)) else {
            return 0;
        };
        self.block.close(&mut self.staging);
        self.lanes[index].announce(&mut self.staging);
        if !self.append() {
            self.want_again(reason);
            return 0;
        }
        (part.reason, part.detail) = match reason {
            Reason::Record(level) => (dump::RECORD, level as u8),
            Reason::Call => (dump::CALL, 0),
            Reason::Signal(signal) => (dump::SIGNAL, signal),
        };
        part.previous = self.dumps.last_offset;
        part.oldest_ns = self.dumps.time_of(part.oldest);
        part.newest_ns = self.dumps.time_of(part.newest);
        part.time_ns = self.dumps.time_of(ticks);
        let offset = self.output.len();
        frames::put_dump(&mut self.staging, &part);
        let lane = &mut self.lanes[index];
        lane.announce_again(&mut self.staging);
        let mut next_line = self.dumps.next_line(part.oldest);
        self.dumps.put_lines(next_line, &mut self.staging);
        if let Some(flight) = &lane.flight {
            put_sites(flight.words(), &mut self.dictionary, &mut self.staging);
        }
        self.output.set_next_dump(offset);
        let mut written = 0;
        loop {
            let lane = &mut self.lanes[index];
            let lines = self.dumps.lines.range(next_line.min(self.dumps.lines.len())..);
            let (passed, more) = lane.put_flight(
                lines,
                CHUNK_BYTES,
                &mut self.dictionary,
                &mut self.staging,
                &mut self.block,
            );
            next_line += passed;
            self.block.close(&mut self.staging);
            if !more {
                frames::put_dump_end(&mut self.staging, part.thread, part.records);
                // For what follows, those that held before.
                self.dumps.put_last_lines(&mut self.staging);
            }
            if !self.append_late(index..index + 1) {
                self.want_again(reason);
                self.lanes[index].forgo();
                self.output.set_next_dump(self.dumps.last_offset);
                return written;
            }
            if self.dumps.last_offset != offset {
                self.output.set_last_dump(offset);
            }
            let lane = &mut self.lanes[index];
            written += lane.took();
            lane.commit();
            self.released_bytes = self.output.len();
            self.dumps.last_offset = offset;
            if !more {
                break;
            }
        }
        if let Some(flight) = &mut self.lanes[index].flight {
            flight.overwritten = 0;
        }
        let counters = &self.shared.counters;
        counters.dumped.set(counters.dumped.get() + written);
        written
    }

    /// Lanes of threads that have ended whose recorders still have something keep nothing but that,
    /// and not for ever.
    pub(crate) fn retire(&mut self) {
        let Self { lanes, dumps, shared, .. } = self;
        for lane in lanes.iter_mut().filter(|lane| lane.is_finished()) {
            if let Some(ring) = lane.retire(&mut dumps.retired) {
                shared.registry.put_by(ring);
            }
        }
        let retired = |lane: &Lane| lane.flight.as_ref().and_then(|flight| flight.retired);
        if lanes.iter().filter_map(retired).count() > MAX_ENDED
            && let Some(first) = lanes
                .iter_mut()
                .filter(|lane| retired(lane).is_some())
                .min_by_key(|lane| retired(lane))
        {
            first.flight = None;
        }
    }

    /// Whether there is to be a dump for which the time has not come.
    pub(crate) fn wants_dump(&self) -> Option<Level> {
        self.dumps.wanted
    }
}

/// What the mark says of what was copied; `None` where that is nothing.
fn summary(flight: &Flight, lane: &Lane) -> Option<Dump> {
    let (mut oldest, mut newest, mut count) = (u64::MAX, 0, 0);
    for record in records(flight.words()) {
        let ticks = ticks_of(record);
        (oldest, newest, count) = (oldest.min(ticks), newest.max(ticks), count + 1);
    }
    (count > 0).then(|| Dump {
        thread: lane.number,
        oldest,
        newest,
        records: count,
        overwritten: flight.overwritten,
        ..Dump::default()
    })
}

/// Writes the call sites of all these records, whether they were written before or not.
fn put_sites(words: &[u64], dictionary: &mut Dictionary, staging: &mut Staging) {
    let mut met = HashSet::new();
    for record in records(words) {
        // SAFETY: as in `Account::take`.
        let site = unsafe { Record::new(record) }.site;
        if met.insert(ptr::from_ref(site).addr()) {
            dictionary.put_again(site, staging);
        }
    }
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;
    use crate::argument::Arguments;
    use crate::call::slow::log_with;
    use crate::clock::Clock;
    use crate::consumer::tests::{LOCATION, Rig};
    use crate::shared::policy::{FlightRecorder, Overflow, Policies};
    use crate::statement::call_site::CallSite;
    use kymo_reader::{Options, Order};

    const fn site(level: Level) -> CallSite {
        CallSite::new(level, LOCATION, <(u64, ()) as Arguments>::TYPES)
    }

    static RECORDED: CallSite = site(Level::Debug);
    static LOGGED: CallSite = site(Level::Info);

    /// The header named a dump before that was committed: of a process that was killed in between, all
    /// dumps were shown where they stand, and not where they belong.
    #[test]
    fn dumps_are_in_their_place_in_time_wherever_the_writer_was_killed() {
        let mut policies = Policies::new(Overflow::DropNewest);
        policies.flight = Some(FlightRecorder { level: Level::Debug, words: 1 << 10 });
        let mut rig = Rig::with_policies(Clock::Counter, policies);
        rig.file.0.borrow_mut().left = Some(Vec::new());
        let mut producer = rig.thread("feed", 1 << 10);
        for number in 0..3_u64 {
            for _ in 0..5 {
                log_with(&mut producer, &RECORDED, (number, ()));
                log_with(&mut producer, &LOGGED, (number, ()));
                rig.consumer.sweep();
            }
            assert_eq!(rig.consumer.dump(Reason::Call), 5);
        }
        let left = rig.file.0.borrow_mut().left.take().expect("it was wanted");
        let mut dumped = 0;
        for (operation, bytes) in left.iter().enumerate() {
            let mut reader = Options::new().order(Order::Time).from_slice(bytes).expect("a log");
            let (mut last, mut recorded) = (0, 0);
            while let Some(record) = reader.next_record().expect("memory can be read") {
                assert!(record.time_ns() >= last, "operation {operation}");
                last = record.time_ns();
                recorded += usize::from(record.level() == Level::Debug);
            }
            assert!(recorded >= dumped, "operation {operation}");
            dumped = recorded;
        }
        assert_eq!(dumped, 15);
    }
}
