//! An expression as text that parses back to it.

use std::fmt::{self, Display, Formatter};

use kymo_reader::write_escaped;

use super::lexer::{is_name, is_name_start};
use super::{Comparison, Expression, Field, Operand};
use crate::argument::Argument;

/// Names that mean something else than the argument of that name.
const RESERVED: [&str; 23] = [
    "None", "NULL", "and", "arg", "contains", "false", "file", "in", "is", "level", "line",
    "matches", "message", "nil", "none", "not", "null", "or", "span", "spans", "target", "thread",
    "time",
];

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(Some(value)) => value.fmt(f),
            Self::Constant(None) => f.write_str("unknown"),
            Self::Or(parts) => list(parts, " or ", |part| matches!(part, Self::Or(_)), f),
            Self::And(parts) => {
                list(parts, " and ", |part| matches!(part, Self::Or(_) | Self::And(_)), f)
            }
            Self::Not(part) => {
                f.write_str("not ")?;
                list(&[&**part], "", |part| matches!(part, Self::Or(_) | Self::And(_)), f)
            }
            Self::Truth(field) => field.fmt(f),
            Self::IsNone(field) => write!(f, "{field} is none"),
            Self::Compare(left, comparison, right) => write!(f, "{left} {comparison} {right}"),
            Self::Contains(left, right) => write!(f, "{left} contains {right}"),
            Self::Matches(field, pattern) => {
                write!(f, "{field} matches ")?;
                quoted(pattern.0.as_str(), f)
            }
            Self::Level(comparison, level) => write!(f, "level {comparison} {level}"),
            Self::Time(comparison, moment) => write!(f, "time {comparison} \"{}\"", moment.point),
        }
    }
}

/// Writes parts with something between them, those in parentheses that need it.
fn list<T: Display>(
    parts: &[T],
    between: &str,
    needs_parentheses: impl Fn(&T) -> bool,
    f: &mut Formatter<'_>,
) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        f.write_str(if index > 0 { between } else { "" })?;
        match needs_parentheses(part) {
            true => write!(f, "({part})")?,
            false => part.fmt(f)?,
        }
    }
    Ok(())
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => field.fmt(f),
            Self::Bool(value) => value.fmt(f),
            Self::Integer(value) => {
                write!(f, "{}{}", if value.is_negative { "-" } else { "" }, value.magnitude)
            }
            Self::Decimal(value) => write!(f, "{value:?}"),
            Self::String(text) => quoted(text, f),
            Self::Duration { nanoseconds } => write!(f, "{nanoseconds}ns"),
        }
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target => f.write_str("target"),
            Self::Thread => f.write_str("thread"),
            Self::File => f.write_str("file"),
            Self::Line => f.write_str("line"),
            Self::Message => f.write_str("message"),
            Self::Span => f.write_str("span"),
            Self::Spans => f.write_str("spans"),
            Self::OfSpan(name) => write!(f, "span.{name}"),
            Self::Argument(argument) => {
                let is_plain = match argument {
                    Argument::At(_) => true,
                    Argument::Named(name) => is_plain(name),
                };
                write!(f, "{}{argument}", if is_plain { "" } else { "arg." })
            }
        }
    }
}

/// Whether a name without `arg.` means the argument.
fn is_plain(name: &str) -> bool {
    let is_numbered = |rest: &str| !rest.is_empty() && rest.bytes().all(|c| c.is_ascii_digit());
    name.starts_with(is_name_start)
        && name.split('.').all(|part| !part.is_empty() && part.chars().all(is_name))
        && !name.starts_with("arg.")
        && !name.starts_with("span.")
        && !RESERVED.contains(&name)
        && name != "true"
        && !name.strip_prefix("arg").is_some_and(is_numbered)
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let written = Self::ALL.iter().find(|(_, comparison)| comparison == self);
        f.write_str(written.map_or("", |(text, _)| text))
    }
}

fn quoted(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    let mut out = String::from("\"");
    for (index, part) in text.split('\\').enumerate() {
        out.push_str(if index > 0 { "\\\\" } else { "" });
        for (index, part) in part.split('"').enumerate() {
            out.push_str(if index > 0 { "\\\"" } else { "" });
            write_escaped(part, &mut out);
        }
    }
    out.push('"');
    f.write_str(&out)
}
