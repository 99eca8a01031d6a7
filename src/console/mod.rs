//! The console: shows records on standard error or standard output soon after they are logged.
//!
//! In: what the consumer has committed (`following`). Out: lines on a terminal, in a pipe or in a file. One thread,
//! `kymo-console`, prints them, so that a terminal that is slow or blocked stops nothing.
//!
//! It knows nothing of rings, nor of threads that log.

mod screen;
mod stream;

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use crate::console::screen::Screen;
use crate::consumer::Follower;
use crate::following::{self, Terms};
use crate::level::Level;
use crate::rotation::zone::Zone;
use crate::shared::Shared;

/// What a logger shows on standard error or standard output, and how: see
/// [`Builder::console`](crate::Builder::console).
///
/// ```
/// use kymo::{Console, Level};
/// use kymo::console::{Color, Format};
///
/// // Coloured text on standard error, if that is a terminal.
/// let console = Console::at(Level::Info);
///
/// // A JSON object a line on standard output, as containers have it.
/// let console = Console::at(Level::Debug).format(Format::Json);
///
/// let console = Console::at(Level::Warn).color(Color::Never).only_on_a_terminal(true);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an option of a logger does nothing by itself"]
pub struct Console {
    terms: Terms,
    format: Format,
    stream: Option<Stream>,
    color: Color,
    zone: Zone,
    shows_spans: bool,
    is_for_terminals: bool,
}

/// How a console writes a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A line of text for people, with the time of day in the [zone](Console::zone), and colours on a terminal.
    #[default]
    Text,
    /// A JSON object on a line, as `kymo cat --format json` prints it.
    Json,
    /// Pairs of `key=value` on a line, as `kymo cat --format logfmt` prints them.
    Logfmt,
}

/// Where a console writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stream {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
}

/// Whether a console writes text in colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set, `CLICOLOR` is 0, or `TERM` is `dumb`. With `CLICOLOR_FORCE`, always.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Console {
    /// Shows records of this level and more urgent ones, as text on standard error.
    pub fn at(level: Level) -> Self {
        let terms =
            Terms { level, backlog: following::BACKLOG_BYTES, end_timeout: following::END_TIMEOUT };
        Self {
            terms,
            format: Format::Text,
            stream: None,
            color: Color::Auto,
            zone: Zone::UTC,
            shows_spans: false,
            is_for_terminals: false,
        }
    }

    /// Sets the least urgent level that is shown. What the logger's filter leaves out is not logged, and not shown.
    pub fn level(mut self, level: Level) -> Self {
        self.terms.level = level;
        self
    }

    /// Sets how a record is written. Default: [`Format::Text`].
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Sets where records are written. Default: text on standard error, other formats on standard output.
    ///
    /// The descriptor is duplicated at the start. What the program does to its own later changes nothing.
    pub fn stream(mut self, stream: Stream) -> Self {
        self.stream = Some(stream);
        self
    }

    /// Sets whether text has colours. Default: [`Color::Auto`].
    pub fn color(mut self, color: Color) -> Self {
        self.color = color;
        self
    }

    /// Sets the zone of the time of day in text. Default: UTC. Other formats have UTC, as the file has.
    ///
    /// ```
    /// use kymo::{Console, Level, Zone};
    ///
    /// let console = Console::at(Level::Info).zone(Zone::offset("+05:30")?);
    /// # Ok::<(), kymo::ZoneError>(())
    /// ```
    ///
    /// `Zone::local()` and `Zone::named("Europe/Vienna")` need the feature `zones`.
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    /// Whether it shows when spans of `tracing` begin, are entered and left, and end. Default: no, only what is logged
    /// in them, with their names. The file has both.
    pub fn spans(mut self, shown: bool) -> Self {
        self.shows_spans = shown;
        self
    }

    /// Sets how many bytes of the file the console may be late. Default: 8 MiB, some 300,000 records.
    ///
    /// A console that is later, because its terminal is blocked or slow, skips records until it has caught up, and says
    /// how many. It takes no memory for what it has not shown: the file has it.
    pub fn backlog(mut self, bytes: u64) -> Self {
        self.terms.backlog = bytes;
        self
    }

    /// Sets how long the end of the logger, and a signal that is handled, wait for a console that has not shown
    /// everything. Default: a second.
    ///
    /// It is also within the limits of the logger: [`Logger::shutdown_timeout`](crate::Logger::shutdown_timeout) and
    /// those of `exit` and of signals.
    pub fn end_timeout(mut self, timeout: Duration) -> Self {
        self.terms.end_timeout = timeout;
        self
    }

    /// Whether there is only a console if its stream is a terminal. Default: no.
    pub fn only_on_a_terminal(mut self, only: bool) -> Self {
        self.is_for_terminals = only;
        self
    }

    /// Where it writes.
    fn target(&self) -> Stream {
        let by_format = match self.format {
            Format::Text => Stream::Stderr,
            Format::Json | Format::Logfmt => Stream::Stdout,
        };
        self.stream.unwrap_or(by_format)
    }
}

/// Starts the thread of a console. `None` if there is to be none, because the stream is no terminal, or closed.
///
/// # Errors
/// If there can be no other thread.
pub(crate) fn start(options: &Console, shared: &Shared) -> io::Result<Option<Box<dyn Follower>>> {
    if options.is_for_terminals && !options.target().is_terminal() {
        return Ok(None);
    }
    let tally = shared.counters.console.clone();
    let Ok(to) = options.target().duplicate() else {
        tally.errors.increment();
        return Ok(None);
    };
    let screen = Screen::new(options, to, tally.clone());
    let name = "kymo-console".to_owned();
    following::start(name, options.terms.clone(), screen, tally, None).map(Some)
}

impl From<Level> for Console {
    fn from(level: Level) -> Self {
        Self::at(level)
    }
}

/// A word that is no format, stream or choice of colours: which words are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseConsoleError {
    text: String,
    possible: &'static str,
}

impl fmt::Display for ParseConsoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: choose {}", self.text, self.possible)
    }
}

impl std::error::Error for ParseConsoleError {}

/// The words for the values of an option.
macro_rules! words {
    ($type:ident, $possible:literal, $($word:literal $value:ident)*) => {
        /// Takes the words that configurations have.
        impl FromStr for $type {
            type Err = ParseConsoleError;

            fn from_str(text: &str) -> Result<Self, ParseConsoleError> {
                match text {
                    $($word => Ok(Self::$value),)*
                    _ => Err(ParseConsoleError { text: text.to_owned(), possible: $possible }),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $(Self::$value => $word,)*
                })
            }
        }
    };
}

words!(Format, "text, json or logfmt", "text" Text "json" Json "logfmt" Logfmt);
words!(Stream, "stderr or stdout", "stderr" Stderr "stdout" Stdout);
words!(Color, "auto, always or never", "auto" Auto "always" Always "never" Never);
