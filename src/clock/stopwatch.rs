//! How much time has passed, by the clock of the logger that started last.
//!
//! A statement that measures reads ticks twice, and needs nanoseconds at once: what a scope took is an argument of its
//! record. So the consumer publishes how long a tick is, each time it compares the clocks.
//!
//! - The processor's counter is read where the logger uses it, also for the coarse clock, which is too coarse to
//!   measure. A tick is as long as the mean over the run of the logger, by the monotonic clock. So a wall clock that is
//!   set or slewed has no part in it.
//! - A clock of the program's own is read as records are: simulated time passes as it says.
//! - Before the first logger, and where the counter is not to be trusted, it is the monotonic clock.

use crate::clock::{Clock, TickSource, counter, counter_is_even_cached, monotonic_ns};
use crate::sync::statics::{AtomicU64, Mutex, Ordering, PoisonError};

/// How many nanoseconds a tick of the counter has, times 2^32. Two values are none: [`MONOTONIC`] and [`OWN`].
static RATE: AtomicU64 = AtomicU64::new(MONOTONIC);

/// The monotonic clock is read, in nanoseconds.
const MONOTONIC: u64 = 0;

/// The program's own clock is read, in nanoseconds.
const OWN: u64 = 1;

/// The program's own clock.
static OWN_CLOCK: Mutex<Option<TickSource>> = Mutex::new(None);

/// A moment, by one of the clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) ticks: u64,
    by: Source,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Monotonic,
    Counter,
    Own(TickSource),
}

/// The consumer's side: this clock is read from now on. `rate`: how many nanoseconds a tick has, times 2^32.
pub(crate) fn publish(clock: TickSource, rate: u64) {
    let rate = match clock.clock {
        Clock::Counter => rate,
        Clock::Coarse if counter_is_even_cached() => rate,
        Clock::Coarse | Clock::Monotonic => MONOTONIC,
        Clock::Custom(_) => {
            *OWN_CLOCK.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock);
            OWN
        }
    };
    // Relaxed: the number is all that is published. A custom clock has a lock of its own.
    RATE.store(rate, Ordering::Relaxed);
}

/// Returns the moment that it is now.
#[inline]
pub(crate) fn now() -> Moment {
    // Relaxed: see `publish`.
    match RATE.load(Ordering::Relaxed) {
        MONOTONIC | OWN => now_slow(),
        _ => Moment { ticks: counter(), by: Source::Counter },
    }
}

#[cold]
fn now_slow() -> Moment {
    // Relaxed: see `publish`.
    let own = match RATE.load(Ordering::Relaxed) {
        // Where a signal handler interrupted what has the lock, it is not waited for.
        OWN => OWN_CLOCK.try_lock().ok().and_then(|own| *own),
        _ => None,
    };
    let by = own.map_or(Source::Monotonic, Source::Own);
    Moment { ticks: by.ticks(), by }
}

impl Source {
    #[inline]
    fn ticks(self) -> u64 {
        match self {
            Self::Counter => counter(),
            Self::Monotonic => monotonic_ns(),
            Self::Own(clock) => clock.now(),
        }
    }
}

impl Moment {
    /// Returns how many nanoseconds have passed since then, by the same clock. 0 if it was set back.
    #[inline]
    pub(crate) fn elapsed_ns(self) -> u64 {
        let now = Self { ticks: self.by.ticks(), by: self.by };
        now.ns_since(self.ticks).unwrap_or(0)
    }

    /// Returns how many nanoseconds passed from `ticks` to this moment; `None` if the ticks are later.
    #[inline]
    pub(crate) fn ns_since(self, ticks: u64) -> Option<u64> {
        let rate = match self.by {
            // Relaxed: see `publish`.
            Source::Counter => RATE.load(Ordering::Relaxed),
            Source::Monotonic | Source::Own(_) => 1 << 32,
        };
        in_ns(self.ticks.wrapping_sub(ticks), rate)
    }
}

/// Returns how many nanoseconds so many ticks are. `None` if their number is negative.
fn in_ns(ticks: u64, rate: u64) -> Option<u64> {
    let ticks = u64::try_from(ticks.cast_signed()).ok()?;
    let ns = (u128::from(ticks) * u128::from(rate)) >> 32;
    Some(ns.try_into().unwrap_or(u64::MAX))
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;

    /// Against decimal fractions of the frequency, from one nanosecond to a hundred days.
    #[test]
    fn ticks_become_nanoseconds() {
        for hertz in [1_000_000_000_u64, 2_100_000_000, 3_693_060_000, 24_000_000] {
            let rate = ((1_000_000_000_u128 << 32) / u128::from(hertz)) as u64;
            let mut ns = 1_u64;
            while ns < 100 * 86_400 * 1_000_000_000 {
                let ticks = (u128::from(ns) * u128::from(hertz) / 1_000_000_000) as u64;
                let expected = (u128::from(ticks) * 1_000_000_000 / u128::from(hertz)) as u64;
                let error = expected.abs_diff(in_ns(ticks, rate).unwrap());
                // The rate has 32 bits after the point.
                assert!(error <= 1 + (ticks >> 32), "{hertz} {ns}: {error}");
                ns = ns * 7 + 3;
            }
        }
        assert_eq!(in_ns(u64::MAX, 1 << 32), None, "the clock was set back");
        assert_eq!(in_ns(i64::MAX as u64, u64::MAX), Some(u64::MAX));
    }
}
