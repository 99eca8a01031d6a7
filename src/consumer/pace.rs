//! How long the consumer waits between two sweeps.
//!
//! Two costs pull in opposite directions. Each look at a ring's tail takes the cache line from its
//! producer, which then waits for it; and each time the consumer wakes up costs a core some
//! microseconds. But a ring that is looked at too rarely fills up, and what it holds is not in the file yet.
//!
//! So the consumer learns from what it finds. It waits for as long as [`RECORDS`] records took to come,
//! or [`FILL`] of the fullest ring, whichever is less:
//!
//! ```text
//!   a sweep finds records ──▶ wait = time since the last find × 16 ÷ records     (less: at once; more: step by step)
//!                             wait < 50 µs: spins for the poll interval, and sweeps
//!                             else: sleeps so long, at most the idle sleep
//!   a sweep finds nothing ──▶ spins as before for up to 50 µs, then sleeps, each time twice as long
//!   a batch left records  ──▶ sweeps at once
//! ```

use std::time::Duration;

use crate::clock::monotonic_ns;
use crate::shared::stats::Counters;
use crate::sync::{hint, thread};

/// How many records are to come while the consumer waits.
const RECORDS: f64 = 16.0;

/// Which share of a ring is to fill while the consumer waits.
const FILL: f64 = 0.125;

/// How slowly it learns that records come less often: a wait grows by this share of the difference.
const CALMING: f64 = 0.25;

/// The consumer spins for a wait that is shorter, in nanoseconds, and stays awake so long without records: to sleep and
/// to wake up takes as long.
const AWAKE_NS: u64 = 50_000;

/// The first sleep after it was awake, in nanoseconds.
const FIRST_SLEEP_NS: u64 = 50_000;

/// What a sweep took from the rings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Swept {
    Nothing,
    Records(Found),
    /// More records than one sweep takes.
    More,
}

/// How much a sweep found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Found {
    pub(crate) records: u64,
    /// The largest share of a ring that was in use.
    pub(crate) fill: f64,
}

/// What is to be done before the next sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    No,
    /// For so many nanoseconds.
    Spin(u64),
    /// For so many nanoseconds, unless somebody asks for something.
    Sleep(u64),
}

/// Waits between sweeps.
#[derive(Debug)]
pub(crate) struct Pacing {
    rhythm: Rhythm,
    /// When it last began to work, on the monotonic clock.
    woke_ns: u64,
    started_ns: u64,
}

/// When records come, as far as the sweeps have shown.
#[derive(Clone, Debug)]
struct Rhythm {
    poll_ns: u64,
    idle_ns: u64,
    /// When the last records were found, on the monotonic clock.
    found_ns: u64,
    /// How long to wait for the next ones, in nanoseconds.
    wait_ns: f64,
    /// The last sleep, if nothing was found since, in nanoseconds.
    slept_ns: u64,
}

impl Pacing {
    pub(crate) fn new(poll_interval: Duration, idle_sleep: Duration) -> Self {
        let [poll_ns, idle_ns] = [poll_interval, idle_sleep].map(crate::clock::nanoseconds);
        Self { rhythm: Rhythm::new(poll_ns, idle_ns), woke_ns: 0, started_ns: 0 }
    }

    /// Waits before the next sweep.
    pub(crate) fn wait(&mut self, swept: Swept, counters: &Counters) {
        let now = monotonic_ns();
        if self.started_ns == 0 {
            (self.started_ns, self.woke_ns) = (now, now);
        }
        counters.busy_ns.set(counters.busy_ns.get() + (now - self.woke_ns));
        counters.running_ns.set(now - self.started_ns);
        self.woke_ns = now;
        match self.rhythm.pause(now, swept) {
            Pause::No => return,
            Pause::Spin(ns) => {
                while monotonic_ns() - now < ns {
                    hint::spin_loop();
                }
            }
            // A request's token ends the sleep, or makes it return at once.
            Pause::Sleep(ns) => thread::park_timeout(Duration::from_nanos(ns)),
        }
        self.woke_ns = monotonic_ns();
    }
}

impl Rhythm {
    fn new(poll_ns: u64, idle_ns: u64) -> Self {
        Self { poll_ns, idle_ns, found_ns: 0, wait_ns: 0.0, slept_ns: 0 }
    }

    /// Returns what to do after a sweep that ended now, on the monotonic clock.
    fn pause(&mut self, now: u64, swept: Swept) -> Pause {
        let since_ns = now.saturating_sub(self.found_ns);
        match swept {
            Swept::More => {
                self.note(now, 0.0);
                return Pause::No;
            }
            Swept::Records(Found { records, fill }) => {
                let found = (records as f64 / RECORDS).max(fill / FILL);
                self.note(now, since_ns as f64 / found.max(1.0 / RECORDS));
            }
            Swept::Nothing => {}
        }
        let is_awake = self.slept_ns == 0 && self.wait_ns < AWAKE_NS as f64;
        if self.poll_ns <= AWAKE_NS
            && (self.idle_ns == 0 || is_awake && now.saturating_sub(self.found_ns) < AWAKE_NS)
        {
            return Pause::Spin(self.poll_ns);
        }
        let wanted_ns = match self.slept_ns {
            0 => (self.wait_ns as u64).max(FIRST_SLEEP_NS),
            slept_ns => slept_ns.saturating_mul(2),
        };
        self.slept_ns = wanted_ns.min(self.idle_ns).max(self.poll_ns);
        Pause::Sleep(self.slept_ns)
    }

    /// Notes that records were found, and how long to wait for the next.
    fn note(&mut self, now: u64, wait_ns: f64) {
        let longer_ns = (wait_ns.min(self.idle_ns as f64) - self.wait_ns).max(0.0);
        self.wait_ns = self.wait_ns.min(wait_ns) + longer_ns * CALMING;
        (self.found_ns, self.slept_ns) = (now, 0);
    }
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;

    const MILLISECOND: u64 = 1_000_000;
    const SECOND: u64 = 1_000_000_000;

    /// What a consumer costs that takes records which are logged at these times, in nanoseconds: a model of a machine.
    #[derive(Debug)]
    struct Simulated {
        /// The share of a processor that it takes.
        cpu: f64,
        /// How old the oldest record was when it was taken, in nanoseconds.
        oldest_ns: u64,
        /// How many records there were at most in the ring.
        most: usize,
    }

    /// How many records a ring of 1 MiB has room for.
    const RING: usize = 43_000;
    /// How many of them a sweep takes.
    const BATCH: usize = 2_700;
    const SWEEP_NS: u64 = 200;
    const RECORD_NS: u64 = 40;
    /// To go to sleep, and to wake up.
    const WAKE_NS: u64 = 6_000;
    /// How much later than wanted a sleep ends: the slack of timers.
    const SLACK_NS: u64 = 55_000;

    fn simulate(times: &[u64]) -> Simulated {
        let mut rhythm = Rhythm::new(5_000, 5 * MILLISECOND);
        let (mut now, mut busy_ns, mut taken) = (0, 0, 0);
        let mut result = Simulated { cpu: 0.0, oldest_ns: 0, most: 0 };
        while taken < times.len() {
            let there = times.partition_point(|&time| time <= now);
            let found = there - taken;
            let takes = found.min(BATCH);
            let work_ns = SWEEP_NS + takes as u64 * RECORD_NS;
            now += work_ns;
            busy_ns += work_ns;
            if takes > 0 {
                result.oldest_ns = result.oldest_ns.max(now - times[taken]);
                result.most = result.most.max(found);
            }
            taken += takes;
            let fill = takes as f64 / RING as f64;
            let pause = rhythm.pause(
                now,
                match takes {
                    0 => Swept::Nothing,
                    _ if takes < found => Swept::More,
                    _ => Swept::Records(Found { records: takes as u64, fill }),
                },
            );
            match pause {
                Pause::No => {}
                Pause::Spin(ns) => {
                    now += ns;
                    busy_ns += ns;
                }
                Pause::Sleep(ns) => {
                    now += ns + SLACK_NS;
                    busy_ns += WAKE_NS;
                }
            }
        }
        result.cpu = busy_ns as f64 / now as f64;
        result
    }

    /// Times at which so many records a second are logged, for five seconds: evenly, or at random.
    fn steady(per_second: u64) -> Vec<u64> {
        (0..5 * per_second).map(|index| index * SECOND / per_second).collect()
    }

    fn random(per_second: u64, seed: u64) -> Vec<u64> {
        let mut state = seed;
        let mut now = 0.0;
        let gap = |now: &mut f64| {
            // SplitMix64, by Steele, Lea and Flood.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let uniform = ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
            *now -= (1.0 - uniform).ln() * SECOND as f64 / per_second as f64;
            *now as u64
        };
        let mut gap = gap;
        (0..5 * per_second).map(|_| gap(&mut now)).collect()
    }

    /// Bursts of records that are logged one after the other.
    fn bursts(records: u64, apart_ns: u64, every_ns: u64) -> Vec<u64> {
        let burst = |index| (0..records).map(move |record| index * every_ns + record * apart_ns);
        (0..5 * SECOND / every_ns).flat_map(burst).collect()
    }

    /// A program that logs little pays little, and finds its records in the file soon.
    #[test]
    fn the_cost_is_in_proportion_to_the_rate() {
        for (rate, most) in [(100, 0.005), (1_000, 0.01), (10_000, 0.04), (100_000, 0.2)] {
            for times in [steady(rate), random(rate, 1), random(rate, 2)] {
                let it = simulate(&times);
                assert!(it.cpu <= most, "{rate}/s: {it:?}");
                assert!(it.oldest_ns <= 10 * MILLISECOND, "{rate}/s: {it:?}");
            }
        }
    }

    /// At any rate that it can follow, the ring stays far from full.
    #[test]
    fn rings_stay_far_from_full() {
        for rate in [10, 1_000, 30_000, 300_000, 1_000_000, 3_000_000, 10_000_000] {
            for times in [steady(rate / 5), random(rate / 5, rate)] {
                let it = simulate(&times);
                // The first sweep comes after any silence.
                let first = times.partition_point(|&time| time <= 6 * MILLISECOND);
                assert!(it.most <= first.max(RING / 8), "{rate}/s: {it:?}");
            }
        }
    }

    /// Bursts after a silence: what one logs in an idle sleep, as ever. The consumer is awake for what follows.
    #[test]
    fn bursts_find_it_awake_soon() {
        for every_ns in [MILLISECOND, 16 * MILLISECOND, 100 * MILLISECOND] {
            let it = simulate(&bursts(1_000, 100, every_ns));
            assert!(it.oldest_ns <= 6 * MILLISECOND, "{every_ns}: {it:?}");
            assert!(it.cpu <= 0.15, "{every_ns}: {it:?}");
        }
        let it = simulate(&bursts(200_000, 100, 50 * MILLISECOND));
        // Five milliseconds of the first, at most.
        assert!(it.most <= 55_000, "{it:?}");
    }

    /// A consumer that must not sleep does not.
    #[test]
    fn without_an_idle_sleep_it_spins() {
        let mut rhythm = Rhythm::new(5_000, 0);
        for (now, swept) in [(1, Swept::Nothing), (SECOND, Swept::Nothing)] {
            assert_eq!(rhythm.pause(now, swept), Pause::Spin(5_000));
        }
        let found = Swept::Records(Found { records: 1, fill: 0.0 });
        assert_eq!(rhythm.pause(2 * SECOND, found), Pause::Spin(5_000));
        assert_eq!(rhythm.pause(2 * SECOND + 1, Swept::More), Pause::No);
    }

    /// The pauses that the options name are the shortest and the longest one, whatever comes.
    #[test]
    fn pauses_are_within_the_options() {
        let mut rhythm = Rhythm::new(MILLISECOND, 8 * MILLISECOND);
        let mut now = 0;
        for records in [0, 0, 0, 0, 0, 100_000, 1, 5, 0, 0, 1_000_000, 0, 0, 0, 0, 0, 0] {
            let found = Swept::Records(Found { records, fill: records as f64 / 1e6 });
            let swept = if records == 0 { Swept::Nothing } else { found };
            let Pause::Sleep(ns) = rhythm.pause(now, swept) else { panic!("no sleep") };
            assert!((MILLISECOND..=8 * MILLISECOND).contains(&ns), "{ns}");
            now += ns;
        }
    }
}
