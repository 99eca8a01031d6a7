//! Starting a logger: its file, its consumer, its handlers.
//!
//! In: the options. Out: a logger that threads find, or an error and nothing changed. The
//! consumer's thread comes first, the file second, so that a consumer that cannot be pinned leaves
//! no trace.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::TickSource;
use crate::clock::discipline::Discipline;
#[cfg(feature = "console")]
use crate::console;
use crate::consumer::{Consumer, Follower, MAIN, Pacing, Report, Watch};
use crate::crash::exit;
use crate::crash::recover::{Discardable, RecoverError, Recovery, discardable, recover_locked};
use crate::crash::signals::{self, standby};
use crate::filter::setting::tell_follower;
use crate::logger::builder::Builder;
use crate::logger::error::{StartError, StartErrorKind};
use crate::logger::own_warnings::own_records;
use crate::logger::rotated::Rotated;
use crate::logger::{Logger, fork, syncing};
use crate::process::fork::generation;
use crate::process::own_thread;
use crate::process::statics::RUNNING;
use crate::process::stay_loaded::stay_loaded;
use crate::process::thread_info::{be_ordinary, os_thread_id};
#[cfg(feature = "control")]
use crate::remote::{self, Facts, Remote};
use crate::rotation::Rotation;
use crate::rotation::log::Log;
use crate::segment::crash_proof::CrashProof;
use crate::segment::guard;
use crate::segment::mapped::{Making, MappedFile};
use crate::segment::{LogOutput, Target};
use crate::shared::Shared;
use crate::shared::disk::Durability;
use crate::shared::mailbox::Request;
use crate::shared::orphans::{self, Orphan};
use crate::shared::running::turn;
#[cfg(feature = "sinks")]
use crate::sink;
use crate::sync::{Arc, thread};

/// How long a consumer with a console or a sink pauses between two sweeps, at most.
#[cfg(feature = "sinks")]
const FOLLOWED_SLEEP: Duration = Duration::from_millis(5);

impl Builder {
    /// Makes the file, starts the consumer, and lets log statements through.
    ///
    /// The call takes some milliseconds, in which the hardware counter is compared with the clock.
    ///
    /// While tests capture what they log (`kymo::testing`, feature `testing`), nothing is made or started: what is
    /// logged goes to the tests, and the [`Logger`] does nothing.
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
    pub fn start(self) -> Result<Logger, StartError> {
        let logger = match self.joins {
            Some(joins) => self.start_joined(joins),
            None => self.start_alone(1),
        }?;
        tell_follower();
        Ok(logger)
    }

    /// Starts while no other logger starts or ends. `number`: of the process, among those that have joined.
    pub(crate) fn start_alone(mut self, number: u32) -> Result<Logger, StartError> {
        self.check()?;
        let filter = self.filter.setting()?;
        stay_loaded();
        fork::register();
        let _turn = turn();
        if let Some(running) = RUNNING.get() {
            if running.is_of_tests && !self.is_of_tests {
                return Ok(self.stand_in());
            }
            return Err(StartErrorKind::AlreadyRunning.into());
        }
        signals::wait_for_end();
        #[cfg(feature = "config")]
        let joined_path = self.path.clone();
        let mut logs = self.log_builders();
        let (routes, routed) = self.route_table(&logs, number);
        self.path = self.final_path(number);
        logs.iter_mut().for_each(|log| log.path = log.final_path(number));
        if let Some(level) = self.routed_write_through() {
            self.policies.include_write_through(level);
        }
        let ring_words = self.ring_words();
        // From now on no other logger writes there, or renames the file that is there.
        let target = self.lock_log()?;
        let logs = logs.into_iter().map(|log| Ok((log.lock_log()?, log)));
        let logs = logs.collect::<Result<Vec<_>, StartError>>()?;
        let recovered = self.recover_last(&target)?;
        for (target, log) in &logs {
            log.recover_last(target)?;
        }
        // A log whose records were recovered is not overwritten. This includes a recovery by an
        // earlier start that was killed before it made its own log.
        let was_recovered = |it: &Recovery| it.file.is_some() && it.threads.is_empty();
        if recovered.as_ref().is_some_and(|it| it.records() > 0 || was_recovered(it)) {
            self.overwrite = false;
        }
        let discarded = match &target {
            LockedLog::File(target) if target.loses_content(self.overwrite) => {
                target.found().map(|log| discardable(target.path(), log)).unwrap_or_default()
            }
            _ => Discardable::default(),
        };
        let clock = TickSource::new(self.clock);
        let crash_proof = self.make_crash_proof(clock)?;
        let shared = Shared::new(clock, self.policies, ring_words).with_filter(filter);
        let shared = shared.with_crash_proof(crash_proof).with_durability(self.durability);
        let shared = if self.is_of_tests {
            shared.of_tests()
        } else {
            shared.with_panics(self.ending.panic_hook.is_some())
        };
        #[cfg(feature = "sinks")]
        let shared = {
            let sinks = sink::tallies(&self.sinks);
            shared.with_sinks(sinks.map_err(sink_option)?)
        };
        let shared = Arc::new(shared.with_routes(routes, routed));
        let begun = self.begin(&shared, target, discarded, logs);
        if begun.is_err() {
            shared.end_files(true);
            shared.crash_proof().into_iter().for_each(CrashProof::end);
        }
        let (consumer, standby) = begun?;
        exit::end_at_exit(&shared, self.ending.exit_timeout);
        let thread = consumer.thread().clone();
        if let Some(request) = self.ending.on_hangup {
            signals::hangup::install(request, &shared, thread.clone());
        }
        signals::install(self.ending.signals, &shared.emergency, thread, standby);
        if let Some(install) = self.ending.panic_hook {
            install();
        }
        // The coarse clock must not show what it showed when the last logger ended.
        shared.clock.begin_sweep();
        shared.filter.begin();
        RUNNING.publish(shared.clone());
        let generation = generation();
        let is_rotated = self.rotates_any();
        let (path, consumer) = (self.path, Some(consumer));
        Ok(Logger {
            shared,
            consumer,
            generation,
            recovered,
            is_rotated,
            #[cfg(feature = "config")]
            joined_path,
            #[cfg(feature = "config")]
            configured: self.configured,
            path,
        })
    }

    /// A logger that does nothing, because what is logged goes to tests.
    fn stand_in(self) -> Logger {
        if let Some(install) = self.ending.panic_hook {
            install();
        }
        let shared = Shared::new(TickSource::new(self.clock), self.policies, self.ring_words());
        let is_rotated = self.rotates_any();
        // Nobody waits for a consumer.
        shared.control.end();
        Logger {
            shared: Arc::new(shared),
            consumer: None,
            #[cfg(feature = "config")]
            joined_path: self.path.clone(),
            #[cfg(feature = "config")]
            configured: self.configured,
            path: self.path,
            generation: generation(),
            recovered: None,
            is_rotated,
        }
    }

    /// Recovers the log that is already there, if the program asked for it.
    fn recover_last(&self, target: &LockedLog) -> Result<Option<Recovery>, StartError> {
        let target = match target {
            LockedLog::File(target) => target,
            LockedLog::Segments(_, log) => return self.recover_segments(log),
        };
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
        target: LockedLog,
        discarded: Discardable,
        logs: Vec<(LockedLog, Builder)>,
    ) -> Result<(JoinHandle<Report>, Standby), StartError> {
        for log in 0..=logs.len() {
            syncing::start(shared, log).map_err(StartErrorKind::Thread)?;
        }
        // First, before the file is touched: a consumer that cannot be pinned leaves no trace.
        let consumer = self.spawn_consumer(shared.clone(), discarded.records())?;
        // Before the log is touched, too.
        #[cfg(feature = "control")]
        let remote = self.start_remote(shared)?;
        let routed = open_routed(shared, logs)?;
        let segment = match self.open_segment(shared, target, discarded) {
            Ok(segment) => segment,
            Err(error) => {
                routed.into_iter().for_each(|segment| segment.output.discard());
                return Err(error);
            }
        };
        #[cfg(feature = "control")]
        let segment = OpenedSegment { remote, ..segment };
        for (index, segment) in routed.iter().enumerate() {
            shared.set_log(index + 1, segment.output.log_file());
        }
        let segment = OpenedSegment { routed, ..segment };
        if let Some(crash_proof) = shared.crash_proof() {
            // Without it, the log has the rings as well, until there is another one.
            let _ = crash_proof.set_log(segment.output.segment_id());
        }
        // Not left to the consumer: critical records may need the log before the consumer is ready.
        shared.set_log(MAIN, segment.output.log_file());
        let standby = consumer.standby.clone();
        // Ring files name their segment and how ticks become time, which the consumer writes when
        // it begins. From a consumer that has not begun nobody can take over if it crashes, or if
        // a custom clock calls `exit` there.
        let crash_proof = shared.crash_proof().is_some();
        let wait = crash_proof || self.ending.signals.any() || shared.clock.is_custom();
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
        target: LockedLog,
        discarded: Discardable,
    ) -> Result<OpenedSegment, StartError> {
        let making = Making {
            clock: shared.clock.source(),
            window_bytes: self.window_bytes(),
            most_bytes: u64::MAX,
            rings: shared.crash_proof().map(|crash_proof| crash_proof.place().clone()),
            mode: self.file_mode(),
            room: None,
            has_name: !self.is_of_tests,
        };
        match target {
            LockedLog::File(target) => {
                let discard = || discarded.discard();
                let output = MappedFile::create_at(target, self.overwrite, discard, making)?;
                Ok(OpenedSegment::new(output, None))
            }
            LockedLog::Segments(rotation, log) => {
                let (output, rotated) = self.begin_log(&rotation, *log, making, shared.clock)?;
                Ok(OpenedSegment::new(output, Some(rotated)))
            }
        }
    }

    /// Keeps other loggers away from the log.
    fn lock_log(&self) -> Result<LockedLog, StartError> {
        if let Some(rotation) = &self.rotation {
            let log = Log::open(&self.path, self.make_directory)?;
            return Ok(LockedLog::Segments(rotation.clone(), Box::new(log)));
        }
        if self.make_directory
            && let Some(directory) = self.path.parent()
        {
            let made = std::fs::create_dir_all(directory);
            made.map_err(|error| StartError::file(directory, error))?;
        }
        Ok(LockedLog::File(Target::lock(&self.path, self.file_mode())?))
    }

    /// The permissions of new files.
    fn file_mode(&self) -> u32 {
        let default = if self.rotation.is_some() { 0o600 } else { 0o666 };
        self.mode.unwrap_or(default)
    }

    /// How the consumer waits between sweeps.
    fn pacing(&self) -> Pacing {
        #[cfg(feature = "sinks")]
        if self.is_followed() {
            let limit = |interval: Duration| interval.min(FOLLOWED_SLEEP);
            return Pacing::new(limit(self.poll_interval), limit(self.idle_sleep));
        }
        Pacing::new(self.poll_interval, self.idle_sleep)
    }

    /// Starts to answer those who ask the running process.
    #[cfg(feature = "control")]
    fn start_remote(&self, shared: &Arc<Shared>) -> Result<Option<Remote>, StartError> {
        if !self.control || self.is_of_tests {
            return Ok(None);
        }
        let facts = Facts { log: self.path.as_path().into(), is_rotated: self.rotates_any() };
        let started = remote::start(shared.clone(), facts);
        started.map(Some).map_err(|(path, error)| StartError::file(&path, error))
    }

    /// Whether something follows what the consumer commits.
    #[cfg(feature = "sinks")]
    fn is_followed(&self) -> bool {
        #[cfg(feature = "console")]
        if self.console.is_some() {
            return true;
        }
        !self.sinks.is_empty()
    }

    /// Starts the threads of the console and of the sinks.
    fn start_followers(&self, shared: &Shared) -> Result<Vec<Box<dyn Follower>>, StartError> {
        #[cfg_attr(not(feature = "sinks"), expect(unused_mut, reason = "there are none"))]
        let mut followers = Vec::new();
        #[cfg(feature = "console")]
        if let Some(console) = &self.console {
            followers.extend(console::start(console, shared).map_err(StartErrorKind::Thread)?);
        }
        #[cfg(feature = "sinks")]
        for (index, given) in self.sinks.iter().enumerate() {
            let started = sink::start(index, given, &shared.counters.sinks);
            followers.push(started.map_err(|error| match error {
                sink::NotStarted::Taken => sink_option(
                    "another logger has this sink, from a clone of the builder: make one for each",
                ),
                sink::NotStarted::Thread(error) => StartErrorKind::Thread(error).into(),
            })?);
        }
        #[cfg(not(feature = "sinks"))]
        let _ = shared;
        Ok(followers)
    }

    /// Makes the consumer's thread. If it is to be pinned, waits until it is.
    fn spawn_consumer(&self, shared: Arc<Shared>, discarded: u64) -> Result<Waiting, StartError> {
        let mut pacing = self.pacing();
        let followers = self.start_followers(&shared)?;
        let pin = self.consumer_core;
        let watch = Watch::new(self.hook.clone(), own_records(), self.high_water, discarded);
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
            be_ordinary();
            shared.emergency.set_consumer_thread(os_thread_id());
            shared.emergency.set_consumer(std::thread::current());
            let _ = ready.send(pin.map_or(Ok(()), pin_to));
            guard::unblock_in_this_thread();
            // No segment is given if pinning failed, or opening the segment.
            let Ok(segment) = given.recv() else { return Report::default() };
            let discipline = first_observations(shared.clock);
            let OpenedSegment { output, salt, rotated, routed, .. } = segment;
            #[cfg(feature = "control")]
            let remote = segment.remote;
            let mut consumer = Consumer::new(shared.clone(), discipline, output, salt);
            let mut rotated = vec![rotated];
            for segment in routed {
                consumer.add_log(segment.output, segment.salt);
                rotated.push(segment.rotated);
            }
            consumer.set_watch(watch);
            #[cfg(feature = "sinks")]
            followers.into_iter().for_each(|follower| consumer.add_follower(follower));
            #[cfg(not(feature = "sinks"))]
            drop(followers);
            let mut housekeepers = Vec::new();
            for (log, rotated) in rotated.into_iter().enumerate() {
                let Some(Rotated { rotator, housekeeper, told }) = rotated else { continue };
                consumer.set_rotator(log, rotator, told.default_bytes, told.no_link);
                consumer.note_deleted(log, told.deleted);
                consumer.note_discarded(told.discarded);
                told.failed.into_iter().for_each(|error| consumer.note_failed_chore(log, error));
                housekeepers.push((log, housekeeper));
            }
            // A panic (of a custom clock, for instance) must leave no thread waiting and no record
            // uncounted.
            // SAFETY: it stays here until `withdraw`, and this thread alone uses it. The function
            // takes over a consumer of this type.
            unsafe {
                shared.emergency.takeover.offer((&raw mut consumer).cast(), take_over_shipped)
            };
            let _ = says_begun.send(());
            let run =
                AssertUnwindSafe(|| consumer.run(|swept| pacing.wait(swept, &shared.counters)));
            let (mut report, rings) = catch_unwind(run).unwrap_or_else(|_| consumer.abandon());
            shared.emergency.takeover.withdraw();
            #[cfg(feature = "control")]
            drop(remote);
            rings.into_iter().for_each(orphans::adopt);
            for (log, housekeeper) in housekeepers {
                // It has a segment to close, or more. A panic there is reported by the panic hook.
                let failed = consumer.end_rotation(log, || drop(housekeeper.join()));
                report.note_error(log, failed);
            }
            // The log is complete, and no thread waits for room.
            consumer.end_following(&mut report);
            for log in 0..shared.routes.logs() {
                if shared.disk_of(log).durability() != Durability::Kernel {
                    report.note_error(log, shared.sync_log(log).err());
                }
            }
            report
        };
        let thread = own_thread::spawn("kymo-consumer", run);
        let thread = thread.map_err(StartErrorKind::Thread)?;
        match pinned.recv() {
            Ok(Ok(())) => Ok(Waiting { thread, segment, begun, standby }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StartErrorKind::Thread(io::Error::other("it ended at once")).into()),
        }
    }
}

/// Opens the first segments of the logs that routes lead to. After an error none of them is there.
fn open_routed(
    shared: &Shared,
    logs: Vec<(LockedLog, Builder)>,
) -> Result<Vec<OpenedSegment>, StartError> {
    let mut opened: Vec<OpenedSegment> = Vec::new();
    for (target, log) in logs {
        match log.open_segment(shared, target, Discardable::default()) {
            Ok(segment) => opened.push(segment),
            Err(error) => {
                opened.into_iter().for_each(|segment| segment.output.discard());
                return Err(error);
            }
        }
    }
    Ok(opened)
}

/// A sink that cannot be.
#[cfg(feature = "sinks")]
fn sink_option(reason: &'static str) -> StartError {
    StartErrorKind::Option { name: "sink", reason }.into()
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
    /// `Some` if the log is rotated.
    rotated: Option<Rotated>,
    /// Those of the logs that routes lead to.
    routed: Vec<OpenedSegment>,
    /// What answers those who ask the running process, as long as the consumer runs.
    #[cfg(feature = "control")]
    remote: Option<Remote>,
}

impl OpenedSegment {
    fn new(output: MappedFile, rotated: Option<Rotated>) -> Self {
        Self {
            salt: output.salt(),
            output,
            rotated,
            routed: Vec::new(),
            #[cfg(feature = "control")]
            remote: None,
        }
    }
}

/// A log that no other logger writes to.
enum LockedLog {
    /// It is one file.
    File(Target),
    /// It is rotated.
    Segments(Rotation, Box<Log>),
}

/// A consumer that waits for its segment. If this is dropped, the consumer ends.
struct Waiting {
    thread: JoinHandle<Report>,
    segment: mpsc::SyncSender<OpenedSegment>,
    /// Receives a message when the consumer has its segment, has compared the clocks, and can be taken over from.
    begun: mpsc::Receiver<()>,
    standby: Standby,
}

/// The standby thread, if the logger has one.
type Standby = Option<std::thread::Thread>;

impl Waiting {
    /// Gives the consumer its segment. If `wait`, waits until it has begun.
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
            let dropped = vec![0; ring.state.logs.len()];
            orphans::adopt(Orphan::new(ring.ring, ring.followers.log, ring.state, dropped));
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
    let possible = core < rustix::thread::CpuSet::MAX_CPU;
    if !possible || !core_affinity::set_for_current(core_affinity::CoreId { id: core }) {
        return fail("there is no such core, or this process may not use it");
    }
    // The call may succeed and the system may still choose another core: read the set back.
    let set = rustix::thread::sched_getaffinity(None);
    if !set.is_ok_and(|set| set.count() == 1 && set.is_set(core)) {
        return fail("the system put it on another one");
    }
    Ok(())
}
