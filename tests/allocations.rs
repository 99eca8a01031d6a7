//! A log call in a prepared thread allocates nothing: neither the millionth of a call site nor the
//! first.

use std::alloc::{GlobalAlloc, Layout, System};
use std::borrow::Cow;
use std::cell::Cell;
use std::net::Ipv6Addr;
use std::time::Duration;

/// One logger at a time.
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: all calls are passed on to the system's allocator as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Debug)]
struct Order {
    #[allow(dead_code, reason = "read by `Debug`")]
    id: u64,
}

fn log_everything(round: u64) {
    let (text, list) = ("a string", [1.5, 2.5, 3.5]);
    kymo::info!("order {round} filled at {} for {text:>10}", 101.25 * round as f64);
    kymo::error!("no argument");
    kymo::warn!("{:?} {:?} {}", Some(round), list, Cow::Borrowed(text));
    kymo::debug!("{:?} {} {:?}", Duration::from_nanos(round), Ipv6Addr::LOCALHOST, (round, text));
    kymo::trace!("{} {:?}", kymo::as_display(round), kymo::as_debug(Order { id: round }));
    kymo::log!(kymo::Level::ALL[round as usize % 5], "a level at run time, {:p}", &raw const round);
    kymo::info!("{} {} {} {} {} {} {} {}", 1, 2, 3, 4, 5, 6, 7, round);
}

/// What a library logs, with a target that is made up.
fn log_through_log(round: u64, targets: &[String]) {
    log::info!(round, px = 101.25, user = "ann", order:? = Order { id: round }; "order {round}");
    log::warn!(target: &targets[round as usize % targets.len()], round; "constant");
}

/// How many allocations there are with the options that `choose` adds: in the first round, in all, and
/// for a record that is too long. Also what became of the records.
fn allocations(name: &str, choose: fn(kymo::Builder) -> kymo::Builder) -> ([u64; 3], kymo::Report) {
    let name = format!("kymo-allocations-{name}-{}.kymo", std::process::id());
    let path = std::env::temp_dir().join(name);
    let logger = choose(kymo::Logger::builder(&path)).start().unwrap();
    assert!(kymo::prepare_thread());

    let before = ALLOCATIONS.get();
    log_everything(0);
    let first = ALLOCATIONS.get() - before;
    for round in 1..20_000 {
        log_everything(round);
    }
    let all = ALLOCATIONS.get() - before;

    // What is too long takes the slow path, and allocates no more than the rest.
    let long = "x".repeat(100_000);
    let before_long = ALLOCATIONS.get();
    kymo::info!("{long}");
    let cut = ALLOCATIONS.get() - before_long;

    let report = logger.shutdown();
    std::fs::remove_file(&path).unwrap();
    ([first, all, cut], report)
}

/// A log call in a prepared thread allocates nothing.
#[test]
fn log_calls_do_not_allocate() {
    let _turn = TURN.lock().unwrap();
    let (allocations_of, report) = allocations("plain", |builder| builder);
    assert_eq!(allocations_of, [0, 0, 0]);
    assert_eq!((report.written, report.dropped, report.cut), (140_001, 0, 1));
    let (allocations_of, report) =
        allocations("overwriting", |builder| builder.overflow(kymo::Overflow::OverwriteOldest));
    assert_eq!(allocations_of, [0, 0, 0]);
    assert_eq!(report.written + report.dropped, 140_001);
    let recorder = |builder: kymo::Builder| builder.flight_recorder(kymo::Level::Error, 1 << 20);
    let (allocations_of, report) = allocations("flight", recorder);
    assert_eq!(allocations_of, [0, 0, 0]);
    assert_eq!((report.written, report.dropped), (0, 0));
}

/// Nor does a record of the crate `log`, when its statement has its call site.
#[test]
fn records_of_log_do_not_allocate() {
    let path =
        std::env::temp_dir().join(format!("kymo-allocations-log-{}.kymo", std::process::id()));
    let _turn = TURN.lock().unwrap();
    let logger = kymo::Logger::builder(&path).bridge_log(true).start().unwrap();
    assert!(kymo::prepare_thread());
    let targets: Vec<_> = (0..10).map(|n| format!("target-{n}")).collect();
    (0..10).for_each(|round| log_through_log(round, &targets));
    let before = ALLOCATIONS.get();
    (0..10_000).for_each(|round| log_through_log(round, &targets));
    assert_eq!(ALLOCATIONS.get() - before, 0);
    logger.shutdown();
    std::fs::remove_file(&path).unwrap();
}
