//! The index of a segment, made while the segment is written.
//!
//! In: frames, as they go to the output. Out: one frame that says where a reader can begin, by
//! time. Frames are looked through one by one, which costs some nanoseconds a frame and nothing a
//! record. If a clock was set, the bounds on the times of a step are wider than need be: each of
//! the last four clock frames is taken to hold for all of its ticks.
//!
//! While the segment grows, a part of the index is written each few MiB, about the stretch since the part before. So
//! a reader finds its way in a long segment that was not closed. Parts are apart from the index that closes a segment:
//! that one may have thinner steps.
//!
//! INV-1: The index grows with the call sites and threads of a segment, not with its length. If
//! there are too many steps, every other one is left out.
//!
//! INV-2: The stretches of the parts follow each other without a gap, from the first frame on.

use std::mem;

use crate::format::dump::Dump;
use crate::format::frame::{Clock, FrameHeader, Kind};
use crate::format::index::{self, IndexPart, Step};
use crate::format::{FRAME_HEADER_BYTES, HEADER_BYTES, MAX_PAYLOAD_BYTES, varint};
use crate::segment::writer::staging::Staging;

/// The distance of steps in bytes.
const STEP_BYTES: u64 = 256 << 10;

/// The most steps.
const MAX_STEPS: usize = 8 << 10;

/// The most frames of the dictionary. A segment with more has no index.
const MAX_FRAMES: usize = 64 << 10;

/// The number of clock frames that are in force for a record.
const LINES: usize = 4;

/// The length of the stretch that a part of the index is about, in bytes, and how many frames it lists; one of the two
/// suffices for the next part. What follows the last part is read by readers that want only the end.
const PART_BYTES: u64 = if cfg!(test) { 64 << 10 } else { 4 << 20 };
const PART_FRAMES: usize = 4 << 10;

/// The least and the greatest ticks of some records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TickRange {
    oldest: u64,
    newest: u64,
}

/// The index so far.
#[derive(Debug)]
pub(crate) struct Index {
    all: Stretch,
    /// What is in no part yet.
    recent: Stretch,
    /// The clock frames in force, and those among the frames that are being looked through.
    lines: Vec<Clock>,
    watermark: u64,
    /// Whether the next frame belongs to a dump. There is no step within one.
    within_dump: bool,
    /// Where the frames end that were looked through.
    end: u64,
    /// Where the last part begins; 0 if there is none.
    last_part: u64,
    /// Where the part begins that is staged.
    staged_part: Option<u64>,
    /// Frames were not looked through, or a stretch has too many: no further part is written.
    has_gap: bool,
    /// Nor is the index.
    is_lost: bool,
}

/// What is known of a stretch of the segment.
#[derive(Debug)]
struct Stretch {
    steps: Vec<Step>,
    step_bytes: u64,
    /// The offsets of call sites, threads and marks.
    frames: Vec<u64>,
    clocks: Vec<u64>,
    /// Whether something with a time follows the last step.
    timed: bool,
}

impl Default for TickRange {
    /// The range of no records.
    fn default() -> Self {
        Self { oldest: u64::MAX, newest: 0 }
    }
}

impl TickRange {
    /// Widens it to include `ticks`.
    #[inline]
    pub(crate) fn add(&mut self, ticks: u64) {
        self.oldest = self.oldest.min(ticks);
        self.newest = self.newest.max(ticks);
    }

    /// The oldest ticks, if there are any.
    pub(crate) fn oldest(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.oldest)
    }

    fn is_empty(&self) -> bool {
        self.oldest > self.newest
    }
}

impl Index {
    pub(crate) fn new() -> Self {
        Self {
            all: Stretch::new(),
            recent: Stretch::new(),
            lines: Vec::new(),
            watermark: 0,
            within_dump: false,
            end: HEADER_BYTES as u64,
            last_part: 0,
            staged_part: None,
            has_gap: false,
            is_lost: false,
        }
    }

    /// That of a segment of which not all frames were looked through: it is never written.
    pub(crate) fn lost() -> Self {
        Self { is_lost: true, has_gap: true, ..Self::new() }
    }

    /// Where the frames end that were looked through.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Takes note of frames at `offset`. `ticks` are those of the records in them.
    pub(crate) fn note(&mut self, frames: &[u8], offset: u64, mut ticks: TickRange) {
        self.begin_note(offset);
        let mut at = 0;
        while let Some(header) = frames.get(at..).and_then(|rest| rest.first_chunk()) {
            let header = FrameHeader::from_bytes(header);
            let payload = &frames[at + FRAME_HEADER_BYTES..][..header.payload_bytes];
            self.note_frame(header.kind, payload, offset + at as u64, &mut ticks);
            at += header.frame_bytes();
        }
        self.end = offset + at as u64;
        self.widen(ticks);
    }

    /// Takes note of one frame at `offset`. `ticks` are those of the records in it.
    pub(crate) fn note_one(&mut self, kind: u8, payload: &[u8], offset: u64, mut ticks: TickRange) {
        self.begin_note(offset);
        self.note_frame(kind, payload, offset, &mut ticks);
        self.widen(ticks);
    }

    fn begin_note(&mut self, offset: u64) {
        if let Some(part) = self.staged_part.take() {
            // It is among these frames, and is about all that precedes them.
            self.last_part = part;
            self.recent = Stretch::new();
        }
        if !self.within_dump {
            self.all.begin(offset, self.watermark);
            self.recent.begin(offset, self.watermark);
        }
        self.lines.drain(..self.lines.len().saturating_sub(LINES));
    }

    fn note_frame(&mut self, kind: u8, payload: &[u8], offset: u64, ticks: &mut TickRange) {
        let word = |at: usize| {
            let bytes = payload.get(at..).and_then(|bytes| bytes.first_chunk());
            bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        // The index past the number of a thread.
        let behind_first = || varint::get(payload).map_or(0, |(_, len)| len);
        // A dump that could not be written to its end is ended by the next sweep.
        match Kind::from_code(kind) {
            Some(Kind::Dump) => self.within_dump = true,
            Some(Kind::CallSite | Kind::Thread | Kind::Clock | Kind::Records) => {}
            _ => self.within_dump = false,
        }
        match Kind::from_code(kind) {
            Some(Kind::CallSite | Kind::Thread) => self.list(offset),
            Some(Kind::Clock) => {
                self.all.clocks.push(offset);
                self.recent.clocks.push(offset);
                self.lines.extend(Clock::from_payload(payload));
            }
            Some(Kind::Watermark) => self.watermark = self.watermark.max(word(0)),
            Some(Kind::LastRecords) => {
                let at = behind_first();
                let base = word(at + varint::get(&payload[at..]).map_or(0, |(_, len)| len));
                let behind = payload.last_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes));
                self.watermark = self.watermark.max(base.wrapping_add_signed(behind.into()));
            }
            Some(Kind::Drops) => {
                let at = behind_first();
                ticks.add(word(at));
                ticks.add(word(at + 8));
            }
            Some(Kind::Signal) => {
                self.list(offset);
                ticks.add(word(behind_first() + 1));
            }
            Some(Kind::ClockSet | Kind::Deleted) => {
                self.list(offset);
                ticks.add(word(0));
            }
            Some(Kind::Dump) => {
                if let Some(dump) = Dump::from_payload(payload) {
                    ticks.add(dump.oldest);
                    ticks.add(dump.newest);
                }
            }
            _ => {}
        }
    }

    /// Lists a frame of the dictionary; or a mark, so that a reader who skips all records knows of it.
    fn list(&mut self, offset: u64) {
        self.all.list(offset);
        self.recent.list(offset);
    }

    /// Widens the bounds of the last steps to these ticks.
    fn widen(&mut self, ticks: TickRange) {
        if !ticks.is_empty() {
            let (oldest_ns, newest_ns) = self.times_of(ticks);
            self.all.widen(oldest_ns, newest_ns);
            self.recent.widen(oldest_ns, newest_ns);
        }
    }

    /// Bounds on the times of these ticks.
    fn times_of(&self, ticks: TickRange) -> (i64, i64) {
        // Further from a clock frame than this, the sign of a difference of ticks says nothing.
        const NEAR: i64 = 1 << 61;
        let (mut oldest_ns, mut newest_ns) = (i64::MAX, i64::MIN);
        for line in &self.lines {
            let near = [ticks.oldest, ticks.newest]
                .map(|ticks| (-NEAR..NEAR).contains(&(ticks.wrapping_sub(line.ticks) as i64)));
            if near != [true; 2] || ticks.newest - ticks.oldest >= NEAR as u64 {
                return (i64::MIN, i64::MAX);
            }
            oldest_ns = oldest_ns.min(line.time_of(ticks.oldest));
            newest_ns = newest_ns.max(line.time_of(ticks.newest));
        }
        (oldest_ns, newest_ns)
    }

    /// Stages a part about all that is committed, if enough has come since the one before. `committed` is the length
    /// of the output. No dump may be open.
    pub(crate) fn put_part(&mut self, staging: &mut Staging, committed: u64) {
        let Some(first) = self.recent.steps.first() else { return };
        self.has_gap |= self.end != committed || self.recent.frames.len() > MAX_FRAMES;
        let is_due =
            committed - first.offset >= PART_BYTES || self.recent.frames.len() >= PART_FRAMES;
        if !is_due || self.has_gap || self.within_dump || self.staged_part.is_some() {
            return;
        }
        let offset = committed + staging.len() as u64;
        let Stretch { steps, frames, .. } = &self.recent;
        let part = IndexPart {
            index: index::Index { steps: steps.clone(), frames: frames.clone() },
            clocks: self.recent.needed_clocks(),
            previous: self.last_part,
            end: committed,
            watermark: self.watermark,
        };
        let mut payload = Vec::new();
        part.put(offset, &mut payload);
        // A part has few steps, and not many frames more than suffice for it.
        self.has_gap = payload.len() > MAX_PAYLOAD_BYTES;
        if !self.has_gap {
            staging.frame(Kind::IndexPart, |out| out.append(&mut payload));
            self.staged_part = Some(offset);
        }
    }

    /// What was staged is thrown away.
    pub(crate) fn forget_staged(&mut self) {
        self.staged_part = None;
    }

    /// Where the last part begins that is committed; 0 if there is none.
    pub(crate) fn last_part(&self) -> u64 {
        self.last_part
    }

    /// Writes the index as a frame at `offset`, if there is anything to index, and if not everything is
    /// dictionary.
    pub(crate) fn put(&mut self, staging: &mut Staging, offset: u64) {
        if self.is_lost || self.all.steps.is_empty() || self.all.frames.len() > MAX_FRAMES {
            return;
        }
        let mut frames = mem::take(&mut self.all.frames);
        frames.append(&mut self.all.needed_clocks());
        frames.sort_unstable();
        let index = index::Index { steps: mem::take(&mut self.all.steps), frames };
        let mut payload = Vec::new();
        index.put(offset, &mut payload);
        // The limits above ensure this, unless the file has terabytes.
        if payload.len() <= MAX_PAYLOAD_BYTES {
            staging.frame(Kind::Index, |out| out.append(&mut payload));
        }
    }
}

impl Stretch {
    fn new() -> Self {
        Self {
            steps: Vec::new(),
            step_bytes: STEP_BYTES,
            frames: Vec::new(),
            clocks: Vec::new(),
            timed: false,
        }
    }

    /// Frames follow at `offset`: there is a step, if the last one is far enough away.
    fn begin(&mut self, offset: u64, watermark: u64) {
        let since = self.steps.last().map_or(u64::MAX, |last| offset - last.offset);
        if since < self.step_bytes {
            return;
        }
        if self.steps.len() == MAX_STEPS {
            self.thin_out();
        }
        let last_ns = self.steps.last().map_or(0, |last| last.newest_ns);
        let (oldest_ns, newest_ns) = (last_ns, last_ns);
        self.steps.push(Step { offset, oldest_ns, newest_ns, watermark });
        self.timed = false;
    }

    fn list(&mut self, offset: u64) {
        if self.frames.len() <= MAX_FRAMES {
            self.frames.push(offset);
        }
    }

    /// Removes every other step, and the clock frames that no remaining step needs.
    fn thin_out(&mut self) {
        self.step_bytes *= 2;
        self.steps = Step::thinned(&self.steps);
        self.clocks = self.needed_clocks();
    }

    /// The clock frames that are in force at a step, or may be at a later one.
    fn needed_clocks(&self) -> Vec<u64> {
        let mut needed = Vec::new();
        let ends = self.steps.iter().map(|step| step.offset).chain([u64::MAX]);
        let mut begin = 0;
        for end in ends {
            let before = self.clocks.partition_point(|&clock| clock < end);
            needed.extend(&self.clocks[begin.max(before.saturating_sub(LINES))..before]);
            begin = before;
        }
        needed
    }

    /// Widens the bounds of the last step to these times.
    fn widen(&mut self, oldest_ns: i64, newest_ns: i64) {
        let Some(step) = self.steps.last_mut() else { return };
        if !mem::replace(&mut self.timed, true) {
            (step.oldest_ns, step.newest_ns) = (i64::MAX, i64::MIN);
        }
        step.oldest_ns = step.oldest_ns.min(oldest_ns);
        step.newest_ns = step.newest_ns.max(newest_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(ticks: u64, time_ns: i64) -> Vec<u8> {
        let mut staging = Staging::new(0);
        let clock = Clock { ticks, time_ns, rate: 1 << 32, ..Clock::default() };
        staging.frame(Kind::Clock, |payload| clock.put(payload));
        staging.as_slice().to_vec()
    }

    fn range(oldest: u64, newest: u64) -> TickRange {
        TickRange { oldest, newest }
    }

    #[test]
    fn however_long_the_segment_the_steps_cover_it_and_the_index_fits() {
        let mut made = Index::new();
        let piece = 100 << 10;
        for n in 0..60_000u64 {
            let frames = if n % 3 == 0 { clock(n * 10, n as i64 * 10) } else { Vec::new() };
            made.note(&frames, 4096 + n * piece, range(n * 10, n * 10 + 5));
        }
        assert!((MAX_STEPS / 2..=MAX_STEPS).contains(&made.all.steps.len()));
        let end = 4096 + 60_000 * piece;
        let mut staging = Staging::new(0);
        made.put(&mut staging, end);
        let frame = staging.as_slice();
        let index = index::Index::from_payload(&frame[8..], end).expect("an index");
        assert_eq!(index.steps[0].offset, 4096);
        for pair in index.steps.windows(2) {
            // Ticks that are noted after a step lie within its bounds.
            let first = (pair[0].offset - 4096) / piece;
            let last = (pair[1].offset - 4096) / piece - 1;
            assert!(pair[0].oldest_ns <= first as i64 * 10);
            assert!(pair[0].newest_ns >= last as i64 * 10 + 5);
            assert!(pair[0].newest_ns < last as i64 * 10 + 100);
            // The last four clock frames before it are there.
            let before = index.frames.iter().filter(|&&frame| frame < pair[1].offset);
            let last_clock = (last / 3) * 3;
            let expected = (0..4).map(|back| 4096 + (last_clock - 3 * back) * piece);
            assert!(before.rev().take(4).copied().eq(expected), "{pair:?}");
        }
    }

    #[test]
    fn a_clock_that_was_set_widens_the_bounds() {
        let mut made = Index::new();
        made.note(&clock(0, 1000), 4096, range(1, 10));
        made.note(&clock(11, 500), 4096 + 56, range(5, 20));
        assert_eq!((made.all.steps[0].oldest_ns, made.all.steps[0].newest_ns), (494, 1020));
        made.note(&[], 1 << 20, range(0, u64::MAX));
        assert_eq!(
            (made.all.steps[1].oldest_ns, made.all.steps[1].newest_ns),
            (i64::MIN, i64::MAX)
        );
    }

    #[test]
    fn an_empty_segment_has_no_index_nor_one_that_is_all_dictionary() {
        let mut made = Index::new();
        let mut staging = Staging::new(0);
        made.put(&mut staging, 5000);
        assert_eq!(staging.len(), 0);
        made.note(&clock(0, 0), 4096, range(1, 10));
        made.all.frames = (0..=MAX_FRAMES as u64).map(|n| 4096 + 8 * n).collect();
        made.put(&mut staging, 2 << 20);
        assert_eq!(staging.len(), 0);
    }

    /// INV-2, whatever is staged with a part; and what is thrown away leaves no trace.
    #[test]
    fn parts_follow_each_other_without_a_gap() {
        let (mut made, mut staging) = (Index::new(), Staging::new(0));
        let (mut end, mut parts) = (4096, Vec::new());
        let piece = 10_000;
        for n in 0..1_000u64 {
            let pad = |out: &mut Vec<u8>| out.resize(piece - FRAME_HEADER_BYTES, 0);
            let kind = if n % 7 == 0 { Kind::CallSite } else { Kind::Records };
            staging.frame(kind, pad);
            made.put_part(&mut staging, end);
            if n % 5 == 0 {
                staging.clear();
                made.forget_staged();
                continue;
            }
            let before = made.last_part();
            made.note(staging.as_slice(), end, range(n, n));
            if made.last_part() != before {
                let at = made.last_part();
                let payload = &staging.as_slice()[(at - end) as usize + FRAME_HEADER_BYTES..];
                parts.push((IndexPart::from_payload(payload, at).expect("a part"), at));
            }
            end += staging.len() as u64;
            staging.clear();
        }
        assert!(parts.len() > 50);
        let (mut begin, mut previous) = (4096, 0);
        for (part, at) in &parts {
            assert_eq!((part.index.steps[0].offset, part.previous), (begin, previous));
            assert!(part.end <= *at && part.end - begin >= PART_BYTES);
            assert!(part.index.frames.iter().all(|frame| (begin..part.end).contains(frame)));
            (begin, previous) = (part.end, *at);
        }
        // What was not looked through is in no part, and so nothing after it is.
        staging.frame(Kind::Records, |out| out.resize(1 << 20, 0));
        made.put_part(&mut staging, end + 8);
        made.note(staging.as_slice(), end + 8, range(1, 1));
        made.put_part(&mut staging, end + (2 << 20));
        assert_eq!(made.last_part(), previous);

        let (mut lost, mut staging) = (Index::lost(), Staging::new(0));
        lost.note(&clock(0, 0), 4096, range(1, 10));
        lost.put_part(&mut staging, lost.end() + (2 << 20));
        lost.put(&mut staging, 2 << 20);
        assert_eq!(staging.len(), 0);
    }
}
