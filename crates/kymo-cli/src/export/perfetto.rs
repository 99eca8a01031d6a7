//! Writes the Trace Event Format, as JSON, which ui.perfetto.dev opens.
//!
//! A record is an instant event of its thread, named by its statement's format string, so that the events of a
//! statement can be counted and found as one. The message, the call site and the fields are its arguments. From where a
//! thread enters a span to where it leaves it, there is a slice of the thread. So there is for each scope. A metric is
//! a counter of its process. Drops are such events, too, and a counter of their process. Times are microseconds since
//! the second in which the first record was logged, with three decimals: since 1970 they would have more digits than a
//! double has. Which second that is, is in `otherData`.

use std::collections::HashMap;
use std::fmt::Write;

use jiff::tz::TimeZone;
use kymo_reader::json::{write_fields, write_string, write_value};
use kymo_reader::{
    CallSite, Drops, Event, Header, Metric, Record, ScopeEvent, SpanRole, Thread, Value,
};

use super::tracks::Tracks;
use kymo_lines::Sites;
use kymo_query::time::Times;

/// Writes events.
pub struct Perfetto {
    /// The origin of times, in nanoseconds since the epoch.
    start_ns: i64,
    /// What introduces the processes, until the trace has begun.
    processes: Option<String>,
    tracks: Tracks,
    files: Vec<TraceFile>,
    /// The time of the last event that had one.
    last_ns: i64,
    message: String,
}

struct TraceFile {
    process: u32,
    /// How many records of it were dropped so far.
    dropped: u64,
    /// By [`Thread::index`]; 0 if it is not known yet.
    threads: Vec<u32>,
    /// By [`Thread::index`]: the slices that are open, the outermost first.
    slices: HashMap<usize, Vec<Slice>>,
    /// By number: thread and beginning of the scopes that have begun and not ended.
    scopes: HashMap<u64, (u32, String)>,
    /// By name and labels: the sums of counters.
    sums: HashMap<String, f64>,
    /// By [`CallSite::index`].
    sites: Sites<SiteEvent>,
}

/// A span that a thread is in.
struct Slice {
    id: u64,
    /// The event that begins it, without its time.
    beginning: String,
}

/// How many scopes may be open, and how many counters there are.
const MAX_SCOPES: usize = 1 << 18;

/// How many slices a thread may have open.
const MAX_SLICES: usize = 1_000;

/// The parts of an event that the records of a call site share.
struct SiteEvent {
    /// From the name to before the time.
    beginning: String,
    /// From after the message to the fields.
    arguments: String,
    /// The keys of the fields, with what separates them.
    keys: Vec<String>,
}

impl Perfetto {
    /// For a trace of files with these headers and names.
    pub fn new<'f>(files: impl Iterator<Item = (&'f Header, &'f str)>) -> Self {
        let mut tracks = Tracks::default();
        let (mut all, mut processes, mut opened) = (Vec::new(), String::new(), i64::MAX);
        for (file, (header, name)) in files.enumerate() {
            let (process, is_new) = tracks.process(file, header);
            opened = opened.min(header.opened_ns);
            if is_new {
                write_metadata("process_name", "name", process, None, name, &mut processes);
                let host = &header.host;
                write_metadata("process_labels", "labels", process, None, host, &mut processes);
            }
            let (threads, slices) = (Vec::new(), HashMap::new());
            let (scopes, sums, sites) = (HashMap::new(), HashMap::new(), Sites::new());
            all.push(TraceFile { process, dropped: 0, threads, slices, scopes, sums, sites });
        }
        Self {
            start_ns: 0,
            processes: Some(processes),
            tracks,
            files: all,
            last_ns: opened,
            message: String::new(),
        }
    }

    /// Begins the trace, unless it has begun.
    fn begin(&mut self, first_ns: i64, out: &mut String) {
        let Some(processes) = self.processes.take() else { return };
        self.start_ns = first_ns.saturating_sub(first_ns.rem_euclid(1_000_000_000));
        self.last_ns = first_ns;
        out.push_str("{\"displayTimeUnit\":\"ns\",\"otherData\":{\"start\":\"");
        Times::new(TimeZone::UTC).write(self.start_ns, out);
        let _ = write!(out, "\",\"writer\":\"kymo {}\"}},", env!("CARGO_PKG_VERSION"));
        out.push_str("\"traceEvents\":[\n");
        out.push_str(&processes);
    }

    /// Appends the events for `event`, which is from the file `log`, number `file`.
    #[inline]
    pub fn write(&mut self, file: usize, log: &str, event: &Event<'_>, out: &mut String) {
        if self.processes.is_some() {
            let time = match event {
                Event::Record(record) => record.time_ns(),
                Event::Drops(drops) => drops.first_ns,
                Event::Signal(signal) => signal.time_ns,
                Event::ClockSet(set) => set.time_ns,
                Event::Deleted(deleted) => deleted.time_ns,
                Event::Dump(dump) => dump.first_ns,
                _ => self.last_ns,
            };
            self.begin(time, out);
        }
        match event {
            Event::Record(record) => self.record(file, record, out),
            Event::Drops(drops) => self.drops(file, drops, out),
            Event::Gap(gap) => {
                let text = format!("{} records are missing", gap.records);
                self.mark(file, gap.thread, "missing", &text, (log, gap.offset), out);
            }
            Event::Damage(damage) => {
                self.mark(file, None, "damage", &damage.to_string(), (log, damage.offset), out);
            }
            Event::Signal(signal) => {
                self.last_ns = signal.time_ns;
                let text = signal.to_string();
                self.mark(file, signal.thread, "signal", &text, (log, signal.offset), out);
            }
            Event::ClockSet(set) => {
                self.last_ns = set.time_ns;
                let text = format!("the wall clock was set by {} ns", set.by_ns);
                self.mark(file, None, "clock", &text, (log, set.offset), out);
            }
            Event::Deleted(deleted) => {
                self.last_ns = deleted.time_ns;
                let text = format!("segments {} to {} were deleted", deleted.first, deleted.last);
                self.mark(file, None, "deleted", &text, (log, deleted.offset), out);
            }
            Event::Dump(dump) => {
                self.last_ns = dump.first_ns;
                let text = format!("{} records, because of {}", dump.records, dump.reason);
                self.mark(file, Some(dump.thread), "dump", &text, (log, dump.offset), out);
            }
            _ => {}
        }
    }

    /// Closes the trace.
    pub fn end(mut self, out: &mut String) {
        self.begin(self.last_ns, out);
        for file in &mut self.files {
            // In the order in which they began: the innermost is last.
            let mut open: Vec<_> = file.scopes.drain().collect();
            open.sort_unstable_by_key(|(number, _)| *number);
            open.iter().for_each(|(_, (_, beginning))| out.push_str(beginning));
        }
        // Every event ends with a comma, and the format has none after the last.
        out.push_str("{\"name\":\"end\",\"ph\":\"M\",\"pid\":0,\"args\":{}}\n]}\n");
    }

    fn record(&mut self, file: usize, record: &Record<'_>, out: &mut String) {
        let thread = self.thread(file, record.thread(), out);
        self.last_ns = record.time_ns();
        if let Some(role) = record.span_role() {
            return self.span(file, thread, role, record, out);
        }
        if let Some(event) = record.scope() {
            return self.scope(file, thread, event, record, out);
        }
        if let Some(metric) = record.metric() {
            return self.metric(file, &metric, out);
        }
        self.message.clear();
        record.message(&mut self.message);
        let TraceFile { process, sites, .. } = &mut self.files[file];
        let process = *process;
        let site = sites.get(record.call_site(), SiteEvent::new);
        out.push_str(&site.beginning);
        write_time(record.time_ns(), self.start_ns, out);
        let _ = write!(out, ",\"pid\":{process},\"tid\":{thread},\"args\":{{\"message\":");
        write_string(&self.message, out);
        out.push_str(&site.arguments);
        for (key, (_, value)) in site.keys.iter().zip(record.arguments()) {
            out.push_str(key);
            write_value(&value, out);
        }
        out.push_str("}}},\n");
    }

    /// Writes a slice for a scope that ended. One whose end is missing has a beginning only.
    fn scope(
        &mut self,
        file: usize,
        thread: u32,
        event: ScopeEvent,
        record: &Record<'_>,
        out: &mut String,
    ) {
        let mut slice = String::from("{\"name\":");
        write_string(&record.call_site().name(), &mut slice);
        slice.push_str(",\"cat\":\"scope\"");
        let TraceFile { process, scopes, .. } = &mut self.files[file];
        let _ = write!(slice, ",\"pid\":{process}");
        let mut arguments = String::from(",\"args\":{\"at\":");
        write_string(&format!("{}:{}", record.file(), record.line()), &mut arguments);
        arguments.push_str(",\"fields\":");
        write_fields(record, &mut arguments);
        arguments.push('}');
        match event {
            ScopeEvent::Begin(number) if scopes.len() < MAX_SCOPES => {
                let _ = write!(slice, ",\"tid\":{thread},\"ph\":\"B\"{arguments},\"ts\":");
                write_time(record.time_ns(), self.start_ns, &mut slice);
                slice.push_str("},\n");
                scopes.insert(number, (thread, slice));
            }
            ScopeEvent::End(number, duration) => {
                // Its slice is of the thread in which it began, if that is known.
                let begun = number.and_then(|number| scopes.remove(&number));
                let thread = begun.map_or(thread, |(thread, _)| thread);
                let ns = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
                let _ = write!(slice, ",\"tid\":{thread},\"ph\":\"X\"{arguments},\"ts\":");
                write_time(record.time_ns().saturating_sub(ns), self.start_ns, &mut slice);
                slice.push_str(",\"dur\":");
                write_time(ns, 0, &mut slice);
                slice.push_str("},\n");
                out.push_str(&slice);
            }
            _ => {}
        }
    }

    /// Writes the value of a metric: of a counter, its sum so far.
    fn metric(&mut self, file: usize, metric: &Metric<'_>, out: &mut String) {
        let value = metric.number();
        if !value.is_finite() {
            return;
        }
        let mut name = metric.name().to_owned();
        for (at, (label, value)) in metric.labels().enumerate() {
            let _ = write!(name, "{}{label}={value}", if at == 0 { "{" } else { "," });
        }
        name.push_str(if metric.labels().len() == 0 { "" } else { "}" });
        let TraceFile { process, sums, .. } = &mut self.files[file];
        let value = match metric.kind() {
            "count" if sums.len() < MAX_SCOPES || sums.contains_key(&name) => {
                let sum = sums.entry(name.clone()).or_default();
                *sum += value;
                *sum
            }
            _ => value,
        };
        out.push_str("{\"name\":");
        write_string(&name, out);
        out.push_str(",\"cat\":\"metric\",\"ph\":\"C\",\"ts\":");
        write_time(self.last_ns, self.start_ns, out);
        let _ = write!(out, ",\"pid\":{process},\"args\":{{\"value\":");
        write_value(&Value::F64(value), out);
        out.push_str("}},\n");
    }

    /// Begins or ends a slice.
    fn span(
        &mut self,
        file: usize,
        thread: u32,
        role: SpanRole,
        record: &Record<'_>,
        out: &mut String,
    ) {
        let (Some(id), time) = (record.span_id(), record.time_ns()) else { return };
        let TraceFile { process, slices, .. } = &mut self.files[file];
        let slices = slices.entry(record.thread().index()).or_default();
        let write = |slice: &str, out: &mut String| {
            out.push_str(slice);
            write_time(time, self.start_ns, out);
            out.push_str("},\n");
        };
        let end = format!(
            "{{\"name\":\"\",\"ph\":\"E\",\"pid\":{process},\"tid\":{thread},\"args\":{{}},\"ts\":"
        );
        match role {
            SpanRole::Enter if slices.len() < MAX_SLICES => {
                let mut beginning = String::from("{\"name\":");
                let name = record.call_site().format().replace("{{", "{").replace("}}", "}");
                write_string(&name, &mut beginning);
                beginning.push_str(",\"cat\":\"span\",\"ph\":\"B\"");
                let _ =
                    write!(beginning, ",\"pid\":{process},\"tid\":{thread},\"args\":{{\"id\":{id}");
                for (name, value) in record.spans().last().iter().flat_map(|span| span.fields()) {
                    beginning.push(',');
                    write_string(name, &mut beginning);
                    beginning.push(':');
                    write_value(&value, &mut beginning);
                }
                beginning.push_str("},\"ts\":");
                write(&beginning, out);
                slices.push(Slice { id, beginning });
            }
            SpanRole::Exit => {
                // The last one that was entered mostly. Otherwise those within it end, and begin anew.
                let Some(at) = slices.iter().rposition(|slice| slice.id == id) else { return };
                (at..slices.len()).for_each(|_| write(&end, out));
                slices.remove(at);
                slices[at..].iter().for_each(|slice| write(&slice.beginning, out));
            }
            _ => {}
        }
    }

    /// Ends the slices of a thread of which records are missing: what it left is not known.
    fn end_slices(&mut self, file: usize, thread: &Thread, number: u32, out: &mut String) {
        let TraceFile { process, slices, .. } = &mut self.files[file];
        for _ in slices.remove(&thread.index()).unwrap_or_default() {
            let _ = write!(
                out,
                "{{\"name\":\"\",\"ph\":\"E\",\"pid\":{process},\"tid\":{number},\"args\":{{}},\"ts\":"
            );
            write_time(self.last_ns, self.start_ns, out);
            out.push_str("},\n");
        }
    }

    fn drops(&mut self, file: usize, drops: &Drops<'_>, out: &mut String) {
        let thread = self.thread(file, drops.thread, out);
        let (start_ns, total) = (self.start_ns, drops.total());
        self.last_ns = drops.first_ns;
        self.end_slices(file, drops.thread, thread, out);
        let TraceFile { process, dropped, .. } = &mut self.files[file];
        let process = *process;
        let _ = write!(out, "{{\"name\":\"{total} records dropped\",\"cat\":\"drops\"");
        out.push_str(",\"ph\":\"i\",\"s\":\"t\",\"ts\":");
        write_time(drops.first_ns, start_ns, out);
        let _ = write!(out, ",\"pid\":{process},\"tid\":{thread},\"args\":{{\"until\":\"");
        Times::new(TimeZone::UTC).write(drops.last_ns, out);
        out.push('"');
        for count in drops.counts {
            let level = count.level.map_or("unknown level", kymo_reader::Level::name);
            out.push(',');
            write_string(&format!("{} ({level})", count.reason), out);
            let _ = write!(out, ":{}", count.count);
        }
        out.push_str("}},\n");
        // From what was dropped before, at the beginning of the gap, to what was by its end.
        let before = *dropped;
        *dropped = dropped.saturating_add(total);
        for (time, value) in [(drops.first_ns, before), (drops.last_ns, *dropped)] {
            out.push_str("{\"name\":\"records\",\"ph\":\"C\",\"ts\":");
            write_time(time, start_ns, out);
            let _ = writeln!(out, ",\"pid\":{process},\"args\":{{\"dropped\":{value}}}}},");
        }
    }

    /// Appends an instant event for a mark at this offset of this file. It belongs to a thread or
    /// the process, and has the time of the last event.
    fn mark(
        &mut self,
        file: usize,
        thread: Option<&Thread>,
        category: &str,
        text: &str,
        (log, offset): (&str, u64),
        out: &mut String,
    ) {
        let thread = thread.map(|thread| self.thread(file, thread, out));
        out.push_str("{\"name\":");
        write_string(text, out);
        let scope = if thread.is_some() { 't' } else { 'p' };
        let _ = write!(out, ",\"cat\":\"{category}\",\"ph\":\"i\",\"s\":\"{scope}\",\"ts\":");
        write_time(self.last_ns, self.start_ns, out);
        let _ = write!(out, ",\"pid\":{}", self.files[file].process);
        if let Some(thread) = thread {
            let _ = write!(out, ",\"tid\":{thread}");
        }
        out.push_str(",\"args\":{\"log\":");
        write_string(log, out);
        let _ = writeln!(out, ",\"offset\":{offset}}}}},");
    }

    /// The number of a thread, which is introduced where it is new.
    #[inline]
    fn thread(&mut self, file: usize, thread: &Thread, out: &mut String) -> u32 {
        match self.files[file].threads.get(thread.index()) {
            Some(&number) if number != 0 => number,
            _ => self.new_thread(file, thread, out),
        }
    }

    #[cold]
    fn new_thread(&mut self, file: usize, thread: &Thread, out: &mut String) -> u32 {
        let process = self.files[file].process;
        let (number, is_new) = self.tracks.thread(file, process, thread);
        if is_new {
            let name = match thread.name() {
                "" => format!("thread {}", thread.number()),
                name => name.to_owned(),
            };
            write_metadata("thread_name", "name", process, Some(number), &name, out);
        }
        let threads = &mut self.files[file].threads;
        if threads.len() <= thread.index() {
            threads.resize(thread.index() + 1, 0);
        }
        threads[thread.index()] = number;
        number
    }
}

impl SiteEvent {
    fn new(site: &CallSite) -> Self {
        let mut beginning = String::from("{\"name\":");
        write_string(site.format(), &mut beginning);
        beginning.push_str(",\"cat\":");
        write_string(site.level().name(), &mut beginning);
        beginning.push_str(",\"ph\":\"i\",\"s\":\"t\",\"ts\":");
        let mut arguments = String::from(",\"level\":");
        write_string(site.level().name(), &mut arguments);
        arguments.push_str(",\"target\":");
        write_string(site.target(), &mut arguments);
        arguments.push_str(",\"at\":");
        write_string(&format!("{}:{}", site.file(), site.line()), &mut arguments);
        arguments.push_str(",\"fields\":{");
        let mut keys = Vec::new();
        for (index, name) in site.names().iter().enumerate() {
            let mut key = String::from(if index == 0 { "" } else { "," });
            match &**name {
                "" => write_string(&index.to_string(), &mut key),
                name => write_string(name, &mut key),
            }
            key.push(':');
            keys.push(key);
        }
        Self { beginning, arguments, keys }
    }
}

fn write_metadata(
    what: &str,
    key: &str,
    process: u32,
    thread: Option<u32>,
    value: &str,
    out: &mut String,
) {
    let _ = write!(out, "{{\"name\":\"{what}\",\"ph\":\"M\",\"pid\":{process}");
    if let Some(thread) = thread {
        let _ = write!(out, ",\"tid\":{thread}");
    }
    let _ = write!(out, ",\"args\":{{\"{key}\":");
    write_string(value, out);
    out.push_str("}},\n");
}

/// Appends the microseconds from `start_ns` to `time_ns`.
fn write_time(time_ns: i64, start_ns: i64, out: &mut String) {
    let elapsed = i128::from(time_ns) - i128::from(start_ns);
    let sign = if elapsed < 0 { "-" } else { "" };
    let elapsed = elapsed.unsigned_abs();
    let _ = write!(out, "{sign}{}.{:03}", elapsed / 1_000, elapsed % 1_000);
}
