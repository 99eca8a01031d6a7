//! The child process: loggers, threads that log, and an end.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;
use kymo::{Level, Logger, Notice};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::configuration::{Configuration, Ending, Fault};
use crate::table::{HOOK, MAX_THREADS, Table};
use crate::worker::{Last, Worker};

/// How many records all long-lived threads log at most, for files of a reasonable size.
const RECORDS: u64 = 1_000_000;

/// The exit code of a child that found something wrong itself.
const WRONG: i32 = 99;

/// The exit code of a child that ends by `exit`.
pub const EXIT: i32 = 7;

/// What the threads of a child share.
pub struct Stage {
    pub configuration: Configuration,
    pub table: Table,
    directory: PathBuf,
    over: AtomicBool,
    logger: RwLock<Option<Logger>>,
    next_thread: AtomicU64,
    threads: Mutex<Vec<JoinHandle<()>>>,
    hook: Mutex<Option<Worker>>,
}

/// The name of the log of a session.
pub fn log_name(session: usize) -> String {
    format!("log-{session}.kymo")
}

/// The name of the table.
pub const TABLE: &str = "table";

/// The clock of programs that bring their own.
pub fn clock() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default().as_nanos() as u64
}

/// Does what the seed says, in a directory.
pub fn run(directory: &Path, seed: u64) -> ExitCode {
    let stage: &'static Stage = Box::leak(Box::new(Stage {
        configuration: Configuration::new(seed),
        table: Table::open(&directory.join(TABLE)).expect("a table"),
        directory: directory.to_owned(),
        over: AtomicBool::new(false),
        logger: RwLock::new(None),
        next_thread: AtomicU64::new(HOOK + 1),
        threads: Mutex::default(),
        hook: Mutex::default(),
    }));
    *lock(&stage.hook) = Some(Worker::new(stage, HOOK));
    let rng = &mut Rng::with_seed(!seed);
    let last = stage.configuration.sessions - 1;
    for session in 0..last {
        stage.start(session);
        stage.let_run(session, rng);
        let logger = stage.take_logger();
        stage.table.sessions[session].ending.set(1);
        stage.table.sessions[session].note(&logger.shutdown());
    }
    stage.start(last);
    stage.let_run(last, rng);
    stage.end(last)
}

impl Stage {
    /// Whether threads are to end.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Starts a logger, and with the first one the threads.
    fn start(&'static self, session: usize) {
        let path = self.directory.join(log_name(session));
        let mut builder = self.configuration.builder(&path);
        if self.configuration.hook_logs {
            builder = builder.on_notice(|notice| self.notice(notice));
        }
        let logger = builder.start().expect("a logger");
        *self.logger.write().unwrap_or_else(PoisonError::into_inner) = Some(logger);
        self.table.sessions[session].begun.set(1);
        if session > 0 {
            return;
        }
        let records = RECORDS / self.configuration.threads;
        for _ in 0..self.configuration.threads {
            let handle = self.spawn(move |mut worker| worker.work(records)).expect("few threads");
            lock(&self.threads).push(handle);
        }
        if self.configuration.short_lived > 0 {
            let crowds = || while !self.is_over() && self.crowd() {};
            lock(&self.threads).push(thread::spawn(crowds));
        }
        if self.configuration.ending == Ending::PanicInWorker {
            let panics = |mut worker: Worker| {
                worker.work(1_000);
                panic!("on purpose");
            };
            lock(&self.threads).push(self.spawn(panics).expect("few threads"));
        }
    }

    /// Has short-lived threads come and go; false where there were enough of them.
    fn crowd(&'static self) -> bool {
        let short = |mut worker: Worker| {
            let records = fastrand::u64(..100);
            match records {
                0..20 => Last::set(worker),
                _ => worker.work(records),
            }
        };
        let crowd: Vec<_> =
            (0..self.configuration.short_lived).map_while(|_| self.spawn(short)).collect();
        let any = !crowd.is_empty();
        crowd.into_iter().for_each(|thread| thread.join().expect("it ends in order"));
        any
    }

    /// A thread with a row of its own, if there is one left.
    fn spawn(&'static self, work: impl FnOnce(Worker) + Send + 'static) -> Option<JoinHandle<()>> {
        let thread = self.next_thread.fetch_add(1, Ordering::Relaxed);
        if thread >= MAX_THREADS as u64 {
            return None;
        }
        let named = thread::Builder::new().name(format!("w{thread}"));
        Some(named.spawn(move || work(Worker::new(self, thread))).expect("a thread"))
    }

    /// The logger's hook.
    fn notice(&self, notice: &Notice<'_>) {
        let level = match notice {
            Notice::Dropped { .. } => Level::Error,
            Notice::HighWater { .. } => Level::Info,
            _ => Level::Warn,
        };
        // It is called by one thread at a time; but not so while a signal has taken its place.
        if let Ok(mut worker) = self.hook.try_lock()
            && let Some(worker) = &mut *worker
        {
            worker.log(level);
        }
    }

    /// The statistics cannot count more than was logged. After a flush they are exact for
    /// the thread, which logged so much to its only logger.
    pub fn check_statistics(&self, flushed: Option<u64>) {
        let Ok(logger) = self.logger.try_read() else { return };
        let Some(stats) = logger.as_ref().map(Logger::stats) else { return };
        if self.configuration.fault.is_some() {
            return;
        }
        let rows = self.table.threads.iter().flat_map(|row| &row.logged);
        let logged: u64 = rows.map(|count| count.get()).sum();
        if stats.total.logged() > logged {
            wrong(&format!("statistics: {} of {logged} records", stats.total.logged()));
        }
        let own = rustix::thread::gettid().as_raw_nonzero().get() as u64;
        let own = stats.threads.iter().find(|thread| thread.os_id == own);
        if let (Some(own), Some(logged), 1) = (own, flushed, self.configuration.sessions)
            && own.account.logged() != logged
        {
            wrong(&format!("statistics after a flush: {logged} records are {:?}", own.account));
        }
    }

    /// Waits while the others log, and does what the main thread of a program may do.
    fn let_run(&self, session: usize, rng: &mut Rng) {
        let begin = Instant::now();
        let limit = match self.configuration.fault {
            Some(Fault::Limit { bytes, after_ms, for_ms }) if session == 0 => {
                Some((bytes, after_ms..after_ms + for_ms))
            }
            _ => None,
        };
        let old = getrlimit(Resource::Fsize);
        loop {
            let run_ms = begin.elapsed().as_millis() as u64;
            // Who is to be killed waits for it.
            let waits = matches!(self.configuration.ending, Ending::Signal { .. })
                && session + 1 == self.configuration.sessions;
            let time_is_over = run_ms >= self.configuration.session_ms;
            let limit_is_over = limit.as_ref().is_none_or(|(_, when)| run_ms >= when.end);
            if !waits && time_is_over && limit_is_over {
                break;
            }
            if let Some((bytes, when)) = &limit {
                let bytes = if when.contains(&run_ms) { Some(*bytes) } else { old.current };
                set_limit(Rlimit { current: bytes, ..old });
            }
            if self.configuration.gates && rng.u8(..8) == 0 {
                let level = Level::ALL[rng.usize(..5)];
                if let Some(logger) = &*self.logger.read().expect("nothing panics under it") {
                    logger.set_max_level(level);
                }
            }
            self.check_statistics(None);
            thread::sleep(Duration::from_millis(rng.u64(1..10)));
        }
        set_limit(old);
    }

    fn take_logger(&self) -> Logger {
        let logger = self.logger.write().expect("nothing panics under it").take();
        logger.expect("it was started")
    }

    /// Waits until all threads have ended.
    fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            // One of them may have panicked on purpose.
            let _ = thread.join();
        }
    }

    /// What no logger was there for; final once the threads have ended.
    fn settle(&self) {
        self.stop();
        self.table.unlogged.set(kymo::unlogged());
        self.table.settled.set(1);
    }

    fn end(&self, session: usize) -> ExitCode {
        if self.configuration.quiet_end {
            self.stop();
            self.table.unlogged.set(kymo::unlogged());
            self.table.quiet.set(1);
        }
        let logger = self.take_logger();
        let session = &self.table.sessions[session];
        session.ending.set(1);
        match self.configuration.ending {
            Ending::GuardDropped | Ending::PanicInWorker => drop(logger),
            Ending::Shutdown => session.note(&logger.shutdown()),
            Ending::ShutdownTimeout { ms } => {
                session.note(&logger.shutdown_timeout(Duration::from_millis(ms)));
            }
            Ending::LeakedGuard => {
                std::mem::forget(logger);
                return ExitCode::SUCCESS;
            }
            Ending::Exit => std::process::exit(EXIT),
            Ending::PanicInMain => {
                let _settles = Settles(self);
                let _logger = logger;
                panic!("on purpose");
            }
            Ending::Abort => std::process::abort(),
            Ending::Crash => crash(),
            Ending::Signal { .. } => unreachable!("it waits for the signal"),
        }
        self.settle();
        ExitCode::SUCCESS
    }
}

/// Settles when it is dropped.
struct Settles<'a>(&'a Stage);

impl Drop for Settles<'_> {
    fn drop(&mut self) {
        self.0.settle();
    }
}

fn crash() -> ! {
    let null = std::hint::black_box(std::ptr::null::<u64>());
    // SAFETY: it is not safe; the process ends of it, as it is to.
    let value = unsafe { null.read_volatile() };
    unreachable!("{value} was read at address zero");
}

fn set_limit(limit: Rlimit) {
    setrlimit(Resource::Fsize, limit).expect("the soft limit may be changed");
}

/// The child has found something wrong: it says so, and ends as none should.
fn wrong(what: &str) -> ! {
    eprintln!("{what}");
    // SAFETY: a call without pointers.
    unsafe { libc::_exit(WRONG) }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
