//! Writes events as lines of text, for people.
//!
//! A mark has `--` in place of a level. A mark without a time begins with that.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use kymo_reader::Level;
use kymo_reader::{Record, write_escaped};

use super::elapsed::{Blank, Form, Since};
use super::layout::Layout;
use super::mark::Mark;
use super::{Format, Options};
use kymo_query::time::Times;

/// The width of a span of time, at which spans of less than a day are aligned.
const ELAPSED_WIDTH: usize = 15;

/// The notation of a short time.
const SHORT: &str = "%H:%M:%S%.6f";

/// Writes events as text.
pub struct Text {
    times: Times,
    /// The span that is shown in place of the time.
    since: Option<Since>,
    message: String,
    is_coloured: bool,
}

impl Text {
    pub(crate) fn new(options: &Options) -> Self {
        let whole = || Times::new(options.zone.clone());
        let short = options.is_short.then(|| Times::with_format(options.zone.clone(), SHORT).ok());
        Self {
            times: short.flatten().unwrap_or_else(whole),
            since: options.since,
            message: String::new(),
            is_coloured: options.is_coloured,
        }
    }

    #[inline]
    fn time(&mut self, time_ns: i64, out: &mut String, blanks: &mut Vec<Blank>) {
        match self.since {
            None => self.times.write(time_ns, out),
            Some(since) => {
                let form = Form::Seconds(Layout::right(ELAPSED_WIDTH));
                blanks.push(Blank { at: out.len(), since, form });
            }
        }
    }

    pub fn styled(&self, style: Style, out: &mut String, write: impl FnOnce(&mut String)) {
        if !self.is_coloured {
            return write(out);
        }
        let _ = write!(out, "{style}");
        write(out);
        let _ = write!(out, "{style:#}");
    }
}

impl Format for Text {
    fn record(
        &mut self,
        _file: usize,
        _log: &str,
        record: &Record<'_>,
        out: &mut String,
        blanks: &mut Vec<Blank>,
    ) {
        self.time(record.time_ns(), out, blanks);
        out.push(' ');
        let (name, style) = shown(record.level());
        self.styled(style, out, |out| out.push_str(name));
        out.push_str(" [");
        match record.thread() {
            thread if thread.namesake() == 1 => write_escaped(thread.name(), out),
            thread => {
                self.message.clear();
                let _ = write!(self.message, "{}", thread.label());
                write_escaped(&self.message, out);
            }
        }
        out.push_str("] ");
        write_escaped(record.target(), out);
        out.push_str(": ");
        self.message.clear();
        record.write_spans(&mut self.message);
        record.message(&mut self.message);
        write_escaped(&self.message, out);
        out.push('\n');
    }

    fn mark(&mut self, log: &str, mark: &Mark<'_>, out: &mut String, blanks: &mut Vec<Blank>) {
        if let Some(time_ns) = mark.time_ns {
            self.time(time_ns, out, blanks);
            out.push(' ');
        }
        self.message.clear();
        mark.write(log, &mut self.times, &mut self.message);
        self.styled(AnsiColor::Magenta.on_default().bold(), out, |out| {
            out.push_str("-- ");
            write_escaped(&self.message, out);
        });
        out.push('\n');
    }

    fn separate(&self, out: &mut String) {
        out.push_str("--\n");
    }
}

/// A level's name, padded to the width of the others, and its style.
pub fn shown(level: Level) -> (&'static str, Style) {
    match level {
        Level::Error => ("ERROR", AnsiColor::Red.on_default().bold()),
        Level::Warn => ("WARN ", AnsiColor::Yellow.on_default()),
        Level::Info => ("INFO ", AnsiColor::Green.on_default()),
        Level::Debug => ("DEBUG", AnsiColor::Blue.on_default()),
        Level::Trace => ("TRACE", Style::new().dimmed()),
    }
}

/// Appends the spans of a record, as they precede its message: `request{id=7}: query`, or `#12` if only the id is
/// known.
pub(super) fn write_chain(record: &Record<'_>, out: &mut String) {
    if let Some(id) = record.span_id().filter(|_| record.spans().is_empty()) {
        let _ = write!(out, "#{id}");
    }
    for (at, span) in record.spans().iter().enumerate() {
        out.push_str(if at == 0 { "" } else { ": " });
        span.write_text(out);
    }
}
