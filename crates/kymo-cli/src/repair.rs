//! `kymo repair`: writes a whole copy of the readable part of a log file.

mod copy;

use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use kymo_reader::{Options, open_file};

use crate::fresh::Fresh;
use crate::input::Input;
use crate::interrupt;
use crate::outcome::complain;
use crate::progress::Progress;
use crate::verify;
use crate::walk::walk;
use copy::Copy;

const AFTER_HELP: &str = "\
Exit codes:
  0  the copy was written, and is whole
  2  it was not written; no partial file remains";

/// Writes a copy of all that can be read of a log file.
///
/// The copy is closed cleanly, even if the writer of the file died, and `kymo verify` finds it whole.
/// For records that are missing because of damage, the copy has a mark of dropped records with the
/// reason `damaged`. So the sums of records written and dropped stay as they were. The number of
/// records that a file without a closing frame had stays unknown.
///
/// The copy is a segment with an identity of its own. It has no index, and no frames that this
/// version of kymo cannot read.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct Repair {
    /// The log file, which is not changed
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// The copy; must not exist
    #[arg(value_name = "OUT")]
    output: PathBuf,
}

impl Repair {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        interrupt::watch();
        match self.repair() {
            Ok(summary) => {
                complain(format_args!("{}: {summary}", self.output.display()));
                ExitCode::SUCCESS
            }
            Err(_) if interrupt::requested() => interrupt::exit_code(),
            Err((path, message)) => {
                complain(format_args!("{}: {message}", path.display()));
                ExitCode::from(2)
            }
        }
    }

    /// Writes the copy and returns a line about it; or the file at fault and the reason.
    fn repair(&self) -> Result<String, (&Path, String)> {
        let of_input = |error: &dyn ToString| (&*self.input, error.to_string());
        let of_output = |error: &dyn ToString| (&*self.output, error.to_string());
        if self.input.as_os_str() == "-" {
            return Err(of_input(&"standard input can be read only once; give a file"));
        }
        let open = || Input::open(&self.input, Options::new()).map_err(|error| of_input(&error));
        let mut input = open()?;
        if input.is_live {
            let text = "is being written; repair it when its writer has closed it, or is gone";
            return Err(of_input(&text));
        }
        let fresh = Fresh::create(&self.output, false, [&self.input]);
        let mut fresh = fresh.map_err(|error| of_output(&error))?;

        let bytes = self.input.metadata().map_or(0, |metadata| metadata.len());
        let file = || open_file(&self.input).map_err(|error| of_input(&error));
        let clock = copy::first_clock(file()?, &mut open()?);
        let clock = clock.map_err(|error| of_input(&error))?;
        let progress = Progress::new("repair", bytes);
        let header = input.reader.header().clone();
        let copy = Copy::begin(BufWriter::new(fresh.file()), &header, clock);
        let mut copy = copy.map_err(|error| of_output(&error))?;
        let report = walk(file()?, &mut input, &progress, &mut copy);
        let report = report.map_err(|error| of_input(&error))?;
        let made = copy.finish().map_err(|error| of_output(&error))?;
        drop(progress);
        verify::check_fresh(&fresh).map_err(|error| of_output(&error))?;
        fresh.file().sync_all().map_err(|error| of_output(&error))?;
        fresh.complete().map_err(|error| of_output(&error))?;
        let mut summary = format!("{} records copied", made.records);
        if made.damaged > 0 {
            summary += &format!(", {} lost, for which there are marks", made.damaged);
        }
        if report.damaged_bytes > 0 {
            summary += &format!("; {} bytes were damaged", report.damaged_bytes);
        }
        if made.left_out > 0 {
            summary += &format!("; {} frames of unknown kinds left out", made.left_out);
        }
        if report.totals.is_none() {
            summary += "; the file was not closed, and may have had more records";
        }
        Ok(summary)
    }
}
