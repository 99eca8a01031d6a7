//! What happens to a rotated log when its files and its disk are not left alone. Each story is a process of its own,
//! some with a small file system of their own.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kymo::{Builder, Keep, Logger, Notice, Overflow, Rotation, StartErrorKind, info};
use kymo_testing::namespace::small_disk;
use kymo_testing::stories;

use crate::log::{Segment, assert_finished, entries, files, linked, numbers, read};

stories! {
    a_removed_segment_is_replaced;
    a_moved_segment_is_ended;
    a_directory_that_is_gone_and_back;
    segments_that_cannot_be_made_are_told_once;
    a_full_disk_costs_no_record_but_those_that_are_counted on small_disk("size=12m");
    two_processes_in_one_directory;
    a_clock_that_is_set_back;
    limits_hold_from_the_start_on;
    a_segment_past_its_size_counts_as_it_is;
    a_hangup_rotates;
}

fn log(from: u64, to: u64) {
    (from..to).for_each(|number| info!("record {number}"));
}

/// Asks until it is so.
fn within_a_minute(mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing changed for a minute");
        std::thread::yield_now();
    }
}

fn builder(path: &Path, rotation: Rotation) -> Builder {
    let builder = Logger::builder(path).overflow(Overflow::Wait { timeout: None });
    builder.keep(Keep::unlimited()).rotate(rotation)
}

mod story {
    use super::*;

    pub fn a_removed_segment_is_replaced(place: &Path) {
        let path = place.join("app.kymo");
        let logger = builder(&path, Rotation::on_request()).start().unwrap();
        log(0, 10);
        assert!(kymo::flush());
        logger.rotate().unwrap();
        log(10, 15);
        assert!(kymo::flush());
        // Not by the link, which follows a moment later.
        let gone = files(&path).pop().unwrap().path;
        fs::remove_file(gone).unwrap();
        within_a_minute(|| {
            kymo::flush();
            logger.stats().segments == 3
        });
        log(15, 20);
        let report = logger.shutdown();
        assert_eq!((report.written, report.dropped), (15, 5), "{report:?}");
        let files = files(&path);
        assert_eq!(files.iter().map(|it| it.name.sequence).collect::<Vec<_>>(), [1, 3]);
        let segments: Vec<_> = files.iter().map(|file| Segment::read(&file.path)).collect();
        assert_eq!(segments.iter().map(Segment::records).collect::<Vec<_>>(), [10, 5]);
        // It says what is missing: a segment of this id, and these records.
        assert_ne!(segments[1].header.previous, segments[0].header.segment);
        let totals = segments[1].totals.unwrap();
        assert_eq!(totals.dropped, 5);
        let continued = segments[1].continued.unwrap();
        assert_eq!((continued.segments, continued.written), (1, 10));
    }

    pub fn a_moved_segment_is_ended(place: &Path) {
        let path = place.join("app.kymo");
        let logger = builder(&path, Rotation::on_request()).start().unwrap();
        log(0, 10);
        let moved = place.join("moved");
        fs::rename(linked(&path), &moved).unwrap();
        logger.reopen().unwrap();
        within_a_minute(|| {
            kymo::flush();
            logger.stats().segments == 2
        });
        // It still has its name: nothing is to be done.
        logger.reopen().unwrap();
        log(10, 15);
        let report = logger.shutdown();
        assert_eq!((report.written, report.dropped), (15, 0), "{report:?}");
        let (moved, last) = (Segment::read(&moved), read(&path).pop().unwrap());
        assert!(moved.report.is_whole() && moved.totals.is_some());
        assert_eq!((moved.records(), last.records()), (10, 5));
        assert_eq!((last.header.sequence, last.header.previous), (2, moved.header.segment));
    }

    pub fn a_directory_that_is_gone_and_back(place: &Path) {
        let (there, away) = (place.join("there"), place.join("away"));
        fs::create_dir(&there).unwrap();
        let path = there.join("app.kymo");
        let logger = builder(&path, Rotation::size(64 << 10)).start().unwrap();
        log(0, 100);
        logger.rotate().unwrap();
        fs::rename(&there, &away).unwrap();
        let error = logger.rotate().and_then(|()| logger.rotate());
        // Nothing was in it, or it could not be.
        assert!(error.is_ok() || error.unwrap_err().kind() == std::io::ErrorKind::NotFound);
        log(100, 50_000);
        assert!(kymo::flush(), "the old segment goes on");
        logger.rotate().unwrap_err();
        fs::rename(&away, &there).unwrap();
        within_a_minute(|| logger.rotate().is_ok());
        log(50_000, 50_010);
        logger.rotate().unwrap();
        let stats = logger.stats();
        assert!(stats.rotation_errors > 0 && stats.segments_late > 0, "{stats:?}");
        let report = logger.shutdown();
        assert_eq!((report.written, report.dropped), (50_010, 0));
        let segments = read(&path);
        assert_finished(&segments);
        let found: Vec<u64> = numbers(&segments).into_values().flatten().collect();
        assert_eq!(found, (0..50_010).collect::<Vec<_>>());
    }

    /// Files may not be as long as a segment that is prepared, but the current one still has room.
    pub fn segments_that_cannot_be_made_are_told_once(place: &Path) {
        let path = place.join("app.kymo");
        let told = Arc::new(AtomicU64::new(0));
        let tell = told.clone();
        let builder = builder(&path, Rotation::size(1 << 20)).on_notice(move |notice| {
            if let Notice::RotationFailed { error } = notice {
                assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
                tell.fetch_add(1, Ordering::Relaxed);
            }
        });
        let logger = builder.start().unwrap();
        log(0, 10);
        // Two are there: the current one, and the one that is prepared.
        logger.rotate().unwrap();
        log(10, 20);
        let limit = |bytes| {
            let it = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
            // SAFETY: the pointer is to a limit.
            assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const it) }, 0);
        };
        limit(32 << 10);
        let mut logged = 20;
        within_a_minute(|| {
            log(logged, logged + 10);
            logged += 10;
            kymo::flush();
            logger.rotate().is_err()
        });
        for _ in 0..3 {
            logger.rotate().unwrap_err();
        }
        within_a_minute(|| told.load(Ordering::Relaxed) > 0);
        log(logged, logged + 10);
        limit(libc::RLIM_INFINITY);
        logger.rotate().unwrap();
        assert_eq!(told.load(Ordering::Relaxed), 1);
        assert!(logger.stats().rotation_errors >= 4);
        let report = logger.shutdown();
        assert_eq!((report.written, report.dropped), (logged + 10, 0));
        let segments = read(&path);
        assert_finished(&segments);
        let warnings: usize = segments.iter().map(|it| it.warnings.len()).sum();
        assert_eq!(warnings, 1);
        let found: Vec<u64> = numbers(&segments).into_values().flatten().collect();
        assert_eq!(found, (0..logged + 10).collect::<Vec<_>>());
    }

    pub fn a_full_disk_costs_no_record_but_those_that_are_counted(place: &Path) {
        let path = place.join("app.kymo");
        let logger = builder(&path, Rotation::size(2 << 20)).start().unwrap();
        let mut logged = 0;
        let mut log_until = |flushes: bool| {
            within_a_minute(|| {
                log(logged, logged + 1_000);
                logged += 1_000;
                kymo::flush() == flushes
            });
        };
        log_until(false);
        let full = files(&path).len();
        assert!(full >= 3, "{full}");
        // Somebody makes room.
        let first = &files(&path)[0];
        let lost = Segment::read(&first.path).records();
        fs::remove_file(&first.path).unwrap();
        log_until(true);
        log_until(true);
        let report = logger.shutdown();
        assert_eq!(report.written + report.dropped, logged, "{report:?}");
        assert!(report.dropped > 0);
        let segments: Vec<_> = files(&path).iter().map(|it| Segment::read(&it.path)).collect();
        assert!(segments.len() >= full - 1, "{}", segments.len());
        let found: u64 = segments.iter().map(Segment::records).sum();
        assert_eq!(found + lost, report.written);
        assert!(segments.iter().all(|it| it.report.is_whole()));
        let found: Vec<u64> = numbers(&segments).into_values().flatten().collect();
        assert!(found.is_sorted_by(|a, b| a < b));
        let last = segments.last().unwrap();
        let (before, totals) = (last.continued.unwrap(), last.totals.unwrap());
        assert_eq!(before.dropped + totals.dropped - own_drops(&segments), report.dropped);
        assert_eq!(before.written + totals.written - before.own, report.written + own(last));
    }

    fn own(segment: &Segment) -> u64 {
        segment.warnings.len() as u64
    }

    /// kymo's own records that were dropped are in the totals, and in no report.
    fn own_drops(segments: &[Segment]) -> u64 {
        segments.iter().map(|it| it.own_drops).sum()
    }

    pub fn two_processes_in_one_directory(place: &Path) {
        let path = place.join("app.kymo");
        let logger = builder(&path, Rotation::on_request()).start().unwrap();
        log(0, 10);
        // SAFETY: the child starts a logger, and ends without leaving this function.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let error = builder(&path, Rotation::on_request()).start().unwrap_err();
            let is_in_use = matches!(error.kind(), StartErrorKind::InUse(_));
            let own = builder(&path, Rotation::on_request()).pid_in_name(true).start().unwrap();
            log(0, 5);
            own.rotate().unwrap();
            log(5, 7);
            let report = own.shutdown();
            let is_right = is_in_use && report.written == 7;
            // SAFETY: ends the process at once.
            unsafe { libc::_exit(if is_right { 0 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: the pointer is to a number.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        logger.rotate().unwrap();
        log(10, 12);
        assert_eq!(logger.shutdown().written, 12);
        let segments = read(&path);
        assert_finished(&segments);
        assert_eq!(segments.iter().map(Segment::records).collect::<Vec<_>>(), [10, 2]);
        let others = read(&place.join(format!("app.{child}.kymo")));
        assert_finished(&others);
        assert_eq!(others.iter().map(Segment::records).collect::<Vec<_>>(), [5, 2]);
        assert_ne!(others[0].header.log, segments[0].header.log);
        assert_eq!(entries(place).len(), 6, "{:?}", entries(place));
    }

    /// Sorted by name is sorted by time, whatever becomes of the clock.
    pub fn a_clock_that_is_set_back(place: &Path) {
        static NOW_NS: AtomicU64 = AtomicU64::new(0);
        const HOUR_NS: u64 = 3_600_000_000_000;
        fn now() -> u64 {
            NOW_NS.load(Ordering::Relaxed)
        }
        let path = place.join("app.kymo");
        let hourly = Rotation::on_request().every(Duration::from_secs(3_600));
        let start = || {
            let builder = builder(&path, hourly.clone()).clock(kymo::Clock::Custom(now));
            builder.start().unwrap()
        };
        let mut at = 500_000 * HOUR_NS + HOUR_NS / 2;
        NOW_NS.store(at, Ordering::Relaxed);
        let mut logger = start();
        let (mut number, mut segments) = (0, 1);
        // In half hours: on, far on, back, and on again.
        for (step, rotates) in
            [(1, true), (1, false), (48, true), (-60, false), (2, true), (1, true)]
        {
            at = at.wrapping_add_signed(step * HOUR_NS as i64 / 2);
            log(number, number + 3);
            assert!(kymo::flush());
            NOW_NS.store(at, Ordering::Relaxed);
            if rotates {
                segments += 1;
            }
            within_a_minute(|| {
                kymo::flush();
                logger.stats().segments >= segments
            });
            log(number + 3, number + 5);
            number += 5;
            assert!(kymo::flush());
            // A start takes the last segment's time, too.
            if step == -60 {
                drop(logger);
                logger = start();
                segments = 1;
            }
        }
        drop(logger);
        let segments = read(&path);
        assert_finished(&segments);
        let found: Vec<u64> = numbers(&segments).into_values().flatten().collect();
        assert_eq!(found, (0..number).collect::<Vec<_>>());
    }

    /// The limits were looked at once a minute while a segment went on past its size.
    pub fn a_segment_past_its_size_counts_as_it_is(place: &Path) {
        const MIB: u64 = 1 << 20;
        let path = place.join("app.kymo");
        let fill = |bytes: u64| (0..bytes / 1_024).for_each(|_| info!("{}", "x".repeat(1_024)));
        let builder = builder(&path, Rotation::on_request()).map_window(4 << 20);
        let logger = builder.keep(Keep::bytes(24 * MIB)).start().unwrap();
        for _ in 0..4 {
            fill(2 * MIB);
            logger.rotate().unwrap();
        }
        assert_eq!(files(&path).len(), 5);
        // Nobody asks for another segment.
        fill(14 * MIB);
        within_a_minute(|| {
            fill(1);
            let files = files(&path);
            let taken: u64 = files.iter().map(|file| file.disk_bytes).sum();
            taken <= 24 * MIB && files[0].name.sequence > 1
        });
        assert_eq!(logger.stats().segments, 5);
    }

    pub fn limits_hold_from_the_start_on(place: &Path) {
        let path = place.join("app.kymo");
        let logger = builder(&path, Rotation::on_request()).map_window(4 << 20).start().unwrap();
        for segment in 0..10 {
            log(segment * 10, segment * 10 + 10);
            logger.rotate().unwrap();
        }
        drop(logger);
        let before = files(&path);
        assert_eq!(before.len(), 11);
        let told = Arc::new(AtomicU64::new(0));
        let tell = told.clone();
        // With the one that is prepared.
        let builder = builder(&path, Rotation::on_request()).keep(Keep::unlimited().files(5));
        let builder = builder.on_notice(move |notice| {
            if let Notice::SegmentsDeleted { .. } = notice {
                tell.fetch_add(1, Ordering::Relaxed);
            }
        });
        let logger = builder.clone().start().unwrap();
        assert_eq!(files(&path).len(), 4);
        for segment in 10..20 {
            log(segment * 10, segment * 10 + 10);
            logger.rotate().unwrap();
            within_a_minute(|| files(&path).len() <= 4);
        }
        within_a_minute(|| told.load(Ordering::Relaxed) == 11);
        let stats = logger.stats();
        assert_eq!(stats.segments_deleted, 8 + 10, "{stats:?}");
        assert!(stats.bytes_deleted >= 18 * 4_096);
        drop(logger);
        let segments = read(&path);
        assert_eq!(segments.len(), 4);
        // What was deleted meanwhile is said in the segments that are left.
        let deleted: Vec<_> = segments.iter().flat_map(|it| &it.deleted).collect();
        assert!(!deleted.is_empty() && deleted.iter().all(|it| it.first == it.last));
        let error = builder.keep(Keep::bytes(1 << 20)).start().unwrap_err();
        assert!(matches!(error.kind(), StartErrorKind::Keep(_)), "{error}");
        assert_eq!(files(&path).len(), 4, "an error changes nothing");
    }

    pub fn a_hangup_rotates(place: &Path) {
        let path = place.join("app.kymo");
        let builder = builder(&path, Rotation::on_request()).on_hangup(kymo::Hangup::Rotate);
        let logger = builder.start().unwrap();
        for turn in 0..5 {
            log(10 * turn, 10 * turn + 10);
            assert!(kymo::flush());
            let own = std::process::id().cast_signed();
            // SAFETY: a call without pointers.
            assert_eq!(unsafe { libc::kill(own, libc::SIGHUP) }, 0);
            within_a_minute(|| logger.stats().segments == turn + 2);
        }
        assert_eq!(logger.shutdown().written, 50);
        let segments = read(&path);
        assert_finished(&segments);
        let records: Vec<_> = segments.iter().map(Segment::records).collect();
        assert_eq!(records, [10, 10, 10, 10, 10, 0]);
    }
}
