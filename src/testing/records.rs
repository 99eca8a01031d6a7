//! Captured records, and how they are printed.

use std::collections::VecDeque;
use std::fmt::{self, Write};

use kymo_lines::{Lines, Options};
use kymo_reader::Event;

use crate::filter::Filter;
use crate::level::Level;

/// How many records of a failing test are printed.
const PRINTED: usize = 1_000;

/// The environment variable that says what is printed.
const VARIABLE: &str = "KYMO_LOG";

/// A record that was captured. Its text ([`Display`](fmt::Display)) is that of `kymo cat`.
#[derive(Clone, Debug)]
pub struct Record {
    level: Level,
    time_ns: i64,
    target: String,
    thread: String,
    file: String,
    line: u64,
    message: String,
    fields: Vec<(String, String)>,
    text: String,
}

impl Record {
    pub(super) fn new(record: &kymo_reader::Record<'_>) -> Self {
        let mut message = String::new();
        record.message(&mut message);
        let fields = record.arguments().filter(|(name, _)| !name.is_empty());
        Self {
            level: record.level(),
            time_ns: record.time_ns(),
            target: record.target().to_owned(),
            thread: record.thread().name().to_owned(),
            file: record.file().to_owned(),
            line: record.line(),
            message,
            fields: fields.map(|(name, value)| (name.to_owned(), value.to_string())).collect(),
            text: line(record).trim_end().to_owned(),
        }
    }

    /// Its level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// When it was logged, in nanoseconds since 1970-01-01T00:00:00Z.
    pub fn time_ns(&self) -> i64 {
        self.time_ns
    }

    /// Its target: the module path, unless the statement names another.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The name of the thread that logged it, empty if it has none.
    pub fn thread(&self) -> &str {
        &self.thread
    }

    /// The source file of its statement.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line of its statement.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Its message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The argument with this name, as `{}` prints it.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own == name).map(|(_, value)| &**value)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The line of `kymo cat` for a record, without control characters.
fn line(record: &kymo_reader::Record<'_>) -> String {
    let mut line = String::new();
    let mut lines = Lines::text(&Options::new().short_times(true));
    lines.write(0, "", &Event::Record(*record), &mut line);
    line
}

/// Lists records, and says how many more there are.
pub(super) fn list<'r>(records: impl ExactSizeIterator<Item = &'r Record>, all: usize) -> String {
    let shown = records.len();
    let mut text = records.map(|record| format!("  {record}")).collect::<Vec<_>>().join("\n");
    if all > shown {
        let _ = write!(text, "\n  … and {} more", all - shown);
    }
    text
}

/// What is printed of a failing test.
pub(super) struct Printed {
    filter: Option<Filter>,
    lines: VecDeque<String>,
    /// How many records were left out, and how many of them by the filter.
    left_out: usize,
    filtered: usize,
}

impl Printed {
    pub(super) fn new() -> Self {
        let directives = std::env::var(VARIABLE).unwrap_or_default();
        let filter = if directives.is_empty() {
            None
        } else {
            // A wrong one hides nothing.
            directives.parse().inspect_err(|error| eprintln!("{VARIABLE}: {error}")).ok()
        };
        Self { filter, lines: VecDeque::new(), left_out: 0, filtered: 0 }
    }

    pub(super) fn add(&mut self, record: &kymo_reader::Record<'_>) {
        let allows = |it: &Filter| it.allows(record.level(), record.target());
        if !self.filter.as_ref().is_none_or(allows) {
            self.filtered += 1;
            return;
        }
        if self.lines.len() == PRINTED {
            self.lines.pop_front();
            self.left_out += 1;
        }
        self.lines.push_back(line(record));
    }

    pub(super) fn finish(&self) -> String {
        let mut text = String::from("---- kymo: what this test logged ----\n");
        if self.filtered > 0 {
            let _ = writeln!(text, "({} records left out by {VARIABLE})", self.filtered);
        }
        if self.left_out > 0 {
            let _ = writeln!(text, "({} records before these)", self.left_out);
        }
        self.lines.iter().for_each(|line| text.push_str(line));
        text
    }
}
