//! A thread for whose ring there is no memory does not take the process down: what it logs is counted.

use kymo_testing::logged;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kymo::{Builder, Level, Notice, Overflow, info};
use logged::Turn;

/// Has no memory for large blocks while the calling thread's `SCARCE` says so.
struct Scarce;

thread_local! {
    static SCARCE: Cell<bool> = const { Cell::new(false) };
}

fn is_too_much(bytes: usize) -> bool {
    bytes >= 128 << 10 && SCARCE.get()
}

// SAFETY: what is answered is the system's, or that there is no memory.
unsafe impl GlobalAlloc for Scarce {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_too_much(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if is_too_much(size) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Scarce = Scarce;

/// A thread whose ring could not be allocated aborted the process.
fn a_thread_logs_when_there_is_memory(choose: fn(Builder) -> Builder) {
    static TOLD: AtomicU64 = AtomicU64::new(0);
    let turn = Turn::take();
    TOLD.store(0, Ordering::Relaxed);
    let hook = |notice: &Notice<'_>| {
        if let Notice::NoMemory { records } = notice {
            TOLD.fetch_add(*records, Ordering::Relaxed);
        }
    };
    let logger = choose(turn.builder().on_notice(hook)).start().unwrap();
    let unlogged = kymo::unlogged();
    std::thread::spawn(|| {
        SCARCE.set(true);
        info!("{}", 1);
        assert!(!kymo::prepare_thread());
        SCARCE.set(false);
        info!("{}", 2);
    })
    .join()
    .unwrap();
    assert_eq!(kymo::unlogged(), unlogged + 1);
    assert_eq!(logger.stats().ring_errors, 2);
    let deadline = Instant::now() + Duration::from_secs(60);
    while TOLD.load(Ordering::Relaxed) < 2 {
        assert!(Instant::now() < deadline, "nobody is told");
        std::thread::yield_now();
    }
    assert_eq!(logger.shutdown().written, 1);
    let log = turn.read();
    assert_eq!(log.messages(), ["2"]);
    assert!(log.warnings.iter().any(|warning| warning.message.contains("no memory")));
}

#[test]
fn no_memory_for_a_ring() {
    a_thread_logs_when_there_is_memory(|builder| builder);
}

#[test]
fn no_memory_for_a_flight_recorder() {
    a_thread_logs_when_there_is_memory(|builder| {
        builder.ring_capacity(4096).flight_recorder(Level::Debug, 1 << 20)
    });
}

#[test]
fn no_memory_for_a_ring_that_overwrites() {
    a_thread_logs_when_there_is_memory(|builder| {
        builder.overflow_at(Level::Info, Overflow::OverwriteOldest)
    });
}
