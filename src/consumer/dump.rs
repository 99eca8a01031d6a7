//! Dumps of the flight recorder: the content of an overwriting ring of each thread is written into
//! the file. The consumer does not touch these rings until a dump is asked for.
//!
//! In: who asks. Out: parts, by the segment's writer, which knows what a part looks like
//! (`segment::writer::dump`).
//!
//! A dump is made of parts, one for each thread that has something in its recorder. All recorders
//! are copied first, so that each part shows one moment. Then the parts are written one by one. The
//! other rings are swept in between, so that they do not fill up.
//!
//! Records that could not be written stay in the copy, for the next dump. They do not count as
//! dropped: such records need not be in the file.

use crate::clock::nanoseconds;
use crate::consumer::flight::Flight;
use crate::consumer::lane::Lane;
use crate::consumer::{Consumer, MAIN};
use crate::format::dump::{self, Dump};
use crate::level::Level;
use crate::ring::consumer::records;
use crate::ring::record::{Record, ticks_of};
use crate::segment::LogOutput;

/// How many ended threads keep their recorders, with what no dump has written. If there are more,
/// those that ended first are forgotten.
const MAX_ENDED: usize = 16;

/// When so many bytes of a part are staged, they go to the output. A block is not much longer.
const CHUNK_BYTES: usize = 256 << 10;

/// Why there is a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Record(Level),
    Call,
    Signal(u8),
}

/// The state of dumps.
#[derive(Default)]
pub(crate) struct Dumps {
    /// The level of a record that asked for a dump, if there was no dump since.
    wanted: Option<Level>,
    /// The earliest time of the next dump because of a record, on the monotonic clock.
    not_before_ns: u64,
    /// How many threads ended that keep their recorders.
    retired: u64,
}

impl Dumps {
    /// A record of this level asks for a dump.
    pub(crate) fn want(&mut self, level: Level) {
        self.wanted = Some(self.wanted.map_or(level, |wanted| wanted.min(level)));
    }
}

impl<O: LogOutput> Consumer<O> {
    /// Makes a dump if a call asked for one (`asked`), or if a record did and the interval is over.
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
        while let Some(index) = self
            .lanes
            .iter()
            .position(|lane| lane.logs[MAIN].in_segment.number >= next && has_copy(lane))
        {
            next = self.lanes[index].logs[MAIN].in_segment.number + 1;
            records += self.dump_part(index, reason);
            self.sweep();
        }
        self.count_dump(records);
        records
    }

    /// Makes a dump without sweeps, when another thread takes over from a consumer that has crashed.
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
        let lane = &mut self.lanes[index];
        let Some(mut part) = lane.flight.as_ref().and_then(|flight| summary(flight, lane)) else {
            return 0;
        };
        self.logs[MAIN].writer.announce(&mut lane.logs[MAIN].in_segment);
        // So that what precedes the part does not fail with it.
        if !self.write(MAIN, 0..0) {
            self.want_again(reason);
            return 0;
        }
        (part.reason, part.detail) = match reason {
            Reason::Record(level) => (dump::RECORD, level as u8),
            Reason::Call => (dump::CALL, 0),
            Reason::Signal(signal) => (dump::SIGNAL, signal),
        };
        let writer = &mut self.logs[MAIN].writer;
        part.time_ns = writer.time_of(ticks);
        let Lane { logs, flight, .. } = &mut self.lanes[index];
        let words = flight.as_ref().map_or(&[][..], Flight::words);
        // SAFETY: as in `Batch::take`.
        let sites = records(words).map(|record| unsafe { Record::new(record) }.site);
        let offset = writer.begin_dump(part, &mut logs[MAIN].in_segment, sites);
        writer.output_mut().set_next_dump(offset);
        let mut written = 0;
        loop {
            let writer = &mut self.logs[MAIN].writer;
            let more = self.lanes[index].put_flight(writer, CHUNK_BYTES);
            if !more {
                writer.end_dump(&part);
            }
            // Not counted as lag: no thread waits for these.
            if !self.write(MAIN, index..index + 1) {
                self.want_again(reason);
                self.lanes[index].forgo();
                let writer = &mut self.logs[MAIN].writer;
                let last = writer.last_dump();
                writer.output_mut().set_next_dump(last);
                return written;
            }
            let writer = &mut self.logs[MAIN].writer;
            if writer.last_dump() != offset {
                writer.output_mut().set_last_dump(offset);
                writer.set_last_dump(offset);
            }
            written += self.lanes[index].took();
            self.settle(MAIN, index..index + 1);
            self.release(index..index + 1);
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

/// What the mark says of what was copied; `None` if that is nothing.
fn summary(flight: &Flight, lane: &Lane) -> Option<Dump> {
    let (mut oldest, mut newest, mut count) = (u64::MAX, 0, 0);
    for record in records(flight.words()) {
        let ticks = ticks_of(record);
        (oldest, newest, count) = (oldest.min(ticks), newest.max(ticks), count + 1);
    }
    (count > 0).then(|| Dump {
        thread: lane.logs[MAIN].in_segment.number,
        oldest,
        newest,
        records: count,
        overwritten: flight.overwritten,
        ..Dump::default()
    })
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

    /// The header named a dump before that was committed. If a process was killed in between, all
    /// its dumps were shown where they are in the file, and not where they belong.
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
