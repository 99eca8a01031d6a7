//! Four threads at full rate, through rotations for all reasons, while segments are compressed and deleted. A second
//! process does that in the same directory. Each record is there once and in order, or the log says that it was
//! deleted.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kymo::{Clock, Keep, Logger, Notice, Overflow, Rotation, info};
use kymo_testing::logged::Turn;

use crate::full_rate::{HOUR_NS, advance, log_through, now};
use crate::log::{Segment, assert_segments, entries, files, numbers, read};

const PLACE: &str = "KYMO_BESIDE";
const ROTATIONS: &str = "KYMO_BESIDE_ROTATIONS";

/// So many segments are kept, the current one and the prepared one included.
const FILES: u64 = 30;

/// The second process.
#[test]
#[ignore = "run by the other tests, as a process of its own"]
fn child() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let rotations = std::env::var(ROTATIONS).unwrap().parse().unwrap();
    story(&Path::new(&place).join("other.kymo"), rotations);
}

/// Logs through so many rotations, and compares the numbers with what the log and the logger say of it.
fn story(path: &Path, rotations: u64) {
    let hourly = Rotation::on_request().every(Duration::from_secs(3_600));
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook = told.clone();
    let logger = Logger::builder(path)
        .overflow(Overflow::Wait { timeout: None })
        .ring_capacity(16 << 10)
        .map_window(4 << 20)
        .clock(Clock::Custom(now))
        .rotate(hourly.or(Rotation::size(64 << 10)))
        .keep(Keep::bytes(1 << 30).files(FILES))
        .compress(true)
        .on_notice(move |notice| {
            if let Notice::SegmentsDeleted { first, last, .. } = *notice {
                hook.lock().unwrap().extend(first..=last);
            }
        })
        .start()
        .unwrap();
    let logged = log_through(&logger, rotations, |segments| match segments % 3 {
        0 => logger.rotate().unwrap(),
        1 => advance(HOUR_NS),
        _ => {}
    });
    // The thread that compresses has the lowest priority, and may be late. What it did is known after a rotation.
    let mut after = 0_u64;
    while !files(path).iter().any(|file| file.name.is_compressed)
        || logger.stats().segments_compressed == 0
    {
        info!("record {number}", number = after);
        after += 1;
        logger.rotate().unwrap();
    }
    let stats = logger.stats();
    let report = logger.shutdown();
    assert!(report.error.is_none(), "{report:?}");
    let all: u64 = logged.iter().sum::<u64>() + after;
    assert_eq!((report.written, report.dropped), (all, 0), "{report:?}");

    let segments = read(path);
    assert_segments(&segments);
    let first = &segments[0];
    let deleted = first.header.sequence - 1;
    assert!(deleted > rotations / 2 && segments.len() as u64 <= FILES, "{deleted} deleted");
    let told = told.lock().unwrap().clone();
    assert_eq!(told, (1..=deleted).collect::<Vec<_>>(), "each is told, once");
    // Marks are in the segments since. So that of the last one is there, and each says no more than is true.
    let marks: Vec<u64> = segments
        .iter()
        .flat_map(|segment| &segment.deleted)
        .flat_map(|it| it.first..=it.last)
        .collect();
    assert!(marks.last() == Some(&deleted) && marks.is_sorted(), "{marks:?} of {deleted}");

    // What is there are the last numbers of each thread, in order. What is missing before is what the oldest segment
    // says of those before it.
    let mut missing = 0;
    let found = numbers(&segments);
    let names = (0..logged.len()).map(|index| format!("thread {index}"));
    let of_main = std::thread::current().name().unwrap_or_default().to_owned();
    for (name, logged) in names.zip(&logged).chain([(of_main, &after)]) {
        let numbers = found.get(&name).map_or(&[][..], Vec::as_slice);
        let gone = logged - numbers.len() as u64;
        assert!(numbers.iter().copied().eq(gone..*logged), "{name}: {gone} of {logged} are gone");
        missing += gone;
    }
    let before = first.continued.unwrap();
    assert_eq!(before.written - before.own, missing, "{before:?}");
    assert_eq!((before.segments, before.dropped), (deleted, 0), "{before:?}");
    // The reader of the whole log says so, too.
    let log = kymo_reader::Log::find(path).unwrap();
    assert_eq!(log.missing().count(), 0, "that the oldest were deleted is no gap");
    let mut reader = log.open(kymo_reader::Options::new()).unwrap();
    let mut records = 0;
    while let Some(event) = reader.next_event().unwrap() {
        let is_of_program = |it: &kymo_reader::Record<'_>| it.target() != "kymo";
        records += u64::from(matches!(event, kymo_reader::Event::Record(it) if is_of_program(&it)));
    }
    assert_eq!(records + missing, all);
    let compressed = segments.iter().filter(|it| it.path.extension().is_some_and(|it| it == "zst"));
    println!(
        "{}: {all} records, {missing} of them deleted with {deleted} segments; {} are left, {} of them compressed; {}",
        path.display(),
        segments.len(),
        compressed.count(),
        format_args!(
            "{} were compressed, {} came late",
            stats.segments_compressed, stats.segments_late
        ),
    );
}

fn two_processes(rotations: u64) {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["beside::child", "--exact", "--ignored", "--nocapture"])
        .env(PLACE, dir.path())
        .env(ROTATIONS, rotations.to_string())
        .spawn()
        .unwrap();
    let path = dir.path().join("app.kymo");
    story(&path, rotations);
    assert!(other.wait().unwrap().success(), "the other process");
    // Neither has touched what is the other's, and nothing hidden is left.
    let mut expected: Vec<String> = Vec::new();
    for name in ["app.kymo", "other.kymo"] {
        let segments: Vec<Segment> = read(&dir.path().join(name));
        let files = segments.iter().map(|it| it.path.file_name().unwrap().to_str().unwrap());
        expected.extend(files.map(ToOwned::to_owned));
        expected.push(name.to_owned());
    }
    expected.sort();
    assert_eq!(entries(dir.path()), expected);
}

#[test]

fn nothing_is_lost_but_what_was_deleted() {
    two_processes(100);
}

/// `cargo test --release --test rotation -- beside::a_thousand --ignored --nocapture` says what there was.
#[test]
#[ignore = "takes minutes: the short one above runs with the others"]
fn a_thousand_rotations() {
    two_processes(1_000);
}
