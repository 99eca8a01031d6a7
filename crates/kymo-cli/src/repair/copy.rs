//! Writes a whole segment from the readable part of one that may be damaged.
//!
//! Frames are copied as they are, but for their checksums: the copy has a salt of its own, and a
//! checksum is the CRC exclusive-or'ed with it. Made anew are
//! - the head of a block before which records of its thread are missing: the numbering in the copy
//!   has no holes;
//! - a block whose last records cannot be read;
//! - drop marks for missing records, at the place of the gap;
//! - the marks of dumps, which have the offset of the previous one;
//! - the ends of the threads, and the closing frame.
//!
//! Left out are watermarks that go back, indexes (the offsets in them would be wrong) and frames of
//! unknown kinds.
//!
//! This is not the logger's writer of segments. That one makes frames of records as they are in rings, of call sites
//! that are constants of its program, and of counts that it keeps itself. Here, frames of another program come in, and
//! whole frames go out; what both share (frames and their payloads) is in `kymo-format`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, Write};

use kymo_format::dump::Dump;
use kymo_format::frame::{Clock, Kind};
use kymo_format::header::{ClockSource, Header};
use kymo_format::{payload, varint};
use kymo_reader::DropReason;
use kymo_reader::{Gap, ThreadEnd, Totals};

use crate::input::Input;
use crate::progress::Progress;
use crate::segment::SegmentFile;
use crate::walk::{self, BlockHead, Frame, Readable, Visit, walk};

/// Nanoseconds in a tick, times 2^32, of a clock that nobody knows.
const NANOSECONDS: u64 = 1 << 32;

/// A segment that is being written.
pub struct Copy<W> {
    file: SegmentFile<W>,
    header: Header,
    /// The clock frame to write before the first record if none was met by then.
    clock: Option<Clock>,
    clocked: bool,
    threads: BTreeMap<u64, Thread>,
    /// The number of a thread that the file does not have. Missing records of unknown threads are counted
    /// as its own.
    unknown: Option<u64>,
    watermark: u64,
    /// The offset of the last dump mark.
    last_dump: u64,
    /// The youngest ticks that were met.
    latest: u64,
    /// When the file was closed, if it was.
    closed: Option<u64>,
    cut: u64,
    made: Made,
}

/// The result of a copy.
#[derive(Debug, Default)]
pub struct Made {
    pub records: u64,
    /// Records that the copy has no more than a mark of.
    pub damaged: u64,
    /// Frames of kinds that this version does not know.
    pub left_out: u64,
}

#[derive(Default)]
struct Thread {
    named: bool,
    written: u64,
    dropped: u64,
    /// Of these, those that the file says were dropped.
    marked: u64,
    /// Records known to be missing for which there is no mark yet.
    missing: u64,
    /// The ticks of its last record.
    last: Option<u64>,
}

impl<W: Write + Seek> Copy<W> {
    /// Begins a copy of the segment with this header.
    pub fn begin(out: W, of: &Header, clock: Option<Clock>) -> io::Result<Self> {
        Ok(Self {
            file: SegmentFile::begin(out, of)?,
            header: of.clone(),
            clock,
            clocked: false,
            threads: BTreeMap::new(),
            unknown: None,
            watermark: 0,
            last_dump: 0,
            latest: 0,
            closed: None,
            cut: 0,
            made: Made::default(),
        })
    }

    /// Closes it.
    pub fn finish(mut self) -> io::Result<Made> {
        let mut dropped = 0_u64;
        for number in self.threads.keys().copied().collect::<Vec<_>>() {
            self.mark_missing(number, self.latest)?;
            let (written, dropped_here) =
                (self.threads[&number].written, self.threads[&number].dropped);
            dropped = dropped.saturating_add(dropped_here);
            if written > 0 || dropped_here > 0 {
                self.put(Kind::ThreadEnd as u8, |out| {
                    payload::put_thread_end(out, number, written, dropped_here);
                })?;
            }
        }
        let (records, cut, ticks) =
            (self.made.records, self.cut, self.closed.unwrap_or(self.latest));
        self.put(Kind::End as u8, |out| payload::put_end(out, records, dropped, cut, ticks))?;
        self.file.commit(self.last_dump)?;
        Ok(self.made)
    }

    fn put(&mut self, kind: u8, payload: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let kind = Kind::from_code(kind).ok_or(io::ErrorKind::InvalidInput)?;
        self.file.put(kind, payload)
    }

    fn put_as_it_is(&mut self, frame: Frame<'_>) -> io::Result<()> {
        self.put(frame.kind, |payload| payload.extend_from_slice(frame.payload))
    }

    fn put_watermark(&mut self, ticks: u64) -> io::Result<()> {
        if ticks < self.watermark {
            return Ok(());
        }
        self.watermark = ticks;
        self.latest = self.latest.max(ticks);
        self.put(Kind::Watermark as u8, |out| payload::put_watermark(out, ticks))
    }

    /// Writes a clock frame and the thread's name, if missing, before a frame of about these ticks.
    fn prepare(&mut self, number: u64, ticks: u64) -> io::Result<()> {
        self.latest = self.latest.max(ticks);
        if !std::mem::replace(&mut self.clocked, true) {
            let made_up = match self.header.clock {
                ClockSource::Custom => Clock { rate: NANOSECONDS, ..Clock::default() },
                _ => {
                    let time_ns = self.header.opened_ns;
                    Clock { ticks, time_ns, rate: NANOSECONDS, ..Clock::default() }
                }
            };
            let clock = self.clock.unwrap_or(made_up);
            self.put(Kind::Clock as u8, |payload| clock.put(payload))?;
        }
        let thread = self.threads.entry(number).or_default();
        if !std::mem::replace(&mut thread.named, true) {
            let name = if self.unknown == Some(number) { "(unknown)" } else { "" };
            self.put(Kind::Thread as u8, |out| payload::put_thread(out, number, 0, name))?;
        }
        Ok(())
    }

    /// Writes a mark of the thread's missing records, the last of which was logged by `until`.
    fn mark_missing(&mut self, number: u64, until: u64) -> io::Result<()> {
        let thread = self.threads.entry(number).or_default();
        let count = std::mem::take(&mut thread.missing);
        if count == 0 {
            return Ok(());
        }
        thread.dropped = thread.dropped.saturating_add(count);
        let first = thread.last.unwrap_or(until);
        self.made.damaged = self.made.damaged.saturating_add(count);
        self.prepare(number, first)?;
        let counts = std::iter::once((DropReason::Damaged, None, count));
        self.put(Kind::Drops as u8, |out| payload::put_drops(out, number, (first, until), counts))
    }

    /// Notes that records are missing that only the totals of the file know of.
    fn miss_unknown(&mut self, count: u64) {
        if count == 0 {
            return;
        }
        let free = || (0..).find(|number| !self.threads.contains_key(number)).unwrap_or(u64::MAX);
        let number = self.unknown.unwrap_or_else(free);
        self.unknown = Some(number);
        let thread = self.threads.entry(number).or_default();
        thread.missing = thread.missing.saturating_add(count);
    }
}

impl<W: Write + Seek> Visit for Copy<W> {
    fn frame(&mut self, frame: Frame<'_>) -> io::Result<()> {
        match Kind::from_code(frame.kind) {
            Some(
                Kind::CallSite
                | Kind::Signal
                | Kind::DumpEnd
                | Kind::ClockSet
                | Kind::Continued
                | Kind::Deleted,
            ) => {}
            Some(Kind::Dump) => {
                let Some(dump) = Dump::from_payload(frame.payload) else { return Ok(()) };
                self.prepare(dump.thread, dump.oldest)?;
                let dump = Dump { previous: self.last_dump, ..dump };
                self.last_dump = self.file.bytes();
                return self.put(frame.kind, |payload| dump.put(payload));
            }
            Some(Kind::Clock) => self.clocked = true,
            Some(Kind::Thread) => {
                if let Some((number, _)) = varint::get(frame.payload) {
                    self.threads.entry(number).or_default().named = true;
                }
            }
            Some(Kind::Watermark) => {
                let Some(ticks) = frame.payload.first_chunk() else { return Ok(()) };
                return self.put_watermark(u64::from_le_bytes(*ticks));
            }
            Some(Kind::Index | Kind::IndexPart) => return Ok(()),
            _ => {
                self.made.left_out += 1;
                return Ok(());
            }
        }
        self.put_as_it_is(frame)
    }

    fn block(&mut self, frame: Frame<'_>, readable: &Readable) -> io::Result<()> {
        let Some(head) = BlockHead::parse(frame.kind, frame.payload) else { return Ok(()) };
        if readable.records == 0 {
            return head.watermark.map_or(Ok(()), |ticks| self.put_watermark(ticks));
        }
        self.prepare(head.thread, head.base)?;
        self.mark_missing(head.thread, head.base)?;
        let thread = self.threads.entry(head.thread).or_default();
        let first = thread.written;
        thread.written += readable.records;
        thread.last = Some(readable.last_ticks);
        self.latest = self.latest.max(readable.last_ticks);
        self.made.records += readable.records;
        self.cut += readable.cut;

        let watermark = head.watermark.filter(|&ticks| ticks >= self.watermark);
        self.watermark = watermark.unwrap_or(self.watermark);
        self.latest = self.latest.max(self.watermark);
        let kind = match watermark {
            Some(_) => Kind::LastRecords,
            None => Kind::Records,
        };
        let (body, tail) = frame.payload.split_at(frame.payload.len() - head.tail_bytes);
        let end = readable.until.map_or(body.len(), |until| {
            usize::try_from(until - frame.payload_offset()).unwrap_or(body.len()).min(body.len())
        });
        self.put(kind as u8, |out| {
            payload::put_block_head(out, head.thread, first, head.base);
            out.extend_from_slice(&body[head.bytes.min(end)..end]);
            if watermark.is_some() {
                out.extend_from_slice(tail);
            }
        })
    }

    fn drops(&mut self, frame: Frame<'_>, number: u64, count: u64) -> io::Result<()> {
        let ticks = varint::get(frame.payload).and_then(|(_, at)| {
            let (first, rest) = frame.payload[at..].split_first_chunk()?;
            Some((u64::from_le_bytes(*first), u64::from_le_bytes(*rest.first_chunk()?)))
        });
        let Some((first, last)) = ticks else { return Ok(()) };
        self.prepare(number, first)?;
        let thread = self.threads.entry(number).or_default();
        thread.dropped = thread.dropped.saturating_add(count);
        thread.marked = thread.marked.saturating_add(count);
        thread.last = Some(last);
        self.latest = self.latest.max(last);
        self.put_as_it_is(frame)
    }

    fn thread_end(&mut self, _frame: Frame<'_>, end: &ThreadEnd<'_>) -> io::Result<()> {
        let number = end.thread.number();
        let thread = self.threads.entry(number).or_default();
        let unmarked = end.dropped.saturating_sub(thread.marked);
        thread.missing = thread.missing.saturating_add(unmarked);
        thread.marked = thread.marked.saturating_add(unmarked);
        self.mark_missing(number, self.latest)
    }

    fn end(&mut self, frame: Frame<'_>, totals: &Totals) -> io::Result<()> {
        let mut payload = frame.payload;
        for _ in 0..3 {
            let bytes = varint::get(payload).map_or(0, |(_, bytes)| bytes);
            payload = &payload[bytes..];
        }
        self.closed = payload.first_chunk().map(|ticks| u64::from_le_bytes(*ticks));
        let marked = self.threads.values().fold(0, |sum: u64, it| sum.saturating_add(it.marked));
        self.miss_unknown(totals.dropped.saturating_sub(marked));
        Ok(())
    }

    fn gap(&mut self, gap: &Gap<'_>) -> io::Result<()> {
        match gap.thread {
            Some(thread) => {
                let thread = self.threads.entry(thread.number()).or_default();
                thread.missing = thread.missing.saturating_add(gap.records);
            }
            None => self.miss_unknown(gap.records),
        }
        Ok(())
    }
}

/// The first clock frame of `file`, which was opened a second time as `input`.
pub fn first_clock(file: File, input: &mut Input) -> Result<Option<Clock>, walk::WalkError> {
    let mut first = FirstClock(None);
    // In a whole file it is the first frame; no bar is worth it.
    match walk(file, input, &Progress::new("look for a clock", u64::MAX), &mut first) {
        Ok(_) | Err(walk::WalkError::Visit(_)) => Ok(first.0),
        Err(error) => Err(error),
    }
}

/// Ends the walk when it has met a clock frame.
struct FirstClock(Option<Clock>);

impl Visit for FirstClock {
    fn frame(&mut self, frame: Frame<'_>) -> io::Result<()> {
        if frame.kind == Kind::Clock as u8 {
            self.0 = Clock::from_payload(frame.payload);
        }
        self.0.map_or(Ok(()), |_| Err(io::ErrorKind::Other.into()))
    }
}
