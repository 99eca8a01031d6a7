//! Turns events of kymo logs into lines of output: text, JSON, logfmt, CSV, or a pattern of the user's.
//!
//! ```
//! use kymo_lines::{Lines, Options};
//! use kymo_reader::Reader;
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("app.kymo");
//! # let logger = kymo::Logger::builder(&path).start()?;
//! kymo::info!(target: "http", "request {} took {took_us}", "GET /", took_us = 950u64);
//! # logger.shutdown();
//! let mut lines = Lines::named("logfmt", &Options::new()).ok_or("no such format")?;
//! let mut reader = Reader::open(&path)?;
//! let mut out = String::new();
//! while let Some(event) = reader.next_event()? {
//!     lines.write(0, "app.kymo", &event, &mut out);
//! }
//! assert!(out.ends_with("message=\"request GET / took 950\" arg0=\"GET /\" took_us=950\n"), "{out}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Text from a log file may be hostile, and lines go to terminals: control characters are escaped in all formats.
//!
//! Each format is one file here that implements `Format`, and one line of the table [`NAMED`].
//! [`Lines`] is what programs use: it fills in spans of time when a line is printed (`elapsed`).
//! The crate knows nothing of files, of terminals and of command lines.
#![forbid(unsafe_code)]

mod csv;
mod elapsed;
mod json;
mod layout;
mod logfmt;
mod mark;
mod pattern;
mod sites;
mod text;
mod times;

/// Time zones, for [`Options::zone`].
pub use jiff::tz;
use jiff::tz::TimeZone;
use kymo_reader::{Event, Record};

use csv::Csv;
pub use elapsed::Since;
use elapsed::{Blank, Elapsed};
use json::Json;
use kymo_query::Argument;
use logfmt::Logfmt;
use mark::Mark;
pub use pattern::Pattern;
use pattern::Patterned;
pub use sites::Sites;
use text::Text;
pub use times::FileTimes;

/// The formats that have names. To add a format: write its file, declare it, and add its line here.
/// The options of programs, their help, completions and errors follow this table.
pub const NAMED: [Named; 4] = [
    Named { name: "text", help: "A line of text", make: |o| Box::new(Text::new(o)) },
    Named { name: "json", help: "A JSON object on a line", make: |o| Box::new(Json::new(o)) },
    Named {
        name: "logfmt",
        help: "Pairs of key=value on a line",
        make: |o| Box::new(Logfmt::new(o)),
    },
    Named {
        name: "csv",
        help: "Comma-separated values, with a line of names at the top",
        make: |o| Box::new(Csv::new(o)),
    },
];

/// A format that has a name: a line of the table [`NAMED`].
#[derive(Debug)]
pub struct Named {
    /// The name.
    pub name: &'static str,
    /// What it is, for a program's help.
    pub help: &'static str,
    make: fn(&Options) -> Box<dyn Format + Send>,
}

/// What a format can be asked for. Each takes the options that apply to it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Options {
    files: usize,
    zone: TimeZone,
    since: Option<Since>,
    is_coloured: bool,
    is_short: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// One file, times in UTC, neither spans of time nor colours.
    pub fn new() -> Self {
        Self { files: 1, zone: TimeZone::UTC, since: None, is_coloured: false, is_short: false }
    }

    /// How many files there are at first. Default: one.
    pub fn files(mut self, files: usize) -> Self {
        self.files = files;
        self
    }

    /// The time zone of text. Default: UTC.
    pub fn zone(mut self, zone: TimeZone) -> Self {
        self.zone = zone;
        self
    }

    /// Shows a span of time: text in place of the time, other formats in a field of its own. Default: none.
    pub fn since(mut self, since: Option<Since>) -> Self {
        self.since = since;
        self
    }

    /// Whether text has colours. Default: no.
    pub fn coloured(mut self, is_coloured: bool) -> Self {
        self.is_coloured = is_coloured;
        self
    }

    /// Whether text has the time of day, to the microsecond, in place of the whole time. Default: no.
    pub fn short_times(mut self, is_short: bool) -> Self {
        self.is_short = is_short;
        self
    }
}

/// Turns events into lines.
pub struct Lines {
    format: Box<dyn Format + Send>,
    /// Lines may have blanks.
    is_timed: bool,
    elapsed: Elapsed,
    line: Line,
}

/// A line, with blanks, that may be printed later.
#[derive(Default)]
pub struct Line {
    text: String,
    time_ns: Option<i64>,
    blanks: Vec<Blank>,
}

/// Writes events in one format: one file of this folder each.
trait Format {
    /// Appends the line for `event`, which is from the file `log`, number `file`. Appends nothing if
    /// there is nothing to say about it.
    fn write(
        &mut self,
        file: usize,
        log: &str,
        event: &Event<'_>,
        out: &mut String,
        blanks: &mut Vec<Blank>,
    ) {
        match event {
            Event::Record(record) => self.record(file, log, record, out, blanks),
            event => self.other(file, log, event, out, blanks),
        }
    }

    /// Appends the line for a record.
    fn record(
        &mut self,
        file: usize,
        log: &str,
        record: &Record<'_>,
        out: &mut String,
        blanks: &mut Vec<Blank>,
    );

    /// Appends the line for an event that is no record.
    fn other(
        &mut self,
        _file: usize,
        log: &str,
        event: &Event<'_>,
        out: &mut String,
        blanks: &mut Vec<Blank>,
    ) {
        if let Some(mark) = Mark::new(event) {
            self.mark(log, &mark, out, blanks);
        }
    }

    /// Appends the line for a mark, if the format writes all marks in one way.
    fn mark(&mut self, _log: &str, _mark: &Mark<'_>, _out: &mut String, _blanks: &mut Vec<Blank>) {}

    /// Appends what precedes all lines.
    fn begin(&self, _out: &mut String) {}

    /// Appends what separates groups of lines.
    fn separate(&self, _out: &mut String) {}

    /// Prepares for one more file, with the next number.
    fn add_file(&mut self) {}

    /// The arguments that lines show by name or position.
    fn arguments(&self) -> Vec<&Argument> {
        Vec::new()
    }
}

impl Named {
    /// Makes the printer of lines of this format.
    pub fn lines(&self, options: &Options) -> Lines {
        Lines::new((self.make)(options), options.since.is_some())
    }
}

impl Lines {
    fn new(format: Box<dyn Format + Send>, is_timed: bool) -> Self {
        Self { format, is_timed, elapsed: Elapsed::default(), line: Line::default() }
    }

    /// Lines of the format with this name; `None` if [`NAMED`] has none.
    pub fn named(name: &str, options: &Options) -> Option<Self> {
        NAMED.iter().find(|named| named.name == name).map(|named| named.lines(options))
    }

    /// Lines of a pattern.
    pub fn pattern(pattern: &Pattern, options: &Options) -> Self {
        let is_timed = pattern.is_timed();
        Self::new(Box::new(Patterned::new(pattern.clone(), options)), is_timed)
    }

    /// Text, for people.
    pub fn text(options: &Options) -> Self {
        Self::new(Box::new(Text::new(options)), options.since.is_some())
    }

    /// Pairs of `key=value`.
    pub fn logfmt(options: &Options) -> Self {
        Self::new(Box::new(Logfmt::new(options)), options.since.is_some())
    }

    /// JSON, an object a line, of so many files.
    pub fn json(files: usize) -> Self {
        Self::new(Box::new(Json::new(&Options::new().files(files))), false)
    }

    /// CSV of so many files.
    pub fn csv(files: usize) -> Self {
        Self::new(Box::new(Csv::new(&Options::new().files(files))), false)
    }

    /// Prepares for one more file.
    pub fn add_file(&mut self) {
        self.format.add_file();
    }

    /// Whether what is printed for an event depends on the one before.
    pub fn depend_on_order(&self) -> bool {
        self.is_timed
    }

    /// Appends what precedes all lines.
    pub fn begin(&self, out: &mut String) {
        self.format.begin(out);
    }

    /// The arguments that lines show by name or position.
    pub fn arguments(&self) -> Vec<&Argument> {
        self.format.arguments()
    }

    /// Appends the line for `event`, which is from the file `log`, number `file`. Appends nothing if
    /// there is nothing to say about it.
    #[inline]
    pub fn write(&mut self, file: usize, log: &str, event: &Event<'_>, out: &mut String) {
        if self.is_timed {
            return self.write_timed(file, log, event, out);
        }
        self.format.write(file, log, event, out, &mut self.line.blanks);
    }

    fn write_timed(&mut self, file: usize, log: &str, event: &Event<'_>, out: &mut String) {
        let mut line = std::mem::take(&mut self.line);
        self.hold(file, log, event, &mut line);
        self.release(&line, out);
        self.line = line;
    }

    /// Sets `line` to the line for `event`, to print it later or never.
    pub fn hold(&mut self, file: usize, log: &str, event: &Event<'_>, line: &mut Line) {
        line.text.clear();
        line.blanks.clear();
        line.time_ns = match event {
            Event::Record(record) => Some(record.time_ns()),
            event => Mark::new(event).and_then(|mark| mark.time_ns),
        };
        self.format.write(file, log, event, &mut line.text, &mut line.blanks);
    }

    /// Appends a line that was held.
    pub fn release(&mut self, line: &Line, out: &mut String) {
        self.elapsed.write(&line.text, line.time_ns, &line.blanks, out);
    }

    /// Appends what separates groups of lines, if the format has such a thing.
    pub fn separate(&self, out: &mut String) {
        self.format.separate(out);
    }
}

impl Line {
    /// Whether there is nothing to print.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}
