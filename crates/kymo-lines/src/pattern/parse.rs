//! Parses a pattern.

use std::ops::Range;

use jiff::tz::TimeZone;
use kymo_reader::Template;

use super::{Fit, Operand, Pattern, Piece, RecordField};
use crate::elapsed::Since;
use crate::layout::{Align, Layout};
use kymo_query::Argument;
use kymo_query::CaretError;
use kymo_query::time::Times;

/// The greatest width of a field, in characters.
const MAX_WIDTH: usize = 1_000;

const FIELDS: &str = "time, relative, delta, level, thread, target, module, file, line, message, \
                      fields, log, span, spans, span.NAME, or arg.NAME";

/// Parses a pattern.
pub fn parse(text: &str) -> Result<Pattern, CaretError> {
    let error = |span, message: String| CaretError::new(text, span, message);
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at + c.len_utf8()..];
        if matches!(c, '{' | '}') && rest.starts_with(c) {
            literal.push(c);
            at += 2;
        } else if c == '}' {
            return Err(error(at..at + 1, "to print a brace, write }}".to_owned()));
        } else if c == '{' {
            let Some(length) = rest.find('}') else {
                let message = "this is not closed; to print a brace, write {{";
                return Err(error(at..at + 1, message.to_owned()));
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(piece(text, at + 1..at + 1 + length)?);
            at += length + 2;
        } else {
            literal.push(c);
            at += c.len_utf8();
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(Pattern(pieces))
}

/// Parses the content of a pair of braces.
fn piece(text: &str, span: Range<usize>) -> Result<Piece, CaretError> {
    let inside = &text[span.clone()];
    let (name, spec) = match inside.split_once(':') {
        Some((name, spec)) => (name, Some(spec)),
        None => (inside, None),
    };
    let name_span = span.start..span.start + name.len();
    let spec_span = (name_span.end + 1).min(span.end)..span.end;
    if name == "time" {
        if let Some(spec) = spec
            && let Err(error) = Times::with_format(TimeZone::UTC, spec)
        {
            let message = format!("not a notation of time: {error}");
            return Err(CaretError::new(text, spec_span, message));
        }
        return Ok(Piece::Time(spec.map(str::to_owned)));
    }
    let spec = Spec::parse(spec.unwrap_or_default())
        .map_err(|message| CaretError::new(text, spec_span.clone(), message))?;
    let field = match name {
        "level" => RecordField::Level,
        "thread" => RecordField::Thread,
        "target" => RecordField::Target,
        "module" => RecordField::Module,
        "file" => RecordField::File,
        "message" => RecordField::Message,
        "fields" => RecordField::Fields,
        "log" => RecordField::Log,
        "span" => RecordField::Span,
        "spans" => RecordField::Spans,
        "line" => return Ok(Piece::Value(Operand::Line, spec.fit())),
        "relative" | "delta" if spec.style.is_empty() => {
            let since = if name == "delta" { Since::Previous } else { Since::First };
            return Ok(Piece::Elapsed(since, spec.layout));
        }
        "relative" | "delta" => return Err(CaretError::new(text, spec_span, spec.no_style(name))),
        name => match operand(name) {
            Some(operand) => {
                return Ok(Piece::Value(operand, spec.fit()));
            }
            None => {
                let message = format!("no such field; there are {FIELDS}");
                let span = if name.is_empty() { span } else { name_span };
                return Err(CaretError::new(text, span, message));
            }
        },
    };
    if !spec.style.is_empty() {
        return Err(CaretError::new(text, spec_span, spec.no_style(name)));
    }
    Ok(Piece::Field(field, spec.layout))
}

/// An argument, or the field of a span: `span.NAME`.
fn operand(name: &str) -> Option<Operand> {
    match name.strip_prefix("span.") {
        Some("") => None,
        Some(name) => Some(Operand::SpanField(name.into())),
        None => argument(name).map(Operand::Argument),
    }
}

/// `arg.NAME`, `arg.0` or `arg0`
fn argument(name: &str) -> Option<Argument> {
    let rest = name.strip_prefix("arg")?;
    match rest.strip_prefix('.') {
        Some("") => None,
        Some(name) => Some(Argument::new(name)),
        None => digits(rest).map(Argument::At),
    }
}

/// A number without a sign.
fn digits(text: &str) -> Option<usize> {
    text.parse().ok().filter(|_| text.starts_with(|c: char| c.is_ascii_digit()))
}

/// The format after a field's colon: `[[fill]align][sign][#][0][width][.precision][type]`.
struct Spec<'t> {
    text: &'t str,
    layout: Layout,
    /// `x`, `?` and the like.
    style: &'t str,
}

/// The traits that a specification may name.
const STYLES: [&str; 10] = ["", "?", "x?", "X?", "x", "X", "o", "b", "e", "E"];

impl<'t> Spec<'t> {
    /// Takes it apart, as far as text needs it.
    fn parse(text: &'t str) -> Result<Self, String> {
        let align = |c: char| match c {
            '<' => Some(Align::Left),
            '^' => Some(Align::Center),
            '>' => Some(Align::Right),
            _ => None,
        };
        let mut layout = Layout::NONE;
        let mut chars = text.chars();
        let (first, second) = (chars.next(), chars.next());
        let mut rest = text;
        if let (Some(fill), Some(side)) = (first, second.and_then(align)) {
            if fill.is_control() {
                return Err("a control character cannot fill a column".to_owned());
            }
            (layout.fill, layout.align) = (fill, side);
            rest = &text[fill.len_utf8() + 1..];
        } else if let Some(side) = first.and_then(align) {
            layout.align = side;
            rest = &text[1..];
        }
        rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
        rest = rest.strip_prefix('#').unwrap_or(rest);
        rest = rest.strip_prefix('0').unwrap_or(rest);
        let mut number = || {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (digits, after) = rest.split_at(end);
            rest = after;
            match digits {
                "" => Ok(None),
                digits => match digits.parse().ok().filter(|&number| number <= MAX_WIDTH) {
                    Some(number) => Ok(Some(number)),
                    None => Err(expected()),
                },
            }
        };
        layout.width = number()?.unwrap_or(0);
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let most = rest[..end].parse().ok().filter(|&most| most <= MAX_WIDTH);
            layout.most = Some(most.ok_or_else(expected)?);
            rest = &rest[end..];
        }
        if !STYLES.contains(&rest) {
            return Err(expected());
        }
        Ok(Self { text, layout, style: rest })
    }

    /// What renders a value, as `format!` would.
    fn fit(&self) -> Fit {
        let format = format!("{{:{}}}", self.text);
        // It was taken apart by the same grammar.
        let template = Template::parse(&format, &[""]);
        let template = template.unwrap_or_else(|_| Template::unparsed("", &[""]));
        Fit { template, is_debug: self.style.ends_with('?'), layout: self.layout }
    }

    fn no_style(&self, field: &str) -> String {
        format!("{field} is text, which has no `{}`", self.style)
    }
}

fn expected() -> String {
    format!(
        "expected [[fill]align][sign][#][0][width][.precision][type], as in {{level:>5}} or \
         {{arg.px:.2}}, numbers up to {MAX_WIDTH}"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> String {
        parse(text).expect_err(text).to_string()
    }

    #[test]
    fn an_error_says_what_and_shows_where() {
        for (text, expected) in [
            ("{", "this is not closed; to print a brace, write {{\n  {\n  ^"),
            ("a } b", "to print a brace, write }}\n  a } b\n    ^"),
            ("{px}", "no such field; there are time, relative, "),
            ("{}", "no such field; there are "),
            ("{arg.}", "no such field; there are "),
            ("{level:x}", "level is text, which has no `x`\n"),
            ("{delta:?}", "delta is text, which has no `?`\n"),
            ("{level:5000}", "expected [[fill]align][sign][#][0][width][.precision][type], as in"),
            ("{arg0:.*}", "expected [[fill]align]"),
            ("{arg0:w$}", "expected [[fill]align]"),
            ("{arg0:1$}", "expected [[fill]align]"),
            ("{arg0:y}", "expected [[fill]align]"),
            ("{time:%!}", "not a notation of time: "),
            (
                "ä{line:y}",
                "expected [[fill]align][sign][#][0][width][.precision][type], as in {level:>5} or \
                 {arg.px:.2}, numbers up to 1000\n  ä{line:y}\n         ^",
            ),
        ] {
            assert!(error(text).starts_with(expected), "{text}:\n{}", error(text));
        }
    }

    /// Any specification that Rust has for one value is one here.
    #[test]
    fn a_specification_is_as_in_rust() {
        for fill in ["", "<", "*>", "ä^"] {
            for flags in ["", "+", "#", "0", "+#0", "-"] {
                for size in ["", "8", "8.2", ".0"] {
                    for style in STYLES {
                        let spec = format!("{fill}{flags}{size}{style}");
                        let template = Template::parse(&format!("{{:{spec}}}"), &[""]).unwrap();
                        let parsed = Spec::parse(&spec).unwrap_or_else(|it| panic!("{spec}: {it}"));
                        assert_eq!(parsed.fit().template, template, "{spec}");
                    }
                }
            }
        }
    }

    #[test]
    fn braces_fields_and_layouts_are_told_apart() {
        let Pattern(pieces) = parse("{{{level:*>5.3}}} {arg.px}{arg0}{time:%H:%M}").unwrap();
        let layout = Layout { fill: '*', align: Align::Right, width: 5, most: Some(3) };
        let fit = || Spec::parse("").unwrap().fit();
        let argument = |argument| Piece::Value(Operand::Argument(argument), fit());
        let expected = [
            Piece::Literal("{".to_owned()),
            Piece::Field(RecordField::Level, layout),
            Piece::Literal("} ".to_owned()),
            argument(Argument::Named("px".into())),
            argument(Argument::At(0)),
            Piece::Time(Some("%H:%M".to_owned())),
        ];
        assert_eq!(pieces, expected);
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in prop_oneof![
            any::<String>(),
            r"(\{|\}|:|[<>^*.0-9]|level|time|arg\.|%[a-zA-Z.]|\PC){0,20}",
        ]) {
            if let Err(error) = parse(&text) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
