//! A clock that stops the consumer: what threads log meanwhile stays in their rings.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;

/// The consumer stops when it reads the clock.
static STOPS: AtomicBool = AtomicBool::new(false);
static IS_STOPPED: AtomicBool = AtomicBool::new(false);

/// The clock, for [`kymo::Clock::Custom`].
pub fn clock() -> u64 {
    let is_consumer = || std::thread::current().name() == Some("kymo-consumer");
    while STOPS.load(Ordering::Acquire) && is_consumer() {
        IS_STOPPED.store(true, Ordering::Release);
        std::thread::yield_now();
    }
    UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64
}

/// Has the consumer stop. It needs something to write for that.
pub fn stop() {
    IS_STOPPED.store(false, Ordering::Release);
    STOPS.store(true, Ordering::Release);
}

/// Whether the consumer has stopped since [`stop`].
pub fn is_stopped() -> bool {
    IS_STOPPED.load(Ordering::Acquire)
}

/// Has the consumer go on.
pub fn go_on() {
    STOPS.store(false, Ordering::Release);
}
