//! Evaluates an expression for a record.
//!
//! First the expression is specialised for the record's call site: arguments become positions, and
//! parts that the call site decides become constants and are folded. If only a constant is left, no
//! record of the call site has to be read.

use std::cmp::Ordering;
use std::fmt::Write;
use std::sync::Arc;

use kymo_reader::{CallSite, Record, Span, Value};

use super::number::Number;
use super::{Comparison, Expression, Field, Operand};
use crate::argument::Argument;

/// Memory for text that has to be made: one for each side of a comparison.
#[derive(Default)]
pub struct Scratch([String; 2]);

/// A value by its kind. Values of one kind can be compared.
enum Scalar<'a> {
    None,
    Bool(bool),
    Number(Number),
    String(&'a str),
    /// Names of spans.
    Spans(&'a [Arc<Span>]),
    /// In nanoseconds.
    Duration(u128),
    Compound(Value<'a>),
}

impl Expression {
    /// Returns the rest of the expression for the records of a call site.
    pub fn specialize(&self, site: &CallSite) -> Self {
        let of_site = |field: &Field| match field {
            Field::Argument(argument) => {
                let position = argument.position(site).map(Argument::At);
                // A field of an argument is looked for in the value.
                let within = || match argument {
                    Argument::Named(name) => site.find(name).map(|_| argument.clone()),
                    Argument::At(_) => None,
                };
                position.or_else(within).map(Field::Argument)
            }
            field => Some(field.clone()),
        };
        let operand = |operand: &Operand| match operand {
            Operand::Field(field) => of_site(field).map(|field| settled(field, site)),
            literal => Some(literal.clone()),
        };
        // Without such an argument the result is unknown.
        let unknown = Self::Constant(None);
        match self {
            Self::Or(parts) => join(parts.iter().map(|part| part.specialize(site)), true, Self::Or),
            Self::And(parts) => {
                join(parts.iter().map(|part| part.specialize(site)), false, Self::And)
            }
            Self::Not(part) => match part.specialize(site) {
                Self::Constant(value) => Self::Constant(value.map(|value| !value)),
                part => Self::Not(Box::new(part)),
            },
            Self::Truth(field) => of_site(field).map_or(unknown, Self::Truth),
            Self::IsNone(field) => of_site(field).map_or(unknown, Self::IsNone),
            Self::Matches(field, pattern) => match of_site(field).map(|f| settled(f, site)) {
                Some(Operand::Field(field)) => Self::Matches(field, pattern.clone()),
                Some(Operand::String(text)) => Self::Constant(Some(pattern.0.is_match(&text))),
                Some(_) => Self::Constant(Some(false)),
                None => unknown,
            },
            Self::Compare(left, comparison, right) => match (operand(left), operand(right)) {
                (Some(left), Some(right)) => {
                    settle(&left, &right, |left, right| compare(left, *comparison, right))
                        .unwrap_or(Self::Compare(left, *comparison, right))
                }
                _ => unknown,
            },
            Self::Contains(left, right) => match (operand(left), operand(right)) {
                (Some(left), Some(right)) => {
                    settle(&left, &right, contains).unwrap_or(Self::Contains(left, right))
                }
                _ => unknown,
            },
            Self::Level(comparison, level) => {
                // The more urgent level is the lesser in code.
                Self::Constant(Some(comparison.holds(Some(level.cmp(&site.level())))))
            }
            Self::Constant(_) | Self::Time(..) => self.clone(),
        }
    }

    /// Whether it may be true of a record, by its constant parts.
    pub fn can_be_true(&self) -> bool {
        match self {
            Self::Constant(value) => *value == Some(true),
            Self::Or(parts) => parts.iter().any(Self::can_be_true),
            Self::And(parts) => parts.iter().all(Self::can_be_true),
            _ => true,
        }
    }

    /// Whether it is true of a record for whose call site it was specialised.
    pub fn is_true(&self, record: &Record<'_>, scratch: &mut Scratch) -> bool {
        self.evaluate(record, scratch) == Some(true)
    }

    /// Returns `None` if the result is unknown.
    fn evaluate(&self, record: &Record<'_>, scratch: &mut Scratch) -> Option<bool> {
        let Scratch([left_text, right_text]) = scratch;
        match self {
            Self::Constant(value) => *value,
            Self::Or(parts) => first(parts, true, |part| part.evaluate(record, scratch)),
            Self::And(parts) => first(parts, false, |part| part.evaluate(record, scratch)),
            Self::Not(part) => part.evaluate(record, scratch).map(|value| !value),
            Self::Truth(field) => match field.scalar(record, left_text)? {
                Scalar::None => None,
                value => Some(matches!(value, Scalar::Bool(true))),
            },
            Self::IsNone(field) => Some(matches!(field.scalar(record, left_text)?, Scalar::None)),
            Self::Compare(left, comparison, right) => {
                let left = left.scalar(record, left_text)?;
                compare(&left, *comparison, &right.scalar(record, right_text)?)
            }
            Self::Contains(left, right) => {
                let left = left.scalar(record, left_text)?;
                contains(&left, &right.scalar(record, right_text)?)
            }
            Self::Matches(field, pattern) => match field.scalar(record, left_text)? {
                Scalar::String(text) => Some(pattern.0.is_match(text)),
                Scalar::None => None,
                _ => Some(false),
            },
            Self::Level(comparison, level) => {
                Some(comparison.holds(Some(level.cmp(&record.level()))))
            }
            Self::Time(comparison, moment) => {
                Some(comparison.holds(Some(record.time_ns().cmp(&moment.time_ns))))
            }
        }
    }
}

/// Combines results. A `dominant` one decides. Otherwise an unknown one makes the whole unknown.
fn first(
    parts: &[Expression],
    dominant: bool,
    mut evaluate: impl FnMut(&Expression) -> Option<bool>,
) -> Option<bool> {
    let mut result = Some(!dominant);
    for part in parts {
        match evaluate(part) {
            Some(value) if value == dominant => return Some(dominant),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

/// Replaces a field that the call site decides by its value.
fn settled(field: Field, site: &CallSite) -> Operand {
    match field {
        Field::Target => Operand::String(site.target().into()),
        Field::File => Operand::String(site.file().into()),
        Field::Line => Operand::Integer(u128::from(site.line()).into()),
        field => Operand::Field(field),
    }
}

/// The constant result of comparing two operands, if no record is needed.
fn settle(
    left: &Operand,
    right: &Operand,
    decide: impl Fn(&Scalar<'_>, &Scalar<'_>) -> Option<bool>,
) -> Option<Expression> {
    Some(Expression::Constant(decide(&left.literal()?, &right.literal()?)))
}

/// Joins parts: a constant that is `dominant` decides, other constants are dropped.
fn join(
    parts: impl Iterator<Item = Expression>,
    dominant: bool,
    combine: fn(Vec<Expression>) -> Expression,
) -> Expression {
    let (mut left, mut is_unknown) = (Vec::new(), false);
    for part in parts {
        match part {
            Expression::Constant(Some(value)) if value == dominant => return part,
            Expression::Constant(Some(_)) => {}
            Expression::Constant(None) => is_unknown = true,
            part => left.push(part),
        }
    }
    let rest = if is_unknown { None } else { Some(!dominant) };
    if is_unknown && !left.is_empty() {
        left.push(Expression::Constant(None));
    }
    match left.len() {
        0 => Expression::Constant(rest),
        1 => left.swap_remove(0),
        _ => combine(left),
    }
}

impl Operand {
    fn scalar<'a>(&'a self, record: &Record<'a>, text: &'a mut String) -> Option<Scalar<'a>> {
        match self {
            Self::Field(field) => field.scalar(record, text),
            literal => literal.literal(),
        }
    }

    /// The value of a literal; `None` for a field.
    fn literal(&self) -> Option<Scalar<'_>> {
        Some(match self {
            Self::Field(_) => return None,
            Self::Bool(value) => Scalar::Bool(*value),
            Self::Integer(value) => Scalar::Number(Number::Integer(*value)),
            Self::Decimal(value) => Scalar::Number(Number::Decimal(*value)),
            Self::String(text) => Scalar::String(text),
            Self::Duration { nanoseconds } => Scalar::Duration(*nanoseconds),
        })
    }
}

impl Field {
    /// Its value in a record; `text` is memory for it.
    fn scalar<'a>(&self, record: &Record<'a>, text: &'a mut String) -> Option<Scalar<'a>> {
        let integer = |value: u64| Scalar::Number(Number::Integer(u128::from(value).into()));
        Some(match self {
            Self::Target => Scalar::String(record.target()),
            Self::File => Scalar::String(record.file()),
            Self::Line => integer(record.line()),
            Self::Thread => match record.thread().name() {
                "" => integer(record.thread().number()),
                name => Scalar::String(name),
            },
            Self::Message => {
                text.clear();
                record.message(text);
                Scalar::String(text)
            }
            Self::Span => match record.spans().last() {
                Some(span) => Scalar::String(span.name()),
                None => Scalar::None,
            },
            Self::Spans => Scalar::Spans(record.spans()),
            Self::OfSpan(name) => match record.span_field(name) {
                Some(value) => Scalar::new(value, text),
                None => Scalar::None,
            },
            Self::Argument(Argument::At(position)) => {
                Scalar::new(record.argument_at(*position)?, text)
            }
            Self::Argument(Argument::Named(name)) => Scalar::new(record.argument(name)?, text),
        })
    }
}

impl<'a> Scalar<'a> {
    fn new(value: Value<'a>, text: &'a mut String) -> Self {
        if let Some(value) = value.as_u128() {
            return Self::Number(Number::Integer(value.into()));
        }
        if let Some(value) = value.as_i128() {
            return Self::Number(Number::Integer(value.into()));
        }
        match value {
            Value::Bool(value) => Self::Bool(value),
            Value::F32(value) => Self::Number(Number::Single(value)),
            Value::F64(value) => Self::Number(Number::Double(value)),
            Value::Pointer(value) => Self::Number(Number::Integer(u128::from(value).into())),
            Value::Duration(value) => Self::Duration(value.as_nanos()),
            Value::Option(None) => Self::None,
            Value::Option(Some(inner)) => Self::new(inner.get(), text),
            Value::Sequence(_) | Value::Tuple(_) | Value::Set(_) | Value::Struct(_) => {
                Self::Compound(value)
            }
            Value::Enum(inner) => Self::String(inner.variant().name()),
            Value::Str(string) | Value::Text(string) | Value::OsStr(string) => {
                match string.as_str() {
                    Some(string) => Self::String(string),
                    None => {
                        text.clear();
                        text.push_str(&string.to_str());
                        Self::String(text)
                    }
                }
            }
            // Characters, addresses, what the program formatted, maps, results and ranges.
            value => {
                text.clear();
                let _ = write!(text, "{value}");
                Self::String(text)
            }
        }
    }
}

impl Comparison {
    /// Whether it holds between values in this order; `None` if they have no order.
    fn holds(self, ordering: Option<Ordering>) -> bool {
        match self {
            Self::Equal => ordering == Some(Ordering::Equal),
            Self::Unequal => ordering != Some(Ordering::Equal),
            Self::Less => ordering.is_some_and(Ordering::is_lt),
            Self::LessOrEqual => ordering.is_some_and(Ordering::is_le),
            Self::Greater => ordering.is_some_and(Ordering::is_gt),
            Self::GreaterOrEqual => ordering.is_some_and(Ordering::is_ge),
        }
    }
}

/// Compares two values; `None` (unknown) if one of them is none.
fn compare(left: &Scalar<'_>, comparison: Comparison, right: &Scalar<'_>) -> Option<bool> {
    Some(comparison.holds(match (left, right) {
        (Scalar::None, _) | (_, Scalar::None) => return None,
        (Scalar::Number(left), Scalar::Number(right)) => left.compare(*right),
        (Scalar::String(left), Scalar::String(right)) => Some(left.cmp(right)),
        (Scalar::Duration(left), Scalar::Duration(right)) => Some(left.cmp(right)),
        (Scalar::Bool(left), Scalar::Bool(right)) => Some(left.cmp(right)),
        (Scalar::Compound(left), Scalar::Compound(right)) => {
            (left == right).then_some(Ordering::Equal)
        }
        _ => None,
    }))
}

/// Whether `whole` contains `part`; `None` (unknown) if one of them is none. A none within a sequence
/// is not equal to anything.
fn contains(whole: &Scalar<'_>, part: &Scalar<'_>) -> Option<bool> {
    let is_part = |value: Value<'_>| {
        let mut text = String::new();
        let value = Scalar::new(value, &mut text);
        compare(&value, Comparison::Equal, part) == Some(true)
    };
    Some(match (whole, part) {
        (Scalar::None, _) | (_, Scalar::None) => return None,
        (Scalar::String(whole), Scalar::String(part)) => whole.contains(part),
        (Scalar::Spans(spans), Scalar::String(name)) => spans.iter().any(|it| it.name() == *name),
        (Scalar::Compound(Value::Sequence(sequence) | Value::Set(sequence)), _) => {
            sequence.iter().any(is_part)
        }
        (Scalar::Compound(Value::Tuple(tuple)), _) => tuple.iter().any(is_part),
        (Scalar::Compound(Value::Struct(inner)), _) => inner.iter().any(is_part),
        _ => false,
    })
}
