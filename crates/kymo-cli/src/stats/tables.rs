//! Writes stats as tables of text. Text from a file is last in its row, escaped, and on a terminal cut
//! to its width.

use std::fmt::Write;

use jiff::tz::TimeZone;
use kymo_reader::write_escaped;
use unicode_width::UnicodeWidthChar;

use super::between::Latency;
use super::histogram::Histogram;
use super::metrics::MetricSums;
use super::scopes::ScopeTimes;
use super::spans::SpanTimes;
use super::summary::{Count, Summary};
use kymo_query::time::Times;

/// The width of a diagram that goes to no terminal.
const DEFAULT_WIDTH: usize = 80;

/// How many columns the text in a row has at least, however narrow the terminal is.
const MIN_TEXT_COLUMNS: usize = 12;

/// The height of the histogram, in lines.
const HEIGHT: u64 = 5;

/// Blocks of one to eight eighths of a line's height.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The extent of the tables.
#[derive(Clone, Copy)]
pub struct Extent {
    /// How many rows a table has at most; 0 is all.
    pub top: usize,
    /// The width of the terminal, if they go to one.
    pub width: Option<usize>,
}

/// Appends everything.
pub fn write(summary: &Summary, extent: Extent, zone: TimeZone, out: &mut String) {
    let mut times = Times::new(zone);
    write_overview(summary, &mut times, out);
    let width = extent.width.unwrap_or(DEFAULT_WIDTH);
    write_histogram(&summary.histogram, width, &mut times, out);
    if summary.records > 0 {
        let rows = summary.call_sites.iter().map(|row| {
            let mut text = format!("{:5} {} {}: ", row.level, row.at, row.target);
            match &row.example {
                Some(example) => text += &format!("e.g. {example:?}"),
                None => text += &row.format,
            }
            if row.suppressed > 0 {
                let _ = write!(text, " ({} suppressed)", row.suppressed);
            }
            (text, row.count)
        });
        write_table(summary, "call site", rows, extent, out);
        let rows = summary.targets.iter().map(|row| (row.name.clone(), row.count));
        write_table(summary, "target", rows, extent, out);
        let rows = summary.levels.iter().map(|row| (row.name.clone(), row.count));
        write_table(summary, "level", rows, extent, out);
        let rows = summary.threads.iter().map(|row| {
            let mut text = row.name.clone();
            if row.dropped > 0 {
                let _ = write!(text, ", {} dropped", row.dropped);
            }
            if row.lost > 0 {
                let _ = write!(text, ", {} lost", row.lost);
            }
            (text, row.count)
        });
        write_table(summary, "thread", rows, extent, out);
    }
    if !summary.drops.is_empty() {
        let _ = writeln!(out, "\n{:>12}  dropped because", "records");
        for row in &summary.drops {
            let level = row.level.unwrap_or("unknown level");
            let _ = writeln!(out, "{:>12}  {} ({level})", row.records, row.reason);
        }
    }
    if let Some(latency) = &summary.between {
        write_latency(latency, out);
    }
    if let Some(spans) = &summary.spans {
        write_spans(spans, extent.top, out);
    }
    if let Some(scopes) = &summary.scopes {
        write_scopes(scopes, extent.top, out);
    }
    if let Some(metrics) = &summary.metrics {
        write_metrics(metrics, extent.top, out);
    }
}

fn write_overview(summary: &Summary, times: &mut Times, out: &mut String) {
    let Summary { records, dropped, lost, file_bytes, files, .. } = summary;
    let plural = if *files == 1 { "file" } else { "files" };
    let _ = writeln!(
        out,
        "{records} records, {dropped} dropped, {lost} lost; {file_bytes} bytes in {files} {plural}"
    );
    if summary.suppressed > 0 {
        let _ = writeln!(out, "{} records were suppressed by a rate", summary.suppressed);
    }
    if summary.dumps > 0 {
        let (dumps, dumped) = (summary.dumps, summary.dumped);
        let _ = writeln!(out, "{dumps} dumps of flight recorders, of {dumped} records in all");
    }
    let (Some(first), Some(last)) = (summary.first_ns, summary.last_ns) else { return };
    times.write(first, out);
    out.push_str(" to ");
    times.write(last, out);
    if let Some(seconds) = summary.seconds() {
        let _ = write!(out, ": {}", duration(last.abs_diff(first)));
        let (records, bytes) = (*records as f64 / seconds, summary.bytes as f64 / seconds);
        let _ = write!(out, ", {} records/s, {} bytes/s", rate(records), rate(bytes));
    }
    out.push('\n');
}

fn write_histogram(histogram: &Histogram, width: usize, times: &mut Times, out: &mut String) {
    let columns = histogram.columns(width);
    let highest = columns.counts.iter().copied().max().unwrap_or(0);
    if columns.counts.len() < 2 {
        return;
    }
    out.push('\n');
    for line in (0..HEIGHT).rev() {
        let mut row = String::new();
        for &count in &columns.counts {
            // Whatever is there is seen.
            let eighths = (u128::from(count) * u128::from(HEIGHT * 8)).div_ceil(highest.into());
            let here = (eighths as u64).saturating_sub(line * 8).min(8);
            row.push(here.checked_sub(1).map_or(' ', |index| BLOCKS[index as usize]));
        }
        out.push_str(row.trim_end());
        out.push('\n');
    }
    let step = duration(columns.step_ns);
    let _ = write!(out, "a column is {step}, the highest has {highest} records; from ");
    times.write(columns.start_ns, out);
    out.push('\n');
}

fn write_table(
    summary: &Summary,
    what: &str,
    rows: impl ExactSizeIterator<Item = (String, Count)>,
    Extent { top, width }: Extent,
    out: &mut String,
) {
    let top = if top == 0 { usize::MAX } else { top };
    let left_out = rows.len().saturating_sub(top);
    let _ = writeln!(
        out,
        "\n{:>12} {:>6} {:>9} {:>14} {:>6} {:>9}  {what}",
        "records", "share", "/s", "bytes", "share", "/record"
    );
    let percent = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
    for (text, Count { records, bytes }) in rows.take(top) {
        let per_second =
            summary.seconds().map_or("-".to_owned(), |seconds| rate(records as f64 / seconds));
        let start = out.len();
        let _ = write!(
            out,
            "{records:>12} {:>5.1}% {per_second:>9} {bytes:>14} {:>5.1}% {:>9.1}  ",
            percent(records, summary.records),
            percent(bytes, summary.bytes),
            bytes as f64 / records.max(1) as f64,
        );
        let mut escaped = String::new();
        write_escaped(&text, &mut escaped);
        match width {
            Some(width) => {
                let before = out[start..].chars().count();
                cut(&escaped, width.saturating_sub(before).max(MIN_TEXT_COLUMNS), out);
            }
            None => out.push_str(&escaped),
        }
        out.push('\n');
    }
    if left_out > 0 {
        let _ = writeln!(out, "{:>12} more; --top 0 shows all", left_out);
    }
}

/// Appends as much of `text` as fits into so many columns, and `…` for the rest.
fn cut(text: &str, columns: usize, out: &mut String) {
    // Some characters are two columns wide, and some none.
    let width = |c: char| c.width().unwrap_or(0);
    if text.chars().map(width).sum::<usize>() <= columns {
        return out.push_str(text);
    }
    let mut used = 1;
    out.extend(text.chars().take_while(|&c| {
        used += width(c);
        used <= columns
    }));
    out.push('…');
}

fn write_latency(latency: &Latency, out: &mut String) {
    let mut title = format!("from {} to {}", latency.from, latency.to);
    match &latency.by {
        Some(by) => title += &format!(" with the same `{by}`"),
        None => title += " in the same thread",
    }
    out.push('\n');
    write_escaped(&title, out);
    let Latency { pairs, begun, ended, .. } = latency;
    let _ = writeln!(out, ": {pairs} pairs of {begun} and {ended} records");
    if latency.backwards > 0 {
        let _ = writeln!(out, "{:>12}  went back in time, and count as 0", latency.backwards);
    }
    if latency.unwatched > 0 {
        let unwatched = latency.unwatched;
        let _ = writeln!(out, "{unwatched:>12}  were too many to look for their ends");
    }
    if *pairs == 0 {
        return;
    }
    let _ = writeln!(out, "{:>12}  least", duration(latency.min_ns));
    let _ = writeln!(out, "{:>12}  mean", duration(latency.mean_ns.round() as u64));
    for percentile in &latency.percentiles {
        let what = match percentile.percent {
            100.0 => "most".to_owned(),
            percent => format!("p{percent}"),
        };
        let _ = writeln!(out, "{:>12}  {what}", duration(percentile.ns));
    }
}

fn write_scopes(times: &ScopeTimes, top: usize, out: &mut String) {
    let _ = write!(out, "\n{:>12}  {:>11}", "scopes", "total");
    for percent in ["p50", "p90", "p99", "most"] {
        let _ = write!(out, "  {percent:>11}");
    }
    out.push_str("  scope\n");
    let shown = if top == 0 { times.rows.len() } else { top.min(times.rows.len()) };
    for row in &times.rows[..shown] {
        let _ = write!(out, "{:>12}  {:>11}", row.scopes, duration(row.total_ns));
        for ns in &row.took_ns {
            let _ = write!(out, "  {:>11}", duration(*ns));
        }
        out.push_str("  ");
        write_escaped(&format!("{}: {}", row.target, row.name), out);
        out.push('\n');
    }
    if shown < times.rows.len() {
        let _ = writeln!(out, "{:>12}  more names", times.rows.len() - shown);
    }
    for (scopes, why) in
        [(times.open, "had not ended"), (times.unwatched, "were too many to measure")]
    {
        if scopes > 0 {
            let _ = writeln!(out, "{scopes:>12}  {why}");
        }
    }
}

fn write_metrics(metrics: &MetricSums, top: usize, out: &mut String) {
    let heads: [(&str, &str, &[&str]); 3] = [
        ("count", "counters", &["sum"]),
        ("gauge", "gauges", &["last", "least", "most"]),
        ("histogram", "histograms", &["p50", "p90", "p99", "most"]),
    ];
    for (kind, title, columns) in heads {
        let rows = || metrics.rows.iter().filter(|row| row.kind == kind);
        let count = rows().count();
        if count == 0 {
            continue;
        }
        let _ = write!(out, "\n{:>12}", "records");
        for column in columns {
            let _ = write!(out, "  {column:>15}");
        }
        let _ = writeln!(out, "  {title}");
        let shown = if top == 0 { count } else { top.min(count) };
        for row in rows().take(shown) {
            let _ = write!(out, "{:>12}", row.records);
            let value = |value: f64| match row.unit {
                Some(_) if value >= 0.0 => duration(value.round() as u64),
                _ => short(value),
            };
            let values = match kind {
                "count" if row.unit.is_some() => vec![value(row.sum.as_f64().unwrap_or(0.0))],
                "count" => vec![row.sum.to_string()],
                "gauge" => vec![value(row.last), value(row.least), value(row.most)],
                _ => row.percentiles.map(value).to_vec(),
            };
            for value in values {
                let _ = write!(out, "  {value:>15}");
            }
            let mut name = row.name.to_string();
            for (at, (label, value)) in row.labels.iter().enumerate() {
                let _ = write!(name, "{}{label}={value}", if at == 0 { "{" } else { ", " });
            }
            name.push_str(if row.labels.is_empty() { "" } else { "}" });
            out.push_str("  ");
            write_escaped(&name, out);
            out.push('\n');
        }
        if shown < count {
            let _ = writeln!(out, "{:>12}  more", count - shown);
        }
    }
    if metrics.unwatched > 0 {
        let _ = writeln!(out, "{:>12}  records had too many labels", metrics.unwatched);
    }
}

/// A number with six digits or so.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if value.fract() == 0.0 && size < 1e15 => format!("{value}"),
        1e-3..1e9 => format!("{value:.3}"),
        _ => format!("{value:.5e}"),
    }
}

fn write_spans(times: &SpanTimes, top: usize, out: &mut String) {
    let SpanTimes { rows, open, unknown, unwatched } = times;
    let _ = write!(out, "\n{:>12}", "spans");
    for what in ["busy", "idle"] {
        for percent in ["p50", "p90", "p99", "most"] {
            let _ = write!(out, "  {:>11}", format!("{what} {percent}"));
        }
    }
    out.push_str("  span\n");
    let shown = if top == 0 { rows.len() } else { top.min(rows.len()) };
    for row in &rows[..shown] {
        let _ = write!(out, "{:>12}", row.spans);
        for ns in row.busy_ns.iter().chain(&row.idle_ns) {
            let _ = write!(out, "  {:>11}", duration(*ns));
        }
        out.push_str("  ");
        write_escaped(&format!("{}: {}", row.target, row.name), out);
        out.push('\n');
    }
    if shown < rows.len() {
        let _ = writeln!(out, "{:>12}  more names", rows.len() - shown);
    }
    for (spans, why) in [
        (open, "had not ended"),
        (unknown, "ended whose beginning is not there"),
        (unwatched, "were too many to measure"),
    ] {
        if *spans > 0 {
            let _ = writeln!(out, "{spans:>12}  {why}");
        }
    }
}

/// A span of time in a unit that suits it.
fn duration(ns: u64) -> String {
    let ns = ns as f64;
    match ns {
        ..1e3 => format!("{ns} ns"),
        ..1e6 => format!("{:.2} µs", ns / 1e3),
        ..1e9 => format!("{:.2} ms", ns / 1e6),
        ..120e9 => format!("{:.2} s", ns / 1e9),
        ..7200e9 => format!("{:.1} min", ns / 60e9),
        ..172_800e9 => format!("{:.1} h", ns / 3600e9),
        _ => format!("{:.1} d", ns / 86_400e9),
    }
}

/// A rate per second.
fn rate(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..1e4 => format!("{value:.0}"),
        ..1e7 => format!("{:.1} k", value / 1e3),
        ..1e10 => format!("{:.1} M", value / 1e6),
        _ => format!("{:.1} G", value / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::summary::{Row, SiteRow};

    fn lines(width: Option<usize>) -> Vec<String> {
        let count = Count { records: 7, bytes: 100 };
        let site = |format: &str| SiteRow {
            at: "src/order.rs:10:5".to_owned(),
            level: "info",
            target: "engine".to_owned(),
            format: format.to_owned(),
            example: None,
            suppressed: 0,
            count,
        };
        let formats = ["short", &"long ".repeat(100), &"日本".repeat(100), &"\u{202e}".repeat(100)];
        let summary = Summary {
            records: 28,
            bytes: 400,
            call_sites: formats.into_iter().map(site).collect(),
            targets: vec![Row { name: "t".repeat(300), count }],
            ..Summary::default()
        };
        let mut out = String::new();
        write(&summary, Extent { top: 0, width }, TimeZone::UTC, &mut out);
        out.lines().map(str::to_owned).collect()
    }

    #[test]
    fn rows_are_cut_to_the_terminal() {
        let columns = |line: &String| line.chars().filter_map(UnicodeWidthChar::width).sum();
        for width in [100, 120, 200] {
            let lines = lines(Some(width));
            let widest: usize = lines.iter().map(columns).max().unwrap_or(0);
            assert_eq!(widest, width, "{lines:#?}");
            assert_eq!(lines.iter().filter(|line| line.ends_with('…')).count(), 4);
        }
        // A terminal that is too narrow for the numbers.
        assert!(lines(Some(20)).iter().any(|line| line.ends_with("  info  src/o…")));
    }

    #[test]
    fn rows_are_whole_where_there_is_no_terminal() {
        let lines = lines(None);
        assert!(lines.iter().all(|line| !line.contains('…')), "{lines:#?}");
        assert!(lines.iter().any(|line| line.ends_with(&"日本".repeat(100))));
    }
}
