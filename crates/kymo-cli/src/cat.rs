//! `kymo cat`: prints the records of log files.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use kymo_reader::{Event, Options};

use crate::filter;
use crate::format;
use crate::input::Inputs;
use crate::interrupt;
use crate::latest::Latest;
use crate::outcome::{self, Outcome, complain};
use crate::output::{Closed, Output};
use crate::parallel::Parallel;
use crate::progress::Progress;
use crate::selection::{self, Selection};
use kymo_query::Argument;
use kymo_query::Filter;
use kymo_query::Reference;

/// Prints the records of log files, several files merged by time.
///
/// Drops and damage are shown in their places: in text as a line with `--` in place of a level, in
/// JSON, logfmt and CSV with a key or column `event`. A file that is still being written is printed
/// as it was when the command began.
#[derive(Args)]
#[command(after_help = outcome::HELP)]
pub struct Cat {
    /// The log files, rotated logs (their link, or its name), or directories of files named *.kymo; `-` is
    /// standard input
    #[arg(required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    filter: filter::FilterArguments,

    #[command(flatten)]
    selection: selection::SelectionArguments,

    #[command(flatten)]
    format: format::FormatArguments,

    /// The order of the records of a file
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    order: Order,

    /// How many threads turn records into lines; 0: the one that reads them does. Default: 0 for short
    /// files, else as many as the machine has cores
    #[arg(long, value_name = "N", help_heading = "Output",
        value_parser = clap::value_parser!(u16).range(..=256))]
    threads: Option<u16>,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Order {
    /// By time, in one pass: a record that reached the file late may follow younger ones
    #[default]
    Time,
    /// The order of the file
    Written,
    /// By time without exception, holding the whole file in memory
    Exact,
}

impl Cat {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        // Elsewhere, a signal does best what it always did.
        if Output::is_file() {
            interrupt::watch();
        }
        let outcome = self.cat();
        if interrupt::requested() { interrupt::exit_code() } else { outcome.into() }
    }

    fn cat(self) -> Outcome {
        let mut outcome = Outcome::Nothing;
        let mut filter = self
            .filter
            .build_shown(&Reference::now(self.format.zone().clone()), self.format.shows_spans());
        let mut latest = Latest::default();
        // Context of the last records may be older than any of them.
        if let Some(last) = self.selection.last()
            && !self.selection.wants_context()
            && !matches!(self.order, Order::Written)
        {
            latest = Latest::of(&self.files, &mut filter, last);
            latest.since.into_iter().for_each(|since| filter.narrow_since(since));
        }
        let order = self.order.into();
        let has_context = self.selection.wants_context();
        let options = || {
            let options = latest.narrow(Options::new().order(order));
            // Records that the reader leaves out cannot be context.
            if has_context { filter.narrow(options) } else { filter.push_down(options) }
        };
        let mut inputs = Inputs::open_latest(&self.files, options, &latest, &mut outcome);
        let lines = match self.format.build(inputs.names.len()) {
            Ok(lines) => lines,
            Err(contradiction) => {
                complain(contradiction);
                return Outcome::Failed;
            }
        };
        let shown: Vec<Argument> = lines.arguments().into_iter().cloned().collect();
        let parallel = Parallel::new(&filter, &self.format, &inputs);
        let threads = match self.threads {
            _ if !self.selection.is_all() || lines.depend_on_order() => 0,
            Some(threads) => threads.into(),
            None => parallel.threads_for(&self.files),
        };
        let printed = if threads > 0 {
            parallel.print(&mut inputs, lines, threads)
        } else {
            let selection = self.selection.build(lines, Output::new());
            print(&mut inputs, &mut filter, selection)
        };
        match printed {
            Ok(printed) => outcome.add(printed),
            // Standard output is closed: the rest is not read, and not judged.
            Err(Closed(closed)) => {
                outcome.add(closed);
                return outcome;
            }
        }
        if interrupt::requested() {
            return outcome;
        }
        filter::complain_about_names(&filter, inputs.files.readers(), |catalog| {
            format::hints(&shown, catalog)
        });
        inputs.complain(&mut outcome);
        outcome
    }
}

/// Prints the events that are wanted, by file name.
fn print(
    inputs: &mut Inputs,
    filter: &mut Filter,
    mut selection: Selection,
) -> Result<Outcome, Closed> {
    let mut outcome = Outcome::Nothing;
    let progress = Output::is_file().then(|| Progress::new("cat", inputs.bytes));
    let mut events = 0_u64;
    while !selection.is_complete() {
        match inputs.files.next_event() {
            Ok(Some((file, event))) => match &event {
                Event::Record(record) => {
                    let is_match = filter.admits(file, record);
                    selection.record(file, &inputs.names[file], &event, is_match)?;
                }
                mark if filter.admits_mark(mark) => {
                    selection.mark(file, &inputs.names[file], &event)?;
                }
                _ => {}
            },
            Ok(None) => break,
            Err(error) => inputs.complain_about(&error, &mut outcome),
        }
        events += 1;
        if events.is_multiple_of(4096)
            && let Some(progress) = &progress
        {
            progress.at(inputs.position());
            if interrupt::requested() {
                break;
            }
        }
    }
    drop(progress);
    if selection.matches() > 0 {
        outcome.add(Outcome::Found);
    }
    selection.finish()?;
    Ok(outcome)
}

impl From<Order> for kymo_reader::Order {
    fn from(order: Order) -> Self {
        match order {
            Order::Time => Self::Time,
            Order::Written => Self::Written,
            Order::Exact => Self::Exact,
        }
    }
}
