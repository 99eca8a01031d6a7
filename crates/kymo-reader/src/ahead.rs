//! Reads parts of dumps ahead of the frames that precede them.
//!
//! A dump of a flight recorder writes records that are older than records long before it in the file.
//! To hand them out in the order of time, a reader that can jump in its file looks for the dumps
//! first. The header has the offset of the last dump mark, and each mark that of the previous one.
//!
//! When the merge comes to the oldest record of a part, the part's blocks are read, one at a time. A
//! part is complete: it names its thread, its call sites and its clock frames. When the main reading
//! comes to it, it is checked and counted like other frames, and not handed out again.
//!
//! This is a hint. A part that is not found this way is handed out when it is met: the file is a
//! stream, or is followed, or the chain of marks is broken.
//!
//! INV-1: the offsets of the chain's marks fall, and a part is read no further than to the next mark
//! of the chain. So this takes time linear in the length of the file.

use super::block::{Block, BlockHead, Raw};
use super::dictionary::Numbers;
use super::error::Error;
use super::fields::Fields;
use super::mark::Mark;
use super::report::Report;
use super::segment::Segment;
use super::source::Kept;
use super::timeline::Timeline;
use kymo_format::dump::Dump;
use kymo_format::frame::{Clock, FrameHeader, Kind};
use kymo_format::{ALIGNMENT, HEADER_BYTES};

/// A part that was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundPart {
    /// The least ticks of its records.
    pub(super) oldest: u64,
    /// The offset of its mark.
    pub(super) offset: u64,
    /// The offset of the next mark of the chain.
    limit: u64,
}

/// A part that is being read.
pub(super) struct Part {
    /// The offset of its mark.
    pub(super) offset: u64,
    /// The offset of its next frame.
    pub(super) next: u64,
    limit: u64,
    thread: u64,
    numbers: Numbers,
    timeline: Timeline,
    /// Nothing more is to come.
    pub(super) ended: bool,
}

/// The next step through a part.
pub(super) enum Next<'a> {
    Mark(Mark),
    Block(Block, Kept<'a>, Vec<Raw>),
    Nothing,
}

impl Part {
    pub(super) fn new(found: FoundPart) -> Self {
        Self {
            offset: found.offset,
            next: found.offset,
            limit: found.limit,
            thread: 0,
            numbers: Numbers::default(),
            timeline: Timeline::default(),
            ended: false,
        }
    }

    /// Whether the frame at `offset` was read ahead, or will be.
    pub(super) fn covers(&self, offset: u64) -> bool {
        offset >= self.offset && (!self.ended || offset < self.next)
    }
}

impl<'a> Segment<'a> {
    /// Finds the parts of dumps that are to be read, those with the oldest records last.
    pub(super) fn find_parts(&mut self) -> Result<Vec<FoundPart>, Error> {
        let mut parts = Vec::new();
        if self.last_dumps == [0; 2] || !self.frames.can_jump() {
            return Ok(parts);
        }
        let begin = self.frames.offset();
        let wanted = |offset: u64| {
            let skipped = self.skip.as_ref().is_some_and(|skip| skip.covers(offset));
            offset >= begin && !skipped
        };
        let end = self.frames.whole_end()?;
        let is_place =
            |offset: u64| offset >= HEADER_BYTES as u64 && offset.is_multiple_of(ALIGNMENT as u64);
        for last in self.last_dumps {
            let (mut offset, mut limit) = (last, end);
            while is_place(offset) && offset < limit {
                if self.frames.frame_at(offset, limit)? != Some(Kind::Dump as u8) {
                    break;
                }
                let Some(dump) = Dump::from_payload(self.frames.payload()) else { break };
                if wanted(offset) {
                    parts.push(FoundPart { oldest: dump.oldest, offset, limit });
                }
                (offset, limit) = (dump.previous, offset);
            }
            if limit < end {
                // There was a mark.
                break;
            }
        }
        self.frames.jump(begin);
        parts.sort_unstable_by_key(|part| std::cmp::Reverse(part.oldest));
        Ok(parts)
    }

    /// Reads on in a part. Call it only while no step is queued ([`Segment::is_between`]).
    pub(super) fn read_part(&mut self, part: &mut Part) -> Result<Next<'a>, Error> {
        let here = self.frames.offset();
        let next = self.next_of_part(part);
        self.frames.jump(here);
        next
    }

    fn next_of_part(&mut self, part: &mut Part) -> Result<Next<'a>, Error> {
        loop {
            let offset = part.next;
            let Some(code) = self.frames.frame_at(offset, part.limit)? else { break };
            let payload = self.frames.payload();
            let bytes = FrameHeader { checksum: 0, kind: code, payload_bytes: payload.len() };
            part.next += bytes.frame_bytes() as u64;
            let understood = match Kind::from_code(code) {
                Some(Kind::Dump) if offset == part.offset => {
                    let mark = self.dump_mark(offset);
                    part.thread =
                        Dump::from_payload(self.frames.payload()).map_or(0, |it| it.thread);
                    match mark {
                        Some(Some(mark)) => return Ok(Next::Mark(mark)),
                        Some(None) => Some(()),
                        None => None,
                    }
                }
                Some(Kind::Thread) if Fields(payload).varint() == Some(part.thread) => {
                    self.dictionary.add_thread(payload)
                }
                Some(Kind::CallSite) => {
                    let filter = &mut *self.filter;
                    self.dictionary.add_site_aside(payload, filter, &mut part.numbers)
                }
                Some(Kind::Clock) => {
                    Clock::from_payload(payload).map(|clock| part.timeline.push(clock))
                }
                Some(Kind::Records) => match BlockHead::parse(payload, Kind::Records) {
                    Some(head) if head.thread == part.thread => {
                        match self.block_of_part(&head, offset, part) {
                            Some(next) => return Ok(next),
                            None => Some(()),
                        }
                    }
                    _ => None,
                },
                Some(Kind::DumpEnd) => {
                    part.ended = true;
                    return Ok(self.dump_end_mark(offset).map_or(Next::Nothing, Next::Mark));
                }
                // As in the main reading: see `Segment::frame`.
                None | Some(Kind::Drops | Kind::Thread) => Some(()),
                Some(_) => None,
            };
            if understood.is_none() {
                part.next = offset;
                break;
            }
        }
        part.ended = true;
        Ok(Next::Nothing)
    }

    /// The records of a block; `None` if none of them is wanted. What is to be said of the block
    /// is said when the main reading comes to it.
    fn block_of_part(
        &mut self,
        head: &BlockHead,
        offset: u64,
        part: &mut Part,
    ) -> Option<Next<'a>> {
        let thread = self.dictionary.thread_numbered(head.thread).index;
        let mut block = Block::new(head, thread, offset);
        (block.segment, block.part) = (self.number, Some(part.offset));
        (block.timeline, block.untimed) = match part.timeline.is_empty() {
            true => self.timeline_at(head.base),
            false => (part.timeline, false),
        };
        block.window = (!self.window.is_all()).then_some(self.window);
        let mut records = Vec::new();
        self.dictionary.enter_part(&mut part.numbers);
        let payload = self.frames.payload();
        let mut unsaid = Report::default();
        let read = block.read(payload, &self.dictionary, &mut unsaid, &mut records, usize::MAX);
        self.dictionary.leave_part(&mut part.numbers);
        // The rest is lost, and the main reading will say so.
        let _ = read;
        let payload = self.frames.keep_payload(Vec::new());
        (!records.is_empty()).then_some(Next::Block(block, payload, records))
    }
}
