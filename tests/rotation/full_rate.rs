//! Numbered records from four threads at full rate, through a thousand rotations: none lost, none twice, none out of
//! order.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use kymo::{Builder, Clock, Keep, Logger, Overflow, Report, Rotation, info};
use kymo_testing::logged::Turn;

use crate::log::{assert_finished, numbers, read};

/// How often each log is rotated.
const ROTATIONS: u64 = 1_000;

const THREADS: usize = 4;

/// How many records a thread logs for each rotation, at most. All threads together fill more than a segment.
const PER_ROTATION: u64 = 4_000;

/// Logs in four threads until the log has been rotated so often; `each` is called in between.
pub fn log_through(logger: &Logger, rotations: u64, mut each: impl FnMut(u64)) -> Vec<u64> {
    let (stop, quota) = (AtomicBool::new(false), AtomicU64::new(PER_ROTATION));
    let logged: [AtomicU64; THREADS] = Default::default();
    thread::scope(|scope| {
        for (index, logged) in logged.iter().enumerate() {
            let (stop, quota) = (&stop, &quota);
            let life = move || {
                let mut number = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    // Or a slow machine would have to read billions.
                    if number == quota.load(Ordering::Relaxed) {
                        thread::sleep(Duration::from_micros(50));
                        continue;
                    }
                    info!("record {number} of some length {}", "x");
                    number += 1;
                }
                logged.store(number, Ordering::Relaxed);
            };
            let name = format!("thread {index}");
            thread::Builder::new().name(name).spawn_scoped(scope, life).unwrap();
        }
        let mut seen = 0;
        while seen <= rotations {
            let segments = logger.stats().segments;
            if segments == seen {
                thread::sleep(Duration::from_micros(50));
            }
            seen = segments;
            quota.store((segments + 1) * PER_ROTATION, Ordering::Relaxed);
            each(segments);
        }
        stop.store(true, Ordering::Relaxed);
    });
    logged.into_iter().map(AtomicU64::into_inner).collect()
}

fn assert_all(path: &Path, report: &Report, logged: &[u64]) {
    assert!(report.error.is_none(), "{report:?}");
    assert_eq!(report.dropped, 0, "{report:?}");
    assert_eq!(report.written, logged.iter().sum::<u64>());
    let segments = read(path);
    assert_finished(&segments);
    assert!(segments.len() as u64 > ROTATIONS, "{}", segments.len());
    let numbers = numbers(&segments);
    for (index, logged) in logged.iter().enumerate() {
        let found = &numbers[&format!("thread {index}")];
        assert_eq!(found.len() as u64, *logged, "of thread {index}");
        assert!(found.iter().copied().eq(0..*logged), "of thread {index}");
    }
}

fn builder(path: &Path, rotation: Rotation) -> Builder {
    let builder = Logger::builder(path).overflow(Overflow::Wait { timeout: None });
    builder.ring_capacity(16 << 10).rotate(rotation).keep(Keep::unlimited())
}

#[test]
fn nothing_is_lost_by_size() {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let logger = builder(&path, Rotation::size(64 << 10)).start().unwrap();
    let logged = log_through(&logger, ROTATIONS, |_| ());
    assert_all(&path, &logger.shutdown(), &logged);
}

#[test]
fn nothing_is_lost_on_request() {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let logger = builder(&path, Rotation::on_request()).map_window(4 << 20).start().unwrap();
    let logged = log_through(&logger, ROTATIONS, |_| logger.rotate().unwrap());
    assert_all(&path, &logger.shutdown(), &logged);
}

/// What the clock of the test shows.
static NOW_NS: AtomicU64 = AtomicU64::new(BEGUN_NS);

const BEGUN_NS: u64 = 1_796_018_220_000_000_000;

/// A clock that goes by itself a little with each look, and is set by the test.
pub fn now() -> u64 {
    NOW_NS.fetch_add(1, Ordering::Relaxed)
}

/// Sets that clock forward.
pub fn advance(by_ns: u64) {
    NOW_NS.fetch_add(by_ns, Ordering::Relaxed);
}

pub const HOUR_NS: u64 = 3_600_000_000_000;

/// By a clock of the test, which goes by hours, and with size and requests besides. (A segment in which nothing is goes
/// on past an hour.)
#[test]
fn nothing_is_lost_by_time_and_all_together() {
    let _turn = Turn::take();
    for mixed in [false, true] {
        NOW_NS.store(BEGUN_NS, Ordering::Relaxed);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.kymo");
        let hourly = Rotation::on_request().every(Duration::from_secs(3_600));
        let rotation = if mixed { hourly.or(Rotation::size(64 << 10)) } else { hourly };
        let builder = builder(&path, rotation).map_window(4 << 20).clock(Clock::Custom(now));
        let logger = builder.start().unwrap();
        let logged = log_through(&logger, ROTATIONS, |segments| {
            if mixed && segments % 3 == 0 {
                logger.rotate().unwrap();
            } else {
                advance(HOUR_NS);
            }
        });
        assert_all(&path, &logger.shutdown(), &logged);
    }
}
