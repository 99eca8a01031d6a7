//! Walks through a file frame by frame, together with the events that the reader finds in each frame.
//!
//! The reader decides which records can be read, which bytes are damaged, where reading continues, and
//! which records are missing. It does not hand out frames. They are read here from a second handle, in
//! step: all frames before the reader's next event are visited before that event. So the reader alone
//! decides what is readable.
//!
//! Memory: one frame, and what the reader takes.

mod block;
mod frames;

use std::fs::File;
use std::{fmt, io};

use kymo_format::frame::Kind;
use kymo_reader::{Bytes, Damage, Event, Gap, Record, Report, ThreadEnd, Totals};

use crate::input::Input;
use crate::interrupt;
use crate::progress::Progress;

pub use block::BlockHead;
pub use frames::Frame;
use frames::Frames;

/// Callbacks for the parts of a file, in the order of the file.
///
/// A gap is visited before the frame at which it showed, damage inside a block with the block.
pub trait Visit {
    /// A frame that is neither of the following: of the dictionary, a clock, a watermark, a signal,
    /// or of a kind that this version does not know.
    fn frame(&mut self, frame: Frame<'_>) -> io::Result<()>;

    /// A block, and its readable part.
    fn block(&mut self, _frame: Frame<'_>, _readable: &Readable) -> io::Result<()> {
        Ok(())
    }

    /// A mark of so many records of the thread with this number that were dropped.
    fn drops(&mut self, _frame: Frame<'_>, _thread: u64, _count: u64) -> io::Result<()> {
        Ok(())
    }

    fn thread_end(&mut self, _frame: Frame<'_>, _end: &ThreadEnd<'_>) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self, _frame: Frame<'_>, _totals: &Totals) -> io::Result<()> {
        Ok(())
    }

    fn gap(&mut self, _gap: &Gap<'_>) -> io::Result<()> {
        Ok(())
    }

    fn damage(&mut self, _damage: &Damage) -> io::Result<()> {
        Ok(())
    }
}

/// The readable part of a block.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readable {
    /// So many records, from the first on.
    pub records: u64,
    /// How many of them had something cut to fit.
    pub cut: u64,
    /// The ticks of the last of them.
    pub last_ticks: u64,
    /// Where in the file they end, if they do before the block does.
    pub until: Option<u64>,
}

/// Why a file could not be gone through.
#[derive(Debug)]
pub enum WalkError {
    /// It cannot be read.
    Read(kymo_reader::Error),
    /// Its frames cannot be read, from this offset on.
    Frames(u64, io::Error),
    /// Its content has changed at this offset while it was read.
    Changed(u64),
    /// A callback failed.
    Visit(io::Error),
    /// The user has had enough.
    Interrupted,
}

/// Goes through `file`, which was opened a second time as `input`, in the order of the file.
pub fn walk(
    file: File,
    input: &mut Input,
    progress: &Progress,
    visit: &mut impl Visit,
) -> Result<Report, WalkError> {
    let salt = input.reader.header().salt;
    let file = Bytes::of(file).map_err(WalkError::Read)?;
    let frames = Frames::new(file, salt).map_err(|error| WalkError::Frames(0, error))?;
    let mut walk = Walk { frames, visit, block: None };
    let mut events = 0_u64;
    loop {
        events += 1;
        if events.is_multiple_of(4096) {
            progress.at(input.reader.offset());
            if interrupt::requested() {
                return Err(WalkError::Interrupted);
            }
        }
        match input.reader.next_event().map_err(WalkError::Read)? {
            Some(event) => walk.event(event)?,
            None => break,
        }
    }
    let report = input.reader.report().clone();
    walk.rest(&report)?;
    Ok(report)
}

struct Walk<'v, V> {
    frames: Frames,
    visit: &'v mut V,
    /// If the current frame is a block: how much of it was read so far.
    block: Option<Readable>,
}

impl<V: Visit> Walk<'_, V> {
    fn event(&mut self, event: Event<'_>) -> Result<(), WalkError> {
        if let Event::Record(record) = &event {
            return self.record(record);
        }
        if let Event::Damage(damage) = &event
            && damage.offset < self.frames.offset()
        {
            return self.damage_inside(damage);
        }
        self.finish_block()?;
        match &event {
            Event::Drops(drops) => {
                self.go_to(drops.offset)?;
                let frame = self.frames.current();
                self.visit.drops(frame, drops.thread.number(), drops.total())
            }
            Event::ThreadEnd(end) => {
                self.go_to(end.offset)?;
                self.visit.thread_end(self.frames.current(), end)
            }
            Event::End(totals) => {
                while self.step()?.kind != Kind::End as u8 {
                    self.visit_current()?;
                }
                self.visit.end(self.frames.current(), totals)
            }
            Event::Gap(gap) => {
                self.visit_before(gap.offset)?;
                self.visit.gap(gap)
            }
            Event::Damage(damage) => {
                self.visit_before(damage.offset)?;
                if damage.offset < self.frames.offset() {
                    // Nothing of this block was readable.
                    self.block = Some(Readable::default());
                    return self.damage_inside(damage);
                }
                let end = damage.offset.saturating_add(damage.bytes);
                let skipped = self.frames.skip_to(end);
                skipped.map_err(|error| WalkError::Frames(end, error))?;
                self.visit.damage(damage)
            }
            // Its frame is visited as it is.
            _ => return Ok(()),
        }
        .map_err(WalkError::Visit)
    }

    fn record(&mut self, record: &Record<'_>) -> Result<(), WalkError> {
        if self.block.is_none() || record.block_offset() >= self.frames.offset() {
            self.finish_block()?;
            self.go_to(record.block_offset())?;
        }
        let readable = self.block.get_or_insert_default();
        readable.records += 1;
        readable.cut += u64::from(record.is_cut());
        readable.last_ticks = record.ticks();
        Ok(())
    }

    /// The rest of the current block is damaged.
    fn damage_inside(&mut self, damage: &Damage) -> Result<(), WalkError> {
        self.block.get_or_insert_default().until = Some(damage.offset);
        self.finish_block()?;
        self.visit.damage(damage).map_err(WalkError::Visit)
    }

    fn finish_block(&mut self) -> Result<(), WalkError> {
        match self.block.take() {
            Some(readable) => {
                self.visit.block(self.frames.current(), &readable).map_err(WalkError::Visit)
            }
            None => Ok(()),
        }
    }

    /// Makes the frame at `offset` the current one, visiting those before it.
    fn go_to(&mut self, offset: u64) -> Result<(), WalkError> {
        self.visit_before(offset)?;
        match self.frames.offset() == offset {
            true => self.step().map(drop),
            false => Err(WalkError::Changed(offset)),
        }
    }

    /// Visits the frames that begin before `offset`. One that reaches beyond it becomes the current
    /// one, and is not visited.
    fn visit_before(&mut self, offset: u64) -> Result<(), WalkError> {
        while self.frames.offset() < offset {
            self.step()?;
            if self.frames.offset() > offset {
                return Ok(());
            }
            self.visit_current()?;
        }
        Ok(())
    }

    /// Visits the frames after the last event.
    fn rest(&mut self, report: &Report) -> Result<(), WalkError> {
        self.finish_block()?;
        if report.totals.is_some() {
            return Ok(());
        }
        while self.frames.offset() < report.length_bytes {
            let offset = self.frames.offset();
            if !self.frames.advance().map_err(|error| WalkError::Frames(offset, error))? {
                break;
            }
            self.visit_current()?;
        }
        Ok(())
    }

    fn visit_current(&mut self) -> Result<(), WalkError> {
        let frame = self.frames.current();
        match Kind::from_code(frame.kind) {
            Some(Kind::Records | Kind::LastRecords) => {
                self.visit.block(frame, &Readable::default())
            }
            _ => self.visit.frame(frame),
        }
        .map_err(WalkError::Visit)
    }

    /// Makes the next frame the current one.
    fn step(&mut self) -> Result<Frame<'_>, WalkError> {
        let offset = self.frames.offset();
        match self.frames.advance() {
            Ok(true) => Ok(self.frames.current()),
            Ok(false) => Err(WalkError::Changed(offset)),
            Err(error) => Err(WalkError::Frames(offset, error)),
        }
    }
}

impl fmt::Display for WalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Frames(offset, error) => write!(f, "cannot read at byte {offset}: {error}"),
            Self::Changed(offset) => {
                write!(f, "changed while it was read, at byte {offset}: try again")
            }
            Self::Visit(error) => error.fmt(f),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for WalkError {}
