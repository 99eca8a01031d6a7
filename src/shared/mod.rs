//! What the threads that log and the consumer of one logger share.
//!
//! Producers and the consumer come here to find rings, counters, policies and requests. [`Shared`]
//! holds all of that for one logger. The folder knows neither the consumer's work nor the folders
//! above it.

pub(crate) mod control;
pub(crate) mod disk;
pub(crate) mod emergency;
pub(crate) mod mailbox;
pub(crate) mod orphans;
pub(crate) mod pending;
pub(crate) mod policy;
pub(crate) mod registry;
pub(crate) mod requests;
pub(crate) mod rotate_request;
pub(crate) mod routes;
pub(crate) mod running;
pub(crate) mod state;
pub(crate) mod stats;
pub(crate) mod tally;

mod prometheus;

use std::fmt::Write;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::clock::lines::Lines;
use crate::clock::{Observation, TickSource};
use crate::filter::Filter;
use crate::filter::setting::Setting;
use crate::format::escaped::Escaped;
use crate::level::Level;
use crate::process::thread_info::ThreadInfo;
use crate::segment::LogFile;
use crate::segment::crash_proof::CrashProof;
use crate::segment::side::{self, SideFile};
use crate::shared::control::Control;
use crate::shared::disk::{Disk, Durability, Which};
use crate::shared::emergency::Emergency;
use crate::shared::policy::Policies;
use crate::shared::registry::Registry;
use crate::shared::requests::{DumpRequest, ReopenRequest};
use crate::shared::rotate_request::RotateRequest;
use crate::shared::routes::{MAIN, Routes};
use crate::shared::stats::{Counters, LogCounters};
#[cfg(feature = "sinks")]
use crate::shared::tally::SinkTally;
use crate::statement::call_site::CallSite;
use crate::sync::{Arc, thread};

/// A logger without its consumer and without the output that the consumer writes to.
pub(crate) struct Shared {
    pub(crate) registry: Registry,
    pub(crate) control: Control,
    pub(crate) counters: Counters,
    pub(crate) clock: TickSource,
    pub(crate) policies: Policies,
    pub(crate) ring_words: usize,
    /// The clocks when the logger was made.
    pub(crate) started: Observation,
    pub(crate) side: SideFile,
    /// The clock frames by which ticks become time in the log.
    pub(crate) lines: Lines,
    pub(crate) emergency: Arc<Emergency>,
    pub(crate) dump_request: DumpRequest,
    pub(crate) reopen_request: Arc<ReopenRequest>,
    /// What is logged.
    pub(crate) filter: Setting,
    pub(crate) rotate_request: Arc<RotateRequest>,
    /// Whether panics are logged.
    pub(crate) logs_panics: bool,
    /// Whether this is the logger of tests that capture.
    pub(crate) is_of_tests: bool,
    /// The ring files, if the logger has them.
    crash_proof: Option<CrashProof>,
    pub(crate) disk: Disk,
    /// Which logs records go to.
    pub(crate) routes: Arc<Routes>,
    /// The logs that routes lead to: those after the main one.
    pub(crate) routed: Box<[RoutedLog]>,
}

/// A log that routes lead to, for others than the consumer.
pub(crate) struct RoutedLog {
    /// Its path, as the program has given it.
    pub(crate) path: PathBuf,
    pub(crate) disk: Disk,
}

impl Shared {
    pub(crate) fn new(clock: TickSource, policies: Policies, ring_words: usize) -> Self {
        Self {
            registry: Registry::new(),
            control: Control::new(),
            counters: Counters::default(),
            clock,
            policies,
            ring_words,
            started: clock.observe(),
            side: SideFile::default(),
            lines: Lines::default(),
            emergency: Arc::default(),
            dump_request: DumpRequest::default(),
            reopen_request: Arc::default(),
            filter: Setting::new(Level::Trace, Filter::all(), Vec::new()),
            rotate_request: Arc::default(),
            logs_panics: false,
            is_of_tests: false,
            crash_proof: None,
            disk: Disk::default(),
            routes: Arc::default(),
            routed: Box::default(),
        }
    }

    /// Sets the ring files.
    pub(crate) fn with_crash_proof(self, crash_proof: Option<CrashProof>) -> Self {
        Self { crash_proof, ..self }
    }

    /// Sets what is logged.
    pub(crate) fn with_filter(self, filter: Setting) -> Self {
        Self { filter, ..self }
    }

    /// Sets the sinks.
    #[cfg(feature = "sinks")]
    pub(crate) fn with_sinks(mut self, sinks: Vec<Arc<SinkTally>>) -> Self {
        self.counters.sinks = sinks;
        self
    }

    /// Sets whether panics are logged.
    pub(crate) fn with_panics(self, logs_panics: bool) -> Self {
        Self { logs_panics, ..self }
    }

    /// Makes it the logger of tests that capture. It logs panics if anything in the process asks for that.
    pub(crate) fn of_tests(self) -> Self {
        Self { logs_panics: true, is_of_tests: true, ..self }
    }

    /// Sets when the log is brought to the disk.
    pub(crate) fn with_durability(self, durability: Durability) -> Self {
        Self { disk: Disk::new(durability), ..self }
    }

    /// Sets the logs that routes lead to.
    pub(crate) fn with_routes(mut self, routes: Routes, routed: Vec<RoutedLog>) -> Self {
        self.counters.set_routed(routed.iter().map(|log| log.path.clone()).collect());
        Self { routes: Arc::new(routes), routed: routed.into(), ..self }
    }

    /// The files of a log.
    pub(crate) fn disk_of(&self, log: usize) -> &Disk {
        if log == MAIN { &self.disk } else { &self.routed[log - 1].disk }
    }

    /// The counters of a log.
    pub(crate) fn counters_of(&self, log: usize) -> &LogCounters {
        self.counters.of(log)
    }

    /// Returns the ring files, if the logger has them.
    pub(crate) fn crash_proof(&self) -> Option<&CrashProof> {
        self.crash_proof.as_ref()
    }

    /// Makes a ring in a file, if the logger has ring files; counts a failure.
    pub(crate) fn in_file<T>(&self, make: impl FnOnce(&CrashProof) -> Option<T>) -> Option<T> {
        let ring = make(self.crash_proof.as_ref()?);
        if ring.is_none() {
            self.counters.ring_file_errors.increment();
        }
        ring
    }

    /// Writes a call site where a recovery finds it. Counts a failure.
    pub(crate) fn register(&self, site: &'static CallSite) {
        if !self.crash_proof.as_ref().is_some_and(|crash_proof| crash_proof.register(site)) {
            self.counters.ring_file_errors.increment();
        }
    }

    /// Sets the file that the consumer writes for a log, or none.
    pub(crate) fn set_log(&self, log: usize, file: Option<LogFile>) {
        self.disk_of(log).set_current(file);
    }

    /// Sets the file in which a log goes on, because the last one was removed. The side file is that one's from now
    /// on, too, if it is the main log's.
    pub(crate) fn replace_log(&self, log: usize, file: Option<LogFile>) {
        if log != MAIN {
            return self.set_log(log, file);
        }
        self.side.belong_to(|| {
            self.set_log(log, file);
            self.disk.current()
        });
    }

    /// Forgets the files when the logger has ended. `is_complete`: the consumer writes no more. Then the lock on the
    /// log is given back, although a sync that nobody waits for may have the log open. Otherwise the consumer keeps it.
    pub(crate) fn end_files(&self, is_complete: bool) {
        let mut files = self.disk.end();
        files.extend(self.routed.iter().flat_map(|log| log.disk.end()));
        self.side.close();
        if is_complete {
            files.iter().for_each(|file| file.unlock());
        }
    }

    /// The segment of a log that the consumer writes, and how long it is.
    pub(crate) fn written(&self, log: usize) -> Option<([u8; 16], u64)> {
        Some((self.disk_of(log).current()?.id, self.counters_of(log).file_bytes.get()))
    }

    /// Waits until the disk has all that was in the logs before this call. Counts failures.
    ///
    /// # Errors
    /// See [`Disk::sync`]. All logs are synced, also if one of them fails.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut result = Ok(());
        for log in 0..self.routes.logs() {
            let synced = self.sync_log(log);
            result = result.and(synced);
        }
        result
    }

    /// Waits until the disk has all that was in one log before this call. Counts a failure.
    ///
    /// # Errors
    /// See [`Disk::sync`].
    pub(crate) fn sync_log(&self, log: usize) -> io::Result<()> {
        let synced = self.disk_of(log).sync(Which::All, self.counters_of(log));
        synced.map_err(|error| self.of_log(log, error))
    }

    /// Says in an error which log it is of, unless that is the main one.
    pub(crate) fn of_log(&self, log: usize, error: io::Error) -> io::Error {
        let Some(log) = log.checked_sub(1).and_then(|index| self.routed.get(index)) else {
            return error;
        };
        let mut text = String::new();
        // It does not fail.
        let _ = write!(Escaped(&mut text), "{}: {error}", log.path.display());
        io::Error::new(error.kind(), text)
    }

    /// Writes a record into the side file, if it is still needed there; false if that is impossible.
    pub(crate) fn rescue(
        &self,
        record: &[u64],
        thread: &ThreadInfo,
        synced: bool,
        is_needed: impl FnOnce() -> bool,
    ) -> bool {
        let side = self.side.writing();
        // The consumer may have written it to a log that has been moved since: it is not to be in the side file of
        // the next one, too.
        if !is_needed() {
            return true;
        }
        let Some(file) = self.disk.current() else { return false };
        let (clock, lines, started) = (self.clock, &self.lines, self.started);
        let log = side::Log { file: &file, clock, lines, started };
        side.write(record, thread, &log, synced, |sync| {
            self.counters.rescued.increment();
            if sync.is_err() {
                self.counters.log.sync_errors.increment();
            }
        })
    }

    /// Asks for a dump of the flight recorder and waits for it. Returns the number of records.
    pub(crate) fn dump_flight_recorder(&self) -> u64 {
        // Nothing under this lock leaves anything half done.
        let _turn = self.dump_request.turn.lock().unwrap_or_else(|it| it.into_inner());
        self.dump_request.ask();
        if self.control.request_sweep(None) { self.dump_request.records() } else { 0 }
    }

    /// Asks the consumer to go on in the next segment, and waits for that.
    pub(crate) fn rotate(&self) -> io::Result<()> {
        /// How long the housekeeper is given before the consumer looks again.
        const PAUSE: Duration = Duration::from_micros(200);
        let number = self.rotate_request.ask();
        loop {
            if !self.control.request_sweep(None) {
                return Err(io::Error::new(io::ErrorKind::NotConnected, "the logger has ended"));
            }
            if let Some(result) = self.rotate_request.answer(number) {
                return result;
            }
            thread::sleep(PAUSE);
        }
    }

    /// Asks the consumer to continue in a new file if the old one was moved, and waits for that.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        // Nothing under this lock leaves anything half done.
        let _turn = self.reopen_request.turn.lock().unwrap_or_else(|it| it.into_inner());
        self.reopen_request.ask();
        if !self.control.request_sweep(None) {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the logger has ended"));
        }
        self.reopen_request.result()
    }
}
