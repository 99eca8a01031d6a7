//! Processes that are killed at random moments while their log is rotated: what was acknowledged is found, once.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use kymo::{Keep, Logger, Overflow, Rotation, info};
use kymo_reader::{Ending, Event, Files, Log, Options, Order};

use crate::log::{Segment, entries, files};

const PLACE: &str = "KYMO_KILLED";
const KEPT: &str = "KYMO_KILLED_KEPT";
const THREADS: usize = 4;
const ROUNDS: usize = 30;

/// How many segments are kept, where the limits delete.
const SEGMENTS: u64 = 60;

/// Numbers that outlive the process.
struct Numbers(memmap2::MmapRaw);

impl Numbers {
    fn map(path: &Path) -> Self {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(path).unwrap();
        file.set_len(4096).unwrap();
        Self(memmap2::MmapOptions::new().map_raw(&file).unwrap())
    }

    fn of(&self, thread: usize) -> &AtomicU64 {
        assert!(thread < 512);
        // SAFETY: within the page.
        let at = unsafe { self.0.as_mut_ptr().cast::<AtomicU64>().add(thread) };
        // SAFETY: aligned, mapped as long as `self`, and only used as an atomic.
        unsafe { &*at }
    }
}

/// What is killed.
#[test]
#[ignore = "run by the other test, as processes of their own"]
fn child() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let place = Path::new(&place);
    let numbers = Numbers::map(&place.join("numbers"));
    let builder = Logger::builder(place.join("log/app.kymo")).rotate(Rotation::size(64 << 10));
    let builder = match std::env::var_os(KEPT) {
        None => builder.keep(Keep::unlimited()),
        Some(_) => builder.keep(Keep::bytes(1 << 30).files(SEGMENTS)).compress(true),
    };
    let builder = builder.crash_proof(place.join("rings")).recover(true);
    let builder = builder.ring_capacity(16 << 10).overflow(Overflow::Wait { timeout: None });
    let logger = builder.start().unwrap();
    // The thread that compresses has the lowest priority: later there may be no time for it.
    while std::env::var_os(KEPT).is_some() && logger.stats().segments_compressed == 0 {
        info!("record {number}", number = numbers.of(THREADS).fetch_add(1, Ordering::Relaxed));
        logger.rotate().unwrap();
    }
    thread::scope(|scope| {
        for index in 0..THREADS {
            let acknowledged = numbers.of(index);
            let life = move || loop {
                let number = acknowledged.load(Ordering::Relaxed);
                info!("record {number}");
                acknowledged.store(number + 1, Ordering::Release);
            };
            let name = format!("thread {index}");
            thread::Builder::new().name(name).spawn_scoped(scope, life).unwrap();
        }
        loop {
            thread::yield_now();
            logger.rotate().unwrap();
        }
    });
}

/// Each record, with what was recovered, and how often it is there.
fn find(log: &Path) -> BTreeMap<(String, u64), u64> {
    // Of a segment whose compression was cut short, there may be two files.
    let log = Log::find(log).unwrap();
    assert_eq!(log.missing().count(), 0);
    let paths: Vec<_> = log.segments().iter().map(|segment| segment.path.clone()).collect();
    let mut found = BTreeMap::new();
    let mut files = Files::open(&paths, || Options::new().order(Order::Exact)).unwrap();
    while let Some((_, event)) = files.next_event().unwrap() {
        match event {
            Event::Record(record) if record.target() != "kymo" => {
                let number = record.get::<u64>("number").unwrap();
                *found.entry((record.thread().name().to_owned(), number)).or_default() += 1;
            }
            Event::Damage(damage) => panic!("{damage}"),
            Event::Gap(gap) => panic!("{} records are missing", gap.records),
            _ => {}
        }
    }
    found
}

#[test]
fn what_was_acknowledged_is_found_once() {
    rounds(false);
}

/// Beside compression and deletion. What is missing then are the first numbers of each thread, with the segments that
/// were deleted.
#[test]
fn what_was_acknowledged_is_kept_or_deleted() {
    rounds(true);
}

fn rounds(is_kept: bool) {
    let mut random = fastrand::Rng::with_seed(7);
    let place = tempfile::Builder::new().prefix("kymo-rotated-").tempdir_in("/dev/shm").unwrap();
    let at = |name: &str| place.path().join(name);
    std::fs::create_dir(at("log")).unwrap();
    std::fs::create_dir(at("rings")).unwrap();
    let numbers = Numbers::map(&at("numbers"));
    let log = at("log/app.kymo");
    for round in 0..ROUNDS {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "killed::child", "--ignored", "--nocapture"]);
        command.env(PLACE, place.path()).stdout(Stdio::null());
        if is_kept {
            command.env(KEPT, "1");
        }
        let mut child: Child = command.spawn().unwrap();
        let begun = numbers.of(0).load(Ordering::Acquire);
        while numbers.of(0).load(Ordering::Acquire) == begun {
            assert!(child.try_wait().unwrap().is_none(), "it has ended");
            thread::yield_now();
        }
        thread::sleep(Duration::from_micros(random.u64(0..30_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        // A recovery by hand, or the next start does it.
        if round % 2 == 1 || round + 1 == ROUNDS {
            kymo::recover(&log).unwrap();
        } else {
            continue;
        }
        assert_eq!(entries(&at("rings")), [""; 0], "round {round}");
        for file in files(&log) {
            let ending = Segment::read(&file.path).report.ending;
            assert_eq!(ending, Ending::Closed, "round {round}: {}", file.path.display());
        }
        let found = find(&log);
        for index in 0..THREADS {
            let acknowledged = numbers.of(index).load(Ordering::Acquire);
            let name = format!("thread {index}");
            let of_thread = (name.clone(), 0)..=(name.clone(), u64::MAX);
            let first = found.range(of_thread).next().map_or(acknowledged, |((_, it), _)| *it);
            for number in if is_kept { first } else { 0 }..acknowledged {
                let of = (name.clone(), number);
                // The process may have been killed between a record and its acknowledgement: then the number comes
                // once more, in the next one.
                let times = found.get(&of).copied().unwrap_or_default();
                assert!((1..=1 + round as u64).contains(&times), "round {round}: {of:?}: {times}");
            }
        }
        let twice = found.values().filter(|times| **times > 1).count();
        assert!(twice <= THREADS * (round + 1), "{twice}");
    }
    // And that was put to the test.
    let first = files(&log)[0].name.sequence;
    assert_eq!(first > 1, is_kept, "segments were deleted");
}
