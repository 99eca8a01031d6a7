//! Whether all that a child logged is accounted for.

use std::collections::BTreeMap;
use std::path::Path;

use kymo::Level;
use kymo_reader::{Ending as FileEnding, HeaderState};

use crate::child::log_name;
use crate::configuration::{Configuration, Ending, Fault, index};
use crate::log::{Entry, Log};
use crate::table::{HOOK, Row, Session, Table};

/// What a child came to.
#[derive(Default)]
pub struct Verdict {
    pub logged: u64,
    pub written: u64,
    pub dropped: u64,
    pub rescued: u64,
    pub unlogged: u64,
    /// What is not as it should be.
    pub wrong: Vec<String>,
}

struct Case<'a> {
    of: &'a Configuration,
    table: &'a Table,
    directory: &'a Path,
    verdict: Verdict,
    /// The sums over all logs, by thread and level.
    found: BTreeMap<u64, [u64; 5]>,
    marks: BTreeMap<u64, [u64; 5]>,
    /// The greatest number of each thread so far.
    last: BTreeMap<u64, u64>,
    /// Whether all logs are there and were read.
    complete: bool,
}

/// Reads what a child left.
pub fn judge(of: &Configuration, table: &Table, directory: &Path) -> Verdict {
    let verdict = Verdict::default();
    let (found, marks, last) = Default::default();
    let mut case = Case { of, table, directory, verdict, found, marks, last, complete: true };
    for number in 0..of.sessions {
        if table.sessions[number].begun.get() == 1 {
            case.judge_session(number);
        }
    }
    case.judge_sums();
    case.verdict.wrong.truncate(50);
    case.verdict
}

impl Case<'_> {
    fn check(&mut self, is_right: bool, what: impl FnOnce() -> String) {
        if !is_right {
            self.verdict.wrong.push(what());
        }
    }

    /// Whether somebody else was at the file.
    fn is_touched(&self, number: usize) -> bool {
        number == 0 && matches!(self.of.fault, Some(Fault::Cut { .. } | Fault::Remove { .. }))
    }

    /// Whether the child's end was one that the logger could not see.
    fn is_sudden(&self, session: &Session) -> bool {
        let in_between = session.ending.get() == 1 && session.reported.get() == 0;
        match self.of.ending {
            Ending::Signal { number: libc::SIGKILL, .. } => true,
            Ending::Signal { .. } => !self.of.drains || in_between,
            Ending::Abort | Ending::Crash => !self.of.drains,
            _ => false,
        }
    }

    /// Whether the file of a session was closed.
    fn is_closed(&self, session: &Session) -> bool {
        if session.reported.get() == 1 {
            return session.timed_out.get() == 0;
        }
        !self.is_sudden(session) && !matches!(self.of.ending, Ending::Abort | Ending::Crash)
    }

    fn judge_session(&mut self, number: usize) {
        let session = &self.table.sessions[number];
        let path = self.directory.join(log_name(number));
        let (is_closed, is_touched) = (self.is_closed(session), self.is_touched(number));
        let log = match Log::read(&path, self.of) {
            Ok(log) => log,
            Err(error) => {
                let excused = match self.of.fault {
                    // After the end, nobody checks whether it is there.
                    Some(Fault::Remove { .. }) => is_touched && !path.exists() || !is_closed,
                    Some(Fault::Cut { .. }) => is_touched,
                    _ => false,
                };
                self.complete = false;
                return self.check(excused, || format!("{}: {error}", path.display()));
            }
        };
        self.verdict.wrong.extend(log.wrong.iter().take(5).cloned());
        let cut = is_touched && !matches!(self.of.fault, Some(Fault::Remove { .. }));
        self.complete &= !cut;
        if !cut {
            self.judge_file(number, &log, is_closed);
        }
        self.judge_order(number, &log);
        if self.of.fault.is_none() {
            self.judge_side_file(number, &path, &log);
        }
        for (thread, entries) in &log.threads {
            let found = self.found.entry(*thread).or_default();
            entries.iter().for_each(|entry| found[index(entry.level)] += 1);
        }
        for (thread, counts) in &log.marks {
            let marks = self.marks.entry(*thread).or_default();
            marks.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        self.verdict.written += log.count();
        self.verdict.dropped += log.marked();
    }

    /// A file that nobody damaged is whole, and says what the report says.
    fn judge_file(&mut self, number: usize, log: &Log, is_closed: bool) {
        let (session, report) = (&self.table.sessions[number], &log.report);
        let sound = (report.damages, report.missing) == (0, 0);
        self.check(sound && report.header == HeaderState::Good, || format!("{report:?}"));
        if is_closed {
            self.check(report.is_whole(), || format!("not whole: {report:?}"));
            self.check(report.ending == FileEnding::Closed, || format!("not closed: {report:?}"));
        }
        if session.reported.get() == 1 && is_closed {
            let reported = [
                session.written.get(),
                session.dropped.get() + session.unwritten.get(),
                session.warnings.get(),
                session.cut.get(),
                session.file_bytes.get(),
            ];
            let found = [log.count(), log.marked(), log.warnings, log.cut, log.report.length_bytes];
            self.check(reported == found, || {
                format!(
                    "session {number}: reported {reported:?}, found {found:?} \
                     (written, dropped, warnings, cut, bytes)"
                )
            });
            let failed = session.failed.get() == 1;
            let excused = number == 0 && self.of.fault.is_some();
            self.check(!failed || excused, || format!("session {number} reports an error"));
        }
        let runs = session.begun.get() == 1 && session.ending.get() == 0;
        let signal = match self.of.ending {
            Ending::Signal { number: libc::SIGTERM, .. } if runs => Some(libc::SIGTERM),
            Ending::Abort if session.reported.get() == 0 => Some(libc::SIGABRT),
            Ending::Crash if session.reported.get() == 0 => Some(libc::SIGSEGV),
            _ => None,
        };
        let in_between = matches!(self.of.ending, Ending::Signal { .. }) && !runs;
        let signal = signal.filter(|_| self.of.drains);
        let signals: Vec<_> = signal.into_iter().map(|number| number as u8).collect();
        self.check(log.signals == signals || in_between, || {
            format!("session {number}: signals {:?} and not {signals:?}", log.signals)
        });
        if is_closed && self.of.sessions == 1 && !self.is_touched(0) {
            for (thread, entries) in &log.threads {
                let marks = log.marks.get(thread).copied().unwrap_or_default();
                let holes = holes(entries);
                let covered = holes.iter().zip(marks).all(|(hole, mark)| *hole <= mark);
                self.check(covered, || {
                    format!("thread {thread}: {holes:?} records missing, marks for {marks:?}")
                });
            }
        }
    }

    /// A thread's records are in the order in which it logged them, and none of them twice.
    fn judge_order(&mut self, number: usize, log: &Log) {
        for (thread, entries) in &log.threads {
            let mut previous = self.last.get(thread).copied();
            let mut numbers = [None; 5];
            for entry in entries {
                let before = &mut numbers[index(entry.level)];
                if previous >= Some(entry.total) || *before >= Some(entry.number) {
                    self.verdict.wrong.push(format!(
                        "session {number}, {thread}: {entry:?} after {previous:?}, {before:?}"
                    ));
                    break;
                }
                previous = Some(entry.total);
                *before = Some(entry.number);
            }
            self.last.extend(previous.map(|last| (*thread, last)));
        }
    }

    /// What can be lost by nothing but an end of the logger is there, up to an end.
    fn judge_side_file(&mut self, number: usize, path: &Path, log: &Log) {
        let session = &self.table.sessions[number];
        let (merged, beside) = match Log::read_with_side_file(path, self.of) {
            Ok(read) => read,
            Err(error) => return self.check(false, || format!("with side file: {error}")),
        };
        self.verdict.rescued += beside;
        self.verdict.wrong.extend(merged.wrong.iter().take(5).cloned());
        if session.reported.get() == 1 && session.timed_out.get() == 0 {
            let rescued = session.rescued.get();
            self.check(rescued == beside, || format!("{rescued} rescued, {beside} in side file"));
        }
        self.check(merged.count() >= log.count().max(beside), || {
            format!("with side file {} records, without {}", merged.count(), log.count())
        });
        let is_sudden = session.reported.get() == 0 && self.is_sudden(session);
        let cut_off = session.unwritten.get() + session.timed_out.get() > 0;
        // A critical record that its thread wrote itself can outlive older ones in the ring.
        let in_order = !cut_off && (self.is_closed(session) || beside == 0);
        for (thread, entries) in &merged.threads {
            let twice = entries.windows(2).find(|pair| pair[0].total == pair[1].total);
            self.check(twice.is_none(), || format!("thread {thread}: twice {twice:?}"));
            let mut next = (number == 0).then_some(0);
            for entry in entries.iter().filter(|_| in_order) {
                if next.is_some_and(|next| next != entry.sure) {
                    self.verdict.wrong.push(format!(
                        "session {number}, thread {thread}: {next:?} sure records before {entry:?}"
                    ));
                    break;
                }
                next = Some(entry.sure + u64::from(entry.is_sure));
            }
        }
        if number > 0 || self.of.sessions > 1 {
            return;
        }
        let table = self.table;
        for (thread, row) in rows(table) {
            let entries = merged.threads.get(&thread).map_or(&[][..], Vec::as_slice);
            let found = entries.iter().filter(|entry| entry.is_sure).count() as u64;
            let (kept, sure, critical) = (row.kept.get(), row.sure.get(), row.critical.get());
            let all = self.is_quiet_and_drained() && !cut_off;
            let least = if all {
                sure
            } else if is_sudden && beside == 0 {
                kept
            } else {
                0
            };
            self.check(found >= least, || {
                format!("thread {thread}: {found} sure records of {least}")
            });
            let is_critical = |entry: &&Entry| entry.is_sure && self.of.is_critical(entry.level);
            let found = entries.iter().filter(is_critical).count() as u64;
            self.check(found >= critical || !is_sudden, || {
                format!("thread {thread}: {found} critical records of {critical}")
            });
        }
    }

    /// Whether the last logger had the time to write all, and nobody logged meanwhile.
    fn is_quiet_and_drained(&self) -> bool {
        self.table.quiet.get() == 1
            && (self.of.drains || !matches!(self.of.ending, Ending::Abort | Ending::Crash))
    }

    fn judge_sums(&mut self) {
        let table = self.table;
        let (mut late, mut late_by_hook) = (0, 0);
        let settled = table.settled.get() == 1;
        for (thread, row) in rows(table) {
            let logged: [u64; 5] = std::array::from_fn(|level| row.logged[level].get());
            self.verdict.logged += logged.iter().sum::<u64>();
            let found = self.found.get(&thread).copied().unwrap_or_default();
            let marks = self.marks.get(&thread).copied().unwrap_or_default();
            for (at, level) in Level::ALL.into_iter().enumerate() {
                let (logged, found, marks) = (logged[at], found[at], marks[at]);
                self.check(logged >= found + marks, || {
                    format!(
                        "thread {thread} {level}: {logged} logged, {found} found, {marks} dropped"
                    )
                });
                let sum = if thread == HOOK { &mut late_by_hook } else { &mut late };
                *sum += logged.saturating_sub(found + marks);
            }
        }
        let sessions = &table.sessions[..self.of.sessions];
        let unlogged = table.unlogged.get();
        self.verdict.unlogged = unlogged;
        let timed_out = sessions.iter().any(|session| session.timed_out.get() == 1);
        let known = settled || self.is_quiet_and_drained();
        if known && self.complete && !timed_out {
            let marked: u64 = self.marks.values().flatten().sum();
            let unknown = self.verdict.dropped - marked;
            // While the process ends nobody counts what the hook logs.
            let least = if settled { late + late_by_hook } else { late };
            let right = (least..=late + late_by_hook).contains(&(unlogged + unknown));
            self.check(right, || {
                format!(
                    "{late} records neither found nor marked, and {late_by_hook} of the hook; \
                     {unlogged} unlogged, {unknown} dropped by threads without a name"
                )
            });
        }
        if settled && !timed_out && sessions.iter().all(|session| session.reported.get() == 1) {
            let sum = |session: &Session| {
                session.written.get() + session.dropped.get() + session.unwritten.get()
            };
            let reported: u64 = sessions.iter().map(sum).sum();
            let logged = self.verdict.logged;
            self.check(reported + unlogged == logged, || {
                format!("{logged} logged, {reported} reported, {unlogged} unlogged")
            });
        }
        let single = self.of.sessions == 1 && self.of.quiet_end && settled;
        self.check(!single || unlogged == 0 || self.of.hook_logs, || {
            format!("{unlogged} unlogged")
        });
    }
}

fn rows(table: &Table) -> impl Iterator<Item = (u64, &Row)> {
    (HOOK..).zip(&table.threads)
}

/// How many numbers are missing before the last one, by level.
fn holes(entries: &[Entry]) -> [u64; 5] {
    let mut holes = [0; 5];
    for (at, level) in Level::ALL.into_iter().enumerate() {
        let of_level = || entries.iter().filter(|entry| entry.level == level);
        let found = of_level().count() as u64;
        holes[at] = of_level().next_back().map_or(0, |last| last.number + 1 - found);
    }
    holes
}
