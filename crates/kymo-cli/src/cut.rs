//! `kymo cut`: makes a log of a part of a log.

mod index;
mod part;

use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jiff::tz::TimeZone;
use kymo_query::{Reference, time};
use kymo_reader::{Event, Options, Order};

use crate::filter;
use crate::fresh::Fresh;
use crate::input::Inputs;
use crate::interrupt;
use crate::outcome::{Outcome, complain};
use crate::verify;
use part::{Made, Part};

const AFTER_HELP: &str = "\
Exit codes:
  0  the part was written, and all that was read is whole
  1  nothing matched; no file was written
  2  an error, and no file was written; or something that was read is damaged or lost";

/// Writes a part of a log as a log of its own.
///
/// The part has the records that pass the filters, in the order of time, and the marks among them. `kymo
/// verify` finds it whole, and `kymo cat` prints of it what `kymo cat` of the log prints with these filters.
/// Records that are missing because of damage become a mark of dropped records with the reason `damaged`.
/// Damaged bytes and missing segments have no mark in it, and are told.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct Cut {
    /// The logs: files, rotated logs (their link, or its name), or directories
    #[arg(required = true, value_name = "FILE|LOG|DIR")]
    logs: Vec<PathBuf>,

    /// The part; must not exist
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    #[command(flatten)]
    filter: filter::FilterArguments,

    /// The time zone of times without an offset: the name of a zone (Europe/Berlin), an offset (+02:00), or
    /// `local`
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = time::parse_zone)]
    tz: TimeZone,
}

impl Cut {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        interrupt::watch();
        let output = self.output.clone();
        let outcome = self.cut().unwrap_or_else(|message| {
            if !interrupt::requested() {
                complain(format_args!("{}: {message}", output.display()));
            }
            Outcome::Failed
        });
        if interrupt::requested() { interrupt::exit_code() } else { outcome.into() }
    }

    fn cut(self) -> Result<Outcome, String> {
        let mut outcome = Outcome::Nothing;
        let mut filter = self.filter.build(&Reference::now(self.tz.clone()));
        let fresh = Fresh::create(&self.output, false, &self.logs);
        let mut fresh = fresh.map_err(|error| error.to_string())?;
        let options = || filter.push_down(Options::new().order(Order::Time));
        let mut inputs = Inputs::open(&self.logs, options, &mut outcome);
        let Some(first) = inputs.files.readers().first() else { return Ok(outcome) };
        let of_file = |error: std::io::Error| format!("cannot write it: {error}");
        let part = Part::begin(BufWriter::new(fresh.file()), first.header());
        let mut part = part.map_err(of_file)?;
        let is_whole = inputs.each_event("cut", &mut outcome, |file, _, event| {
            let is_wanted = match event {
                Event::Record(record) => filter.admits(file, record),
                mark => filter.admits_mark(mark),
            };
            if is_wanted { part.event(file, event).map_err(of_file) } else { Ok(()) }
        })?;
        if !is_whole {
            return Ok(outcome);
        }
        let made = part.finish().map_err(of_file)?;
        filter::complain_about_names(&filter, inputs.files.readers(), |_| Vec::new());
        inputs.complain(&mut outcome);
        if made.is_nothing() {
            return Ok(outcome);
        }
        verify::check_fresh(&fresh)?;
        fresh.file().sync_all().map_err(of_file)?;
        fresh.complete().map_err(|error| error.to_string())?;
        outcome.add(Outcome::Found);
        say(&self.output, &made);
        Ok(outcome)
    }
}

/// Says what was written.
fn say(path: &Path, made: &Made) {
    let Made { records, marks, damaged, left_out } = made;
    let mut line = format!("{records} records and {marks} marks written");
    if *damaged > 0 {
        line += &format!("; {damaged} records were lost, for which there are marks");
    }
    if *left_out > 0 {
        line += &format!("; {left_out} damages or missing segments have no mark in it");
    }
    complain(format_args!("{}: {line}", path.display()));
}
