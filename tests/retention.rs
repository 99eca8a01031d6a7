//! Retention: what a rotated log takes of the disk, looked at from outside, is never more than its limit, also while a
//! segment grows past its size because the next one is late.
#![cfg(target_os = "linux")]

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use kymo::{Keep, KeepError, Logger, Notice, Rotation, StartErrorKind};

/// The size of a segment.
const SIZE: u64 = 256 << 10;

/// What the log may take.
const LIMIT: u64 = 6 << 20;

/// A process has one logger at a time.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A regular file that has a name in a directory.
struct Found {
    bytes: u64,
    /// It is held as long as it is in a list. So another file cannot get its number meanwhile.
    _held: File,
}

/// The regular files of a directory, by number. One that has two names is there once.
type Files = HashMap<u64, Found>;

fn files(directory: &Path) -> Files {
    let mut found = HashMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        let held = File::options().read(true).custom_flags(flags).open(entry.unwrap().path());
        // It may be gone by now.
        let Ok(held) = held else { continue };
        let it = held.metadata().unwrap();
        if it.is_file() {
            let bytes = it.len().max(it.blocks() * 512);
            found.insert(it.ino(), Found { bytes, _held: held });
        }
    }
    found
}

/// The bytes of the files that are in both lists, so that all of them were there at one moment.
fn together<'a>(one: &'a Files, other: &'a Files) -> impl Iterator<Item = u64> + 'a {
    one.iter().filter_map(|(file, found)| Some(found.bytes.min(other.get(file)?.bytes)))
}

/// Looks at a directory again and again while `run` runs. Returns how often, the most bytes and the most files at once.
/// (The lock on the log, which is empty, is not counted.)
fn watch(directory: &Path, run: impl FnOnce()) -> (u64, u64, usize) {
    let mut last = files(directory);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut looks, mut most_bytes, mut most_files) = (0, 0, 0);
            while !done.load(Ordering::Acquire) {
                let now = files(directory);
                most_bytes = together(&last, &now).sum::<u64>().max(most_bytes);
                most_files =
                    together(&last, &now).filter(|bytes| *bytes > 0).count().max(most_files);
                (last, looks) = (now, looks + 1);
            }
            (looks, most_bytes, most_files)
        });
        run();
        done.store(true, Ordering::Release);
        watch.join().unwrap()
    })
}

/// How many bytes the log takes without any closed segment.
fn least(builder: &kymo::Builder) -> u64 {
    let error = builder.clone().keep(Keep::bytes(1)).start().unwrap_err();
    match *error.kind() {
        StartErrorKind::Keep(KeepError::Bytes { limit: 1, needed }) => needed,
        _ => panic!("{error}"),
    }
}

/// Logs at full rate until there have been so many segments.
fn log_until(logger: &Logger, segments: u64) {
    thread::scope(|scope| {
        for thread in 0..2 {
            scope.spawn(move || {
                while logger.stats().segments < segments {
                    for number in 0..1_000_u64 {
                        kymo::info!("thread {thread}: number {number}, {}", "and some text");
                    }
                }
            });
        }
    });
}

/// Also if the directory exceeded the limit before. From the end of `start` on.
#[test]
fn the_sum_of_all_files_never_exceeds_the_limit() {
    limit_holds(false, 400);
}

/// Compression makes a second file of each segment, and takes the first away.
#[test]
fn the_limit_holds_beside_compression() {
    limit_holds(true, 150);
}

/// `cargo test --release --test retention -- --ignored` takes half a minute.
#[test]
#[ignore = "a soak: the short ones above run with the others"]
fn soak() {
    limit_holds(true, 10_000);
}

fn limit_holds(compresses: bool, segments: u64) {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let builder = Logger::builder(&path).rotate(Rotation::size(SIZE));
    let logger = builder.clone().keep(Keep::unlimited()).start().unwrap();
    log_until(&logger, 60);
    logger.shutdown();
    let before: u64 = files(dir.path()).values().map(|found| found.bytes).sum();
    assert!(before > 2 * LIMIT, "{before}");

    let logger = builder.keep(Keep::bytes(LIMIT)).compress(compresses).start().unwrap();
    let (looks, most, _) = watch(dir.path(), || log_until(&logger, segments));
    let stats = logger.stats();
    // On a machine that does not let the housekeeper run for long, nothing may be left to delete. That is said.
    let is_held = most <= LIMIT || stats.limit_exceeded > 0;
    assert!(is_held, "{most} bytes at once, in {looks} looks: {stats:?}");
    assert!(most > LIMIT / 2 && looks > 10, "{most} bytes, {looks} looks");
    // Compressed segments are small, so more of them are kept.
    assert!(stats.segments_deleted > if compresses { 40 } else { 300 }, "{stats:?}");
    let report = logger.shutdown();
    assert!(report.error.is_none(), "{report:?}");
    println!("at most {most} bytes in {looks} looks: {stats:?}");
    // What is left are the last ones, without a gap.
    let name = kymo_files::segments::LogName::new(&path);
    let owner = kymo_files::derived::Owner::of(&fs::metadata(dir.path()).unwrap());
    let left: Vec<u64> = name.list(owner).unwrap().iter().map(|file| file.name.sequence).collect();
    assert!(left.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{left:?}");
}

/// Also if the directory had more before. However late the housekeeper is: there is no next segment before one went.
#[test]
fn there_are_never_more_files_than_the_limit() {
    const FILES: u64 = 5;
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let builder = Logger::builder(&path).rotate(Rotation::size(SIZE));
    let logger = builder.clone().keep(Keep::unlimited()).start().unwrap();
    log_until(&logger, 20);
    logger.shutdown();
    let logger = builder.keep(Keep::unlimited().files(FILES)).start().unwrap();
    let (looks, _, most) = watch(dir.path(), || log_until(&logger, 400));
    assert_eq!(most as u64, FILES, "at once, in {looks} looks");
    let report = logger.shutdown();
    assert!(report.error.is_none(), "{report:?}");
}

#[test]
fn a_limit_that_cannot_hold_is_an_error_that_says_what_is_needed() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let builder = Logger::builder(dir.path().join("app.kymo")).rotate(Rotation::size(SIZE));
    let needed = least(&builder);
    assert!(needed >= 2 * SIZE, "{needed}");
    let error = builder.clone().keep(Keep::bytes(needed - 1)).start().unwrap_err();
    assert!(error.to_string().contains(&needed.to_string()), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was made");
    let error = builder.clone().keep(Keep::unlimited().files(1)).start().unwrap_err();
    let kind = StartErrorKind::Keep(KeepError::Files { limit: 1, needed: 2 });
    assert_eq!(format!("{:?}", error.kind()), format!("{kind:?}"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was made");
    drop(builder.clone().keep(Keep::unlimited().files(2)).start().unwrap());
    // What it says is enough.
    drop(builder.keep(Keep::bytes(needed)).start().unwrap());
}

/// The numbers of the segments that a log says were deleted.
fn marks(log: &Path) -> Vec<u64> {
    let mut marked = Vec::new();
    for segment in kymo_reader::Log::find(log).unwrap().segments() {
        let mut reader = kymo_reader::Options::new().open(&segment.path).unwrap();
        while let Some(event) = reader.next_event().unwrap() {
            if let kymo_reader::Event::Deleted(it) = event {
                marked.extend(it.first..=it.last);
            }
        }
    }
    marked
}

/// Each segment that is gone was told of once, also those that are deleted while the logger ends. The log has a mark of
/// it.
#[test]
fn each_deleted_segment_is_told_once() {
    let _turn = turn();
    for segments in [3, 4, 5, 6, 7, 8, 9] {
        let directory = tempfile::tempdir().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let hook = told.clone();
        let logger = Logger::builder(directory.path().join("app.kymo"))
            .rotate(Rotation::size(SIZE))
            .keep(Keep::bytes(1 << 30).files(3))
            .on_notice(move |notice| {
                if let Notice::SegmentsDeleted { first, last, .. } = *notice {
                    hook.lock().unwrap().extend(first..=last);
                }
            })
            .start()
            .unwrap();
        log_until(&logger, segments);
        logger.shutdown();
        // `app.20261130T055700Z.000042.kymo`.
        let names = fs::read_dir(directory.path()).unwrap().map(|it| it.unwrap().file_name());
        let names = names.map(|name| name.into_string().unwrap());
        let there = names.filter_map(|name| name.split('.').nth(2)?.parse().ok());
        let mut there: Vec<u64> = there.collect();
        there.sort_unstable();
        let told = told.lock().unwrap().clone();
        assert_eq!(told, (1..there[0]).collect::<Vec<_>>(), "{there:?}");
        assert!(told.len() as u64 + 3 >= segments, "{told:?}");
        // The marks are in the segments since: that of the last one is there.
        if let Some(last) = told.last() {
            let marked = marks(&directory.path().join("app.kymo"));
            assert!(marked.contains(last), "{marked:?}, and {last} was deleted");
        }
    }
}
