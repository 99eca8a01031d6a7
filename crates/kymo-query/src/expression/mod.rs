//! The language of `--where`: which records, by the typed values of their arguments.
//!
//! ```text
//! expression = and, { "or", and } ;
//! and        = not, { "and", not } ;
//! not        = "not", not | "(", expression, ")" | "true" | "false" | field | comparison ;
//! comparison = value, ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "contains" ), value
//!            | field, "matches", string | field, "is", [ "not" ], "none" ;
//! value      = field | number | duration | string | "true" | "false" ;
//! field      = name | "arg.", name | "arg", digits | "[", digits, "]"
//!            | "level" | "target" | "thread" | "file" | "line" | "message" | "time"
//!            | "span" | "spans" | "span.", name ;
//! ```
//!
//! The README of the command explains the meaning to users. In short: a result is true, false or unknown, as in SQL. A
//! test of an argument that is none, or that a record lacks, is unknown, and so is its `not`. A record is chosen if the
//! whole expression is true. (With two results, `x != 0` would be true of none, and `not x > 0` of every record without
//! an `x`.) `is none` tests for none. `span` is the name of the innermost span, `span.NAME` the field of that name of
//! the innermost span that has one; both are none where there is none. `spans` are the names of all spans of a record,
//! perhaps of none: it can only be asked what it `contains`. Values of different kinds are unequal and have no order.
//! Numbers of all types are compared exactly.
//!
//! Lexer, parser and evaluation are written by hand. Each is a page. Errors need a place and advice,
//! and nesting needs a limit. With a parser library (winnow was considered) the grammar would be no
//! shorter, and these would have to be added to it.
//!
//! INV-1: an expression nests no deeper than [`MAX_DEPTH`], so that recursion over it is bounded.

mod evaluate;
mod lexer;
mod number;
mod parse;
#[cfg(test)]
mod tests;
mod write;

use std::str::FromStr;

use kymo_reader::Level;
use regex::Regex;

pub use evaluate::Scratch;

use crate::argument::Argument;
use crate::caret::CaretError;
use crate::catalog::Kind;
use crate::point::{Point, Reference};
use number::Integer;

/// How long an expression may be, in bytes.
const MAX_BYTES: usize = 4 << 10;
/// How deep parentheses and `not` may nest.
const MAX_DEPTH: usize = 64;
/// How many regular expressions there may be in one, and how large each may be, compiled, in bytes.
const MAX_PATTERNS: usize = 16;
const MAX_PATTERN_BYTES: usize = 4 << 20;

/// A condition on a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// True or false of every record; `None` is unknown.
    Constant(Option<bool>),
    /// One of these is true.
    Or(Vec<Expression>),
    /// All of these are true.
    And(Vec<Expression>),
    /// This is not true.
    Not(Box<Expression>),
    /// The field is true.
    Truth(Field),
    /// The argument is there, and is none.
    IsNone(Field),
    /// Two operands compare in this way.
    Compare(Operand, Comparison, Operand),
    /// A string contains another, or a sequence a value.
    Contains(Operand, Operand),
    /// The text of a field matches a regular expression.
    Matches(Field, Pattern),
    /// The record's level, the more urgent the greater, compared with this one.
    Level(Comparison, Level),
    /// The record's time compared with this one.
    Time(Comparison, Moment),
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    Field(Field),
    Bool(bool),
    Integer(Integer),
    /// A number with a point or an exponent.
    Decimal(f64),
    String(Box<str>),
    Duration {
        nanoseconds: u128,
    },
}

/// A field of a record, other than level and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    Target,
    Thread,
    File,
    Line,
    Message,
    /// The name of the innermost span.
    Span,
    /// The names of all spans.
    Spans,
    /// The field with this name of the innermost span that has one.
    OfSpan(Box<str>),
    Argument(Argument),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A regular expression. Two are equal if their texts are.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

/// A point in time as it was written, and its value once that is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    point: Point,
    time_ns: i64,
}

impl Expression {
    /// Resolves the points in time in it.
    pub fn resolve(&mut self, reference: &Reference) {
        match self {
            Self::Or(parts) | Self::And(parts) => {
                parts.iter_mut().for_each(|part| part.resolve(reference));
            }
            Self::Not(part) => part.resolve(reference),
            Self::Time(_, moment) => moment.time_ns = moment.point.resolve(reference),
            _ => {}
        }
    }

    /// The first nanosecond at which it can be true, and the first at which it no longer can, by its
    /// comparisons of the time. Resolve it first.
    pub(crate) fn window(&self) -> (i128, i128) {
        const ALL: (i128, i128) = (i128::MIN, i128::MAX);
        match self {
            Self::And(parts) => parts
                .iter()
                .map(Self::window)
                .fold(ALL, |one, other| (one.0.max(other.0), one.1.min(other.1))),
            Self::Or(parts) => {
                let windows = parts.iter().map(Self::window).filter(|it| it.0 < it.1);
                let joined = windows.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
                joined.unwrap_or((i128::MAX, i128::MIN))
            }
            Self::Time(comparison, moment) => {
                let time = i128::from(moment.time_ns);
                match comparison {
                    Comparison::Equal => (time, time + 1),
                    Comparison::Unequal => ALL,
                    Comparison::Less => (ALL.0, time),
                    Comparison::LessOrEqual => (ALL.0, time + 1),
                    Comparison::Greater => (time + 1, ALL.1),
                    Comparison::GreaterOrEqual => (time, ALL.1),
                }
            }
            _ => ALL,
        }
    }

    /// Calls `visit` with each argument that is named in it.
    pub fn arguments<'e>(&'e self, visit: &mut dyn FnMut(&'e Argument)) {
        self.fields(&mut |field| {
            if let Field::Argument(argument) = field {
                visit(argument);
            }
        });
    }

    fn fields<'e>(&'e self, visit: &mut dyn FnMut(&'e Field)) {
        match self {
            Self::Or(parts) | Self::And(parts) => {
                parts.iter().for_each(|part| part.fields(visit));
            }
            Self::Not(part) => part.fields(visit),
            Self::Truth(of) | Self::IsNone(of) | Self::Matches(of, _) => visit(of),
            Self::Compare(left, _, right) | Self::Contains(left, right) => {
                for operand in [left, right] {
                    if let Operand::Field(of) = operand {
                        visit(of);
                    }
                }
            }
            Self::Constant(_) | Self::Level(..) | Self::Time(..) => {}
        }
    }
}

impl Expression {
    /// Calls `visit` with each field of a span that is named in it.
    pub fn span_fields<'e>(&'e self, visit: &mut dyn FnMut(&'e str)) {
        self.fields(&mut |field| {
            if let Field::OfSpan(name) = field {
                visit(name);
            }
        });
    }

    /// Calls `visit` with each argument that is compared with a literal, and the kinds that can be
    /// compared with that literal.
    pub fn kinds<'e>(&'e self, visit: &mut dyn FnMut(&'e Argument, &[Kind])) {
        let of = |operand: &Operand| match operand {
            Operand::Field(Field::Target | Field::File | Field::Message | Field::Span) => {
                Some(Kind::String)
            }
            Operand::Field(Field::Line) => Some(Kind::Number),
            Operand::Field(_) => None,
            Operand::Bool(_) => Some(Kind::Bool),
            Operand::Integer(_) | Operand::Decimal(_) => Some(Kind::Number),
            Operand::String(_) => Some(Kind::String),
            Operand::Duration { .. } => Some(Kind::Duration),
        };
        match self {
            Self::Or(parts) | Self::And(parts) => parts.iter().for_each(|part| part.kinds(visit)),
            Self::Not(part) => part.kinds(visit),
            Self::Truth(Field::Argument(argument)) => visit(argument, &[Kind::Bool]),
            Self::Matches(Field::Argument(argument), _) => visit(argument, &[Kind::String]),
            Self::Compare(left, _, right) => {
                for (one, other) in [(left, right), (right, left)] {
                    if let (Operand::Field(Field::Argument(argument)), Some(kind)) =
                        (one, of(other))
                    {
                        visit(argument, &[kind]);
                    }
                }
            }
            Self::Contains(Operand::Field(Field::Argument(argument)), _) => {
                visit(argument, &[Kind::String, Kind::Compound]);
            }
            _ => {}
        }
    }
}

impl FromStr for Expression {
    type Err = CaretError;

    fn from_str(text: &str) -> Result<Self, CaretError> {
        parse::parse(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}
