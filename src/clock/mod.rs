//! The sources of time stamps.
//!
//! A record has a raw tick count, and becomes a time only when it is read. At intervals the
//! consumer writes what the clock and the wall clock showed at one moment. From these observations
//! the reader computes times (`discipline`).
//!
//! The folder reads clocks and computes lines. It knows neither rings nor files.

pub(crate) mod discipline;
pub(crate) mod lines;
pub(crate) mod stopwatch;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::format::header::ClockSource;
use crate::process::inside::Inside;
use crate::sync::statics::{AtomicU64, OnceLock, Ordering};

/// The source of the time stamps of records: see [`Builder::clock`](crate::Builder::clock).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Clock {
    /// The processor's counter: `rdtsc` on x86-64, `cntvct_el0` on aarch64. Its resolution is some
    /// nanoseconds on x86-64, and 1 to 42 ns on aarch64.
    ///
    /// If the counter does not run evenly, or there is none, the logger uses the monotonic clock.
    /// The file says which clock it used.
    #[default]
    Counter,
    /// The operating system's monotonic clock. It costs several times as much as the counter.
    Monotonic,
    /// The processor's counter as the consumer last saw it. This is the cheapest clock.
    ///
    /// It is as coarse as the consumer's poll interval, or its idle sleep while nothing was logged.
    /// The order of a thread's records is still exact.
    Coarse,
    /// A function that returns nanoseconds since the Unix epoch, for simulated time or a hardware
    /// clock.
    ///
    /// Each log call calls it in its thread, and the consumer calls it in each sweep. It must
    /// neither log nor panic. `start` returns when the consumer has called it twice.
    Custom(fn() -> u64),
}

/// The clock as the consumer last saw it, for all loggers with [`Clock::Coarse`].
#[cfg(not(kymo_loom))]
static COARSE: CachePadded = CachePadded(AtomicU64::new(0));

#[cfg(kymo_loom)]
thread_local! {
    /// The coarse clock in loom models. They run side by side in one process, and must not depend
    /// on each other: each has its own.
    static COARSE: &'static CachePadded = Box::leak(Box::new(CachePadded(AtomicU64::new(0))));
}

/// Aligns the coarse clock, so that it shares no cache line with data that is written more often.
#[repr(align(128))]
struct CachePadded(AtomicU64);

/// Returns the coarse clock.
#[inline(always)]
pub(crate) fn coarse() -> u64 {
    // Relaxed: a time stamp orders nothing.
    coarse_clock().load(Ordering::Relaxed)
}

#[inline(always)]
fn coarse_clock() -> &'static AtomicU64 {
    #[cfg(kymo_loom)]
    return &COARSE.with(|clock| *clock).0;
    #[cfg(not(kymo_loom))]
    &COARSE.0
}

/// Reads the processor's counter.
#[inline(always)]
pub(crate) fn counter() -> u64 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        // SAFETY: every x86-64 processor has the instruction. (The rare system that forbids it to
        // programs would end the program here; `counter_is_even` is asked before the first call.)
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    {
        let ticks: u64;
        // SAFETY: reading the virtual counter changes nothing, and Linux and macOS permit it to
        // programs.
        unsafe {
            core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags));
        }
        ticks
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    {
        monotonic_ns()
    }
}

/// Writes the processor's counter to memory. On x86-64 it writes the two halves in which the
/// counter comes: that saves the instruction that would join them.
///
/// # Safety
/// `to` is valid for writes, and aligned to 8.
#[inline(always)]
pub(crate) unsafe fn write_counter(to: *mut u64) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        let (low, high): (u32, u32);
        // SAFETY: as in `counter`. The compiler does not know that the result of `_rdtsc` can be
        // stored in halves.
        unsafe {
            core::arch::asm!("rdtsc", out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags));
        }
        let to = to.cast::<u32>();
        // SAFETY: the caller's promise.
        unsafe { to.write(low) };
        // SAFETY: the other half.
        let to = unsafe { to.add(1) };
        // SAFETY: as above.
        unsafe { to.write(high) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    {
        // SAFETY: the caller's promise.
        unsafe { to.write(counter()) };
    }
}

/// Returns whether the counter runs at one rate, and alike on all cores.
fn counter_is_even() -> bool {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use core::arch::x86_64::__cpuid;
        const INVARIANT_TSC: u32 = 1 << 8;
        let invariant = __cpuid(0x8000_0000).eax >= 0x8000_0007
            && __cpuid(0x8000_0007).edx & INVARIANT_TSC != 0;
        // The kernel uses one of these clocks if it saw the counters of two cores disagree.
        let distrusted = std::fs::read_to_string(
            "/sys/devices/system/clocksource/clocksource0/current_clocksource",
        )
        .is_ok_and(|source| matches!(source.trim(), "hpet" | "acpi_pm" | "jiffies"));
        invariant && !distrusted
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    {
        true
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    {
        false
    }
}

/// Returns the monotonic clock in nanoseconds.
pub(crate) fn monotonic_ns() -> u64 {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
    #[cfg(not(unix))]
    {
        static ORIGIN: std::sync::LazyLock<std::time::Instant> =
            std::sync::LazyLock::new(std::time::Instant::now);
        ORIGIN.elapsed().as_nanos() as u64
    }
}

/// Returns the wall clock in nanoseconds since the epoch.
pub(crate) fn wall_ns() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos() as i64,
        Err(before) => -(before.duration().as_nanos() as i64),
    }
}

/// A clock that a fast path of a log call can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FastClock {
    /// Reads the processor's counter.
    Counter,
    /// Returns the coarse clock.
    Coarse,
}

/// A clock that was found to work on this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TickSource {
    clock: Clock,
}

impl TickSource {
    /// Returns the source for `clock`, or the monotonic clock if the counter cannot be trusted.
    pub(crate) fn new(clock: Clock) -> Self {
        let clock = match clock {
            Clock::Counter if !counter_is_even() => Clock::Monotonic,
            other => other,
        };
        Self { clock }
    }

    /// Returns the clock source for the header page.
    pub(crate) fn source(self) -> ClockSource {
        match self.clock {
            Clock::Counter => ClockSource::Counter,
            Clock::Monotonic => ClockSource::Monotonic,
            Clock::Coarse => ClockSource::Coarse,
            Clock::Custom(_) => ClockSource::Custom,
        }
    }

    /// The clock as a fast path reads it; `None` if only the slow path can.
    pub(crate) fn fast_clock(self) -> Option<FastClock> {
        match self.clock {
            Clock::Counter => Some(FastClock::Counter),
            Clock::Coarse => Some(FastClock::Coarse),
            Clock::Monotonic | Clock::Custom(_) => None,
        }
    }

    /// Returns whether reading the clock runs code of the program.
    pub(crate) fn is_custom(self) -> bool {
        matches!(self.clock, Clock::Custom(_))
    }

    /// Returns the tick count for a record.
    pub(crate) fn stamp(self) -> u64 {
        match self.clock {
            Clock::Coarse => coarse(),
            _ => self.now(),
        }
    }

    /// Returns the tick count now.
    pub(crate) fn now(self) -> u64 {
        match self.clock {
            Clock::Counter => counter(),
            // The coarse clock is the counter if that can be trusted, or else the monotonic clock.
            Clock::Coarse if counter_is_even_cached() => counter(),
            Clock::Coarse | Clock::Monotonic => monotonic_ns(),
            Clock::Custom(now) => {
                // What it logs, or its panic does, would ask for the time again.
                let _inside = Inside::enter();
                now()
            }
        }
    }

    /// The consumer's side: begins a sweep. Returns a tick count before which all records are in
    /// the rings by now.
    ///
    /// Records of a thread that was suspended between reading the clock and publishing are the
    /// exception: they are late.
    pub(crate) fn begin_sweep(self) -> u64 {
        let now = self.now();
        if let Clock::Coarse = self.clock {
            // A record with the time of the sweep before may be published only now.
            // Relaxed: a time stamp orders nothing.
            return coarse_clock().swap(now, Ordering::Relaxed);
        }
        now
    }

    /// Returns what the clocks show at one moment: the narrowest of a few attempts.
    pub(crate) fn observe(self) -> Observation {
        (0..8).map(|_| self.observe_once()).min_by_key(|seen| seen.width).unwrap_or_default()
    }

    fn observe_once(self) -> Observation {
        let before = self.now();
        let wall_ns = wall_ns();
        let monotonic_ns = monotonic_ns();
        let after = self.now();
        let width = after.wrapping_sub(before);
        Observation { ticks: before.wrapping_add(width / 2), width, wall_ns, monotonic_ns }
    }
}

fn counter_is_even_cached() -> bool {
    static EVEN: OnceLock<bool> = OnceLock::new();
    *EVEN.get_or_init(counter_is_even)
}

/// An observation of all clocks at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Observation {
    pub(crate) ticks: u64,
    /// How many ticks it took to read the clocks. The moment is uncertain by half of that.
    pub(crate) width: u64,
    pub(crate) wall_ns: i64,
    pub(crate) monotonic_ns: u64,
}

/// Returns a duration in nanoseconds, at most `u64::MAX`.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}
