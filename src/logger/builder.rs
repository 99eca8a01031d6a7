//! The options of a logger.
//!
//! The program's choices come in. [`Builder::start`], in the module above, makes a logger of them.
//! Options for the end of the process are in [`ending`](crate::logger::ending).

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::clock::Clock;
use crate::consumer::{Hook, Notice};
use crate::keep::Keep;
use crate::level::Level;
use crate::logger::ending::EndingOptions;
use crate::logger::error::{StartError, StartErrorKind};
use crate::logger::filter::FilterOptions;
use crate::logger::join::Joins;
use crate::logger::panics;
use crate::logger::route::Route;
use crate::ring::WORD_BYTES;
use crate::ring::storage::layout::MAX_CAPACITY_WORDS;
use crate::ring::storage::memory::{capacity_for, ring_bytes};
use crate::rotation::Rotation;
use crate::shared::disk::Durability;
use crate::shared::policy::{DumpAt, FlightRecorder, Overflow, Policies, WriteThrough};
use crate::sync::Arc;

/// The options of a logger, made by [`Logger::builder`](crate::Logger::builder).
///
/// Each option has a default. [`Builder::start`] starts the logger.
///
/// ```
/// use std::time::Duration;
/// use kymo::{Level, Logger, Overflow};
///
/// # let path = std::env::temp_dir().join(format!("kymo-builder-{}.kymo", std::process::id()));
/// let logger = Logger::builder(&path)
///     .max_level(Level::Debug)
///     .ring_capacity(4 << 20)
///     .overflow(Overflow::DropNewest)
///     .drain_on_crash(Duration::from_secs(1))
///     .start()?;
/// # drop(logger);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing happens before `start`"]
pub struct Builder {
    pub(crate) path: PathBuf,
    pub(crate) overwrite: bool,
    pub(crate) consumer_core: Option<usize>,
    pub(crate) ring_capacity: usize,
    pub(crate) poll_interval: Duration,
    pub(crate) idle_sleep: Duration,
    pub(crate) map_window: u64,
    pub(crate) filter: FilterOptions,
    pub(crate) clock: Clock,
    pub(crate) policies: Policies,
    pub(crate) hook: Option<Hook>,
    pub(crate) high_water: f64,
    pub(crate) ending: EndingOptions,
    pub(crate) crash_proof: Option<PathBuf>,
    pub(crate) recover: bool,
    pub(crate) durability: Durability,
    pub(crate) rotation: Option<Rotation>,
    #[cfg(feature = "compress")]
    pub(crate) compress: bool,
    pub(crate) keep: Option<Keep>,
    pub(crate) mode: Option<u32>,
    pub(crate) routes: Vec<Route>,
    pub(crate) make_directory: bool,
    /// What configurations said, as variables, in this order.
    #[cfg(feature = "config")]
    pub(crate) configured: Vec<(&'static str, std::ffi::OsString)>,
    /// `Some` if another log will do.
    pub(crate) joins: Option<Joins>,
    /// Whether this is the logger of tests that capture. Its file loses its name.
    pub(crate) is_of_tests: bool,
    #[cfg(feature = "control")]
    pub(crate) control: bool,
    #[cfg(feature = "console")]
    pub(crate) console: Option<crate::console::Console>,
    #[cfg(feature = "sinks")]
    pub(crate) sinks: Vec<crate::sink::Given>,
    #[cfg(feature = "log")]
    pub(crate) bridges_log: bool,
    #[cfg(feature = "tracing")]
    bridges_tracing: bool,
}

/// The smallest ring, in bytes.
pub(crate) const MIN_RING_BYTES: usize = 4 << 10;

/// The largest ring, in bytes.
pub(crate) const MAX_RING_BYTES: usize = MAX_CAPACITY_WORDS as usize * WORD_BYTES;

/// The smallest map window, in bytes: more than a sweep writes at once.
const MIN_WINDOW_BYTES: u64 = 4 << 20;

/// The largest map window, in bytes.
pub(crate) const MAX_WINDOW_BYTES: u64 = 256 << 30;

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
            map_window: 64 << 20,
            filter: FilterOptions::default(),
            clock: Clock::Counter,
            policies: Policies::new(Overflow::Wait { timeout: Some(Duration::from_secs(1)) }),
            hook: None,
            high_water: 0.8,
            ending: EndingOptions::default(),
            crash_proof: None,
            recover: false,
            durability: Durability::default(),
            rotation: None,
            #[cfg(feature = "compress")]
            compress: false,
            keep: None,
            mode: None,
            routes: Vec::new(),
            make_directory: false,
            #[cfg(feature = "config")]
            configured: Vec::new(),
            joins: None,
            is_of_tests: false,
            #[cfg(feature = "control")]
            control: false,
            #[cfg(feature = "console")]
            console: None,
            #[cfg(feature = "sinks")]
            sinks: Vec::new(),
            #[cfg(feature = "log")]
            bridges_log: false,
            #[cfg(feature = "tracing")]
            bridges_tracing: false,
        }
    }

    /// Takes what is logged through the crate `log`, too. Default: off.
    ///
    /// See [`bridge::log`](crate::bridge::log). It needs the feature `log`. A process that did it once goes on: what is
    /// logged after the end of this logger is for the next one.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// let logger = kymo::Logger::builder(&path).bridge_log(true).start()?;
    /// log::info!(user = "ann"; "a library logs");
    /// assert_eq!(logger.shutdown().written, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Builder::start`] fails with [`StartErrorKind::BridgeLog`] if the crate `log` has another logger.
    #[cfg(feature = "log")]
    pub fn bridge_log(mut self, bridges: bool) -> Self {
        self.bridges_log = bridges;
        self
    }

    /// Takes what is traced through `tracing`, too. Default: off.
    ///
    /// See [`bridge::tracing`](crate::bridge::tracing). It needs the feature `tracing`. A process that did it once goes
    /// on: what is traced after the end of this logger is for the next one.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// let logger = kymo::Logger::builder(&path).bridge_tracing(true).start()?;
    /// tracing::info!(user = "ann", "a library traces");
    /// assert_eq!(logger.shutdown().written, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Builder::start`] fails with [`StartErrorKind::BridgeTracing`] if the process has another subscriber.
    #[cfg(feature = "tracing")]
    pub fn bridge_tracing(mut self, bridges: bool) -> Self {
        self.bridges_tracing = bridges;
        self
    }

    /// Pins the consumer thread to a core, by the operating system's number. Default: not pinned.
    ///
    /// A consumer that is not pinned may run on every core of the process's cpuset. It has the
    /// usual scheduling policy, even if the thread that starts the logger has cores or a policy of
    /// its own.
    ///
    /// The best choice is a core that nothing else uses and that shares a cache with the threads
    /// that log. A core that is also used by a hot thread is a bad choice: the two take turns.
    ///
    /// [`Builder::start`] fails with [`StartErrorKind::Pin`] if the consumer cannot be pinned
    /// there.
    ///
    /// ```
    /// let builder = kymo::Logger::builder("app.kymo").consumer_core(1);
    /// ```
    pub fn consumer_core(mut self, core: usize) -> Self {
        self.consumer_core = Some(core);
        self
    }

    /// Sets the capacity of each thread's ring, in bytes. Default: 1 MiB.
    ///
    /// The capacity is rounded up to a power of two, and is at least 4 KiB and at most 4 GiB. Each
    /// thread that logs takes this much memory. [`Builder::overflow`] says what happens if a ring
    /// is full.
    ///
    /// A record takes 16 bytes and its arguments, rounded up to a multiple of 8. The default holds
    /// about 26,000 records of three arguments. A record longer than half of the ring is cut.
    pub fn ring_capacity(mut self, bytes: usize) -> Self {
        self.ring_capacity = bytes;
        self
    }

    /// Sets how long the consumer pauses between two sweeps while there are many records, and at least. Default: 5 µs.
    ///
    /// The consumer spins during the pause, if that is at most 50 µs. Shorter intervals slow down the threads that log,
    /// because each look at a ring takes a cache line from its thread. Longer intervals need larger
    /// rings.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// Sets the longest sleep of the consumer. Default: 5 ms.
    ///
    /// A record waits at most this long before it is written, if the system lets the consumer run. The consumer sleeps
    /// for as long as 16 records take to come, as far as it has seen. At more than some 300,000 records a second it
    /// does not sleep. With zero it never sleeps and keeps a whole core busy.
    pub fn idle_sleep(mut self, longest: Duration) -> Self {
        self.idle_sleep = longest;
        self
    }

    /// Sets how much of the file is allocated and mapped at a time, in bytes. Default: 64 MiB.
    ///
    /// The window is at least 4 MiB. While the log is written, its file is longer than its contents
    /// by up to a window, and takes that room on the disk. The file is cut to its contents when it
    /// is closed. Larger windows are mapped less often.
    ///
    /// [`Builder::start`] fails with [`StartErrorKind::Option`] for more than 256 GiB.
    pub fn map_window(mut self, bytes: u64) -> Self {
        self.map_window = bytes;
        self
    }

    /// Sets the [map window](Builder::map_window). This is its former name.
    #[deprecated(note = "renamed to `map_window`: it is the part of the file that is mapped")]
    pub fn segment_size(self, bytes: u64) -> Self {
        self.map_window(bytes)
    }

    /// Sets the least urgent level that is logged. Default: [`Level::Trace`], which is everything.
    ///
    /// A disabled statement costs one load and one branch, and does not evaluate its arguments.
    /// [`Logger::set_max_level`](crate::Logger::set_max_level) changes the level while the logger
    /// runs. The features `max_level_…` and `release_max_level_…` compile levels out.
    pub fn max_level(mut self, level: Level) -> Self {
        self.filter.max_level = level;
        self
    }

    /// Sets the source of time stamps. Default: [`Clock::Counter`].
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets what a log call does if its thread's ring is full. Default: waits for up to a second.
    ///
    /// This applies to all levels. [`Builder::overflow_at`] makes exceptions; call it afterwards,
    /// because this replaces them. While the ring has room, all policies cost the same.
    ///
    /// ```
    /// use kymo::{Logger, Overflow};
    ///
    /// // Log calls never wait. What does not fit is counted and marked in the file.
    /// let builder = Logger::builder("app.kymo").overflow(Overflow::DropNewest);
    /// ```
    pub fn overflow(mut self, policy: Overflow) -> Self {
        Level::ALL.into_iter().for_each(|level| self.policies.set_overflow(level, policy));
        self
    }

    /// Sets what a log call of one level does if its thread's ring is full. Default: the policy of
    /// [`Builder::overflow`].
    ///
    /// While the ring has room, all policies cost the same.
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

    /// Keeps records of `level` and less urgent ones in memory, in an overwriting ring for each
    /// thread. They reach the log only by a *dump*. Default: no flight recorder.
    ///
    /// The consumer does not read these rings, so they cost it nothing and the file does not grow.
    /// A dump writes what they hold into the log:
    ///
    /// - after a record of level `Error`, or of the level that [`Builder::dump_at`] sets;
    /// - when the program calls
    ///   [`Logger::dump_flight_recorder`](crate::Logger::dump_flight_recorder);
    /// - when a fatal signal ends the process, if [`Builder::drain_on_crash`] or a similar option
    ///   is set.
    ///
    /// `bytes_per_thread` is rounded up to a power of two, and is at least 4 KiB and at most 4 GiB.
    /// A sixteenth of the ring is always being overwritten. After its first dump a recorder takes
    /// twice its memory, for a copy. The last 16 threads that have ended keep their recorders until
    /// the next dump.
    ///
    /// Marks around a dump say why it was made and which time it covers. A reader that orders by
    /// time puts the dumped records where they belong. No record is dumped twice.
    ///
    /// A record that is overwritten before a dump, or left over at shutdown, does not count as
    /// dropped. A dumped record counts as written, and in
    /// [`Report::dumped`](crate::Report::dumped).
    ///
    /// Two kinds of records go to the log and not to the recorder: those of levels that are
    /// [written through](Builder::write_through), and those of a thread that runs the destructors
    /// of its thread-locals.
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

    /// Dumps the flight recorder when a record at `level` or more urgent is written, at most once
    /// per `min_interval`. `None` turns this off. Default: [`Level::Error`], one second.
    ///
    /// The consumer looks for such records in what it writes, so they cost their threads nothing. A
    /// dump that would come too early is made when the interval is over, or at shutdown.
    ///
    /// Records of levels that the recorder itself keeps cause no dump. Neither do dropped records.
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

    /// Makes records of a level and more urgent ones *critical*: the log call returns when the
    /// record is in the file. Default: no record is critical.
    ///
    /// All that the thread logged before is then in the file, too. With [`WriteThrough::synced`]
    /// the call returns when the record is on the disk.
    ///
    /// A critical call wakes the consumer and waits for it: some microseconds, and longer if the
    /// consumer sleeps. Calls of other levels cost no more than without this option.
    ///
    /// The consumer may be unable to write the record within [`WriteThrough::timeout`], because the
    /// disk is full or the system does not let it run. Then the calling thread writes the record
    /// into the side file `NAME.rescue`, which the reader merges into the log. The record is not
    /// lost, and is counted in [`Report::rescued`](crate::Report::rescued).
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

    /// Calls a function when the logger has something to tell the program: a ring fills up, records
    /// were dropped, the output fails or recovers. Default: no function.
    ///
    /// Without this option the notices are still in the log, as warnings with the target `kymo`.
    ///
    /// The consumer calls the function at most 10 ms after the event; a thread that logs never
    /// does. Nothing is written while it runs. It may log. If it panics, it is not called again.
    ///
    /// It may end the logger, which then ends when the function has returned. The report of such a
    /// shutdown says no more than that.
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

    /// Sets the share of a ring's capacity from which [`Notice::HighWater`] is given. Default: 0.8.
    pub fn high_water(mut self, share: f64) -> Self {
        self.high_water = share;
        self
    }

    /// Keeps the threads' rings in files in this directory, so that records survive the process
    /// even if `SIGKILL` ends it. Default: rings are on the heap and are lost with the process.
    ///
    /// A record is safe when its call returns. This needs no system call, because the file is
    /// mapped and its pages belong to the kernel. Choose a directory in memory, such as `/dev/shm`.
    /// If the machine crashes, only the log survives, as far as it is on the disk.
    ///
    /// Each call takes some nanoseconds more. The first call of a statement in a thread also writes
    /// the statement into a file: it takes a lock and, in the first such thread, two system calls.
    ///
    /// Each thread has a file of [`Builder::ring_capacity`] bytes, which only this user can read.
    /// Levels that overwrite their oldest records and the flight recorder have files of their own.
    /// If there is no room for a file, the thread gets a ring on the heap, and
    /// [`Stats::ring_file_errors`](crate::Stats::ring_file_errors) counts it.
    ///
    /// The files are removed when the logger ends cleanly. What a dead process left is put beside
    /// its log by [`recover`](crate::recover), by `kymo recover`, or by [`Builder::recover`].
    ///
    /// [`Builder::start`] fails if the directory has no room.
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

    /// Recovers, in [`Builder::start`], what a dead process left of an earlier log at this path:
    /// see [`recover`](crate::recover). Default: no.
    ///
    /// [`Logger::recovered`](crate::Logger::recovered) says what was found. Without this option
    /// `kymo recover` can still do it later, unless the log is overwritten.
    ///
    /// A log is renamed if records of it were recovered, even with [`Builder::overwrite`]. With
    /// `overwrite` and without this option, the rings of the dead process are removed with its log.
    /// [`Notice::RecordsDiscarded`] then says how many records they held.
    ///
    /// [`Builder::start`] fails if the recovery fails.
    pub fn recover(mut self, recover: bool) -> Self {
        self.recover = recover;
        self
    }

    /// Sets when the log is brought to the disk, where it survives a power failure. Default: [`Durability::Kernel`].
    ///
    /// Whatever this is, a record that is in the file survives the end of the process. Only after a power failure, or a
    /// crash of the kernel, the file has what the disk had.
    ///
    /// *Synced* means: all that was in the log when the sync began is on the disk, and can be decoded, whatever happens
    /// to later records. The thread `kymo-sync` waits for the disk; the consumer and the threads that log do not. With
    /// `Every(interval)`, a power failure loses what was logged in the last `interval`, in the time that a sync takes,
    /// and in the consumer's [`idle_sleep`](Builder::idle_sleep). A sync that comes late is not made up for.
    ///
    /// [`Logger::sync`](crate::Logger::sync) waits for a sync, and [`WriteThrough::synced`] for one of each critical
    /// record. If the disk cannot be written, [`Notice::SyncFailed`] says so,
    /// [`Stats::sync_errors`](crate::Stats::sync_errors) counts it, and a shutdown reports it.
    ///
    /// [`Builder::start`] fails with [`StartErrorKind::Option`] for an interval of less than a millisecond.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kymo::{Durability, Logger};
    ///
    /// let builder = Logger::builder("app.kymo").durability(Durability::Every(Duration::from_secs(1)));
    /// ```
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Overwrites a file that is already at the path. Default: the file is renamed, from `app.kymo`
    /// to `app.1.kymo` or the first number that is free.
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Rotates the log: it is many files, its *segments*. Default: the log is one file.
    ///
    /// The path of the log becomes a symbolic link to the current segment. Each segment is complete in itself, and has
    /// its name for good: `app.20261130T055700Z.000042.kymo`, when it began (UTC) and its number. The next start goes
    /// on with the next number. Nothing that is there is ever written over.
    ///
    /// The segment of a killed process is closed by the next start, in the background: it gets its index, its end, and
    /// a mark that the process was killed. One that stays unclosed is told: [`Notice::SegmentUnclosed`].
    ///
    /// The next segment is made in advance, by a thread of its own (`kymo-housekeeper`). So going on in it takes some
    /// microseconds, and no thread that logs waits for it. If it cannot be made, the current one goes on past its
    /// limits: [`Notice::RotationFailed`], and [`Stats::rotation_errors`](crate::Stats::rotation_errors).
    ///
    /// [`Logger::rotate`](crate::Logger::rotate) and [`Hangup::Rotate`](crate::Hangup::Rotate) rotate on request. A
    /// segment in which nothing is is not rotated.
    ///
    /// [`Builder::start`] fails if another logger writes to the log, or if its path is a link that leads elsewhere. A
    /// file that is there is renamed, as without this option.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// use std::time::Duration;
    /// use kymo::{Logger, Rotation};
    ///
    /// let rotation = Rotation::size(256 << 20).every(Duration::from_secs(3600));
    /// let logger = Logger::builder(&path).rotate(rotation).start()?;
    /// kymo::info!("this is in the first segment");
    /// # drop(logger);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rotate(mut self, rotation: Rotation) -> Self {
        self.rotation = Some(rotation);
        self
    }

    /// Limits how much of a rotated log is kept: the oldest segments are deleted. Default: the lesser of 8 GiB and
    /// 10 % of the file system, of which 5 % are kept free. The log says so at its start.
    ///
    /// Everything counts that the log has on the disk: the current segment at its full size, and the one that is
    /// prepared. The limits are kept at the start, before anything is made, at each rotation, each minute, and before a
    /// segment grows beyond its size. If nothing is left to delete then, the log exceeds its limit:
    /// [`Notice::LimitExceeded`]. Only files are deleted whose headers name this log. A mark in the log says which
    /// ([`Notice::SegmentsDeleted`], and [`Stats::segments_deleted`](crate::Stats::segments_deleted)).
    ///
    /// [`Builder::start`] fails if the limit is less than two segments take, and says how much they take.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// use kymo::{Keep, Logger, Rotation};
    ///
    /// let builder = Logger::builder(&path).rotate(Rotation::size(1 << 20)).keep(Keep::bytes(64 << 20));
    /// let logger = builder.start()?;
    /// # drop(logger);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep(mut self, keep: Keep) -> Self {
        self.keep = Some(keep);
        self
    }

    /// Compresses the segments of a rotated log that were closed, with zstd. Default: no. Needs the feature `compress`.
    ///
    /// `app.….kymo` becomes `app.….kymo.zst`. The reader reads and seeks in it as in the original, and `zstd -d` gives
    /// that back. It takes the place of the original when it is on the disk and was read back. A segment that cannot be
    /// compressed stays, is counted ([`Stats::rotation_errors`](crate::Stats::rotation_errors)), and is tried again.
    /// One whose process was killed is compressed when it was closed.
    ///
    /// A thread of the lowest priority does this, for the processor and for the disk. It is there as long as there is
    /// something to compress, and takes some 4 MiB. `shutdown` stops it, for a second at most; the next start goes on.
    /// A limit ([`Builder::keep`]) must have room for a third segment, the one that is being compressed.
    ///
    /// [`Builder::start`] fails if the log is not rotated.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// use kymo::{Logger, Rotation};
    ///
    /// let builder = Logger::builder(&path).rotate(Rotation::size(256 << 20)).compress(true);
    /// let logger = builder.start()?;
    /// # drop(logger);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "compress")]
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// Shows records on standard error, or on standard output, soon after they are logged. Default: no. Needs the
    /// feature `console`.
    ///
    /// It takes a level, or a [`Console`](crate::Console) with more options: JSON or logfmt, colours, the stream. The
    /// file has all records, whatever the console shows. kymo's own warnings and marks of drops appear, too.
    ///
    /// The thread `kymo-console` reads what the consumer has committed, formats it, and prints it, within 10 ms. For
    /// that [`Builder::idle_sleep`] and [`Builder::poll_interval`] are at most 5 ms. Calls cost what they cost without
    /// a console. The consumer takes some 0.2 µs more for each sweep, and a system call of some microseconds for the
    /// first records after a millisecond of silence, which wakes the thread.
    ///
    /// A terminal that is slow, or blocked (Ctrl-S, a pager, a full pipe), stops nothing. If the console is late by
    /// more than [`Console::backlog`](crate::Console::backlog), it skips records and says how many.
    /// [`Stats::console_skipped`](crate::Stats::console_skipped) counts them. If nobody reads any more, it ends without
    /// a signal; [`Stats::console_errors`](crate::Stats::console_errors) counts that.
    ///
    /// The end of the logger, and a signal that is handled, wait until everything is shown, a second at most
    /// ([`Console::end_timeout`](crate::Console::end_timeout));
    /// [`Report::unshown`](crate::Report::unshown) counts the rest. Each record of these levels is shown, skipped or
    /// unshown, and counted once.
    ///
    /// Control characters of what is logged never reach the terminal: they are escaped.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// use kymo::{Console, Level, Logger};
    /// use kymo::console::Format;
    ///
    /// let logger = Logger::builder(&path).console(Level::Info).start()?;
    /// kymo::info!("this is in the file, and on standard error");
    /// kymo::debug!("this is in the file");
    /// assert_eq!(logger.shutdown().unshown, 0);
    ///
    /// let console = Console::at(Level::Debug).format(Format::Json);
    /// let builder = Logger::builder(&path).console(console);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "console")]
    pub fn console(mut self, console: impl Into<crate::Console>) -> Self {
        self.console = Some(console.into());
        self
    }

    /// Lets `kymo ctl` look at the running logger, change its filter, flush, rotate and dump it. Default: no. Needs the
    /// feature `control`.
    ///
    /// There is a socket beside the log then, `NAME.ctl`: `app.kymo.ctl`. Only this user and root can connect to it.
    ///
    /// ```console
    /// $ kymo ctl app.kymo status
    /// $ kymo ctl app.kymo filter +net=trace --for 5m
    /// ```
    ///
    /// A thread of its own (`kymo-control`) answers, also while the log cannot be written. It sleeps while nobody asks.
    /// A flush, a rotation and a dump are what [`Logger::rotate`] and the like do; a flush is of all threads.
    /// [`Logger::set_filter_for`] is what `--for` does. No log call costs more.
    ///
    /// The socket goes when the logger ends. After `kill -9` it stays, and the next start replaces it. The child of a
    /// fork does not answer.
    ///
    /// [`Builder::start`] fails if the socket cannot be made: the directory cannot be written to, something else has
    /// its name, or another process listens there.
    ///
    /// [`Logger::rotate`]: crate::Logger::rotate
    /// [`Logger::set_filter_for`]: crate::Logger::set_filter_for
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// let logger = kymo::Logger::builder(&path).control(true).start()?;
    /// assert!(dir.path().join("app.kymo.ctl").exists());
    /// logger.shutdown();
    /// assert!(!dir.path().join("app.kymo.ctl").exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "control")]
    pub fn control(mut self, wanted: bool) -> Self {
        self.control = wanted;
        self
    }

    /// Calls `hook` with each record of these levels, soon after it was logged: for an alarm, a metric, a mail.
    /// Default: none. Needs the feature `sinks`. There may be several hooks.
    ///
    /// It takes the least urgent level, or [`sink::Options`](crate::sink::Options) with more. A [`Record`] has level,
    /// target, message, arguments with their types, time, thread and place.
    ///
    /// A thread of its own (`kymo-sink-1` and so on) calls it, within 10 ms. The thread reads the records from the log,
    /// so that they are there already. Records of a thread come in order; those of different threads nearly in the
    /// order of time. For all else see [`Builder::sink`]: a hook is a sink with one function.
    ///
    /// [`Record`]: crate::sink::Record
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// use std::sync::mpsc;
    /// use kymo::{Level, Logger};
    ///
    /// let (pager, page) = mpsc::channel();
    /// let logger = Logger::builder(&path)
    ///     .on_record(Level::Error, move |record| {
    ///         let _ = pager.send(format!("{}: {}", record.target(), record.text()));
    ///     })
    ///     .start()?;
    /// kymo::error!(target: "risk", "position {} of {book}", -7, book = "fx");
    /// assert_eq!(page.recv()?, "risk: position -7 of fx");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "sinks")]
    pub fn on_record(
        self,
        options: impl Into<crate::sink::Options>,
        hook: impl FnMut(&crate::sink::Record<'_>) + Send + 'static,
    ) -> Self {
        self.sink(options, crate::sink::Hook::new(hook))
    }

    /// Hands each record of these levels to a sink, soon after it was logged. Default: none. Needs the feature `sinks`.
    /// There may be several. [`Sink`](crate::Sink) has an example.
    ///
    /// It takes the least urgent level, or [`sink::Options`](crate::sink::Options) with more: a name, how late it may
    /// be, how long the logger's end waits. kymo's own warnings are records, too, with the target `kymo`.
    ///
    /// Each sink has a thread of its own, which reads the log, and nobody waits for it:
    ///
    /// - A sink that is slow or blocked skips records when it is later than
    ///   [`backlog`](crate::sink::Options::backlog). They are in the log. [`SinkStats::skipped`] counts them,
    ///   and the sink is told ([`Mark::Skipped`](crate::sink::Mark::Skipped), [`Record::missed`]).
    /// - An error or a panic costs the record, which [`SinkStats::failed`] counts. The sink goes on with the next one.
    /// - What a sink logs itself goes to the log, but to no sink: no sink calls itself, or another one, for ever. That
    ///   is so in the sink's own thread only.
    /// - The end of the logger, and a signal that is handled, wait until everything was taken, a second at most
    ///   ([`end_timeout`](crate::sink::Options::end_timeout)). [`SinkStats::unseen`] counts the rest.
    ///
    /// Log calls cost what they cost without. The consumer takes some 0.2 µs more for each sweep and sink, and
    /// [`Builder::idle_sleep`] and [`Builder::poll_interval`] are at most 5 ms.
    ///
    /// [`Builder::start`] fails if two sinks have one name, or if another logger was started with this sink, from a
    /// clone of this builder.
    ///
    /// [`SinkStats::skipped`]: crate::SinkStats::skipped
    /// [`SinkStats::failed`]: crate::SinkStats::failed
    /// [`SinkStats::unseen`]: crate::SinkStats::unseen
    /// [`Record::missed`]: crate::sink::Record::missed
    #[cfg(feature = "sinks")]
    pub fn sink(
        mut self,
        options: impl Into<crate::sink::Options>,
        sink: impl crate::Sink + 'static,
    ) -> Self {
        self.sinks.push(crate::sink::Given::new(options.into(), Box::new(sink)));
        self
    }

    /// Sets who may read and write the log's files: permissions as of `chmod`, from which the process's mask is taken.
    /// Default: 0600 for a rotated log, so that only its user may; 0666 for a log that is one file.
    ///
    /// ```
    /// use kymo::{Logger, Rotation};
    ///
    /// // The group may read the log.
    /// let builder = Logger::builder("app.kymo").rotate(Rotation::size(256 << 20)).mode(0o640);
    /// ```
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode & 0o777);
        self
    }

    /// Makes the log's directory, and those above it, if they are not there. Default: [`Builder::start`] fails then.
    pub fn make_directory(mut self, wanted: bool) -> Self {
        self.make_directory = wanted;
        self
    }

    /// Makes it the logger of tests that capture: its file loses its name, and other loggers that are started do
    /// nothing.
    #[cfg(feature = "testing")]
    pub(crate) fn of_tests(mut self) -> Self {
        self.is_of_tests = true;
        self
    }

    /// The capacity of a ring in words.
    pub(crate) fn ring_words(&self) -> usize {
        let bytes = self.ring_capacity.clamp(MIN_RING_BYTES, MAX_RING_BYTES);
        capacity_for(bytes.div_ceil(WORD_BYTES)) as usize
    }

    /// How long the memory of all rings of a thread is, in bytes.
    pub(crate) fn ring_bytes_per_thread(&self) -> u64 {
        let ring = ring_bytes(self.ring_words() as u64);
        let overwriting = if self.policies.overwrites_any() { ring } else { 0 };
        let flight = self.policies.flight.map_or(0, |it| ring_bytes(capacity_for(it.words)));
        ring + overwriting + flight
    }

    /// Returns an error if no logger can be made with these options.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        if self.map_window > MAX_WINDOW_BYTES {
            let reason = "more than 256 GiB of a file cannot be mapped at a time: choose less";
            return Err(StartErrorKind::Option { name: "map_window", reason }.into());
        }
        if let Durability::Every(interval) = self.durability
            && interval < Duration::from_millis(1)
        {
            let reason =
                "the log cannot be synced more than a thousand times a second: choose more";
            return Err(StartErrorKind::Option { name: "durability", reason }.into());
        }
        if self.ending.panic_hook.is_some() && !panics::can_install() {
            let reason =
                "a thread that unwinds cannot set a panic hook: start the logger in another thread";
            return Err(StartErrorKind::Option { name: "panic_hook", reason }.into());
        }
        #[cfg(feature = "compress")]
        if self.compress && self.rotation.is_none() {
            let reason = "only closed segments are compressed: use `rotate`, too";
            return Err(StartErrorKind::Option { name: "compress", reason }.into());
        }
        if let Some(rotation) = &self.rotation {
            rotation.check().map_err(StartErrorKind::Rotation)?;
            self.keep.as_ref().map_or(Ok(()), Keep::check).map_err(StartErrorKind::Keep)?;
            if self.overwrite {
                let reason = "a rotated log overwrites nothing: use `rotate` alone";
                return Err(StartErrorKind::Option { name: "overwrite", reason }.into());
            }
        }
        self.check_routes()?;
        #[cfg(feature = "log")]
        if self.bridges_log {
            crate::bridge::log::init().map_err(StartErrorKind::BridgeLog)?;
        }
        #[cfg(feature = "tracing")]
        if self.bridges_tracing {
            crate::bridge::tracing::init().map_err(StartErrorKind::BridgeTracing)?;
        }
        Ok(())
    }

    /// The map window in bytes, at least the smallest.
    pub(crate) fn window_bytes(&self) -> u64 {
        self.map_window.max(MIN_WINDOW_BYTES)
    }
}
