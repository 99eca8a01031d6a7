//! From ticks to time: follows the wall clock with a line that never jumps back.
//!
//! Each observation ends one straight piece and begins the next where that ended, with such a slope
//! that the error seen is gone one interval later (as `ntpd` and `chrony` slew a clock). The rate
//! itself is the mean over all that was observed against the monotonic clock, which nobody sets.
//! Only when the wall clock was set does time jump with it.
//!
//! The alternative, interpolating between observations when reading, needs the observation behind a
//! record to tell its time: a file could not be followed while it grows, and two readers could
//! disagree.

use super::{Observation, TickSource};
use crate::format::frame;
use crate::format::header::ClockSource;

/// An error of the time above this many nanoseconds is not drift: the wall clock was set.
const STEP_NS: i64 = 10_000_000;

/// The fraction of the rate by which an error is corrected, at the most: 1/2,000 = 500 ppm.
const MAX_SLEW: i128 = 2_000;

/// One nanosecond per tick.
const UNIT_RATE: u64 = 1 << 32;

/// Follows the wall clock.
#[derive(Debug)]
pub(crate) struct Discipline {
    first: Observation,
    line: frame::Clock,
    custom: bool,
}

impl Discipline {
    /// Begins with two observations some time apart.
    pub(crate) fn new(source: TickSource, first: Observation, second: Observation) -> Self {
        let custom = source.source() == ClockSource::Custom;
        let rate = if custom { UNIT_RATE } else { rate_between(&first, &second, UNIT_RATE) };
        let line = if custom {
            frame::Clock { rate, ..Default::default() }
        } else {
            at(&second, second.wall_ns, rate)
        };
        let line =
            frame::Clock { wall_ns: second.wall_ns, monotonic_ns: second.monotonic_ns, ..line };
        Self { first, line, custom }
    }

    /// The piece that is valid now.
    pub(crate) fn line(&self) -> frame::Clock {
        self.line
    }

    /// Takes an observation into account: the piece that is valid from now on. `interval_ns` is the
    /// time until the next.
    pub(crate) fn observe(&mut self, seen: Observation, interval_ns: u64) -> frame::Clock {
        if self.custom {
            // The program's clock is the time. Ticks and time begin at the epoch.
            self.line.wall_ns = seen.wall_ns;
            self.line.monotonic_ns = seen.monotonic_ns;
            return self.line;
        }
        let mut rate = rate_between(&self.first, &seen, self.line.rate);
        if rate.abs_diff(self.line.rate) > self.line.rate / 1_000 {
            // No counter drifts like that: the machine was suspended, in which the monotonic clock
            // stands still and the counter may not. What was seen before says nothing about the
            // rate any more.
            self.first = seen;
            rate = self.line.rate;
        }
        let reached = self.line.time_of(seen.ticks);
        let error = seen.wall_ns.saturating_sub(reached);
        self.line = if error.abs() > STEP_NS {
            at(&seen, seen.wall_ns, rate)
        } else {
            let wanted = i128::from(rate) * i128::from(error) / i128::from(interval_ns.max(1));
            let limit = i128::from(rate) / MAX_SLEW;
            let slewed = i128::from(rate) + wanted.clamp(-limit, limit);
            at(&seen, reached, slewed as u64)
        };
        self.line
    }
}

/// The piece that begins at `seen` with `time_ns`.
fn at(seen: &Observation, time_ns: i64, rate: u64) -> frame::Clock {
    let uncertainty_ns = (u128::from(seen.width / 2) * u128::from(rate)) >> 32;
    frame::Clock {
        ticks: seen.ticks,
        time_ns,
        rate,
        wall_ns: seen.wall_ns,
        monotonic_ns: seen.monotonic_ns,
        uncertainty_ns: uncertainty_ns as u64,
    }
}

/// Nanoseconds per tick between two observations, times 2^32; `otherwise` where they do not tell.
fn rate_between(first: &Observation, last: &Observation, otherwise: u64) -> u64 {
    let ticks = last.ticks.wrapping_sub(first.ticks);
    let elapsed = last.monotonic_ns.wrapping_sub(first.monotonic_ns);
    if ticks == 0 || ticks > i64::MAX as u64 {
        return otherwise;
    }
    u64::try_from((u128::from(elapsed) << 32) / u128::from(ticks)).unwrap_or(otherwise)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    /// A counter of 2.5 GHz that is off by 40 ppm, read at `ns`, with a wall clock of `wall_ns`.
    fn seen(ns: u64, wall_ns: i64) -> Observation {
        let ticks = 1_000 + (u128::from(ns) * 25_001_000 / 10_000_000) as u64;
        Observation { ticks, width: 100, wall_ns, monotonic_ns: 5_000 + ns }
    }

    const SECOND: u64 = 1_000_000_000;

    fn started() -> Discipline {
        let source = TickSource { clock: Clock::Counter };
        Discipline::new(source, seen(0, 0), seen(1_000_000, 1_000_000))
    }

    #[test]
    fn time_follows_a_slewed_wall_clock_without_running_back() {
        let mut discipline = started();
        let mut previous = 0;
        for second in 1..100 {
            let now = second * SECOND;
            // The wall clock gains 100 ppm.
            let wall = now as i64 + (now / 10_000) as i64;
            let before = discipline.line().time_of(seen(now, 0).ticks);
            let line = discipline.observe(seen(now, wall), SECOND);
            assert_eq!(line.time_ns, before, "continuous");
            assert!(line.time_ns > previous);
            previous = line.time_ns;
            if second > 3 {
                assert!((wall - line.time_ns).abs() < 150_000, "off by {}", wall - line.time_ns);
            }
        }
    }

    #[test]
    fn time_jumps_when_the_wall_clock_is_set() {
        let mut discipline = started();
        discipline.observe(seen(SECOND, SECOND as i64), SECOND);
        let wall = -3_600 * SECOND as i64;
        assert_eq!(discipline.observe(seen(2 * SECOND, wall), SECOND).time_ns, wall);
    }

    #[test]
    fn a_suspended_machine_does_not_spoil_the_rate() {
        let mut discipline = started();
        let rate = discipline.line().rate;
        let hour = 3_600 * SECOND;
        // The counter and the wall clock go on for eight hours, the monotonic clock does not.
        for second in 1..100 {
            let now = 8 * hour + second * SECOND;
            let mut seen = seen(now, now as i64);
            seen.monotonic_ns -= 8 * hour;
            let line = discipline.observe(seen, SECOND);
            assert!(
                (now as i64 - line.time_ns).abs() < 100_000,
                "off by {}",
                now as i64 - line.time_ns
            );
            assert!(line.rate.abs_diff(rate) < rate / 1_000);
        }
    }

    #[test]
    fn a_custom_clock_is_the_time() {
        let source = TickSource { clock: Clock::Custom(|| 7) };
        let mut discipline = Discipline::new(source, seen(0, 0), seen(9, 9));
        assert_eq!(discipline.line().time_of(1_234), 1_234);
        assert_eq!(discipline.observe(seen(SECOND, 5), SECOND).time_of(1_234), 1_234);
    }
}
