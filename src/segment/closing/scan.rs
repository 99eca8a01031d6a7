//! Reads the frames of a segment whose writer died, from the first to the last valid one: what its end has to say.
//!
//! In: bytes that anybody may have written. Out: counts and an index, or the reason why there are none. Memory grows
//! with the call sites and threads of the segment, not with its length.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::format::dump::Dump;
use crate::format::frame::{self, Clock, ClockSet, FrameHeader, Kind};
use crate::format::rotated::{Continued, Deleted};
use crate::format::{FRAME_HEADER_BYTES, HEADER_BYTES, MAX_ARGUMENTS, MAX_PAYLOAD_BYTES};
use crate::segment::closing::NotClosed;
use crate::segment::closing::value::{Shape, Values};
use crate::segment::writer::Totals;
use crate::segment::writer::index::{Index, TickRange};

/// How much is read at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// The most threads and call sites that are kept in mind.
const MAX_ENTRIES: usize = 1 << 22;

/// What is known of a segment, up to some frame.
pub(super) struct Scan {
    salt: u32,
    /// Where the next frame begins.
    pub(super) end: u64,
    /// The offset of the last frame, and its kind.
    last: Option<(u64, u8)>,
    sites: HashMap<u64, Box<[Shape]>>,
    pub(super) threads: HashMap<u64, Thread>,
    /// The records that were cut.
    cut: u64,
    pub(super) index: Index,
    /// The greatest ticks of anything.
    pub(super) newest: u64,
    /// A frame says that the process received a signal that ended it.
    pub(super) has_signal: bool,
}

/// What is known of a thread.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Thread {
    pub(super) written: u64,
    pub(super) dropped: u64,
    pub(super) is_ended: bool,
}

/// The frames of a file, one after the other.
struct Frames<'a> {
    file: &'a File,
    bytes: Vec<u8>,
    /// The offset of the first of these bytes.
    from: u64,
}

impl Frames<'_> {
    /// Returns the header and the payload of the frame at `offset`. `None` if none begins there that is valid.
    fn at(&mut self, offset: u64, salt: u32) -> io::Result<Option<(u8, &[u8])>> {
        let here = |this: &Self| (offset - this.from) as usize;
        let mut wanted = FRAME_HEADER_BYTES;
        for _ in 0..2 {
            if self.bytes.len() < here(self) + wanted {
                self.read(offset, wanted)?;
            }
            let Some(header) = self.bytes.get(here(self)..).and_then(<[u8]>::first_chunk) else {
                return Ok(None);
            };
            let header = FrameHeader::from_bytes(header);
            if header.kind == 0 || header.payload_bytes > MAX_PAYLOAD_BYTES {
                return Ok(None);
            }
            wanted = FRAME_HEADER_BYTES + header.payload_bytes;
        }
        Ok(frame::valid_at_start(&self.bytes[here(self)..], salt))
    }

    /// Reads the bytes from `offset` on: so many, if the file has them.
    fn read(&mut self, offset: u64, wanted: usize) -> io::Result<()> {
        self.bytes.resize(wanted.max(CHUNK_BYTES), 0);
        self.from = offset;
        let mut read = 0;
        while read < wanted {
            match self.file.read_at(&mut self.bytes[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes.truncate(read);
        Ok(())
    }
}

impl Scan {
    /// Reads all valid frames from the first on. `go_on` is asked now and then.
    pub(super) fn read(
        file: &File,
        salt: u32,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Self, NotClosed> {
        let mut this = Self {
            salt,
            end: HEADER_BYTES as u64,
            last: None,
            sites: HashMap::new(),
            threads: HashMap::new(),
            cut: 0,
            index: Index::new(),
            newest: 0,
            has_signal: false,
        };
        let mut frames = Frames { file, bytes: Vec::new(), from: this.end };
        let mut asked_at = this.end;
        while let Some((kind, payload)) = frames.at(this.end, salt)? {
            this.take(kind, payload)?;
            if this.last_kind() == Some(Kind::End) {
                break;
            }
            if this.end - asked_at > CHUNK_BYTES as u64 {
                asked_at = this.end;
                if !go_on() {
                    return Err(NotClosed::Stopped);
                }
            }
        }
        // A closing that was cut short has written it. It is made anew.
        if let Some((offset, kind)) = this.last
            && kind == Kind::Index as u8
        {
            this.end = offset;
        }
        Ok(this)
    }

    /// The kind of the last frame, if it is known.
    pub(super) fn last_kind(&self) -> Option<Kind> {
        self.last.and_then(|(_, kind)| Kind::from_code(kind))
    }

    /// What all threads have in the segment.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals { cut: self.cut, ..Totals::default() };
        for thread in self.threads.values() {
            let Thread { written, dropped, .. } = *thread;
            totals.add(Totals { written, dropped, cut: 0 });
        }
        totals
    }

    /// Takes the frame that begins at the end.
    fn take(&mut self, kind: u8, payload: &[u8]) -> Result<(), NotClosed> {
        let offset = self.end;
        let mut ticks = TickRange::default();
        let understood = match Kind::from_code(kind) {
            Some(Kind::CallSite) => self.take_site(payload),
            Some(Kind::Thread) => {
                let mut fields = Values::new(payload);
                fields.varint().and(fields.varint()).and(fields.string()).map(drop)
            }
            Some(kind @ (Kind::Records | Kind::LastRecords)) => {
                self.take_block(payload, kind == Kind::LastRecords, &mut ticks)
            }
            Some(Kind::Drops) => self.take_drops(payload),
            Some(Kind::ThreadEnd) => self.take_thread_end(payload),
            Some(Kind::Clock) => Clock::from_payload(payload).map(|it| self.see(it.ticks)),
            Some(Kind::ClockSet) => ClockSet::from_payload(payload).map(|it| self.see(it.ticks)),
            Some(Kind::Deleted) => Deleted::from_payload(payload).map(|it| self.see(it.ticks)),
            Some(Kind::Continued) => Continued::from_payload(payload).map(drop),
            Some(Kind::Watermark) => {
                payload.first_chunk().map(|ticks| self.see(u64::from_le_bytes(*ticks)))
            }
            Some(Kind::Signal) => {
                self.has_signal = true;
                let ticks = first(payload).and_then(|(_, rest)| rest.get(1..)?.first_chunk());
                ticks.map(|ticks| self.see(u64::from_le_bytes(*ticks)))
            }
            Some(Kind::Dump) => Dump::from_payload(payload).map(|it| self.see(it.newest)),
            Some(Kind::DumpEnd) => first(payload).and_then(|(_, rest)| first(rest)).map(drop),
            // These say nothing that is needed.
            Some(Kind::End | Kind::Index | Kind::IndexPart) | None => Some(()),
        };
        if understood.is_none() {
            return Err(NotClosed::Damaged(offset));
        }
        if Kind::from_code(kind) != Some(Kind::End) && Kind::from_code(kind) != Some(Kind::Index) {
            self.index.note_one(kind, payload, offset, ticks);
        }
        self.last = Some((offset, kind));
        self.end += frame::bytes_of(payload.len()) as u64;
        Ok(())
    }

    fn see(&mut self, ticks: u64) {
        self.newest = self.newest.max(ticks);
    }

    fn thread(&mut self, number: u64) -> Option<&mut Thread> {
        if self.threads.len() >= MAX_ENTRIES && !self.threads.contains_key(&number) {
            return None;
        }
        Some(self.threads.entry(number).or_default())
    }

    fn take_site(&mut self, payload: &[u8]) -> Option<()> {
        let mut fields = Values::new(payload);
        let number = fields.varint()?;
        // The level.
        (1..=5).contains(&fields.byte()?).then_some(())?;
        // Its line and column.
        (0..2).try_for_each(|_| fields.varint().map(drop))?;
        // Target, module, file, format string.
        (0..4).try_for_each(|_| fields.string().map(drop))?;
        let arguments = fields.varint()?;
        (arguments <= MAX_ARGUMENTS as u64).then_some(())?;
        let argument = |_| {
            fields.string()?;
            Shape::parse(fields.string()?)
        };
        let shapes: Box<[Shape]> = (0..arguments).map(argument).collect::<Option<_>>()?;
        // Nothing follows the ids of spans.
        shapes.is_sorted_by_key(|shape| *shape == Shape::Span).then_some(())?;
        (self.sites.len() < MAX_ENTRIES).then_some(())?;
        self.sites.insert(number, shapes);
        Some(())
    }

    fn take_block(&mut self, payload: &[u8], is_last: bool, range: &mut TickRange) -> Option<()> {
        let (mut payload, watermark) = match is_last {
            true => payload.split_last_chunk().map(|(rest, last)| (rest, Some(*last)))?,
            false => (payload, None),
        };
        let (number, rest) = first(payload)?;
        let (before, rest) = first(rest)?;
        let (base, rest) = rest.split_first_chunk()?;
        payload = rest;
        let base = u64::from_le_bytes(*base);
        let thread = *self.thread(number)?;
        // Otherwise records are missing, or are there twice.
        (thread.written == before && !thread.is_ended).then_some(())?;
        let (mut ticks, mut records) = (base, 0);
        let mut values = Values::new(payload);
        while !values.bytes.is_empty() {
            let site = self.sites.get(&values.varint()?)?;
            ticks = ticks.wrapping_add(values.varint()?);
            values.is_cut = false;
            site.iter().try_for_each(|shape| shape.skip(&mut values))?;
            self.cut += u64::from(values.is_cut);
            records += 1;
            range.add(ticks);
            self.newest = self.newest.max(ticks);
        }
        if let Some(watermark) = watermark {
            self.see(base.wrapping_add_signed(i32::from_le_bytes(watermark).into()));
        }
        self.thread(number)?.written += records;
        Some(())
    }

    fn take_thread_end(&mut self, payload: &[u8]) -> Option<()> {
        let mut fields = Values::new(payload);
        let (number, written) = (fields.varint()?, fields.varint()?);
        fields.varint()?;
        let thread = self.thread(number)?;
        thread.is_ended = true;
        // Otherwise records are missing.
        (written == thread.written).then_some(())
    }

    fn take_drops(&mut self, payload: &[u8]) -> Option<()> {
        let (number, rest) = first(payload)?;
        let (range, rest) = rest.split_first_chunk::<16>()?;
        let mut fields = Values::new(rest);
        let mut dropped = 0_u64;
        for _ in 0..fields.varint()? {
            // Reason and level.
            (0..2).try_for_each(|_| fields.byte().map(drop))?;
            dropped = dropped.saturating_add(fields.varint()?);
        }
        self.see(u64::from_le_bytes(*range.last_chunk()?));
        let thread = self.thread(number)?;
        thread.dropped = thread.dropped.saturating_add(dropped);
        Some(())
    }

    /// The salt of the segment.
    pub(super) fn salt(&self) -> u32 {
        self.salt
    }
}

/// The varint at the beginning of some bytes, and the rest.
fn first(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut fields = Values::new(bytes);
    let value = fields.varint()?;
    Some((value, fields.bytes))
}
