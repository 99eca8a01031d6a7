//! A closed segment is replaced by a compressed one, or stays as it was.
#![cfg(unix)]

mod common;

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use common::{Shape, compressed, segment};
use kymo_files::derived::Owner;
use kymo_files::lock::lock;
use kymo_files::segments::LogName;
use kymo_zstd::{Compression, Problem, Seekable, compress_segment, sweep};

struct Place {
    dir: tempfile::TempDir,
    path: PathBuf,
    to: PathBuf,
    temporary: PathBuf,
    segment: Vec<u8>,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = LogName::new(&dir.path().join("app.kymo")).segment(1_796_018_220, 42);
        let to = LogName::compressed(&path);
        let temporary = LogName::compressing(&to);
        let segment = segment(&Shape::long());
        fs::write(&path, &segment).unwrap();
        Self { dir, path, to, temporary, segment }
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn compress(&self) -> Result<kymo_zstd::Compressed, Problem> {
        compress_segment(&self.path, Compression::default()).map_err(|error| error.problem)
    }

    fn assert_original(&self) {
        assert_eq!(self.names(), [name_of(&self.path)]);
        assert!(fs::read(&self.path).unwrap() == self.segment);
    }

    fn assert_compressed(&self) {
        assert_eq!(self.names(), [name_of(&self.to)]);
        assert!(decompressed(&self.to) == self.segment);
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn decompressed(path: &Path) -> Vec<u8> {
    let mut reader = Seekable::open(File::open(path).unwrap()).unwrap();
    let mut bytes = vec![0; reader.len() as usize];
    let mut at = 0;
    while at < bytes.len() {
        at += reader.read_at(at as u64, &mut bytes[at..]).unwrap();
    }
    bytes
}

#[test]
fn a_closed_segment_is_replaced() {
    let place = Place::new();
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o640)).unwrap();
    let before = fs::metadata(&place.path).unwrap();
    let mut steps = Vec::new();
    let compression = Compression::default().level(9).go_on(|done, all| {
        steps.push((done, all));
        true
    });
    let done = compress_segment(&place.path, compression).unwrap();
    let after = fs::metadata(&place.to).unwrap();
    assert_eq!(done.path, place.to);
    assert_eq!((done.bytes_before, done.bytes_after), (before.len(), after.len()));
    assert!(after.len() < before.len());
    assert_eq!(
        (after.mode(), after.uid(), after.gid()),
        (before.mode(), before.uid(), before.gid())
    );
    assert_eq!(after.modified().unwrap(), before.modified().unwrap());
    place.assert_compressed();
    assert!(steps.is_sorted() && steps.iter().all(|step| step.1 == 2 * before.len()));
    assert_eq!(steps.last().unwrap().0, 2 * before.len());
}

/// A log that is being written has a lock.
#[test]
fn a_locked_segment_stays() {
    let place = Place::new();
    let file = File::open(&place.path).unwrap();
    lock(&file).unwrap();
    assert!(matches!(place.compress(), Err(Problem::InUse)));
    place.assert_original();
    drop(file);
    place.compress().unwrap();
    place.assert_compressed();
}

/// Somebody begins to write, or moves the file, while it is compressed.
#[test]
fn a_segment_that_changes_stays() {
    /// What happens, and how it is told.
    type Change = (fn(&Place), fn(&Problem) -> bool);
    let changes: [Change; 4] = [
        (
            |place| drop(File::options().append(true).open(&place.path).unwrap().set_len(5_000)),
            |it| matches!(it, Problem::Changed | Problem::Io(_)),
        ),
        (
            |place| fs::rename(&place.path, place.dir.path().join("moved")).unwrap(),
            |it| matches!(it, Problem::Changed),
        ),
        (
            |place| {
                let file = File::open(&place.path).unwrap();
                lock(&file).unwrap();
                // It stays open, and so locked.
                std::mem::forget(file);
            },
            |it| matches!(it, Problem::InUse),
        ),
        (|place| fs::write(&place.to, "another's").unwrap(), |it| matches!(it, Problem::Exists)),
    ];
    for (change, is_expected) in changes {
        for at in [1, 3, 6] {
            let place = Place::new();
            let mut calls = 0;
            let compression = Compression::default().go_on(|_, _| {
                calls += 1;
                if calls == at {
                    change(&place);
                }
                true
            });
            let error = compress_segment(&place.path, compression).unwrap_err();
            assert!(is_expected(&error.problem), "{error}");
            assert!(!place.temporary.exists(), "{error}");
            assert!(place.path.exists() || place.dir.path().join("moved").exists());
            assert!(!place.to.exists() || fs::read(&place.to).unwrap() == b"another's");
        }
    }
}

#[test]
fn work_can_be_stopped_at_each_block() {
    let place = Place::new();
    for last in 0.. {
        let mut calls = 0;
        let compression = Compression::default().go_on(|_, _| {
            calls += 1;
            calls <= last
        });
        match compress_segment(&place.path, compression) {
            Ok(_) => {
                assert!(last > 6);
                break;
            }
            Err(error) => assert!(matches!(error.problem, Problem::Stopped), "{error}"),
        }
        place.assert_original();
    }
    place.assert_compressed();
}

#[test]
fn what_is_no_closed_segment_stays() {
    let place = Place::new();
    fs::write(&place.path, "no log").unwrap();
    assert!(matches!(place.compress(), Err(Problem::NotALog)));
    fs::write(&place.path, compressed(&place.segment, 1)).unwrap();
    assert!(matches!(place.compress(), Err(Problem::Compressed)));
    let unclosed = segment(&Shape { end: 0, ..Shape::long() });
    fs::write(&place.path, &unclosed).unwrap();
    assert!(matches!(place.compress(), Err(Problem::NotClosed)));
    assert!(fs::read(&place.path).unwrap() == unclosed);
    compress_segment(&place.path, Compression::default().unclosed(true)).unwrap();
    assert!(decompressed(&place.to) == unclosed);
}

#[test]
fn links_are_not_followed() {
    let place = Place::new();
    let link = place.dir.path().join("link.kymo");
    symlink(&place.path, &link).unwrap();
    let error = compress_segment(&link, Compression::default()).unwrap_err();
    assert!(matches!(error.problem, Problem::Refused(_)), "{error}");
    fs::remove_file(&link).unwrap();
    // Nor where the hidden file should be.
    let target = place.dir.path().join("target");
    fs::write(&target, "untouched").unwrap();
    symlink(&target, &place.temporary).unwrap();
    assert!(matches!(place.compress(), Err(Problem::Refused(_))));
    assert_eq!(fs::read(&target).unwrap(), b"untouched");
}

/// A process was killed after it had named the compressed segment, or while it wrote it.
#[test]
fn what_killed_processes_left_is_finished() {
    let place = Place::new();
    fs::write(&place.temporary, "half").unwrap();
    fs::write(&place.to, compressed(&place.segment, 5)).unwrap();
    place.compress().unwrap();
    place.assert_compressed();

    // One that is not of this segment is left alone, and so is the segment.
    let place = Place::new();
    let other = compressed(&segment(&Shape { seed: 4, ..Shape::long() }), 5);
    fs::write(&place.to, &other).unwrap();
    assert!(matches!(place.compress(), Err(Problem::Exists)));
    assert!(
        fs::read(&place.to).unwrap() == other && fs::read(&place.path).unwrap() == place.segment
    );
}

#[test]
fn another_compressor_is_left_alone() {
    let place = Place::new();
    let other = File::create(&place.temporary).unwrap();
    lock(&other).unwrap();
    assert!(matches!(place.compress(), Err(Problem::Busy)));
    let owner = Owner::of(&fs::metadata(&place.path).unwrap());
    let log = LogName::new(&place.dir.path().join("app.kymo"));
    assert_eq!(sweep(&log, owner).unwrap(), 0);
    drop(other);
    // Of another log.
    fs::write(place.dir.path().join(".b.20261130T055700Z.000042.kymo.zst.new"), "").unwrap();
    assert_eq!(sweep(&log, owner).unwrap(), 1);
    assert_eq!(place.names().len(), 2);
    assert!(!place.temporary.exists());
}

/// Where there is no room the original stays, and nothing else.
#[test]
fn a_full_disk_leaves_the_original() {
    let place = Place::new();
    let limited = |limit: u64| {
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("ulimit -f {limit}; trap '' XFSZ; exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args(["child_compresses", "--exact", "--ignored", "--nocapture"])
            .env("KYMO_SEGMENT", &place.path)
            .output()
            .unwrap();
        output.status.success()
    };
    assert!(!limited(1));
    place.assert_original();
    assert!(limited(1 << 20));
    place.assert_compressed();
}

#[test]
#[ignore = "run by another"]
fn child_compresses() {
    if let Some(path) = std::env::var_os("KYMO_SEGMENT") {
        compress_segment(Path::new(&path), Compression::default()).unwrap();
    }
}
