//! Turns the frames of a segment into blocks and marks, and keeps account.
//!
//! INV-1: every frame is either understood, of an unknown kind (counted), or reported as damage.

use std::collections::VecDeque;

use super::block::{Block, BlockHead};
use super::dictionary::{CallSite, Dictionary, drop_counts};
use super::error::Error;
use super::event::{Continued, Damage, DamageKind, Deleted, Totals};
use super::fields::Fields;
use super::frames::{Frames, Scanned};
use super::mark::Mark;
use super::report::{Ending, Report};
use super::seek::{Skip, Window};
use super::timeline::Timeline;
use kymo_format::dump::Dump;
use kymo_format::frame::{Clock, ClockSet, Kind};
use kymo_format::header::{ClockSource, Header};
use kymo_format::{ALIGNMENT, FRAME_HEADER_BYTES, rotated};

/// Decides which call sites' records are read.
pub(super) type Filter<'a> = Box<dyn FnMut(&CallSite) -> bool + Send + 'a>;

/// A segment, read up to some frame.
pub(super) struct Segment<'a> {
    pub(super) frames: Frames<'a>,
    pub(super) header: Header,
    pub(super) dictionary: Dictionary,
    pub(super) report: Report,
    /// All older records precede this point, except for late records.
    pub(super) watermark: u64,
    /// What happened at other times is not handed out.
    pub(super) window: Window,
    /// What need not be read because of that.
    pub(super) skip: Option<Skip>,
    /// Candidates for the offset of the last dump mark, by the header; zeros if it is not looked for.
    pub(super) last_dumps: [u64; 2],
    /// Where the last part of an index begins, by the header; 0 if there is none.
    pub(super) last_index: u64,
    /// The part of a dump that is being read.
    dump: Option<Dumping>,
    pub(super) filter: Filter<'a>,
    pub(super) timeline: Timeline,
    /// Which segment of the log it is, counted from 0.
    pub(super) number: u32,
    /// Another segment of its process follows: what is held back waits for that.
    pub(super) goes_on: bool,
    /// Steps that wait, because another had to be handed out first.
    queue: VecDeque<Step>,
    /// The closing frame was met.
    closed: bool,
    /// The end of the bytes was met, for good.
    ended: bool,
}

/// A part of a dump that is being read.
#[derive(Clone, Copy, Debug)]
struct Dumping {
    thread: u64,
    /// The offset of its mark.
    offset: u64,
}

/// The next step through a segment.
#[derive(Debug)]
pub(super) enum Step {
    /// Records. Their payload is at hand until the next step.
    Block(Block),
    /// Something that is no record.
    Mark(Mark),
    /// The watermark has moved.
    Watermark,
    /// The committed bytes end here, for now.
    Pending,
    /// Nothing follows.
    End,
}

impl<'a> Segment<'a> {
    pub(super) fn new(
        frames: Frames<'a>,
        header: Header,
        report: Report,
        filter: Filter<'a>,
        window: Window,
    ) -> Self {
        Self {
            frames,
            header,
            dictionary: Dictionary::default(),
            report,
            watermark: 0,
            window,
            skip: None,
            last_dumps: [0; 2],
            last_index: 0,
            dump: None,
            filter,
            timeline: Timeline::default(),
            number: 0,
            goes_on: false,
            queue: VecDeque::new(),
            closed: false,
            ended: false,
        }
    }

    /// Goes on to the next step.
    pub(super) fn next(&mut self) -> Result<Step, Error> {
        loop {
            if let Some(step) = self.queue.pop_front() {
                return Ok(step);
            }
            if self.ended {
                return Ok(Step::End);
            }
            self.skip_rest()?;
            let found = if self.closed { self.frames.past_end()? } else { self.frames.next()? };
            self.report.committed_bytes = self.frames.committed();
            match found {
                Scanned::Frame { kind, offset } => {
                    if let Some(step) = self.frame(kind, offset) {
                        return Ok(step);
                    }
                }
                Scanned::Skipped { offset, bytes, cut } => {
                    self.dump = None;
                    let kind = if cut { DamageKind::Incomplete } else { DamageKind::Corrupt };
                    return Ok(self.damage(offset, bytes, kind));
                }
                Scanned::Pending => return Ok(Step::Pending),
                Scanned::End { length, rest_bytes, torn } => {
                    self.end(length, rest_bytes, torn);
                }
            }
        }
    }

    /// Accounts for a block that was read to its end, or to where it is damaged.
    pub(super) fn finish(&mut self, block: &Block) {
        let thread = self.dictionary.thread_mut(block.thread);
        thread.written = thread.written.max(block.first.saturating_add(block.read.into()));
    }

    /// Reports that the rest of a block is lost.
    pub(super) fn lose_rest(&mut self, block: &Block, kind: DamageKind) -> Mark {
        if matches!(kind, DamageKind::UnknownCallSite(_)) {
            self.report.unknown_call_sites += 1;
        }
        let offset = block.offset + (FRAME_HEADER_BYTES + block.at) as u64;
        let bytes = (block.end - block.at) as u64;
        let damage = Damage { offset, bytes, kind, segment: self.sequence() };
        self.report.add_damage(&damage);
        Mark::Damage(damage)
    }

    fn damage(&mut self, offset: u64, bytes: u64, kind: DamageKind) -> Step {
        let damage = Damage { offset, bytes, kind, segment: self.sequence() };
        self.report.add_damage(&damage);
        Step::Mark(Mark::Damage(damage))
    }

    /// Looks into a frame; `None` if there is nothing to hand out.
    fn frame(&mut self, code: u8, offset: u64) -> Option<Step> {
        self.report.frames += 1;
        let end = self.frames.offset();
        if offset >= self.report.committed_bytes {
            self.report.uncommitted_bytes += end - offset;
        }
        let dump = self.dump.take();
        let Some(kind) = Kind::from_code(code) else {
            self.dump = dump;
            self.report.unknown_frames += 1;
            return None;
        };
        if matches!(kind, Kind::CallSite | Kind::Thread | Kind::Clock | Kind::Records | Kind::Drops)
        {
            // What a part of a dump is made of; and where records of it are missing, a mark.
            self.dump = dump;
        }
        let understood = match kind {
            Kind::CallSite => self.dictionary.add_site(self.frames.payload(), &mut *self.filter),
            Kind::Thread => self.dictionary.add_thread(self.frames.payload()),
            Kind::Records | Kind::LastRecords => self.block(kind, offset),
            Kind::Clock => self.clock(),
            Kind::Drops => self.drops(offset),
            Kind::Watermark => self.watermark(),
            Kind::ThreadEnd => self.thread_end(offset),
            // A reader that comes here without it does not need it.
            Kind::Index | Kind::IndexPart => Some(()),
            Kind::Signal => self.signal(offset),
            Kind::ClockSet => self.clock_set(offset),
            Kind::Continued => self.continued(offset),
            Kind::Deleted => self.deleted(offset),
            Kind::Dump => self.dump(offset),
            Kind::DumpEnd => self.dump_end(dump, offset),
            Kind::End => self.totals(offset),
        };
        match understood {
            Some(()) => self.queue.pop_front(),
            None => Some(self.damage(offset, end - offset, DamageKind::Malformed(code))),
        }
    }

    /// Takes a frame that was skipped and that what follows needs.
    pub(super) fn remember(&mut self, code: u8, offset: u64, payload: &[u8]) {
        let understood = match Kind::from_code(code) {
            Some(Kind::CallSite) => self.dictionary.add_site(payload, &mut *self.filter),
            Some(Kind::Thread) => self.dictionary.add_thread(payload),
            Some(Kind::Clock) => {
                Clock::from_payload(payload).map(|clock| self.timeline.push(clock))
            }
            _ => Some(()),
        };
        if understood.is_none() {
            let bytes = (FRAME_HEADER_BYTES + payload.len()).next_multiple_of(ALIGNMENT) as u64;
            let step = self.damage(offset, bytes, DamageKind::Malformed(code));
            self.queue.push_back(step);
        }
    }

    fn clock(&mut self) -> Option<()> {
        self.timeline.push(Clock::from_payload(self.frames.payload())?);
        Some(())
    }

    /// The clock frames in force; where none was read, one that is made up, and `true`.
    pub(super) fn timeline_at(&self, ticks: u64) -> (Timeline, bool) {
        const NANOSECONDS: u64 = 1 << 32;
        if !self.timeline.is_empty() {
            return (self.timeline, false);
        }
        let custom = self.header.clock == ClockSource::Custom;
        let (ticks, time_ns) = if custom { (0, 0) } else { (ticks, self.header.opened_ns) };
        let mut made_up = Timeline::default();
        made_up.push(Clock { ticks, time_ns, rate: NANOSECONDS, ..Clock::default() });
        (made_up, !custom)
    }

    fn block(&mut self, kind: Kind, offset: u64) -> Option<()> {
        let head = BlockHead::parse(self.frames.payload(), kind)?;
        let (index, missing) = self.dictionary.count_to(head.thread, head.sequence);
        self.add_gap(Some(index), missing, offset);
        let mut block = Block::new(&head, index, offset);
        block.segment = self.number;
        (block.timeline, block.untimed) = self.timeline_at(head.base);
        if self.dump.is_some_and(|dump| dump.thread != head.thread) {
            self.dump = None;
        }
        block.part = self.dump.map(|dump| dump.offset);
        // Those of a dump are all older than the watermark, and are not late.
        block.late_before = if block.part.is_some() { 0 } else { self.watermark };
        block.window = (!self.window.is_all()).then_some(self.window);
        self.queue.push_back(Step::Block(block));
        if let Some(watermark) = head.watermark {
            self.watermark = self.watermark.max(watermark);
            self.queue.push_back(Step::Watermark);
        }
        Some(())
    }

    fn add_gap(&mut self, thread: Option<u32>, records: u64, offset: u64) {
        if records > 0 {
            self.report.missing = self.report.missing.saturating_add(records);
            let segment = self.sequence();
            self.queue.push_back(Step::Mark(Mark::Gap { thread, records, offset, segment }));
        }
    }

    fn drops(&mut self, offset: u64) -> Option<()> {
        let mut fields = Fields(self.frames.payload());
        let number = fields.varint()?;
        let (first, last) = (fields.u64()?, fields.u64()?);
        let counts = drop_counts(&mut fields)?;
        let dropped = counts.iter().fold(0, |sum: u64, entry| sum.saturating_add(entry.count));
        self.report.dropped = self.report.dropped.saturating_add(dropped);
        let (timeline, _) = self.timeline_at(first);
        let (first_ns, last_ns) = (timeline.time_of(first), timeline.time_of(last));
        if !self.window.overlaps(first_ns, last_ns) {
            return Some(());
        }
        let thread = self.dictionary.thread_numbered(number).index;
        self.queue.push_back(Step::Mark(Mark::Drops {
            thread,
            ticks: first,
            last_ticks: last,
            first_ns,
            last_ns,
            counts,
            offset,
        }));
        Some(())
    }

    fn watermark(&mut self) -> Option<()> {
        let watermark = Fields(self.frames.payload()).u64()?;
        self.watermark = self.watermark.max(watermark);
        self.queue.push_back(Step::Watermark);
        Some(())
    }

    fn thread_end(&mut self, offset: u64) -> Option<()> {
        let mut fields = Fields(self.frames.payload());
        let (number, written, dropped) = (fields.varint()?, fields.varint()?, fields.varint()?);
        let (index, missing) = self.dictionary.count_to(number, written);
        self.add_gap(Some(index), missing, offset);
        let mark = Mark::ThreadEnd { thread: index, written, dropped, offset };
        self.queue.push_back(Step::Mark(mark));
        Some(())
    }

    fn signal(&mut self, offset: u64) -> Option<()> {
        let mut fields = Fields(self.frames.payload());
        let (os_thread, signal, ticks) = (fields.varint()?, fields.u8()?, fields.u64()?);
        let time_ns = self.timeline_at(ticks).0.time_of(ticks);
        if !self.window.contains(time_ns) {
            return Some(());
        }
        let thread = self.dictionary.thread_of_os(os_thread);
        let mark = Mark::Signal { os_thread, thread, signal, ticks, time_ns, offset };
        self.queue.push_back(Step::Mark(mark));
        Some(())
    }

    fn clock_set(&mut self, offset: u64) -> Option<()> {
        let set = ClockSet::from_payload(self.frames.payload())?;
        if self.window.contains(set.time_ns) {
            self.queue.push_back(Step::Mark(Mark::ClockSet { set, offset }));
        }
        Some(())
    }

    fn continued(&mut self, offset: u64) -> Option<()> {
        let it = rotated::Continued::from_payload(self.frames.payload())?;
        let rotated::Continued { segments, written, dropped, cut, own } = it;
        let continued = Continued { segments, written, dropped, cut, own, offset };
        self.queue.push_back(Step::Mark(Mark::Continued(continued)));
        Some(())
    }

    fn deleted(&mut self, offset: u64) -> Option<()> {
        let it = rotated::Deleted::from_payload(self.frames.payload())?;
        let rotated::Deleted { ticks, first, last, files, bytes } = it;
        let time_ns = self.timeline_at(ticks).0.time_of(ticks);
        if self.window.contains(time_ns) {
            let deleted = Deleted { time_ns, first, last, files, bytes, offset };
            self.queue.push_back(Step::Mark(Mark::Deleted { ticks, deleted }));
        }
        Some(())
    }

    /// Of a rotated log that is read as one: the number of the segment in it.
    fn sequence(&self) -> Option<u64> {
        self.dictionary.is_of_log().then_some(self.header.sequence)
    }

    /// Whether nothing more is to come of this file.
    pub(super) fn has_ended(&self) -> bool {
        self.ended && self.queue.is_empty()
    }

    /// Whether nothing that was found is waiting.
    pub(super) fn is_between(&self) -> bool {
        self.queue.is_empty()
    }

    fn dump(&mut self, offset: u64) -> Option<()> {
        let mark = self.dump_mark(offset)?;
        let thread = Dump::from_payload(self.frames.payload())?.thread;
        self.dump = Some(Dumping { thread, offset });
        self.queue.extend(mark.map(Step::Mark));
        Some(())
    }

    /// The mark whose payload is at hand; `Some(None)` where it is not wanted.
    pub(super) fn dump_mark(&mut self, offset: u64) -> Option<Option<Mark>> {
        let dump = Dump::from_payload(self.frames.payload())?;
        if !self.window.overlaps(dump.oldest_ns, dump.newest_ns) {
            return Some(None);
        }
        let thread = self.dictionary.thread_numbered(dump.thread).index;
        Some(Some(Mark::Dump { thread, dump, offset }))
    }

    fn dump_end(&mut self, dump: Option<Dumping>, offset: u64) -> Option<()> {
        // One that ends nothing: its beginning was damaged, or not wanted.
        let part = dump.map(|dump| dump.offset);
        if let Some(Mark::DumpEnd { thread, records, offset, .. }) = self.dump_end_mark(offset) {
            self.queue.push_back(Step::Mark(Mark::DumpEnd { thread, records, offset, part }));
            return Some(());
        }
        None
    }

    /// The mark whose payload is at hand.
    pub(super) fn dump_end_mark(&mut self, offset: u64) -> Option<Mark> {
        let mut fields = Fields(self.frames.payload());
        let (number, records) = (fields.varint()?, fields.varint()?);
        let thread = self.dictionary.thread_numbered(number).index;
        Some(Mark::DumpEnd { thread, records, offset, part: None })
    }

    fn totals(&mut self, offset: u64) -> Option<()> {
        let mut fields = Fields(self.frames.payload());
        let (written, dropped, cut) = (fields.varint()?, fields.varint()?, fields.varint()?);
        let ticks = fields.u64()?;
        let time_ns = self.timeline_at(ticks).0.time_of(ticks);
        let totals = Totals { written, dropped, cut, time_ns };
        if self.report.skipped_bytes == 0 {
            let accounted = self.report.records.saturating_add(self.report.missing);
            self.add_gap(None, written.saturating_sub(accounted), offset);
        }
        self.report.totals = Some(totals);
        self.queue.push_back(Step::Mark(Mark::End(totals)));
        self.closed = true;
        Some(())
    }

    fn end(&mut self, length: u64, rest_bytes: u64, torn: bool) {
        self.ended = true;
        self.report.length_bytes = length;
        self.report.ending = if self.closed {
            Ending::Closed
        } else if self.frames.committed() > length {
            Ending::Truncated
        } else if torn {
            Ending::Torn
        } else {
            Ending::Open
        };
        if self.closed && torn {
            let step = self.damage(length - rest_bytes, rest_bytes, DamageKind::PastEnd);
            self.queue.push_back(step);
        }
    }
}
