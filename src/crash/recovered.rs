//! A segment of what was recovered from the rings of a dead process.
//!
//! In: threads with their records, checked. Out: the bytes of a whole segment. It knows nothing of files.

use crate::drop_reason::DropReason;
use crate::format::dump::{self, Dump};
use crate::format::frame::Clock;
use crate::format::header::{COMMITTED_OFFSET, Header, LAST_DUMP_OFFSET};
use crate::process::thread_info::ThreadInfo;
use crate::ring::MARK;
use crate::ring::record::Record;
use crate::segment::writer::{SegmentWriter, ThreadInSegment};
use crate::statement::call_site::CallSite;

/// The number of words of records after which a block ends.
const BLOCK_WORDS: usize = 8 << 10;

/// Why the output does not fail.
const IN_MEMORY: &str = "the segment is made in memory";

/// What was recovered of a thread.
#[derive(Default)]
pub(crate) struct ThreadRecords {
    pub(crate) info: ThreadInfo,
    /// The records that were on their way to the log, in order.
    pub(crate) records: Vec<RecoveredRecord>,
    /// The number of those that were overwritten, and the index of the record after them.
    pub(crate) overwritten: (u64, usize),
    /// The records of its flight recorder, in order.
    pub(crate) flight: Vec<RecoveredRecord>,
    /// The number of those that were overwritten since a dump last reported it.
    pub(crate) flight_overwritten: u64,
}

/// A record that was recovered: see `Record`.
pub(crate) struct RecoveredRecord {
    pub(crate) site: &'static CallSite,
    /// The words of its header.
    pub(crate) header: [u64; 2],
    /// The arguments as they were in the ring, which must be what the call site says.
    pub(crate) arguments: Vec<u8>,
}

/// Makes the whole segment: the records, and after them that the process received `signal`, if it
/// did. `now_ns` is the time, in nanoseconds since the epoch.
pub(crate) fn segment(
    header: &Header,
    clocks: &[Clock],
    threads: &[ThreadRecords],
    signal: Option<u8>,
    now_ns: i64,
) -> Vec<u8> {
    let mut segment = RecoveredSegment {
        writer: SegmentWriter::new(header.to_page(), header.salt),
        last: clocks.last().map_or(0, |clock| clock.ticks),
        now_ns,
    };
    for clock in clocks {
        segment.writer.clock(clock);
    }
    for thread in threads {
        segment.put_thread(thread);
    }
    let RecoveredSegment { mut writer, last, .. } = segment;
    // A nanosecond later: of equal times, those in a dump are read last.
    let rate = clocks.last().map_or(0, |clock| clock.rate).max(1);
    let last = last.saturating_add((1_u64 << 32).div_ceil(rate));
    if let Some(signal) = signal {
        writer.signal(0, signal, last);
    }
    writer.end_sweep(last);
    writer.commit(|_| ()).expect(IN_MEMORY);
    writer.end(last);
    writer.commit(|_| ()).expect(IN_MEMORY);
    let last_dump = writer.last_dump();
    let mut bytes = writer.into_output();
    let committed = bytes.len() as u64;
    for (offset, word) in [(COMMITTED_OFFSET, committed), (LAST_DUMP_OFFSET, last_dump)] {
        bytes[offset..offset + 8].copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// The segment that is being made.
struct RecoveredSegment {
    writer: SegmentWriter<Vec<u8>>,
    /// The greatest ticks.
    last: u64,
    now_ns: i64,
}

impl RecoveredSegment {
    fn put_thread(&mut self, thread: &ThreadRecords) {
        let mut to = self.writer.add_thread(thread.info.clone());
        self.writer.announce(&mut to);
        let (overwritten, before) = thread.overwritten;
        let (first, second) = thread.records.split_at(before);
        self.put_records(&mut to, first, |_, _| ());
        if overwritten > 0 {
            let ticks = second.first().map_or(self.last, |record| record.header[1]);
            let reason = DropReason::Overwritten;
            self.writer.drops_of_unknown_level(&mut to, ticks, reason, overwritten);
        }
        self.put_records(&mut to, second, |_, _| ());
        if !thread.flight.is_empty() {
            self.put_flight(&mut to, thread);
        }
        self.writer.end_thread(&mut to);
        self.writer.settle(&mut to);
    }

    /// Stages records of a thread, in blocks of their own. `before` is called before each, with its ticks.
    fn put_records(
        &mut self,
        to: &mut ThreadInSegment,
        records: &[RecoveredRecord],
        before: impl Fn(&mut SegmentWriter<Vec<u8>>, u64),
    ) {
        self.writer.end_block();
        let mut words = 0;
        for recovered in records {
            let record = recovered.record();
            before(&mut self.writer, record.ticks);
            if words > BLOCK_WORDS {
                self.writer.end_block();
            }
            if !self.writer.continues_block(&record, to) {
                words = 0;
            }
            words += 2 + record.arguments.len().div_ceil(8);
            self.writer.put(record, to);
            self.last = self.last.max(recovered.header[1]);
        }
        self.writer.end_block();
    }

    /// Stages what a flight recorder held, as a dump would have.
    fn put_flight(&mut self, to: &mut ThreadInSegment, thread: &ThreadRecords) {
        let records = &thread.flight[..];
        let ticks = records.iter().map(|record| record.header[1]);
        let part = Dump {
            thread: to.number,
            reason: dump::RECOVERY,
            oldest: ticks.clone().min().unwrap_or_default(),
            newest: ticks.max().unwrap_or_default(),
            time_ns: self.now_ns,
            records: records.len() as u64,
            overwritten: thread.flight_overwritten,
            ..Dump::default()
        };
        let sites = records.iter().map(|record| record.site);
        let offset = self.writer.begin_dump(part, to, sites);
        self.writer.set_last_dump(offset);
        self.put_records(to, records, SegmentWriter::put_lines_until);
        self.writer.end_dump(&part);
    }
}

impl ThreadRecords {
    /// Returns the number of records.
    pub(crate) fn count(&self) -> u64 {
        (self.records.len() + self.flight.len()) as u64
    }
}

impl RecoveredRecord {
    fn record(&self) -> Record<'_> {
        let [first, ticks] = self.header;
        Record { site: self.site, ticks, cut: first & MARK != 0, arguments: &self.arguments }
    }
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;
    use crate::argument::Arguments;
    use crate::format::header::ClockSource;
    use crate::level::Level;
    use crate::statement::call_site::Location;
    use kymo_reader::Options;

    const LOCATION: Location = Location {
        target: "t",
        module: "m",
        file: "f.rs",
        line: 1,
        column: 1,
        format: "{}",
        names: &[""],
    };

    /// Records that were older than the last four clock frames left a block open before the frames
    /// that they need: the recovered segment was damaged, and its records lost. Ticks of a hostile
    /// ring may have no order at all.
    #[test]
    fn records_of_any_age_are_whole() {
        static SITE: CallSite =
            CallSite::new(Level::Info, LOCATION, <(u64, ()) as Arguments>::TYPES);
        for seed in 0..40 {
            let mut random = fastrand::Rng::with_seed(seed);
            let ticks = if seed < 20 { 0..1 << 40 } else { 0..u64::MAX };
            let mut clocks: Vec<_> = (0..10)
                .map(|_| Clock { ticks: random.u64(ticks.clone()), ..Clock::default() })
                .collect();
            if seed < 20 {
                clocks.sort_by_key(|clock| clock.ticks);
            }
            let mut records = || -> Vec<_> {
                (0..50)
                    .map(|_| RecoveredRecord {
                        site: &SITE,
                        header: [0, random.u64(ticks.clone())],
                        arguments: vec![7; 8],
                    })
                    .collect()
            };
            let thread =
                ThreadRecords { records: records(), flight: records(), ..ThreadRecords::default() };
            let header = Header::new(ClockSource::Counter);
            let bytes = segment(&header, &clocks, &[thread], None, 0);
            let mut reader = Options::new().from_slice(&bytes).unwrap();
            while reader.next_record().unwrap().is_some() {}
            let report = reader.report();
            assert_eq!((report.damages, report.records), (0, 100), "seed {seed}");
        }
    }
}
