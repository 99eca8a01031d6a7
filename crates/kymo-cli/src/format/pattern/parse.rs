//! From text to a pattern.

use std::ops::Range;

use jiff::tz::TimeZone;

use super::{Field, Pattern, Piece};
use crate::argument::Argument;
use crate::caret::CaretError;
use crate::format::elapsed::Since;
use crate::format::layout::{Align, Layout};
use crate::time::Times;

/// How wide a field can be made, in characters.
const MAX_WIDTH: usize = 1_000;

const FIELDS: &str = "time, relative, delta, level, thread, target, module, file, line, message, \
                      fields, log, or arg.NAME";

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

/// Parses what stands between braces.
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
    let layout = layout(spec.unwrap_or_default())
        .map_err(|message| CaretError::new(text, spec_span, message))?;
    let field = match name {
        "relative" => return Ok(Piece::Elapsed(Since::First, layout)),
        "delta" => return Ok(Piece::Elapsed(Since::Previous, layout)),
        "level" => Field::Level,
        "thread" => Field::Thread,
        "target" => Field::Target,
        "module" => Field::Module,
        "file" => Field::File,
        "line" => Field::Line,
        "message" => Field::Message,
        "fields" => Field::Fields,
        "log" => Field::Log,
        name => match argument(name) {
            Some(argument) => Field::Argument(argument),
            None => {
                let message = format!("no such field; there are {FIELDS}");
                let span = if name.is_empty() { span } else { name_span };
                return Err(CaretError::new(text, span, message));
            }
        },
    };
    Ok(Piece::Field(field, layout))
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

/// `[[fill]align][width][.most]`
fn layout(spec: &str) -> Result<Layout, String> {
    let align = |c: char| match c {
        '<' => Some(Align::Left),
        '^' => Some(Align::Center),
        '>' => Some(Align::Right),
        _ => None,
    };
    let mut layout = Layout::NONE;
    let mut chars = spec.chars();
    let (first, second) = (chars.next(), chars.next());
    let mut rest = spec;
    if let (Some(fill), Some(side)) = (first, second.and_then(align)) {
        if fill.is_control() {
            return Err("a control character cannot fill a column".to_owned());
        }
        (layout.fill, layout.align) = (fill, side);
        rest = &spec[fill.len_utf8() + 1..];
    } else if let Some(side) = first.and_then(align) {
        layout.align = side;
        rest = &spec[1..];
    }
    let (width, most) = match rest.split_once('.') {
        Some((width, most)) => (width, Some(most)),
        None => (rest, None),
    };
    let number = |text: &str| {
        let number = digits(text).filter(|&number| number <= MAX_WIDTH);
        number.ok_or_else(|| {
            format!("expected [[fill]align][width][.most], as in {{level:>5}}, up to {MAX_WIDTH}")
        })
    };
    if !width.is_empty() {
        layout.width = number(width)?;
    }
    layout.most = most.map(number).transpose()?;
    Ok(layout)
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
            ("{level:x}", "expected [[fill]align][width][.most], as in {level:>5}, up to 1000\n"),
            ("{level:5000}", "expected [[fill]align][width][.most]"),
            ("{time:%!}", "not a notation of time: "),
            (
                "ä{line:+5}",
                "expected [[fill]align][width][.most], as in {level:>5}, up to 1000\n  ä{line:+5}\n         ^^",
            ),
        ] {
            assert!(error(text).starts_with(expected), "{text}:\n{}", error(text));
        }
    }

    #[test]
    fn braces_fields_and_layouts_are_told_apart() {
        let Pattern(pieces) = parse("{{{level:*>5.3}}} {arg.px}{arg0}{time:%H:%M}").unwrap();
        let layout = Layout { fill: '*', align: Align::Right, width: 5, most: Some(3) };
        let argument = |argument| Piece::Field(Field::Argument(argument), Layout::NONE);
        let expected = [
            Piece::Literal("{".to_owned()),
            Piece::Field(Field::Level, layout),
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
