//! Syncs: `Logger::sync`, and those of a `Durability`. What a power failure leaves is tested with a double of the disk,
//! in `src/consumer/power.rs`.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kymo::{Durability, Level, Logger, Notice, StartErrorKind, Stats, WriteThrough};

/// What the tests run again, in a process of its own.
#[test]
#[ignore = "run by the others"]
fn child_process() {
    match std::env::var("KYMO_CHILD").as_deref() {
        Ok("consumer") => consumer_never_syncs(),
        Ok("failing") => syncs_fail(),
        Ok("all") => all_kinds(),
        Ok("free") => free_after_shutdown(),
        _ => {}
    }
}

fn run(act: &str) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["child_process", "--exact", "--ignored", "--nocapture"])
        .env("KYMO_CHILD", act)
        .output()
        .unwrap();
    assert!(child.status.success(), "{act}: {child:?}");
}

fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64
}

/// Waits until the statistics are so.
fn wait(logger: &Logger, is_so: impl Fn(&Stats) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so(&logger.stats()) {
        assert!(Instant::now() < deadline, "{:?}", logger.stats());
        std::thread::yield_now();
    }
}

/// One logger after the other, each with another durability.
#[test]
fn each_durability_syncs() {
    run("all");
}

fn all_kinds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");

    let logger = Logger::builder(&path).start().unwrap();
    assert_eq!(logger.stats().synced_ns, 0);
    let before_ns = now_ns();
    kymo::info!("first");
    logger.sync().unwrap();
    assert!(logger.stats().synced_ns >= before_ns, "{:?}", logger.stats());
    // In a moved log, too.
    std::fs::rename(&path, dir.path().join("moved.kymo")).unwrap();
    kymo::info!("second");
    logger.reopen().unwrap();
    logger.sync().unwrap();
    assert_eq!(logger.stats().sync_errors, 0);
    assert!(logger.shutdown().error.is_none());

    let every = Durability::Every(Duration::from_millis(1));
    let logger = Logger::builder(&path).durability(every).start().unwrap();
    for _ in 0..3 {
        kymo::info!("third");
        let now_ns = now_ns();
        wait(&logger, |stats| stats.synced_ns > now_ns);
    }
    std::fs::rename(&path, dir.path().join("moved again.kymo")).unwrap();
    logger.reopen().unwrap();
    kymo::info!("fourth");
    let now_ns = now_ns();
    wait(&logger, |stats| stats.synced_ns > now_ns);
    assert!(logger.shutdown().error.is_none());

    let logger = Logger::builder(&path).durability(Durability::AtClose).start().unwrap();
    kymo::info!("fifth");
    logger.flush();
    assert_eq!(logger.stats().synced_ns, 0, "it is not closed");
    let report = logger.shutdown();
    assert!(report.error.is_none() && report.written == 1, "{report:?}");

    // A start that fails leaves no thread that syncs.
    let missing = dir.path().join("missing/app.kymo");
    Logger::builder(missing).durability(every).start().unwrap_err();
    let deadline = Instant::now() + Duration::from_secs(60);
    while threads().iter().any(|name| name == "kymo-sync") {
        assert!(Instant::now() < deadline, "{:?}", threads());
        std::thread::yield_now();
    }
}

/// The thread that syncs, or a log call that does, may have the file open when the logger has ended. The next start
/// does not find it locked.
#[test]
fn a_log_is_free_when_shutdown_returns() {
    run("free");
}

fn free_after_shutdown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let every = Durability::Every(Duration::from_millis(1));
    let critical = WriteThrough::at(Level::Error).synced();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    kymo::error!("critical");
                }
            });
        }
        for round in 0..60 {
            let builder = Logger::builder(&path).durability(every).write_through(critical);
            let builder = builder.overwrite(true).map_window(1 << 20);
            let logger = builder.start().unwrap_or_else(|error| {
                is_over.store(true, Ordering::Relaxed);
                panic!("{round}: {error}")
            });
            for _ in 0..100 {
                kymo::info!("record");
                std::thread::yield_now();
            }
            logger.shutdown();
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|it| std::fs::read_to_string(it.unwrap().path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).collect()
}

#[test]
fn intervals_that_are_too_short_are_told() {
    let path = std::env::temp_dir().join("kymo-never.kymo");
    let every = Durability::Every(Duration::from_micros(999));
    let error = Logger::builder(&path).durability(every).start().unwrap_err();
    assert!(matches!(error.kind(), StartErrorKind::Option { name: "durability", .. }), "{error}");
    assert!(!path.exists());
}

/// The consumer's thread would end the process if it synced.
#[test]
fn the_consumer_never_syncs() {
    run("consumer");
}

fn consumer_never_syncs() {
    static FORBIDDEN: AtomicBool = AtomicBool::new(false);
    let dir = tempfile::tempdir().unwrap();
    // The hook runs in the consumer's thread, once it has found a record.
    let forbid = |_: &Notice<'_>| {
        if !FORBIDDEN.load(Ordering::Relaxed) {
            answer_syncs(libc::SECCOMP_RET_KILL_PROCESS);
            FORBIDDEN.store(true, Ordering::Release);
        }
    };
    let every = Durability::Every(Duration::from_millis(1));
    let builder = Logger::builder(dir.path().join("app.kymo")).durability(every);
    let builder = builder.write_through(WriteThrough::at(Level::Error).synced());
    let logger = builder.high_water(0.0).on_notice(forbid).start().unwrap();
    kymo::info!("found");
    while !FORBIDDEN.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    for round in 0..5 {
        kymo::info!("round {round}");
        kymo::error!("round {round}");
        let now_ns = now_ns();
        wait(&logger, |stats| stats.synced_ns > now_ns);
        logger.sync().unwrap();
        std::fs::rename(logger.path(), dir.path().join(format!("moved.{round}.kymo"))).unwrap();
        logger.reopen().unwrap();
    }
    // The consumer syncs when all is written, and nothing is to be logged any more.
    std::mem::forget(logger);
    std::fs::remove_dir_all(dir.path()).unwrap();
    // SAFETY: ends the process, and no handler runs.
    unsafe { libc::_exit(0) };
}

/// A disk that cannot be written is an error of each call, a count, a notice, and in the report.
#[test]
fn a_failing_disk_is_told() {
    run("failing");
}

fn syncs_fail() {
    static TOLD: AtomicU64 = AtomicU64::new(0);
    answer_syncs(libc::SECCOMP_RET_ERRNO | libc::EIO as u32);
    let dir = tempfile::tempdir().unwrap();
    let tell = |notice: &Notice<'_>| {
        if let Notice::SyncFailed { .. } = notice {
            TOLD.fetch_add(1, Ordering::Relaxed);
        }
    };
    let path = dir.path().join("app.kymo");
    let builder = Logger::builder(&path).durability(Durability::AtClose);
    let logger = builder.on_notice(tell).start().unwrap();
    kymo::info!("here");
    for _ in 0..2 {
        logger.sync().unwrap_err();
    }
    let stats = logger.stats();
    assert_eq!((stats.sync_errors, stats.synced_ns), (2, 0));
    let deadline = Instant::now() + Duration::from_secs(60);
    while TOLD.load(Ordering::Relaxed) == 0 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let report = logger.shutdown();
    assert_eq!(report.written, 1);
    assert!(report.error.is_some() && report.warnings > 0, "{report:?}");
}

/// From here on, the kernel answers all system calls of this thread, and of those that it starts, that sync something
/// with this.
fn answer_syncs(answer: u32) {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUALS: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let calls = [
        libc::SYS_fsync,
        libc::SYS_fdatasync,
        libc::SYS_syncfs,
        libc::SYS_msync,
        libc::SYS_sync_file_range,
    ];
    // The number of the call is the first word.
    let mut program = vec![libc::sock_filter { code: LOAD, jt: 0, jf: 0, k: 0 }];
    for (index, call) in calls.iter().enumerate() {
        let jt = (calls.len() - index) as u8;
        program.push(libc::sock_filter { code: EQUALS, jt, jf: 0, k: *call as u32 });
    }
    program.push(libc::sock_filter { code: RETURN, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW });
    program.push(libc::sock_filter { code: RETURN, jt: 0, jf: 0, k: answer });
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: an option without pointers.
    let unprivileged = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(unprivileged, 0);
    // SAFETY: the program lives until the call returns; the kernel copies it.
    let installed = unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, 0, 0)
    };
    assert_eq!(installed, 0);
}
