//! What a console shows: lines of a segment, in the order of time as far as they came together.

use std::fs::File;
use std::ops::Range;
use std::os::fd::OwnedFd;

use kymo_lines::{FileTimes, Lines, Options};
use kymo_reader::{Event, Reader};

use crate::clock::monotonic_ns;
use crate::console::stream::{Wrote, write};
use crate::console::{Console, Format};
use crate::consumer::feed::{Next, View};
use crate::level::Level;
use crate::shared::Shared;
use crate::sync::Arc;
use crate::sync::statics::{AtomicU64, Ordering};

/// How many events are shown at a time, at most.
const EVENTS: usize = 1 << 10;

/// How many bytes are shown at a time, about.
const BYTES: usize = 64 << 10;

/// How often the console says that it skips, in nanoseconds.
const SAY_NS: u64 = 1_000_000_000;

/// A segment on the terminal.
pub(super) struct Screen {
    to: OwnedFd,
    level: Level,
    format: Format,
    backlog: u64,
    shows_spans: bool,
    options: Options,
    lines: Lines,
    times: FileTimes,
    /// The segment, if there is one and it can be read.
    reader: Option<Reader<'static>>,
    /// How many bytes the segments before it have.
    begins_at: u64,
    /// Lines that came together, and what orders them.
    text: String,
    held: Vec<(i64, Range<usize>)>,
    out: String,
    /// It is late, and shows nothing until it has caught up.
    is_skipping: bool,
    /// How many records were skipped, until that is said.
    skipped: u64,
    said_ns: u64,
    /// How many records of segments were skipped that it has never seen.
    unseen: Arc<AtomicU64>,
    shared: Arc<Shared>,
}

impl Screen {
    pub(super) fn new(
        console: &Console,
        to: OwnedFd,
        shared: Arc<Shared>,
        unseen: Arc<AtomicU64>,
    ) -> Self {
        let options =
            Options::new().short_times(true).coloured(console.target().is_coloured(console.color));
        Self {
            to,
            level: console.level,
            format: console.format,
            backlog: console.backlog,
            shows_spans: console.shows_spans,
            lines: lines(console.format, &options),
            options,
            times: FileTimes::default(),
            reader: None,
            begins_at: 0,
            text: String::new(),
            held: Vec::new(),
            out: String::new(),
            is_skipping: false,
            skipped: 0,
            said_ns: 0,
            unseen,
            shared,
        }
    }

    /// Skips if it is too late, until it has nearly caught up.
    fn choose(&mut self, committed: u64) {
        let read = self.reader.as_ref().map_or(0, Reader::offset) + self.begins_at;
        let late = committed.saturating_sub(read);
        self.is_skipping = late > if self.is_skipping { self.backlog / 8 } else { self.backlog };
    }

    /// Reads a part of what is new. Returns how many records of it are to be shown, or hidden by choice, and whether
    /// there may be more.
    fn read(&mut self) -> (u64, bool) {
        let Some(reader) = &mut self.reader else { return (0, false) };
        let (mut records, mut skipped, mut has_more) = (0, 0, true);
        for _ in 0..EVENTS {
            if self.text.len() >= BYTES {
                break;
            }
            let event = match reader.next_event() {
                Ok(Some(event)) => event,
                Ok(None) => {
                    has_more = false;
                    break;
                }
                Err(_) => {
                    self.shared.counters.console_errors.increment();
                    (self.reader, has_more) = (None, false);
                    break;
                }
            };
            if let Event::Record(record) = &event {
                let is_hidden = !self.shows_spans && record.span_role().is_some();
                if self.is_skipping && !is_hidden {
                    skipped += 1;
                    continue;
                }
                records += 1;
                if is_hidden {
                    continue;
                }
            }
            let (key, at) = (self.times.key(&event), self.text.len());
            self.lines.write(0, "", &event, &mut self.text);
            self.held.push((key, at..self.text.len()));
        }
        self.skip(skipped);
        (records, has_more)
    }

    /// Counts records as skipped.
    fn skip(&mut self, records: u64) {
        if records > 0 {
            self.shared.counters.console_skipped.increase(records);
            self.skipped += records;
        }
    }

    /// Appends how many records were skipped, if it is time to say so.
    fn say_skipped(&mut self) {
        // Relaxed: a number.
        self.skipped += self.unseen.swap(0, Ordering::Relaxed);
        let now_ns = monotonic_ns();
        if self.skipped == 0 || self.is_skipping && now_ns < self.said_ns.saturating_add(SAY_NS) {
            return;
        }
        self.said_ns = now_ns;
        let records = std::mem::take(&mut self.skipped);
        self.out.push_str(&match self.format {
            Format::Text => {
                format!("-- … {} records skipped; they are in the file\n", grouped(records))
            }
            Format::Json => format!("{{\"event\":\"skipped\",\"records\":{records}}}\n"),
            Format::Logfmt => format!("event=skipped records={records}\n"),
        });
    }
}

impl View for Screen {
    type Segment = File;

    fn begin(&mut self, next: Next<File>) {
        let Next { segment, begins_at } = next;
        let level = self.level;
        let options = kymo_reader::Options::new().follow(true);
        let reader = options.filter(move |site| site.level() <= level).from_file(segment);
        if reader.is_err() {
            self.shared.counters.console_errors.increment();
        }
        (self.reader, self.begins_at) = (reader.ok(), begins_at);
        // Call sites and threads have other numbers there.
        (self.lines, self.times) = (lines(self.format, &self.options), FileTimes::default());
    }

    fn show(&mut self, committed: u64) -> Option<bool> {
        self.choose(committed);
        let (records, has_more) = self.read();
        self.is_skipping &= has_more;
        self.out.clear();
        self.say_skipped();
        self.held.sort_by_key(|(key, _)| *key);
        for (_, line) in self.held.drain(..) {
            self.out.push_str(&self.text[line]);
        }
        self.text.clear();
        match write(&self.to, self.out.as_bytes()) {
            Wrote::All => self.shared.counters.console_shown.add(records),
            wrote => {
                self.shared.counters.console_errors.increment();
                if wrote == Wrote::Closed {
                    // These count as not shown, as all that follow.
                    return None;
                }
                self.skip(records);
            }
        }
        Some(has_more)
    }
}

/// The printer of a format.
fn lines(format: Format, options: &Options) -> Lines {
    match format {
        Format::Text => Lines::text(options),
        Format::Json => Lines::json(1),
        Format::Logfmt => Lines::logfmt(options),
    }
}

/// A number with commas between its groups of digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_are_in_groups_of_three() {
        let all = [0, 999, 1_000, 123_456, 1_234_567].map(grouped);
        assert_eq!(all, ["0", "999", "1,000", "123,456", "1,234,567"]);
    }
}
