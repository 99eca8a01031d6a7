//! The logger: started by [`start`], found by threads, ended by the program.
//!
//! The builder's options and the program's calls come in. A file, a consumer thread and the pointer
//! [`RUNNING`] go out. This folder is the top of the crate: it may know all others, and none knows
//! it.

pub(crate) mod builder;
pub(crate) mod ending;
pub(crate) mod error;
mod filter;
mod fork;
mod join;
pub(crate) mod own_warnings;
mod panics;
mod rotated;
pub(crate) mod route;
mod start;
mod syncing;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::{monotonic_ns, nanoseconds};
use crate::consumer::{LogReport, Report};
use crate::crash::recover::Recovery;
use crate::crash::signals;
use crate::filter::setting::{tell_follower, tell_follower_elsewhere};
use crate::logger::builder::Builder;
use crate::process::fork::generation;
use crate::process::statics::RUNNING;
use crate::shared::Shared;
use crate::shared::running::turn;
use crate::shared::stats::{Counters, LogStats, Stats};
use crate::sync::Arc;

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
    is_rotated: bool,
    /// The path that the processes of a program share, before it got a number or a process id.
    #[cfg(feature = "config")]
    pub(crate) joined_path: PathBuf,
    /// What configurations said, as variables.
    #[cfg(feature = "config")]
    pub(crate) configured: Vec<(&'static str, std::ffi::OsString)>,
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

    /// Waits until all that this thread logged is on the disk, where it survives a power failure.
    ///
    /// All that other threads logged is there, too, as far as it was in the file. The call takes as long as the disk
    /// takes; [`Builder::durability`] has the log synced without one. Calls at the same time share a sync.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kymo-sync-{}.kymo", std::process::id()));
    /// let logger = kymo::Logger::builder(&path).start()?;
    /// kymo::info!("the money is on its way");
    /// logger.sync()?;
    /// assert!(logger.stats().synced_ns > 0);
    /// # drop(logger);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - If a record could not be written to the file, or is gone with it: see [`flush`](crate::flush).
    /// - If the disk cannot be written. Then this fails for as long as the log is in this file, because the system
    ///   does not say which records are missing.
    /// - If the logger has ended.
    pub fn sync(&self) -> io::Result<()> {
        if self.generation != generation() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "this is the child of a fork"));
        }
        if !self.flush() {
            return Err(io::Error::other(
                "not all records of this thread could be written to the log",
            ));
        }
        self.shared.sync()
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
        Stats { unlogged: crate::unlogged(), ..self.shared.counters.stats() }
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

    /// Goes on in the next segment of a rotated log, and waits for that: see [`Builder::rotate`].
    ///
    /// What this thread logged before is in the segment before, which has its end then. The file is cut to its length
    /// a moment later. A segment in which nothing is goes on; then this does nothing.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// use kymo::{Logger, Rotation};
    ///
    /// let logger = Logger::builder(&path).rotate(Rotation::on_request()).start()?;
    /// kymo::info!("this is in the first segment");
    /// logger.rotate()?;
    /// kymo::info!("this is in the second one");
    /// # assert_eq!(logger.stats().segments, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the next segment cannot be made; the logger then continues in the current one. If the log is not rotated, or
    /// the logger has ended.
    pub fn rotate(&self) -> io::Result<()> {
        if self.generation != generation() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "this is the child of a fork"));
        }
        if !self.is_rotated {
            let text = "the log is one file: use `Builder::rotate`";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        self.shared.rotate()
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
            self.shared.filter.end();
        }
        drop(my_turn);
        self.shared.control.stop(deadline);
        if consumer.thread().id() == std::thread::current().id() {
            // The consumer would wait for itself. It ends when its hook has returned.
            tell_follower_elsewhere();
            self.shared.end_files(false);
            let text = "the logger was ended by its own hook: it ends after that";
            let error = Some(io::Error::new(io::ErrorKind::WouldBlock, text));
            return Report { error, ..Report::default() };
        }
        tell_follower();
        if deadline.is_some_and(|deadline| !ends_until(&consumer, deadline)) {
            self.shared.end_files(false);
            let stats = self.shared.counters.stats();
            let text = "the consumer did not end in time: it waits for the disk";
            let log = |log: LogStats| LogReport {
                written: log.total.written(),
                dropped: log.total.dropped(),
                file_bytes: log.file_bytes,
                path: log.path,
                ..LogReport::default()
            };
            return Report {
                logs: stats.logs.into_iter().map(log).collect(),
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
        self.shared.end_files(true);
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
