//! `kymo cat`: prints the records of log files.

use std::path::PathBuf;

use anstream::{AutoStream, ColorChoice};
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use kymo::reader::{Event, FileError, Files, Options};

use crate::input::{self, OpenError};
use crate::json::Json;
use crate::outcome::{self, Outcome, complain};
use crate::output::{Closed, Output};
use crate::text::Text;
use crate::time;

/// Prints the records of log files, several files merged by time.
///
/// What was dropped or damaged is shown in its place: in text as a line with `--` in place of a
/// level, in JSON as an object with a key `event`. A file that is still being written is printed as
/// far as it was written when the command began.
#[derive(Args)]
#[command(after_help = outcome::HELP)]
pub struct Cat {
    /// The log files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// What is printed for a record
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// The time zone of text: the name of a zone (Europe/Berlin), an offset (+02:00), or `local`
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = time::parse_zone)]
    tz: TimeZone,

    /// The order of the records of a file
    #[arg(long, value_enum, default_value_t)]
    order: Order,

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
enum Order {
    /// By time, in one pass: a record that reached the file late may follow younger ones
    #[default]
    Time,
    /// As they stand in the file
    Written,
    /// By time without exception, holding the whole file in memory
    Exact,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Color {
    /// On a terminal
    #[default]
    Auto,
    Always,
    Never,
}

impl Cat {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let mut outcome = Outcome::Fine;
        let order = self.order.into();
        let options = || Options::new().order(order);
        let inputs = input::open_all(&self.files, options, |path, error: OpenError| {
            complain(format_args!("{}: {error}", path.display()));
            outcome.worsen(Outcome::Failed);
        });
        let mut readers = Vec::new();
        let mut named = Vec::new();
        for input in inputs {
            readers.push(input.reader);
            named.push((input.name, input.is_live));
        }
        let mut files = Files::new(readers);
        let mut lines = match self.format {
            Format::Text => Lines::Text(Text::new(self.tz, self.color.wanted())),
            Format::Json => Lines::Json(Json::new(named.len())),
        };
        match print(&mut files, &named, &mut lines) {
            Ok(printed) => outcome.worsen(printed),
            // Nobody wants to know the rest, which was not read either.
            Err(Closed(closed)) => {
                outcome.worsen(closed);
                return outcome;
            }
        }
        for (reader, (name, is_live)) in files.readers().iter().zip(&named) {
            if let Some(complaint) = input::complaint(reader.report(), *is_live) {
                complain(format_args!("{name}: {complaint}"));
                outcome.worsen(Outcome::Damaged);
            }
        }
        outcome
    }
}

/// Prints all events, by file name.
fn print(
    files: &mut Files<'_>,
    named: &[(String, bool)],
    lines: &mut Lines,
) -> Result<Outcome, Closed> {
    let mut outcome = Outcome::Fine;
    let mut output = Output::new();
    loop {
        match files.next_event() {
            Ok(Some((file, event))) => {
                lines.write(file, &named[file].0, &event, output.buffer());
                output.line_done()?;
            }
            Ok(None) => break,
            Err(FileError { file, error, .. }) => {
                complain(format_args!("{}: {error}", named[file].0));
                outcome.worsen(Outcome::Damaged);
            }
        }
    }
    output.finish()?;
    Ok(outcome)
}

/// What turns events into lines.
enum Lines {
    Text(Text),
    Json(Json),
}

impl Lines {
    #[inline]
    fn write(&mut self, file: usize, log: &str, event: &Event<'_>, out: &mut String) {
        match self {
            Self::Text(text) => text.write(log, event, out),
            Self::Json(json) => json.write(file, log, event, out),
        }
    }
}

impl From<Order> for kymo::reader::Order {
    fn from(order: Order) -> Self {
        match order {
            Order::Time => Self::Time,
            Order::Written => Self::Written,
            Order::Exact => Self::Exact,
        }
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
