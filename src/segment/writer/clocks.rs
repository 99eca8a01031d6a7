//! The clock frames that were written, and which of them are in force for the next block.
//!
//! For a record, the last four in the file before it are in force ([the
//! format](../../../docs/format.md)). A record may be older than all of them: it waited in a ring
//! while the output failed, or its thread waited for room. Before such a record, the frames that
//! were in force when it was logged are written once more. The last ones follow before the next
//! record. So time is one function of ticks in all of the file, and does not run back.

use std::collections::VecDeque;
use std::ops::Range;

use crate::format::frame::Clock;

/// How many clock frames count for a record.
pub(super) const IN_FORCE: usize = 4;

/// How many are remembered: an hour's. Older records get the time that the oldest of them gives.
const MAX_LINES: usize = 3_600;

/// The clock frames of a segment.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    lines: VecDeque<Clock>,
    /// Those in force are the four before this one, or fewer.
    end: usize,
}

/// The ticks for which the frames in force are the right ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validity {
    from: u64,
    span: u64,
}

impl Validity {
    #[inline]
    pub(crate) fn includes(self, ticks: u64) -> bool {
        ticks.wrapping_sub(self.from) < self.span
    }
}

impl Clocks {
    /// Which frame this is, if it was written before.
    fn find(&self, line: &Clock) -> Option<usize> {
        let is_new = |last: &Clock| line.ticks.wrapping_sub(last.ticks) as i64 > 0;
        match self.lines.back() {
            Some(last) if !is_new(last) => self.lines.iter().rposition(|it| it.ticks == line.ticks),
            _ => None,
        }
    }

    /// The ones to be written before a new frame, so that the last four are in force after it.
    pub(crate) fn needed_before(&self, line: &Clock) -> Range<usize> {
        let is_shifted = self.end < self.lines.len();
        if is_shifted && self.find(line).is_none() { self.last() } else { 0..0 }
    }

    /// A frame is written: a new one, or one that was written before.
    pub(crate) fn note(&mut self, line: Clock) {
        match self.find(&line) {
            Some(index) => {
                self.lines[index] = line;
                self.end = index + 1;
            }
            None => {
                if self.lines.len() == MAX_LINES {
                    self.lines.pop_front();
                }
                self.lines.push_back(line);
                self.end = self.lines.len();
            }
        }
    }

    /// A frame that was written before is written again. By its place: ticks of hostile rings, which
    /// may be any, do not find it.
    pub(crate) fn repeat(&mut self, index: usize) -> Option<Clock> {
        let line = *self.lines.get(index)?;
        self.end = index + 1;
        Some(line)
    }

    pub(crate) fn line(&self, index: usize) -> Option<&Clock> {
        self.lines.get(index)
    }

    /// How many frames are remembered.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The index past the frame that holds for what was logged at `ticks`: of the next one to come into force.
    pub(crate) fn next_line(&self, ticks: u64) -> usize {
        self.lines.iter().rposition(|line| line.holds_at(ticks)).map_or(1, |last| last + 1)
    }

    /// The time of `ticks`.
    pub(crate) fn time_of(&self, ticks: u64) -> i64 {
        self.line(self.next_line(ticks) - 1).map_or(0, |line| line.time_of(ticks))
    }

    /// The ones that are in force after all of them.
    pub(crate) fn last(&self) -> Range<usize> {
        self.lines.len().saturating_sub(IN_FORCE)..self.lines.len()
    }

    /// Those that have to be written before a record that was logged at `ticks`.
    pub(crate) fn needed_at(&self, ticks: u64) -> Range<usize> {
        let holds = self.lines.iter().rposition(|line| line.holds_at(ticks)).unwrap_or(0);
        if self.lines.is_empty() || (self.first()..self.end).contains(&holds) {
            return 0..0;
        }
        // What comes after the record will most likely be a little younger.
        if self.last().contains(&holds) { self.last() } else { holds..holds + IN_FORCE }
    }

    pub(crate) fn validity(&self) -> Validity {
        let from = match self.first() {
            0 => 0,
            first => self.lines[first].ticks,
        };
        let until = self.lines.get(self.end).map_or(u64::MAX, |line| line.ticks);
        Validity { from, span: until.wrapping_sub(from) }
    }

    fn first(&self) -> usize {
        self.end.saturating_sub(IN_FORCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::writer::frames;
    use crate::segment::writer::staging::Staging;

    fn clocks() -> Clocks {
        let mut clocks = Clocks::default();
        (1..=10).for_each(|n| clocks.note(Clock { ticks: 100 * n, ..Clock::default() }));
        clocks
    }

    #[test]
    fn young_records_need_nothing() {
        let clocks = clocks();
        for ticks in [700, 850, 1_000, 5_000] {
            assert!(clocks.needed_at(ticks).is_empty(), "{ticks}");
            assert!(clocks.validity().includes(ticks), "{ticks}");
        }
        assert!(Clocks::default().needed_at(7).is_empty());
        assert!(Clocks::default().validity().includes(7));
    }

    #[test]
    fn old_records_need_their_own_and_what_follows_the_last() {
        let mut clocks = clocks();
        assert!(!clocks.validity().includes(250));
        assert_eq!(clocks.needed_at(250), 1..5);
        for index in clocks.needed_at(250) {
            clocks.repeat(index);
        }
        for (ticks, included) in [(250, true), (599, true), (600, false), (199, false)] {
            assert_eq!(clocks.validity().includes(ticks), included, "{ticks}");
        }
        assert_eq!(clocks.needed_at(7), 0..4);
        assert_eq!(clocks.needed_at(5_000), 6..10);
    }

    /// Recovery of a hostile ring, whose clock frames had ticks with no order, wrote frames to be
    /// written before others until the stack was gone.
    #[test]
    fn ticks_without_an_order_end() {
        for seed in 0..50 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut staging = Staging::new(0);
            for n in 1..200 {
                let needed = staging.clocks.needed_at(random.u64(..));
                frames::put_clocks(&mut staging, needed);
                frames::put_clock(
                    &mut staging,
                    &Clock { ticks: random.u64(..), ..Clock::default() },
                );
                assert!(staging.len() <= n * (4 + 4 + 1) * 56, "seed {seed}");
            }
        }
    }

    #[test]
    fn a_clock_of_the_programs_own_has_one() {
        let mut clocks = Clocks::default();
        (1..=10).for_each(|wall_ns| clocks.note(Clock { wall_ns, ..Clock::default() }));
        assert_eq!(clocks.lines.len(), 1);
        assert!(clocks.validity().includes(1_700_000_000_000_000_000));
    }
}
