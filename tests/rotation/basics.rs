//! What a rotated log looks like, how it goes on after a start, and what it refuses.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use kymo::{Logger, Rotation, RotationError, StartErrorKind, info};
use kymo_testing::logged::Turn;

use crate::log::{assert_finished, entries, files, linked, numbers, read, rotated};

fn log(from: u64, to: u64) {
    (from..to).for_each(|number| info!("record {number}"));
}

#[test]
fn segments_are_files_of_their_own() {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let logger = rotated(&path).start().unwrap();
    assert_eq!(logger.path(), path);
    log(0, 10);
    logger.rotate().unwrap();
    log(10, 15);
    logger.rotate().unwrap();
    // Nothing is in it: it goes on.
    logger.rotate().unwrap();
    assert_eq!(logger.stats().segments, 3);
    log(15, 20);
    let report = logger.shutdown();
    assert!(report.error.is_none(), "{report:?}");
    assert_eq!((report.written, report.dropped), (20, 0));
    let segments = read(&path);
    assert_finished(&segments);
    assert_eq!(segments.iter().map(|it| it.records()).collect::<Vec<_>>(), [10, 5, 5]);
    assert_eq!(segments[0].header.sequence, 1);
    assert_eq!(segments[0].header.previous, [0; 16]);
    for segment in &segments {
        let metadata = segment.path.metadata().unwrap();
        assert_eq!(metadata.mode() & 0o777, 0o600);
        assert_eq!(metadata.len(), segment.report.committed_bytes, "it is cut to its length");
    }
    // Link and segments, and nothing half made.
    assert_eq!(entries(dir.path()).len(), 4, "{:?}", entries(dir.path()));
}

/// Starts go on with the next number, and write over nothing.
#[test]
fn a_start_goes_on_with_the_next_number() {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/er/app.kymo");
    let builder = rotated(&path).mode(0o640);
    assert!(builder.clone().start().is_err(), "there is no directory");
    let builder = builder.make_directory(true);
    for start in 0..4 {
        let logger = builder.clone().start().unwrap();
        log(10 * start, 10 * start + 5);
        logger.rotate().unwrap();
        log(10 * start + 5, 10 * start + 10);
        assert_eq!(logger.shutdown().written, 10);
    }
    let segments = read(&path);
    assert_finished(&segments);
    assert_eq!(segments.len(), 8);
    assert!(segments.iter().all(|it| it.path.metadata().unwrap().mode() & 0o777 == 0o640));
    let numbers: Vec<u64> = numbers(&segments).into_values().flatten().collect();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
    // A killed process leaves what it had allocated: the next start cuts it off.
    let last = segments[7].path.metadata().unwrap().len();
    let file = fs::File::options().write(true).open(&segments[7].path).unwrap();
    file.set_len(last + (1 << 20)).unwrap();
    drop(builder.clone().start().unwrap());
    assert_eq!(segments[7].path.metadata().unwrap().len(), last);
    fs::remove_file(linked(&path)).unwrap();
    // The number goes on, even if the last segments are gone or nobody can read them.
    fs::remove_file(&segments[7].path).unwrap();
    fs::write(&segments[6].path, "garbage").unwrap();
    let logger = builder.start().unwrap();
    log(0, 1);
    drop(logger);
    let last = linked(&path);
    let files = files(&path);
    assert_eq!(files.last().unwrap().path, last);
    let header = files.last().unwrap().header.clone().unwrap();
    assert_eq!((header.log, header.sequence), (segments[0].header.log, 8));
    assert_eq!(header.previous, segments[5].header.segment);
}

/// A log that was one file is renamed, and its name becomes the link. An empty file is nothing.
#[test]
fn a_file_at_the_path_gives_way() {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let logger = Logger::builder(&path).start().unwrap();
    log(0, 3);
    drop(logger);
    let builder = rotated(&path);
    let logger = builder.clone().start().unwrap();
    log(3, 5);
    drop(logger);
    let old = crate::log::Segment::read(&dir.path().join("app.1.kymo"));
    assert_eq!((old.records(), old.header.sequence), (3, 0));
    assert_eq!(read(&path)[0].records(), 2);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    drop(builder.start().unwrap());
    assert_eq!(read(&path).len(), 2);
    assert_eq!(entries(dir.path()).len(), 4);
}

#[test]
fn wrong_options_and_paths_are_errors() {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let builder = || Logger::builder(&path).rotate(Rotation::size(1 << 20));
    let error = Logger::builder(&path).rotate(Rotation::size(1)).start().unwrap_err();
    let StartErrorKind::Rotation(RotationError::Size { .. }) = error.kind() else { panic!() };
    let error = builder().overwrite(true).start().unwrap_err();
    assert!(error.to_string().contains("overwrite"), "{error}");
    symlink("elsewhere", &path).unwrap();
    let error = builder().start().unwrap_err().to_string();
    assert!(error.contains("app.kymo") && error.contains("link"), "{error}");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    builder().start().unwrap_err();
    fs::remove_dir(&path).unwrap();
    assert_eq!(entries(dir.path()), [""; 0]);

    let logger = builder().start().unwrap();
    // A log that is one file does not take a segment for itself.
    drop(logger);
    let error = Logger::builder(&path).start().unwrap_err().to_string();
    assert!(error.contains("rotate"), "{error}");
    let logger = Logger::builder(dir.path().join("single.kymo")).start().unwrap();
    assert_eq!(logger.rotate().unwrap_err().kind(), std::io::ErrorKind::Unsupported);
}

/// Others may make files under the hidden names that a start and a rotation would take. These stay as they are, and
/// hinder nothing. What killed processes have left under such names goes.
#[test]
fn hidden_files_of_others_stay() {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let own = std::process::id();
    let mut others = Vec::new();
    for kind in ["next", "link"] {
        let name = format!(".app.kymo.{own}.{kind}");
        fs::create_dir(at(&name)).unwrap();
        others.push(name);
        let name = format!(".app.kymo.999999.{kind}");
        symlink("elsewhere", at(&name)).unwrap();
        others.push(name);
    }
    fs::write(at(".app.kymo.999998.next"), "left").unwrap();
    symlink("app.20261130T000000Z.000000.kymo", at(".app.kymo.999998.link")).unwrap();
    let path = at("app.kymo");
    for _ in 0..2 {
        let logger = rotated(&path).start().unwrap();
        log(0, 10);
        logger.rotate().unwrap();
        log(10, 20);
        let report = logger.shutdown();
        assert!(report.error.is_none(), "{report:?}");
    }
    others.sort();
    let hidden: Vec<_> = entries(dir.path()).into_iter().filter(|it| it.starts_with('.')).collect();
    assert_eq!(hidden, others);
    assert_eq!(read(&path).len(), 4);
}
