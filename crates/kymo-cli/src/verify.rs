//! `kymo verify`: checks that log files are whole.

mod check;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use kymo_reader::{Ending, Log, LogSegment, MissingSegments, Options, open_file, write_escaped};
use serde::Serialize;

use crate::fresh::Fresh;
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
/// Of a rotated log, all segments are checked, and that none is missing between them.
///
/// Records that the program dropped are no damage: their marks are in the file. A file that is
/// being written is checked as far as it was written when the command began.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct Verify {
    /// The log files, or rotated logs: their link, or its name
    #[arg(required = true, value_name = "FILE|LOG")]
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

/// Checks `file`, which was opened a second time as `input`.
pub fn check(
    file: File,
    mut input: Input,
    progress: &Progress,
) -> Result<Verdict, walk::WalkError> {
    let mut check = Check::default();
    let report = walk(file, &mut input, progress, &mut check)?;
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

/// Checks a file that a command has made, before it gets its name.
pub fn check_fresh(fresh: &Fresh) -> Result<(), String> {
    let path = fresh.temporary_path();
    let input = Input::open(path, Options::new()).map_err(|error| error.to_string())?;
    let file = open_file(path).map_err(|error| error.to_string())?;
    let bytes = path.metadata().map_or(0, |metadata| metadata.len());
    let verdict = check(file, input, &Progress::new("verify", bytes));
    let verdict = verdict.map_err(|error| error.to_string())?;
    match verdict.problems.first() {
        None => Ok(()),
        Some(problem) => Err(format!(
            "not written: the file would not be whole ({}). This is a bug in kymo",
            problem.message
        )),
    }
}

impl Verify {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        interrupt::watch();
        let mut work = Work { json: self.json, quiet: self.quiet, code: 0, output: Output::new() };
        for path in &self.files {
            if let Err(Closed(outcome)) = work.path(path) {
                return outcome.into();
            }
            if interrupt::requested() {
                break;
            }
        }
        if let Err(Closed(outcome)) = work.output.finish() {
            return outcome.into();
        }
        if interrupt::requested() { interrupt::exit_code() } else { ExitCode::from(work.code) }
    }
}

/// The work of the command.
struct Work {
    json: bool,
    quiet: bool,
    code: u8,
    output: Output,
}

/// The result of checking a rotated log.
#[derive(Debug, Serialize)]
struct LogVerdict {
    log: String,
    whole: bool,
    segments: u64,
    records: u64,
    dropped: u64,
    lost: u64,
    bytes: u64,
    /// Segments that are missing between others.
    missing: u64,
    problems: Vec<Problem>,
}

impl Work {
    fn path(&mut self, path: &Path) -> Result<(), Closed> {
        if path.as_os_str() == "-" {
            self.fail(path, "standard input can be read only once; give a file");
            return Ok(());
        }
        let log = match Log::find(path) {
            Ok(log) => log,
            Err(error) => {
                self.fail(path, error.error);
                return Ok(());
            }
        };
        match (log.is_rotated(), log.segments()) {
            (false, [segment]) => self.segment(segment).map(drop),
            _ => self.log(&log),
        }
    }

    /// Checks all segments of a log, and that none is missing between them.
    fn log(&mut self, log: &Log) -> Result<(), Closed> {
        let name = log.path().display().to_string();
        log.set_aside().iter().for_each(complain);
        let problem =
            |missing: MissingSegments| Problem { offset: None, message: missing.to_string() };
        let mut sums = LogVerdict {
            log: name.clone(),
            whole: true,
            segments: 0,
            records: 0,
            dropped: 0,
            lost: 0,
            bytes: 0,
            missing: log.missing().fold(0, |sum, missing| missing.count().saturating_add(sum)),
            problems: log.missing().map(problem).collect(),
        };
        sums.whole = sums.problems.is_empty();
        for segment in log.segments() {
            let Some(verdict) = self.segment(segment)? else {
                sums.whole = false;
                continue;
            };
            sums.whole &= verdict.whole;
            sums.segments += 1;
            sums.records = sums.records.saturating_add(verdict.records);
            sums.dropped = sums.dropped.saturating_add(verdict.dropped);
            sums.lost = sums.lost.saturating_add(verdict.lost);
            sums.bytes = sums.bytes.saturating_add(verdict.bytes);
        }
        if interrupt::requested() {
            return Ok(());
        }
        self.code = self.code.max(u8::from(!sums.whole));
        if self.json {
            write_json(&sums, self.output.buffer());
            self.output.buffer().push('\n');
        } else if !self.quiet {
            let LogVerdict { segments, records, dropped, lost, bytes, .. } = sums;
            let mut lines: Vec<String> = sums.problems.into_iter().map(|it| it.message).collect();
            let state = if sums.whole { "whole" } else { "NOT WHOLE" };
            lines.push(format!(
                "{state}: {segments} segments, {records} records, {dropped} dropped, {lost} lost; {bytes} bytes"
            ));
            for line in lines {
                write_escaped(&format!("{name}: {line}"), self.output.buffer());
                self.output.buffer().push('\n');
            }
        }
        self.output.line_done()
    }

    /// Checks a file, and says what came of it; `None` if it cannot be read.
    fn segment(&mut self, segment: &LogSegment) -> Result<Option<Verdict>, Closed> {
        let verdict = match check_segment(segment) {
            Ok(verdict) => verdict,
            Err(_) if interrupt::requested() => return Ok(None),
            Err(message) => {
                self.fail(&segment.path, message);
                return Ok(None);
            }
        };
        self.code = self.code.max(u8::from(!verdict.whole));
        if self.json {
            write_json(&verdict, self.output.buffer());
            self.output.buffer().push('\n');
        } else if !self.quiet {
            write_verdict(&verdict, self.output.buffer());
        }
        self.output.line_done()?;
        Ok(Some(verdict))
    }

    fn fail(&mut self, path: &Path, message: impl fmt::Display) {
        complain(format_args!("{}: {message}", path.display()));
        self.code = 2;
    }
}

fn check_segment(segment: &LogSegment) -> Result<Verdict, String> {
    let input = Input::open_segment(segment, Options::new()).map_err(|error| error.to_string())?;
    let file = segment.open_file().map_err(|error| error.error.to_string())?;
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    check(file, input, &Progress::new("verify", bytes)).map_err(|error| error.to_string())
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
