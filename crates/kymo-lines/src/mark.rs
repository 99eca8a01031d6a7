//! The text of a mark: an event that is no record.

use std::fmt::Write;

use kymo_reader::Level;
use kymo_reader::{ClockSet, Deleted, Drops, Dump, DumpEnd, Event, Gap, Signal, Thread};

use kymo_query::time::Times;

/// An event that is no record, and is shown in its place.
pub struct Mark<'e> {
    event: &'e Event<'e>,
    /// The name of its kind.
    pub name: &'static str,
    pub time_ns: Option<i64>,
    pub thread: Option<&'e Thread>,
    /// The number of records that it is about.
    pub records: Option<u64>,
    /// Its byte offset in the file; of a mark that is in none: `None`.
    pub offset: Option<u64>,
}

impl<'e> Mark<'e> {
    /// Returns `None` for a record, and for totals, which are not shown: of a segment, or of those before it.
    pub fn new(event: &'e Event<'e>) -> Option<Self> {
        let mark = |name, offset| Self {
            event,
            name,
            time_ns: None,
            thread: None,
            records: None,
            offset: Some(offset),
        };
        Some(match event {
            Event::Drops(drops) => Self {
                time_ns: Some(drops.first_ns),
                thread: Some(drops.thread),
                records: Some(drops.total()),
                ..mark("drops", drops.offset)
            },
            Event::Gap(gap) => {
                Self { thread: gap.thread, records: Some(gap.records), ..mark("gap", gap.offset) }
            }
            Event::Damage(damage) => mark("damage", damage.offset),
            Event::Signal(signal) => Self {
                time_ns: Some(signal.time_ns),
                thread: signal.thread,
                ..mark("signal", signal.offset)
            },
            Event::ClockSet(set) => {
                Self { time_ns: Some(set.time_ns), ..mark("clock_set", set.offset) }
            }
            Event::Deleted(deleted) => {
                Self { time_ns: Some(deleted.time_ns), ..mark("deleted", deleted.offset) }
            }
            Event::Dump(dump) => Self {
                time_ns: Some(dump.first_ns),
                thread: Some(dump.thread),
                records: Some(dump.records),
                ..mark("dump", dump.offset)
            },
            Event::DumpEnd(end) => Self {
                thread: Some(end.thread),
                records: Some(end.records),
                ..mark("dump_end", end.offset)
            },
            Event::Missing(_) => Self { offset: None, ..mark("missing_segments", 0) },
            _ => return None,
        })
    }

    /// Appends a sentence about it, which is not escaped. `log` is the file it comes from.
    pub fn write(&self, log: &str, times: &mut Times, out: &mut String) {
        match self.event {
            Event::Drops(drops) => write_drops(drops, times, out),
            Event::Gap(gap) => write_gap(log, gap, out),
            Event::Damage(damage) => write!(out, "{log}: {damage}").unwrap_or_default(),
            Event::Signal(signal) => write_signal(signal, out),
            Event::ClockSet(set) => write_clock_set(set, out),
            Event::Deleted(deleted) => write_deleted(deleted, out),
            Event::Dump(dump) => write_dump(dump, times, out),
            Event::DumpEnd(end) => write_dump_end(end, out),
            Event::Missing(missing) => write!(out, "{log}: {missing} here").unwrap_or_default(),
            _ => {}
        }
    }
}

fn write_drops(drops: &Drops<'_>, times: &mut Times, out: &mut String) {
    write_count(drops.total(), "was", "were", drops.thread, out);
    out.push_str(" dropped here");
    if drops.last_ns != drops.first_ns {
        out.push_str(", until ");
        times.write(drops.last_ns, out);
    }
    let mut reason = None;
    for count in drops.counts {
        if reason == Some(count.reason) {
            out.push_str(", ");
        } else {
            out.push_str(if reason.is_some() { "); " } else { ": " });
            let _ = write!(out, "{} (", count.reason);
            reason = Some(count.reason);
        }
        let level = count.level.map_or("unknown level", Level::name);
        let _ = write!(out, "{level} {}", count.count);
    }
    if reason.is_some() {
        out.push(')');
    }
}

fn write_gap(log: &str, gap: &Gap<'_>, out: &mut String) {
    let (records, offset) = (gap.records, gap.offset);
    out.push_str(log);
    out.push_str(": ");
    match gap.thread {
        Some(thread) => {
            write_count(records, "is", "are", thread, out);
            let _ = write!(out, " missing here, before byte {offset}");
        }
        None => {
            let _ = write!(out, "{records} more missing, by the totals at byte {offset}");
        }
    }
    if let Some(segment) = gap.segment {
        let _ = write!(out, " of segment {segment}");
    }
}

fn write_signal(signal: &Signal<'_>, out: &mut String) {
    let _ = write!(out, "the process received {signal} in ");
    match signal.thread {
        Some(thread) => write_thread(thread, out),
        None => {
            let _ = write!(out, "a thread that logged nothing ({})", signal.os_thread);
        }
    }
}

fn write_clock_set(set: &ClockSet, out: &mut String) {
    let (to, then) = match set.by_ns {
        0.. => ("forward", "the times with it"),
        _ => ("back", "from here on, times are ahead of it"),
    };
    let by_ns = set.by_ns.unsigned_abs();
    let (s, ns) = (by_ns / 1_000_000_000, by_ns % 1_000_000_000);
    let _ = write!(out, "the wall clock was set {to} by {s}.{ns:09} s, {then}");
}

fn write_deleted(deleted: &Deleted, out: &mut String) {
    let Deleted { first, last, files, bytes, .. } = deleted;
    let _ = match first == last {
        true => write!(out, "segment {first} of the log was deleted"),
        false => write!(out, "segments {first} to {last} of the log were deleted"),
    };
    let noun = if *files == 1 { "file" } else { "files" };
    let _ = write!(out, ", because of its limits: {files} {noun}, {bytes} bytes");
}

fn write_dump(dump: &Dump<'_>, times: &mut Times, out: &mut String) {
    out.push_str("the flight recorder of ");
    write_thread(dump.thread, out);
    out.push_str(" was dumped at ");
    times.write(dump.time_ns, out);
    let noun = if dump.records == 1 { "record" } else { "records" };
    let _ = write!(out, " ({}): {} {noun}, until ", dump.reason, dump.records);
    times.write(dump.last_ns, out);
    if dump.overwritten > 0 {
        let _ = write!(out, "; {} before that were overwritten", dump.overwritten);
    }
}

fn write_dump_end(end: &DumpEnd<'_>, out: &mut String) {
    out.push_str("here ends what the flight recorder of ");
    write_thread(end.thread, out);
    out.push_str(" held");
}

/// Appends `12 records of thread "feed" were`.
fn write_count(count: u64, one: &str, many: &str, thread: &Thread, out: &mut String) {
    let (noun, verb) = if count == 1 { ("record", one) } else { ("records", many) };
    let _ = write!(out, "{count} {noun} of ");
    write_thread(thread, out);
    out.push(' ');
    out.push_str(verb);
}

/// Appends `thread "feed"`, or `thread 3` if it has no name.
fn write_thread(thread: &Thread, out: &mut String) {
    let _ = match thread.name() {
        "" => write!(out, "thread {}", thread.number()),
        _ => write!(out, "thread \"{}\"", thread.label()),
    };
}
