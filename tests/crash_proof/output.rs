//! Processes whose output fails, whose consumer crashes, or which fork, and which are killed then.

use super::*;
use std::os::unix::process::ExitStatusExt;

/// What a thread has in a log, and beside it.
#[derive(Default)]
struct Found {
    numbers: Vec<u64>,
    dropped: u64,
}

/// What was logged, by thread, and the signals that were noted.
fn found(log: &Path) -> (Vec<Found>, Vec<u8>) {
    let mut files = Files::open([log], || Options::new().order(Order::Exact)).unwrap();
    let mut threads: Vec<Found> = (0..THREADS).map(|_| Found::default()).collect();
    let mut signals = Vec::new();
    let of = |name: &str| name.strip_prefix("thread ").and_then(|it| it.parse::<usize>().ok());
    while let Some((_, event)) = files.next_event().unwrap() {
        match event {
            Event::Record(record) => {
                let Some(thread) = of(record.thread().name()) else { continue };
                let mut message = String::new();
                record.message(&mut message);
                let number = message.split(' ').nth(1).unwrap().parse().unwrap();
                assert_eq!(message, format!("{thread} {number} {}", text(number)));
                threads[thread].numbers.push(number);
            }
            Event::Drops(drops) => {
                let Some(thread) = of(drops.thread.name()) else { continue };
                threads[thread].dropped += drops.total();
            }
            Event::Signal(signal) => signals.push(signal.signal),
            Event::Damage(damage) => panic!("{damage}"),
            _ => {}
        }
    }
    (threads, signals)
}

/// Asserts that no record is there twice or out of order, and that the last one is there, unless
/// none is; returns how many are missing, by thread.
fn assert_once(threads: &[Found], counters: &Counters) -> Vec<u64> {
    let mut missing = Vec::new();
    for (thread, found) in threads.iter().enumerate() {
        let numbers = &found.numbers;
        assert!(numbers.is_sorted_by(|one, other| one < other), "{thread}: twice, or out of order");
        let returned = counters.of(thread).load(Ordering::Acquire);
        let Some(&last) = numbers.last() else {
            missing.push(returned);
            continue;
        };
        assert!((returned..=returned + 1).contains(&last), "{thread}: {last} of {returned}");
        missing.push(last - numbers.len() as u64);
    }
    missing
}

/// Waits until each thread has come further by so many.
fn wait_for_more(child: &mut Child, counters: &Counters, more: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let of = |thread| counters.of(thread).load(Ordering::Acquire);
    let before: Vec<u64> = (0..THREADS).map(of).collect();
    while (0..THREADS).any(|thread| of(thread) < before[thread] + more) {
        assert!(child.try_wait().unwrap().is_none(), "the child has ended");
        assert!(Instant::now() < deadline, "the child logs nothing");
        std::thread::yield_now();
    }
}

/// The log is removed while the process writes to it, so that it begins another, and then the
/// process is killed.
#[test]
fn a_new_segment_keeps_the_rings() {
    for round in 0..8 {
        let dir = scratch();
        let log = dir.path().join("app.kymo");
        let counters = Counters::map(&dir.path().join("counters"));
        let mut child = spawn("removed", dir.path());
        wait_for(&mut child, &counters, 1_000);
        fs::remove_file(&log).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        // The directory entry is there before the header is.
        while fs::metadata(&log).map_or(0, |it| it.len()) < 8192 {
            assert!(Instant::now() < deadline, "there is no other log");
            std::thread::yield_now();
        }
        if round % 2 == 0 {
            wait_for_more(&mut child, &counters, 2_000);
        }
        // Else the process may have logged nothing since.
        std::thread::sleep(Duration::from_micros(mix(round) % 2_000));
        kill(child);
        let recovery = recover(&log).unwrap();
        assert!(recovery.damage.is_empty(), "{:?}", recovery.damage);
        assert!(files_in(&dir.path().join("rings")).is_empty());
        let (threads, _) = found(&log);
        let missing = assert_once(&threads, &counters);
        assert!(missing[0] > 0, "what was in the log that was removed");
        for (found, missing) in threads.iter().zip(missing) {
            // Where nothing is left, one more may have been logged than calls have returned.
            let most = missing + u64::from(found.numbers.is_empty());
            let is_marked = (missing..=most).contains(&found.dropped);
            // The process may have been killed before it came to write the mark.
            assert!(is_marked || round % 2 == 1 && found.dropped == 0);
            assert!(round % 2 == 1 || !found.numbers.is_empty());
        }
    }
}

/// The file may grow no more for a while. A process that is killed then, or later, has each record
/// in the log, in its rings, or dropped.
#[test]
fn a_full_disk_duplicates_no_record() {
    for round in 0..6 {
        let dir = scratch();
        let log = dir.path().join("app.kymo");
        let counters = Counters::map(&dir.path().join("counters"));
        let mut child = spawn("limited", dir.path());
        wait_for(&mut child, &counters, 1_000);
        limit_files(&child, fs::metadata(&log).unwrap().len());
        // Much more than there is room for.
        wait_for_more(&mut child, &counters, 200_000);
        let grows_again = round % 2 == 0;
        if grows_again {
            limit_files(&child, libc::RLIM_INFINITY);
            let length = fs::metadata(&log).unwrap().len();
            let deadline = Instant::now() + Duration::from_secs(60);
            while fs::metadata(&log).unwrap().len() <= length {
                assert!(Instant::now() < deadline, "the log does not grow");
                std::thread::yield_now();
            }
            wait_for_more(&mut child, &counters, 10_000);
        }
        std::thread::sleep(Duration::from_micros(mix(round) % 2_000));
        kill(child);
        let recovery = recover(&log).unwrap();
        assert!(recovery.damage.is_empty(), "{:?}", recovery.damage);
        let (threads, _) = found(&log);
        if grows_again {
            let missing = assert_once(&threads, &counters);
            let dropped: Vec<u64> = threads.iter().map(|found| found.dropped).collect();
            assert_eq!(missing, dropped);
            assert!(missing.iter().sum::<u64>() > 0, "the output never failed");
        } else {
            for found in threads {
                assert!(found.numbers.is_sorted_by(|one, other| one < other));
            }
        }
    }
}

/// Lets a process make no file longer than so many bytes.
fn limit_files(child: &Child, bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the limit is there, and what was before is not asked for.
    let set = unsafe {
        libc::prlimit(child.id() as i32, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut())
    };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}

/// The consumer crashes in the middle of its work, another thread takes over and drains the rings,
/// and the other threads log until the process is gone.
#[test]
fn drained_records_are_not_recovered() {
    for round in 0..10 {
        let dir = scratch();
        let log = dir.path().join("app.kymo");
        let counters = Counters::map(&dir.path().join("counters"));
        let mut child = spawn("crashing", dir.path());
        // Each: a thread that makes its ring while the process dies is too late.
        wait_for_more(&mut child, &counters, 500);
        counters.of(child::CRASH_AFTER).store(1 + mix(round) % 5, Ordering::Relaxed);
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGABRT));
        let recovery = recover(&log).unwrap();
        assert!(recovery.damage.is_empty(), "{:?}", recovery.damage);
        assert_all(&log, &counters);
        let (_, signals) = found(&log);
        assert_eq!(signals, [libc::SIGABRT as u8], "one end, and the right one");
        assert!(files_in(&dir.path().join("rings")).is_empty());
    }
}

/// Records that their threads have written into the side file, because the consumer did not answer,
/// are in the rings, too.
#[test]
fn rescued_records_are_not_recovered() {
    let dir = scratch();
    let log = dir.path().join("app.kymo");
    let counters = Counters::map(&dir.path().join("counters"));
    let mut child = spawn("critical", dir.path());
    let deadline = Instant::now() + Duration::from_secs(60);
    let is_stopped = || counters.of(AS_OF_STOP).load(Ordering::Acquire) > 0;
    while !is_stopped() || !dir.path().join("app.kymo.rescue").exists() {
        assert!(Instant::now() < deadline, "nothing is rescued");
        std::thread::yield_now();
    }
    wait_for_more(&mut child, &counters, 50);
    kill(child);
    let mut rescued = Files::open([dir.path().join("app.kymo.rescue")], Options::new).unwrap();
    while rescued.next_event().unwrap().is_some() {}
    assert!(rescued.readers()[0].report().records > 20);
    assert!(recover(&log).unwrap().records() > 20);
    // The side file has a clock of its own, so that its records may be near their places.
    let (mut threads, _) = found(&log);
    for (thread, found) in threads.iter_mut().enumerate() {
        found.numbers.sort_unstable();
        let count = found.numbers.len() as u64;
        assert!(found.numbers.iter().copied().eq(1..=count), "{thread}: {:?}", found.numbers);
        let returned = counters.of(thread).load(Ordering::Acquire);
        assert!((returned..=returned + 1).contains(&count), "{thread}: {count} of {returned}");
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().unwrap())
}

fn write(path: &Path, at: u64, word: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &word.to_le_bytes(), at).unwrap();
}

/// A process is killed when it has written its last batch to the log, and not committed it. (It is
/// put back to that moment, which lasts for less than a microsecond.)
#[test]
fn uncommitted_bytes_are_truncated() {
    const COMMITTED: usize = 1024;
    const TAIL: usize = 1024;
    const HEAD: usize = 1408;
    const ACCOUNTS: [usize; 2] = [1536, 1576];
    let dir = scratch();
    let log = dir.path().join("app.kymo");
    let counters = Counters::map(&dir.path().join("counters"));
    let child = spawn("few", dir.path());
    let deadline = Instant::now() + Duration::from_secs(60);
    let rings = || {
        let files = files_in(&dir.path().join("rings")).into_iter();
        let rings = files.filter(|path| path.extension().unwrap() == "kymoring");
        let rings = rings.map(|path| (fs::read(&path).unwrap(), path));
        rings.collect::<Vec<_>>()
    };
    let is_swept = |(bytes, _): &(Vec<u8>, PathBuf)| {
        // The tail is in bytes.
        8 * word(bytes, HEAD) == word(bytes, TAIL) && word(bytes, TAIL) > 0
    };
    while (0..THREADS).any(|thread| counters.of(thread).load(Ordering::Acquire) < 100)
        || !rings().iter().all(is_swept)
    {
        assert!(Instant::now() < deadline, "the log is not written");
        std::thread::yield_now();
    }
    kill(child);
    let rings = rings();
    let accounts = |bytes: &[u8]| {
        let mut accounts = ACCOUNTS.map(|at| [word(bytes, at), word(bytes, at + 24)]);
        accounts.sort();
        accounts
    };
    let all = rings.iter().flat_map(|(bytes, _)| accounts(bytes)).map(|[_, committed]| committed);
    let last = all.clone().max().unwrap();
    let before = all.filter(|committed| *committed < last).max().unwrap().max(4096);
    let mut undone = 0;
    for (bytes, path) in &rings {
        let [older, newer] = accounts(bytes);
        if newer[1] == last {
            write(path, HEAD as u64, older[0]);
            undone += 1;
        }
    }
    assert!(undone > 0);
    write(&log, COMMITTED as u64, before);
    assert!(recoverable(&log).records > 0);
    assert!(recover(&log).unwrap().damage.is_empty());
    assert_all(&log, &counters);
}

/// The children of a fork have no part in the rings.
#[test]
fn a_fork_leaves_the_rings_alone() {
    let dir = scratch();
    let counters = Counters::map(&dir.path().join("counters"));
    let mut child = spawn("forking", dir.path());
    wait_for(&mut child, &counters, 1_000);
    kill(child);
    let log = dir.path().join("app.kymo");
    recover(&log).unwrap();
    assert_eq!(recover(&log).unwrap().records(), 0);
    assert_all(&log, &counters);
}
