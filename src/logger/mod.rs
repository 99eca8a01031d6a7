//! The logger: starts the consumer, lets threads find it, and ends it.
//!
//! The builder's options and the program's calls come in. A file, a consumer thread and the pointer
//! [`RUNNING`] go out. This folder is the top of the crate: it may know all others, and none knows
//! it.

pub(crate) mod builder;
pub(crate) mod ending;
pub(crate) mod error;
mod fork;
pub(crate) mod own_warnings;

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::discipline::Discipline;
use crate::clock::{TickSource, monotonic_ns, nanoseconds};
use crate::consumer::{Consumer, Pacing, Report, Watch};
use crate::crash::exit;
use crate::crash::recover::{Discardable, RecoverError, Recovery, discardable, recover_locked};
use crate::crash::signals::{self, standby};
use crate::level::Level;
use crate::logger::builder::Builder;
use crate::logger::error::{StartError, StartErrorKind};
use crate::process::fork::generation;
use crate::process::signal_action;
use crate::process::statics::{GATE, RUNNING};
use crate::process::stay_loaded::stay_loaded;
use crate::segment::crash_proof::CrashProof;
use crate::segment::guard;
use crate::segment::mapped::MappedFile;
use crate::segment::with_infix;
use crate::segment::{LogOutput, Target};
use crate::shared::Shared;
use crate::shared::mailbox::Request;
use crate::shared::orphans::{self, Orphan};
use crate::shared::running::turn;
use crate::shared::stats::{Counters, Stats};
use crate::sync::statics::Ordering;
use crate::sync::{Arc, thread};
use own_warnings::own_warnings;

/// A running logger. Dropping it drains all rings, closes the file and ends the logger.
///
/// A process has one logger at a time, and log statements find it by themselves. Keep this value as
/// long as anything is to be logged, for instance in a local variable of `main`.
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
    shared: Arc<Shared>,
    consumer: Option<JoinHandle<Report>>,
    path: PathBuf,
    /// The fork generation of the process that started the logger.
    generation: u32,
    recovered: Option<Recovery>,
}

impl Logger {
    /// Returns the options of a logger that will write to `path`, a file or a symbolic link to one.
    pub fn builder(path: impl Into<PathBuf>) -> Builder {
        Builder::new(path.into())
    }

    /// Returns the path of the log file. With [`Builder::pid_in_name`] it contains the process id.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Returns what the start recovered of an earlier log at this path. `None` if
    /// [`Builder::recover`] is not set, or if there was no log.
    pub fn recovered(&self) -> Option<&Recovery> {
        self.recovered.as_ref()
    }

    /// Waits until all that this thread logged is in the file: see [`flush`](crate::flush).
    pub fn flush(&self) -> bool {
        crate::flush()
    }

    /// Waits for a limited time until all that this thread logged is in the file: see
    /// [`flush_timeout`](crate::flush_timeout).
    pub fn flush_timeout(&self, timeout: Duration) -> bool {
        crate::flush_timeout(timeout)
    }

    /// Returns what the logger has done so far.
    ///
    /// The call stops no thread. It takes some microseconds, and a few more for each thread. In the
    /// child of a fork all numbers are zero.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kymo-stats-{}.kymo", std::process::id()));
    /// # let logger = kymo::Logger::builder(&path).start()?;
    /// kymo::info!("{} is {}", "answer", 42);
    /// logger.flush();
    /// let stats = logger.stats();
    /// assert_eq!((stats.total.written(), stats.total.dropped()), (1, 0));
    /// # drop(logger);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Stats {
        if self.generation != generation() {
            // The child of a fork has no logger. A thread of the parent may have held the lock.
            return Counters::default().stats();
        }
        self.shared.counters.stats()
    }

    /// Writes into the file what the flight recorders of all threads hold. Waits until it is there,
    /// and returns the number of records.
    ///
    /// Returns 0 if nothing was recorded since the last dump, if there is no flight recorder, or if
    /// the logger or its output has ended.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kymo-dump-{}.kymo", std::process::id()));
    /// use kymo::Level;
    ///
    /// let logger = kymo::Logger::builder(&path).flight_recorder(Level::Debug, 1 << 20).start()?;
    /// kymo::debug!("nobody sees this unless it is asked for");
    /// assert_eq!(logger.dump_flight_recorder(), 1);
    /// assert_eq!(logger.dump_flight_recorder(), 0);
    /// # drop(logger);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn dump_flight_recorder(&self) -> u64 {
        if self.generation != generation() || self.shared.policies.flight.is_none() {
            return 0;
        }
        self.shared.dump_flight_recorder()
    }

    /// Continues in a new file if another program has moved the log, as `logrotate` does. Call it
    /// after the move.
    ///
    /// Waits until the moved file is complete and closed. The new file is made at
    /// [`path`](Self::path); a file that another program has made there is renamed, as by
    /// [`Builder::start`]. Records that are in the rings meanwhile go to one of the two files. Does
    /// nothing if the log still has its name.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// let logger = kymo::Logger::builder(&path).start()?;
    /// kymo::info!("this is in the moved file");
    /// std::fs::rename(&path, path.with_extension("kymo.old"))?;
    /// logger.reopen()?;
    /// kymo::info!("this is in the new one");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the new file cannot be made; the logger then continues in the old one. If the
    /// logger has ended.
    pub fn reopen(&self) -> io::Result<()> {
        if self.generation != generation() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "this is the child of a fork"));
        }
        self.shared.reopen()
    }

    /// Sets the least urgent level that is logged, as [`Builder::max_level`] does, while the logger
    /// runs.
    pub fn set_max_level(&self, level: Level) {
        // Relaxed: see `fast::enabled`.
        GATE.store(level as u8, Ordering::Relaxed);
    }

    /// Drains all rings, closes the file, and returns what became of all records.
    ///
    /// Other threads may go on logging. What they log from now on is counted by
    /// [`unlogged`](crate::unlogged).
    pub fn shutdown(mut self) -> Report {
        self.end(None)
    }

    /// Drains the rings for up to `timeout`, closes the file, and returns what became of all
    /// records.
    ///
    /// [`Report::unwritten`] counts the records that are left in the rings; they have marks in the
    /// file.
    ///
    /// If the consumer does not answer, because the system keeps it waiting for the disk, the
    /// report has an error of the kind [`TimedOut`](io::ErrorKind::TimedOut). Its numbers are then
    /// those from before the shutdown. The consumer ends by itself when it can.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Report {
        self.end(Some(timeout))
    }

    fn end(&mut self, timeout: Option<Duration>) -> Report {
        let Some(consumer) = self.consumer.take() else { return Report::default() };
        let deadline = timeout.map(|limit| monotonic_ns().saturating_add(nanoseconds(limit)));
        if self.generation != generation() {
            // The child of a fork has no consumer. What it shared with the consumer is leaked.
            std::mem::forget((consumer, self.shared.clone()));
            return Report::default();
        }
        let my_turn = turn();
        // `exit` may have withdrawn this logger, and another one may have been started since.
        if RUNNING.withdraw_this(&self.shared) {
            // Relaxed: see `fast::enabled`. Without a logger everything passes, to be counted.
            GATE.store(Level::Trace as u8, Ordering::Relaxed);
        }
        drop(my_turn);
        self.shared.control.stop(deadline);
        if consumer.thread().id() == std::thread::current().id() {
            // The consumer would wait for itself. It ends when its hook has returned.
            self.shared.end_files();
            let text = "the logger was ended by its own hook: it ends after that";
            let error = Some(io::Error::new(io::ErrorKind::WouldBlock, text));
            return Report { error, ..Report::default() };
        }
        if deadline.is_some_and(|deadline| !ends_until(&consumer, deadline)) {
            self.shared.end_files();
            let stats = self.shared.counters.stats();
            let text = "the consumer did not end in time: it waits for the disk";
            return Report {
                written: stats.total.written(),
                dropped: stats.total.dropped(),
                dumped: stats.dumped,
                rescued: stats.rescued,
                file_bytes: stats.file_bytes,
                error: Some(io::Error::new(io::ErrorKind::TimedOut, text)),
                ..Report::default()
            };
        }
        let mut report = consumer.join().unwrap_or_else(|_| Report {
            error: Some(io::Error::other("the consumer panicked")),
            ..Report::default()
        });
        self.shared.end_files();
        // Some may have been rescued since the consumer ended.
        report.rescued = self.shared.counters.rescued.get();
        // One that was started since has handlers of its own.
        let _turn = turn();
        if !RUNNING.is_some() {
            signals::uninstall();
            signals::hangup::uninstall();
        }
        report
    }
}

/// How long past its deadline the shutdown waits for the consumer, which still writes marks and
/// totals then.
const GRACE_NS: u64 = 100_000_000;

/// Waits until the consumer ends, up to the grace time past its deadline. Returns whether it has
/// ended.
fn ends_until(consumer: &JoinHandle<Report>, deadline_ns: u64) -> bool {
    while !consumer.is_finished() {
        if monotonic_ns() >= deadline_ns.saturating_add(GRACE_NS) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        self.end(None);
    }
}

impl Builder {
    /// Makes the file, starts the consumer, and lets log statements through.
    ///
    /// The call takes some milliseconds, in which the hardware counter is compared with the clock.
    ///
    /// # Errors
    /// - A logger already runs in this process.
    /// - Another process writes to the file.
    /// - The file cannot be made, or its first map window cannot be allocated or mapped.
    /// - An option has an impossible value, or the consumer cannot be pinned to its core.
    /// - The directory of [`Builder::crash_proof`] has no room, or a recovery
    ///   ([`Builder::recover`]) fails.
    ///
    /// After an error nothing was made, renamed or overwritten. A recovery that succeeded remains.
    pub fn start(mut self) -> Result<Logger, StartError> {
        self.check()?;
        stay_loaded();
        fork::register();
        let _turn = turn();
        if RUNNING.is_some() {
            return Err(StartErrorKind::AlreadyRunning.into());
        }
        signals::wait_for_end();
        if self.ending.pid_in_name {
            self.path = with_infix(&self.path, std::process::id());
        }
        let ring_words = self.ring_words();
        // From now on no other logger writes there, or renames the file that is there.
        let target = Target::lock(&self.path)?;
        let recovered = self.recover_last(&target)?;
        // A log whose records were recovered is not overwritten. This includes a recovery by an
        // earlier start that was killed before it made its own log.
        let was_recovered = |it: &Recovery| it.file.is_some() && it.threads.is_empty();
        if recovered.as_ref().is_some_and(|it| it.records() > 0 || was_recovered(it)) {
            self.overwrite = false;
        }
        let discarded = match target.found() {
            Some(log) if target.loses_content(self.overwrite) => discardable(target.path(), log),
            _ => Discardable::default(),
        };
        let clock = TickSource::new(self.clock);
        let crash_proof = self.make_crash_proof(clock)?;
        let shared = Shared::new(clock, self.policies, ring_words).with_crash_proof(crash_proof);
        let shared = Arc::new(shared);
        let begun = self.begin(&shared, target, discarded);
        if let (Err(_), Some(crash_proof)) = (&begun, shared.crash_proof()) {
            crash_proof.end();
        }
        let (consumer, standby) = begun?;
        exit::end_at_exit(&shared, self.ending.exit_timeout);
        let thread = consumer.thread().clone();
        if self.ending.reopens_on_hangup {
            signals::hangup::install(&shared.reopen_request, thread.clone());
        }
        signals::install(self.ending.signals, &shared.emergency, thread, standby);
        // The coarse clock must not show what it showed when the last logger ended.
        shared.clock.begin_sweep();
        // Relaxed: see `fast::enabled`.
        GATE.store(self.max_level as u8, Ordering::Relaxed);
        RUNNING.publish(shared.clone());
        let generation = generation();
        Ok(Logger { shared, consumer: Some(consumer), path: self.path, generation, recovered })
    }

    /// Recovers the log that is already there, if the program asked for it.
    fn recover_last(&self, target: &Target) -> Result<Option<Recovery>, StartError> {
        let Some(log) = target.found().filter(|_| self.recover) else { return Ok(None) };
        match recover_locked(target.path(), log) {
            Ok(recovery) => Ok(Some(recovery)),
            // Another kind of file is there, which will be renamed or overwritten. Or this process
            // still has the log open without writing to it: what its last logger left can be
            // recovered when the process has ended.
            Err(RecoverError::NotALog(_) | RecoverError::InUse(_)) => Ok(None),
            Err(RecoverError::File(path, error)) => Err(StartError::file(&path, error)),
        }
    }

    /// Opens the segment, and starts the consumer.
    ///
    /// `discarded`: the rings of a dead process that are removed with the log that is there.
    fn begin(
        &self,
        shared: &Arc<Shared>,
        target: Target,
        discarded: Discardable,
    ) -> Result<(JoinHandle<Report>, Standby), StartError> {
        // First, before the file is touched: a consumer that cannot be pinned leaves no trace.
        let consumer = self.spawn_consumer(shared.clone(), discarded.records())?;
        let segment = self.open_segment(shared, target, discarded)?;
        if let Some(crash_proof) = shared.crash_proof() {
            // Without it, the log has the rings as well, until there is another one.
            let _ = crash_proof.set_log(segment.output.segment_id());
        }
        // Not left to the consumer: critical records may need the log before the consumer is ready.
        shared.set_log(segment.output.log_file());
        let standby = consumer.standby.clone();
        // Ring files name their segment and how ticks become time, which the consumer writes when
        // it begins.
        let wait = shared.crash_proof().is_some();
        Ok((consumer.begin(segment, wait)?, standby))
    }

    /// Makes the directory entries that ring files need, if the program asked for ring files.
    fn make_crash_proof(&self, clock: TickSource) -> Result<Option<CrashProof>, StartError> {
        let make = |directory: &PathBuf| {
            let made = CrashProof::new(directory, clock, self.ring_bytes_per_thread());
            made.map_err(|error| StartError::file(directory, error))
        };
        self.crash_proof.as_ref().map(make).transpose()
    }

    fn open_segment(
        &self,
        shared: &Shared,
        target: Target,
        discarded: Discardable,
    ) -> Result<OpenedSegment, StartError> {
        let window = self.window_bytes();
        let (source, rings) = (shared.clock.source(), shared.crash_proof());
        let rings = rings.map(|crash_proof| crash_proof.place().clone());
        let discard = || discarded.discard();
        let output = MappedFile::create_at(target, self.overwrite, discard, source, window, rings)?;
        Ok(OpenedSegment { salt: output.salt(), output })
    }

    /// Makes the consumer's thread. If it is to be pinned, waits until it is.
    fn spawn_consumer(&self, shared: Arc<Shared>, discarded: u64) -> Result<Waiting, StartError> {
        let mut pacing = Pacing::new(self.poll_interval, self.idle_sleep);
        let pin = self.consumer_core;
        let watch = Watch::new(self.hook.clone(), own_warnings(), self.high_water, discarded);
        let (ready, pinned) = mpsc::sync_channel(1);
        let (segment, given) = mpsc::sync_channel::<OpenedSegment>(1);
        let (says_begun, begun) = mpsc::sync_channel(1);
        let handled = self.ending.signals;
        let standby =
            handled.any().then(|| standby::stand_by(shared.emergency.clone(), handled)).transpose();
        let standby = standby.map_err(StartErrorKind::Thread)?;
        let end = EndOnDrop(shared.clone(), standby.clone());
        let run = move || {
            let _end = end;
            signal_action::block_all_but_faults();
            crate::process::be_ordinary();
            shared.emergency.set_consumer_thread(crate::process::thread_info::os_thread_id());
            shared.emergency.set_consumer(std::thread::current());
            let _ = ready.send(pin.map_or(Ok(()), pin_to));
            guard::unblock_in_this_thread();
            // No segment is given if pinning failed, or opening the segment.
            let Ok(segment) = given.recv() else { return Report::default() };
            let discipline = first_observations(shared.clock);
            let OpenedSegment { output, salt } = segment;
            let mut consumer = Consumer::new(shared.clone(), discipline, output, salt);
            consumer.set_watch(watch);
            let _ = says_begun.send(());
            // A panic (of a custom clock, for instance) must leave no thread waiting and no record
            // uncounted.
            // SAFETY: it stays here until `withdraw`, and this thread alone uses it. The function
            // takes over a consumer of this type.
            unsafe {
                shared.emergency.takeover.offer((&raw mut consumer).cast(), take_over_shipped)
            };
            let run =
                AssertUnwindSafe(|| consumer.run(|swept| pacing.wait(swept, &shared.counters)));
            let (report, rings) = catch_unwind(run).unwrap_or_else(|_| consumer.abandon());
            shared.emergency.takeover.withdraw();
            rings.into_iter().for_each(orphans::adopt);
            report
        };
        let thread = std::thread::Builder::new().name("kymo-consumer".to_owned()).spawn(run);
        let thread = thread.map_err(StartErrorKind::Thread)?;
        match pinned.recv() {
            Ok(Ok(())) => Ok(Waiting { thread, segment, begun, standby }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StartErrorKind::Thread(io::Error::other("it ended at once")).into()),
        }
    }
}

/// Drains the rings in the place of the consumer, of the type that a logger has.
///
/// # Safety
/// `consumer` is a `Consumer<MappedFile>` that no other code uses any more.
unsafe fn take_over_shipped(consumer: *mut (), request: Option<Request>, deadline_ns: u64) {
    // SAFETY: the caller's promise.
    let consumer = unsafe { &mut *consumer.cast::<Consumer<MappedFile>>() };
    consumer.take_over(request, deadline_ns);
}

/// The file that the consumer writes, and the salt of its checksums.
struct OpenedSegment {
    output: MappedFile,
    salt: u32,
}

/// A consumer that waits for its segment. If this is dropped, the consumer ends.
struct Waiting {
    thread: JoinHandle<Report>,
    segment: mpsc::SyncSender<OpenedSegment>,
    /// Receives a message when the consumer has its segment and has compared the clocks.
    begun: mpsc::Receiver<()>,
    standby: Standby,
}

/// The standby thread, if the logger has one.
type Standby = Option<std::thread::Thread>;

impl Waiting {
    /// Gives the consumer its segment. If `wait`, waits until it has compared the clocks.
    fn begin(self, segment: OpenedSegment, wait: bool) -> Result<JoinHandle<Report>, StartError> {
        match self.segment.send(segment) {
            Ok(()) => {
                if wait {
                    // An error means that a custom clock panicked. Joining the consumer reports it.
                    let _ = self.begun.recv();
                }
                Ok(self.thread)
            }
            Err(_) => Err(StartErrorKind::Thread(io::Error::other("it has ended")).into()),
        }
    }
}

/// Tells threads that wait for the consumer that it has ended, even if it panicked.
struct EndOnDrop(Arc<Shared>, Option<std::thread::Thread>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        // If the consumer panicked before its first sweep, the rings are still open. Closing them
        // releases threads that wait for room.
        for ring in self.0.registry.close() {
            ring.state.cursor.close();
            orphans::adopt(Orphan::new(ring.ring, ring.followers.log, ring.state, 0));
        }
        self.0.control.end();
        self.0.emergency.mailbox.end();
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
        // The call may succeed and the system may still choose another core: read the set back.
        let set = rustix::thread::sched_getaffinity(None);
        if !set.is_ok_and(|set| set.count() == 1 && set.is_set(core)) {
            return fail("the system put it on another one");
        }
    }
    Ok(())
}
