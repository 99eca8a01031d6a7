//! `kymo export`: writes log files in the formats of other tools.

mod destination;
mod folded;
mod perfetto;
mod tracks;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use kymo_reader::{Event, Options, Order, Reader};

use crate::filter;
use crate::input::Inputs;
use crate::interrupt;
use crate::outcome::{self, Outcome};
use crate::output::Closed;
use destination::Destination;
use folded::Folded;
use kymo_lines::Lines;
use kymo_query::Reference;
use perfetto::Perfetto;

/// Writes log files, merged by time, in the format of another tool.
///
/// The result appears under its name when it is complete, and not before.
#[derive(Args)]
#[command(after_help = outcome::HELP)]
pub struct Export {
    /// The format
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: ExportFormat,

    /// The file that is made; `-` is standard output
    #[arg(value_name = "OUT")]
    out: PathBuf,

    /// The log files, rotated logs (their link, or its name), or directories of files named *.kymo; `-` is
    /// standard input
    #[arg(required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,

    /// Replace OUT if it is there already
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    filter: filter::FilterArguments,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// A JSON object on a line, as `kymo cat --format json`
    Json,
    /// Comma-separated values, as `kymo cat --format csv`
    Csv,
    /// A trace for ui.perfetto.dev: a track for each thread, an event for each
    /// record, named by its format string, a slice for each scope, a counter for
    /// each metric, and one of what was dropped
    Perfetto,
    /// Folded stacks of scopes, for flame graphs: a line for each stack, with the
    /// nanoseconds that were spent there
    Folded,
}

/// Turns events into a format.
enum Writer {
    Lines(Box<Lines>),
    Perfetto(Box<Perfetto>),
    Folded(Folded),
}

impl Export {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        interrupt::watch();
        match self.export() {
            Ok(outcome) if !interrupt::requested() => outcome.into(),
            Err(Closed(outcome)) if !interrupt::requested() => outcome.into(),
            _ => interrupt::exit_code(),
        }
    }

    fn export(self) -> Result<Outcome, Closed> {
        let mut outcome = Outcome::Nothing;
        let mut filter = self.filter.build(&Reference::now(TimeZone::UTC));
        let mut destination = Destination::open(&self.out, self.force, &self.files)?;
        let options = || filter.push_down(Options::new().order(Order::Time));
        let mut inputs = Inputs::open(&self.files, options, &mut outcome);
        // An empty result would look like a valid one.
        if inputs.names.is_empty() {
            return Ok(outcome);
        }
        let mut writer = match self.to {
            ExportFormat::Json => Writer::Lines(Box::new(Lines::json(inputs.names.len()))),
            ExportFormat::Csv => Writer::Lines(Box::new(Lines::csv(inputs.names.len()))),
            ExportFormat::Perfetto => {
                let headers = inputs.files.readers().iter().map(Reader::header);
                let files = headers.zip(inputs.names.iter().map(|name| &**name));
                Writer::Perfetto(Box::new(Perfetto::new(files)))
            }
            ExportFormat::Folded => Writer::Folded(Folded::default()),
        };
        if let Writer::Lines(lines) = &writer {
            lines.begin(destination.buffer());
        }
        let mut is_found = false;
        let is_whole = inputs.each_event("export", &mut outcome, |file, name, event| {
            let is_wanted = match event {
                Event::Record(record) => filter.admits(file, record),
                mark => filter.admits_mark(mark),
            };
            if !is_wanted {
                return Ok(());
            }
            is_found |= matches!(event, Event::Record(_));
            writer.write(file, name, event, destination.buffer());
            destination.line_done()
        })?;
        if is_found {
            outcome.add(Outcome::Found);
        }
        if !is_whole {
            return Ok(outcome);
        }
        filter::complain_about_names(&filter, inputs.files.readers(), |_| Vec::new());
        inputs.complain(&mut outcome);
        match writer {
            Writer::Lines(_) => {}
            Writer::Perfetto(perfetto) => perfetto.end(destination.buffer()),
            Writer::Folded(folded) => folded.end(destination.buffer()),
        }
        destination.complete()?;
        Ok(outcome)
    }
}

impl Writer {
    #[inline]
    fn write(&mut self, file: usize, log: &str, event: &Event<'_>, out: &mut String) {
        match self {
            Self::Lines(lines) => lines.write(file, log, event, out),
            Self::Perfetto(perfetto) => perfetto.write(file, log, event, out),
            Self::Folded(folded) => {
                if let Event::Record(record) = event {
                    folded.record(file, record);
                }
            }
        }
    }
}
