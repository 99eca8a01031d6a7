//! Lines that arrived together, sorted by time before they are printed. The order of each thread is
//! kept.

use kymo_reader::{Event, Reader};

use crate::filter;
use crate::format;
use crate::output::{Closed, Output};
use kymo_lines::{FileTimes, Line, Lines};
use kymo_query::{Argument, Filter};

/// How many lines more than wanted are held before those that are not wanted are let go.
const SLACK: usize = 4 << 10;

/// Turns events into lines and holds them.
pub struct Batch {
    filter: Filter,
    lines: Lines,
    held: Vec<Held>,
    spare: Vec<Line>,
    /// Only this many lines, the last ones, are wanted; `None` is all.
    last: Option<usize>,
    files: Vec<FileTimes>,
    printed: u64,
}

struct Held {
    /// The sort key: its time, or the latest time before it in its thread, if that is later.
    key: i64,
    is_record: bool,
    line: Line,
}

impl Batch {
    /// Prints only the `last` lines of the first batch.
    pub fn new(filter: Filter, lines: Lines, last: usize) -> Self {
        Self {
            filter,
            lines,
            held: Vec::new(),
            spare: Vec::new(),
            last: Some(last),
            files: Vec::new(),
            printed: 0,
        }
    }

    /// From now on, every line is printed.
    pub fn want_all(&mut self) {
        self.last = None;
    }

    /// There is one more file, with the next number from 0 on.
    pub fn add_file(&mut self) {
        self.lines.add_file();
        self.files.push(FileTimes::default());
    }

    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Says which names that the user asked for are likely misspelt, by what was read so far.
    pub fn complain_about_names<'r>(
        &self,
        readers: impl IntoIterator<Item = &'r Reader<'static>> + Clone,
    ) {
        let shown: Vec<Argument> = self.lines.arguments().into_iter().cloned().collect();
        filter::complain_about_names(&self.filter, readers, |catalog| {
            format::hints(&shown, catalog)
        });
    }

    /// How many records were printed.
    pub fn printed(&self) -> u64 {
        self.printed
    }

    /// Takes an event from the file `log`, number `file`, if it is wanted.
    pub fn push(&mut self, file: usize, log: &str, event: &Event<'_>) {
        let key = self.files[file].key(event);
        let is_record = match event {
            Event::Record(record) if self.filter.admits(file, record) => true,
            Event::Record(_) => return,
            mark if self.filter.admits_mark(mark) => false,
            _ => return,
        };
        let mut line = self.spare.pop().unwrap_or_default();
        self.lines.hold(file, log, event, &mut line);
        if line.is_empty() {
            self.spare.push(line);
            return;
        }
        self.held.push(Held { key, is_record, line });
        if self.last.is_some_and(|last| self.held.len() >= last.saturating_add(SLACK)) {
            self.sort();
        }
    }

    /// Prints the held lines.
    pub fn print(&mut self, output: &mut Output) -> Result<(), Closed> {
        self.sort();
        for Held { is_record, line, .. } in self.held.drain(..) {
            self.lines.release(&line, output.buffer());
            output.line_done()?;
            self.printed += u64::from(is_record);
            self.spare.push(line);
        }
        output.flush()
    }

    /// Puts the lines in order, and lets go of those that are too many.
    fn sort(&mut self) {
        self.held.sort_by_key(|held| held.key);
        if let Some(last) = self.last {
            let surplus = self.held.len().saturating_sub(last);
            self.spare.extend(self.held.drain(..surplus).map(|held| held.line));
        }
    }
}
