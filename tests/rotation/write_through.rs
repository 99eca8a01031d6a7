//! Critical records that their threads write to the side file, while the log is rotated: each is found once.

use std::collections::BTreeMap;
use std::time::Duration;

use kymo::{Clock, Keep, Level, Logger, Overflow, Rotation, WriteThrough, error, info};
use kymo_reader::{Event, Files, Options, Order};
use kymo_testing::logged::Turn;
use kymo_testing::stopping;

use crate::log::{assert_finished, entries, files, read};

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
    let logger = builder.clock(Clock::Custom(stopping::clock)).start().unwrap();
    let mut number = 0_u64;
    for _ in 0..TURNS {
        stopping::stop();
        info!("record {number}");
        number += 1;
        while !stopping::is_stopped() {
            std::thread::yield_now();
        }
        for _ in 0..CRITICAL {
            error!("record {number}");
            number += 1;
        }
        stopping::go_on();
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
