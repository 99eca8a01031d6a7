//! The logger: starts the consumer, lets threads find it, and ends it.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::discipline::Discipline;
use crate::clock::{Clock, TickSource};
use crate::consumer::{Consumer, Pacing, Report};
use crate::control::Control;
use crate::endings::{Endings, with_infix};
use crate::error::{StartError, StartErrorKind};
use crate::exit;
use crate::fork;
use crate::hot::GATE;
use crate::level::Level;
use crate::orphans;
use crate::producer::{Overflow, Producer};
use crate::registry::{NewRing, Registry};
use crate::ring::ring;
use crate::segment::mapped::MappedFile;
use crate::segment::open;
use crate::signals::{self, standby};
use crate::state::{RingState, ThreadInfo};
use crate::sync::statics::{Mutex, MutexGuard, Ordering, PoisonError};
use crate::sync::{Arc, thread};

/// The logger that runs in this process.
static RUNNING: Mutex<Option<Arc<Core>>> = Mutex::new(None);

/// The lock on it.
pub(crate) type Running = MutexGuard<'static, Option<Arc<Core>>>;

pub(crate) fn running() -> Running {
    // Nothing under this lock leaves the option half changed.
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The logger that runs in this process, if one does.
pub(crate) fn current() -> Option<Arc<Core>> {
    running().clone()
}

/// Takes the logger away from statements, for `exit`, unless the lock is not to be had.
pub(crate) fn withdraw(limit: Duration) -> Option<Arc<Core>> {
    let core = exit::lock_within(&RUNNING, limit)?.take();
    // Relaxed: see `hot::enabled`.
    GATE.store(Level::Trace as u8, Ordering::Relaxed);
    core
}

/// For the child of a fork, which has no logger.
pub(crate) fn forget(running: &mut Running) {
    // Without a destructor: what it leads to was in use by threads that are not here.
    std::mem::forget(running.take());
}

/// What threads need of a logger to make their rings.
pub(crate) struct Core {
    pub(crate) registry: Arc<Registry>,
    pub(crate) control: Arc<Control>,
    pub(crate) clock: TickSource,
    pub(crate) overflow: Overflow,
    pub(crate) ring_words: usize,
}

impl Core {
    /// A producer for the calling thread; `None` if the logger has just ended.
    pub(crate) fn make_producer(&self, ring_words: usize, thread: ThreadInfo) -> Option<Producer> {
        let spare = self.registry.spare(ring_words);
        let (producer, consumer) = spare.unwrap_or_else(|| ring(ring_words));
        let state = Arc::new(RingState::new(self.clock, thread));
        self.registry
            .add(NewRing { ring: consumer, state: state.clone() })
            .then(|| Producer::new(producer, state, self.control.clone(), self.overflow))
    }
}

/// A running logger. Dropped, it drains all rings, closes the file and ends.
///
/// There is one logger in a process at a time; log statements find it by themselves. Keep this
/// value as long as anything is to be logged: a local of `main` is the place for it.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("kymo-doc-{}.kymo", std::process::id()));
/// let logger = kymo::Logger::builder(&path).start()?;
/// kymo::info!("{} is {}", "answer", 42);
/// let report = logger.shutdown();
/// assert_eq!((report.written, report.dropped), (1, 0));
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the logger ends when this value is dropped"]
pub struct Logger {
    consumer: Option<JoinHandle<Report>>,
    core: Arc<Core>,
    path: PathBuf,
    /// The process that it was started in.
    generation: u32,
}

impl Logger {
    /// A logger that will write to `path`.
    pub fn builder(path: impl Into<PathBuf>) -> Builder {
        Builder {
            path: path.into(),
            overwrite: false,
            consumer_core: None,
            ring_capacity: 1 << 20,
            poll_interval: Duration::from_micros(5),
            idle_sleep: Duration::from_millis(5),
            segment_size: 64 << 20,
            max_level: Level::Trace,
            clock: Clock::Counter,
            overflow: Overflow::Wait { timeout: Some(Duration::from_secs(1)) },
            endings: Endings::default(),
        }
    }

    /// The file that is written.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// [`flush`](crate::flush).
    pub fn flush(&self) -> bool {
        crate::flush()
    }

    /// [`flush_timeout`](crate::flush_timeout).
    pub fn flush_timeout(&self, timeout: Duration) -> bool {
        crate::flush_timeout(timeout)
    }

    /// Changes the least urgent level that is logged.
    pub fn set_max_level(&self, level: Level) {
        // Relaxed: see `hot::enabled`.
        GATE.store(level as u8, Ordering::Relaxed);
    }

    /// Drains all rings, closes the file, and says what became of everything that was logged.
    ///
    /// Other threads may go on logging. What they log from now on is counted by
    /// [`unlogged`](crate::unlogged).
    pub fn shutdown(mut self) -> Report {
        self.end()
    }

    fn end(&mut self) -> Report {
        let Some(consumer) = self.consumer.take() else { return Report::default() };
        if self.generation != fork::generation() {
            // The child of a fork has no consumer, and nothing to free that it shared with it.
            std::mem::forget((consumer, self.core.clone()));
            return Report::default();
        }
        let mut running = running();
        // `exit` may have withdrawn it, and another one may have been started since.
        if running.as_ref().is_some_and(|core| Arc::ptr_eq(core, &self.core)) {
            *running = None;
            // Relaxed: see `hot::enabled`. Without a logger everything passes, in order to be counted.
            GATE.store(Level::Trace as u8, Ordering::Relaxed);
        }
        drop(running);
        self.core.control.stop();
        let report = consumer.join().unwrap_or_else(|_| Report {
            error: Some(io::Error::other("the consumer panicked")),
            ..Report::default()
        });
        let running = crate::logger::running();
        if running.is_none() {
            signals::uninstall();
        }
        report
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        self.end();
    }
}

/// The options of a logger. Made by [`Logger::builder`]; each has a default.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `start`"]
pub struct Builder {
    path: PathBuf,
    overwrite: bool,
    consumer_core: Option<usize>,
    ring_capacity: usize,
    poll_interval: Duration,
    idle_sleep: Duration,
    segment_size: u64,
    max_level: Level,
    clock: Clock,
    overflow: Overflow,
    pub(crate) endings: Endings,
}

/// The smallest ring, in bytes.
const MIN_RING_BYTES: usize = 4 << 10;

/// The largest ring, in bytes.
const MAX_RING_BYTES: usize = 4 << 30;

/// The smallest part of a file that is mapped at a time, in bytes: more than a sweep writes at
/// once.
const MIN_SEGMENT_BYTES: u64 = 4 << 20;

impl Builder {
    /// Pins the consumer to a core, by the number that the operating system gives it. Default: not
    /// pinned.
    ///
    /// Best is a core of the same cache cluster as the hot threads, which nothing else uses.
    /// [`Builder::start`] fails if it cannot be pinned there.
    pub fn consumer_core(mut self, core: usize) -> Self {
        self.consumer_core = Some(core);
        self
    }

    /// The capacity of each thread's ring in bytes. Default: 1 MiB; at least 4 KiB, at most 4 GiB.
    ///
    /// A record takes 16 bytes and its arguments, rounded up to 8. The ring has to hold what the
    /// thread logs while the consumer is elsewhere: with the default about 26,000 records of three
    /// arguments. A record longer than half of the ring is cut.
    pub fn ring_capacity(mut self, bytes: usize) -> Self {
        self.ring_capacity = bytes;
        self
    }

    /// How long the consumer waits between two sweeps as long as there are records. Default: 5 µs.
    ///
    /// Shorter costs the logging threads time (each look at a ring takes a cache line from its
    /// thread), longer needs larger rings. The consumer spins while it waits.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// The longest sleep of a consumer that has nothing to do. Default: 5 ms.
    ///
    /// It is how long the first record after a silence may wait. The consumer goes to sleep after
    /// 50 µs without records, for 50 µs at first, and twice as long each time. Zero: it never
    /// sleeps, and uses a whole core.
    pub fn idle_sleep(mut self, longest: Duration) -> Self {
        self.idle_sleep = longest;
        self
    }

    /// How much of the file is allocated and mapped at a time, in bytes. Default: 64 MiB; at least
    /// 4 MiB.
    ///
    /// The file grows by as much whenever what is allocated is used up, and is cut to its true
    /// length when it is closed.
    pub fn segment_size(mut self, bytes: u64) -> Self {
        self.segment_size = bytes;
        self
    }

    /// The least urgent level that is logged. Default: `Trace`, everything.
    ///
    /// A statement that is not costs one load and one branch, and its arguments are not evaluated.
    /// Levels can also be compiled out, with the features `max_level_…` and `release_max_level_…`.
    pub fn max_level(mut self, level: Level) -> Self {
        self.max_level = level;
        self
    }

    /// Where time stamps come from. Default: [`Clock::Counter`].
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// What a log call does when its thread's ring is full. Default: waits, for up to a second.
    pub fn overflow(mut self, policy: Overflow) -> Self {
        self.overflow = policy;
        self
    }

    /// Whether a file that is there already is written over. Default: no: it is renamed, `app.kymo`
    /// to `app.1.kymo`, or the first number that is free.
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Makes the file, starts the consumer, and opens the gate for log statements.
    ///
    /// It takes some milliseconds, in which the hardware counter is compared with the clock.
    ///
    /// # Errors
    /// If a logger runs already, if another process writes to the file, if the file cannot be made,
    /// allocated (its first part) or mapped, or if the consumer cannot be pinned.
    pub fn start(mut self) -> Result<Logger, StartError> {
        fork::register();
        let mut running = running();
        if running.is_some() {
            return Err(StartErrorKind::AlreadyRunning.into());
        }
        if self.endings.pid_in_name {
            self.path = with_infix(&self.path, std::process::id());
        }
        let core = Arc::new(Core {
            registry: Arc::new(Registry::new()),
            control: Arc::new(Control::new()),
            clock: TickSource::new(self.clock),
            overflow: self.overflow,
            ring_words: self.ring_capacity.clamp(MIN_RING_BYTES, MAX_RING_BYTES).div_ceil(8),
        });
        // Before the file is touched: a consumer that cannot be pinned leaves no trace.
        let consumer = self.spawn_consumer(core.clone())?;
        let segment = self.open_segment(core.clock);
        let standby = consumer.standby.clone();
        let consumer = consumer.begin(segment?)?;
        exit::end_at_exit(&core.control, self.endings.exit_timeout);
        let thread = consumer.thread().clone();
        signals::install(self.endings.signals, &core.control, thread, standby);
        // The coarse clock must not show what it showed when the last logger ended.
        core.clock.begin_sweep();
        // Relaxed: see `hot::enabled`.
        GATE.store(self.max_level as u8, Ordering::Relaxed);
        *running = Some(core.clone());
        let generation = fork::generation();
        Ok(Logger { consumer: Some(consumer), core, path: self.path, generation })
    }

    fn open_segment(&self, clock: TickSource) -> Result<Segment, StartError> {
        let header = open::header(clock.source());
        let file = open::open(&self.path, self.overwrite)?;
        let window = self.segment_size.max(MIN_SEGMENT_BYTES);
        let output = MappedFile::new(file, &header.to_page(), window)
            .map_err(|error| StartError::file(&self.path, error))?;
        Ok(Segment { output, salt: header.salt })
    }

    /// Makes the consumer's thread, and waits until it is pinned, if it is to be.
    fn spawn_consumer(&self, core: Arc<Core>) -> Result<Waiting, StartError> {
        let mut pacing = Pacing::new(self.poll_interval, self.idle_sleep);
        let pin = self.consumer_core;
        let (ready, pinned) = mpsc::sync_channel(1);
        let (segment, given) = mpsc::sync_channel::<Segment>(1);
        let crash = self.endings.signals.crash;
        let standby = crash.map(|_| standby::stand_by(core.control.clone())).transpose();
        let standby = standby.map_err(StartErrorKind::Thread)?;
        let end = EndOnDrop(core.control.clone(), standby.clone());
        let run = move || {
            let _end = end;
            signals::action::block_all_but_faults();
            core.control.set_consumer_thread(signals::os_thread_id());
            let _ = ready.send(pin.map_or(Ok(()), pin_to));
            // Nothing is given where pinning failed, or opening the segment.
            let Ok(segment) = given.recv() else { return Report::default() };
            let discipline = first_observations(core.clock);
            let Segment { output, salt } = segment;
            let (registry, control) = (core.registry.clone(), core.control.clone());
            let mut consumer =
                Consumer::new(registry, control, core.clock, discipline, output, salt);
            // A panic (of a custom clock, say) must leave no thread waiting, and no record
            // uncounted.
            let control = core.control.clone();
            // SAFETY: it stays here until `withdraw`, and this thread alone uses it.
            unsafe { control.rescue.offer(&raw mut consumer) };
            let run = AssertUnwindSafe(|| consumer.run(|took| pacing.wait(took)));
            let (report, rings) = catch_unwind(run).unwrap_or_else(|_| consumer.abandon());
            control.rescue.withdraw();
            rings.into_iter().for_each(orphans::adopt);
            report
        };
        let thread = std::thread::Builder::new().name("kymo-consumer".to_owned()).spawn(run);
        let thread = thread.map_err(StartErrorKind::Thread)?;
        match pinned.recv() {
            Ok(Ok(())) => Ok(Waiting { thread, segment, standby }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StartErrorKind::Thread(io::Error::other("it ended at once")).into()),
        }
    }
}

/// What the consumer writes to.
struct Segment {
    output: MappedFile,
    salt: u32,
}

/// A consumer that waits for its segment. Dropped, it ends.
struct Waiting {
    thread: JoinHandle<Report>,
    segment: mpsc::SyncSender<Segment>,
    standby: Option<std::thread::Thread>,
}

impl Waiting {
    fn begin(self, segment: Segment) -> Result<JoinHandle<Report>, StartError> {
        match self.segment.send(segment) {
            Ok(()) => Ok(self.thread),
            Err(_) => Err(StartErrorKind::Thread(io::Error::other("it has ended")).into()),
        }
    }
}

/// Tells whoever waits for the consumer that it has ended, also when it panicked.
struct EndOnDrop(Arc<Control>, Option<std::thread::Thread>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
        self.0.mailbox.end();
        self.1.iter().for_each(std::thread::Thread::unpark);
    }
}

/// Compares the clocks twice, so far apart that the rate is known to some millionths.
fn first_observations(clock: TickSource) -> Discipline {
    const APART: Duration = Duration::from_millis(2);
    let first = clock.observe();
    thread::sleep(APART);
    Discipline::new(clock, first, clock.observe())
}

fn pin_to(core: usize) -> Result<(), StartError> {
    let fail = |reason| Err(StartErrorKind::Pin { core, reason }.into());
    // core_affinity ends the process for a number that is none.
    #[cfg(target_os = "linux")]
    let possible = core < rustix::thread::CpuSet::MAX_CPU;
    #[cfg(not(target_os = "linux"))]
    let possible = true;
    if !possible || !core_affinity::set_for_current(core_affinity::CoreId { id: core }) {
        return fail("there is no such core, or this process may not use it");
    }
    #[cfg(target_os = "linux")]
    {
        // What was asked for is not always what one gets: read it back.
        let set = rustix::thread::sched_getaffinity(None);
        if !set.is_ok_and(|set| set.count() == 1 && set.is_set(core)) {
            return fail("the system put it on another one");
        }
    }
    Ok(())
}
