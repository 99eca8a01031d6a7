//! `Logger::reopen`: other programs move the log, and the logger goes on in a new one. Renaming the
//! file once lost what was logged after that: it went on in the moved file, which was then compressed
//! and removed.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use kymo::{Level, Logger, Overflow, WriteThrough, error, info};
use kymo_reader::{Ending, Event, Files, Options, Order, Report};
use kymo_testing::logged::Turn;

struct Found {
    /// Which records there are of each thread, by its name.
    numbers: HashMap<String, Vec<u64>>,
    records: u64,
    drops: u64,
    report: Report,
}

fn read(path: &Path) -> Found {
    let mut reader = Options::new().order(Order::Written).open(path).unwrap();
    let (mut numbers, mut records, mut drops) = (HashMap::<_, Vec<u64>>::new(), 0, 0);
    while let Some(event) = reader.next_event().unwrap() {
        match event {
            Event::Record(record) if record.target() != "kymo" => {
                let number = record.argument("number").and_then(|value| value.as_u128()).unwrap();
                let thread = record.thread().name().to_owned();
                numbers.entry(thread).or_default().push(number as u64);
                records += 1;
            }
            Event::Drops(mark) => drops += mark.total(),
            _ => {}
        }
    }
    Found { numbers, records, drops, report: reader.report().clone() }
}

/// Moves the log and reopens it while threads log, end and begin, so often that rings are full of
/// records and gaps at each time.
fn rotate_under_load(overflow: Overflow, threads: u64) {
    // One logger at a time.
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let builder = Logger::builder(&path).overflow(overflow).ring_capacity(4 << 10);
    let logger = builder.map_window(1 << 20).start().unwrap();
    let (stop, logged) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut moved = Vec::<PathBuf>::new();
    thread::scope(|scope| {
        let (stop, logged) = (&stop, &logged);
        for index in 0..threads {
            scope.spawn(move || {
                let mut lives = 0;
                while !stop.load(Ordering::Relaxed) {
                    let name = format!("thread {index}.{lives}");
                    lives += 1;
                    let life = move || {
                        for number in 0..2_000_u64 {
                            info!("record {number}");
                        }
                        logged.fetch_add(2_000, Ordering::Relaxed);
                    };
                    let life = thread::Builder::new().name(name).spawn_scoped(scope, life);
                    life.unwrap().join().unwrap();
                }
            });
        }
        for index in 0..8 {
            // At least one thread's life in each file.
            let before = logged.load(Ordering::Relaxed);
            while logged.load(Ordering::Relaxed) == before {
                thread::yield_now();
            }
            let to = dir.path().join(format!("moved.{index}"));
            fs::rename(&path, &to).unwrap();
            logger.reopen().unwrap();
            // It is finished, whatever is logged meanwhile.
            let found = read(&to);
            assert_eq!(found.report.ending, Ending::Closed);
            assert!(found.report.is_whole(), "{:?}", found.report);
            moved.push(to);
        }
        stop.store(true, Ordering::Relaxed);
    });
    let logged = logged.into_inner();
    // What is in the rings is not counted yet.
    while logger.stats().total.logged() < logged {
        thread::yield_now();
    }
    let stats = logger.stats();
    let report = logger.shutdown();
    assert_eq!(report.written + report.dropped, logged, "{report:?}");
    assert_eq!(stats.total.logged(), logged, "of the statistics");

    let mut numbers = HashMap::<String, Vec<u64>>::new();
    let (mut records, mut drops) = (0, 0);
    for path in moved.iter().chain([&path]) {
        let found = read(path);
        assert!(found.report.is_whole(), "{}: {:?}", path.display(), found.report);
        assert_eq!(found.report.unmarked_drops(), 0, "{}", path.display());
        records += found.records;
        drops += found.drops;
        for (thread, found) in found.numbers {
            numbers.entry(thread).or_default().extend(found);
        }
    }
    assert_eq!((records, drops), (report.written, report.dropped));
    for (thread, numbers) in numbers {
        // Each once, and in the order of the files.
        assert!(numbers.is_sorted_by(|a, b| a < b), "{thread}");
        assert!(overflow == Overflow::DropNewest || numbers.len() == 2_000, "{thread}");
    }
}

#[test]
fn nothing_is_lost_when_threads_wait() {
    rotate_under_load(Overflow::Wait { timeout: None }, 3);
}

#[test]
fn drops_are_marked_once_in_one_file() {
    rotate_under_load(Overflow::DropNewest, 3);
}

/// What was finished stays counted as written when the next file is removed.
#[test]
fn a_removed_file_costs_only_what_was_in_it() {
    // One logger at a time.
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let logger = Logger::builder(&path).start().unwrap();
    let log = |count: u64| (0..count).for_each(|number| info!("record {number}"));
    thread::scope(|scope| {
        scope.spawn(|| log(5));
    });
    log(10);
    fs::rename(&path, dir.path().join("moved")).unwrap();
    // Still there: it does not matter how often.
    logger.reopen().unwrap();
    logger.reopen().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| log(3));
    });
    log(20);
    assert!(logger.flush());
    assert_eq!(logger.stats().total.written(), 38);
    fs::remove_file(&path).unwrap();
    logger.flush();
    log(1);
    logger.flush();
    let stats = logger.stats();
    assert_eq!((stats.total.written(), stats.total.dropped()), (16, 23));
    let report = logger.shutdown();
    assert_eq!((report.written, report.dropped), (16, 23), "{report:?}");
    let (moved, last) = (read(&dir.path().join("moved")), read(&path));
    assert_eq!((moved.records, moved.drops, last.records, last.drops), (15, 0, 1, 23));
    assert!(moved.report.is_whole() && last.report.is_whole());
}

/// Where no new file can be made, the old one goes on, and the error says which path.
#[test]
fn without_a_new_file_the_old_one_goes_on() {
    // One logger at a time.
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let logger = Logger::builder(&path).max_level(Level::Info).start().unwrap();
    let number = 1_u64;
    info!("record {number}");
    let moved = dir.path().join("moved");
    fs::rename(&path, &moved).unwrap();
    fs::create_dir(&path).unwrap();
    let error = logger.reopen().unwrap_err().to_string();
    assert!(error.contains("app.kymo"), "{error}");
    info!("record {number}");
    assert!(logger.flush());
    assert_eq!(read(&moved).records, 2);
    fs::remove_dir(&path).unwrap();
    logger.reopen().unwrap();
    info!("record {number}");
    assert_eq!(logger.shutdown().written, 3);
    assert_eq!((read(&moved).records, read(&path).records), (2, 1));
    assert!(read(&moved).report.is_whole());
}

/// `SIGHUP` does the same, whatever the thread that gets it is doing, and the program goes on; its own
/// handler is called.
#[test]
fn a_hangup_reopens_the_log() {
    static CALLED: AtomicU64 = AtomicU64::new(0);
    extern "C" fn own(_: i32) {
        CALLED.fetch_add(1, Ordering::Relaxed);
    }
    let _turn = Turn::take();
    let handler = own as extern "C" fn(i32);
    // SAFETY: the handler only adds to an atomic number.
    unsafe { libc::signal(libc::SIGHUP, handler as libc::sighandler_t) };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let logger = Logger::builder(&path).on_hangup(kymo::Hangup::Reopen).start().unwrap();
    let mut logged = 0;
    for index in 0..5 {
        fs::rename(&path, dir.path().join(format!("moved.{index}"))).unwrap();
        // SAFETY: a call without pointers.
        let sent = unsafe { libc::kill(std::process::id() as libc::pid_t, libc::SIGHUP) };
        assert_eq!(sent, 0);
        while !path.exists() || logged % 100 != 0 || logged == 0 {
            let number: u64 = logged;
            info!("record {number}");
            logged += 1;
        }
        // The moved file is finished when the next sweep is.
        logger.flush();
    }
    let report = logger.shutdown();
    assert_eq!((report.written, report.dropped), (logged, 0));
    assert_eq!(CALLED.load(Ordering::Relaxed), 5);
    let mut numbers = Vec::new();
    for index in 0..5 {
        let found = read(&dir.path().join(format!("moved.{index}")));
        assert!(found.report.is_whole(), "{:?}", found.report);
        assert_eq!(found.report.ending, Ending::Closed);
        numbers.extend(found.numbers.into_values().flatten());
    }
    numbers.extend(read(&path).numbers.into_values().flatten());
    assert_eq!(numbers, (0..logged).collect::<Vec<_>>());
}

/// Critical records that their threads had written into the side file came out twice: it went on as
/// that of the new log, although the old one had its records, too.
#[test]
fn rescued_records_are_in_one_log() {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    // So short a time that some calls write their records themselves.
    let policy = WriteThrough::at(Level::Error).timeout(Duration::from_micros(20));
    let logger = Logger::builder(&path).write_through(policy).start().unwrap();
    let (stop, logged) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let number = logged.fetch_add(1, Ordering::Relaxed);
                    error!("record {number}");
                }
            });
        }
        for index in 0..8 {
            let (before, rescued) = (logged.load(Ordering::Relaxed), logger.stats().rescued);
            // Where none is rescued in all this time, there is nothing to be seen, and no harm.
            while logged.load(Ordering::Relaxed) < before + 200
                || logger.stats().rescued == rescued
                    && logged.load(Ordering::Relaxed) < before + 20_000
            {
                thread::yield_now();
            }
            fs::rename(&path, dir.path().join(format!("moved-{index}.kymo"))).unwrap();
            logger.reopen().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let report = logger.shutdown();
    let logged = logged.into_inner();
    assert_eq!((report.written, report.dropped), (logged, 0), "{report:?}");
    let mut found = vec![0; logged as usize];
    let mut files = Files::open_dir(dir.path(), || Options::new().order(Order::Time)).unwrap();
    while let Some((_, event)) = files.next_event().unwrap() {
        if let Event::Record(record) = event
            && record.target() != "kymo"
        {
            found[record.get::<u64>("number").unwrap() as usize] += 1;
        }
    }
    let wrong: Vec<_> = found.iter().enumerate().filter(|(_, times)| **times != 1).collect();
    assert!(wrong.is_empty(), "{} rescued: {wrong:?}", report.rescued);
}
