//! `kymo ls`: lists the segments of logs.
//!
//! A segment that was closed says in its last frames what is in it, so that a thousand of them are listed at
//! once. One that was not is read to its end.

mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jiff::tz::TimeZone;
use kymo_query::time;
use kymo_reader::{
    Directory, Ending, Log, LogSegment, MissingSegments, OpenError, Options, is_locked,
};
use serde::Serialize;

use crate::interrupt;
use crate::machine::write_json;
use crate::outcome::{self, Outcome, complain};
use crate::output::{Closed, Output};
use crate::progress::Progress;
use table::Table;

/// How many bytes of a segment that was not closed are read to say what is in it.
const MOST_READ_BYTES: u64 = 4 << 30;

/// A segment that is shorter has no index if it was closed, and is read for the times in it.
const SHORT_BYTES: u64 = 1 << 20;

/// Lists logs and their segments.
///
/// For each segment: its number, the time range, the records written and dropped, its size on the disk, its
/// state, and its file. Then a line with the totals. Segments that are missing between others have a line
/// in their place.
///
/// The state is `closed`, `open` (it is being written), `crashed` (its writer did not close it), or
/// `damaged` (its end or its header is). A compressed one is `compressed`.
#[derive(Args)]
#[command(after_help = outcome::HELP)]
pub struct Ls {
    /// Rotated logs (their link, or its name), log files, or directories of them
    #[arg(value_name = "LOG|DIR", default_value = ".")]
    logs: Vec<PathBuf>,

    /// Print a JSON object for each segment
    #[arg(long)]
    json: bool,

    /// The time zone: the name of a zone (Europe/Berlin), an offset (+02:00), or `local`
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = time::parse_zone)]
    tz: TimeZone,
}

/// How a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Closed,
    Open,
    Crashed,
    Compressed,
    Damaged,
}

/// What is listed of a segment.
#[derive(Debug, Serialize)]
struct Row {
    log: String,
    file: String,
    /// Its number in the log; `None` if the log is one file.
    sequence: Option<u64>,
    state: State,
    /// The times of its oldest and its newest record, in nanoseconds since 1970-01-01T00:00:00Z.
    first_ns: Option<i64>,
    last_ns: Option<i64>,
    records: Option<u64>,
    dropped: Option<u64>,
    bytes: u64,
    disk_bytes: u64,
}

/// Segments that are missing in a log.
#[derive(Debug, Serialize)]
struct MissingRow {
    log: String,
    state: &'static str,
    before: u64,
    after: u64,
    segments: u64,
}

/// The sums of a log.
#[derive(Debug, Default)]
struct Totals {
    segments: u64,
    missing: u64,
    records: u64,
    dropped: u64,
    disk_bytes: u64,
    /// Of some segments, the records are not known.
    is_least: bool,
}

impl Ls {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        interrupt::watch();
        let mut outcome = Outcome::Nothing;
        let mut output = Output::new();
        let mut table = Table::new(self.tz.clone());
        let mut logs = Vec::new();
        for path in &self.logs {
            find(path, &mut logs, &mut outcome);
        }
        for (log, is_in_directory) in logs {
            if !is_in_directory {
                log.set_aside().iter().for_each(complain);
            }
            if !self.json {
                table.begin(log.path(), output.buffer());
            }
            if let Err(Closed(closed)) = self.list(&log, &mut table, &mut output, &mut outcome) {
                outcome.add(closed);
                return outcome.into();
            }
            if interrupt::requested() {
                return interrupt::exit_code();
            }
        }
        if let Err(Closed(closed)) = output.finish() {
            outcome.add(closed);
        }
        outcome.into()
    }

    fn list(
        &self,
        log: &Log,
        table: &mut Table,
        output: &mut Output,
        outcome: &mut Outcome,
    ) -> Result<(), Closed> {
        let name = log.path().display().to_string();
        let mut totals = Totals::default();
        let mut missing = log.missing().peekable();
        for segment in log.segments() {
            if interrupt::requested() {
                return Ok(());
            }
            let number = segment.sequence();
            // A gap is told before the segment that comes after it.
            let is_first = totals.segments == 0;
            if let Some(gap) = missing.next_if(|gap| !is_first && gap.after == number) {
                totals.missing += gap.count();
                outcome.add(Outcome::Failed);
                self.gap(&name, gap, table, output.buffer());
                output.line_done()?;
            }
            match Row::of(&name, log, segment) {
                Ok(row) => {
                    totals.add(&row);
                    outcome.add(match row.state {
                        State::Damaged => Outcome::Failed,
                        _ => Outcome::Found,
                    });
                    match self.json {
                        true => {
                            write_json(&row, output.buffer());
                            output.buffer().push('\n');
                        }
                        false => table.row(&row, output.buffer()),
                    }
                    output.line_done()?;
                }
                Err(error) => {
                    complain(&error);
                    outcome.add(Outcome::Failed);
                }
            }
        }
        if !self.json {
            table.totals(&totals, output.buffer());
            output.line_done()?;
        }
        Ok(())
    }

    fn gap(&self, name: &str, gap: MissingSegments, table: &mut Table, out: &mut String) {
        if !self.json {
            return table.gap(gap, out);
        }
        let (before, after, segments) = (gap.before, gap.after, gap.count());
        let row = MissingRow { log: name.to_owned(), state: "missing", before, after, segments };
        write_json(&row, out);
        out.push('\n');
    }
}

/// Finds the logs at a path: whether each was found in a directory.
fn find(path: &Path, logs: &mut Vec<(Log, bool)>, outcome: &mut Outcome) {
    let mut fail = |error: OpenError| {
        complain(error);
        outcome.add(Outcome::Failed);
    };
    if !path.is_dir() {
        match Log::find(path) {
            Ok(log) => logs.push((log, false)),
            Err(error) => fail(error),
        }
        return;
    }
    match Directory::read(path) {
        Ok(directory) => {
            directory.refused.into_iter().for_each(&mut fail);
            for log in directory.logs {
                match Log::find(&log) {
                    Ok(log) => logs.push((log, true)),
                    Err(error) => fail(error),
                }
            }
        }
        Err(error) => fail(error),
    }
}

impl Row {
    fn of(name: &str, log: &Log, segment: &LogSegment) -> Result<Self, OpenError> {
        let mut row = Self {
            log: name.to_owned(),
            file: segment.path.display().to_string(),
            sequence: log.is_rotated().then(|| segment.sequence()),
            state: State::Closed,
            first_ns: None,
            last_ns: None,
            records: None,
            dropped: None,
            bytes: segment.bytes,
            disk_bytes: segment.disk_bytes,
        };
        if let Some((written, dropped)) = segment.totals() {
            (row.records, row.dropped) = (Some(written), Some(dropped));
            if let Some((first, last)) = segment.own_range().filter(|(first, last)| first <= last) {
                (row.first_ns, row.last_ns) = (Some(first), Some(last));
            } else if segment.bytes <= SHORT_BYTES {
                row.read(segment)?;
            }
            if segment.is_compressed {
                row.state = State::Compressed;
            }
            return Ok(row);
        }
        if segment.is_compressed {
            row.state = State::Compressed;
            return Ok(row);
        }
        let is_open = is_locked(&segment.open_file()?);
        row.state = if is_open { State::Open } else { State::Crashed };
        if segment.bytes <= MOST_READ_BYTES {
            row.read(segment)?;
        }
        Ok(row)
    }

    /// Reads a segment that does not say what is in it.
    fn read(&mut self, segment: &LogSegment) -> Result<(), OpenError> {
        let mut reader = segment.open(Options::new().snapshot(true))?;
        let progress = Progress::new("read", segment.bytes);
        let (mut range, mut events) = (None, 0_u64);
        let fail = |error| OpenError::new(&segment.path, error);
        while let Some(record) = reader.next_record().map_err(fail)? {
            let time_ns = record.time_ns();
            let (first, last) = range.unwrap_or((time_ns, time_ns));
            range = Some((time_ns.min(first), time_ns.max(last)));
            events += 1;
            if events.is_multiple_of(4096) {
                progress.at(reader.offset());
                if interrupt::requested() {
                    return Ok(());
                }
            }
        }
        let report = reader.report();
        (self.records, self.dropped) = (Some(report.records), Some(report.dropped));
        (self.first_ns, self.last_ns) = range.unzip();
        if report.ending == Ending::Truncated || report.damages > 0 {
            self.state = State::Damaged;
        } else if report.ending == Ending::Closed {
            self.state = State::Closed;
        }
        Ok(())
    }
}

impl Totals {
    fn add(&mut self, row: &Row) {
        self.segments += 1;
        self.records = self.records.saturating_add(row.records.unwrap_or(0));
        self.dropped = self.dropped.saturating_add(row.dropped.unwrap_or(0));
        self.disk_bytes = self.disk_bytes.saturating_add(row.disk_bytes);
        self.is_least |= row.records.is_none();
    }
}
