//! Delays at random: a thread that sends `SIGPROF` to the consumer, and now and then to any other
//! thread. The handler sleeps, wherever it has interrupted the thread: between two instructions, or in
//! a system call. So the soak sees a consumer that a slow disk or a busy processor holds up.
//!
//! The seed gives the lengths; when they come is up to the machine.

use std::fs;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;

/// What the next delay is drawn from. Never 0.
static STATE: AtomicU64 = AtomicU64::new(1);

/// How often the threads are looked for, in signals.
const LOOK_EVERY: u32 = 32;

/// Has threads delayed from now on.
pub fn begin(seed: u64) {
    STATE.store(seed | 1, Ordering::Relaxed);
    let handler: extern "C" fn(libc::c_int) = sleep;
    // SAFETY: an all-zero action is a value of this type.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: the action is whole, and its handler does nothing but what a handler may do.
    let failed = unsafe { libc::sigaction(libc::SIGPROF, &raw const action, ptr::null_mut()) };
    assert_eq!(failed, 0, "there is such a signal");
    std::thread::spawn(move || send(&mut Rng::with_seed(seed)));
}

/// Sends the signal for ever.
fn send(rng: &mut Rng) {
    let own = rustix::thread::gettid().as_raw_nonzero().get();
    loop {
        let threads = threads(own);
        for _ in 0..LOOK_EVERY {
            let consumers: Vec<_> = threads.iter().filter(|thread| thread.1).collect();
            let any = consumers.is_empty() || rng.u8(..8) == 0;
            let chosen = match any {
                true => rng.choice(&threads),
                false => rng.choice(consumers),
            };
            if let Some((thread, _)) = chosen {
                let process = std::process::id() as libc::c_int;
                // SAFETY: a call without pointers. The thread may have ended: then it fails.
                unsafe { libc::syscall(libc::SYS_tgkill, process, *thread, libc::SIGPROF) };
            }
            std::thread::sleep(Duration::from_micros(rng.u64(1..1_000)));
        }
    }
}

/// The numbers of the other threads, and whether each is a consumer's.
fn threads(own: i32) -> Vec<(i32, bool)> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    let numbers = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok());
    let others = numbers.filter(|number| *number != own);
    let is_consumer = |number: i32| {
        let name = fs::read_to_string(format!("/proc/self/task/{number}/comm"));
        name.is_ok_and(|name| name.trim_end() == "kymo-consumer")
    };
    others.map(|number| (number, is_consumer(number))).collect()
}

/// The handler: mostly some microseconds, sometimes some milliseconds.
extern "C" fn sleep(_signal: libc::c_int) {
    // SAFETY: always valid, for the calling thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { *errno };
    let random = next();
    let nanoseconds = match random % 64 {
        0 => random >> 8 & 0xFF_FFFF,
        1..8 => random >> 8 & 0xF_FFFF,
        _ => random >> 8 & 0x3_FFFF,
    };
    let time = libc::timespec { tv_sec: 0, tv_nsec: nanoseconds as libc::c_long };
    // SAFETY: valid for a read; the time that is left is not asked for.
    unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) };
    // SAFETY: as above.
    unsafe { *errno = saved };
}

/// A random number, by xorshift. (Two threads at once may get one number.)
fn next() -> u64 {
    let mut state = STATE.load(Ordering::Relaxed);
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    STATE.store(state, Ordering::Relaxed);
    state >> 3
}
