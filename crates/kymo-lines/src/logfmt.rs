//! Writes events as logfmt: `key=value` pairs with a space between them, one event a line.
//!
//! There is no specification; this is what common parsers agree on. A value is in quotes, with the
//! escapes of JSON, if it is empty or has a space, `"`, `=`, `\` or a character that is not printable
//! ASCII. A key has `_` in place of such characters. An argument with the name of another key has
//! `arg.` before its name, so that no key comes twice.

use std::collections::HashSet;
use std::fmt::Write;

use jiff::tz::TimeZone;
use kymo_reader::json::{write_string, write_value};
use kymo_reader::{CallSite, Record, Thread, Value};

use super::elapsed::{Blank, Form, Since};
use super::mark::Mark;
use super::sites::Sites;
use super::text::write_chain;
use super::{Format, Options};
use kymo_query::time::Times;

/// The keys that are not arguments.
const KEYS: [&str; 18] = [
    "event",
    "time",
    "relative",
    "delta",
    "level",
    "target",
    "thread",
    "file",
    "line",
    "message",
    "cut",
    "records",
    "log",
    "offset",
    "span",
    "spans",
    "span_event",
    "span_id",
];

/// What precedes the name of a span's field in its key.
const SPAN_FIELD: &str = "span.";

/// Writes events as logfmt.
pub struct Logfmt {
    times: Times,
    since: Option<Since>,
    text: String,
    /// By file.
    sites: Vec<Sites<SitePairs>>,
}

/// The parts of a line that the records of a call site share.
struct SitePairs {
    /// From after the time to before the thread.
    middle: String,
    /// The keys of the arguments, with space and `=`.
    keys: Vec<String>,
}

impl Logfmt {
    pub(crate) fn new(options: &Options) -> Self {
        let sites = (0..options.files).map(|_| Sites::new()).collect();
        let since = options.since;
        Self { times: Times::new(TimeZone::UTC), since, text: String::new(), sites }
    }

    fn time(&mut self, time_ns: i64, out: &mut String, blanks: &mut Vec<Blank>) {
        out.push_str("time=");
        self.times.write(time_ns, out);
        if let Some(since) = self.since {
            let _ = write!(out, " {}=", since.name());
            blanks.push(Blank { at: out.len(), since, form: Form::Nanoseconds });
        }
    }

    /// Appends the innermost span's name, all spans as in text, and their fields, those of the innermost first.
    fn spans(&mut self, record: &Record<'_>, out: &mut String) {
        if let Some(role) = record.span_role() {
            let _ = write!(out, " span_event={}", role.name());
        }
        let Some(innermost) = record.spans().last() else {
            let _ = write!(out, " span_id={}", record.span_id().unwrap_or_default());
            return;
        };
        out.push_str(" span=");
        write_text(innermost.name(), out);
        self.text.clear();
        write_chain(record, &mut self.text);
        out.push_str(" spans=");
        write_text(&self.text, out);
        let mut taken = HashSet::new();
        for span in record.spans().iter().rev() {
            for (name, value) in span.fields() {
                let name = bare(name);
                if taken.insert(name.clone()) {
                    let _ = write!(out, " {SPAN_FIELD}{name}=");
                    write_argument(&value, &mut self.text, out);
                }
            }
        }
    }
}

impl Format for Logfmt {
    fn record(
        &mut self,
        file: usize,
        _log: &str,
        record: &Record<'_>,
        out: &mut String,
        blanks: &mut Vec<Blank>,
    ) {
        self.time(record.time_ns(), out, blanks);
        let site = self.sites[file].get(record.call_site(), SitePairs::new);
        out.push_str(&site.middle);
        write_thread(record.thread(), out);
        out.push_str(" message=");
        self.text.clear();
        record.message(&mut self.text);
        write_text(&self.text, out);
        let message = usize::from(record.call_site().has_message_argument());
        for (key, (_, value)) in site.keys.iter().zip(record.arguments()).skip(message) {
            out.push_str(key);
            write_argument(&value, &mut self.text, out);
        }
        if record.span_id().is_some() {
            self.spans(record, out);
        }
        out.push_str(if record.is_cut() { " cut=true\n" } else { "\n" });
    }

    fn mark(&mut self, log: &str, mark: &Mark<'_>, out: &mut String, blanks: &mut Vec<Blank>) {
        if let Some(time_ns) = mark.time_ns {
            self.time(time_ns, out, blanks);
            out.push(' ');
        }
        let _ = write!(out, "event={}", mark.name);
        if let Some(thread) = mark.thread {
            out.push_str(" thread=");
            write_thread(thread, out);
        }
        if let Some(records) = mark.records {
            let _ = write!(out, " records={records}");
        }
        self.text.clear();
        mark.write(log, &mut self.times, &mut self.text);
        out.push_str(" message=");
        write_text(&self.text, out);
        out.push_str(" log=");
        write_text(log, out);
        if let Some(offset) = mark.offset {
            let _ = write!(out, " offset={offset}");
        }
        out.push('\n');
    }

    fn add_file(&mut self) {
        self.sites.push(Sites::new());
    }
}

impl SitePairs {
    fn new(site: &CallSite) -> Self {
        let mut middle = format!(" level={} target=", site.level());
        write_text(site.target(), &mut middle);
        middle.push_str(" file=");
        write_text(site.file(), &mut middle);
        let _ = write!(middle, " line={} thread=", site.line());
        let keys = keys(site.names()).into_iter().map(|key| format!(" {key}=")).collect();
        Self { middle, keys }
    }
}

/// The keys of arguments with these names, no two of them equal. An argument without a name is `arg0`.
/// One with the name of another key is `arg.NAME`, with a number appended if need be.
fn keys(names: &[impl AsRef<str>]) -> Vec<String> {
    let mut taken: HashSet<String> = KEYS.map(str::to_owned).into();
    let unnamed = |(at, name): (usize, &str)| name.is_empty().then(|| format!("arg{at}"));
    let named = || names.iter().map(AsRef::as_ref).enumerate();
    taken.extend(named().filter_map(unnamed));
    let key = |(at, name)| {
        if let Some(key) = unnamed((at, name)) {
            return key;
        }
        let name = bare(name);
        let mut key = name.clone();
        for number in 1_u64.. {
            if !key.starts_with(SPAN_FIELD) && taken.insert(key.clone()) {
                break;
            }
            key = if number == 1 { format!("arg.{name}") } else { format!("arg.{name}.{number}") };
        }
        key
    };
    named().map(key).collect()
}

/// The name with what a key cannot have replaced.
fn bare(name: &str) -> String {
    name.chars().map(|c| if is_bare(c) { c } else { '_' }).collect()
}

fn write_thread(thread: &Thread, out: &mut String) {
    match thread.name() {
        "" => write!(out, "{}", thread.number()).unwrap_or_default(),
        name => write_text(name, out),
    }
}

/// Appends the value of an argument; `text` is memory for it.
fn write_argument(value: &Value<'_>, text: &mut String, out: &mut String) {
    match value {
        Value::Option(Some(inner)) => write_argument(&inner.get(), text, out),
        Value::Str(string) | Value::Text(string) | Value::OsStr(string) if !string.is_cut() => {
            write_text(&string.to_str(), out);
        }
        Value::Sequence(_)
        | Value::Tuple(_)
        | Value::Set(_)
        | Value::Map(_)
        | Value::Result(_)
        | Value::Struct(_)
        | Value::Enum(_)
        | Value::Range(_) => {
            text.clear();
            write_value(value, text);
            write_text(text, out);
        }
        Value::Str(_) | Value::Text(_) | Value::Char(_) | Value::OsStr(_) | Value::Formatted(_) => {
            text.clear();
            let _ = write!(text, "{value}");
            write_text(text, out);
        }
        // Numbers and the like, and addresses, which JSON has in quotes.
        value => {
            text.clear();
            write_value(value, text);
            out.push_str(text.trim_matches('"'));
        }
    }
}

/// Appends a text, in quotes if it needs them.
fn write_text(text: &str, out: &mut String) {
    match text.is_empty() || !text.chars().all(is_bare) {
        true => write_string(text, out),
        false => out.push_str(text),
    }
}

fn is_bare(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `{} {arg0}` printed `arg0=` twice.
    #[test]
    fn an_argument_named_like_another_key() {
        assert_eq!(keys(&["", "arg0"]), ["arg0", "arg.arg0"]);
        assert_eq!(keys(&["arg1", "", "px"]), ["arg.arg1", "arg1", "px"]);
        assert_eq!(
            keys(&["level", "arg.level", "level"]),
            ["arg.level", "arg.arg.level", "arg.level.2"]
        );
        assert_eq!(keys(&["span", "span.x", "spanx"]), ["arg.span", "arg.span.x", "spanx"]);
        assert_eq!(keys(&["a b", "a=b", "a_b"]), ["a_b", "arg.a_b", "arg.a_b.2"]);
    }

    proptest! {
        #[test]
        fn no_key_comes_twice(names in prop::collection::vec(
            prop_oneof!["(arg[.]?)?[ab0-3=]{0,2}", Just("time".to_owned()), Just(String::new())],
            0..8,
        )) {
            let keys = keys(&names);
            let all: HashSet<&str> = keys.iter().map(|key| &**key).chain(KEYS).collect();
            prop_assert_eq!(all.len(), names.len() + KEYS.len(), "{:?}", keys);
        }
    }
}
