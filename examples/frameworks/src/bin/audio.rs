//! A callback with a deadline, as audio drivers call it: it neither allocates nor calls the system, and its log calls
//! do not, either. Both are checked: the allocator counts, and the kernel kills the process at a system call.
//!
//! `cargo run -p kymo-frameworks --bin audio -- audio.kymo`

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kymo::{Logger, Overflow, debug, warn};
use kymo_frameworks::{Counting, allocations, forbid_system_calls};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const FRAMES: usize = 64;
const RATE_HZ: u64 = 48_000;
const DEADLINE: Duration = Duration::from_nanos(FRAMES as u64 * 1_000_000_000 / RATE_HZ);

/// What the driver calls for each buffer.
fn callback(call: u64, buffer: &mut [f32; FRAMES]) {
    let began = Instant::now();
    let mut peak = 0.0_f32;
    for (at, sample) in buffer.iter_mut().enumerate() {
        *sample = ((call as f32 + at as f32) * 0.05).sin();
        peak = peak.max(sample.abs());
    }
    debug!("call {call} peak {peak}");
    let took = began.elapsed();
    if took > DEADLINE {
        warn!("call {call} took {took:?}, beyond {DEADLINE:?}", DEADLINE = DEADLINE);
    }
}

/// How often the allocator was called in all callbacks. The greatest number: they are not done yet.
static ALLOCATED: AtomicU64 = AtomicU64::new(u64::MAX);

fn driver() {
    // Before the first callback: makes this thread's ring.
    kymo::prepare_thread();
    forbid_system_calls();
    let (mut buffer, before) = ([0.0; FRAMES], allocations());
    (0..2_000).for_each(|call| callback(call, &mut buffer));
    ALLOCATED.store(allocations() - before, Ordering::Release);
    // Its end would be a system call.
    loop {
        std::hint::spin_loop();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "audio.kymo".to_owned());
    // A full ring must not make the callback wait.
    let logger = Logger::builder(path).overflow(Overflow::DropNewest).start()?;
    thread::Builder::new().name("audio".to_owned()).spawn(driver)?;
    while ALLOCATED.load(Ordering::Acquire) == u64::MAX {
        thread::sleep(Duration::from_millis(1));
    }
    let report = logger.shutdown();
    let allocated = ALLOCATED.load(Ordering::Acquire);
    println!("{} written, {} dropped, {allocated} allocations", report.written, report.dropped);
    Ok(())
}
