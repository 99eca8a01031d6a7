//! Processes that are killed: what they had logged is recovered, all of it, once, in order.
//!
//! The children are this program, run again. `KYMO_KILLS=300 cargo test --test crash_proof` kills
//! more of them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kymo::reader::{Event, Files, Options, Order};
use kymo::{Builder, Logger, Overflow, Recovery, info, recover, recoverable, warn};

#[path = "common/namespace.rs"]
mod namespace;

const THREADS: usize = 4;

/// Numbers in a file that parent and child map: how far each thread's calls have returned.
struct Counters(memmap2::MmapRaw);

impl Counters {
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

/// Another text for each number, of another length.
fn text(number: u64) -> String {
    "abcdefghijklmnopqrstuvwxyz"[..(number % 27) as usize].repeat((number % 5) as usize)
}

/// Logs until it is killed.
fn child(scene: &str, dir: &Path) {
    let counters = Counters::map(&dir.join("counters"));
    let builder = Logger::builder(dir.join("app.kymo")).crash_proof(dir.join("rings"));
    // Small rings and parts of the file, so that both go round often.
    let builder = builder.ring_capacity(64 << 10).segment_size(4 << 20);
    let builder = match scene {
        // The consumer is mostly asleep.
        "paused" => builder.poll_interval(Duration::from_millis(20)),
        "stopped" => stop_consumer(builder, dir),
        "coarse" => builder.clock(kymo::Clock::Coarse),
        "recovering" => builder.recover(true),
        _ => builder,
    };
    let logger = builder.start().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let counters = &counters;
            let log = move |number: u64| {
                log(thread, number);
                // Release: pairs with the end of this process.
                counters.of(thread).store(number, Ordering::Release);
            };
            let name = format!("thread {thread}");
            let make = move || std::thread::Builder::new().name(name.clone());
            if scene == "short" {
                // Threads that come and go, each with some records.
                scope.spawn(move || {
                    for first in (1..).step_by(10) {
                        std::thread::scope(|inner| {
                            let run = move || (first..first + 10).for_each(log);
                            make().spawn_scoped(inner, run).unwrap();
                        });
                    }
                });
            } else {
                make().spawn_scoped(scope, move || (1..u64::MAX).for_each(log)).unwrap();
            }
        }
    });
    drop(logger);
}

/// Where the counters are as they were when the consumer was stopped, from 1.
const AS_OF_STOP: usize = 100;

/// Has the consumer stop for good when it has seen something in the rings.
fn stop_consumer(builder: Builder, dir: &Path) -> Builder {
    let counters = Counters::map(&dir.join("counters"));
    let builder = builder.overflow(Overflow::Wait { timeout: None }).high_water(0.0);
    builder.on_notice(move |_| {
        for thread in 0..THREADS {
            let number = counters.of(thread).load(Ordering::Acquire);
            counters.of(AS_OF_STOP + thread).store(number + 1, Ordering::Release);
        }
        loop {
            std::thread::park();
        }
    })
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

/// One record, of one of several statements.
fn log(thread: usize, number: u64) {
    let text = text(number);
    match number % 4 {
        0 => info!("{thread} {number} {text}"),
        1 => warn!("{thread} {number} {}", &text[..]),
        2 => info!("{} {} {text:}", thread, number as u32),
        _ => info!("{thread} {number} {}{}", Some(1_u8).map_or("", |_| ""), kymo::display(&text)),
    }
}

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
    child(&scene, Path::new(&dir));
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
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
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

/// Asserts that every record is there up to those of which the calls had returned, once, in order.
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
fn every_record_whose_call_has_returned_is_there_once() {
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
        let waiting = recoverable(&log);
        let recovery = recover(&log).unwrap();
        assert!(recovery.damage.is_empty(), "{scene}: {:?}", recovery.damage);
        assert_eq!(recovery.records(), waiting);
        assert_all(&log, &counters);
        assert!(files_in(&dir.path().join("rings")).is_empty(), "the rings are gone");
        // Once more changes nothing.
        assert_eq!(recover(&log).unwrap().records(), 0);
        assert_eq!(recoverable(&log), 0);
        assert_all(&log, &counters);
    }
}

/// A recovery that was killed before it had removed the rings is gone through again.
#[test]
fn a_recovery_that_is_repeated_recovers_nothing_twice() {
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

/// Two processes die, one after the other; the next start recovers the first one's, the command's
/// function the second one's.
#[test]
fn rings_of_two_dead_processes() {
    let dir = scratch();
    let (counters, log) = (dir.path().join("counters"), dir.path().join("app.kymo"));
    let mut of_process = Vec::new();
    for number in 0..2 {
        let shared = Counters::map(&counters);
        let mut child = spawn("recovering", dir.path());
        wait_for(&mut child, &shared, 500);
        kill(child);
        fs::rename(&counters, dir.path().join(format!("counters {number}"))).unwrap();
        of_process.push(shared);
    }
    // The second one's start has renamed the first one's log, with what was recovered.
    let first = dir.path().join("app.1.kymo");
    assert!(dir.path().join("app.1.kymo.recovered").exists());
    assert_all(&first, &of_process[0]);
    assert_eq!(recover(&first).unwrap().records(), 0);
    recover(&log).unwrap();
    assert_all(&log, &of_process[1]);
    assert!(files_in(&dir.path().join("rings")).is_empty());
}

/// Kills a child, and returns the files of its rings.
fn killed(dir: &Path) -> (Vec<PathBuf>, Counters) {
    let counters = Counters::map(&dir.join("counters"));
    let mut child = spawn("stopped", dir);
    wait_for_full_rings(&mut child, &counters);
    kill(child);
    let rings = files_in(&dir.join("rings"));
    (rings.into_iter().filter(|it| it.extension().unwrap() == "kymoring").collect(), counters)
}

fn names(recovery: &Recovery) -> Vec<String> {
    recovery.threads.iter().map(|thread| thread.name.clone()).collect()
}

#[test]
fn a_damaged_ring_is_named_and_kept_and_the_others_are_recovered() {
    let dir = scratch();
    let (rings, counters) = killed(dir.path());
    assert!(rings.len() >= THREADS);
    // One is cut in its header, one behind it, and one has lost half of its words.
    let cut = |path: &Path, bytes| File::options().write(true).open(path).unwrap().set_len(bytes);
    cut(&rings[0], 1100).unwrap();
    cut(&rings[1], 5_000).unwrap();
    let mut bytes = fs::read(&rings[2]).unwrap();
    // What is in the ring takes so much of it that one of these quarters has some.
    let quarter = (bytes.len() - 4096) / 4;
    for from in [quarter, 3 * quarter] {
        bytes[4096 + from..][..quarter].fill(0);
    }
    fs::write(&rings[2], &bytes).unwrap();

    let log = dir.path().join("app.kymo");
    let recovery = recover(&log).unwrap();
    let problem = |ring: &Path| {
        let mut kept = ring.to_owned();
        kept.as_mut_os_string().push(".damaged");
        let damage = recovery.damage.iter().find(|damage| damage.path == kept);
        assert!(kept.exists());
        damage.map(|damage| damage.problem.clone()).unwrap_or_default()
    };
    assert!(problem(&rings[0]).contains("it has 1100 bytes"), "{:?}", recovery.damage);
    assert!(problem(&rings[1]).contains("byte 5000"), "{:?}", recovery.damage);
    assert!(problem(&rings[2]).contains("records are damaged"), "{:?}", recovery.damage);
    assert_eq!(names(&recovery).len(), rings.len() - 1);
    // The thread whose ring is whole has all its records. Of the others each stands once, in order,
    // but for what cannot be told: a record of which the rest, not the beginning, is damaged.
    let found = messages(&log);
    let mut whole = 0;
    for thread in 0..THREADS {
        let records = &found[&format!("thread {thread}")];
        let right = |record: &&String| {
            let number: u64 = record.split(' ').nth(1).unwrap().parse().unwrap();
            (**record == format!("{thread} {number} {}", text(number))).then_some(number)
        };
        let mut numbers: Vec<u64> = records.iter().filter_map(|record| right(&record)).collect();
        // The number itself may be what was set to zero.
        numbers.retain(|number| *number != 0);
        assert!(numbers.is_sorted_by(|one, other| one < other));
        assert!(records.len() - numbers.len() <= 2, "{thread}: {records:?}");
        let returned = counters.of(thread).load(Ordering::Acquire);
        whole += usize::from(numbers.len() as u64 >= returned);
    }
    assert!(whole >= 1);
}

#[test]
fn a_directory_without_room_fails_the_start_or_is_counted() {
    let dir = scratch();
    let rings = dir.path().join("rings");
    let mut command = command("small", dir.path());
    // Room for the call sites and for one ring of the four and the main thread's.
    let mount = namespace::small_disk("size=400k");
    namespace::mount_for(&mut command, mount, &rings);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("skipped: no file system of its own: {error}");
            return;
        }
    };
    let counters = Counters::map(&dir.path().join("counters"));
    // The threads log all the same.
    wait_for(&mut child, &counters, 1_000);
    let deadline = Instant::now() + Duration::from_secs(60);
    while (0..THREADS).any(|thread| counters.of(thread).load(Ordering::Acquire) < 100) {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    kill(child);

    let start = Logger::builder(dir.path().join("other.kymo"))
        .crash_proof(dir.path().join("no such directory"))
        .start();
    assert!(start.unwrap_err().to_string().contains("no such directory"));
    assert!(!dir.path().join("other.kymo").exists());
}

/// A logger that ends in order leaves nothing behind; a log that is being written is left alone.
#[test]
fn a_logger_that_ends_in_order_leaves_no_files() {
    use std::os::unix::fs::PermissionsExt;
    let dir = scratch();
    let (log, rings) = (dir.path().join("app.kymo"), dir.path().join("rings"));
    let logger = Logger::builder(&log).crash_proof(&rings).start().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let run = move || (1..=1_000).for_each(|number| self::log(thread, number));
            let name = format!("thread {thread}");
            std::thread::Builder::new().name(name).spawn_scoped(scope, run).unwrap();
        }
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
    assert!(matches!(recover(&log), Err(kymo::RecoverError::InUse(_))));
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
