//! The options that say how a logger ends with its process.

use std::time::Duration;

use crate::crash::signals::Handled;
use crate::logger::builder::Builder;

/// How a logger ends with its process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endings {
    pub(crate) exit_timeout: Duration,
    pub(crate) signals: Handled,
    pub(crate) reopens_on_hangup: bool,
    pub(crate) pid_in_name: bool,
}

/// What `SIGHUP` does: see [`Builder::on_hangup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hangup {
    /// The terminal has gone: the rings are drained, for up to so long, before the signal has its
    /// effect, as [`Builder::drain_on_termination`] says.
    Drain(Duration),
    /// Another program has moved the log: the logger goes on in a new file, as
    /// [`Logger::reopen`](crate::Logger::reopen) does, soon after the signal. The process goes on; a
    /// handler that the program had before is called. If no new file can be made, the logger goes on
    /// in the old one, and says so ([`Builder::on_notice`]). A process that ignores the signal
    /// (`nohup`) goes on ignoring it.
    Reopen,
}

impl Default for Endings {
    fn default() -> Self {
        let signals = Handled::default();
        Self {
            exit_timeout: Duration::from_secs(5),
            signals,
            reopens_on_hangup: false,
            pid_in_name: false,
        }
    }
}

impl Builder {
    /// For how long the end of the process may be delayed where the logger was not shut down.
    /// Default: 5 s.
    ///
    /// `exit`, and a return from `main` while the [`Logger`](crate::Logger) was leaked or is in a
    /// static, drain all rings and close the file. This is the limit. (`_exit` and `abort` end a
    /// process at once; for the latter there is [`Builder::drain_on_crash`].)
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kymo-exit-{}.kymo", std::process::id()));
    /// use std::time::Duration;
    ///
    /// let logger = kymo::Logger::builder(&path).exit_timeout(Duration::from_secs(1)).start()?;
    /// std::mem::forget(logger);
    /// kymo::info!("this is in the file when the process has ended");
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn exit_timeout(mut self, limit: Duration) -> Self {
        self.endings.exit_timeout = limit;
        self
    }

    /// Drains all rings when the process gets a `SIGTERM` or `SIGINT`, for up to `limit`, before the
    /// signal has its effect. Default: no.
    ///
    /// Where the program has no handler of its own, the file is marked with the signal and closed,
    /// and the process dies of the signal, as it would have; the first process of a container exits
    /// with 128 and the signal's number. A handler that was installed before the logger started is
    /// called after the drain, and the logger goes on. Signals that the program ignores stay ignored.
    /// A handler that is installed later takes the place of this; if it calls the one that it found,
    /// that only drains.
    ///
    /// The thread that the signal interrupts goes on meanwhile, unless it sent the signal itself
    /// (`raise`). A `main` that returns waits for the drain, and the signal decides the status. With a
    /// handler of the program's own, the thread is interrupted twice: by the signal, and by the same
    /// one again when the handler is called.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kymo-term-{}.kymo", std::process::id()));
    /// use std::time::Duration;
    ///
    /// let limit = Duration::from_secs(2);
    /// let logger = kymo::Logger::builder(&path).drain_on_termination(limit).start()?;
    /// # drop(logger);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain_on_termination(mut self, limit: Duration) -> Self {
        self.endings.signals.termination = Some(limit);
        self
    }

    /// What `SIGHUP` does. Default: what it does without the logger.
    ///
    /// A program that rotates logs moves the file and sends the signal:
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kymo-hup-{}.kymo", std::process::id()));
    /// let logger = kymo::Logger::builder(&path).on_hangup(kymo::Hangup::Reopen).start()?;
    /// # drop(logger);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_hangup(mut self, hangup: Hangup) -> Self {
        self.endings.reopens_on_hangup = hangup == Hangup::Reopen;
        self.endings.signals.hangup = match hangup {
            Hangup::Drain(limit) => Some(limit),
            Hangup::Reopen => None,
        };
        self
    }

    /// Drains all rings when the program crashes, for up to `limit`, before the signal has its
    /// effect: `SIGSEGV`, `SIGBUS`, `SIGILL`, `SIGFPE`, `SIGABRT` (`abort`, and a panic where panics
    /// abort). Default: no.
    ///
    /// What is left in the rings when the limit is reached is counted and marked as dropped
    /// ([`DropReason::ShutdownTimedOut`](crate::DropReason)), for which the signal is delayed by up to
    /// a second more. Rings in files keep it, for whoever recovers them
    /// ([`Builder::crash_proof`]).
    ///
    /// The file is marked with the signal and the thread; it is left as it is, without an end. The
    /// exit status and the core file are what they would have been: what was there before the logger
    /// started, the program's handler or that of Rust's standard library (which reports stack
    /// overflows), is put back and gets the signal. A program that survives its faults by a handler
    /// of its own has no handlers of the logger's from then on.
    ///
    /// A crash of the consumer itself (in a custom clock, say) is drained by a thread that stands
    /// by.
    ///
    /// A stack overflow is handled where the thread has an alternate stack, as all threads that
    /// `std` makes do.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kymo-crash-{}.kymo", std::process::id()));
    /// use std::time::Duration;
    ///
    /// let limit = Duration::from_secs(1);
    /// let logger = kymo::Logger::builder(&path).drain_on_crash(limit).start()?;
    /// # drop(logger);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain_on_crash(mut self, limit: Duration) -> Self {
        self.endings.signals.crash = Some(limit);
        self
    }

    /// Whether the file's name gets the process id: `app.kymo` becomes `app.4711.kymo`. Default: no.
    ///
    /// For programs of which several run at a time, and for the children of a fork. A file belongs
    /// to one process; a second one that is to write to it fails to start.
    /// [`Logger::path`](crate::Logger::path) says the name.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join("kymo-doc-pid.kymo");
    /// let logger = kymo::Logger::builder(&path).pid_in_name(true).start()?;
    /// let name = logger.path().file_name().unwrap().to_str().unwrap();
    /// assert_eq!(name, format!("kymo-doc-pid.{}.kymo", std::process::id()));
    /// # let path = logger.path().to_owned();
    /// # drop(logger);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pid_in_name(mut self, wanted: bool) -> Self {
        self.endings.pid_in_name = wanted;
        self
    }
}
