//! Sinks: code of the program, or a service, that gets each record soon after it was logged.
//!
//! In: what the consumer has committed (`following`). Out: calls of a [`Sink`], in a thread of its own. If it is slow,
//! blocked or broken, it costs counted records of its own and nothing else.
//!
//! It knows nothing of rings, nor of threads that log.

#[cfg(feature = "journald")]
mod journald;
#[cfg(feature = "console")]
mod json;
#[cfg(feature = "syslog")]
mod syslog;
mod taking;

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::time::Duration;

use kymo_reader::Event;

use crate::consumer::Follower;
use crate::following::{self, Terms};
use crate::level::Level;
use crate::shared::tally::SinkTally;
use crate::sink::taking::Taking;
use crate::sync::Arc;
use crate::sync::statics::{Mutex, PoisonError};
#[cfg(feature = "journald")]
pub use journald::Journald;
#[cfg(feature = "console")]
pub use json::Json;
#[cfg(feature = "syslog")]
pub use syslog::Syslog;

/// What a method of a [`Sink`] returns.
pub type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Gets each record of its levels soon after it was logged: see [`Builder::sink`](crate::Builder::sink).
///
/// One thread, its own, calls all of its methods, one after the other. An error costs what the call was for. It is
/// counted, with its text ([`SinkStats`](crate::SinkStats)), and so is a panic. Then the next call comes.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("app.kymo");
/// use std::fs::File;
/// use std::io::{BufWriter, Write};
///
/// use kymo::sink::{Mark, Outcome, Record};
/// use kymo::{Level, Logger, Sink};
///
/// /// Errors as lines of text, in a file of their own.
/// struct Errors(BufWriter<File>);
///
/// impl Sink for Errors {
///     fn record(&mut self, record: &Record<'_>) -> Outcome {
///         writeln!(self.0, "{} {}: {}", record.time_ns(), record.target(), record.text())?;
///         Ok(())
///     }
///
///     fn mark(&mut self, mark: &Mark<'_>) -> Outcome {
///         if let Mark::Skipped(records) = mark {
///             writeln!(self.0, "{records} errors are in the log only")?;
///         }
///         Ok(())
///     }
///
///     fn flush(&mut self) -> Outcome {
///         Ok(self.0.flush()?)
///     }
/// }
///
/// let errors = Errors(BufWriter::new(File::create(dir.path().join("errors.txt"))?));
/// let logger = Logger::builder(&path).sink(Level::Error, errors).start()?;
/// kymo::error!(target: "disk", "{} % full", 97);
/// let report = logger.shutdown();
/// assert_eq!((report.sinks[0].delivered, report.sinks[0].unseen), (1, 0));
/// let text = std::fs::read_to_string(dir.path().join("errors.txt"))?;
/// assert!(text.ends_with(" disk: 97 % full\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Sink: Send {
    /// Takes a record.
    ///
    /// # Errors
    /// If it cannot. The record is lost to this sink, and not offered again.
    fn record(&mut self, record: &Record<'_>) -> Outcome;

    /// Takes what is no record: that records were skipped, dropped, or are missing; that the process was signalled; the
    /// end of a segment. Does nothing by default.
    ///
    /// # Errors
    /// If it cannot.
    fn mark(&mut self, mark: &Mark<'_>) -> Outcome {
        let _ = mark;
        Ok(())
    }

    /// Sends what it has held back. It is called when some records were taken, 1,024 at most, and before
    /// [`close`](Self::close). Does nothing by default.
    ///
    /// # Errors
    /// If it cannot. Then all records since the last flush count as failed.
    fn flush(&mut self) -> Outcome {
        Ok(())
    }

    /// The logger ends: nothing more comes. The end waits for this, within its limit. Does nothing by default.
    ///
    /// # Errors
    /// If it cannot send what it has.
    fn close(&mut self) -> Outcome {
        Ok(())
    }
}

/// A record, decoded: all that [`kymo_reader::Record`] has, and how many were skipped before it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'r> {
    record: kymo_reader::Record<'r>,
    missed: u64,
}

impl Record<'_> {
    /// Returns its message.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.record.message(&mut text);
        text
    }

    /// Returns how many records of its levels this sink has not seen since the one before, because it was late. They
    /// are in the log.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

impl<'r> Deref for Record<'r> {
    type Target = kymo_reader::Record<'r>;

    fn deref(&self) -> &Self::Target {
        &self.record
    }
}

/// What is no record.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Mark<'r> {
    /// So many records of its levels were skipped, because the sink was late. They are in the log. The next record has
    /// the number, too: [`Record::missed`].
    Skipped(u64),
    /// Another segment of the log begins, or the first. Records of it have other
    /// [indices](kymo_reader::CallSite::index) of call sites and threads.
    Segment,
    /// A mark in the log.
    Event(&'r Event<'r>),
}

/// For which records a sink is, and what it may cost.
///
/// ```
/// use std::time::Duration;
/// use kymo::{Level, Logger, sink};
///
/// let options = sink::Options::at(Level::Error).name("pager").end_timeout(Duration::from_secs(5));
/// let builder = Logger::builder("app.kymo").on_record(options, |record| {
///     eprintln!("{}", record.text());
/// });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "options of a sink do nothing by themselves"]
pub struct Options {
    terms: Terms,
    name: Option<String>,
}

impl Options {
    /// For records of this level and more urgent ones. What the logger's filter leaves out is not logged.
    pub fn at(level: Level) -> Self {
        let (backlog, end_timeout) = (following::BACKLOG_BYTES, following::END_TIMEOUT);
        Self { terms: Terms { level, backlog, end_timeout }, name: None }
    }

    /// Names it, in statistics and metrics. Default: `sink-1` for the first one, and so on.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets how many bytes of the log it may be late. Default: 8 MiB, some 300,000 records.
    ///
    /// A sink that is later skips records until it has caught up. It takes no memory for what it has not seen: the log
    /// has it.
    pub fn backlog(mut self, bytes: u64) -> Self {
        self.terms.backlog = bytes;
        self
    }

    /// Sets how long the end of the logger, and a signal that is handled, wait until it has taken everything. Default:
    /// a second.
    ///
    /// It is also within the limits of the logger: [`Logger::shutdown_timeout`](crate::Logger::shutdown_timeout) and
    /// those of `exit` and of signals. Several sinks, and the console, are waited for at the same time.
    pub fn end_timeout(mut self, timeout: Duration) -> Self {
        self.terms.end_timeout = timeout;
        self
    }
}

impl From<Level> for Options {
    fn from(level: Level) -> Self {
        Self::at(level)
    }
}

/// A function as a sink: see [`Builder::on_record`](crate::Builder::on_record).
pub(crate) struct Hook<F>(F);

impl<F: FnMut(&Record<'_>) + Send> Hook<F> {
    pub(crate) fn new(hook: F) -> Self {
        Self(hook)
    }
}

impl<F: FnMut(&Record<'_>) + Send> Sink for Hook<F> {
    fn record(&mut self, record: &Record<'_>) -> Outcome {
        (self.0)(record);
        Ok(())
    }
}

/// A sink that a builder was given. The first logger that starts takes it.
#[derive(Clone)]
pub(crate) struct Given {
    options: Options,
    sink: Arc<Mutex<Option<Box<dyn Sink>>>>,
}

impl Given {
    pub(crate) fn new(options: Options, sink: Box<dyn Sink>) -> Self {
        Self { options, sink: Arc::new(Mutex::new(Some(sink))) }
    }

    fn name(&self, index: usize) -> String {
        self.options.name.clone().unwrap_or_else(|| format!("sink-{}", index + 1))
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.fmt(f)
    }
}

/// Makes what statistics have of sinks.
///
/// # Errors
/// If two have one name.
pub(crate) fn tallies(sinks: &[Given]) -> Result<Vec<Arc<SinkTally>>, &'static str> {
    let names = sinks.iter().enumerate().map(|(index, given)| given.name(index));
    if names.collect::<HashSet<_>>().len() < sinks.len() {
        return Err("two sinks have one name: give each its own by `sink::Options::name`");
    }
    let tally = |(index, given): (usize, &Given)| {
        Arc::new(SinkTally::new(given.name(index).into(), given.options.terms.level))
    };
    Ok(sinks.iter().enumerate().map(tally).collect())
}

/// Starts the thread of a sink. `tallies`: of all sinks.
///
/// # Errors
/// If another logger has the sink: [`NotStarted::Taken`]. If there can be no other thread.
pub(crate) fn start(
    index: usize,
    given: &Given,
    tallies: &[Arc<SinkTally>],
) -> Result<Box<dyn Follower>, NotStarted> {
    // Nothing under this lock panics.
    let sink = given.sink.lock().unwrap_or_else(PoisonError::into_inner).take();
    let taking = Taking::new(sink.ok_or(NotStarted::Taken)?, index, tallies.to_vec());
    let (tally, terms) = (tallies[index].clone(), given.options.terms.clone());
    let thread = format!("kymo-sink-{}", index + 1);
    let started = following::start(thread, terms, taking, tally.tally.clone(), Some(tally));
    started.map_err(NotStarted::Thread)
}

/// Why a sink was not started.
pub(crate) enum NotStarted {
    /// Another logger has it.
    Taken,
    /// There can be no other thread.
    Thread(io::Error),
}

/// What a mark says of records that are missing; `None` if none are.
#[cfg(any(feature = "journald", feature = "syslog"))]
fn loss(mark: &Mark<'_>) -> Option<String> {
    match mark {
        Mark::Skipped(records) => Some(format!("{records} records skipped; the log has them")),
        Mark::Event(Event::Drops(drops)) => {
            let (records, thread) = (drops.total(), drops.thread.label());
            Some(format!("{records} records of thread {thread} dropped"))
        }
        _ => None,
    }
}

/// The priority of syslog for a level.
#[cfg(any(feature = "journald", feature = "syslog"))]
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}
