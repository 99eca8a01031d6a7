//! Writes lines by a pattern of the user's: `{time:%H:%M:%S%.6f} {level:5} {message}`.
//!
//! Braces hold a field and, after a colon, its format as in `format!`:
//! `[[fill]align][sign][#][0][width][.precision][type]`. Values are rendered as in messages: a column
//! `{arg.px:.2}` shows what `{px:.2}` shows. After `time` follows a notation of `strftime`. `{{` and
//! `}}` are braces. Fields are escaped as in text. A field that a record lacks is empty. Marks are
//! printed as in text.

mod parse;

use std::fmt::Write;
use std::str::FromStr;

use kymo_reader::json::write_fields;
use kymo_reader::{Record, Template, Value, write_escaped};

use super::elapsed::{Blank, Form, Since};
use super::layout::Layout;
use super::mark::Mark;
use super::text::{Text, shown, write_chain};
use super::{Format, Options};
use kymo_query::Argument;
use kymo_query::CaretError;
use kymo_query::time::Times;

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    /// As it is.
    Literal(String),
    /// In a notation, or RFC 3339.
    Time(Option<String>),
    Elapsed(Since, Layout),
    Field(RecordField, Layout),
    Value(Operand, Fit),
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Line,
    Argument(Argument),
    /// A field of the innermost span that has it.
    SpanField(Box<str>),
}

/// How a value is rendered.
#[derive(Clone, Debug, PartialEq)]
struct Fit {
    /// One placeholder.
    template: Template,
    /// It is one for `Debug`.
    is_debug: bool,
    /// For text, which is escaped first and then fitted.
    layout: Layout,
}

/// What remains to be done with a rendered value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    Pad,
    CutAndPad,
}

#[derive(Clone, Debug, PartialEq)]
enum RecordField {
    Level,
    Thread,
    Target,
    Module,
    File,
    Message,
    /// All arguments, as a JSON object.
    Fields,
    /// The name of the log file.
    Log,
    /// The name of the innermost span.
    Span,
    /// All spans, as in text.
    Spans,
}

impl Pattern {
    /// Whether a line shows spans of time.
    pub fn is_timed(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Elapsed(..)))
    }

    /// The arguments that it shows.
    pub fn arguments(&self) -> impl Iterator<Item = &Argument> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Value(Operand::Argument(argument), _) => Some(argument),
            _ => None,
        })
    }
}

impl FromStr for Pattern {
    type Err = CaretError;

    fn from_str(text: &str) -> Result<Self, CaretError> {
        parse::parse(text)
    }
}

/// Writes events by a pattern.
pub struct Patterned {
    pattern: Pattern,
    /// For each time in the pattern.
    times: Vec<Times>,
    /// For marks.
    text: Text,
    is_coloured: bool,
    raw: String,
    escaped: String,
}

impl Patterned {
    pub(crate) fn new(pattern: Pattern, options: &Options) -> Self {
        let (zone, is_coloured) = (&options.zone, options.is_coloured);
        let times = |piece: &Piece| match piece {
            Piece::Time(format) => {
                let format = format.as_ref();
                // It was tried when it was parsed.
                let times = format.and_then(|it| Times::with_format(zone.clone(), it).ok());
                Some(times.unwrap_or_else(|| Times::new(zone.clone())))
            }
            _ => None,
        };
        let times = pattern.0.iter().filter_map(times).collect();
        let text = Text::new(options);
        Self { pattern, times, text, is_coloured, raw: String::new(), escaped: String::new() }
    }
}

impl Format for Patterned {
    fn mark(&mut self, log: &str, mark: &Mark<'_>, out: &mut String, blanks: &mut Vec<Blank>) {
        self.text.mark(log, mark, out, blanks);
    }

    fn record(
        &mut self,
        _file: usize,
        log: &str,
        record: &Record<'_>,
        out: &mut String,
        blanks: &mut Vec<Blank>,
    ) {
        let mut times = self.times.iter_mut();
        for piece in &self.pattern.0 {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Time(_) => {
                    if let Some(times) = times.next() {
                        times.write(record.time_ns(), out);
                    }
                }
                Piece::Elapsed(since, layout) => {
                    let form = Form::Seconds(*layout);
                    blanks.push(Blank { at: out.len(), since: *since, form });
                }
                Piece::Field(RecordField::Level, layout) => {
                    let (name, style) = shown(record.level());
                    let style = if self.is_coloured { style } else { Default::default() };
                    let _ = write!(out, "{style}");
                    layout.write(name.trim_end(), out);
                    let _ = write!(out, "{style:#}");
                }
                Piece::Field(field, layout) => {
                    self.raw.clear();
                    field.write(log, record, &mut self.raw);
                    self.escaped.clear();
                    // What is cut is the text, not an escape.
                    write_escaped(layout.cut(&self.raw), &mut self.escaped);
                    layout.pad(&self.escaped, out);
                }
                Piece::Value(operand, fit) => {
                    self.raw.clear();
                    let left = operand.write(record, fit, &mut self.raw);
                    self.escaped.clear();
                    let cut = left == Left::CutAndPad;
                    let shown = if cut { fit.layout.cut(&self.raw) } else { &self.raw };
                    write_escaped(shown, &mut self.escaped);
                    match left {
                        Left::Nothing => out.push_str(&self.escaped),
                        Left::Pad | Left::CutAndPad => fit.layout.pad(&self.escaped, out),
                    }
                }
            }
        }
        out.push('\n');
    }

    fn separate(&self, out: &mut String) {
        out.push_str("--\n");
    }

    fn arguments(&self) -> Vec<&Argument> {
        self.pattern.arguments().collect()
    }
}

impl RecordField {
    /// Appends the field of a record, not escaped.
    fn write(&self, log: &str, record: &Record<'_>, out: &mut String) {
        let _ = match self {
            Self::Level => write!(out, "{}", record.level()),
            Self::Thread => write!(out, "{}", record.thread().label()),
            Self::Target => out.write_str(record.target()),
            Self::Module => out.write_str(record.module()),
            Self::File => out.write_str(record.file()),
            Self::Log => out.write_str(log),
            Self::Span => out.write_str(record.spans().last().map_or("", |span| span.name())),
            Self::Spans => {
                write_chain(record, out);
                Ok(())
            }
            Self::Message => {
                record.message(out);
                Ok(())
            }
            Self::Fields => {
                write_fields(record, out);
                Ok(())
            }
        };
    }
}

impl Operand {
    /// Appends the value of a record, not escaped. A `Some` is its value; a missing value is a column
    /// of spaces.
    fn write(&self, record: &Record<'_>, fit: &Fit, out: &mut String) -> Left {
        let mut value = match self {
            Self::Line => Some(Value::U64(record.line())),
            Self::Argument(Argument::Named(name)) => record.argument(name),
            Self::Argument(Argument::At(position)) => record.argument_at(*position),
            Self::SpanField(name) => record.span_field(name),
        };
        while let Some(Value::Option(Some(inner))) = value {
            value = Some(inner.get());
        }
        match value {
            None => return Left::Pad,
            Some(Value::Option(None)) => {
                out.push_str("None");
                return Left::Pad;
            }
            Some(Value::Str(text) | Value::Text(text) | Value::OsStr(text)) if !fit.is_debug => {
                out.push_str(&text.to_str());
                out.push_str(if text.is_cut() { "…" } else { "" });
            }
            Some(Value::Formatted(texts)) if !fit.is_debug => {
                let text = texts.get(0);
                out.push_str(&text.to_str());
                out.push_str(if text.is_cut() { "…" } else { "" });
            }
            Some(Value::Char(c)) if !fit.is_debug => out.push(c),
            Some(value) => {
                fit.template.render(&[value], out);
                return Left::Nothing;
            }
        }
        Left::CutAndPad
    }
}
