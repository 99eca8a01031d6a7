//! Processes that are killed: what they had logged is recovered, all of it, once, in order.
//!
//! The children are this program, run again. `KYMO_KILLS=300 cargo test --test crash_proof` kills
//! more of them.

mod child;
mod damage;
mod output;
mod round;
mod starts;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use child::{AS_OF_STOP, Counters, THREADS, text};
use kymo::{Logger, RecoverError, Recovery, info, recoverable};
use kymo_reader::{Event, Files, Options, Order};

use kymo_testing::namespace;

fn spawn(scene: &str, dir: &Path) -> Child {
    command(scene, dir).spawn().unwrap()
}

fn command(scene: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child_process", "--exact", "--nocapture", "--ignored"]);
    command.env("KYMO_CHILD", scene).env("KYMO_CHILD_DIR", dir).stdout(Stdio::null());
    command
}

/// What the tests run again.
#[test]
#[ignore = "run by the others"]
fn child_process() {
    let (Ok(scene), Some(dir)) = (std::env::var("KYMO_CHILD"), std::env::var_os("KYMO_CHILD_DIR"))
    else {
        return;
    };
    child::child(&scene, Path::new(&dir));
}

fn scratch() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("kymo-crash-").tempdir_in("/dev/shm").unwrap();
    fs::create_dir(dir.path().join("rings")).unwrap();
    dir
}

/// Waits until a thread of the child has come so far.
fn wait_for(child: &mut Child, counters: &Counters, number: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while counters.of(0).load(Ordering::Acquire) < number {
        assert!(child.try_wait().unwrap().is_none(), "the child has ended");
        assert!(Instant::now() < deadline, "the child logs nothing");
        std::thread::yield_now();
    }
}

fn kill(mut child: Child) {
    use std::os::unix::process::ExitStatusExt;
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
}

/// Recovers what a dead process left. While another test makes a child, that holds for a moment all that
/// is open here, locks too.
fn recover(log: &Path) -> Result<Recovery, RecoverError> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match kymo::recover(log) {
            Err(RecoverError::InUse(_)) if Instant::now() < deadline => std::thread::yield_now(),
            result => return result,
        }
    }
}

/// Recovers all records of the log: nothing is damaged, and the rings are removed.
fn recover_whole(log: &Path, scene: &str) -> Recovery {
    let waiting = recoverable(log).records;
    let recovery = recover(log).unwrap();
    assert!(recovery.damage.is_empty(), "{scene}: {:?}", recovery.damage);
    assert_eq!(recovery.records(), waiting);
    assert!(files_in(&log.with_file_name("rings")).is_empty(), "the rings are gone");
    recovery
}

/// For tests that have a logger in this process, which can have one at a time.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The messages of each thread, in the order in which the reader hands them out.
fn messages(log: &Path) -> BTreeMap<String, Vec<String>> {
    let mut files = Files::open([log], || Options::new().order(Order::Exact)).unwrap();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    while let Some((_, event)) = files.next_event().unwrap() {
        match event {
            Event::Record(record) => {
                let mut message = String::new();
                record.message(&mut message);
                found.entry(record.thread().name().to_owned()).or_default().push(message);
            }
            Event::Damage(damage) => panic!("{damage}"),
            _ => {}
        }
    }
    found
}

/// Waits until the consumer has been stopped, and much has been logged since: it is in the rings.
fn wait_for_full_rings(child: &mut Child, counters: &Counters) {
    let begun = Instant::now();
    let deadline = begun + Duration::from_secs(60);
    let is_full = |thread| {
        let as_of_stop = counters.of(AS_OF_STOP + thread).load(Ordering::Acquire);
        // Where the system let the consumer wait before it counted, the rings were full by then.
        let is_late = begun.elapsed() > Duration::from_secs(3);
        let since = counters.of(thread).load(Ordering::Acquire).saturating_sub(as_of_stop);
        as_of_stop > 0 && (since > 500 || is_late)
    };
    while !(0..THREADS).all(is_full) {
        assert!(child.try_wait().unwrap().is_none(), "the child has ended");
        assert!(Instant::now() < deadline, "the child logs nothing");
        std::thread::yield_now();
    }
}

/// Asserts that every record is there whose call had returned, once, in order.
fn assert_all(log: &Path, counters: &Counters) {
    let found = messages(log);
    for thread in 0..THREADS {
        let name = format!("thread {thread}");
        let records = found.get(&name).map_or(&[][..], |records| &records[..]);
        for (number, record) in (1..).zip(records) {
            assert_eq!(*record, format!("{thread} {number} {}", text(number)));
        }
        let returned = counters.of(thread).load(Ordering::Acquire);
        let count = records.len() as u64;
        // One more may have been published by a call that had not returned.
        assert!((returned..=returned + 1).contains(&count), "{name}: {count} of {returned}");
    }
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A number that looks random, for when to kill.
fn mix(number: u64) -> u64 {
    let mixed = (number ^ number >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 16
}

/// Four threads, killed at any moment: while the file grows, while threads come and go, while the
/// consumer sleeps or is stopped.
#[test]
fn every_returned_record_is_there_once() {
    let kills = std::env::var("KYMO_KILLS").map_or(20, |kills| kills.parse().unwrap());
    for round in 0..kills {
        let scene = ["plain", "paused", "short", "coarse", "stopped"][round as usize % 5];
        let dir = scratch();
        let counters = Counters::map(&dir.path().join("counters"));
        let mut child = spawn(scene, dir.path());
        // Mostly soon, sometimes when the file has grown often.
        let most = if round % 20 == 15 { 200_000 } else { 3_000 };
        if scene == "stopped" {
            wait_for_full_rings(&mut child, &counters);
        } else {
            wait_for(&mut child, &counters, 1 + mix(round) % most);
        }
        std::thread::sleep(Duration::from_micros(mix(round + 1000) % 3_000));
        kill(child);

        let log = dir.path().join("app.kymo");
        recover_whole(&log, scene);
        assert_all(&log, &counters);
        // Once more changes nothing.
        assert_eq!(recover(&log).unwrap().records(), 0);
        assert_eq!(recoverable(&log).records, 0);
        assert_all(&log, &counters);
    }
}

/// A recovery that was killed before it had removed the rings is gone through again.
#[test]
fn repeated_recovery_adds_nothing() {
    let dir = scratch();
    let counters = Counters::map(&dir.path().join("counters"));
    let mut child = spawn("stopped", dir.path());
    wait_for_full_rings(&mut child, &counters);
    kill(child);
    let rings = dir.path().join("rings");
    let copies: Vec<_> =
        files_in(&rings).into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
    let log = dir.path().join("app.kymo");
    let recovery = recover(&log).unwrap();
    assert!(recovery.records() > 0, "{recovery:?}");
    for (bytes, path) in copies {
        fs::write(path, bytes).unwrap();
    }
    assert_eq!(recover(&log).unwrap().records(), 0);
    assert_all(&log, &counters);
    assert!(files_in(&rings).is_empty());
}

/// A logger that ends cleanly leaves no other files; a log that is being written is left alone.
#[test]
fn a_clean_end_leaves_no_files() {
    use std::os::unix::fs::PermissionsExt;
    let _turn = turn();
    let dir = scratch();
    let (log, rings) = (dir.path().join("app.kymo"), dir.path().join("rings"));
    let logger = Logger::builder(&log).crash_proof(&rings).start().unwrap();
    std::thread::scope(|scope| {
        let spawn = |thread| {
            let run = move || (1..=1_000).for_each(|number| child::log(thread, number));
            let name = format!("thread {thread}");
            std::thread::Builder::new().name(name).spawn_scoped(scope, run).unwrap()
        };
        let threads: Vec<_> = (0..THREADS).map(spawn).collect();
        // The scope does not wait until they have given their rings back.
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    info!("main {}", 1);
    assert!(kymo::flush());
    let files = files_in(&rings);
    // Those of this thread and of the call sites at least.
    assert!(files.len() >= 2);
    for file in &files {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let stats = logger.stats();
    assert_eq!((stats.total.dropped(), stats.ring_file_errors), (0, 0));
    assert!(matches!(kymo::recover(&log), Err(RecoverError::InUse(_))));
    assert_eq!(files_in(&rings), files);

    let report = logger.shutdown();
    assert_eq!(report.written, THREADS as u64 * 1_000 + 1);
    assert_eq!(files_in(&rings), [] as [PathBuf; 0]);
    assert!(recover(&log).unwrap().file.is_none());
    for thread in 0..THREADS {
        let records = &messages(&log)[&format!("thread {thread}")];
        let expected: Vec<_> =
            (1..=1_000).map(|number| format!("{thread} {number} {}", text(number))).collect();
        assert_eq!(*records, expected);
    }
}
