//! Closed segments are compressed while the log goes on, by a thread of the lowest priority. Nothing is lost by it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use kymo::{Keep, Logger, Rotation, StartErrorKind, info};
use kymo_testing::logged::Turn;

use crate::log::{assert_finished, entries, files, numbers, read, rotated};

/// Rotates until all segments before the current one are compressed: each rotation looks for them. Returns how many
/// records were logged.
fn until_compressed(logger: &Logger, path: &Path, from: u64) -> u64 {
    let begun = Instant::now();
    let mut next = from;
    loop {
        for _ in 0..200 {
            info!("record {number}", number = next);
            next += 1;
        }
        logger.rotate().unwrap();
        let stats = logger.stats();
        assert_eq!(stats.rotation_errors, 0);
        let files = files(path);
        let left = files.iter().filter(|file| !file.name.is_compressed).count();
        if left <= 2 && stats.segments_compressed >= 3 {
            return next;
        }
        // The thread may not run for long on a busy machine.
        assert!(begun.elapsed() < Duration::from_secs(1_000), "{stats:?}");
        std::thread::yield_now();
    }
}

#[test]
fn closed_segments_are_compressed() {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let builder = rotated(&path).compress(true).mode(0o640);
    let mut logged = 0;
    for _ in 0..2 {
        let logger = builder.clone().start().unwrap();
        logged = until_compressed(&logger, &path, logged);
        let stats = logger.stats();
        assert!(stats.bytes_saved > 0, "{stats:?}");
        let report = logger.shutdown();
        assert!(report.error.is_none(), "{report:?}");
    }
    let segments = read(&path);
    assert_finished(&segments);
    let expected: Vec<u64> = (0..logged).collect();
    assert_eq!(numbers(&segments).into_values().collect::<Vec<_>>(), [expected]);
    // Each once, and nothing half made.
    let names = entries(dir.path());
    assert_eq!(names.len(), segments.len() + 1, "{names:?}");
    for segment in &segments {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(segment.path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }
    assert!(names.iter().filter(|name| name.ends_with(".kymo.zst")).count() >= 6);
}

/// A segment that cannot be compressed stays, and is told.
#[test]
fn what_cannot_be_compressed_stays() {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let logger = rotated(&path).start().unwrap();
    info!("record {number}", number = 0_u64);
    logger.rotate().unwrap();
    logger.shutdown();
    let first = files(&path)[0].path.clone();
    let taken = kymo_files::segments::LogName::compressed(&first);
    fs::write(&taken, "somebody else's").unwrap();
    let builder = rotated(&path).compress(true);
    let logger = builder.start().unwrap();
    let begun = Instant::now();
    for number in 1.. {
        info!("record {number}", number = number as u64);
        logger.rotate().unwrap();
        if logger.stats().rotation_errors > 0 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(1_000));
        std::thread::yield_now();
    }
    let report = logger.shutdown();
    assert!(report.error.unwrap().to_string().contains("has another content"));
    assert!(first.exists());
    assert_eq!(fs::read(&taken).unwrap(), b"somebody else's");
}

#[test]
fn compression_needs_rotation_and_room() {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let error = Logger::builder(&path).compress(true).start().unwrap_err();
    assert!(matches!(error.kind(), StartErrorKind::Option { name: "compress", .. }), "{error}");
    // Two segments have room, but not three.
    let builder = Logger::builder(&path).rotate(Rotation::size(1 << 20)).keep(Keep::bytes(5 << 20));
    builder.clone().start().unwrap().shutdown();
    let error = builder.compress(true).start().unwrap_err();
    assert!(matches!(error.kind(), StartErrorKind::Keep(_)), "{error}");
}
