//! From ticks to time: follows the wall clock with a line that never runs backwards.
//!
//! The basic idea: each observation ends one straight piece of the line and begins the next one at
//! its end. The slope of the new piece removes the observed error within one interval, as `ntpd`
//! and `chrony` slew a clock.
//!
//! 1. The *rate* of the counter is the mean over all observations against the monotonic clock,
//!    which nobody sets. An interval in which the two disagree by more than a counter drifts does
//!    not count. Two such intervals that agree with each other give the new rate.
//! 2. The rest of the error is corrected by the slope, by at most an eighth of the rate. That is
//!    more than the tenth by which Linux lets its clock be slewed. So the line follows a slewed
//!    wall clock, one interval late.
//! 3. A *jump* is an error that neither explains: the wall clock was set, or the counter stopped
//!    while the machine slept. If the wall clock jumps forward, time jumps with it. If it jumps
//!    backward, time goes on from where it was, and the lead over the wall clock is worked off at
//!    500 ppm. Both are reported, so that the file gets a mark.
//!
//! INV-1: each piece begins at or after the end of the piece before it, and none falls.
//!
//! Rejected: to interpolate between observations when reading. A record's time would depend on the
//! observation after it: no file could be followed while it grows, and two readers could disagree.

use crate::clock::Observation;
use crate::clock::TickSource;
use crate::format::frame::{self, ClockSet};
use crate::format::header::ClockSource;

/// An error of the time above this many nanoseconds, and above [`SLEW_LIMIT`], is a jump.
const STEP_NS: i64 = 10_000_000;

/// The part of an interval by which a slewed wall clock may move against the monotonic clock: 1/10,
/// which is the limit of Linux.
const SLEW_LIMIT: i64 = 10;

/// An interval counts for [`SLEW_LIMIT`] with at most this many nanoseconds.
const MAX_SLEWED_NS: i64 = 2_000_000_000;

/// An error is corrected by at most this fraction of the rate: 1/8.
const MAX_CORRECTION: i128 = 8;

/// Errors are corrected over at least this time, in nanoseconds. Early observations follow each
/// other closely; their uncertainty must not bend the line.
const MIN_HORIZON_NS: u64 = 1_000_000_000;

/// The fraction of the rate by which a lead over a wall clock that was set back is worked off:
/// 1/2,000 = 500 ppm.
const LEAD_SLEW: i64 = 2_000;

/// The fraction of an interval by which no counter drifts: 1/5,000.
const MAX_DRIFT: i64 = 5_000;

/// One nanosecond per tick.
const UNIT_RATE: u64 = 1 << 32;

/// Follows the wall clock.
#[derive(Debug)]
pub(crate) struct Discipline {
    /// Where the mean of the rate begins.
    first: Observation,
    last: Observation,
    /// Nanoseconds of the monotonic clock per tick, times 2^32.
    rate: u64,
    /// The rate of the last interval, if it was not that of the counter.
    odd_rate: Option<u64>,
    /// The lead over the wall clock that is intended, because the wall clock was set back.
    lead_ns: i64,
    line: frame::Clock,
    custom: bool,
}

/// The result of an observation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observed {
    /// The piece of the line that is in force from now on.
    pub(crate) line: frame::Clock,
    /// The jump of the wall clock, if it has jumped.
    pub(crate) set: Option<ClockSet>,
}

impl Discipline {
    /// Begins the line with two observations some time apart.
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
        Self { first, last: second, rate, odd_rate: None, lead_ns: 0, line, custom }
    }

    /// Returns the piece of the line that is in force.
    pub(crate) fn line(&self) -> frame::Clock {
        self.line
    }

    /// Returns the tick count of the last observation.
    pub(crate) fn last_ticks(&self) -> u64 {
        self.last.ticks
    }

    /// How many nanoseconds a tick has, times 2^32: the mean so far, without what corrects the time.
    pub(crate) fn rate(&self) -> u64 {
        self.rate
    }

    /// Takes an observation into account. `interval_ns` is the time until the next.
    pub(crate) fn observe(&mut self, seen: Observation, interval_ns: u64) -> Observed {
        let last = std::mem::replace(&mut self.last, seen);
        if self.custom {
            // The program's clock is the time. Ticks and time begin at the epoch.
            self.line.wall_ns = seen.wall_ns;
            self.line.monotonic_ns = seen.monotonic_ns;
            return Observed { line: self.line, set: None };
        }
        let elapsed_ns = elapsed_ns(&last, &seen);
        let counter_moved_ns = elapsed_ns.saturating_sub(self.counted_ns(&last, &seen));
        self.follow_rate(&last, &seen, elapsed_ns, counter_moved_ns);
        let reached = self.line.time_of(seen.ticks);
        // While the wall clock was set back, its time is not the aim, but what leads up to it.
        self.lead_ns = (self.lead_ns - elapsed_ns / LEAD_SLEW).max(0);
        let error = seen.wall_ns.saturating_add(self.lead_ns).saturating_sub(reached);
        let wall_moved_ns = seen.wall_ns.saturating_sub(last.wall_ns).saturating_sub(elapsed_ns);
        let limit = STEP_NS + elapsed_ns.min(MAX_SLEWED_NS) / SLEW_LIMIT;
        let slewed = |moved_ns: i64, limit: i64| moved_ns.unsigned_abs() <= limit.unsigned_abs();
        // The counter against a monotonic clock that may be slewed one way now, and was the other.
        let explained = slewed(wall_moved_ns, limit) && slewed(counter_moved_ns, 2 * limit);
        let jumped = !slewed(error, limit) && !explained;
        let mut set = None;
        self.line = if jumped {
            let time_ns = reached.max(seen.wall_ns);
            self.lead_ns = time_ns.saturating_sub(seen.wall_ns);
            set = Some(ClockSet { ticks: seen.ticks, time_ns, by_ns: error });
            at(&seen, time_ns, self.rate)
        } else {
            let known = error.signum() * (error.abs() - uncertainty_ns(&seen, self.rate)).max(0);
            let horizon = i128::from(interval_ns.max(MIN_HORIZON_NS));
            let rate = i128::from(self.rate);
            let limit = rate / MAX_CORRECTION;
            let correction = (rate * i128::from(known) / horizon).clamp(-limit, limit);
            at(&seen, reached, (rate + correction) as u64)
        };
        Observed { line: self.line, set }
    }

    /// Returns how much time passed between two observations by the counter, in nanoseconds.
    fn counted_ns(&self, last: &Observation, seen: &Observation) -> i64 {
        let ticks = i128::from(seen.ticks.wrapping_sub(last.ticks) as i64);
        clamped((ticks * i128::from(self.rate)) >> 32)
    }

    /// Learns the rate of the counter from an interval of `elapsed_ns`, in which the counter was
    /// wrong by `moved_ns`.
    fn follow_rate(
        &mut self,
        last: &Observation,
        seen: &Observation,
        elapsed_ns: i64,
        moved_ns: i64,
    ) {
        let uncertain_ns = uncertainty_ns(last, self.rate) + uncertainty_ns(seen, self.rate);
        if moved_ns.saturating_abs() <= elapsed_ns / MAX_DRIFT + uncertain_ns {
            self.rate = rate_between(&self.first, seen, self.rate);
            self.odd_rate = None;
            return;
        }
        // The monotonic clock was slewed, or the machine was suspended: that clock stopped, and
        // perhaps the counter did not. Earlier observations say nothing about the rate any more.
        let odd = rate_between(last, seen, self.rate);
        let lasts = self.odd_rate.is_some_and(|before| odd.abs_diff(before) <= before / 256)
            && (self.rate / 2..=self.rate.saturating_mul(2)).contains(&odd);
        if lasts {
            self.rate = odd;
        }
        self.first = if lasts { *last } else { *seen };
        self.odd_rate = Some(odd).filter(|_| !lasts);
    }
}

/// Returns how much time passed between two observations by the monotonic clock, in nanoseconds.
fn elapsed_ns(last: &Observation, seen: &Observation) -> i64 {
    (seen.monotonic_ns.wrapping_sub(last.monotonic_ns) as i64).max(0)
}

/// Returns by how much an observation may be wrong to either side, in nanoseconds.
fn uncertainty_ns(seen: &Observation, rate: u64) -> i64 {
    clamped((i128::from(seen.width / 2) * i128::from(rate)) >> 32)
}

fn clamped(ns: i128) -> i64 {
    ns.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// Returns the piece of the line that begins at `seen` with `time_ns`.
fn at(seen: &Observation, time_ns: i64, rate: u64) -> frame::Clock {
    frame::Clock {
        ticks: seen.ticks,
        time_ns,
        rate,
        wall_ns: seen.wall_ns,
        monotonic_ns: seen.monotonic_ns,
        uncertainty_ns: uncertainty_ns(seen, rate) as u64,
    }
}

/// Returns nanoseconds per tick between two observations, times 2^32; `otherwise` if they do not
/// tell.
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

    const HOUR: i64 = 3_600 * SECOND as i64;

    fn started() -> Discipline {
        let source = TickSource { clock: Clock::Counter };
        Discipline::new(source, seen(0, 0), seen(1_000_000, 1_000_000))
    }

    #[test]
    fn a_slewed_wall_clock_never_runs_back() {
        let mut discipline = started();
        let mut previous = 0;
        for second in 1..100 {
            let now = second * SECOND;
            // The wall clock gains 100 ppm.
            let wall = now as i64 + (now / 10_000) as i64;
            let before = discipline.line().time_of(seen(now, 0).ticks);
            let line = discipline.observe(seen(now, wall), SECOND).line;
            assert_eq!(line.time_ns, before, "continuous");
            assert!(line.time_ns > previous);
            previous = line.time_ns;
            if second > 3 {
                assert!((wall - line.time_ns).abs() < 150_000, "off by {}", wall - line.time_ns);
            }
        }
    }

    /// The wall clock and the monotonic clock of a machine, moved about by hand.
    struct Machine {
        discipline: Discipline,
        /// How long the counter has run.
        counter_ns: u64,
        monotonic_ns: u64,
        wall_ns: i64,
        /// The newest time that was given out.
        newest_ns: i64,
        sets: Vec<ClockSet>,
    }

    impl Machine {
        fn new() -> Self {
            let wall_ns = 1_700_000_000 * SECOND as i64;
            let source = TickSource { clock: Clock::Counter };
            let first = seen_at(0, 5_000, wall_ns);
            let second = seen_at(1_000_000, 1_005_000, wall_ns + 1_000_000);
            let mut machine = Self {
                discipline: Discipline::new(source, first, second),
                counter_ns: 1_000_000,
                monotonic_ns: 1_005_000,
                wall_ns: wall_ns + 1_000_000,
                newest_ns: i64::MIN,
                sets: Vec::new(),
            };
            // As the consumer does.
            for interval_ns in [1_000_000, 10_000_000, 100_000_000] {
                machine.pass(interval_ns, 0, 0);
            }
            machine
        }

        /// Some time goes by, in which the clocks run too fast by so many millionths.
        fn pass(&mut self, ns: u64, wall_ppm: i64, monotonic_ppm: i64) {
            let slewed = |ppm: i64| ns as i64 + ns as i64 / 1_000 * ppm / 1_000;
            // Records are logged all the while.
            for part in 0..50 {
                self.log(self.counter_ns + ns * part / 50);
            }
            self.counter_ns += ns;
            self.log(self.counter_ns - 1);
            self.wall_ns += slewed(wall_ppm);
            self.monotonic_ns += slewed(monotonic_ppm) as u64;
            self.observe();
        }

        fn observe(&mut self) {
            let seen = seen_at(self.counter_ns, self.monotonic_ns, self.wall_ns);
            let interval_ns = self.counter_ns.min(SECOND);
            self.sets.extend(self.discipline.observe(seen, interval_ns).set);
            self.log(self.counter_ns);
        }

        /// A record is logged: its time is not before that of one logged before it.
        fn log(&mut self, counter_ns: u64) {
            let time_ns = self.discipline.line().time_of(ticks_at(counter_ns));
            let back = self.newest_ns.saturating_sub(time_ns);
            assert!(back <= 0, "time runs back by {back} ns");
            self.newest_ns = time_ns;
        }

        /// How far the time is ahead of the wall clock.
        fn lead_ns(&self) -> i64 {
            self.discipline.line().time_of(ticks_at(self.counter_ns)) - self.wall_ns
        }
    }

    fn ticks_at(counter_ns: u64) -> u64 {
        1_000 + (u128::from(counter_ns) * 25_001_000 / 10_000_000) as u64
    }

    fn seen_at(counter_ns: u64, monotonic_ns: u64, wall_ns: i64) -> Observation {
        Observation { ticks: ticks_at(counter_ns), width: 100, wall_ns, monotonic_ns }
    }

    /// A wall clock that was slewed by more than 10 ms a second was taken for one that is set anew
    /// each second. Time ran backwards by up to 85 ms each time. (Linux slews the monotonic clock
    /// with it; other systems, and what imitates clocks, do not.)
    #[test]
    fn a_slewed_wall_clock_is_followed() {
        for ppm in [-100_000, -80_000, -20_000, -5_000, -600, 600, 5_000, 20_000, 80_000, 100_000] {
            for monotonic_ppm in [0, ppm] {
                let mut machine = Machine::new();
                for _ in 0..10 {
                    machine.pass(SECOND, 0, 0);
                }
                for _ in 0..60 {
                    machine.pass(SECOND, ppm, monotonic_ppm);
                    // One interval late, and one and a half while the rate is learned anew.
                    let limit = ppm.abs() * 1_500 + 100_000;
                    assert!(machine.lead_ns().abs() <= limit, "{ppm}: {}", machine.lead_ns());
                }
                for _ in 0..10 {
                    machine.pass(SECOND, 0, 0);
                }
                assert!(machine.lead_ns().abs() < 10_000, "{ppm}: {}", machine.lead_ns());
                assert_eq!(machine.sets, [], "{ppm}");
            }
        }
    }

    /// From one extreme to the other, which no limit for a single interval explains.
    #[test]
    fn a_slew_that_turns_around_is_followed() {
        for monotonic in [0, 1] {
            let mut machine = Machine::new();
            for second in 0..200 {
                let ppm = if second / 10 % 2 == 0 { -80_000 } else { 80_000 };
                machine.pass(SECOND, ppm, monotonic * ppm);
            }
            assert_eq!(machine.sets, []);
        }
    }

    #[test]
    fn setting_forward_moves_time() {
        let mut machine = Machine::new();
        machine.pass(SECOND, 0, 0);
        machine.wall_ns += HOUR;
        machine.pass(SECOND, 0, 0);
        assert_eq!(machine.lead_ns(), 0);
        let [set] = machine.sets[..] else { panic!("{:?}", machine.sets) };
        assert!((set.by_ns - HOUR).abs() < 100_000, "{set:?}");
        assert_eq!(set.time_ns, machine.wall_ns);
    }

    /// A wall clock that was set back by an hour took time back by an hour. Now time goes on, and
    /// the mark says how far ahead of the wall clock it is.
    #[test]
    fn setting_back_does_not_move_time() {
        let mut machine = Machine::new();
        machine.pass(SECOND, 0, 0);
        machine.wall_ns -= HOUR;
        for _ in 0..1_000 {
            machine.pass(SECOND, 0, 0);
        }
        let [set] = machine.sets[..] else { panic!("{:?}", machine.sets) };
        assert!((set.by_ns + HOUR).abs() < 100_000, "{set:?}");
        // 500 millionths of the time since then are worked off.
        let lead = machine.lead_ns();
        assert!((lead - HOUR + SECOND as i64 / 2).abs() < 2_000_000, "ahead by {lead} ns");
        // It was a mistake, and is put right.
        machine.wall_ns += HOUR;
        machine.pass(SECOND, 0, 0);
        assert!((machine.sets[1].by_ns - HOUR).abs() < 1_000_000, "{:?}", machine.sets);
        assert_eq!(machine.sets.len(), 2);
        assert!(machine.lead_ns().abs() < 1_000_000);
    }

    #[test]
    fn a_lead_of_a_second_is_worked_off() {
        let mut machine = Machine::new();
        machine.pass(SECOND, 0, 0);
        machine.wall_ns -= SECOND as i64;
        for _ in 0..2_100 {
            machine.pass(SECOND, 0, 0);
        }
        assert_eq!(machine.sets.len(), 1);
        assert!(machine.lead_ns().abs() < 10_000, "{}", machine.lead_ns());
    }

    /// Less than a jump: not told from a clock that is slewed, and worked off as if it were.
    #[test]
    fn small_steps_are_followed() {
        for by_ns in [-90_000_000, -20_000_000, 20_000_000, 90_000_000] {
            let mut machine = Machine::new();
            machine.pass(SECOND, 0, 0);
            machine.wall_ns += by_ns;
            machine.pass(SECOND, 0, 0);
            machine.pass(SECOND, 0, 0);
            machine.pass(SECOND, 0, 0);
            assert!(machine.lead_ns().abs() < 100_000, "{by_ns}: {}", machine.lead_ns());
            assert_eq!(machine.sets, []);
        }
    }

    #[test]
    fn a_suspend_keeps_time_and_rate() {
        for counter_runs in [true, false] {
            let mut machine = Machine::new();
            machine.pass(SECOND, 0, 0);
            let rate = machine.discipline.rate;
            for _ in 0..3 {
                machine.wall_ns += 8 * HOUR;
                machine.counter_ns += if counter_runs { 8 * HOUR as u64 } else { 0 };
                for _ in 0..20 {
                    machine.pass(SECOND, 0, 0);
                    assert!(machine.discipline.rate.abs_diff(rate) < rate / 10_000);
                }
                assert!(machine.lead_ns().abs() < 100_000, "{}", machine.lead_ns());
            }
            // If the counter did not run, time had to jump.
            assert_eq!(machine.sets.len(), if counter_runs { 0 } else { 3 });
        }
    }

    /// A virtual machine goes on on another host, whose counter runs faster.
    #[test]
    fn a_counter_of_another_rate_is_learned() {
        let mut machine = Machine::new();
        for _ in 0..20 {
            machine.pass(SECOND, 0, 0);
        }
        for _ in 0..20 {
            machine.counter_ns += SECOND / 6;
            machine.pass(SECOND, 0, 0);
        }
        assert!(machine.lead_ns().abs() < 10_000, "{}", machine.lead_ns());
    }

    /// Whatever the clocks do: time does not run back, and nothing overflows.
    #[test]
    fn time_never_runs_back() {
        let mut random = 1u64;
        let mut below = |limit: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % limit
        };
        for _ in 0..200 {
            let mut machine = Machine::new();
            for _ in 0..100 {
                let ns = 1 + below(3 * SECOND);
                let by = below(4 * HOUR as u64) as i64 - 2 * HOUR;
                match below(8) {
                    0 => machine.wall_ns = machine.wall_ns.saturating_add(by),
                    1 => machine.wall_ns += by / 100_000,
                    2 => machine.monotonic_ns += by.unsigned_abs(),
                    3 => machine.counter_ns += by.unsigned_abs(),
                    4 => machine.wall_ns = [i64::MIN / 2, 0, i64::MAX / 2][below(3) as usize],
                    _ => {}
                }
                machine.pass(ns, below(200_000) as i64 - 100_000, below(200_000) as i64 - 100_000);
            }
        }
    }

    #[test]
    fn a_custom_clock_is_the_time() {
        let source = TickSource { clock: Clock::Custom(|| 7) };
        let mut discipline = Discipline::new(source, seen(0, 0), seen(9, 9));
        assert_eq!(discipline.line().time_of(1_234), 1_234);
        assert_eq!(discipline.observe(seen(SECOND, 5), SECOND).line.time_of(1_234), 1_234);
    }
}
