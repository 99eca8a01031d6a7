//! The index of a segment, made while the segment is written.
//!
//! In: frames, as they go to the output. Out: one frame that says where a reader can begin, by
//! time. Frames are looked through one by one, which costs some nanoseconds a frame and nothing a
//! record. If a clock was set, the bounds on the times of a step are wider than need be: each of
//! the last four clock frames is taken to hold for all of its ticks.
//!
//! INV-1: The index grows with the call sites and threads of a segment, not with its length. If
//! there are too many steps, every other one is left out.

use crate::format::dump::Dump;
use crate::format::frame::{Clock, FrameHeader, Kind};
use crate::format::index::{self, Step};
use crate::format::{FRAME_HEADER_BYTES, MAX_PAYLOAD_BYTES, varint};
use crate::segment::writer::staging::Staging;

/// The distance of steps in bytes.
const STEP_BYTES: u64 = 256 << 10;

/// The most steps.
const MAX_STEPS: usize = 8 << 10;

/// The most frames of the dictionary. A segment with more has no index.
const MAX_FRAMES: usize = 64 << 10;

/// The number of clock frames that are in force for a record.
const LINES: usize = 4;

/// The least and the greatest ticks of some records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TickRange {
    oldest: u64,
    newest: u64,
}

/// The index so far.
#[derive(Debug)]
pub(crate) struct Index {
    steps: Vec<Step>,
    step_bytes: u64,
    /// The offsets of call sites and threads.
    frames: Vec<u64>,
    clocks: Vec<u64>,
    /// The clock frames in force, and those among the frames that are being looked through.
    lines: Vec<Clock>,
    watermark: u64,
    /// Whether something with a time follows the last step.
    timed: bool,
    /// Whether the next frame belongs to a dump. There is no step within one.
    within_dump: bool,
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
            steps: Vec::new(),
            step_bytes: STEP_BYTES,
            frames: Vec::new(),
            clocks: Vec::new(),
            lines: Vec::new(),
            watermark: 0,
            timed: false,
            within_dump: false,
        }
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
        self.widen(ticks);
    }

    /// Takes note of one frame at `offset`. `ticks` are those of the records in it.
    pub(crate) fn note_one(&mut self, kind: u8, payload: &[u8], offset: u64, mut ticks: TickRange) {
        self.begin_note(offset);
        self.note_frame(kind, payload, offset, &mut ticks);
        self.widen(ticks);
    }

    fn begin_note(&mut self, offset: u64) {
        let behind = self.steps.last().map_or(u64::MAX, |last| offset - last.offset);
        if behind >= self.step_bytes && !self.within_dump {
            self.add_step(offset);
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
            Some(Kind::CallSite | Kind::Thread) if self.frames.len() <= MAX_FRAMES => {
                self.frames.push(offset);
            }
            Some(Kind::Clock) => {
                self.clocks.push(offset);
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
                self.note_mark(offset);
                ticks.add(word(behind_first() + 1));
            }
            Some(Kind::ClockSet | Kind::Deleted) => {
                self.note_mark(offset);
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

    /// Lists a mark, so that a reader who skips all records knows of it.
    fn note_mark(&mut self, offset: u64) {
        if self.frames.len() <= MAX_FRAMES {
            self.frames.push(offset);
        }
    }

    fn add_step(&mut self, offset: u64) {
        if self.steps.len() == MAX_STEPS {
            self.thin_out();
        }
        let last_ns = self.steps.last().map_or(0, |last| last.newest_ns);
        let (oldest_ns, newest_ns) = (last_ns, last_ns);
        self.steps.push(Step { offset, oldest_ns, newest_ns, watermark: self.watermark });
        self.timed = false;
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

    /// Widens the bounds of the last step to these ticks.
    fn widen(&mut self, ticks: TickRange) {
        let Some(step) = self.steps.last_mut().filter(|_| !ticks.is_empty()) else { return };
        if !std::mem::replace(&mut self.timed, true) {
            (step.oldest_ns, step.newest_ns) = (i64::MAX, i64::MIN);
        }
        // Further from a clock frame than this, the sign of a difference of ticks says nothing.
        const NEAR: i64 = 1 << 61;
        for line in &self.lines {
            let near = [ticks.oldest, ticks.newest]
                .map(|ticks| (-NEAR..NEAR).contains(&(ticks.wrapping_sub(line.ticks) as i64)));
            if near != [true; 2] || ticks.newest - ticks.oldest >= NEAR as u64 {
                (step.oldest_ns, step.newest_ns) = (i64::MIN, i64::MAX);
                return;
            }
            step.oldest_ns = step.oldest_ns.min(line.time_of(ticks.oldest));
            step.newest_ns = step.newest_ns.max(line.time_of(ticks.newest));
        }
    }

    /// Writes the index as a frame at `offset`, if there is anything to index, and if not everything is
    /// dictionary.
    pub(crate) fn put(&mut self, staging: &mut Staging, offset: u64) {
        if self.steps.is_empty() || self.frames.len() > MAX_FRAMES {
            return;
        }
        let mut frames = std::mem::take(&mut self.frames);
        frames.append(&mut self.needed_clocks());
        frames.sort_unstable();
        let index = index::Index { steps: std::mem::take(&mut self.steps), frames };
        let mut payload = Vec::new();
        index.put(offset, &mut payload);
        // The limits above ensure this, unless the file has terabytes.
        if payload.len() <= MAX_PAYLOAD_BYTES {
            staging.frame(Kind::Index, |out| out.append(&mut payload));
        }
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
        assert!((MAX_STEPS / 2..=MAX_STEPS).contains(&made.steps.len()));
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
        assert_eq!((made.steps[0].oldest_ns, made.steps[0].newest_ns), (494, 1020));
        made.note(&[], 1 << 20, range(0, u64::MAX));
        assert_eq!((made.steps[1].oldest_ns, made.steps[1].newest_ns), (i64::MIN, i64::MAX));
    }

    #[test]
    fn an_empty_segment_has_no_index_nor_one_that_is_all_dictionary() {
        let mut made = Index::new();
        let mut staging = Staging::new(0);
        made.put(&mut staging, 5000);
        assert_eq!(staging.len(), 0);
        made.note(&clock(0, 0), 4096, range(1, 10));
        made.frames = (0..=MAX_FRAMES as u64).map(|n| 4096 + 8 * n).collect();
        made.put(&mut staging, 2 << 20);
        assert_eq!(staging.len(), 0);
    }
}
