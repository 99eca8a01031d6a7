//! Files of rings that are damaged, cut, or cannot be made.

use super::*;
use kymo::{Notice, Recovery};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

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

/// A damaged ring is named and kept and the others are recovered.
#[test]
fn damaged_rings_are_named_and_kept() {
    let dir = scratch();
    let (rings, counters) = killed(dir.path());
    assert!(rings.len() >= THREADS);
    // One is truncated in its header, one after it, and one has lost half of its words.
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
    // The thread whose ring is whole has all its records. Each record of the others is there once,
    // in order. One case cannot be told: a record whose beginning is whole and whose rest is
    // damaged.
    let found = messages(&log);
    let (none, mut whole) = (Vec::new(), 0);
    for thread in 0..THREADS {
        // The consumer may have read nothing of a ring that is damaged now.
        let records = found.get(&format!("thread {thread}")).unwrap_or(&none);
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

/// A directory without room fails the start or is counted.
#[test]
fn a_full_directory_is_refused_or_counted() {
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
    // The four threads, and the one that tells their number, which does not log.
    while counters.of(child::RING_FILE_ERRORS).load(Ordering::Acquire) == 0 {
        assert!(Instant::now() < deadline, "not counted");
        std::thread::yield_now();
    }
    kill(child);

    let _turn = turn();
    let start = Logger::builder(dir.path().join("other.kymo"))
        .crash_proof(dir.path().join("no such directory"))
        .start();
    assert!(start.unwrap_err().to_string().contains("no such directory"));
    assert!(!dir.path().join("other.kymo").exists());
}

/// A container's `/dev/shm` has 64 MiB, which was found out by the thread for whose ring there was no room.
#[test]
fn a_directory_with_little_room_is_told_at_the_start() {
    let dir = scratch();
    let mut command = command("few fit", dir.path());
    let mount = namespace::small_disk("size=64m");
    namespace::mount_for(&mut command, mount, &dir.path().join("rings"));
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("skipped: no file system of its own: {error}");
            return;
        }
    };
    assert!(child.wait().unwrap().success());
    let counters = Counters::map(&dir.path().join("counters"));
    let said = |at: usize| counters.of(at).load(Ordering::Acquire);
    // A ring and a flight recorder of a MiB each; room for the call sites is needed, too.
    assert_eq!((said(0), said(1)), (31, (2 << 20) + (2 << 12)));
    // Thousands of small ones fit.
    assert_eq!((said(2), said(3)), (0, 0));
    let warnings = &messages(&dir.path().join("app.kymo"))["kymo"];
    let told = |text: &String| text.contains("room for the rings of 31 threads");
    assert_eq!(warnings.iter().filter(|text| told(text)).count(), 1, "{warnings:?}");
}

/// Without its call sites a ring says nothing: that is damage, and everything is kept.
#[test]
fn call_sites_that_are_missing_are_damage() {
    let dir = scratch();
    let (_, counters) = killed(dir.path());
    let rings = dir.path().join("rings");
    let sites = |path: &PathBuf| path.extension().unwrap() == "kymosites";
    let sites = files_in(&rings).into_iter().find(sites).unwrap();
    let bytes = fs::read(&sites).unwrap();
    let log = dir.path().join("app.kymo");
    // Of four entries one; then none.
    let mut damaged = bytes.clone();
    damaged[4096 + 24] ^= 1;
    fs::write(&sites, &damaged).unwrap();
    let recovery = recover(&log).unwrap();
    let of_sites = recovery.damage.iter().find(|it| it.path.to_string_lossy().contains("sites"));
    assert!(of_sites.unwrap().problem.contains("at byte 4096"), "{:?}", recovery.damage);
    assert!(recovery.records() > 0, "of the other call sites: {recovery:?}");
    assert!(recovery.damage.len() > THREADS, "the rings, whose records are not known");
    let kept = files_in(&rings);
    assert!(kept.iter().all(|path| path.extension().unwrap() == "damaged"), "{kept:?}");

    // With what was damaged restored, all is recovered from what was kept.
    for path in kept {
        fs::rename(&path, path.with_extension("")).unwrap();
    }
    fs::remove_file(dir.path().join("app.kymo.recovered")).unwrap();
    fs::write(&sites, &bytes).unwrap();
    assert!(recover(&log).unwrap().damage.is_empty());
    assert_all(&log, &counters);
}

/// The directory is gone: threads that come later have ordinary rings, the logger says so, and loses
/// nothing.
#[test]
fn a_removed_directory_is_counted_and_told() {
    let _turn = turn();
    let dir = scratch();
    let (log, rings) = (dir.path().join("app.kymo"), dir.path().join("rings"));
    let told = Arc::new(AtomicU64::new(0));
    let hook = {
        let told = told.clone();
        move |notice: &Notice<'_>| {
            if let Notice::RingFileFailed { count, error } = notice {
                assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
                assert!(error.to_string().contains("rings"), "{error}");
                told.fetch_add(*count, Ordering::Relaxed);
            }
        }
    };
    let logger = Logger::builder(&log).crash_proof(&rings).on_notice(hook).start().unwrap();
    info!("{} {}", "before", 1);
    fs::remove_dir_all(&rings).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let run = move || (1..=100).for_each(|number| child::log(thread, number));
            let name = format!("thread {thread}");
            std::thread::Builder::new().name(name).spawn_scoped(scope, run).unwrap();
        }
    });
    assert_eq!(logger.stats().ring_file_errors, THREADS as u64);
    let report = logger.shutdown();
    assert_eq!((report.written, report.dropped), (THREADS as u64 * 100 + 1, 0));
    assert_eq!(told.load(Ordering::Relaxed), THREADS as u64);
    let found = messages(&log);
    assert!(found["kymo"].iter().any(|text| text.contains("not safe from SIGKILL")), "{found:?}");
}
