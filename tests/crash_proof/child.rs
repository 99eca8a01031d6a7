//! What the child processes do.

use std::fs::File;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use kymo::{
    Builder, Clock, Level, Logger, Notice, Overflow, WriteThrough, debug, error, info, trace, warn,
};

pub const THREADS: usize = 4;

/// Numbers in a file that parent and child map: how far each thread's calls have returned.
pub struct Counters(memmap2::MmapRaw);

impl Counters {
    pub fn map(path: &Path) -> Self {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(path).unwrap();
        file.set_len(4096).unwrap();
        Self(memmap2::MmapOptions::new().map_raw(&file).unwrap())
    }

    pub fn of(&self, thread: usize) -> &AtomicU64 {
        assert!(thread < 512);
        // SAFETY: within the page.
        let at = unsafe { self.0.as_mut_ptr().cast::<AtomicU64>().add(thread) };
        // SAFETY: aligned, mapped as long as `self`, and only used as an atomic.
        unsafe { &*at }
    }
}

/// Another text for each number, of another length.
pub fn text(number: u64) -> String {
    "abcdefghijklmnopqrstuvwxyz"[..(number % 27) as usize].repeat((number % 5) as usize)
}

/// Starts loggers while a thread looks at the log.
fn look(dir: &Path) {
    let log = dir.join("app.kymo");
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                assert_eq!(kymo::recoverable(&log).records, 0);
            }
        });
        for _ in 0..30 {
            let builder = Logger::builder(&log).crash_proof(dir.join("rings"));
            let started = builder.overwrite(true).start();
            // Also where it fails, or the scope would not end.
            ended.fetch_or(started.is_err(), Ordering::Relaxed);
            info!("{}", 1);
            started.unwrap().shutdown();
        }
        ended.store(true, Ordering::Relaxed);
    });
}

/// Forks a child that has a logger of its own, with rings of its own.
fn start_in_fork(dir: &Path) {
    let start = |name: &str, bytes| {
        let builder = Logger::builder(dir.join(name)).crash_proof(dir.join("rings"));
        let builder = builder.overflow_at(Level::Info, Overflow::OverwriteOldest);
        builder.flight_recorder(Level::Debug, bytes).ring_capacity(bytes).start().unwrap()
    };
    let log = |logger: &Logger| {
        debug!("{}", 1);
        info!("{}", 2);
        assert!(logger.dump_flight_recorder() > 0);
    };
    let logger = start("app.kymo", ROUND_BYTES);
    log(&logger);
    // SAFETY: no arguments. In this test, the allocator can be used after a fork.
    let process = unsafe { libc::fork() };
    if process == 0 {
        debug!("nobody listens");
        // Its rings do not fit where the others would be.
        let own = start("other.kymo", 4 << 20);
        log(&own);
        let report = own.shutdown();
        let code = i32::from((report.written, report.dumped) != (2, 1));
        // SAFETY: it ends the process.
        unsafe { libc::_exit(code) };
    }
    wait_for_success(process);
    // Another one whose only thread just ends, and with it the thread's copies of the rings.
    let fork = || {
        debug!("{}", 0);
        // SAFETY: as above.
        unsafe { libc::fork() }
    };
    let forking = std::thread::spawn(move || match fork() {
        0 => {}
        process => wait_for_success(process),
    });
    forking.join().unwrap();
    log(&logger);
    assert_eq!(logger.shutdown().written, 5);
}

/// Becomes another program, which does what this scene says, when the rings hold something of each thread.
fn become_another(scene: &str, dir: &Path, counters: &Counters) -> ! {
    use std::os::unix::process::CommandExt;
    while (0..THREADS).any(|thread| counters.of(DONE + thread).load(Ordering::Acquire) == 0) {
        std::thread::yield_now();
    }
    std::fs::rename(dir.join("counters"), dir.join("counters before")).unwrap();
    panic!("{}", crate::command(scene, dir).exec());
}

/// How many records a thread logs that logs few.
const FEW: u64 = 100;

/// Where a thread notes that it has logged all its records.
const DONE: usize = 400;

/// Says in a counter for how many threads' rings a logger says that there is room, if it says so.
fn few_fit(dir: &Path) {
    let start = |ring_bytes: usize, number: usize| {
        let counters = Counters::map(&dir.join("counters"));
        let hook = move |notice: &Notice<'_>| {
            if let Notice::FewRingsFit { threads, bytes_per_thread, .. } = notice {
                counters.of(2 * number).store(*threads, Ordering::Release);
                counters.of(2 * number + 1).store(*bytes_per_thread, Ordering::Release);
            }
        };
        let builder = Logger::builder(dir.join("app.kymo")).crash_proof(dir.join("rings"));
        let builder = builder.flight_recorder(Level::Debug, ring_bytes).ring_capacity(ring_bytes);
        builder.overwrite(true).on_notice(hook).start().unwrap()
    };
    for (number, ring_bytes) in [1 << 20, 4096].into_iter().enumerate().rev() {
        let logger = start(ring_bytes, number);
        // The consumer looks what there is to tell after each sweep, the first time after its first.
        for _ in 0..2 {
            info!("{}", 1);
            assert!(kymo::flush());
        }
        logger.shutdown();
    }
}

/// Logs until it is killed.
pub fn child(scene: &str, dir: &Path) {
    // It does not outlive a test that fails.
    let kill = rustix::process::Signal::KILL;
    rustix::process::set_parent_process_death_signal(Some(kill)).unwrap();
    match scene {
        "looking" => return look(dir),
        "forked" => return start_in_fork(dir),
        "few fit" => return few_fit(dir),
        _ => {}
    }
    let counters = Counters::map(&dir.join("counters"));
    if scene == "idle" {
        counters.of(0).store(1, Ordering::Release);
        loop {
            std::thread::park();
        }
    }
    let then = scene.strip_prefix("becoming ");
    let name = if scene == "other" { "other.kymo" } else { "app.kymo" };
    let builder = Logger::builder(dir.join(name)).crash_proof(dir.join("rings"));
    // Small rings and parts of the file, so that both go round often.
    let builder = builder.ring_capacity(64 << 10).map_window(4 << 20);
    let builder = match scene {
        // The consumer is mostly asleep.
        "paused" => builder.poll_interval(Duration::from_millis(20)),
        "stopped" => stop_consumer(builder, dir),
        "critical" => {
            let critical = WriteThrough::at(Level::Warn).timeout(Duration::from_millis(2));
            stop_consumer(builder, dir).write_through(critical)
        }
        "coarse" => builder.clock(kymo::Clock::Coarse),
        "recovering" => builder.recover(true),
        "overwriting" => builder.overwrite(true),
        "keeping" => builder.overwrite(true).recover(true),
        "removed" | "limited" => builder.overflow(Overflow::Wait { timeout: None }),
        "crashing" => crash_consumer(builder, dir),
        "flight" | "dumped" | "ended" => builder.flight_recorder(Level::Debug, ROUND_BYTES),
        _ if then.is_some() => stop_consumer(builder, dir),
        "oldest" => builder.overflow(Overflow::OverwriteOldest),
        "oldest stopped" => {
            stop_consumer(builder, dir).overflow_at(Level::Info, Overflow::OverwriteOldest)
        }
        _ => builder,
    };
    let logger = builder.start().unwrap();
    std::thread::scope(|scope| {
        if scene == "small" {
            scope.spawn(|| {
                loop {
                    let errors = logger.stats().ring_file_errors;
                    counters.of(RING_FILE_ERRORS).store(errors, Ordering::Release);
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        if let Some(then) = then {
            scope.spawn(|| become_another(then, dir, &counters));
        }
        for thread in 0..THREADS {
            let counters = &counters;
            let log = move |number: u64| {
                match scene {
                    "dumped" if number == DUMP_AT => {
                        error!("{thread} {number} {}", text(number));
                        assert!(kymo::flush());
                    }
                    "flight" | "dumped" | "ended" => record(thread, number),
                    _ => log(thread, number),
                }
                if scene == "removed" && number.is_multiple_of(1_000) {
                    // Has the consumer look at its file.
                    kymo::flush();
                }
                if scene == "forking" && thread == 0 && number.is_multiple_of(100) {
                    fork();
                }
                // Release: pairs with the end of this process.
                counters.of(thread).store(number, Ordering::Release);
            };
            let name = format!("thread {thread}");
            let make = move || std::thread::Builder::new().name(name.clone());
            if scene == "few" || then.is_some() {
                make()
                    .spawn_scoped(scope, move || {
                        let stopped = || counters.of(AS_OF_STOP + thread).load(Ordering::Acquire);
                        let mut next = 1;
                        while then.is_some() && stopped() == 0 {
                            log(next);
                            next += 1;
                            // The ring does not become full.
                            std::thread::sleep(Duration::from_millis(1));
                        }
                        (next..next + FEW).for_each(log);
                        counters.of(DONE + thread).store(1, Ordering::Release);
                        loop {
                            std::thread::park();
                        }
                    })
                    .unwrap();
            } else if scene == "short" || scene == "ended" {
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

/// The file with the number of ring files that could not be made.
pub const RING_FILE_ERRORS: usize = 300;

/// The file with the number of clock readings after which the consumer crashes, if it is not 0.
pub const CRASH_AFTER: usize = 200;

/// Where the parent's counters are, for `clock`, which has no arguments.
static SHARED: OnceLock<Counters> = OnceLock::new();

/// Has the consumer crash when the parent wants it, while it works.
fn crash_consumer(builder: Builder, dir: &Path) -> Builder {
    let _ = SHARED.set(Counters::map(&dir.join("counters")));
    builder.clock(Clock::Custom(clock)).drain_on_crash(Duration::from_secs(10))
}

fn clock() -> u64 {
    let crash_after = SHARED.get().unwrap().of(CRASH_AFTER);
    if crash_after.load(Ordering::Relaxed) > 0
        && std::thread::current().name() == Some("kymo-consumer")
        && crash_after.fetch_sub(1, Ordering::Relaxed) == 1
    {
        std::process::abort();
    }
    std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64
}

/// A child that logs, in vain, and ends.
fn fork() {
    // SAFETY: no arguments. The child calls nothing but what is allowed after a fork, but for
    // statements, which do nothing there.
    let process = unsafe { libc::fork() };
    assert!(process >= 0);
    if process == 0 {
        info!("of a child of a fork");
        let code = i32::from(kymo::unlogged() != 1);
        // SAFETY: it ends the process.
        unsafe { libc::_exit(code) };
    }
    wait_for_success(process);
}

fn wait_for_success(process: i32) {
    let mut status = 0;
    // SAFETY: the status is there.
    unsafe { libc::waitpid(process, &mut status, 0) };
    assert_eq!(status, 0);
}

/// Where the counters are as they were when the consumer was stopped, from 1.
pub const AS_OF_STOP: usize = 100;

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

/// How long the flight recorder's rings are.
pub const ROUND_BYTES: usize = 32 << 10;

/// The record number after which there is a dump.
pub const DUMP_AT: u64 = 1_000;

/// One record, of the flight recorder but for each hundredth.
fn record(thread: usize, number: u64) {
    let text = text(number);
    match number % 100 {
        50 => info!("{thread} {number} {text}"),
        even if even % 2 == 0 => debug!("{thread} {number} {text}"),
        _ => trace!("{thread} {number} {}", &text[..]),
    }
}

/// One record, of one of several statements.
pub fn log(thread: usize, number: u64) {
    let text = text(number);
    match number % 4 {
        0 => info!("{thread} {number} {text}"),
        1 => warn!("{thread} {number} {}", &text[..]),
        2 => info!("{} {} {text:}", thread, number as u32),
        _ => {
            info!("{thread} {number} {}{}", Some(1_u8).map_or("", |_| ""), kymo::as_display(&text))
        }
    }
}
