//! Files with dumps of flight recorders: what the commands make of them.

mod common;

use common::{Turn, kymo, run};
use kymo::{Level, debug, info};

/// 300 records: each third in the log, the others dumped in two parts, between which the log goes on.
fn with_dumps(turn: &Turn) -> std::path::PathBuf {
    let path = turn.path("flight.kymo");
    let builder = kymo::Logger::builder(&path).flight_recorder(Level::Debug, 64 << 10);
    let logger = builder.start().unwrap();
    for number in 0..300 {
        if number % 3 == 0 {
            info!("number {number}");
        } else {
            debug!("number {number}");
        }
        if number % 150 == 149 {
            assert!(logger.flush());
            assert_eq!(logger.dump_flight_recorder(), 100);
        }
    }
    logger.shutdown();
    path
}

fn numbers(out: &str) -> Vec<u32> {
    let number = |line: &str| line.rsplit_once(": number ")?.1.parse().ok();
    out.lines().filter_map(number).collect()
}

#[test]
fn dumps_are_shown_counted_and_checked() {
    let turn = Turn::take();
    let path = with_dumps(&turn);
    let shown = common::cat(&path).fine();
    assert!(numbers(&shown).into_iter().eq(0..300), "{shown}");
    let marks: Vec<_> = shown.lines().filter(|line| line.contains("-- ")).collect();
    assert_eq!(marks.len(), 4, "{marks:#?}");
    assert!(marks[0].contains("was dumped at ") && marks[0].contains("100 records, until "));
    assert!(marks[1].starts_with("-- here ends what the flight recorder of thread "));
    let stats = run(&[&"stats", &path]).fine();
    assert!(stats.contains("2 dumps of flight recorders, of 200 records in all"), "{stats}");
    let verified = run(&[&"verify", &path]).fine();
    assert!(verified.contains("300 records"), "{verified}");
    // Filters that leave marks leave these.
    let filtered = kymo(&[&"cat", &"--level", &"info", &path]).output().unwrap();
    assert!(numbers(&common::finished(filtered).out).into_iter().eq((0..300).step_by(3)));
}

#[test]
fn a_repaired_file_has_its_dumps_in_place() {
    let turn = Turn::take();
    let path = with_dumps(&turn);
    let mut bytes = std::fs::read(&path).unwrap();
    // Wherever the file is damaged, the rest is there, and in its place unless the mark is gone.
    let places: Vec<usize> = (4096..bytes.len()).step_by(61).collect();
    for (index, place) in places.into_iter().enumerate() {
        bytes[place] ^= 0x11;
        let damaged = turn.file(&format!("damaged-{index}.kymo"), &bytes);
        bytes[place] ^= 0x11;
        let repaired = turn.path(&format!("repaired-{index}.kymo"));
        let ran = run(&[&"repair", &damaged, &repaired]);
        assert!(repaired.exists(), "{ran:?}");
        let verified = run(&[&"verify", &repaired]);
        assert_eq!(verified.code, Some(0), "byte {place}: {verified:?}");
        let mut before = numbers(&run(&[&"cat", &"--order", &"written", &damaged]).out);
        let mut after = numbers(&common::cat(&repaired).out);
        let in_place = after.is_sorted();
        let marks = run(&[&"cat", &repaired]).out.matches(" was dumped at ").count();
        assert!(in_place || marks < 2, "byte {place}: {after:?}");
        before.sort_unstable();
        after.sort_unstable();
        assert_eq!(before, after, "byte {place}");
    }
}
