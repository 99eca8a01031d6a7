//! What is printed for an event.

mod elapsed;
mod json;
mod layout;
mod text;

use anstream::{AutoStream, ColorChoice};
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use kymo::reader::Event;

use crate::time;
use elapsed::{Blank, Elapsed, Since};
use json::Json;
use text::Text;

/// The options that say how a record is printed.
#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Output")]
pub struct Arguments {
    /// What is printed for a record
    #[arg(long, value_enum, default_value_t)]
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

#[derive(Clone, Copy, Default, ValueEnum)]
enum Format {
    /// A line of text
    #[default]
    Text,
    /// A JSON object on a line
    Json,
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
    pub fn build(self, files: usize) -> Lines {
        let since = match (self.relative, self.delta) {
            (true, _) => Some(Since::First),
            (_, true) => Some(Since::Previous),
            _ => None,
        };
        let style = match self.format {
            Format::Text => Style::Text(Text::new(self.tz, since, self.color.wanted())),
            Format::Json => Style::Json(Json::new(files, since)),
        };
        let is_timed = since.is_some();
        Lines { style, is_timed, elapsed: Elapsed::default(), line: Line::default() }
    }
}

impl Lines {
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
            Event::Drops(drops) => Some(drops.first_ns),
            _ => None,
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
            Style::Text(_) => out.push_str("--\n"),
            Style::Json(_) => {}
        }
    }
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

/// What `kymo export` writes, whatever the options of other commands.
impl Lines {
    /// JSON, an object a line, of so many files.
    pub fn json(files: usize) -> Self {
        Self {
            style: Style::Json(Json::new(files, None)),
            is_timed: false,
            elapsed: Elapsed::default(),
            line: Line::default(),
        }
    }
}
