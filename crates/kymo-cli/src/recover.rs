//! `kymo recover`: saves records that a killed process had logged and not yet written.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use kymo::RecoverError;
use kymo_reader::{Log, OpenError};

use crate::input::complain_about_refused;
use crate::outcome::{Outcome, complain};

const AFTER_HELP: &str = "\
Exit codes:
  0  something was recovered, or had been before
  1  there was nothing to recover
  2  an error, or something could not be read (everything else was recovered nevertheless)";

/// Saves records that a killed process had logged and not yet written to its log.
///
/// A program that logs crash-proof has its threads' rings in files, which outlive it. Their records
/// are written to a file beside the log: the log's name with `.recovered` appended, and a number if
/// another log's file has that name. `kymo cat` of the log shows them in their places. Then the rings
/// are removed, so that a second run does nothing. Space that was allocated for the log and not
/// written is freed. A segment of a rotated log is closed: it gets its index and its end.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct Recover {
    /// The logs of the processes
    #[arg(required = true, value_name = "LOG")]
    logs: Vec<PathBuf>,
}

impl Recover {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let mut outcome = Outcome::Nothing;
        for log in &self.logs {
            match rings_of(log) {
                Ok(segments) => segments.iter().for_each(|path| outcome.add(recover(path))),
                Err(error) => {
                    complain(error);
                    outcome.add(Outcome::Failed);
                }
            }
        }
        outcome
    }
}

/// The files of a log to which rings may belong: of a rotated one, the segments that were not closed, or the
/// last one.
fn rings_of(path: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let log = Log::find(path)?;
    if !log.is_rotated() {
        return Ok(vec![path.to_owned()]);
    }
    let mut segments: Vec<PathBuf> = log
        .segments()
        .iter()
        .filter(|segment| !segment.is_compressed && segment.totals().is_none())
        .map(|segment| segment.path.clone())
        .collect();
    if segments.is_empty() {
        segments.extend(log.segments().last().map(|last| last.path.clone()));
    }
    Ok(segments)
}

/// Whether a log was compressed after its logger had closed it. All that had been logged is in it then.
fn is_closed_and_compressed(path: &Path) -> bool {
    let log = Log::find(path);
    log.is_ok_and(|log| log.segments().iter().all(|it| it.is_compressed && it.totals().is_some()))
}

fn recover(log: &Path) -> Outcome {
    let recovery = match kymo::recover(log) {
        Ok(recovery) => recovery,
        Err(RecoverError::NotALog(path)) if is_closed_and_compressed(&path) => {
            complain(format_args!(
                "{}: closed, and compressed since: there is nothing to recover",
                path.display()
            ));
            return Outcome::Nothing;
        }
        // A process was killed when it had just made the file.
        Err(RecoverError::NotALog(path)) if path.metadata().is_ok_and(|it| it.len() == 0) => {
            complain(format_args!("{}: is empty: there is nothing to recover", path.display()));
            return Outcome::Nothing;
        }
        Err(RecoverError::NotALog(path)) if path.extension().is_some_and(|it| it == "zst") => {
            complain(format_args!(
                "{}: compressed: to recover what its rings hold, restore the original with `zstd -d` first",
                path.display()
            ));
            return Outcome::Failed;
        }
        Err(error) => {
            complain(error);
            return Outcome::Failed;
        }
    };
    complain_about_refused(&recovery.refused);
    for unclosed in &recovery.unclosed {
        complain(format_args!("{}: was not closed: {}", unclosed.path.display(), unclosed.problem));
    }
    let Some(file) = &recovery.file else {
        let nothing = format!("{}: there is nothing to recover", log.display());
        match recovery.of_another_log {
            None => complain(nothing),
            Some(sites) => complain(format_args!(
                "{nothing}: its logger went on in another log, to which the rings belong ({}): \
                 recover that one; if it was deleted, what the rings hold is lost",
                sites.display()
            )),
        }
        return Outcome::Nothing;
    };
    let mut outcome = Outcome::Found;
    for thread in recovery.threads.iter().filter(|thread| thread.records > 0) {
        let name = if thread.name.is_empty() { "without a name" } else { &thread.name };
        let mut line = format!("{} records of thread {} ({name})", thread.records, thread.os_id);
        if thread.flight_records > 0 {
            let _ = write!(line, ", {} of them of its flight recorder", thread.flight_records);
        }
        if thread.overwritten > 0 {
            let _ = write!(line, "; {} before that were overwritten", thread.overwritten);
        }
        complain(line);
    }
    for damage in &recovery.damage {
        complain(format_args!("{}: {}", damage.path.display(), damage.problem));
        outcome.add(Outcome::Failed);
    }
    let found = recovery.records();
    match recovery.threads.is_empty() {
        true => complain(format_args!("{}: recovered before", file.display())),
        false => complain(format_args!("{}: {found} records recovered", file.display())),
    }
    outcome
}
