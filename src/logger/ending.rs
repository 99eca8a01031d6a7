//! The options of a logger for the end of its process: exit, signals, crashes.
//!
//! [`Builder::start`] hands them to the folder `crash`, which acts on them.

use std::time::Duration;

use crate::crash::signals::Handled;
use crate::crash::signals::hangup::HangupRequest;
use crate::logger::builder::Builder;
use crate::logger::panics;

/// The options for the end of the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndingOptions {
    pub(crate) exit_timeout: Duration,
    pub(crate) signals: Handled,
    /// A request that `SIGHUP` is.
    pub(crate) on_hangup: Option<HangupRequest>,
    pub(crate) pid_in_name: bool,
    /// Sets the hook that logs panics. A pointer, so that a program that does not want it does not contain it.
    pub(crate) panic_hook: Option<fn()>,
}

/// What `SIGHUP` does: see [`Builder::on_hangup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hangup {
    /// The terminal has gone: drains the rings for up to this long, before the signal has its
    /// effect. [`Builder::drain_on_termination`] describes that effect.
    Drain(Duration),
    /// Another program has moved the log: the logger continues in a new file, soon after the
    /// signal, as by [`Logger::reopen`](crate::Logger::reopen).
    ///
    /// The process goes on. A handler that the program had before is called. A process that ignores
    /// the signal (`nohup`) still ignores it. If no new file can be made, the logger continues in
    /// the old one and gives a notice ([`Builder::on_notice`]).
    Reopen,
    /// The log goes on in its next segment, soon after the signal, as by
    /// [`Logger::rotate`](crate::Logger::rotate). For a log that is rotated ([`Builder::rotate`]).
    ///
    /// The process goes on, as with `Reopen`. If no next segment can be made, the log goes on in it as soon as one can.
    Rotate,
}

impl Default for EndingOptions {
    fn default() -> Self {
        Self {
            exit_timeout: Duration::from_secs(5),
            signals: Handled::default(),
            on_hangup: None,
            pid_in_name: false,
            panic_hook: None,
        }
    }
}

impl Builder {
    /// Limits how long a logger that was not shut down may delay the end of the process. Default:
    /// five seconds.
    ///
    /// `exit`, and a return from `main`, drain all rings and close the file if the
    /// [`Logger`](crate::Logger) was leaked or is in a static. Records that are not written
    /// within the limit are lost, unless [`Builder::crash_proof`] keeps them.
    ///
    /// `_exit` and `abort` end a process at once. [`Builder::drain_on_crash`] handles `abort`.
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
        self.ending.exit_timeout = limit;
        self
    }

    /// Drains all rings for up to `limit` when the process gets a `SIGTERM` or `SIGINT`, before the
    /// signal has its effect. Default: no; the signal has its effect at once.
    ///
    /// If the program has no handler for the signal, the file is marked with the signal and closed.
    /// The process then dies of the signal; the first process of a container exits with 128 and the
    /// signal's number.
    ///
    /// A handler that the program installed before the logger started is called after the drain,
    /// and the logger goes on. A handler that is installed later replaces the logger's; if it calls
    /// the logger's in turn, that only drains. Signals that the program ignores are still ignored.
    ///
    /// The interrupted thread goes on during the drain, unless it sent the signal itself (`raise`).
    /// A `main` that returns meanwhile waits for the drain, and the signal decides the exit status.
    /// With a handler of the program's own, the thread is interrupted twice: by the signal, and
    /// again when the handler is called.
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
        self.ending.signals.termination = Some(limit);
        self
    }

    /// Sets what `SIGHUP` does. Default: the logger does not handle it.
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
        (self.ending.signals.hangup, self.ending.on_hangup) = match hangup {
            Hangup::Drain(limit) => (Some(limit), None),
            Hangup::Reopen => (None, Some(HangupRequest::Reopen)),
            Hangup::Rotate => (None, Some(HangupRequest::Rotate)),
        };
        self
    }

    /// Drains all rings for up to `limit` when the program crashes, before the signal has its
    /// effect. Default: no; the signal has its effect at once.
    ///
    /// The signals are `SIGSEGV`, `SIGBUS`, `SIGILL`, `SIGFPE` and `SIGABRT`. `abort` raises the
    /// last of them, and so does a panic with `panic = "abort"`.
    ///
    /// The file is marked with the signal and the thread, and is not closed. Exit status and core
    /// file are what they would be without this option. The handler that was there before the
    /// logger started gets the signal: the program's, or the one of Rust's standard library, which
    /// reports stack overflows. If the program survives its faults by a handler of its own, the
    /// logger handles no further crash.
    ///
    /// Records that are left when the limit is reached are marked and counted as dropped
    /// ([`DropReason::ShutdownTimedOut`](crate::DropReason)). That delays the signal by up to a
    /// second more. With [`Builder::crash_proof`] their rings keep them for a recovery.
    ///
    /// If the consumer itself crashes (in a custom clock, for instance), a standby thread drains
    /// the rings. A stack overflow is handled if its thread has an alternate stack, as all threads
    /// of `std` have.
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
        self.ending.signals.crash = Some(limit);
        self
    }

    /// Logs panics, in all threads. Default: no.
    ///
    /// The record has the level error, the target `panic`, and file and line of the panic. Its text is `panicked at
    /// src/main.rs:7:5: ` and the message. The field `backtrace` is there if `RUST_LIB_BACKTRACE` or `RUST_BACKTRACE`
    /// asks for it, as [`Backtrace::capture`](std::backtrace::Backtrace::capture) has it. The thread is the record's.
    ///
    /// The thread that panics waits until the record is in the file, for 5 s at most. Then the hook is called that
    /// was there before. So the record is also there with `panic = "abort"`, and when a panic meets another one.
    ///
    /// The hook is set by the first such start, and stays. It asks the logger that runs at the time of a panic, and
    /// does nothing if that one does not want it. A hook that the program sets later takes its place, unless that
    /// calls the one that [`take_hook`](std::panic::take_hook) returned.
    ///
    /// A panic is not logged, but counted by [`unlogged`](crate::unlogged), if no logger runs, or if it comes from a
    /// custom clock or an allocator that was called inside the logger.
    ///
    /// [`Builder::start`] fails with [`StartErrorKind::Option`](crate::StartErrorKind::Option) in a thread that unwinds,
    /// because such a thread cannot set a hook.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kymo-panic-{}.kymo", std::process::id()));
    /// let logger = kymo::Logger::builder(&path).panic_hook(true).start()?;
    /// let result = std::thread::spawn(|| panic!("no such order")).join();
    /// assert!(result.is_err());
    /// assert_eq!(logger.shutdown().written, 1);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn panic_hook(mut self, wanted: bool) -> Self {
        self.ending.panic_hook = wanted.then_some(panics::install as fn());
        self
    }

    /// Puts the process id into the file's name: `app.kymo` becomes `app.4711.kymo`. Default: no.
    ///
    /// Use it if several processes of a program run at a time, and for the children of a fork. A
    /// file belongs to one process: a second logger for the same file fails to start.
    /// [`Logger::path`](crate::Logger::path) returns the name.
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
        self.ending.pid_in_name = wanted;
        self
    }
}
