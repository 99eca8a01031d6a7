//! Builds segment files in memory, for tests: a small writer that does what it is told, wrong
//! things included.

use std::collections::BTreeMap;

use kymo_format::dump::{self, Dump};
use kymo_format::frame::{self, Clock, ClockSet, Kind};
use kymo_format::header::{
    COMMITTED_OFFSET, ClockSource, Header, LAST_DUMP_OFFSET, LAST_INDEX_OFFSET,
};
use kymo_format::index::{Index, IndexPart, Step};
use kymo_format::rotated::{Continued, Deleted};
use kymo_format::types::Type;
use kymo_format::varint;
use kymo_reader::{Event, Options, Reader, Report};

/// A segment that is being built.
pub struct Segment {
    pub bytes: Vec<u8>,
    /// Where each frame begins and where its payload ends.
    pub frames: Vec<(usize, usize)>,
    salt: u32,
    written: BTreeMap<u64, u64>,
    dropped: BTreeMap<u64, u64>,
    noted: Vec<Noted>,
    clocks: Vec<i64>,
    watermark: u64,
    /// The payloads of call sites, threads and the last clock frames.
    sites: BTreeMap<u64, Vec<u8>>,
    names: BTreeMap<u64, Vec<u8>>,
    lines: Vec<Vec<u8>>,
    last_dump: u64,
    last_part: u64,
    /// How many frames the parts of the index are about.
    parted: usize,
}

/// What the index is made of, for each frame.
struct Noted {
    offset: u64,
    kind: u8,
    /// The least and the greatest ticks in it.
    ticks: Option<(u64, u64)>,
    /// The watermark that holds before it.
    watermark: u64,
}

/// A record to be written: call site, ticks, arguments.
pub struct Rec<'a>(pub u64, pub u64, pub &'a [Arg<'a>]);

/// A value of an argument.
#[derive(Clone, Copy)]
pub enum Arg<'a> {
    Bool(bool),
    Byte(u8),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Str(&'a [u8]),
    /// A string that was cut.
    Cut(&'a str),
}

impl Arg<'_> {
    fn put(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Bool(value) => out.push(value.into()),
            Self::Byte(value) => out.push(value),
            Self::Unsigned(value) => varint::put(out, value),
            Self::Signed(value) => varint::put(out, varint::zigzag(value)),
            Self::Float(value) => out.extend_from_slice(&value.to_bits().to_le_bytes()),
            Self::Str(text) => {
                varint::put(out, (text.len() as u64) << 1);
                out.extend_from_slice(text);
            }
            Self::Cut(text) => {
                varint::put(out, (text.len() as u64) << 1 | 1);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

impl Segment {
    pub fn new(salt: u32) -> Self {
        Self::with_header(Header {
            salt,
            process: 4711,
            opened_ns: 1_000,
            segment: [7; 16],
            host: "host".into(),
            ..Header::new(ClockSource::Counter)
        })
    }

    /// A side file of what `new` makes.
    pub fn side(salt: u32) -> Self {
        let header = Header { salt, segment: [8; 16], ..Header::new(ClockSource::Counter) };
        Self::with_header(Header { side_of: [7; 16], ..header })
    }

    /// A segment of this id that belongs to that of another: 0 if it is a log.
    pub fn of(id: u8, side_of: u8) -> Self {
        let header =
            Header { salt: id.into(), segment: [id; 16], ..Header::new(ClockSource::Counter) };
        Self::with_header(Header { side_of: [side_of; 16], ..header })
    }

    /// The segment with this number, from 1, of a rotated log, written by one process with those before it.
    pub fn of_log(log: u8, sequence: u64) -> Self {
        Self::with_header(Self::log_header(log, sequence))
    }

    /// The header of such a segment.
    pub fn log_header(log: u8, sequence: u64) -> Header {
        let id = |sequence: u64| {
            let mut id = [log; 16];
            id[8..].copy_from_slice(&sequence.to_le_bytes());
            id
        };
        Header {
            salt: sequence.wrapping_mul(0x9E37_79B9) as u32,
            process: 4711,
            opened_ns: 1_000 + sequence as i64,
            segment: id(sequence),
            log: [log; 16],
            previous: if sequence > 1 { id(sequence - 1) } else { [0; 16] },
            sequence,
            host: "host".into(),
            ..Header::new(ClockSource::Counter)
        }
    }

    /// A segment with this header.
    pub fn with_header(header: Header) -> Self {
        Self {
            salt: header.salt,
            bytes: header.to_page(),
            frames: Vec::new(),
            written: BTreeMap::new(),
            dropped: BTreeMap::new(),
            noted: Vec::new(),
            clocks: Vec::new(),
            watermark: 0,
            sites: BTreeMap::new(),
            names: BTreeMap::new(),
            lines: Vec::new(),
            last_dump: 0,
            last_part: 0,
            parted: 0,
        }
    }

    /// Writes a frame of any kind.
    pub fn frame(&mut self, kind: u8, payload: &[u8]) -> &mut Self {
        let start = frame::begin(&mut self.bytes);
        self.bytes.extend_from_slice(payload);
        self.frames.push((start, self.bytes.len()));
        let (offset, watermark) = (start as u64, self.watermark);
        self.noted.push(Noted { offset, kind, ticks: None, watermark });
        frame::finish(&mut self.bytes, start, Kind::Records, self.salt);
        self.bytes[start + 4] = kind;
        let end = start + 8 + payload.len();
        let checksum = frame::checksum_of(&self.bytes[start..end], self.salt);
        self.bytes[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
        self
    }

    pub fn site(
        &mut self,
        number: u64,
        level: u8,
        format: &str,
        args: &[(&str, Type)],
    ) -> &mut Self {
        self.site_at(number, number.wrapping_add(10), level, format, args)
    }

    /// A call site at this line.
    pub fn site_at(
        &mut self,
        number: u64,
        line: u64,
        level: u8,
        format: &str,
        args: &[(&str, Type)],
    ) -> &mut Self {
        let mut out = Vec::new();
        varint::put(&mut out, number);
        out.push(level);
        varint::put(&mut out, line);
        varint::put(&mut out, 5);
        frame::put_str(&mut out, "target");
        frame::put_str(&mut out, "krate::module");
        frame::put_str(&mut out, "src/main.rs");
        frame::put_str(&mut out, format);
        varint::put(&mut out, args.len() as u64);
        for (name, ty) in args {
            frame::put_str(&mut out, name);
            let mut code = Vec::new();
            ty.put(&mut code);
            varint::put(&mut out, code.len() as u64);
            out.extend_from_slice(&code);
        }
        self.sites.insert(number, out.clone());
        self.frame(Kind::CallSite as u8, &out)
    }

    pub fn thread(&mut self, number: u64, name: &str) -> &mut Self {
        self.thread_of(number, 1000 + number, name)
    }

    /// A thread with this id of the operating system.
    pub fn thread_of(&mut self, number: u64, os_id: u64, name: &str) -> &mut Self {
        let mut out = Vec::new();
        varint::put(&mut out, number);
        varint::put(&mut out, os_id);
        frame::put_str(&mut out, name);
        self.names.insert(number, out.clone());
        self.frame(Kind::Thread as u8, &out)
    }

    /// One tick is one nanosecond; ticks 0 are at `time_ns`.
    pub fn clock(&mut self, time_ns: i64) -> &mut Self {
        self.clock_at(0, time_ns)
    }

    /// One tick is one nanosecond, from `ticks` on, which are at `time_ns`.
    pub fn clock_at(&mut self, ticks: u64, time_ns: i64) -> &mut Self {
        self.clocks.push(time_ns - ticks as i64);
        let mut out = Vec::new();
        Clock { ticks, time_ns, wall_ns: time_ns, rate: 1 << 32, ..Clock::default() }.put(&mut out);
        self.lines.push(out.clone());
        self.frame(Kind::Clock as u8, &out)
    }

    /// The wall clock was set at `ticks`, which are at `time_ns`.
    pub fn clock_set(&mut self, ticks: u64, time_ns: i64, by_ns: i64) -> &mut Self {
        let mut out = Vec::new();
        ClockSet { ticks, time_ns, by_ns }.put(&mut out);
        self.frame(Kind::ClockSet as u8, &out).note_ticks([ticks].into_iter())
    }

    /// The logger has finished other segments before this one.
    pub fn continued(&mut self, continued: &Continued) -> &mut Self {
        let mut out = Vec::new();
        continued.put(&mut out);
        self.frame(Kind::Continued as u8, &out)
    }

    /// Older segments were deleted.
    pub fn deleted(&mut self, deleted: &Deleted) -> &mut Self {
        let mut out = Vec::new();
        deleted.put(&mut out);
        self.frame(Kind::Deleted as u8, &out).note_ticks([deleted.ticks].into_iter())
    }

    pub fn block(&mut self, thread: u64, records: &[Rec<'_>]) -> &mut Self {
        let payload = self.records(thread, records);
        self.frame(Kind::Records as u8, &payload).note_ticks(records.iter().map(|it| it.1))
    }

    fn note_ticks(&mut self, ticks: impl Iterator<Item = u64> + Clone) -> &mut Self {
        if let Some(noted) = self.noted.last_mut() {
            noted.ticks = ticks.clone().min().zip(ticks.max());
        }
        self
    }

    /// A block that closes a sweep.
    pub fn last_block(&mut self, thread: u64, records: &[Rec<'_>], watermark: u64) -> &mut Self {
        let base = records.first().map_or(0, |record| record.1);
        let mut payload = self.records(thread, records);
        let relative = watermark.wrapping_sub(base) as i64;
        let relative = i32::try_from(relative).expect("a watermark near the base");
        payload.extend_from_slice(&relative.to_le_bytes());
        self.frame(Kind::LastRecords as u8, &payload);
        self.watermark = self.watermark.max(watermark);
        self.note_ticks(records.iter().map(|it| it.1))
    }

    fn records(&mut self, thread: u64, records: &[Rec<'_>]) -> Vec<u8> {
        let written = self.written.entry(thread).or_default();
        let mut out = Vec::new();
        varint::put(&mut out, thread);
        varint::put(&mut out, *written);
        let mut ticks = records.first().map_or(0, |record| record.1);
        out.extend_from_slice(&ticks.to_le_bytes());
        for Rec(site, at, args) in records {
            varint::put(&mut out, *site);
            varint::put(&mut out, at.wrapping_sub(ticks));
            ticks = *at;
            args.iter().for_each(|arg| arg.put(&mut out));
        }
        *written += records.len() as u64;
        out
    }

    pub fn watermark(&mut self, ticks: u64) -> &mut Self {
        self.frame(Kind::Watermark as u8, &ticks.to_le_bytes());
        self.watermark = self.watermark.max(ticks);
        self
    }

    pub fn drops(&mut self, thread: u64, first: u64, last: u64, count: u64) -> &mut Self {
        self.drops_of_levels(thread, first, last, &[(3, count)])
    }

    /// A mark of records that were dropped because the ring was full, by level.
    pub fn drops_of_levels(
        &mut self,
        thread: u64,
        first: u64,
        last: u64,
        counts: &[(u8, u64)],
    ) -> &mut Self {
        let mut out = Vec::new();
        varint::put(&mut out, thread);
        out.extend_from_slice(&first.to_le_bytes());
        out.extend_from_slice(&last.to_le_bytes());
        varint::put(&mut out, counts.len() as u64);
        for &(level, count) in counts {
            *self.dropped.entry(thread).or_default() += count;
            out.extend_from_slice(&[1, level]);
            varint::put(&mut out, count);
        }
        self.frame(Kind::Drops as u8, &out).note_ticks([first, last].into_iter())
    }

    pub fn signal(&mut self, os_thread: u64, signal: u8, ticks: u64) -> &mut Self {
        let mut out = Vec::new();
        varint::put(&mut out, os_thread);
        out.push(signal);
        out.extend_from_slice(&ticks.to_le_bytes());
        self.frame(Kind::Signal as u8, &out).note_ticks([ticks].into_iter())
    }

    /// A part of a dump, because of a record of level error, in blocks of these records.
    pub fn dump(&mut self, thread: u64, blocks: &[&[Rec<'_>]]) -> &mut Self {
        let ticks = || blocks.iter().flat_map(|block| block.iter()).map(|record| record.1);
        let (oldest, newest) = (ticks().min().unwrap_or(0), ticks().max().unwrap_or(0));
        let time_of = |ticks: u64| self.clocks.last().unwrap_or(&0) + ticks as i64;
        let records = ticks().count() as u64;
        let dump = Dump {
            thread,
            reason: dump::RECORD,
            detail: 1,
            oldest,
            newest,
            oldest_ns: time_of(oldest),
            newest_ns: time_of(newest),
            time_ns: time_of(self.watermark),
            records,
            overwritten: 3,
            previous: self.last_dump,
        };
        self.last_dump = self.bytes.len() as u64;
        let mut out = Vec::new();
        dump.put(&mut out);
        self.frame(Kind::Dump as u8, &out).note_ticks([oldest, newest].into_iter());
        if let Some(name) = self.names.get(&thread).cloned() {
            self.frame(Kind::Thread as u8, &name);
        }
        self.repeat_clocks();
        for site in self.sites.clone().values() {
            self.frame(Kind::CallSite as u8, site);
        }
        for block in blocks {
            self.block(thread, block);
        }
        let mut out = Vec::new();
        varint::put(&mut out, thread);
        varint::put(&mut out, records);
        self.frame(Kind::DumpEnd as u8, &out);
        self.repeat_clocks();
        let last = self.last_dump.to_le_bytes();
        self.bytes[LAST_DUMP_OFFSET..LAST_DUMP_OFFSET + 8].copy_from_slice(&last);
        self
    }

    fn repeat_clocks(&mut self) {
        let from = self.lines.len().saturating_sub(4);
        for index in from..self.lines.len() {
            let line = self.lines[index].clone();
            self.frame(Kind::Clock as u8, &line);
        }
    }

    /// Closes the file in order.
    pub fn close(&mut self) -> &mut Self {
        self.end_threads();
        self.end()
    }

    /// Closes the file in order, with an index that has a step at every so many frames.
    pub fn close_with_index(&mut self, every: usize) -> &mut Self {
        self.end_threads();
        let offset = self.bytes.len() as u64;
        let mut payload = Vec::new();
        self.index(every).put(offset, &mut payload);
        self.frame(Kind::Index as u8, &payload);
        self.end()
    }

    pub fn index(&self, every: usize) -> Index {
        self.index_of(&self.noted, every)
    }

    /// Writes a part of the index about what was not in one, with a step at every so many frames. Nothing, if
    /// there is no frame.
    pub fn index_part(&mut self, every: usize) -> &mut Self {
        let noted = &self.noted[self.parted..];
        if noted.is_empty() {
            return self;
        }
        let mut index = self.index_of(noted, every);
        let is_clock = |offset: &u64| {
            noted.iter().any(|it| it.offset == *offset && it.kind == Kind::Clock as u8)
        };
        let (clocks, frames) = index.frames.iter().partition(|offset| is_clock(offset));
        index.frames = frames;
        let end = self.bytes.len() as u64;
        let (previous, watermark) = (self.last_part, self.watermark);
        let mut payload = Vec::new();
        IndexPart { index, clocks, previous, end, watermark }.put(end, &mut payload);
        (self.parted, self.last_part) = (self.noted.len(), end);
        self.frame(Kind::IndexPart as u8, &payload);
        self.set_last_index(end)
    }

    pub fn set_last_index(&mut self, offset: u64) -> &mut Self {
        self.bytes[LAST_INDEX_OFFSET..LAST_INDEX_OFFSET + 8].copy_from_slice(&offset.to_le_bytes());
        self
    }

    fn index_of(&self, noted: &[Noted], every: usize) -> Index {
        let mut last_ns = 0;
        let step = |stretch: &[Noted]| {
            let times =
                stretch.iter().filter_map(|noted| noted.ticks).flat_map(|(oldest, newest)| {
                    let of = move |&at: &i64| [at + oldest as i64, at + newest as i64];
                    self.clocks.iter().flat_map(of)
                });
            let oldest_ns = times.clone().min().unwrap_or(last_ns);
            last_ns = times.max().unwrap_or(last_ns);
            let Noted { offset, watermark, .. } = stretch[0];
            Step { offset, oldest_ns, newest_ns: last_ns, watermark }
        };
        // None of them begins within a dump.
        let (mut from, mut within, mut steps) = (0, false, Vec::new());
        for (index, frame) in noted.iter().enumerate() {
            if index - from >= every && !within {
                steps.push(&noted[from..index]);
                from = index;
            }
            within = frame.kind == Kind::Dump as u8 || within && frame.kind != Kind::DumpEnd as u8;
        }
        steps.push(&noted[from..]);
        let steps = steps.into_iter().map(step).collect();
        let known = [
            Kind::CallSite,
            Kind::Thread,
            Kind::Clock,
            Kind::Signal,
            Kind::ClockSet,
            Kind::Deleted,
        ];
        let known = known.map(|kind| kind as u8);
        let frames = noted.iter().filter(|noted| known.contains(&noted.kind));
        Index { steps, frames: frames.map(|noted| noted.offset).collect() }
    }

    fn end_threads(&mut self) {
        for (thread, written) in self.written.clone() {
            let mut out = Vec::new();
            varint::put(&mut out, thread);
            varint::put(&mut out, written);
            varint::put(&mut out, self.dropped.get(&thread).copied().unwrap_or(0));
            self.frame(Kind::ThreadEnd as u8, &out);
        }
    }

    /// Closes the file without the ends of the threads.
    pub fn close_end(&mut self) -> &mut Self {
        self.end()
    }

    fn end(&mut self) -> &mut Self {
        let mut out = Vec::new();
        varint::put(&mut out, self.written.values().sum());
        varint::put(&mut out, self.dropped.values().sum());
        varint::put(&mut out, 0);
        out.extend_from_slice(&1_000_000u64.to_le_bytes());
        self.frame(Kind::End as u8, &out);
        self.commit()
    }

    /// Says that everything so far is complete.
    pub fn commit(&mut self) -> &mut Self {
        let length = self.bytes.len() as u64;
        self.set_committed(length)
    }

    pub fn set_committed(&mut self, length: u64) -> &mut Self {
        self.bytes[COMMITTED_OFFSET..COMMITTED_OFFSET + 8].copy_from_slice(&length.to_le_bytes());
        self
    }
}

/// A small file with something of everything: three threads, three sweeps, drops, an order in time
/// that is not that of the file. One record has a time that is late.
pub fn sample() -> Segment {
    let mut file = Segment::new(0x5EED_1234);
    file.clock(1_000_000)
        .site(0, 3, "tick", &[])
        .site(1, 2, "order {id} at {px}", &[("id", Type::U64), ("px", Type::F64)])
        .thread(0, "main")
        .thread(1, "feed")
        .block(0, &[Rec(0, 10, &[]), Rec(1, 30, &[Arg::Unsigned(7), Arg::Float(1.5)])])
        .last_block(1, &[Rec(0, 5, &[]), Rec(0, 20, &[]), Rec(0, 41, &[])], 40)
        .site(2, 4, "{name} says {}", &[("", Type::Bool), ("name", Type::Str)])
        .thread(2, "late")
        .block(2, &[Rec(2, 50, &[Arg::Bool(true), Arg::Str(b"bob")])])
        .drops(1, 55, 60, 9)
        .block(0, &[Rec(2, 45, &[Arg::Bool(false), Arg::Str(b"eve")]), Rec(0, 70, &[])])
        .watermark(65)
        .clock(1_000_000)
        .block(2, &[Rec(0, 62, &[])])
        .last_block(1, &[Rec(1, 80, &[Arg::Unsigned(8), Arg::Float(-2.25)])], 81)
        .close();
    file
}

/// What came of reading a file.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    pub records: Vec<Read>,
    /// The other events, in words.
    pub marks: Vec<String>,
    pub report: Report,
}

/// A record, as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    pub thread: u64,
    pub sequence: u64,
    pub time_ns: i64,
    pub message: String,
    pub block_offset: u64,
    pub late: bool,
}

impl Outcome {
    /// The messages, joined.
    pub fn messages(&self) -> String {
        self.records.iter().map(|record| &*record.message).collect::<Vec<_>>().join(", ")
    }

    /// What identifies each record.
    pub fn ids(&self) -> Vec<(u64, u64)> {
        self.records.iter().map(|record| (record.thread, record.sequence)).collect()
    }

    /// What identifies each record, and what it says.
    pub fn contents(&self) -> Vec<(u64, u64, &str)> {
        self.records.iter().map(|it| (it.thread, it.sequence, &*it.message)).collect()
    }
}

/// Reads all that `reader` has.
pub fn drain(reader: &mut Reader<'_>) -> Outcome {
    let mut outcome = Outcome::default();
    while let Some(event) = reader.next_event().expect("reading does not fail") {
        note(&mut outcome, event);
    }
    outcome.report = reader.report().clone();
    outcome
}

/// Adds an event to what was read.
pub fn note(outcome: &mut Outcome, event: Event<'_>) {
    outcome.marks.push(match event {
        Event::Record(record) => {
            let mut message = String::new();
            record.message(&mut message);
            outcome.records.push(Read {
                thread: record.thread().number(),
                sequence: record.sequence(),
                time_ns: record.time_ns(),
                message,
                block_offset: record.block_offset(),
                late: record.is_late(),
            });
            return;
        }
        Event::Drops(drops) => {
            let Some(first) = drops.counts.first() else { return };
            format!("{} dropped {}: {}", drops.thread.name(), drops.total(), first.reason)
        }
        Event::Gap(gap) => {
            format!("{:?} misses {}", gap.thread.map(|thread| thread.number()), gap.records)
        }
        Event::Damage(damage) => damage.to_string(),
        Event::Signal(signal) => {
            format!("{signal} in {:?}", signal.thread.map(|thread| thread.name()))
        }
        Event::ClockSet(set) => format!("clock set by {} at {}", set.by_ns, set.time_ns),
        Event::Continued(it) => {
            format!("{} records in {} segments before", it.written, it.segments)
        }
        Event::Deleted(it) => {
            format!("{} to {} deleted at {}", it.first, it.last, it.time_ns)
        }
        Event::Dump(dump) => {
            format!("dump of {} of {}: {}", dump.records, dump.thread.name(), dump.reason)
        }
        Event::DumpEnd(end) => format!("{} dumped of {}", end.records, end.thread.name()),
        Event::ThreadEnd(end) => format!("{} ends after {}", end.thread.name(), end.written),
        Event::End(totals) => format!("end after {}", totals.written),
        _ => return,
    });
}

/// Reads `bytes` to the end.
pub fn read(bytes: &[u8]) -> Outcome {
    read_with(Options::new(), bytes)
}

pub fn read_with<'a>(options: Options<'a>, bytes: &'a [u8]) -> Outcome {
    drain(&mut options.from_slice(bytes).expect("a kymo file"))
}
