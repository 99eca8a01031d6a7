//! `kymo verify`: checks that log files are whole.

mod check;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use kymo_reader::{Ending, Options, write_escaped};
use serde::Serialize;

use crate::input::Input;
use crate::interrupt;
use crate::machine::write_json;
use crate::outcome::complain;
use crate::output::{Closed, Output};
use crate::progress::Progress;
use crate::walk::{self, walk};
use check::Check;

const AFTER_HELP: &str = "\
Exit codes:
  0  every file is whole
  1  something is damaged or missing, the sums or the order are wrong, or a writer died
  2  a file could not be read at all, or the command was misused";

/// Checks that log files are whole.
///
/// Checks the header, every checksum, the order of the frames, and the sums. For each thread, records
/// read and lost must be as many as were written, and its drop marks must add up to its drops. Both
/// must add up to the totals of the file. Prints a line with the place for each problem, and a line
/// for each file.
///
/// Records that the program dropped are no damage: their marks are in the file. A file that is
/// being written is checked as far as it was written when the command began.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct Verify {
    /// The log files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Print a JSON object for each file
    #[arg(long)]
    json: bool,

    /// Print nothing; the exit code is the result
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
}

/// The result of checking a file.
#[derive(Debug, Serialize)]
pub struct Verdict {
    pub file: String,
    pub whole: bool,
    pub state: FileState,
    pub records: u64,
    /// Records that the program dropped, by the marks in the file.
    pub dropped: u64,
    /// Records that were written and cannot be read, as far as the sums show.
    pub lost: u64,
    pub threads: u64,
    pub frames: u64,
    pub bytes: u64,
    pub damaged_bytes: u64,
    /// How many problems there are. The first thousand are listed.
    pub problem_count: u64,
    pub problems: Vec<Problem>,
}

/// How a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    Closed,
    BeingWritten,
    NotClosed,
    Truncated,
}

/// A problem, and its offset if known.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub offset: Option<u64>,
    pub message: String,
}

/// Checks the file at `path`, opened as `input`.
pub fn check(
    path: &Path,
    mut input: Input,
    progress: &Progress,
) -> Result<Verdict, walk::WalkError> {
    let mut check = Check::default();
    let report = walk(path, &mut input, progress, &mut check)?;
    let state = match report.ending {
        Ending::Closed => FileState::Closed,
        Ending::Truncated => FileState::Truncated,
        _ if input.is_live => FileState::BeingWritten,
        _ => FileState::NotClosed,
    };
    check.whole_file(&report, state, input.reader.call_sites());
    Ok(Verdict {
        file: input.name,
        whole: check.problem_count == 0,
        state,
        records: report.records,
        dropped: report.dropped,
        lost: report.lost(),
        threads: check.threads(),
        frames: report.frames,
        bytes: report.length_bytes,
        damaged_bytes: report.damaged_bytes,
        problem_count: check.problem_count,
        problems: check.problems,
    })
}

impl Verify {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        interrupt::watch();
        let mut code = 0;
        let mut output = Output::new();
        for path in &self.files {
            let verdict = match self.check(path) {
                Ok(verdict) => verdict,
                Err(_) if interrupt::requested() => break,
                Err(message) => {
                    complain(format_args!("{}: {message}", path.display()));
                    code = 2;
                    continue;
                }
            };
            code = code.max(u8::from(!verdict.whole));
            if self.json {
                write_json(&verdict, output.buffer());
                output.buffer().push('\n');
            } else if !self.quiet {
                write_verdict(&verdict, output.buffer());
            }
            if let Err(Closed(outcome)) = output.line_done() {
                return outcome.into();
            }
        }
        if let Err(Closed(outcome)) = output.finish() {
            return outcome.into();
        }
        if interrupt::requested() { interrupt::exit_code() } else { ExitCode::from(code) }
    }

    fn check(&self, path: &Path) -> Result<Verdict, String> {
        if path.as_os_str() == "-" {
            return Err("standard input can be read only once; give a file".to_owned());
        }
        let input = Input::open(path, Options::new()).map_err(|error| error.to_string())?;
        let bytes = path.metadata().map_or(0, |metadata| metadata.len());
        check(path, input, &Progress::new("verify", bytes)).map_err(|error| error.to_string())
    }
}

/// Appends a line for each problem and one for the file.
fn write_verdict(verdict: &Verdict, out: &mut String) {
    let mut line = |text: &str| {
        write_escaped(&verdict.file, out);
        out.push_str(": ");
        write_escaped(text, out);
        out.push('\n');
    };
    for problem in &verdict.problems {
        line(&problem.message);
    }
    let unlisted = verdict.problem_count - verdict.problems.len() as u64;
    if unlisted > 0 {
        line(&format!("and {unlisted} more problems"));
    }
    let state = match (verdict.state, verdict.whole) {
        (FileState::BeingWritten, true) => "whole so far, and being written",
        (_, true) => "whole",
        (_, false) => "NOT WHOLE",
    };
    let Verdict { records, dropped, lost, threads, frames, bytes, .. } = verdict;
    line(&format!(
        "{state}: {records} records of {threads} threads, {dropped} dropped, {lost} lost; \
         {frames} frames, {bytes} bytes"
    ));
}
