//! Writes the list as a table of text.

use std::fmt::Write;
use std::path::Path;

use jiff::tz::TimeZone;
use kymo_query::time::Times;
use kymo_reader::{MissingSegments, write_escaped};
use terminal_size::{Width, terminal_size_of};

use super::{Row, State, Totals};

/// Writes rows, cut to the width of a terminal.
pub struct Table {
    times: Times,
    /// `None` if the output is no terminal: then nothing is cut.
    width: Option<usize>,
    logs: usize,
}

impl Table {
    pub fn new(zone: TimeZone) -> Self {
        let format = if zone == TimeZone::UTC {
            "%Y-%m-%dT%H:%M:%S%.3fZ"
        } else {
            "%Y-%m-%dT%H:%M:%S%.3f%:z"
        };
        let times = Times::with_format(zone.clone(), format);
        Self {
            times: times.unwrap_or_else(|_| Times::new(zone)),
            width: terminal_size_of(std::io::stdout()).map(|(Width(width), _)| width.into()),
            logs: 0,
        }
    }

    /// Writes the name of a log, and the names of the columns.
    pub fn begin(&mut self, log: &Path, out: &mut String) {
        if self.logs > 0 {
            out.push('\n');
        }
        self.logs += 1;
        self.line(&log.display().to_string(), out);
        let (zone, records) = (self.time_width(), "records");
        let line = format!(
            "{:>8}  {:zone$}  {:zone$}  {records:>12}  {:>9}  {:>9}  {:10}  file",
            "segment", "from", "to", "dropped", "size", "state"
        );
        self.line(&line, out);
    }

    pub fn row(&mut self, row: &Row, out: &mut String) {
        let count = |count: Option<u64>| count.map_or("?".to_owned(), |count| count.to_string());
        let mut line = String::new();
        let _ = match row.sequence {
            Some(sequence) => write!(line, "{sequence:>8}"),
            None => write!(line, "{:>8}", "-"),
        };
        for time_ns in [row.first_ns, row.last_ns] {
            line.push_str("  ");
            match time_ns {
                Some(time_ns) => self.times.write(time_ns, &mut line),
                None => line.extend(std::iter::repeat_n(' ', self.time_width())),
            }
        }
        let file = Path::new(&row.file).file_name().map(|name| name.to_string_lossy());
        let _ = write!(
            line,
            "  {:>12}  {:>9}  {:>9}  {:10}  {}",
            count(row.records),
            count(row.dropped),
            size(row.disk_bytes),
            row.state.name(),
            file.unwrap_or_default(),
        );
        self.line(&line, out);
    }

    pub fn gap(&self, gap: MissingSegments, out: &mut String) {
        self.line(&format!("{:>8}  {gap}", "--"), out);
    }

    pub fn totals(&self, totals: &Totals, out: &mut String) {
        let Totals { segments, missing, records, dropped, disk_bytes, is_least } = totals;
        let plural = if *segments == 1 { "segment" } else { "segments" };
        let mut line = format!("{segments} {plural}");
        if *missing > 0 {
            let _ = write!(line, " and {missing} missing");
        }
        let least = if *is_least { "at least " } else { "" };
        let size = size(*disk_bytes);
        let _ = write!(line, ": {least}{records} records, {dropped} dropped, {size}");
        self.line(&line, out);
    }

    fn time_width(&mut self) -> usize {
        let mut text = String::new();
        self.times.write(0, &mut text);
        text.chars().count()
    }

    /// Appends a line, cut to the width of the terminal.
    fn line(&self, text: &str, out: &mut String) {
        let start = out.len();
        write_escaped(text, out);
        let width = self.width.unwrap_or(usize::MAX);
        if let Some((cut, _)) = out[start..].char_indices().nth(width) {
            out.truncate(start + cut);
        }
        out.push('\n');
    }
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Crashed => "crashed",
            Self::Compressed => "compressed",
            Self::Damaged => "damaged",
        }
    }
}

/// A number of bytes in a unit that suits it.
fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in units {
        if value < 1_000.0 {
            break;
        }
        (value, unit) = (value / 1_024.0, next);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_that_suit_them() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (4_096, "4.0 KiB"),
            (1 << 20, "1.0 MiB"),
            (100 << 30, "100.0 GiB"),
            (u64::MAX, "16384.0 PiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }
}
