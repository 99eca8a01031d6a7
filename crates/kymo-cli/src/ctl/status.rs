//! The status of a running process, for people.

use std::fmt::Write;

use kymo_reader::{Level, write_escaped};
use serde_json::Value;

/// Prints a status: a line for each thing, and those of threads and sinks that have something.
pub fn print(status: &Value, out: &mut String) {
    let number = |at: &Value, name: &str| at[name].as_u64().unwrap_or_default();
    let seconds = |name: &str| status[name].as_f64().unwrap_or_default();
    let mut line = |name: &str, text: &str| {
        let _ = write!(out, "{name:<9} ");
        write_escaped(text, out);
        out.push('\n');
    };
    let kind = if status["rotated"] == true { ", rotated" } else { "" };
    let log = status["log"].as_str().unwrap_or_default();
    line("process", &number(status, "pid").to_string());
    line("log", &format!("{log}, {} bytes{kind}", number(status, "file_bytes")));
    let mut filter = status["filter"].as_str().unwrap_or_default().to_owned();
    if let Some(rest) = status["filter_ends_in_seconds"].as_f64() {
        let _ = write!(filter, " (for {rest:.0} s)");
    }
    line("filter", &filter);
    let busy = status["busy_share"].as_f64().unwrap_or_default() * 100.0;
    let running = seconds("running_seconds");
    line("running", &format!("{running:.0} s, {busy:.1} % of them busy"));
    let (lag, max) = (seconds("lag_seconds") * 1e3, seconds("max_lag_seconds") * 1e3);
    line("late", &format!("{lag:.3} ms, at most {max:.3} ms"));
    line("written", &counts(status, "written", "written_by_level"));
    line("dropped", &counts(status, "dropped", "dropped_by_level"));
    for (name, of) in [("reasons", "dropped_by_reason"), ("segments", "segments")] {
        let text = pairs(&status[of]);
        if !text.is_empty() {
            line(name, &text);
        }
    }
    let errors = pairs(&status["errors"]);
    line("errors", if errors.is_empty() { "none" } else { &errors });
    for sink in status["sinks"].as_array().into_iter().flatten() {
        let name = sink["name"].as_str().unwrap_or_default();
        let error = sink["error"].as_str().map(|text| format!(": {text}")).unwrap_or_default();
        line("sink", &format!("{name}: {}{error}", pairs(sink)));
    }
    for thread in status["threads"].as_array().into_iter().flatten() {
        let capacity = number(thread, "ring_capacity").max(1);
        let share = |name: &str| number(thread, name) * 100 / capacity;
        let name = thread["name"].as_str().filter(|name| !name.is_empty()).unwrap_or("-");
        let text = format!(
            "{name} ({}): ring {} % full, at most {} %; {} written, {} dropped",
            number(thread, "tid"),
            share("ring_used"),
            share("ring_high_water"),
            number(thread, "written"),
            number(thread, "dropped"),
        );
        line("thread", &text);
    }
    let listed = status["threads"].as_array().map_or(0, Vec::len) as u64;
    let more = number(status, "thread_count").saturating_sub(listed);
    if more > 0 {
        line("", &format!("and {more} more threads"));
    }
}

/// A number, and how much of it is of which level.
fn counts(status: &Value, name: &str, levels: &str) -> String {
    let sum = status[name].as_u64().unwrap_or_default();
    let of = |level: Level| Some((level, status[levels][level.name()].as_u64()?));
    let parts = Level::ALL.into_iter().filter_map(of).filter(|(_, count)| *count > 0);
    let parts: Vec<_> = parts.map(|(level, count)| format!("{level} {count}")).collect();
    if parts.is_empty() { sum.to_string() } else { format!("{sum} ({})", parts.join(", ")) }
}

/// The numbers of an object that are not 0.
fn pairs(object: &Value) -> String {
    let pairs = object.as_object().into_iter().flatten();
    let pairs = pairs.filter_map(|(name, value)| Some((name, value.as_u64()?)));
    let pairs = pairs.filter(|(_, value)| *value > 0);
    let pairs: Vec<_> = pairs.map(|(name, value)| format!("{name} {value}")).collect();
    pairs.join(", ")
}
