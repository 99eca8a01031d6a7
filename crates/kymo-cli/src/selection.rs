//! The options for how many records are printed, and how many others around them as context.
//!
//! Without such options a line goes straight to the output. With them a line is held until it is known
//! whether it will be printed: lines before a possible match, up to the context asked for, and the last
//! matches until there are later ones. So memory is that of the lines asked for.

use std::collections::VecDeque;

use clap::Args;
use kymo_reader::Event;

use crate::output::{Closed, Output};
use kymo_lines::{Line, Lines};

/// The most marks that are held back while it is unknown whether the records before them are printed.
const MAX_HELD_MARKS: usize = 1_000;

/// The options for how many records are printed.
#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Filters")]
pub struct SelectionArguments {
    /// The first N records that pass the filters
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    head: Option<u64>,

    /// The last N records that pass the filters, or marks
    #[arg(long, value_name = "N", conflicts_with = "head",
        value_parser = clap::value_parser!(u64).range(1..))]
    last: Option<u64>,

    /// N records before and after each that passes the filters
    #[arg(short = 'C', long, value_name = "N")]
    context: Option<u64>,

    /// N records before each that passes the filters
    #[arg(short = 'B', long, value_name = "N")]
    before: Option<u64>,

    /// N records after each that passes the filters
    #[arg(short = 'A', long, value_name = "N")]
    after: Option<u64>,
}

/// Prints the selected records.
pub struct Selection {
    head: u64,
    last: Option<u64>,
    before: u64,
    after: u64,
    /// Lines may have to be held.
    holds: bool,
    output: Output,
    lines: Lines,
    /// How many records there were.
    records: u64,
    /// How many of them passed the filters.
    matches: u64,
    /// Records before this one, by their number, are context of a match before them.
    after_until: u64,
    /// Lines before the next match, if there is one.
    preceding: VecDeque<Entry>,
    preceding_marks: usize,
    /// Lines that are printed if nothing follows.
    latest: VecDeque<Entry>,
    /// How many of these are no context.
    latest_wanted: u64,
    /// How many of them precede the first that is no context.
    latest_leading: usize,
    /// The numbers of the matches among them.
    latest_matches: VecDeque<u64>,
    /// The number of the record that was printed last.
    printed: Option<u64>,
    spare: Vec<Line>,
}

/// A line that is held.
struct Entry {
    kind: Kind,
    /// The number of the record; of a mark, that of the next.
    number: u64,
    line: Line,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Match,
    Context,
    Mark,
}

impl SelectionArguments {
    /// Whether records are printed that do not pass the filters.
    pub fn wants_context(&self) -> bool {
        [self.context, self.before, self.after].iter().flatten().any(|&records| records > 0)
    }

    /// How many of the last are wanted, if only they are.
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// Whether all that pass the filters are printed, and nothing else.
    pub fn is_all(&self) -> bool {
        self.head.is_none() && self.last.is_none() && !self.wants_context()
    }

    pub fn build(self, lines: Lines, mut output: Output) -> Selection {
        lines.begin(output.buffer());
        let before = self.before.or(self.context).unwrap_or(0);
        let after = self.after.or(self.context).unwrap_or(0);
        Selection {
            head: self.head.unwrap_or(u64::MAX),
            last: self.last,
            before,
            after,
            holds: before > 0 || after > 0 || self.last.is_some(),
            output,
            lines,
            records: 0,
            matches: 0,
            after_until: 0,
            preceding: VecDeque::new(),
            preceding_marks: 0,
            latest: VecDeque::new(),
            latest_wanted: 0,
            latest_leading: 0,
            latest_matches: VecDeque::new(),
            printed: None,
            spare: Vec::new(),
        }
    }
}

impl Selection {
    /// Takes a record that passed the filters (`is_match`), or one that could be context.
    #[inline]
    pub fn record(
        &mut self,
        file: usize,
        log: &str,
        event: &Event<'_>,
        is_match: bool,
    ) -> Result<(), Closed> {
        if self.holds {
            return self.hold_record(file, log, event, is_match);
        }
        if is_match {
            self.matches += 1;
            self.lines.write(file, log, event, self.output.buffer());
            self.output.line_done()?;
        }
        Ok(())
    }

    /// Takes an event that is no record.
    pub fn mark(&mut self, file: usize, log: &str, event: &Event<'_>) -> Result<(), Closed> {
        if !self.holds {
            self.lines.write(file, log, event, self.output.buffer());
            return self.output.line_done();
        }
        let entry = self.entry(Kind::Mark, file, log, event);
        if entry.line.is_empty() {
            self.spare.push(entry.line);
            return Ok(());
        }
        if self.preceding.is_empty() {
            return self.emit(entry);
        }
        self.preceding.push_back(entry);
        self.preceding_marks += 1;
        self.trim_preceding(self.before)
    }

    /// Whether everything that is asked for has been printed.
    #[inline]
    pub fn is_complete(&self) -> bool {
        self.matches >= self.head && self.records >= self.after_until
    }

    /// How many records passed the filters.
    pub fn matches(&self) -> u64 {
        self.matches
    }

    /// Prints held lines that are wanted after all.
    pub fn finish(mut self) -> Result<(), Closed> {
        self.trim_preceding(0)?;
        while let Some(entry) = self.latest.pop_front() {
            self.print(entry)?;
        }
        self.output.finish()
    }

    fn hold_record(
        &mut self,
        file: usize,
        log: &str,
        event: &Event<'_>,
        is_match: bool,
    ) -> Result<(), Closed> {
        if is_match && self.matches < self.head {
            self.matches += 1;
            while let Some(entry) = self.preceding.pop_front() {
                self.emit(entry)?;
            }
            self.preceding_marks = 0;
            let entry = self.entry(Kind::Match, file, log, event);
            self.after_until = (self.records + 1).saturating_add(self.after);
            self.emit(entry)?;
        } else if self.records < self.after_until {
            let entry = self.entry(Kind::Context, file, log, event);
            self.emit(entry)?;
        } else if self.before > 0 {
            let entry = self.entry(Kind::Context, file, log, event);
            self.preceding.push_back(entry);
            self.trim_preceding(self.before)?;
        }
        self.records += 1;
        Ok(())
    }

    fn entry(&mut self, kind: Kind, file: usize, log: &str, event: &Event<'_>) -> Entry {
        let mut line = self.spare.pop().unwrap_or_default();
        self.lines.hold(file, log, event, &mut line);
        Entry { kind, number: self.records, line }
    }

    /// Gives up the oldest records before a match, until there are no more than so many, and prints
    /// the marks among them.
    fn trim_preceding(&mut self, records: u64) -> Result<(), Closed> {
        while let Some(front) = self.preceding.front() {
            let held = (self.preceding.len() - self.preceding_marks) as u64;
            let is_mark = front.kind == Kind::Mark;
            if !is_mark && held <= records && self.preceding_marks <= MAX_HELD_MARKS {
                break;
            }
            let Some(entry) = self.preceding.pop_front() else { break };
            if is_mark {
                self.preceding_marks -= 1;
                self.emit(entry)?;
            } else {
                self.spare.push(entry.line);
            }
        }
        Ok(())
    }

    /// Prints a line, or, where only the last are wanted, holds it.
    fn emit(&mut self, entry: Entry) -> Result<(), Closed> {
        let Some(last) = self.last else { return self.print(entry) };
        self.latest_wanted += u64::from(entry.kind != Kind::Context);
        if entry.kind == Kind::Match {
            self.latest_matches.push_back(entry.number);
        }
        self.latest.push_back(entry);
        if self.latest_wanted > last {
            self.give_up_oldest();
        }
        Ok(())
    }

    /// Makes the oldest match mere context of those after it, or gives up the oldest mark,
    /// whichever is older; and then what is no longer context of anything.
    fn give_up_oldest(&mut self) {
        self.pass_leading();
        self.latest_wanted -= 1;
        match self.latest.get_mut(self.latest_leading) {
            Some(oldest) if oldest.kind == Kind::Match => {
                oldest.kind = Kind::Context;
                self.latest_matches.pop_front();
            }
            _ => {
                let oldest = self.latest.remove(self.latest_leading);
                self.spare.extend(oldest.map(|entry| entry.line));
            }
        }
        self.pass_leading();
        let next = self.latest_matches.front().copied().unwrap_or(u64::MAX);
        while let Some(front) = self.latest.front()
            && self.latest_leading > 0
            && front.number < next.saturating_sub(self.before)
        {
            self.latest_leading -= 1;
            self.spare.extend(self.latest.pop_front().map(|entry| entry.line));
        }
    }

    /// Counts the context that the latest lines begin with.
    fn pass_leading(&mut self) {
        while let Some(Entry { kind: Kind::Context, .. }) = self.latest.get(self.latest_leading) {
            self.latest_leading += 1;
        }
    }

    fn print(&mut self, entry: Entry) -> Result<(), Closed> {
        let has_context = self.before > 0 || self.after > 0;
        if entry.kind != Kind::Mark {
            if has_context && self.printed.is_some_and(|printed| printed + 1 != entry.number) {
                self.lines.separate(self.output.buffer());
            }
            self.printed = Some(entry.number);
        }
        self.lines.release(&entry.line, self.output.buffer());
        self.spare.push(entry.line);
        self.output.line_done()
    }
}
