//! Turns events into lines of output: text, JSON, logfmt, CSV, or a pattern of the user's.
//!
//! Each format is one file here that implements [`Format`], and one line of the table `NAMED`.
//! [`Lines`] is what commands use: it fills in spans of time when a line is printed (`elapsed`).

mod csv;
mod elapsed;
mod json;
mod layout;
mod logfmt;
mod mark;
mod parser;
mod pattern;
pub(crate) mod sites;
mod text;

use anstream::{AutoStream, ColorChoice};
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use kymo_reader::{Event, Record};

use csv::Csv;
use elapsed::{Blank, Elapsed, Since};
use json::Json;
use kymo_query::time;
use kymo_query::{Argument, Catalog};
use logfmt::Logfmt;
use mark::Mark;
use parser::FormatParser;
use pattern::{Pattern, Patterned};
use text::Text;

/// The options that say how a record is printed.
#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Output")]
pub struct FormatArguments {
    /// What is printed for a record, or a pattern: '{time:%H:%M:%S%.6f} {level:5} {message}'
    ///
    /// A pattern has the fields time, relative, delta, level, thread, target, module, file, line,
    /// message, fields, log, and arg.NAME or arg0. After a colon follows, as in Rust,
    /// `[[fill]align][sign][#][0][width][.precision][type]` ({arg.px:.2}, {arg.id:08x}), and for the
    /// time strftime's notation. `{{` and `}}` are braces.
    #[arg(long, default_value = "text", value_parser = FormatParser)]
    format: FormatChoice,

    /// The time zone of text: the name of a zone (Europe/Berlin), an offset (+02:00), or `local`
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = time::parse_zone)]
    tz: TimeZone,

    /// The time since the first line that is printed: text shows it in place of the time
    #[arg(long, conflicts_with = "delta")]
    relative: bool,

    /// The time since the line that was printed before
    #[arg(long)]
    delta: bool,

    /// When to use colours; NO_COLOR is heeded
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    color: Color,
}

/// Writes events in one format: one file of this folder each.
pub trait Format {
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

/// The formats that have names. To add a format: write its file, declare it, and add its line here.
/// The option, its help, completions and errors follow this table.
const NAMED: [Named; 4] = [
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

/// A line of that table.
#[derive(Debug)]
pub struct Named {
    name: &'static str,
    help: &'static str,
    make: fn(&FormatOptions) -> Box<dyn Format>,
}

/// What a format can be asked for. Each takes the options that apply to it.
struct FormatOptions {
    /// How many files there are at first.
    files: usize,
    zone: TimeZone,
    /// Shows a span of time: text in place of the time, other formats in a field of its own.
    since: Option<Since>,
    is_coloured: bool,
}

/// The value of `--format`.
#[derive(Clone, Debug)]
pub enum FormatChoice {
    Named(&'static Named),
    Pattern(Pattern),
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Color {
    /// On a terminal
    #[default]
    Auto,
    Always,
    Never,
}

/// Turns events into lines.
pub struct Lines {
    format: Box<dyn Format>,
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

impl FormatArguments {
    /// The time zone of what is printed, and of what the user writes without an offset.
    pub fn zone(&self) -> &TimeZone {
        &self.tz
    }

    /// Makes the printer of events from so many files.
    ///
    /// # Errors
    /// If options contradict each other, in words.
    pub fn build(&self, files: usize) -> Result<Lines, &'static str> {
        let since = match (self.relative, self.delta) {
            (true, _) => Some(Since::First),
            (_, true) => Some(Since::Previous),
            _ => None,
        };
        let is_coloured = self.color.wanted();
        let options = FormatOptions { files, zone: self.tz.clone(), since, is_coloured };
        match &self.format {
            FormatChoice::Named(named) => Ok(Lines::new((named.make)(&options), since.is_some())),
            FormatChoice::Pattern(_) if since.is_some() => {
                Err("a pattern has {relative} and {delta} for --relative and --delta")
            }
            FormatChoice::Pattern(pattern) => {
                let is_timed = pattern.is_timed();
                let patterned = Patterned::new(pattern.clone(), &options);
                Ok(Lines::new(Box::new(patterned), is_timed))
            }
        }
    }
}

impl Lines {
    fn new(format: Box<dyn Format>, is_timed: bool) -> Self {
        Self { format, is_timed, elapsed: Elapsed::default(), line: Line::default() }
    }

    /// JSON, an object a line, of so many files.
    pub fn json(files: usize) -> Self {
        Self::new(Box::new(Json::new(&FormatOptions::plain(files))), false)
    }

    /// CSV of so many files.
    pub fn csv(files: usize) -> Self {
        Self::new(Box::new(Csv::new(&FormatOptions::plain(files))), false)
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

impl FormatOptions {
    /// Neither spans of time nor colours.
    fn plain(files: usize) -> Self {
        Self { files, zone: TimeZone::UTC, since: None, is_coloured: false }
    }
}

/// Hints about arguments of a pattern that no statement has.
pub fn hints(shown: &[Argument], catalog: &Catalog) -> Vec<String> {
    let mut hints = Vec::new();
    for argument in shown {
        let hint = catalog.hint_of_argument(argument).map(|hint| format!("--format: {hint}"));
        hints.extend(hint.filter(|hint| !hints.contains(hint)));
    }
    hints
}

impl Line {
    /// Whether there is nothing to print.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl Color {
    /// Whether standard output is to be coloured.
    fn wanted(self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => AutoStream::choice(&std::io::stdout()) != ColorChoice::Never,
        }
    }
}
