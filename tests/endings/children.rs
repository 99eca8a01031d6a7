//! What the processes do that end.

use std::hint::black_box;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::exit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use kymo::{Builder, Clock, Keep, Level, Logger, Rotation, debug, info, trace};

use super::Named;
use super::allocator::at_call;
use super::process::{AT, CHILD, PATH, PLAIN, ROTATES, say_ready};

pub const ALL: &[Named] = &[
    ("exit", || {
        start(builder());
        log_in_three();
        exit(7);
    }),
    ("leak", || {
        start(builder());
        log_in_three();
    }),
    ("in_static", || {
        static LOGGER: Mutex<Option<Logger>> = Mutex::new(None);
        *LOGGER.lock().unwrap() = Some(builder().start().unwrap());
        log_in_three();
    }),
    ("panic_main", || {
        let _logger = builder().start().unwrap();
        log_in_three();
        panic!("as it should be");
    }),
    ("panic_worker", || {
        let _logger = builder().start().unwrap();
        log_in_three();
        assert!(thread::spawn(|| panic!("as it should be")).join().is_err());
    }),
    ("exit_in_handler", || {
        extern "C" fn handler(_: i32) {
            exit(7);
        }
        start(builder());
        on_signal(libc::SIGUSR1, handler);
        log_in_three();
        raise(libc::SIGUSR1);
    }),
    ("exit_twice", || {
        start(builder());
        log_in_three();
        for _ in 0..2 {
            thread::spawn(|| exit(7));
        }
        wait_for_ever();
    }),
    ("exit_on_consumer", || consumer_that(builder(), || exit(7))),
    ("exit_in_shutdown", exit_in_shutdown),
    ("exit_while_logging", exit_while_logging),
    ("exit_timeout", || {
        start(builder().clock(Clock::Custom(clock)).exit_timeout(Duration::from_millis(50)));
        hold();
        exit(7);
    }),
    ("idle", || {
        start(on_all_signals(builder()));
        log_in_three();
        say_ready();
        wait_for_ever();
    }),
    ("busy", || busy(builder(), || wait_for_ever())),
    ("own_handler", own_handler),
    ("own_handler_raised", own_handler_raised),
    ("chained", chained),
    ("interrupted", || interrupted(|| wait_for_ever())),
    ("interrupted_with_handler", || {
        extern "C" fn handler(_: i32) {
            HANDLED.fetch_add(1, Ordering::Relaxed);
        }
        static HANDLED: AtomicU64 = AtomicU64::new(0);
        on_signal(libc::SIGTERM, handler);
        interrupted(|| {
            while HANDLED.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
            exit(3);
        });
    }),
    ("returns_meanwhile", || {
        let _logger = on_all_signals(builder()).start().unwrap();
        log_in_three();
        send_to_process(libc::SIGTERM);
    }),
    ("exits_meanwhile", || {
        start(on_all_signals(builder()));
        log_in_three();
        send_to_process(libc::SIGTERM);
        exit(7);
    }),
    ("starts_meanwhile", starts_meanwhile),
    ("raise_term", || {
        start(on_all_signals(builder()));
        log_in_three();
        raise(libc::SIGTERM);
        // It does not come back.
        std::process::abort();
    }),
    ("in_namespace", in_namespace),
    ("ignored", || {
        // SAFETY: a handler that is none.
        unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
        start(on_all_signals(builder()));
        (0..10).for_each(number);
        say_ready();
        let _ = std::io::stdin().read_line(&mut String::new());
    }),
    ("after_shutdown", || {
        let logger = on_all_signals(builder()).start().unwrap();
        (0..10).for_each(number);
        logger.shutdown();
        say_ready();
        wait_for_ever();
    }),
    ("null", || crash(read_null)),
    ("null_in_worker", || {
        crash(|| {
            let work = || {
                if std::env::var_os(PLAIN).is_none() {
                    (0..10).for_each(number);
                }
                read_null();
            };
            thread::Builder::new().name("worker".into()).spawn(work).unwrap().join().unwrap();
        });
    }),
    ("raise_segv", || crash(raise_twice)),
    ("raise_fpe", || crash(|| raise(libc::SIGFPE))),
    ("bus", || crash(read_behind_file)),
    ("illegal", || crash(illegal_instruction)),
    ("abort", || crash(|| std::process::abort())),
    ("panic_abort", || {
        crash(|| {
            // What `panic = "abort"` does after the hook.
            std::panic::set_hook(Box::new(|_| std::process::abort()));
            panic!("as it should be");
        });
    }),
    ("stack_overflow", || {
        crash(|| {
            black_box(overflow(0));
        });
    }),
    ("two_at_once", || {
        start(on_all_signals(builder()));
        (0..10).for_each(number);
        static BARRIER: Barrier = Barrier::new(2);
        for name in ["one", "two"] {
            let work = || {
                (0..1_000).for_each(number);
                BARRIER.wait();
                read_null();
            };
            thread::Builder::new().name(name.into()).spawn(work).unwrap();
        }
        wait_for_ever();
    }),
    ("crash_while_busy", || busy(builder(), read_null)),
    ("crash_own_handler", || {
        extern "C" fn handler(_: i32) {
            // SAFETY: a call without pointers.
            unsafe { libc::_exit(3) };
        }
        on_signal(libc::SIGSEGV, handler);
        start(on_all_signals(builder()));
        (0..10).for_each(number);
        read_null();
    }),
    ("consumer_clock", || consumer_that(on_all_signals(builder()), read_null)),
    ("consumer_at_its_start", || {
        static STARTED: AtomicBool = AtomicBool::new(false);
        fn clock() -> u64 {
            /// Each of the two comparisons of clocks before `start` returns makes sixteen calls.
            const FIRST_SWEEP: u64 = 32;
            static CALLS: AtomicU64 = AtomicU64::new(0);
            if thread::current().name() == Some("kymo-consumer")
                && CALLS.fetch_add(1, Ordering::Relaxed) == FIRST_SWEEP
            {
                while !STARTED.load(Ordering::Acquire) {
                    thread::yield_now();
                }
                read_null();
            }
            NOON_NS
        }
        start(on_all_signals(builder()).clock(Clock::Custom(clock)));
        STARTED.store(true, Ordering::Release);
        wait_for_ever();
    }),
    ("large_rings", || {
        fill_large_rings();
        HOLD.store(false, Ordering::Release);
        std::process::abort();
    }),
    ("large_rings_of_consumer", || {
        fill_large_rings();
        ACTION.set(|| std::process::abort()).unwrap();
        wait_for_ever();
    }),
    ("consumer_while_busy", || {
        busy(builder().clock(Clock::Custom(clock)), || {
            ACTION.set(read_null).unwrap();
            hold();
            wait_for_ever();
        });
    }),
    ("recorded_abort", || {
        start(on_all_signals(recorder()));
        in_three(recorded);
        std::process::abort();
    }),
    ("recorded_null", || {
        start(on_all_signals(recorder()));
        in_three(recorded);
        read_null();
    }),
    ("recorded_idle", || {
        start(on_all_signals(recorder()));
        in_three(recorded);
        say_ready();
        wait_for_ever();
    }),
    ("recorded_exit", || {
        let _logger = recorder().start().unwrap();
        (0..30_000).for_each(recorded);
    }),
    ("recorded_consumer", || {
        start(on_all_signals(recorder()).clock(Clock::Custom(clock)));
        hold();
        in_three(recorded);
        ACTION.set(read_null).unwrap();
        wait_for_ever();
    }),
    ("recorded_busy", || busy_with(recorder(), recorded, read_null)),
    ("fork", fork),
    ("fork_stats", fork_stats),
    ("fork_rates", fork_rates),
    ("refused", || {
        print!("{}", builder().start().unwrap_err());
        exit(5);
    }),
    ("pid_in_name", || {
        let logger = builder().pid_in_name(true).start().unwrap();
        (0..1_000).for_each(number);
        print!("{}", logger.path().display());
    }),
    ("one_after_another", one_after_another),
    ("forgotten", forgotten),
    ("at_once", at_once),
];

fn builder() -> Builder {
    let builder = Logger::builder(PathBuf::from(std::env::var_os(PATH).expect("a path")));
    match std::env::var_os(ROTATES) {
        None => builder,
        // As often as possible.
        Some(_) => {
            let rotation = Rotation::size(64 << 10).every(Duration::from_millis(1));
            builder.rotate(rotation).keep(Keep::unlimited())
        }
    }
}

fn on_all_signals(builder: Builder) -> Builder {
    let limit = Duration::from_secs(30);
    let builder = builder.drain_on_crash(limit).drain_on_termination(limit);
    builder.on_hangup(kymo::Hangup::Drain(limit))
}

/// Starts a logger that nobody shuts down.
fn start(builder: Builder) {
    std::mem::forget(builder.start().unwrap());
}

fn number(number: u64) {
    info!("{number}");
}

/// Two thirds of these go to the flight recorder.
fn recorded(number: u64) {
    match number % 3 {
        0 => info!("{number}"),
        1 => debug!("{number}"),
        _ => trace!("{number}"),
    }
}

/// Recorders in which 10,000 records have room.
fn recorder() -> Builder {
    builder().flight_recorder(Level::Debug, 512 << 10)
}

/// Logs 10,000 records in this thread and in two others.
fn log_in_three() {
    in_three(number);
}

fn in_three(log: fn(u64)) {
    thread::scope(|scope| {
        for worker in 0..2 {
            let builder = thread::Builder::new().name(format!("worker-{worker}"));
            builder.spawn_scoped(scope, move || (0..10_000).for_each(log)).unwrap();
        }
        (0..10_000).for_each(log);
    });
}

fn wait_for_ever() -> ! {
    loop {
        thread::park();
    }
}

fn on_signal(signal: i32, handler: extern "C" fn(i32)) {
    // SAFETY: a handler of the right kind.
    unsafe { libc::signal(signal, handler as *const () as usize) };
}

fn raise(signal: i32) {
    // SAFETY: a call without pointers.
    unsafe { libc::raise(signal) };
}

/// Logs in three threads, unless this is the process without a logger, and crashes.
fn crash(how: impl Fn()) {
    if std::env::var_os(PLAIN).is_none() {
        start(on_all_signals(builder()));
        log_in_three();
    }
    how();
    panic!("still there");
}

/// The handler of `std` takes the first for a fault, which would come again.
fn raise_twice() {
    raise(libc::SIGSEGV);
    raise(libc::SIGSEGV);
}

fn read_null() {
    let address: *const u64 = black_box(ptr::without_provenance(8));
    // SAFETY: none: this is to crash.
    black_box(unsafe { address.read_volatile() });
}

/// Memory that is mapped, and whose file ends before it.
fn read_behind_file() {
    let path = format!("bus-{}", std::process::id());
    let file = std::fs::File::options().read(true).write(true).create_new(true).open(path).unwrap();
    let (protection, sharing) = (libc::PROT_READ, libc::MAP_SHARED);
    // SAFETY: a new mapping, wherever there is room.
    let map =
        unsafe { libc::mmap(ptr::null_mut(), 4096, protection, sharing, file.as_raw_fd(), 0) };
    assert_ne!(map, libc::MAP_FAILED);
    // SAFETY: none: this is to crash.
    black_box(unsafe { map.cast::<u64>().read_volatile() });
}

fn illegal_instruction() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: none: this is to crash.
    unsafe {
        std::arch::asm!("ud2");
    }
    #[cfg(not(target_arch = "x86_64"))]
    raise(libc::SIGILL);
}

#[allow(unconditional_recursion, reason = "this is to crash")]
fn overflow(depth: u64) -> u64 {
    let room = black_box([depth; 64]);
    overflow(depth + 1) + room[(depth % 64) as usize]
}

/// Three threads that do not stop logging; each has logged 10,000 records when this one goes on.
fn busy(builder: Builder, then: fn()) {
    busy_with(builder, number, then);
}

fn busy_with(builder: Builder, log: fn(u64), then: fn()) {
    start(on_all_signals(builder));
    static LOGGED: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
    for (worker, logged) in LOGGED.iter().enumerate() {
        let work = move || {
            for record in 0.. {
                log(record);
                logged.store(record, Ordering::Relaxed);
            }
        };
        thread::Builder::new().name(format!("worker-{worker}")).spawn(work).unwrap();
    }
    (0..10_000).for_each(log);
    while LOGGED.iter().any(|logged| logged.load(Ordering::Relaxed) < 10_000) {
        thread::yield_now();
    }
    say_ready();
    then();
}

/// What the consumer's thread does next time it looks at the clock.
static ACTION: OnceLock<fn()> = OnceLock::new();
static HOLD: AtomicBool = AtomicBool::new(false);
static HELD: AtomicBool = AtomicBool::new(false);

fn clock() -> u64 {
    static TICKS: AtomicU64 = AtomicU64::new(1);
    if HOLD.load(Ordering::Acquire) && thread::current().name() == Some("kymo-consumer") {
        HELD.store(true, Ordering::Release);
        while HOLD.load(Ordering::Acquire) {
            if let Some(action) = ACTION.get() {
                action();
            }
            thread::yield_now();
        }
    }
    TICKS.fetch_add(1, Ordering::Relaxed)
}

/// Holds the consumer up where it looks at the clock.
fn hold() {
    HOLD.store(true, Ordering::Release);
    while !HELD.load(Ordering::Acquire) {
        thread::yield_now();
    }
}

/// While the consumer is held up, logs as much as fits into the rings; then the consumer does this.
fn consumer_that(builder: Builder, action: fn()) {
    start(builder.clock(Clock::Custom(clock)));
    // The consumer may not have swept yet.
    hold();
    log_in_three();
    ACTION.set(action).unwrap();
    wait_for_ever();
}

/// What a custom clock says: the noon of 2024-07-01, in UTC.
pub const NOON_NS: u64 = 1_719_835_200_000_000_000;

/// How many threads log to large rings.
pub const LARGE_RINGS: u64 = 8;

/// How many records each of them logs. All together take the consumer longer than half a second.
pub const LARGE_RING_RECORDS: u64 = 400_000;

/// Logs to large rings while the consumer is held up, in threads that have ended then.
fn fill_large_rings() {
    let builder = on_all_signals(builder().ring_capacity(64 << 20));
    start(builder.clock(Clock::Custom(clock)));
    hold();
    thread::scope(|scope| {
        for worker in 0..LARGE_RINGS {
            let builder = thread::Builder::new().name(format!("worker-{worker}"));
            builder.spawn_scoped(scope, || (0..LARGE_RING_RECORDS).for_each(number)).unwrap();
        }
    });
}

fn exit_in_shutdown() {
    fn slow_clock() -> u64 {
        static TICKS: AtomicU64 = AtomicU64::new(1);
        if thread::current().name() == Some("kymo-consumer") {
            thread::sleep(Duration::from_millis(2));
        }
        TICKS.fetch_add(1, Ordering::Relaxed)
    }
    let logger = builder().clock(Clock::Custom(slow_clock)).start().unwrap();
    log_in_three();
    thread::spawn(|| logger.shutdown());
    // Until the logger is no longer to be found.
    while thread::spawn(kymo::prepare_thread).join().unwrap() {}
    exit(7);
}

fn exit_while_logging() {
    static STOP: AtomicBool = AtomicBool::new(false);
    static STOPPED: AtomicU64 = AtomicU64::new(0);
    static LOGGED: AtomicU64 = AtomicU64::new(0);
    extern "C" fn count() {
        STOP.store(true, Ordering::Release);
        while STOPPED.load(Ordering::Acquire) < 3 {
            thread::yield_now();
        }
        println!("{} {}", LOGGED.load(Ordering::Relaxed), kymo::unlogged());
    }
    // Before the logger's, so that it is called after that.
    // SAFETY: a function without arguments.
    assert_eq!(unsafe { libc::atexit(count) }, 0);
    start(builder());
    for worker in 0..3 {
        let work = || {
            let mut record = 0;
            while !STOP.load(Ordering::Acquire) {
                number(record);
                record += 1;
            }
            LOGGED.fetch_add(record, Ordering::Relaxed);
            STOPPED.fetch_add(1, Ordering::Release);
            // The thread's end would count what is left of it a second time, if there were any.
            wait_for_ever();
        };
        thread::Builder::new().name(format!("worker-{worker}")).spawn(work).unwrap();
    }
    thread::sleep(Duration::from_millis(20));
    exit(7);
}

/// Sends the process a signal as another process would.
fn send_to_process(signal: i32) {
    // SAFETY: a call without pointers.
    unsafe { libc::kill(std::process::id() as i32, signal) };
}

/// The first thread gets SIGTERM in the middle of the logger's own work: at one of the calls of the
/// allocator that its first log call and a flush make, some of them under locks.
fn interrupted(then: fn()) {
    start(on_all_signals(builder().ring_capacity(4096)));
    static LOGGED: Barrier = Barrier::new(2);
    let work = || {
        (0..1_000).for_each(number);
        LOGGED.wait();
        // So that its ring is not there to be used again, and the first thread makes one.
        wait_for_ever();
    };
    thread::Builder::new().name("worker".to_owned()).spawn(work).unwrap();
    LOGGED.wait();
    let at = std::env::var(AT).unwrap().parse().unwrap();
    let reached = at_call(
        at,
        || send_to_process(libc::SIGTERM),
        || {
            number(0);
            kymo::flush();
        },
    );
    if !reached {
        exit(9);
    }
    then();
}

/// The first thread ends its logger and starts another one, while the thread that stands by is held up: a
/// signal is on its way.
fn starts_meanwhile() {
    static HELD: AtomicBool = AtomicBool::new(false);
    extern "C" fn hold_up(_: i32) {
        HELD.store(true, Ordering::Release);
        wait_for_ever();
    }
    let logger = on_all_signals(builder()).start().unwrap();
    log_in_three();
    on_signal(libc::SIGPROF, hold_up);
    let is_standby = |task: &PathBuf| {
        std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name == "kymo-standby\n")
    };
    let mut tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let task = tasks.find(is_standby).expect("the thread that stands by");
    let task: i32 = task.file_name().unwrap().to_str().unwrap().parse().unwrap();
    // SAFETY: a call without pointers.
    unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), task, libc::SIGPROF) };
    while !HELD.load(Ordering::Acquire) {
        thread::yield_now();
    }
    send_to_process(libc::SIGTERM);
    logger.shutdown();
    let next = PathBuf::from(std::env::var_os(PATH).unwrap()).with_file_name("next.kymo");
    let _logger = on_all_signals(Logger::builder(next)).start().unwrap();
    exit(3);
}

/// A handler of the program's own has been called when `raise` returns, and after the drain.
fn own_handler_raised() {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    extern "C" fn handler(_: i32) {
        CALLS.fetch_add(1, Ordering::Relaxed);
    }
    on_signal(libc::SIGTERM, handler);
    let logger = on_all_signals(builder()).start().unwrap();
    for call in 1..=3 {
        ((call - 1) * 1_000..call * 1_000).for_each(number);
        raise(libc::SIGTERM);
        assert_eq!(CALLS.load(Ordering::Relaxed), call);
        assert_eq!(logger.stats().total.written(), call * 1_000);
    }
    logger.shutdown();
    exit(3);
}

/// A handler that is installed later, and calls the one that was there.
fn chained() {
    static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();
    static CALLS: AtomicU64 = AtomicU64::new(0);
    extern "C" fn handler(signal: i32, info: *mut libc::siginfo_t, context: *mut std::ffi::c_void) {
        type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut std::ffi::c_void);
        let previous = PREVIOUS.get().unwrap().sa_sigaction;
        assert!(previous > 1);
        // SAFETY: the logger's handlers are of this kind.
        let previous: Handler = unsafe { std::mem::transmute(previous) };
        previous(signal, info, context);
        CALLS.fetch_add(1, Ordering::Relaxed);
    }
    let logger = on_all_signals(builder()).start().unwrap();
    // SAFETY: zero is a valid value of all its fields.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut previous: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: valid for a write.
    unsafe { libc::sigaction(libc::SIGTERM, ptr::null(), &raw mut previous) };
    assert!(PREVIOUS.set(previous).is_ok());
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: a handler of the right kind.
    unsafe { libc::sigaction(libc::SIGTERM, &raw const action, ptr::null_mut()) };
    (0..1_000).for_each(number);
    say_ready();
    while CALLS.load(Ordering::Relaxed) == 0 {
        thread::yield_now();
    }
    (1_000..2_000).for_each(number);
    logger.shutdown();
    exit(3);
}

/// Runs another child as the first process of a PID namespace, ends it by SIGTERM, and exits with
/// its code; 77 where the system does not allow that.
fn in_namespace() {
    let unshare = |flags| {
        // SAFETY: a call without pointers.
        unsafe { libc::unshare(flags) == 0 }
    };
    if !unshare(libc::CLONE_NEWPID) && !unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) {
        exit(77);
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let mut child =
        command.env(CHILD, "idle").stdout(std::process::Stdio::piped()).spawn().unwrap();
    super::process::until_ready(&mut child);
    super::process::send(&child, libc::SIGTERM);
    let status = child.wait().unwrap();
    exit(status.code().expect("it exits"));
}

fn own_handler() {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    extern "C" fn handler(signal: i32) {
        assert_eq!(signal, libc::SIGTERM);
        CALLS.fetch_add(1, Ordering::Relaxed);
    }
    on_signal(libc::SIGTERM, handler);
    let logger = on_all_signals(builder()).start().unwrap();
    (0..1_000).for_each(number);
    for call in 1..=3 {
        say_ready();
        while CALLS.load(Ordering::Relaxed) < call {
            thread::yield_now();
        }
        (call * 1_000..(call + 1) * 1_000).for_each(number);
    }
    logger.shutdown();
    // The logger has put it back.
    raise(libc::SIGTERM);
    exit(CALLS.load(Ordering::Relaxed) as i32 - 1);
}

fn fork() {
    let logger = on_all_signals(builder()).start().unwrap();
    (0..100).for_each(number);
    thread::scope(|scope| {
        for name in ["one", "two"] {
            let builder = thread::Builder::new().name(name.into());
            builder.spawn_scoped(scope, || (0..50_000).for_each(number)).unwrap();
        }
        let mut children = Vec::new();
        for round in 0..5 {
            // SAFETY: the child does what the documentation says it may.
            let child = unsafe { libc::fork() };
            assert!(child >= 0);
            if child == 0 {
                // SAFETY: the child does not come back to where it would be dropped once more.
                in_child(unsafe { ptr::read(&raw const logger) });
            }
            number(100 + round);
            children.push(child);
        }
        for child in children {
            let mut status = -1;
            // SAFETY: valid for a write.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!(status, 0, "the child has succeeded");
        }
    });
    logger.shutdown();
}

/// Parent and child suppress records of one statement. The child has a log of its own.
fn fork_rates() {
    fn statement() {
        info!(once; "once");
    }
    let logger = builder().start().unwrap();
    (0..5).for_each(|_| statement());
    // SAFETY: this process has no other thread that has a lock of its own.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let path = logger.path().with_extension("child.kymo");
        let own = Logger::builder(path).start().unwrap();
        (0..3).for_each(|_| statement());
        let suppressed = own.shutdown().suppressed;
        // SAFETY: a call without pointers.
        unsafe { libc::_exit(suppressed as i32) };
    }
    let mut status = -1;
    // SAFETY: valid for a write.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(libc::WEXITSTATUS(status), 3);
    statement();
    assert_eq!(logger.shutdown().suppressed, 5);
}

fn fork_stats() {
    let logger = &builder().start().unwrap();
    number(0);
    let done = &AtomicBool::new(false);
    thread::scope(|scope| {
        // So that another thread has the lock at most forks.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                black_box(logger.stats());
            }
        });
        for _ in 0..200 {
            // SAFETY: the child makes the call that is looked at, and ends.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let code = logger.stats().total.logged() as i32;
                // SAFETY: a call without pointers.
                unsafe { libc::_exit(code) };
            }
            let mut status = -1;
            // SAFETY: valid for a write.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!(status, 0);
        }
        done.store(true, Ordering::Relaxed);
    });
}

fn in_child(inherited: Logger) -> ! {
    assert_eq!(kymo::unlogged(), 0);
    (0..3).for_each(number);
    assert!(!kymo::prepare_thread() && !kymo::flush());
    assert_eq!(kymo::unlogged(), 3);
    start(on_all_signals(builder()).pid_in_name(true));
    (0..500).for_each(number);
    drop(inherited);
    (500..1_000).for_each(number);
    let work = || (0..500).for_each(number);
    thread::Builder::new().name("grandchild".into()).spawn(work).unwrap().join().unwrap();
    exit(0);
}

/// The memory that the process has in use, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// What the file takes up of it, which is not the logger's own, is less than this.
const FILE_BYTES: u64 = 16 << 20;

fn one_after_another() {
    let logger = builder().start().unwrap();
    let before = resident();
    let mut most = 0;
    for round in 0..10_000 {
        let work = || (0..2).for_each(number);
        thread::Builder::new().name(format!("t{round}")).spawn(work).unwrap().join().unwrap();
        if round % 100 == 0 {
            most = most.max(resident());
        }
    }
    logger.shutdown();
    // All rings together would take 10 GiB. (How many are in use depends on when the system lets the
    // consumer run.)
    assert!(most < before + FILE_BYTES + (512 << 20), "{before} {most}");
}

/// Of 20 threads that log at their end, every second one has logged before.
fn forgotten() {
    extern "C" fn log_at_end(value: *mut libc::c_void) {
        number(value.addr() as u64);
    }

    let logger = builder().start().unwrap();
    let mut key = 0;
    // SAFETY: valid for a write, and a function of that type.
    assert_eq!(unsafe { libc::pthread_key_create(&mut key, Some(log_at_end)) }, 0);
    for thread in 1..=20 {
        let work = move || {
            if thread % 2 == 0 {
                number(0);
            }
            let value = ptr::without_provenance::<libc::c_void>(thread);
            // SAFETY: the key was made above. Nobody follows the pointer.
            assert_eq!(unsafe { libc::pthread_setspecific(key, value) }, 0);
        };
        thread::Builder::new().name(format!("t{thread}")).spawn(work).unwrap().join().unwrap();
    }
    logger.shutdown();
}

fn at_once() {
    let logger = builder().start().unwrap();
    let before = resident();
    let mut most = 0;
    for round in 0..10 {
        thread::scope(|scope| {
            for thread in 0..64 {
                let name = format!("t{round}-{thread}");
                let work = || (0..100).for_each(number);
                thread::Builder::new().name(name).spawn_scoped(scope, work).unwrap();
            }
        });
        logger.flush();
        most = most.max(resident());
    }
    logger.shutdown();
    // 64 rings are in use at a time, of 640.
    assert!(most < before + FILE_BYTES + (256 << 20), "{before} {most}");
}
