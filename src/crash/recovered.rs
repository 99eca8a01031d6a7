//! Makes the segment of the records that were recovered from the rings of a dead process.

use std::collections::HashSet;
use std::ptr;

use crate::consumer::dump::Dumps;
use crate::drop_reason::DropReason;
use crate::format::HEADER_BYTES;
use crate::format::dump::{self, Dump};
use crate::format::frame::Clock;
use crate::format::header::{COMMITTED_OFFSET, Header, LAST_DUMP_OFFSET};
use crate::process::thread_info::ThreadInfo;
use crate::ring::MARK;
use crate::ring::record::Record;
use crate::segment::writer::block::Block;
use crate::segment::writer::dictionary::Dictionary;
use crate::segment::writer::frames::{self, Totals};
use crate::segment::writer::staging::Staging;
use crate::statement::call_site::CallSite;

/// The number of words of records after which a block ends.
const BLOCK_WORDS: usize = 8 << 10;

/// The records that were recovered of a thread.
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

/// Makes the whole segment: the records, and after them a mark that the process received `signal`,
/// if it did.
///
/// `now_ns` is the time of the recovery, in nanoseconds since the epoch.
pub(crate) fn segment(
    header: &Header,
    clocks: &[Clock],
    threads: &[ThreadRecords],
    signal: Option<u8>,
    now_ns: i64,
) -> Vec<u8> {
    let mut segment = RecoveredSegment {
        staging: Staging::new(header.salt),
        dictionary: Dictionary::new(),
        block: Block::default(),
        lines: Dumps::new(),
        totals: Totals::default(),
        last: clocks.last().map_or(0, |clock| clock.ticks),
        last_dump: 0,
        now_ns,
    };
    for clock in clocks {
        frames::put_clock(&mut segment.staging, clock);
        segment.lines.note_line(*clock);
    }
    for (number, thread) in threads.iter().enumerate() {
        segment.put_thread(number as u64, thread);
    }
    let RecoveredSegment { mut staging, totals, last, last_dump, .. } = segment;
    // A nanosecond later: of equal times, those in a dump are read last.
    let rate = clocks.last().map_or(0, |clock| clock.rate).max(1);
    let last = last.saturating_add((1_u64 << 32).div_ceil(rate));
    if let Some(signal) = signal {
        frames::put_signal(&mut staging, 0, signal, last);
    }
    frames::put_watermark(&mut staging, last);
    frames::put_end(&mut staging, totals, last);
    let mut bytes = header.to_page();
    bytes.extend_from_slice(staging.as_slice());
    let committed = bytes.len() as u64;
    for (offset, word) in [(COMMITTED_OFFSET, committed), (LAST_DUMP_OFFSET, last_dump)] {
        bytes[offset..offset + 8].copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// What is made of it so far.
struct RecoveredSegment {
    staging: Staging,
    dictionary: Dictionary,
    block: Block,
    /// The clock frames.
    lines: Dumps,
    totals: Totals,
    /// The greatest ticks.
    last: u64,
    /// The position of the last dump mark; 0 if there is none.
    last_dump: u64,
    now_ns: i64,
}

impl RecoveredSegment {
    fn put_thread(&mut self, number: u64, thread: &ThreadRecords) {
        frames::put_thread(&mut self.staging, number, &thread.info);
        let (overwritten, before) = thread.overwritten;
        let (first, second) = thread.records.split_at(before);
        self.put_records(number, 0, first);
        if overwritten > 0 {
            let after = second.first().map_or(self.last, |record| record.header[1]);
            let (range, reason) = ((after, after), DropReason::Overwritten);
            let staging = &mut self.staging;
            frames::put_drops_of_unknown_level(staging, number, range, reason, overwritten);
            // The number may be anything.
            self.totals.dropped = self.totals.dropped.saturating_add(overwritten);
        }
        self.put_records(number, before, second);
        if !thread.flight.is_empty() {
            self.put_flight(number, thread);
        }
        let written = thread.count();
        self.totals.written += written;
        frames::put_thread_end(&mut self.staging, number, written, overwritten);
    }

    /// Writes records of a thread that follow `written` others.
    fn put_records(&mut self, number: u64, written: usize, records: &[RecoveredRecord]) {
        let Self { staging, dictionary, block, .. } = self;
        let mut words = 0;
        for (index, recovered) in records.iter().enumerate() {
            let record = recovered.record();
            let index_of_site = dictionary.find(record.site).unwrap_or_else(|| {
                block.close(staging);
                dictionary.add(record.site, staging)
            });
            if words > BLOCK_WORDS {
                block.close(staging);
            }
            if !block.continues(number, record.ticks) {
                block.open(number, (written + index) as u64, record.ticks, staging);
                words = 0;
            }
            words += 2 + record.arguments.len().div_ceil(8);
            let entry = dictionary.entry(index_of_site);
            self.totals.cut += u64::from(block.put(record, entry, staging));
            self.last = self.last.max(recovered.header[1]);
        }
        block.close(staging);
    }

    /// Writes the records of a flight recorder as a dump would: see `dump`.
    fn put_flight(&mut self, number: u64, thread: &ThreadRecords) {
        let records = &thread.flight[..];
        let ticks = records.iter().map(|record| record.header[1]);
        let oldest = ticks.clone().min().unwrap_or_default();
        let newest = ticks.max().unwrap_or_default();
        let part = Dump {
            thread: number,
            reason: dump::RECOVERY,
            detail: 0,
            oldest,
            newest,
            oldest_ns: self.lines.time_of(oldest),
            newest_ns: self.lines.time_of(newest),
            time_ns: self.now_ns,
            records: records.len() as u64,
            overwritten: thread.flight_overwritten,
            previous: self.last_dump,
        };
        self.last_dump = (HEADER_BYTES + self.staging.len()) as u64;
        frames::put_dump(&mut self.staging, &part);
        frames::put_thread(&mut self.staging, number, &thread.info);
        let mut next_line = self.lines.next_line(oldest);
        self.lines.put_lines(next_line, &mut self.staging);
        let mut met = HashSet::new();
        for RecoveredRecord { site, .. } in records {
            if met.insert(ptr::from_ref(*site).addr()) {
                self.dictionary.put_again(site, &mut self.staging);
            }
        }
        let (mut written, mut rest) = (thread.records.len(), records);
        while !rest.is_empty() {
            // Up to where the next clock frame comes into force.
            let line = self.lines.line(next_line);
            let end = line
                .and_then(|line| rest.iter().position(|record| line.holds_at(record.header[1])));
            let (before, after) = rest.split_at(end.unwrap_or(rest.len()));
            self.put_records(number, written, before);
            if let (Some(line), Some(_)) = (line, end) {
                frames::put_clock(&mut self.staging, &line);
                next_line += 1;
            }
            written += before.len();
            rest = after;
        }
        frames::put_dump_end(&mut self.staging, number, part.records);
        self.lines.put_last_lines(&mut self.staging);
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
