//! `kymo cat`: prints the records of log files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kymo::reader::{Ending, Event, FileError, Files, Options, Reader};

use crate::argument::Argument;
use crate::filter::{self, Filter};
use crate::format;
use crate::input::{self, OpenError};
use crate::outcome::{self, Outcome, complain};
use crate::output::{Closed, Output};
use crate::point::Reference;
use crate::selection::{self, Selection};

/// Prints the records of log files, several files merged by time.
///
/// What was dropped or damaged is shown in its place: in text as a line with `--` in place of a
/// level, in JSON, logfmt and CSV with a key or column `event`. A file that is still being written
/// is printed as far as it was written when the command began.
#[derive(Args)]
#[command(after_help = outcome::HELP)]
pub struct Cat {
    /// The log files, or directories of files named *.kymo; `-` is standard input
    #[arg(required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    filter: filter::Arguments,

    #[command(flatten)]
    selection: selection::Arguments,

    #[command(flatten)]
    format: format::Arguments,

    /// The order of the records of a file
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    order: Order,
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

impl Cat {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let mut outcome = Outcome::Nothing;
        let mut filter = self.filter.build(&Reference::now(self.format.zone().clone()));
        let order = self.order.into();
        let has_context = self.selection.wants_context();
        let options = || {
            let options = Options::new().order(order);
            // What the reader leaves out cannot be context.
            if has_context { filter.narrow(options) } else { filter.push_down(options) }
        };
        let inputs = input::open_all(&self.files, options, |path, error: OpenError| {
            complain(format_args!("{}: {error}", path.display()));
            outcome.add(Outcome::Failed);
        });
        let mut readers = Vec::new();
        let mut named = Vec::new();
        for input in inputs {
            readers.push(input.reader);
            named.push((input.name, input.is_live));
        }
        let mut files = Files::new(readers);
        let lines = match self.format.build(named.len()) {
            Ok(lines) => lines,
            Err(contradiction) => {
                complain(contradiction);
                return Outcome::Failed;
            }
        };
        let asked: Vec<Asked> = (filter.arguments().into_iter().map(|it| ("--where", it)))
            .chain(lines.arguments().into_iter().map(|it| ("--format", it)))
            .map(|(option, argument)| (option, argument.clone()))
            .collect();
        let selection = self.selection.build(lines, Output::new());
        match print(&mut files, &named, &mut filter, selection) {
            Ok(printed) => outcome.add(printed),
            // Nobody wants to know the rest, which was not read either.
            Err(Closed(closed)) => {
                outcome.add(closed);
                return outcome;
            }
        }
        complain_about_names(&asked, &files);
        for reader in files.readers() {
            let Some(path) = reader.path() else { continue };
            let records = kymo::recoverable(path);
            if records > 0 {
                complain(format_args!(
                    "{name}: its process was killed, and {records} records more are left in \
                     memory: `kymo recover {name}` saves them",
                    name = path.display()
                ));
            }
        }
        for (reader, (name, is_live)) in files.readers().iter().zip(&named) {
            if let Some(complaint) = input::complaint(reader.report(), *is_live) {
                complain(format_args!("{name}: {complaint}"));
                outcome.add(Outcome::Failed);
            }
        }
        outcome
    }
}

/// Prints the events that are wanted, by file name.
fn print(
    files: &mut Files<'_>,
    named: &[(String, bool)],
    filter: &mut Filter,
    mut selection: Selection,
) -> Result<Outcome, Closed> {
    let mut outcome = Outcome::Nothing;
    while !selection.is_complete() {
        match files.next_event() {
            Ok(Some((file, event))) => match &event {
                Event::Record(record) => {
                    let is_match = filter.admits(file, record);
                    selection.record(file, &named[file].0, &event, is_match)?;
                }
                mark if filter.admits_mark(mark) => {
                    selection.mark(file, &named[file].0, &event)?;
                }
                _ => {}
            },
            Ok(None) => break,
            Err(FileError { file, error, .. }) => {
                complain(format_args!("{}: {error}", named[file].0));
                outcome.add(Outcome::Failed);
            }
        }
    }
    if selection.matches() > 0 {
        outcome.add(Outcome::Found);
    }
    selection.finish()?;
    Ok(outcome)
}

/// An option, and an argument that it names.
type Asked = (&'static str, Argument);

/// Names arguments that occur nowhere in the input, which are likely misspelt. Where not all of it
/// was read, they may yet occur.
fn complain_about_names(asked: &[Asked], files: &Files<'_>) {
    let readers = files.readers();
    if readers.iter().any(|reader| reader.report().ending == Ending::Unread) {
        return;
    }
    for (index, (option, argument)) in asked.iter().enumerate() {
        let mut sites = readers.iter().flat_map(Reader::call_sites);
        let is_known = sites.any(|site| argument.position(site).is_some());
        if !is_known && !asked[..index].contains(&asked[index]) {
            complain(format_args!(
                "{option}: no statement in the input has an argument {argument}"
            ));
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
