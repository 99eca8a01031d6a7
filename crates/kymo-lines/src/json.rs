//! Writes events as JSON, one object a line, for programs.
//!
//! A mark has a key `event`, such as "drops", "gap", "damage", "signal" or "clock_set"; a record has
//! none. The part that the records of a call site share is formatted once and kept.

use std::fmt::Write;

use jiff::tz::TimeZone;
use kymo_reader::json::{write_fields, write_string, write_value};
use kymo_reader::{
    CallSite, ClockSet, Damage, DamageKind, Deleted, DropReason, Drops, Dump, DumpEnd, DumpReason,
    Event, Gap, MissingSegments, Record, Signal, Thread,
};

use super::elapsed::{Blank, Form, Since};
use super::sites::Sites;
use super::{Format, Options};
use kymo_query::time::Times;

/// Writes events as JSON.
pub struct Json {
    times: Times,
    /// The span that is shown after the time.
    since: Option<Since>,
    message: String,
    /// By file.
    sites: Vec<Sites<SiteKeys>>,
}

/// The part of a line that the records of a call site share.
struct SiteKeys {
    /// From after the time to before the thread.
    middle: String,
    /// What it is as a metric; empty if it is none.
    metric: String,
}

impl Json {
    pub(crate) fn new(options: &Options) -> Self {
        let sites = (0..options.files).map(|_| Sites::new()).collect();
        let since = options.since;
        Self { times: Times::new(TimeZone::UTC), since, message: String::new(), sites }
    }

    /// Appends the span of time that is asked for, if one is.
    #[inline]
    fn elapsed(&self, out: &mut String, blanks: &mut Vec<Blank>) {
        if let Some(since) = self.since {
            let _ = write!(out, ",\"{}\":", since.name());
            blanks.push(Blank { at: out.len(), since, form: Form::Nanoseconds });
        }
    }

    fn drops(&mut self, log: &str, drops: &Drops<'_>, out: &mut String, blanks: &mut Vec<Blank>) {
        out.push_str("{\"event\":\"drops\",\"time\":\"");
        self.times.write(drops.first_ns, out);
        out.push('"');
        self.elapsed(out, blanks);
        out.push_str(",\"until\":\"");
        self.times.write(drops.last_ns, out);
        out.push_str("\",\"thread\":");
        write_thread(drops.thread, out);
        let _ = write!(out, ",\"records\":{},\"counts\":[", drops.total());
        for (index, count) in drops.counts.iter().enumerate() {
            out.push_str(if index == 0 { "{\"reason\":" } else { ",{\"reason\":" });
            write_reason(count.reason, out);
            match count.level {
                Some(level) => write!(out, ",\"level\":\"{level}\""),
                None => write!(out, ",\"level\":null"),
            }
            .unwrap_or_default();
            let _ = write!(out, ",\"records\":{}}}", count.count);
        }
        out.push(']');
        write_place(log, drops.offset, out);
    }

    fn dump(&mut self, log: &str, dump: &Dump<'_>, out: &mut String, blanks: &mut Vec<Blank>) {
        out.push_str("{\"event\":\"dump\",\"time\":\"");
        self.times.write(dump.first_ns, out);
        out.push('"');
        self.elapsed(out, blanks);
        out.push_str(",\"until\":\"");
        self.times.write(dump.last_ns, out);
        out.push_str("\",\"dumped\":\"");
        self.times.write(dump.time_ns, out);
        out.push_str("\",\"reason\":");
        match dump.reason.name() {
            Some(name) => write_string(name, out),
            None => out.push_str("null"),
        }
        let _ = match dump.reason {
            DumpReason::Record(Some(level)) => write!(out, ",\"level\":\"{level}\""),
            DumpReason::Signal(signal) => write!(out, ",\"signal\":{signal}"),
            _ => Ok(()),
        };
        out.push_str(",\"thread\":");
        write_thread(dump.thread, out);
        let _ = write!(out, ",\"records\":{},\"overwritten\":{}", dump.records, dump.overwritten);
        write_place(log, dump.offset, out);
    }

    fn clock_set(&mut self, log: &str, set: &ClockSet, out: &mut String, blanks: &mut Vec<Blank>) {
        out.push_str("{\"event\":\"clock_set\",\"time\":\"");
        self.times.write(set.time_ns, out);
        out.push('"');
        self.elapsed(out, blanks);
        let _ = write!(out, ",\"by_ns\":{}", set.by_ns);
        write_place(log, set.offset, out);
    }

    fn deleted(&mut self, log: &str, it: &Deleted, out: &mut String, blanks: &mut Vec<Blank>) {
        out.push_str("{\"event\":\"deleted\",\"time\":\"");
        self.times.write(it.time_ns, out);
        out.push('"');
        self.elapsed(out, blanks);
        let Deleted { first, last, files, bytes, .. } = it;
        let _ =
            write!(out, ",\"first\":{first},\"last\":{last},\"files\":{files},\"bytes\":{bytes}");
        write_place(log, it.offset, out);
    }

    fn signal(
        &mut self,
        log: &str,
        signal: &Signal<'_>,
        out: &mut String,
        blanks: &mut Vec<Blank>,
    ) {
        out.push_str("{\"event\":\"signal\",\"time\":\"");
        self.times.write(signal.time_ns, out);
        out.push('"');
        self.elapsed(out, blanks);
        let _ = write!(out, ",\"signal\":{},\"name\":", signal.signal);
        match signal.name() {
            Some(name) => write_string(name, out),
            None => out.push_str("null"),
        }
        out.push_str(",\"thread\":");
        match signal.thread {
            Some(thread) => write_thread(thread, out),
            None => out.push_str("null"),
        }
        let _ = write!(out, ",\"os_thread\":{}", signal.os_thread);
        write_place(log, signal.offset, out);
    }
}

impl Format for Json {
    fn record(
        &mut self,
        file: usize,
        _log: &str,
        record: &Record<'_>,
        out: &mut String,
        blanks: &mut Vec<Blank>,
    ) {
        out.push_str("{\"time\":\"");
        self.times.write(record.time_ns(), out);
        out.push('"');
        self.elapsed(out, blanks);
        let site = self.sites[file].get(record.call_site(), SiteKeys::new);
        out.push_str(&site.middle);
        write_thread(record.thread(), out);
        out.push_str(",\"message\":");
        self.message.clear();
        record.message(&mut self.message);
        write_string(&self.message, out);
        out.push_str(",\"fields\":");
        write_fields(record, out);
        out.push_str(&site.metric);
        write_spans(record, out);
        out.push_str(if record.is_cut() { ",\"cut\":true}\n" } else { "}\n" });
    }

    fn other(
        &mut self,
        _file: usize,
        log: &str,
        event: &Event<'_>,
        out: &mut String,
        blanks: &mut Vec<Blank>,
    ) {
        match event {
            Event::Drops(drops) => self.drops(log, drops, out, blanks),
            Event::Gap(gap) => write_gap(log, gap, out),
            Event::Damage(damage) => write_damage(log, damage, out),
            Event::Missing(missing) => write_missing(log, *missing, out),
            Event::Signal(signal) => self.signal(log, signal, out, blanks),
            Event::ClockSet(set) => self.clock_set(log, set, out, blanks),
            Event::Deleted(deleted) => self.deleted(log, deleted, out, blanks),
            Event::Dump(dump) => self.dump(log, dump, out, blanks),
            Event::DumpEnd(end) => write_dump_end(log, end, out),
            // Records have their own method; totals are not shown.
            _ => {}
        }
    }

    fn add_file(&mut self) {
        self.sites.push(Sites::new());
    }
}

/// Appends the spans of a record, and what it tells of one.
fn write_spans(record: &Record<'_>, out: &mut String) {
    let Some(id) = record.span_id() else { return };
    if let Some(role) = record.span_role() {
        let _ = write!(out, ",\"span_event\":\"{}\",\"span_id\":{id}", role.name());
    }
    if !record.spans().is_empty() || record.span_role().is_none() {
        out.push_str(",\"spans\":");
        write_chain(record, id, out);
    }
}

/// Appends the spans of a record as an array, or the id of one of which nothing else is known.
pub(super) fn write_chain(record: &Record<'_>, id: u64, out: &mut String) {
    if record.spans().is_empty() {
        let _ = write!(out, "[{{\"id\":{id}}}]");
        return;
    }
    let mut separator = "[";
    for span in record.spans() {
        let _ = write!(out, "{separator}{{\"id\":{},\"name\":", span.id());
        write_string(span.name(), out);
        let mut before = ",\"fields\":{";
        for (name, value) in span.fields() {
            out.push_str(before);
            write_string(name, out);
            out.push(':');
            write_value(&value, out);
            before = ",";
        }
        out.push_str(if span.fields().len() > 0 { "}}" } else { "}" });
        separator = ",";
    }
    out.push(']');
}

impl SiteKeys {
    fn new(site: &CallSite) -> Self {
        let mut middle = format!(",\"level\":\"{}\",\"target\":", site.level());
        write_string(site.target(), &mut middle);
        middle.push_str(",\"file\":");
        write_string(site.file(), &mut middle);
        let _ = write!(middle, ",\"line\":{},\"thread\":", site.line());
        let mut metric = String::new();
        if let Some(kind) = site.metric() {
            let _ = write!(metric, ",\"metric\":{{\"kind\":\"{kind}\",\"name\":");
            write_string(&site.name(), &mut metric);
            metric.push('}');
        }
        Self { middle, metric }
    }
}

/// Appends a thread's name, or its number if it has none.
fn write_thread(thread: &Thread, out: &mut String) {
    match thread.name() {
        "" => write!(out, "{}", thread.number()).unwrap_or_default(),
        name => write_string(name, out),
    }
}

fn write_dump_end(log: &str, end: &DumpEnd<'_>, out: &mut String) {
    out.push_str("{\"event\":\"dump_end\",\"thread\":");
    write_thread(end.thread, out);
    let _ = write!(out, ",\"records\":{}", end.records);
    write_place(log, end.offset, out);
}

fn write_gap(log: &str, gap: &Gap<'_>, out: &mut String) {
    out.push_str("{\"event\":\"gap\",\"thread\":");
    match gap.thread {
        Some(thread) => write_thread(thread, out),
        None => out.push_str("null"),
    }
    let _ = write!(out, ",\"records\":{}", gap.records);
    write_segment(gap.segment, out);
    write_place(log, gap.offset, out);
}

fn write_damage(log: &str, damage: &Damage, out: &mut String) {
    let kind = match damage.kind {
        DamageKind::Corrupt => "corrupt",
        DamageKind::Incomplete => "incomplete",
        DamageKind::Malformed(_) => "malformed",
        DamageKind::UnknownCallSite(_) => "unknown_call_site",
        DamageKind::Record => "record",
        DamageKind::PastEnd => "past_end",
        _ => "other",
    };
    out.push_str("{\"event\":\"damage\"");
    let _ = write!(out, ",\"kind\":\"{kind}\",\"bytes\":{},\"message\":\"{damage}\"", damage.bytes);
    write_segment(damage.segment, out);
    write_place(log, damage.offset, out);
}

fn write_missing(log: &str, missing: MissingSegments, out: &mut String) {
    let MissingSegments { before, after, .. } = missing;
    out.push_str("{\"event\":\"missing_segments\"");
    let _ = write!(out, ",\"before\":{before},\"after\":{after},\"segments\":{}", missing.count());
    out.push_str(",\"log\":");
    write_string(log, out);
    out.push_str("}\n");
}

/// Appends the number of the segment that a mark is in.
fn write_segment(segment: Option<u64>, out: &mut String) {
    if let Some(segment) = segment {
        let _ = write!(out, ",\"segment\":{segment}");
    }
}

/// Appends file and offset, and ends the line.
fn write_place(log: &str, offset: u64, out: &mut String) {
    out.push_str(",\"log\":");
    write_string(log, out);
    let _ = writeln!(out, ",\"offset\":{offset}}}");
}

fn write_reason(reason: DropReason, out: &mut String) {
    let _ = match reason.name() {
        Some(name) => write!(out, "\"{name}\""),
        None => write!(out, "{}", reason.code()),
    };
}
