//! Writes events as comma-separated values, quoted as in RFC 4180, with a line of names at the top.
//!
//! The arguments are one column, as JSON: call sites differ in them. So are the spans. (A pattern has columns for
//! some of them.) Control characters are escaped as in text, so that a row is always a line.

use std::fmt::Write;

use jiff::tz::TimeZone;
use kymo_reader::json::write_fields;
use kymo_reader::{Event, Record, SpanRole, Thread, write_escaped};

use super::elapsed::{Blank, Form, Since};
use super::json::{Json, write_chain};
use super::mark::Mark;
use super::{Format, Options};
use kymo_query::time::Times;

/// Writes events as CSV.
pub struct Csv {
    times: Times,
    since: Option<Since>,
    /// For the details of marks.
    json: Json,
    raw: String,
    field: String,
}

impl Csv {
    pub(crate) fn new(options: &Options) -> Self {
        let json = Json::new(&Options::new().files(options.files));
        let (raw, field, since) = (String::new(), String::new(), options.since);
        Self { times: Times::new(TimeZone::UTC), since, json, raw, field }
    }

    /// Appends the columns of a mark before `fields`.
    fn columns(&mut self, log: &str, mark: &Mark<'_>, out: &mut String, blanks: &mut Vec<Blank>) {
        out.push_str(mark.name);
        out.push(',');
        self.time(mark.time_ns, out, blanks);
        out.push_str(",,,,");
        self.thread(mark.thread, out);
        let mut message = std::mem::take(&mut self.raw);
        message.clear();
        mark.write(log, &mut self.times, &mut message);
        self.text(&message, out);
        self.raw = message;
    }

    fn time(&mut self, time_ns: Option<i64>, out: &mut String, blanks: &mut Vec<Blank>) {
        if let Some(time_ns) = time_ns {
            self.times.write(time_ns, out);
        }
        out.push(',');
        if let Some(since) = self.since {
            if time_ns.is_some() {
                blanks.push(Blank { at: out.len(), since, form: Form::Nanoseconds });
            }
            out.push(',');
        }
    }

    fn thread(&mut self, thread: Option<&Thread>, out: &mut String) {
        match thread {
            None => out.push(','),
            Some(thread) if thread.name().is_empty() => {
                let _ = write!(out, "{},", thread.number());
            }
            Some(thread) => self.text(thread.name(), out),
        }
    }

    fn text(&mut self, text: &str, out: &mut String) {
        self.field.clear();
        write_escaped(text, &mut self.field);
        write_field(&self.field, out);
        out.push(',');
    }
}

impl Format for Csv {
    fn record(
        &mut self,
        _file: usize,
        _log: &str,
        record: &Record<'_>,
        out: &mut String,
        blanks: &mut Vec<Blank>,
    ) {
        out.push(',');
        self.time(Some(record.time_ns()), out, blanks);
        let _ = write!(out, "{},", record.level());
        self.text(record.target(), out);
        self.text(record.file(), out);
        let _ = write!(out, "{},", record.line());
        self.thread(Some(record.thread()), out);
        let mut message = std::mem::take(&mut self.raw);
        message.clear();
        record.message(&mut message);
        self.text(&message, out);
        message.clear();
        write_fields(record, &mut message);
        write_field(&message, out);
        out.push(',');
        message.clear();
        let role = record.span_role();
        if let Some(id) = record.span_id()
            && (role.is_none() || !record.spans().is_empty())
        {
            write_chain(record, id, &mut message);
        }
        write_field(&message, out);
        let _ = writeln!(out, ",{}", role.map_or("", SpanRole::name));
        self.raw = message;
    }

    fn other(
        &mut self,
        file: usize,
        log: &str,
        event: &Event<'_>,
        out: &mut String,
        blanks: &mut Vec<Blank>,
    ) {
        let Some(mark) = Mark::new(event) else { return };
        self.columns(log, &mark, out, blanks);
        self.raw.clear();
        self.json.write(file, log, event, &mut self.raw, blanks);
        write_field(self.raw.trim_end(), out);
        out.push_str(",,\n");
    }

    fn add_file(&mut self) {
        self.json.add_file();
    }

    fn begin(&self, out: &mut String) {
        out.push_str("event,time,");
        if let Some(since) = self.since {
            let _ = write!(out, "{},", since.name());
        }
        out.push_str("level,target,file,line,thread,message,fields,spans,span_event\n");
    }
}

/// Appends a field, in quotes if it needs them. (The crate `csv` writes whole records into buffers
/// of its own; here a line grows in the output's, field by field.)
fn write_field(text: &str, out: &mut String) {
    if !text.contains([',', '"', '\n', '\r']) {
        return out.push_str(text);
    }
    out.push('"');
    for (index, part) in text.split('"').enumerate() {
        out.push_str(if index > 0 { "\"\"" } else { "" });
        out.push_str(part);
    }
    out.push('"');
}
