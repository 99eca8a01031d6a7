//! What is printed for an event.

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
use kymo_reader::Event;

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
pub struct Arguments {
    /// What is printed for a record, or a pattern: '{time:%H:%M:%S%.6f} {level:5} {message}'
    ///
    /// A pattern has the fields time, relative, delta, level, thread, target, module, file, line,
    /// message, fields, log, and arg.NAME or arg0. Behind a colon stands, as in Rust,
    /// `[[fill]align][sign][#][0][width][.precision][type]` ({arg.px:.2}, {arg.id:08x}), and for the
    /// time strftime's notation. `{{` and `}}` are braces.
    #[arg(long, default_value = "text", value_parser = FormatParser)]
    format: Format,

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

/// What is printed for a record.
#[derive(Clone, Debug)]
pub enum Format {
    Text,
    Json,
    Logfmt,
    Csv,
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
    style: Style,
    /// Lines may have blanks.
    is_timed: bool,
    elapsed: Elapsed,
    line: Line,
}

enum Style {
    Text(Text),
    Json(Json),
    Logfmt(Logfmt),
    Csv(Csv),
    Patterned(Box<Patterned>),
}

/// A line, with blanks, that may be printed later.
#[derive(Default)]
pub struct Line {
    text: String,
    time_ns: Option<i64>,
    blanks: Vec<Blank>,
}

impl Arguments {
    /// The time zone of what is printed, and of what the user writes without an offset.
    pub fn zone(&self) -> &TimeZone {
        &self.tz
    }

    /// What prints events of so many files.
    ///
    /// # Errors
    /// If options contradict each other, in words.
    pub fn build(self, files: usize) -> Result<Lines, &'static str> {
        let since = match (self.relative, self.delta) {
            (true, _) => Some(Since::First),
            (_, true) => Some(Since::Previous),
            _ => None,
        };
        let mut is_timed = since.is_some();
        let style = match self.format {
            Format::Text => Style::Text(Text::new(self.tz, since, self.color.wanted())),
            Format::Json => Style::Json(Json::new(files, since)),
            Format::Logfmt => Style::Logfmt(Logfmt::new(files, since)),
            Format::Csv => Style::Csv(Csv::new(files, since)),
            Format::Pattern(_) if since.is_some() => {
                return Err("a pattern has {relative} and {delta} for --relative and --delta");
            }
            Format::Pattern(pattern) => {
                is_timed = pattern.is_timed();
                let patterned = Patterned::new(pattern, self.tz, self.color.wanted());
                Style::Patterned(Box::new(patterned))
            }
        };
        Ok(Lines { style, is_timed, elapsed: Elapsed::default(), line: Line::default() })
    }
}

impl Lines {
    /// Appends what stands before all lines.
    pub fn begin(&self, out: &mut String) {
        if let Style::Csv(csv) = &self.style {
            csv.write_names(out);
        }
    }

    /// The arguments that lines show by name or position.
    pub fn arguments(&self) -> Vec<&Argument> {
        match &self.style {
            Style::Patterned(patterned) => patterned.arguments().collect(),
            _ => Vec::new(),
        }
    }

    /// Appends the line for `event`, which is from the file `log`, number `file`. Nothing, if there
    /// is nothing to say about it.
    #[inline]
    pub fn write(&mut self, file: usize, log: &str, event: &Event<'_>, out: &mut String) {
        if self.is_timed {
            return self.write_timed(file, log, event, out);
        }
        self.style.write(file, log, event, out, &mut self.line.blanks);
    }

    fn write_timed(&mut self, file: usize, log: &str, event: &Event<'_>, out: &mut String) {
        let mut line = std::mem::take(&mut self.line);
        self.hold(file, log, event, &mut line);
        self.release(&line, out);
        self.line = line;
    }

    /// Sets `line` to that for `event`.
    pub fn hold(&mut self, file: usize, log: &str, event: &Event<'_>, line: &mut Line) {
        line.text.clear();
        line.blanks.clear();
        line.time_ns = match event {
            Event::Record(record) => Some(record.time_ns()),
            event => Mark::new(event).and_then(|mark| mark.time_ns),
        };
        self.style.write(file, log, event, &mut line.text, &mut line.blanks);
    }

    /// Appends a line that was held.
    pub fn release(&mut self, line: &Line, out: &mut String) {
        self.elapsed.write(&line.text, line.time_ns, &line.blanks, out);
    }

    /// Appends what stands between groups of lines, where the format has such a thing.
    pub fn separate(&self, out: &mut String) {
        match self.style {
            Style::Text(_) | Style::Patterned(_) => out.push_str("--\n"),
            Style::Json(_) | Style::Logfmt(_) | Style::Csv(_) => {}
        }
    }
}

/// What is to be said about arguments of a pattern that no statement has.
pub fn hints(shown: &[Argument], catalog: &Catalog) -> Vec<String> {
    let mut hints = Vec::new();
    for argument in shown {
        let hint = catalog.hint_of_argument(argument).map(|hint| format!("--format: {hint}"));
        hints.extend(hint.filter(|hint| !hints.contains(hint)));
    }
    hints
}

impl Style {
    #[inline]
    fn write(
        &mut self,
        file: usize,
        log: &str,
        event: &Event<'_>,
        out: &mut String,
        blanks: &mut Vec<Blank>,
    ) {
        match self {
            Self::Text(text) => text.write(log, event, out, blanks),
            Self::Json(json) => json.write(file, log, event, out, blanks),
            Self::Logfmt(logfmt) => logfmt.write(file, log, event, out, blanks),
            Self::Csv(csv) => csv.write(file, log, event, out, blanks),
            Self::Patterned(patterned) => patterned.write(log, event, out, blanks),
        }
    }
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

/// For other commands than `kymo cat`.
impl Lines {
    /// JSON, an object a line, of so many files.
    pub fn json(files: usize) -> Self {
        Self::untimed(Style::Json(Json::new(files, None)))
    }

    /// CSV of so many files.
    pub fn csv(files: usize) -> Self {
        Self::untimed(Style::Csv(Csv::new(files, None)))
    }

    fn untimed(style: Style) -> Self {
        Self { style, is_timed: false, elapsed: Elapsed::default(), line: Line::default() }
    }

    /// There is one more file than there was.
    pub fn add_file(&mut self) {
        match &mut self.style {
            Style::Json(json) => json.add_file(),
            Style::Logfmt(logfmt) => logfmt.add_file(),
            Style::Csv(csv) => csv.add_file(),
            Style::Text(_) | Style::Patterned(_) => {}
        }
    }
}
