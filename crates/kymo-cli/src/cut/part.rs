//! Writes events, in the order in which they are handed out, as a segment from which they are handed out in
//! this order.
//!
//! - Ticks are nanoseconds since the first event, from a number in the middle on. (Events may come from
//!   several processes, with clocks of their own.)
//! - The events of one thread that follow each other are a block. After each block, and each mark, a
//!   watermark says that no older event comes. An older one that comes nevertheless is late, and is handed out
//!   where it is.
//! - A thread is one of which text says one name: those of several processes are one here, and a frame that
//!   gives the thread its name again says which of the operating system's threads it is.

use std::collections::HashMap;
use std::io::{self, Seek, Write};

use kymo_format::dump::{self, Dump};
use kymo_format::frame::{Clock, ClockSet, Kind};
use kymo_format::header::Header;
use kymo_format::rotated;
use kymo_format::{DropReason, payload, varint};
use kymo_reader::{CallSite, DumpReason, Event, Record, Signal, Thread};

use super::index::PartIndex;
use crate::segment::SegmentFile;

/// The ticks of the first event.
const FIRST_TICKS: u64 = 1 << 62;

/// Nanoseconds in a tick, times 2^32.
const NANOSECONDS: u64 = 1 << 32;

/// Threads with names have numbers from here on: text shows the numbers of those that have none, which keep
/// theirs.
const NAMED_NUMBERS: u64 = 1 << 32;

/// How far an event may be from the first one: 73 years.
const MOST_NS: i64 = 1 << 61;

/// A block of this length in bytes is full.
const BLOCK_BYTES: usize = 32 << 10;

/// A segment that is being written.
pub struct Part<W> {
    file: SegmentFile<W>,
    index: PartIndex,
    /// The time of the first event.
    first_ns: Option<i64>,
    /// The number of each call site, by its entry.
    sites: HashMap<Vec<u8>, u64>,
    /// By file and index there.
    site_numbers: Vec<Vec<Option<u64>>>,
    threads: Vec<PartThread>,
    /// The thread of each name, and which of those of that name.
    named: HashMap<(String, u64), usize>,
    /// By file and index there, with the version of the thread.
    thread_places: Vec<Vec<Option<usize>>>,
    /// Which thread has records in `block`.
    current: Option<usize>,
    block: Block,
    /// The greatest ticks that were met.
    newest: u64,
    watermark: u64,
    last_dump: u64,
    /// The threads of dumps that were begun, and how many records of each there were since. By time, dumps of several
    /// threads overlap.
    dumps: HashMap<u64, u64>,
    cut: u64,
    made: Made,
    entry: Vec<u8>,
}

/// What was written.
#[derive(Clone, Debug, Default)]
pub struct Made {
    pub records: u64,
    pub marks: u64,
    /// Records that the part has no more than a mark of.
    pub damaged: u64,
    /// Damages and missing segments, for which there is no mark.
    pub left_out: u64,
}

/// A thread of the part.
struct PartThread {
    number: u64,
    name: String,
    /// What the last frame that names it says.
    os_id: Option<u64>,
    written: u64,
    dropped: u64,
}

/// The records of a thread that were not written yet.
#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    records: u64,
    base: u64,
    last: u64,
    /// The greatest ticks, and the times of the oldest and the newest record.
    newest: u64,
    range: (i64, i64),
}

impl Made {
    /// Whether there is nothing to show.
    pub fn is_nothing(&self) -> bool {
        self.records == 0 && self.marks == 0
    }
}

impl<W: Write + Seek> Part<W> {
    /// Begins a part of logs, of which the first has this header.
    pub fn begin(out: W, of: &Header) -> io::Result<Self> {
        let none = [0; 16];
        let header = Header { side_of: none, log: none, previous: none, sequence: 0, ..of.clone() };
        Ok(Self {
            file: SegmentFile::begin(out, &header)?,
            index: PartIndex::new(),
            first_ns: None,
            sites: HashMap::new(),
            site_numbers: Vec::new(),
            threads: Vec::new(),
            named: HashMap::new(),
            thread_places: Vec::new(),
            current: None,
            block: Block::default(),
            newest: FIRST_TICKS,
            watermark: 0,
            last_dump: 0,
            dumps: HashMap::new(),
            cut: 0,
            made: Made::default(),
            entry: Vec::new(),
        })
    }

    /// Writes an event of file number `file`.
    pub fn event(&mut self, file: usize, event: &Event<'_>) -> io::Result<()> {
        if let Event::Record(record) = event {
            return self.record(file, record);
        }
        match event {
            Event::Damage(_) | Event::Missing(_) => {
                self.made.left_out += 1;
                return Ok(());
            }
            Event::ThreadEnd(_) | Event::End(_) | Event::Continued(_) => return Ok(()),
            _ => {}
        }
        self.finish_block()?;
        self.mark(file, event)?;
        self.release()
    }

    fn mark(&mut self, file: usize, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Drops(drops) => {
                let (first, last) = (self.ticks(drops.first_ns)?, self.ticks(drops.last_ns)?);
                let counts = drops.counts.iter().map(|it| (it.reason, it.level, it.count));
                let range = (drops.first_ns, drops.last_ns);
                self.drops((file, drops.thread), (first, last), range, counts, drops.total())
            }
            Event::Gap(gap) => {
                self.made.damaged = self.made.damaged.saturating_add(gap.records);
                self.clock(0)?;
                let counts = std::iter::once((DropReason::Damaged, None, gap.records));
                let unknown = Thread::default();
                let thread = gap.thread.unwrap_or(&unknown);
                let (ticks, time_ns) = (self.newest, self.time_of(self.newest));
                let range = (time_ns, time_ns);
                self.drops((file, thread), (ticks, ticks), range, counts, gap.records)
            }
            Event::Signal(signal) => self.signal(file, signal),
            Event::ClockSet(set) => {
                let ticks = self.ticks(set.time_ns)?;
                let mark = ClockSet { ticks, time_ns: set.time_ns, by_ns: set.by_ns };
                self.put_mark(Kind::ClockSet, (set.time_ns, set.time_ns), |out| mark.put(out))
            }
            Event::Deleted(it) => {
                let ticks = self.ticks(it.time_ns)?;
                let (first, last, files, bytes) = (it.first, it.last, it.files, it.bytes);
                let mark = rotated::Deleted { ticks, first, last, files, bytes };
                self.put_mark(Kind::Deleted, (it.time_ns, it.time_ns), |out| mark.put(out))
            }
            Event::Dump(dump) => self.dump_mark(file, dump),
            Event::DumpEnd(end) => {
                let thread = self.thread(file, end.thread)?;
                let number = self.threads[thread].number;
                let records = self.dumps.remove(&number).unwrap_or(0).max(end.records);
                let time_ns = self.time_of(self.newest);
                self.put_mark(Kind::DumpEnd, (time_ns, time_ns), |out| {
                    payload::put_dump_end(out, number, records);
                })
            }
            _ => Ok(()),
        }
    }

    fn drops(
        &mut self,
        (file, thread): (usize, &Thread),
        ticks: (u64, u64),
        range: (i64, i64),
        counts: impl Iterator<Item = (DropReason, Option<kymo_reader::Level>, u64)> + Clone,
        total: u64,
    ) -> io::Result<()> {
        let thread = self.thread(file, thread)?;
        let it = &mut self.threads[thread];
        it.dropped = it.dropped.saturating_add(total);
        let number = it.number;
        self.put_mark(Kind::Drops, range, |out| payload::put_drops(out, number, ticks, counts))
    }

    fn signal(&mut self, file: usize, signal: &Signal<'_>) -> io::Result<()> {
        if let Some(thread) = signal.thread {
            self.thread(file, thread)?;
        }
        let ticks = self.ticks(signal.time_ns)?;
        self.put_mark(Kind::Signal, (signal.time_ns, signal.time_ns), |out| {
            payload::put_signal(out, signal.os_thread, signal.signal, ticks);
        })
    }

    fn dump_mark(&mut self, file: usize, it: &kymo_reader::Dump<'_>) -> io::Result<()> {
        let (reason, detail) = match it.reason {
            DumpReason::Record(level) => (dump::RECORD, level.map_or(0, |level| level as u8)),
            DumpReason::Call => (dump::CALL, 0),
            DumpReason::Signal(signal) => (dump::SIGNAL, signal),
            DumpReason::Recovery => (dump::RECOVERY, 0),
            DumpReason::Unknown(code) => (code, 0),
            _ => (0, 0),
        };
        let thread = self.thread(file, it.thread)?;
        let number = self.threads[thread].number;
        let mark = Dump {
            thread: number,
            reason,
            detail,
            oldest: self.ticks(it.first_ns)?,
            newest: self.ticks(it.last_ns)?,
            oldest_ns: it.first_ns,
            newest_ns: it.last_ns,
            time_ns: it.time_ns,
            records: it.records,
            overwritten: it.overwritten,
            previous: self.last_dump,
        };
        self.last_dump = self.file.bytes();
        self.dumps.insert(number, 0);
        self.put_mark(Kind::Dump, (it.first_ns, it.last_ns), |out| mark.put(out))
    }

    fn put_mark(
        &mut self,
        kind: Kind,
        range: (i64, i64),
        payload: impl FnOnce(&mut Vec<u8>),
    ) -> io::Result<()> {
        self.made.marks += 1;
        let offset = self.file.bytes();
        self.index.timed(offset, range, self.watermark);
        if matches!(kind, Kind::Signal | Kind::ClockSet | Kind::Deleted) {
            self.index.known(offset);
        }
        self.newest = self.newest.max(self.ticks(range.0)?);
        self.file.put(kind, payload)
    }

    fn record(&mut self, file: usize, record: &Record<'_>) -> io::Result<()> {
        let ticks = self.ticks(record.time_ns())?;
        let site = self.site(file, record.call_site())?;
        let thread = self.thread(file, record.thread())?;
        if self.current != Some(thread) || self.block.bytes.len() >= BLOCK_BYTES {
            self.finish_block()?;
        }
        let block = &mut self.block;
        let time_ns = record.time_ns();
        if block.records == 0 {
            (block.base, block.last, block.newest) = (ticks, ticks, ticks);
            block.range = (time_ns, time_ns);
        }
        varint::put(&mut block.bytes, site);
        varint::put(&mut block.bytes, ticks.wrapping_sub(block.last));
        block.bytes.extend_from_slice(record.argument_bytes());
        block.records += 1;
        (block.last, block.newest) = (ticks, block.newest.max(ticks));
        block.range = (block.range.0.min(time_ns), block.range.1.max(time_ns));
        self.current = Some(thread);
        self.made.records += 1;
        self.cut += u64::from(record.is_cut());
        Ok(())
    }

    /// Writes the records that were not written yet.
    fn finish_block(&mut self) -> io::Result<()> {
        let (Some(current), 1..) = (self.current.take(), self.block.records) else { return Ok(()) };
        let block = std::mem::take(&mut self.block);
        let thread = &mut self.threads[current];
        let (number, first) = (thread.number, thread.written);
        thread.written += block.records;
        if let Some(records) = self.dumps.get_mut(&number) {
            *records += block.records;
        }
        self.index.timed(self.file.bytes(), block.range, self.watermark);
        self.newest = self.newest.max(block.newest);
        let watermark = self.watermark.max(self.newest + 1);
        let relative = i32::try_from(watermark.wrapping_sub(block.base).cast_signed()).ok();
        let kind = if relative.is_some() { Kind::LastRecords } else { Kind::Records };
        self.file.put(kind, |out| {
            payload::put_block_head(out, number, first, block.base);
            out.extend_from_slice(&block.bytes);
            out.extend(relative.into_iter().flat_map(i32::to_le_bytes));
        })?;
        let mut bytes = block.bytes;
        bytes.clear();
        self.block.bytes = bytes;
        match relative {
            Some(_) => self.watermark = watermark,
            None => self.release()?,
        }
        Ok(())
    }

    /// Says that all that was written so far may be handed out.
    fn release(&mut self) -> io::Result<()> {
        self.watermark = self.watermark.max(self.newest + 1);
        let watermark = self.watermark;
        self.file.put(Kind::Watermark, |out| payload::put_watermark(out, watermark))
    }

    /// The ticks of a time. Before the first, the clock is written.
    fn ticks(&mut self, time_ns: i64) -> io::Result<u64> {
        let first_ns = self.clock(time_ns)?;
        // Neither end of the range is a time that a log has.
        let since = time_ns.saturating_sub(first_ns).clamp(-MOST_NS, MOST_NS);
        Ok(FIRST_TICKS.wrapping_add_signed(since))
    }

    fn time_of(&self, ticks: u64) -> i64 {
        let since = ticks.wrapping_sub(FIRST_TICKS).cast_signed();
        self.first_ns.unwrap_or(0).saturating_add(since)
    }

    /// Returns the time of the first event, which is this one if there was none.
    fn clock(&mut self, time_ns: i64) -> io::Result<i64> {
        if let Some(first_ns) = self.first_ns {
            return Ok(first_ns);
        }
        self.first_ns = Some(time_ns);
        self.index.known(self.file.bytes());
        let clock = Clock {
            ticks: FIRST_TICKS,
            time_ns,
            wall_ns: time_ns,
            rate: NANOSECONDS,
            ..Clock::default()
        };
        self.file.put(Kind::Clock, |out| clock.put(out))?;
        Ok(time_ns)
    }

    /// The number of a call site, whose entry is written before.
    #[inline]
    fn site(&mut self, file: usize, site: &CallSite) -> io::Result<u64> {
        match self.site_numbers.get(file).and_then(|numbers| numbers.get(site.index())) {
            Some(Some(number)) => Ok(*number),
            _ => self.new_site(file, site),
        }
    }

    #[cold]
    fn new_site(&mut self, file: usize, site: &CallSite) -> io::Result<u64> {
        self.entry.clear();
        site.put_entry(0, &mut self.entry);
        let next = self.sites.len() as u64;
        let number = match self.sites.get(&self.entry) {
            Some(number) => *number,
            None => {
                self.finish_block()?;
                self.sites.insert(self.entry.clone(), next);
                self.index.known(self.file.bytes());
                self.file.put(Kind::CallSite, |out| site.put_entry(next, out))?;
                next
            }
        };
        put(&mut self.site_numbers, file, site.index(), number);
        Ok(number)
    }

    /// The thread here, whose name is written before.
    #[inline]
    fn thread(&mut self, file: usize, thread: &Thread) -> io::Result<usize> {
        let known = self.thread_places.get(file).and_then(|places| places.get(thread.index()));
        if let Some(&Some(place)) = known
            && self.threads[place].is(thread)
        {
            return Ok(place);
        }
        self.name(file, thread)
    }

    #[cold]
    fn name(&mut self, file: usize, thread: &Thread) -> io::Result<usize> {
        self.finish_block()?;
        let (name, which) = match thread.name() {
            // They are told apart by their numbers.
            "" => (String::new(), thread.number()),
            name => (name.to_owned(), thread.namesake()),
        };
        // Those that text counts before this one.
        if !name.is_empty() {
            for before in 1..which {
                self.introduce(&name, before, None)?;
            }
        }
        let place = self.introduce(&name, which, Some(thread))?;
        put(&mut self.thread_places, file, thread.index(), place);
        Ok(place)
    }

    /// Writes the name of a thread, if that is not known, and its id in the operating system.
    fn introduce(&mut self, name: &str, which: u64, thread: Option<&Thread>) -> io::Result<usize> {
        let next = self.threads.len();
        let place = *self.named.entry((name.to_owned(), which)).or_insert(next);
        if place == next {
            let number = if name.is_empty() { which } else { NAMED_NUMBERS + next as u64 };
            let name = name.to_owned();
            self.threads.push(PartThread { number, name, os_id: None, written: 0, dropped: 0 });
        }
        let os_id = thread.and_then(Thread::os_id).unwrap_or(0);
        let it = &mut self.threads[place];
        if it.os_id.is_none() || (thread.is_some() && it.os_id != Some(os_id)) {
            it.os_id = Some(os_id);
            let (number, name) = (it.number, it.name.clone());
            self.index.known(self.file.bytes());
            self.file.put(Kind::Thread, |out| payload::put_thread(out, number, os_id, &name))?;
        }
        Ok(place)
    }

    /// Closes it.
    pub fn finish(mut self) -> io::Result<Made> {
        self.finish_block()?;
        let mut dropped = 0_u64;
        for thread in &self.threads {
            dropped = dropped.saturating_add(thread.dropped);
            if thread.written > 0 || thread.dropped > 0 {
                let PartThread { number, written, dropped, .. } = *thread;
                self.file.put(Kind::ThreadEnd, |out| {
                    payload::put_thread_end(out, number, written, dropped);
                })?;
            }
        }
        if let Some(index) = self.index.payload(self.file.bytes()) {
            self.file.put(Kind::Index, |out| out.extend_from_slice(&index))?;
        }
        let (records, cut, newest) = (self.made.records, self.cut, self.newest);
        self.file.put(Kind::End, |out| payload::put_end(out, records, dropped, cut, newest))?;
        self.file.commit(0)?;
        Ok(self.made)
    }
}

impl PartThread {
    /// Whether the last frame that names it says what it has to of this thread.
    fn is(&self, thread: &Thread) -> bool {
        self.os_id == Some(thread.os_id().unwrap_or(0)) && self.name == thread.name()
    }
}

/// Remembers a value by file and index there.
fn put<T: Copy>(values: &mut Vec<Vec<Option<T>>>, file: usize, index: usize, value: T) {
    if values.len() <= file {
        values.resize_with(file + 1, Vec::new);
    }
    let values = &mut values[file];
    if values.len() <= index {
        values.resize(index + 1, None);
    }
    values[index] = Some(value);
}
