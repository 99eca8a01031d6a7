//! The processor's counter, as the harness reads it.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Reads the counter: what a log call with the hardware clock does too.
#[inline(always)]
pub fn read() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: every x86-64 processor has the instruction.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(target_arch = "aarch64")]
    {
        let ticks: u64;
        // SAFETY: reading the virtual counter changes nothing.
        unsafe {
            core::arch::asm!(
                "mrs {}, cntvct_el0",
                out(reg) ticks,
                options(nomem, nostack, preserves_flags),
            );
        }
        ticks
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        ORIGIN.elapsed().as_nanos() as u64
    }
}

/// Reads the counter after all earlier instructions have been executed, and before any later one:
/// to time the instructions between two of them.
#[inline(always)]
pub fn read_fenced() -> u64 {
    fence();
    let ticks = read();
    fence();
    ticks
}

#[inline(always)]
fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instruction.
    unsafe {
        core::arch::x86_64::_mm_lfence();
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the barrier changes nothing but the time.
    unsafe {
        core::arch::asm!("isb", options(nostack, preserves_flags));
    }
}

/// How many times the counter ticks in a nanosecond, compared with the monotonic clock once.
pub fn ticks_per_ns() -> f64 {
    static RATE: LazyLock<f64> = LazyLock::new(|| {
        let (start, ticks) = (Instant::now(), read_fenced());
        std::thread::sleep(Duration::from_millis(100));
        let passed = read_fenced() - ticks;
        passed as f64 / start.elapsed().as_nanos() as f64
    });
    *RATE
}

/// Ticks as nanoseconds.
pub fn ns(ticks: f64) -> f64 {
    ticks / ticks_per_ns()
}

/// Lets time pass without giving up the core.
#[inline]
pub fn spin_ticks(ticks: u64) {
    let start = read();
    while read().wrapping_sub(start) < ticks {
        std::hint::spin_loop();
    }
}
