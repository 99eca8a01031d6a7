//! Events as lines of text, for people.
//!
//! A line that is not a record has `--` where a record has its level. Where it has no time of its
//! own, it begins with that.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use jiff::tz::TimeZone;
use kymo::Level;
use kymo::reader::{Damage, Drops, Event, Gap, Record, Signal, Thread, write_escaped};

use super::elapsed::{Blank, Form, Since};
use super::layout::Layout;
use crate::time::Times;

/// How wide a span of time is shown, so that those below a day stand below each other.
const ELAPSED_WIDTH: usize = 15;

/// Writes events as text.
pub struct Text {
    times: Times,
    /// What is shown in place of the time.
    since: Option<Since>,
    message: String,
    colour: bool,
}

impl Text {
    pub fn new(zone: TimeZone, since: Option<Since>, colour: bool) -> Self {
        Self { times: Times::new(zone), since, message: String::new(), colour }
    }

    /// Appends a line, if there is anything to say about `event`, which is from the file `log`.
    #[inline]
    pub fn write(
        &mut self,
        log: &str,
        event: &Event<'_>,
        out: &mut String,
        blanks: &mut Vec<Blank>,
    ) {
        match event {
            Event::Record(record) => self.record(record, out, blanks),
            Event::Drops(drops) => self.drops(drops, out, blanks),
            Event::Gap(gap) => self.gap(log, gap, out),
            Event::Damage(damage) => self.damage(log, damage, out),
            Event::Signal(signal) => self.signal(signal, out),
            // Totals are not for reading along.
            _ => {}
        }
    }

    fn record(&mut self, record: &Record<'_>, out: &mut String, blanks: &mut Vec<Blank>) {
        self.time(record.time_ns(), out, blanks);
        out.push(' ');
        let (name, style) = shown(record.level());
        self.styled(style, out, |out| out.push_str(name));
        out.push_str(" [");
        let _ = match record.thread().name() {
            "" => write!(out, "{}", record.thread().number()),
            name => {
                write_escaped(name, out);
                Ok(())
            }
        };
        out.push_str("] ");
        write_escaped(record.target(), out);
        out.push_str(": ");
        self.message.clear();
        record.message(&mut self.message);
        write_escaped(&self.message, out);
        out.push('\n');
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

    fn drops(&mut self, drops: &Drops<'_>, out: &mut String, blanks: &mut Vec<Blank>) {
        self.time(drops.first_ns, out, blanks);
        out.push(' ');
        self.message.clear();
        write_count(drops.total(), "was", "were", drops.thread, &mut self.message);
        self.message.push_str(" dropped here");
        if drops.last_ns != drops.first_ns {
            self.message.push_str(", until ");
            self.times.write(drops.last_ns, &mut self.message);
        }
        let mut reason = None;
        for count in drops.counts {
            if reason == Some(count.reason) {
                self.message.push_str(", ");
            } else {
                self.message.push_str(if reason.is_some() { "); " } else { ": " });
                let _ = write!(self.message, "{} (", count.reason);
                reason = Some(count.reason);
            }
            let level = count.level.map_or("unknown level", Level::name);
            let _ = write!(self.message, "{level} {}", count.count);
        }
        if reason.is_some() {
            self.message.push(')');
        }
        self.mark(out);
    }

    fn gap(&mut self, log: &str, gap: &Gap<'_>, out: &mut String) {
        self.message.clear();
        self.message.push_str(log);
        self.message.push_str(": ");
        match gap.thread {
            Some(thread) => {
                write_count(gap.records, "is", "are", thread, &mut self.message);
                let _ = write!(self.message, " missing here, before byte {}", gap.offset);
            }
            None => {
                let (records, offset) = (gap.records, gap.offset);
                let _ =
                    write!(self.message, "{records} more missing, by the totals at byte {offset}");
            }
        }
        self.mark(out);
    }

    fn damage(&mut self, log: &str, damage: &Damage, out: &mut String) {
        self.message.clear();
        let _ = write!(self.message, "{log}: {damage}");
        self.mark(out);
    }

    fn signal(&mut self, signal: &Signal<'_>, out: &mut String) {
        self.times.write(signal.time_ns, out);
        out.push(' ');
        self.message.clear();
        let _ = write!(self.message, "the process received {signal} in ");
        let _ = match signal.thread {
            None => write!(self.message, "a thread that logged nothing ({})", signal.os_thread),
            Some(thread) => match thread.name() {
                "" => write!(self.message, "thread {}", thread.number()),
                name => write!(self.message, "thread \"{name}\""),
            },
        };
        self.mark(out);
    }

    /// Appends the message as a mark.
    fn mark(&self, out: &mut String) {
        self.styled(AnsiColor::Magenta.on_default().bold(), out, |out| {
            out.push_str("-- ");
            write_escaped(&self.message, out);
        });
        out.push('\n');
    }

    fn styled(&self, style: Style, out: &mut String, write: impl FnOnce(&mut String)) {
        if !self.colour {
            return write(out);
        }
        let _ = write!(out, "{style}");
        write(out);
        let _ = write!(out, "{style:#}");
    }
}

/// Appends `12 records of thread "feed" were`.
fn write_count(count: u64, one: &str, many: &str, thread: &Thread, out: &mut String) {
    let (noun, verb) = if count == 1 { ("record", one) } else { ("records", many) };
    let _ = match thread.name() {
        "" => write!(out, "{count} {noun} of thread {} {verb}", thread.number()),
        name => write!(out, "{count} {noun} of thread \"{name}\" {verb}"),
    };
}

/// A level's name, as wide as all the others, and how it is shown.
fn shown(level: Level) -> (&'static str, Style) {
    match level {
        Level::Error => ("ERROR", AnsiColor::Red.on_default().bold()),
        Level::Warn => ("WARN ", AnsiColor::Yellow.on_default()),
        Level::Info => ("INFO ", AnsiColor::Green.on_default()),
        Level::Debug => ("DEBUG", AnsiColor::Blue.on_default()),
        Level::Trace => ("TRACE", Style::new().dimmed()),
    }
}
