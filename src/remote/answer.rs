//! Answers: one line of JSON each, whose strings hold no control characters.

use std::fmt::{Display, Write};
use std::time::Duration;

use crate::level::Level;
use crate::remote::Facts;
use crate::shared::Shared;
use crate::shared::stats::{Account, SinkStats, Stats, ThreadStats};

/// How many threads a status lists: those with the fullest rings.
const THREADS: usize = 64;

/// Kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    BadRequest,
    Denied,
    Busy,
    Unsupported,
    Failed,
}

/// Why a request was not done.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    text: String,
}

impl Failure {
    pub(super) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    pub(super) fn to_line(&self) -> String {
        let kind = match self.kind {
            Kind::BadRequest => "bad_request",
            Kind::Denied => "denied",
            Kind::Busy => "busy",
            Kind::Unsupported => "unsupported",
            Kind::Failed => "failed",
        };
        let error = Object::new().text("kind", kind).text("message", &self.text).end();
        let mut line = Object::new().raw("ok", false).raw("error", error).end();
        line.push('\n');
        line
    }
}

/// The answer to a request that was done.
pub(super) fn done(result: String) -> String {
    let mut line = Object::new().raw("ok", true).raw("result", result).end();
    line.push('\n');
    line
}

/// A JSON object, while it is written.
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        Self("{".to_owned())
    }

    /// Adds a number, or JSON.
    pub(super) fn raw(mut self, name: &str, value: impl Display) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        let _ = write!(self.0, "\"{name}\":{value}");
        self
    }

    /// Adds a string.
    pub(super) fn text(self, name: &str, text: &str) -> Self {
        self.raw(name, quoted(text))
    }

    fn seconds(self, name: &str, duration: Duration) -> Self {
        self.raw(name, format_args!("{}.{:09}", duration.as_secs(), duration.subsec_nanos()))
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            _ if char.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(char));
            }
            _ => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

/// The filter that is in force, and for how long if that is limited.
pub(super) fn filter(shared: &Shared, now_ns: u64) -> Object {
    let object = Object::new().text("filter", &shared.filter.filter().to_string());
    match shared.filter.ends_in(now_ns) {
        Some(rest) => object.seconds("filter_ends_in_seconds", rest),
        None => object,
    }
}

/// What the logger does.
pub(super) fn status(shared: &Shared, facts: &Facts, now_ns: u64) -> String {
    let stats = shared.counters.stats();
    let (segments, errors) = (segments(&stats), errors(&stats));
    let console = Object::new()
        .raw("shown", stats.console_shown)
        .raw("skipped", stats.console_skipped)
        .raw("errors", stats.console_errors)
        .end();
    let mut threads: Vec<&ThreadStats> = stats.threads.iter().collect();
    threads.sort_by_key(|thread| std::cmp::Reverse((thread.ring_used, thread.ring_high_water)));
    threads.truncate(THREADS);
    let mut object = Object::new()
        .raw("pid", std::process::id())
        .text("log", &facts.log.to_string_lossy())
        .raw("rotated", facts.is_rotated)
        .text("filter", &shared.filter.filter().to_string());
    if let Some(rest) = shared.filter.ends_in(now_ns) {
        object = object.seconds("filter_ends_in_seconds", rest);
    }
    object
        .seconds("running_seconds", stats.running)
        .raw("busy_share", format_args!("{:.4}", stats.busy_share()))
        .seconds("lag_seconds", stats.lag)
        .seconds("max_lag_seconds", stats.max_lag)
        .raw("written", stats.total.written())
        .raw("written_by_level", by_level(|level| stats.total.written_at(level)))
        .raw("dropped", stats.total.dropped())
        .raw("dropped_by_level", by_level(|level| stats.total.dropped_at(level)))
        .raw("dropped_by_reason", by_reason(&stats.total))
        .raw("rescued", stats.rescued)
        .raw("dumps", stats.dumps)
        .raw("file_bytes", stats.file_bytes)
        .raw("segments", segments)
        .raw("errors", errors)
        .raw("console", console)
        .raw("sinks", list(stats.sinks.iter().map(sink)))
        .raw("thread_count", stats.threads.len())
        .raw("threads", list(threads.into_iter().map(thread)))
        .end()
}

fn segments(stats: &Stats) -> String {
    Object::new()
        .raw("begun", stats.segments)
        .raw("late", stats.segments_late)
        .raw("deleted", stats.segments_deleted)
        .raw("deleted_bytes", stats.bytes_deleted)
        .raw("compressed", stats.segments_compressed)
        .raw("limit_exceeded", stats.limit_exceeded)
        .end()
}

fn errors(stats: &Stats) -> String {
    Object::new()
        .raw("output", stats.output_errors)
        .raw("sync", stats.sync_errors)
        .raw("rotation", stats.rotation_errors)
        .raw("ring", stats.ring_errors)
        .raw("ring_file", stats.ring_file_errors)
        .end()
}

fn by_level(count: impl Fn(Level) -> u64) -> String {
    let levels = Level::ALL.into_iter();
    levels.fold(Object::new(), |object, level| object.raw(level.name(), count(level))).end()
}

fn by_reason(account: &Account) -> String {
    let reasons = crate::drop_reason::DropReason::KNOWN.into_iter().filter_map(|reason| {
        let count: u64 = account.drops().filter(|it| it.0 == reason).map(|it| it.2).sum();
        (count > 0).then_some((reason.name()?, count))
    });
    reasons.fold(Object::new(), |object, (name, count)| object.raw(name, count)).end()
}

fn sink(sink: &SinkStats) -> String {
    let object = Object::new()
        .text("name", &sink.name)
        .text("level", sink.level.name())
        .raw("delivered", sink.delivered)
        .raw("left_out", sink.left_out)
        .raw("skipped", sink.skipped)
        .raw("failed", sink.failed)
        .raw("errors", sink.errors)
        .raw("panics", sink.panics);
    match &sink.error {
        Some(error) => object.text("error", error).end(),
        None => object.end(),
    }
}

fn thread(thread: &ThreadStats) -> String {
    Object::new()
        .text("name", &thread.name)
        .raw("tid", thread.os_id)
        .raw("ring_used", thread.ring_used)
        .raw("ring_high_water", thread.ring_high_water)
        .raw("ring_capacity", thread.ring_capacity)
        .raw("written", thread.account.written())
        .raw("dropped", thread.account.dropped())
        .end()
}
