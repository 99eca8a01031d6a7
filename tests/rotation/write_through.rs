//! Critical records that their threads write to the side file, while the log is rotated: each is found once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use kymo::{Clock, Keep, Level, Logger, Overflow, Rotation, WriteThrough, error, info};
use kymo_reader::{Event, Files, Options, Order};
use kymo_testing::logged::Turn;

use crate::log::{assert_finished, entries, files, read};

/// The consumer stops when it reads the clock.
static STOPS: AtomicBool = AtomicBool::new(false);
static IS_STOPPED: AtomicBool = AtomicBool::new(false);

fn clock() -> u64 {
    let is_consumer = || std::thread::current().name() == Some("kymo-consumer");
    while STOPS.load(Ordering::Acquire) && is_consumer() {
        IS_STOPPED.store(true, Ordering::Release);
        std::thread::yield_now();
    }
    UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64
}

#[test]
fn each_segment_has_its_side_file() {
    const TURNS: u64 = 4;
    const CRITICAL: u64 = 5;
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let critical = WriteThrough::at(Level::Error).timeout(Duration::from_millis(1));
    let builder = Logger::builder(&path).rotate(Rotation::on_request()).keep(Keep::unlimited());
    let builder = builder.write_through(critical).overflow(Overflow::Wait { timeout: None });
    let logger = builder.clock(Clock::Custom(clock)).start().unwrap();
    let mut number = 0_u64;
    for _ in 0..TURNS {
        IS_STOPPED.store(false, Ordering::Release);
        STOPS.store(true, Ordering::Release);
        info!("record {number}");
        number += 1;
        while !IS_STOPPED.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        for _ in 0..CRITICAL {
            error!("record {number}");
            number += 1;
        }
        STOPS.store(false, Ordering::Release);
        logger.rotate().unwrap();
    }
    assert!(logger.stats().rescued >= TURNS * CRITICAL, "{:?}", logger.stats());
    let report = logger.shutdown();
    assert!(report.error.is_none(), "{report:?}");
    assert_finished(&read(&path));
    let side_files = entries(dir.path()).iter().filter(|name| name.contains(".rescue")).count();
    assert!(side_files as u64 >= TURNS, "{:?}", entries(dir.path()));
    let paths: Vec<_> = files(&path).into_iter().map(|file| file.path).collect();
    let mut found = BTreeMap::new();
    let mut files = Files::open(&paths, || Options::new().order(Order::Exact)).unwrap();
    while let Some((_, event)) = files.next_event().unwrap() {
        if let Event::Record(record) = event
            && record.target() != "kymo"
        {
            *found.entry(record.get::<u64>("number").unwrap()).or_insert(0) += 1;
        }
    }
    let expected: BTreeMap<u64, i32> = (0..number).map(|number| (number, 1)).collect();
    assert!(found == expected, "{} of {number}", found.len());
}
