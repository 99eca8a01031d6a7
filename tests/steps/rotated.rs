//! A log that is rotated, recovered and closed, by a process that is killed before each of its operations on files:
//! each record is found once, and every segment is closed afterwards.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use kymo::{Keep, Logger, Rotation, StartErrorKind};
use kymo_files::derived::Owner;
use kymo_files::segments::LogName;
use kymo_reader::{Ending, Log, Options, Order};

use super::place::{Numbers, Place, messages};
use super::tracer::{self, Traced};
use super::{command, is_no_tracing, skip, turn};

/// How many records a process logs in each segment.
const RECORDS: u64 = 4;
const SEGMENTS: u64 = 3;

/// The child that lives.
pub const LIVES: &str = "rotates";
/// The child that is to be killed while it waits.
pub const DIES: &str = "rotates and dies";

/// In the child. `slot`: of the number that says how far it has come.
pub fn child(dir: &Path, numbers: &Numbers, dies: bool, slot: usize) {
    let builder = Logger::builder(dir.join("app.kymo")).crash_proof(dir.join("rings"));
    let builder = builder.ring_capacity(1 << 12).recover(true).map_window(64 << 10);
    let builder = builder.rotate(Rotation::size(64 << 10)).keep(Keep::unlimited());
    if !dies {
        tracer::begin();
    }
    let logger = match builder.start() {
        Ok(logger) => logger,
        Err(error) if !dies => {
            return assert!(matches!(error.kind(), StartErrorKind::InUse(_)), "{error}");
        }
        Err(error) => panic!("{error}"),
    };
    let begun = numbers.of(slot).load(Ordering::Acquire);
    for segment in 0..SEGMENTS {
        for number in begun + segment * RECORDS..begun + (segment + 1) * RECORDS {
            kymo::info!("{slot} {number}");
            numbers.of(slot).store(number + 1, Ordering::Release);
        }
        if segment + 1 < SEGMENTS {
            logger.rotate().unwrap();
        }
    }
    if dies {
        std::mem::forget(logger);
        numbers.of(slot + 1).store(1, Ordering::Release);
        loop {
            std::thread::park();
        }
    }
    // What dead processes left is being closed.
    let log = dir.join("app.kymo");
    let is_closed = || {
        let log = Log::find(&log).unwrap();
        let (_, before) = log.segments().split_last().unwrap();
        before.iter().all(|segment| segment.totals().is_some())
    };
    while !is_closed() {
        std::thread::yield_now();
    }
    let report = logger.shutdown();
    assert_eq!((report.written, report.dropped), (RECORDS * SEGMENTS, 0));
}

/// What was in a directory.
struct Saved(Vec<(PathBuf, Content)>);

enum Content {
    /// A file, without zeros at its end, and its length.
    File(Vec<u8>, u64),
    LinkTo(PathBuf),
}

fn paths(place: &Place) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for dir in [place.dir(), &place.dir().join("rings")] {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
        paths.extend(entries.filter(|it| !it.file_type().unwrap().is_dir()).map(|it| it.path()));
    }
    paths.retain(|path| path.file_name().unwrap() != "numbers");
    paths
}

impl Saved {
    fn of(place: &Place) -> Self {
        let save = |path: PathBuf| match fs::read_link(&path) {
            Ok(target) => (path, Content::LinkTo(target)),
            Err(_) => {
                let mut bytes = fs::read(&path).unwrap();
                let length = bytes.len() as u64;
                bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |it| it + 1));
                (path, Content::File(bytes, length))
            }
        };
        Self(paths(place).into_iter().map(save).collect())
    }

    fn restore(&self, place: &Place) {
        paths(place).into_iter().for_each(|path| fs::remove_file(path).unwrap());
        for (path, content) in &self.0 {
            match content {
                Content::File(bytes, length) => {
                    fs::write(path, bytes).unwrap();
                    let file = File::options().write(true).open(path).unwrap();
                    file.set_len(*length).unwrap();
                }
                Content::LinkTo(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            }
        }
    }
}

/// Recovers the log, and checks that all records are there, once, that were acknowledged.
fn assert_all(place: &Place, told: &str, slots: &[usize]) {
    let names = LogName::new(&place.dir().join("app.kymo"));
    let owner = Owner::of(&place.dir().metadata().unwrap());
    let segments: Vec<_> = names.list(owner).unwrap().into_iter().map(|it| it.path).collect();
    for segment in &segments {
        let recovery = kymo::recover(segment).unwrap_or_else(|error| panic!("{told}: {error}"));
        assert!(recovery.damage.is_empty() && recovery.unclosed.is_empty(), "{told}: {recovery:?}");
    }
    let found = match segments.is_empty() {
        true => BTreeSet::new(),
        false => messages(&segments, told),
    };
    for &slot in slots {
        for number in 0..place.numbers().of(slot).load(Ordering::Acquire) {
            let message = format!("{slot} {number}");
            assert!(found.contains(&message), "{told}: {message} is missing: {segments:?}");
        }
    }
    for segment in &segments {
        let mut reader = Options::new().order(Order::Written).open(segment).unwrap();
        while reader.next_event().unwrap().is_some() {}
        let report = reader.report();
        assert_eq!(report.ending, Ending::Closed, "{told}: {}", segment.display());
        assert!(report.is_whole(), "{told}: {report:?}");
    }
    let rings = paths(place).into_iter().find(|path| path.to_string_lossy().ends_with("kymoring"));
    assert_eq!(rings, None, "{told}");
}

#[test]
fn a_rotation_is_killed() {
    let _turn = turn();
    let place = Place::new();
    let all = std::env::var("KYMO_STEPS").is_ok_and(|steps| steps == "all");
    let nothing = Saved::of(&place);
    let mut dying = command(&format!("{DIES} 2"), place.dir()).spawn().unwrap();
    while place.numbers().of(3).load(Ordering::Acquire) == 0 {
        assert!(dying.try_wait().unwrap().is_none(), "it has ended");
        std::thread::yield_now();
    }
    dying.kill().unwrap();
    dying.wait().unwrap();
    let dead = Saved::of(&place);
    let mut steps = 0;
    for (scene, saved, old) in [("nothing", &nothing, &[][..]), ("dead", &dead, &[2])] {
        for operation in (0..).step_by(if all { 1 } else { 3 }) {
            saved.restore(&place);
            (0..2).for_each(|slot| place.numbers().of(slot).store(0, Ordering::Release));
            let mut process = match Traced::spawn(command(&format!("{LIVES} 0"), place.dir())) {
                Ok(process) => process,
                Err(error) if is_no_tracing(&error) => return skip(&error),
                Err(error) => panic!("{error}"),
            };
            let Some(stopped) = process.run_to(operation) else { break };
            process.kill();
            let told = format!("{scene}: killed before {operation}, {stopped}");
            // A recovery by hand, or the next start.
            if operation / 3 % 2 == 0 {
                let second = command(&format!("{LIVES} 1"), place.dir()).status().unwrap();
                assert!(second.success(), "{told}: the second one failed");
                let is_hidden =
                    |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with('.');
                assert_eq!(paths(&place).into_iter().find(is_hidden), None, "{told}");
            }
            assert_all(&place, &told, &[old, &[0, 1]].concat());
            steps += 1;
        }
    }
    assert!(steps > 20, "{steps} steps");
}
