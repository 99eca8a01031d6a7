//! The options of a logger.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::clock::Clock;
use crate::consumer::{Hook, Notice};
use crate::level::Level;
use crate::logger::endings::Endings;
use crate::logger::error::{StartError, StartErrorKind};
use crate::ring::WORD_BYTES;
use crate::ring::storage::layout::MAX_CAPACITY_WORDS;
use crate::ring::storage::memory::capacity_for;
use crate::shared::policy::{DumpAt, FlightRecorder, Overflow, Policies, WriteThrough};
use crate::sync::Arc;

/// The options of a logger. Made by [`Logger::builder`](crate::Logger::builder); each has a default.
#[derive(Clone)]
#[must_use = "nothing happens before `start`"]
pub struct Builder {
    pub(crate) path: PathBuf,
    pub(crate) overwrite: bool,
    pub(crate) consumer_core: Option<usize>,
    pub(crate) ring_capacity: usize,
    pub(crate) poll_interval: Duration,
    pub(crate) idle_sleep: Duration,
    pub(crate) segment_size: u64,
    pub(crate) max_level: Level,
    pub(crate) clock: Clock,
    pub(crate) policies: Policies,
    pub(crate) hook: Option<Hook>,
    pub(crate) high_water: f64,
    pub(crate) endings: Endings,
    pub(crate) crash_proof: Option<PathBuf>,
    pub(crate) recover: bool,
}

/// The smallest ring, in bytes.
const MIN_RING_BYTES: usize = 4 << 10;

/// The largest ring, in bytes.
const MAX_RING_BYTES: usize = MAX_CAPACITY_WORDS as usize * WORD_BYTES;

/// The smallest part of a file that is mapped at a time, in bytes: more than a sweep writes at
/// once.
const MIN_SEGMENT_BYTES: u64 = 4 << 20;

/// The largest.
const MAX_SEGMENT_BYTES: u64 = 256 << 30;

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Builder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            overwrite: false,
            consumer_core: None,
            ring_capacity: 1 << 20,
            poll_interval: Duration::from_micros(5),
            idle_sleep: Duration::from_millis(5),
            segment_size: 64 << 20,
            max_level: Level::Trace,
            clock: Clock::Counter,
            policies: Policies::new(Overflow::Wait { timeout: Some(Duration::from_secs(1)) }),
            hook: None,
            high_water: 0.8,
            endings: Endings::default(),
            crash_proof: None,
            recover: false,
        }
    }

    /// Pins the consumer to a core, by the number that the operating system gives it. Default: not
    /// pinned; it may run on each core that the process's cpuset has, at the usual scheduling policy,
    /// whatever those of the thread that starts the logger are.
    ///
    /// Best is a core of the same cache cluster as the hot threads, which nothing else uses.
    /// [`Builder::start`] fails if it cannot be pinned there.
    pub fn consumer_core(mut self, core: usize) -> Self {
        self.consumer_core = Some(core);
        self
    }

    /// The capacity of each thread's ring in bytes, rounded up to a power of two. Default: 1 MiB; at
    /// least 4 KiB, at most 4 GiB.
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
    /// 4 MiB. More than 256 GiB is an error of [`Builder::start`].
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
    ///
    /// For all levels; [`Builder::overflow_at`] makes exceptions, and has to come after it.
    pub fn overflow(mut self, policy: Overflow) -> Self {
        Level::ALL.into_iter().for_each(|level| self.policies.set_overflow(level, policy));
        self
    }

    /// What a log call of one level does when its thread's ring is full. As long as there is room
    /// the choice costs nothing.
    ///
    /// ```
    /// use kymo::{Level, Logger, Overflow};
    ///
    /// // Keep what matters, shed the rest.
    /// let builder = Logger::builder("app.kymo")
    ///     .overflow(Overflow::DropNewest)
    ///     .overflow_at(Level::Error, Overflow::Wait { timeout: None })
    ///     .overflow_at(Level::Warn, Overflow::Wait { timeout: None });
    /// ```
    pub fn overflow_at(mut self, level: Level, policy: Overflow) -> Self {
        self.policies.set_overflow(level, policy);
        self
    }

    /// Has records of `level` and of less urgent ones go round in a ring of `bytes_per_thread` in
    /// each thread, and not into the file: a flight recorder. Default: none. At least 4 KiB, at most
    /// 4 GiB; rounded up to a power of two; a sixteenth of it is always being written over.
    ///
    /// The consumer does not touch these rings, so that they cost it nothing and the file does not
    /// grow, until a *dump* writes what they hold into it:
    ///
    /// - behind a record of level `Error` or another one that [`Builder::dump_at`] chooses;
    /// - when the program calls [`Logger::dump_flight_recorder`](crate::Logger::dump_flight_recorder);
    /// - when a fatal signal ends the process, where [`Builder::drain_on_crash`] and the like are set.
    ///
    /// A dump stands between marks that say why it was made and from when to when it reaches; a
    /// reader that orders by time puts its records where they belong. What was dumped is not dumped
    /// again. What is overwritten before any dump, or is there when the logger is shut down, was
    /// never to be in the file: it is in no count of dropped records. Dumped records are among those
    /// written; [`Report::dumped`](crate::Report::dumped) says how many they are.
    ///
    /// Threads that have ended keep their recorders until the next dump, the last 16 of them. After
    /// the first dump each recorder takes twice its memory, for the copy. A thread that is ending,
    /// in the destructors of its thread-locals, logs to the file. Levels that are
    /// [written through](Builder::write_through) are not recorded.
    ///
    /// ```
    /// use kymo::{Level, Logger};
    ///
    /// // 512 KiB: some 12,000 debug and trace records of each thread.
    /// let builder = Logger::builder("app.kymo").flight_recorder(Level::Debug, 512 << 10);
    /// ```
    pub fn flight_recorder(mut self, level: Level, bytes_per_thread: usize) -> Self {
        let words = bytes_per_thread.clamp(MIN_RING_BYTES, MAX_RING_BYTES).div_ceil(8);
        self.policies.flight = Some(FlightRecorder { level, words });
        self
    }

    /// At records of which level the flight recorder is dumped, `None`: at none, and how much time
    /// is between two such dumps at least. Default: `Error`, one second.
    ///
    /// The consumer looks for such records in what it writes; they cost their threads nothing. Where
    /// the last dump was not long enough ago, this one is made when it is, or at shutdown. A level
    /// that the recorder itself takes never has it dumped, nor does a more urgent record that was
    /// dropped.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kymo::{Level, Logger};
    ///
    /// let builder = Logger::builder("app.kymo")
    ///     .flight_recorder(Level::Trace, 1 << 20)
    ///     .dump_at(Level::Warn, Duration::from_millis(100));
    /// ```
    pub fn dump_at(mut self, level: impl Into<Option<Level>>, min_interval: Duration) -> Self {
        self.policies.dump_at = DumpAt { level: level.into(), interval: min_interval };
        self
    }

    /// Which records are critical: a call that logs one returns when it is in the file, and with it
    /// everything that its thread logged before; with [`WriteThrough::synced`] when it is on the
    /// disk. Default: none.
    ///
    /// Such a call wakes the consumer and waits for it: some microseconds, and as long as a sleep
    /// takes to end. If the consumer cannot write the record within
    /// [`WriteThrough::timeout`], because the disk is full or the system does not let it run, the
    /// calling thread writes the record itself into a file beside the log, `NAME.rescue`, which the
    /// reader merges into the log: nothing is lost, nothing hangs. Such records are counted in
    /// [`Report::rescued`](crate::Report::rescued). Other levels cost what they cost without this.
    ///
    /// ```
    /// use kymo::{Level, Logger, WriteThrough};
    ///
    /// let builder = Logger::builder("app.kymo").write_through(Level::Error);
    /// let builder = builder.write_through(WriteThrough::at(Level::Warn).synced());
    /// ```
    pub fn write_through(mut self, policy: impl Into<WriteThrough>) -> Self {
        self.policies.set_write_through(policy.into());
        self
    }

    /// Has a function called with what the program may want to know about its logger: rings that
    /// fill up, records that were dropped, an output that fails and recovers. Default: none. The
    /// same stands in the log itself, as warnings with the target `kymo`.
    ///
    /// It is called by the consumer, at most 10 ms after the event, and never by a thread that
    /// logs; while it runs, nothing is written. It may log. It may end the logger, which then ends
    /// when the hook has returned: the report says no more than that. If it panics, it is not called
    /// again.
    ///
    /// ```
    /// use kymo::{Logger, Notice};
    ///
    /// let builder = Logger::builder("app.kymo").on_notice(|notice| match notice {
    ///     Notice::OutputFailed { error } => eprintln!("no log: {error}"),
    ///     other => eprintln!("log: {other}"),
    /// });
    /// ```
    pub fn on_notice(mut self, hook: impl Fn(&Notice<'_>) + Send + Sync + 'static) -> Self {
        self.hook = Some(Arc::new(hook));
        self
    }

    /// Which share of a ring's capacity is worth a notice. Default: 0.8.
    pub fn high_water(mut self, share: f64) -> Self {
        self.high_water = share;
        self
    }

    /// Keeps the threads' rings in files in this directory, so that what was logged survives the
    /// process, however that ends, `SIGKILL` included. Default: no; what is in the rings is lost.
    ///
    /// A record is safe when its call returns. That costs no system call: the file is mapped, and
    /// its pages are the kernel's. A directory in memory, such as `/dev/shm`, is the right one. (What
    /// survives the machine is in the log, and there only as far as the disk has it.)
    ///
    /// A call takes some nanoseconds more. The first call of a statement in a thread also sees to it
    /// that the statement stands in a file there, which takes a lock and, for the first thread, two
    /// system calls. Each thread has a file of [`Builder::ring_capacity`] bytes, rounded up to a
    /// power of two, and readable by this user alone. Where it cannot be made, because there is no
    /// room, the thread gets a ring as without this option, and
    /// [`Stats::ring_file_errors`](crate::Stats::ring_file_errors) counts it.
    ///
    /// The rings of levels that overwrite their oldest records, and those of the flight recorder, are
    /// kept in the same way.
    ///
    /// When the logger has ended in order, the files are gone. What a dead process left is put
    /// beside its log by [`recover`](crate::recover), by `kymo recover`, or by
    /// [`Builder::recover`].
    ///
    /// ```
    /// use kymo::Logger;
    ///
    /// # let path = std::env::temp_dir().join(format!("kymo-safe-{}.kymo", std::process::id()));
    /// let logger = Logger::builder(&path).crash_proof("/dev/shm").recover(true).start()?;
    /// # drop(logger);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn crash_proof(mut self, directory: impl Into<PathBuf>) -> Self {
        self.crash_proof = Some(directory.into());
        self
    }

    /// Whether [`Builder::start`] first recovers what a dead process left of the log that is there
    /// already: see [`recover`](crate::recover). Default: no; then it can still be done by the
    /// command later, unless the log is written over. What was found says
    /// [`Logger::recovered`](crate::Logger::recovered).
    ///
    /// A log of which records were recovered is not written over, [`Builder::overwrite`] or not: it
    /// is renamed. With `overwrite` and without this, what the rings of the log's dead process hold
    /// goes with the log; [`Notice::RecordsDiscarded`](crate::Notice::RecordsDiscarded) says how many
    /// records that were.
    pub fn recover(mut self, recover: bool) -> Self {
        self.recover = recover;
        self
    }

    /// Whether a file that is there already is written over. Default: no: it is renamed, `app.kymo`
    /// to `app.1.kymo`, or the first number that is free.
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// The capacity of a ring in words.
    pub(crate) fn ring_words(&self) -> usize {
        let bytes = self.ring_capacity.clamp(MIN_RING_BYTES, MAX_RING_BYTES);
        capacity_for(bytes.div_ceil(WORD_BYTES)) as usize
    }

    /// Whether there can be a logger with these options.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        if self.segment_size > MAX_SEGMENT_BYTES {
            let reason = "more than 256 GiB of a file cannot be mapped at a time: choose less";
            return Err(StartErrorKind::Option { name: "segment_size", reason }.into());
        }
        Ok(())
    }

    /// How much of the file is mapped at a time, in bytes.
    pub(crate) fn window_bytes(&self) -> u64 {
        self.segment_size.max(MIN_SEGMENT_BYTES)
    }
}
