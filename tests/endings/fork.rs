//! `fork` in a program whose threads log.

use super::Named;
use super::process::{Dir, ROTATED, assert_code, read, run};
use std::sync::atomic::Ordering;

pub const TESTS: &[Named] = &[
    ("parent_and_children_keep_their_records_apart", fork),
    ("statistics_in_a_child_wait_for_nobody", stats),
    ("each_process_tells_what_it_has_suppressed", rates),
];

fn rates() {
    let dir = Dir::new();
    let output = run(&dir, "fork_rates");
    assert_code(&output, 0);
    let suppressed = |path: &std::path::Path| {
        let mut files = kymo_reader::Files::open([path], kymo_reader::Options::new).unwrap();
        let mut sum = 0;
        while let Some((_, event)) = files.next_event().unwrap() {
            if let kymo_reader::Event::Record(record) = event {
                sum += record.suppressed().unwrap_or(0);
            }
        }
        sum
    };
    assert_eq!(suppressed(&dir.log()), 5);
    assert_eq!(suppressed(&dir.log().with_extension("child.kymo")), 3);
}

fn stats() {
    let dir = Dir::new();
    let output = run(&dir, "fork_stats");
    assert_code(&output, 0);
    read(&dir.log()).assert_counts(&[("main", 1)]);
}

fn fork() {
    let dir = Dir::new();
    let output = run(&dir, "fork");
    assert_code(&output, 0);
    let log = read(&dir.log());
    log.assert_closed();
    log.assert_counts(&[("main", 105), ("one", 50_000), ("two", 50_000)]);
    let mut children = 0;
    for entry in std::fs::read_dir(&dir.0).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        // Segments of rotated logs are not logs.
        if ROTATED.load(Ordering::Relaxed) && entry.file_type().unwrap().is_file() {
            continue;
        }
        if path == dir.log() || path.extension() != dir.log().extension() {
            continue;
        }
        let log = read(&path);
        log.assert_closed();
        log.assert_counts(&[("grandchild", 500), ("main", 1_000)]);
        children += 1;
    }
    assert_eq!(children, 5);
}
