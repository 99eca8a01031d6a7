//! Compression, stopped before each of its system calls on files, once for all or while a second process does the
//! same, or somebody moves the segment away: one whole file of the two is there at each moment, and nothing else in
//! the end.
#![cfg(target_os = "linux")]

mod common;
#[path = "../../../tests/steps/tracer.rs"]
mod tracer;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use common::{Shape, segment};
use kymo_files::segments::LogName;
use kymo_zstd::{Compression, Decoder, Problem, compress_segment};
use tracer::{Ended, Traced};

/// What the tests run again: exit code 0 if it compressed the segment, or found that another one does or did.
#[test]
#[ignore = "run by the others"]
fn child_process() {
    let Some(path) = std::env::var_os("KYMO_SEGMENT") else { return };
    tracer::begin();
    compress(Path::new(&path));
}

/// Compresses a segment, unless somebody else does.
fn compress(path: &Path) {
    match compress_segment(path, Compression::default()) {
        Ok(_) => {}
        Err(error) => match error.problem {
            Problem::Busy | Problem::InUse | Problem::Changed => {}
            Problem::Io(error) if error.kind() == io::ErrorKind::NotFound => {}
            problem => panic!("{problem}"),
        },
    }
}

struct Place {
    dir: tempfile::TempDir,
    path: PathBuf,
    segment: Vec<u8>,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = LogName::new(&dir.path().join("app.kymo")).segment(1_796_018_220, 42);
        let frames = vec![(30_000, 0); 50];
        let segment = segment(&Shape { frames, ..Shape::long() });
        Self { dir, path, segment }
    }

    fn moved(&self) -> PathBuf {
        self.dir.path().join("moved.kymo")
    }

    fn compressed(&self) -> PathBuf {
        LogName::compressed(&self.path)
    }

    /// As at the beginning.
    fn restore(&self) {
        for entry in fs::read_dir(self.dir.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        fs::write(&self.path, &self.segment).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["child_process", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env("KYMO_SEGMENT", &self.path).stdout(Stdio::null());
        command
    }

    /// Each file with a name that is no hidden one is whole. Returns which there are: original, compressed, moved.
    fn whole(&self, told: &str) -> [bool; 3] {
        let of = |path: &Path| fs::read(path).ok();
        let (original, moved) = (of(&self.path), of(&self.moved()));
        for bytes in [&original, &moved].into_iter().flatten() {
            assert!(*bytes == self.segment, "{told}");
        }
        let compressed = File::open(self.compressed()).ok().map(|file| {
            let mut bytes = Vec::new();
            Decoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
            assert!(bytes == self.segment, "{told}");
        });
        let found = [original.is_some(), compressed.is_some(), moved.is_some()];
        assert!(found.contains(&true), "{told}: nothing is left");
        found
    }

    fn count(&self) -> usize {
        fs::read_dir(self.dir.path()).unwrap().count()
    }
}

/// Runs a process up to each of its operations. `then` gets it stopped there. False where nothing can be traced.
fn at_each_step(mut then: impl FnMut(&Place, &mut Traced, &str)) {
    /// Each test waits for all children.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Place::new();
    for operation in 0.. {
        place.restore();
        let mut process = match Traced::spawn(place.command()) {
            Ok(process) => process,
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                #[expect(
                    clippy::explicit_write,
                    reason = "the test harness does not capture this one"
                )]
                writeln!(io::stderr(), "SKIPPED: processes cannot be traced here: {error}")
                    .unwrap();
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let stopped = process.run_to(operation);
        let told = format!("before {operation}, {}", stopped.as_deref().unwrap_or("its end"));
        place.whole(&told);
        then(&place, &mut process, &told);
        if stopped.is_none() {
            // Locks, the file, three blocks at least, the name, the removal.
            assert!(operation > 10, "{operation} steps");
            return;
        }
    }
}

#[test]
fn a_compression_is_killed() {
    at_each_step(|place, process, told| {
        process.kill();
        place.whole(told);
        assert!(place.count() <= 2, "{told}");
        compress(&place.path);
        assert_eq!(place.whole(told), [false, true, false], "{told}");
        assert_eq!(place.count(), 1, "{told}");
    });
}

#[test]
fn a_compression_is_held_up() {
    at_each_step(|place, process, told| {
        compress(&place.path);
        place.whole(told);
        assert_eq!(process.finish(), Ended::Exit(0), "{told}");
        assert_eq!(place.whole(told), [false, true, false], "{told}");
        assert_eq!(place.count(), 1, "{told}");
    });
}

/// Nothing is lost, and no other file is touched.
#[test]
fn a_segment_is_moved_away() {
    at_each_step(|place, process, told| {
        let was_there = fs::rename(&place.path, place.moved()).is_ok();
        assert_eq!(process.finish(), Ended::Exit(0), "{told}");
        let [original, compressed, moved] = place.whole(told);
        assert!(!original && moved == was_there && compressed | moved, "{told}");
        assert_eq!(place.count(), usize::from(compressed) + usize::from(moved), "{told}");
    });
}
