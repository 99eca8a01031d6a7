//! What a console shows: lines of a segment, in the order of time as far as they came together.

use std::ops::Range;
use std::os::fd::OwnedFd;

use kymo_lines::{FileTimes, Lines, Options};
use kymo_reader::{Event, Record};

use crate::clock::monotonic_ns;
use crate::console::stream::{Wrote, write};
use crate::console::{Console, Format};
use crate::following::{Part, Take};
use crate::shared::tally::Tally;
use crate::sync::Arc;

/// How many bytes are shown at a time, about.
const BYTES: usize = 64 << 10;

/// How often the console says that it skips, in nanoseconds.
const SAY_NS: u64 = 1_000_000_000;

/// Segments on the terminal.
pub(super) struct Screen {
    to: OwnedFd,
    format: Format,
    shows_spans: bool,
    options: Options,
    lines: Lines,
    times: FileTimes,
    /// Lines that came together, and what orders them.
    text: String,
    held: Vec<(i64, Range<usize>)>,
    out: String,
    /// How many records were skipped, until that is said.
    skipped: u64,
    said_ns: u64,
    tally: Arc<Tally>,
}

impl Screen {
    pub(super) fn new(console: &Console, to: OwnedFd, tally: Arc<Tally>) -> Self {
        let is_coloured = console.target().is_coloured(console.color);
        let options =
            Options::new().short_times(true).zone(console.zone.of_lines()).coloured(is_coloured);
        Self {
            to,
            format: console.format,
            shows_spans: console.shows_spans,
            lines: lines(console.format, &options),
            options,
            times: FileTimes::default(),
            text: String::new(),
            held: Vec::new(),
            out: String::new(),
            skipped: 0,
            said_ns: 0,
            tally,
        }
    }

    /// Appends how many records were skipped, if it is time to say so.
    fn say_skipped(&mut self, is_skipping: bool) {
        let now_ns = monotonic_ns();
        if self.skipped == 0 || is_skipping && now_ns < self.said_ns.saturating_add(SAY_NS) {
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

impl Take for Screen {
    fn begin(&mut self) {
        (self.lines, self.times) = (lines(self.format, &self.options), FileTimes::default());
    }

    fn leaves_out(&self, record: &Record<'_>) -> bool {
        !self.shows_spans && record.span_role().is_some()
    }

    fn skipped(&mut self, records: u64) {
        self.skipped += records;
    }

    fn take(&mut self, event: &Event<'_>) {
        let (key, at) = (self.times.key(event), self.text.len());
        self.lines.write(0, "", event, &mut self.text);
        self.held.push((key, at..self.text.len()));
    }

    fn is_full(&self) -> bool {
        self.text.len() >= BYTES
    }

    fn finish(&mut self, part: Part) -> bool {
        self.out.clear();
        self.say_skipped(part.is_skipping);
        self.held.sort_by_key(|(key, _)| *key);
        for (_, line) in self.held.drain(..) {
            self.out.push_str(&self.text[line]);
        }
        self.text.clear();
        // What is hidden by choice counts with what is shown.
        let records = part.records + part.left_out;
        match write(&self.to, self.out.as_bytes()) {
            Wrote::All => self.tally.taken.add(records),
            wrote => {
                self.tally.errors.increment();
                if wrote == Wrote::Closed {
                    // These count as not shown, as all that follow.
                    return false;
                }
                self.tally.skipped.increase(records);
                self.skipped += records;
            }
        }
        true
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
