//! Where time stamps come from.
//!
//! A record bears a raw tick count; what it means is settled later. At intervals the consumer
//! writes what the clock and the wall clock showed at the same moment, and the reader computes
//! times from that (`discipline`).

pub(crate) mod discipline;
pub(crate) mod lines;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::format::header::ClockSource;
use crate::sync::statics::{AtomicU64, OnceLock, Ordering};

/// Where the time stamps of records come from.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Clock {
    /// The processor's counter: `rdtsc` on x86-64, `cntvct_el0` on aarch64. Of a
    /// resolution of nanoseconds. Where the counter does not run evenly, or there is none, the
    /// monotonic clock is taken instead, which the file says.
    #[default]
    Counter,
    /// The operating system's monotonic clock, which costs several times as much.
    Monotonic,
    /// The processor's counter as the consumer last saw it: the cheapest, but only as fine as the
    /// consumer's poll interval (and, while nothing was logged, its idle sleep). Order within a
    /// thread is exact all the same.
    Coarse,
    /// A function that returns nanoseconds since the Unix epoch: simulated time, a hardware clock.
    /// It is called by every log statement, in its thread, and by the consumer at every sweep. It
    /// must neither log nor panic.
    Custom(fn() -> u64),
}

/// The clock as the consumer last saw it, for everybody whose clock is [`Clock::Coarse`].
#[cfg(not(kymo_loom))]
static COARSE: CachePadded = CachePadded(AtomicU64::new(0));

#[cfg(kymo_loom)]
thread_local! {
    /// The same. Models run side by side in one process, each in a thread of its own, and what one
    /// does must not depend on the others.
    static COARSE: &'static CachePadded = Box::leak(Box::new(CachePadded(AtomicU64::new(0))));
}

/// Keeps the coarse clock's word from sharing a cache line with something that is written more
/// often.
#[repr(align(128))]
struct CachePadded(AtomicU64);

/// The coarse clock.
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

/// The processor's counter.
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

/// Writes the processor's counter: on x86-64 as the two halves that it comes in, which takes an
/// instruction less than to put them together.
///
/// # Safety
/// `to` is valid for writes, and aligned to 8.
#[inline(always)]
pub(crate) unsafe fn write_counter(to: *mut u64) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        let (low, high): (u32, u32);
        // SAFETY: as in `counter`. `_rdtsc` answers a sum, of which the compiler does not see that
        // it could be stored in halves.
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

/// Whether the counter runs at one rate, whatever the processor does, and alike on all cores.
fn counter_is_even() -> bool {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use core::arch::x86_64::__cpuid;
        const INVARIANT_TSC: u32 = 1 << 8;
        let invariant = __cpuid(0x8000_0000).eax >= 0x8000_0007
            && __cpuid(0x8000_0007).edx & INVARIANT_TSC != 0;
        // The kernel falls back to one of these when it saw the counters of two cores disagree.
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

/// The monotonic clock in nanoseconds.
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

/// The wall clock in nanoseconds since the epoch.
pub(crate) fn wall_ns() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos() as i64,
        Err(before) => -(before.duration().as_nanos() as i64),
    }
}

/// A clock that a fast path of a log call can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FastClock {
    /// The processor's counter.
    Counter,
    /// The coarse clock.
    Coarse,
}

/// A clock that was found to work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TickSource {
    clock: Clock,
}

impl TickSource {
    /// The source for `clock`, or the monotonic clock where the counter cannot be trusted.
    pub(crate) fn new(clock: Clock) -> Self {
        let clock = match clock {
            Clock::Counter if !counter_is_even() => Clock::Monotonic,
            other => other,
        };
        Self { clock }
    }

    /// What the header page says.
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

    /// Whether reading it runs code of the program.
    pub(crate) fn is_custom(self) -> bool {
        matches!(self.clock, Clock::Custom(_))
    }

    /// The tick count for a record.
    pub(crate) fn stamp(self) -> u64 {
        match self.clock {
            Clock::Coarse => coarse(),
            _ => self.now(),
        }
    }

    /// The tick count now.
    pub(crate) fn now(self) -> u64 {
        match self.clock {
            Clock::Counter => counter(),
            // The coarse clock is the counter where that can be trusted, or else the monotonic
            // clock.
            Clock::Coarse if counter_is_even_cached() => counter(),
            Clock::Coarse | Clock::Monotonic => monotonic_ns(),
            Clock::Custom(now) => now(),
        }
    }

    /// For the consumer: a sweep begins. Returns the time of which all records that are older are
    /// in the rings by now, unless their threads were suspended between reading the clock and
    /// publishing.
    pub(crate) fn begin_sweep(self) -> u64 {
        let now = self.now();
        if let Clock::Coarse = self.clock {
            // What is stamped with the time of the sweep before may be published only now.
            // Relaxed: a time stamp orders nothing.
            return coarse_clock().swap(now, Ordering::Relaxed);
        }
        now
    }

    /// What the clocks show at one moment: the narrowest of a few attempts.
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

/// What the clocks showed at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Observation {
    pub(crate) ticks: u64,
    /// How many ticks reading the clocks took: the moment is uncertain by half of that.
    pub(crate) width: u64,
    pub(crate) wall_ns: i64,
    pub(crate) monotonic_ns: u64,
}

/// A duration in nanoseconds, at most `u64::MAX`.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}
