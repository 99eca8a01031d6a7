//! Converts ticks to time, by the last few clock frames.
//!
//! A record has the ticks of its call, and may follow a clock frame that was written after the call.
//! Each frame applies to ticks younger than itself. With earlier frames at hand, time is one function
//! of ticks for all records, so that the order of ticks is the order of time.

use kymo_format::frame::Clock;

/// How many clock frames count. As many as the specification says: two readers must not differ.
pub(super) const KEPT: usize = 4;

/// The last clock frames, the newest first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timeline {
    lines: [ClockLine; KEPT],
    len: usize,
}

/// The line from ticks to time of one clock frame.
#[derive(Clone, Copy, Debug, Default)]
struct ClockLine {
    ticks: u64,
    time_ns: i64,
    rate: u64,
}

impl Timeline {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn push(&mut self, clock: Clock) {
        let Clock { ticks, time_ns, rate, .. } = clock;
        self.lines.copy_within(..KEPT - 1, 1);
        self.lines[0] = ClockLine { ticks, time_ns, rate };
        self.len = KEPT.min(self.len + 1);
    }

    /// The time of `ticks` in nanoseconds since the epoch.
    #[inline]
    pub(super) fn time_of(&self, ticks: u64) -> i64 {
        let ClockLine { ticks: begin, time_ns, rate } = *self.line_for(ticks);
        Clock { ticks: begin, time_ns, rate, ..Clock::default() }.time_of(ticks)
    }

    /// The newest line that is not younger than `ticks`, or the oldest that is kept.
    #[inline]
    fn line_for(&self, ticks: u64) -> &ClockLine {
        let holds = |line: &&ClockLine| ticks.wrapping_sub(line.ticks) as i64 >= 0;
        let oldest = &self.lines[self.len.saturating_sub(1)];
        self.lines[..self.len].iter().find(holds).unwrap_or(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_holds_from_its_own_ticks_on() {
        let mut timeline = Timeline::default();
        for ticks in [100, 200, 300, 400, 500, 600] {
            timeline.push(Clock {
                ticks,
                time_ns: 10 * ticks as i64,
                rate: 1 << 32,
                ..Clock::default()
            });
        }
        assert_eq!(timeline.time_of(650), 6_050);
        assert_eq!(timeline.time_of(600), 6_000);
        assert_eq!(timeline.time_of(599), 5_099);
        assert_eq!(timeline.time_of(310), 3_010);
        // Older than all that are kept: 300 to 600.
        assert_eq!(timeline.time_of(100), 2_800);
    }
}
