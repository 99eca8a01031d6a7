//! Parses text to an expression, by recursive descent.

use std::ops::Range;

use kymo_reader::Level;
use regex::RegexBuilder;

use super::lexer::{Lexer, Token};
use super::{
    Comparison, Expression, Field, MAX_BYTES, MAX_DEPTH, MAX_PATTERN_BYTES, MAX_PATTERNS, Moment,
    Operand, Pattern,
};
use crate::argument::Argument;
use crate::caret::CaretError;
use crate::point::Point;

/// Parses an expression.
pub fn parse(text: &str) -> Result<Expression, CaretError> {
    if text.len() > MAX_BYTES {
        let message = format!("an expression has at most {MAX_BYTES} bytes");
        return Err(CaretError::new(text, 0..0, message));
    }
    let mut lexer = Lexer::new(text);
    let (token, span) = lexer.next()?;
    let mut parser = Parser { text, lexer, token, span, depth: 0, patterns: 0 };
    let expression = parser.or()?;
    match parser.token {
        Token::End => Ok(expression),
        Token::Close => Err(parser.unexpected("this parenthesis was not opened")),
        Token::Comparison(_) => Err(parser
            .unexpected("a comparison has two sides; to combine two, write `x > 1 and x < 5`")),
        Token::Word(ref word) => {
            let advice = foreign_operator(word).unwrap_or("expected `and` or `or`");
            Err(parser.unexpected(advice))
        }
        _ => Err(parser.unexpected("expected `and` or `or`")),
    }
}

/// The operator to write in place of one of another language.
fn foreign_operator(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        _ if matches!(word, "and" | "or" | "is") => return None,
        "in" => "there is no `in`: write `x == 1 or x == 2`, or `list contains x`",
        "like" | "ilike" | "rlike" | "regexp" => "write `matches` with a regular expression",
        "has" | "includes" => "write `contains`",
        "between" => "write `x >= 1 and x <= 5`",
        "equals" | "eq" => "write `==`",
        "ne" => "write `!=`",
        "and" => "write `and` in lower case",
        "or" => "write `or` in lower case",
        "is" => "write `is` in lower case",
        _ => return None,
    })
}

/// Whether a word is the `none` of another language.
fn is_foreign_none(word: &str) -> bool {
    ["null", "nil", "none", "undefined"].iter().any(|name| name.eq_ignore_ascii_case(word))
}

struct Parser<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    /// The next token, and its place.
    token: Token,
    span: Range<usize>,
    depth: usize,
    patterns: usize,
}

/// One side of a comparison.
enum Side {
    Operand(Operand),
    Level,
    Time,
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Expression, CaretError> {
        let first = self.and()?;
        self.chain("or", first, Self::and, Expression::Or)
    }

    fn and(&mut self) -> Result<Expression, CaretError> {
        let first = self.not()?;
        self.chain("and", first, Self::not, Expression::And)
    }

    /// Parses the parts after `first`, each after the keyword.
    fn chain(
        &mut self,
        word: &str,
        first: Expression,
        next: fn(&mut Self) -> Result<Expression, CaretError>,
        combine: fn(Vec<Expression>) -> Expression,
    ) -> Result<Expression, CaretError> {
        if !self.is_word(word) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.is_word(word) {
            self.advance()?;
            parts.push(next(self)?);
        }
        Ok(combine(parts))
    }

    fn not(&mut self) -> Result<Expression, CaretError> {
        let is_not = self.is_word("not");
        if !is_not && self.token != Token::Open {
            return self.comparison();
        }
        if self.depth == MAX_DEPTH {
            return Err(self.unexpected(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        let (_, opened) = self.advance()?;
        let inner = if is_not { Expression::Not(Box::new(self.not()?)) } else { self.or()? };
        self.depth -= 1;
        if !is_not {
            match self.token {
                Token::Close => drop(self.advance()?),
                Token::End => {
                    return Err(CaretError::new(self.text, opened, "this is not closed"));
                }
                _ => return Err(self.unexpected("expected `and`, `or` or `)`")),
            }
        }
        Ok(inner)
    }

    fn comparison(&mut self) -> Result<Expression, CaretError> {
        let (left, left_span) = self.side()?;
        if let Token::Comparison(comparison) = self.token {
            self.advance()?;
            let (right, right_span) = self.side()?;
            return match (left, right) {
                (Side::Operand(left), Side::Operand(right)) => {
                    self.no_list(&left, left_span)?;
                    self.no_list(&right, right_span)?;
                    Ok(Expression::Compare(left, comparison, right))
                }
                (Side::Level, right) => self.level(comparison, &right, right_span),
                (left, Side::Level) => self.level(comparison.reversed(), &left, left_span),
                (Side::Time, right) => self.time(comparison, &right, right_span),
                (left, Side::Time) => self.time(comparison.reversed(), &left, left_span),
            };
        }
        let operator = match &self.token {
            Token::Word(word) if matches!(word.as_str(), "contains" | "matches" | "is") => {
                word.clone()
            }
            Token::Word(word) => match foreign_operator(word) {
                Some(advice) => return Err(self.unexpected(advice)),
                None => return self.alone(left, left_span),
            },
            _ => return self.alone(left, left_span),
        };
        let Side::Operand(left) = left else { return Err(self.special(&left, left_span)) };
        self.advance()?;
        if operator == "contains" {
            let (right, right_span) = self.side()?;
            let Side::Operand(right) = right else { return Err(self.special(&right, right_span)) };
            self.no_list(&right, right_span)?;
            return Ok(Expression::Contains(left, right));
        }
        self.no_list(&left, left_span.clone())?;
        let Operand::Field(field) = left else {
            let message = format!("expected a field before `{operator}`");
            return Err(CaretError::new(self.text, left_span, message));
        };
        if operator == "is" {
            return self.is_none(field, left_span);
        }
        Ok(Expression::Matches(field, self.pattern()?))
    }

    /// Parses `none` or `not none` after `is`.
    fn is_none(
        &mut self,
        field: Field,
        field_span: Range<usize>,
    ) -> Result<Expression, CaretError> {
        let is_not = self.is_word("not");
        if is_not {
            self.advance()?;
        }
        match &self.token {
            Token::Word(word) if word == "none" => {}
            Token::Word(word) if is_foreign_none(word) => {
                return Err(self.unexpected(format!("write `none` for `{word}`")));
            }
            _ if is_not => return Err(self.unexpected("expected `none`; else write `!=`")),
            _ => return Err(self.unexpected("expected `none`; else write `==`")),
        }
        self.advance()?;
        if !matches!(field, Field::Argument(_) | Field::Span | Field::OfSpan(_)) {
            let message = "every record has this: only an argument or a span can be none";
            return Err(CaretError::new(self.text, field_span, message));
        }
        let is_none = Expression::IsNone(field);
        Ok(if is_not { Expression::Not(Box::new(is_none)) } else { is_none })
    }

    /// Makes an expression of a value that is not compared.
    fn alone(&self, side: Side, span: Range<usize>) -> Result<Expression, CaretError> {
        match side {
            Side::Operand(Operand::Field(field)) => {
                self.no_list(&Operand::Field(field.clone()), span)?;
                Ok(Expression::Truth(field))
            }
            Side::Operand(Operand::Bool(value)) => Ok(Expression::Constant(Some(value))),
            Side::Operand(_) => {
                let message = "this alone is neither true nor false: compare it with something";
                Err(CaretError::new(self.text, span, message))
            }
            side => Err(self.special(&side, span)),
        }
    }

    /// Refuses the list of spans where one value is wanted.
    fn no_list(&self, operand: &Operand, span: Range<usize>) -> Result<(), CaretError> {
        if *operand == Operand::Field(Field::Spans) {
            let message = "these are the names of all spans: write `spans contains \"request\"`";
            return Err(CaretError::new(self.text, span, message));
        }
        Ok(())
    }

    fn side(&mut self) -> Result<(Side, Range<usize>), CaretError> {
        let operand = match &self.token {
            Token::Word(word) => match word.as_str() {
                "and" | "or" | "not" | "contains" | "matches" | "is" | "in" => {
                    let message = format!("expected a value; the argument is `arg.{word}`");
                    return Err(self.unexpected(message));
                }
                "level" => return Ok((Side::Level, self.advance()?.1)),
                "time" => return Ok((Side::Time, self.advance()?.1)),
                "true" => Operand::Bool(true),
                "false" => Operand::Bool(false),
                "none" => {
                    return Err(self.unexpected(
                        "nothing is equal to none: write `x is none` or `x is not none`",
                    ));
                }
                "null" | "NULL" | "None" | "nil" => {
                    return Err(self.unexpected(format!(
                        "write `x is none`; the argument of this name is `arg.{word}`"
                    )));
                }
                name => Operand::Field(Field::named(name)),
            },
            Token::Argument(argument) => Operand::Field(Field::Argument(argument.clone())),
            Token::Integer(value) => Operand::Integer(*value),
            Token::Decimal(value) => Operand::Decimal(*value),
            Token::Duration(nanoseconds) => Operand::Duration { nanoseconds: *nanoseconds },
            Token::String(text) => Operand::String(text.as_str().into()),
            Token::End if self.span.start == 0 => {
                return Err(self.unexpected("expected an expression, such as `px > 100`"));
            }
            Token::Comparison(_) | Token::Open | Token::Close | Token::End => {
                return Err(self.unexpected("expected a value: a field, a number or a string"));
            }
        };
        Ok((Side::Operand(operand), self.advance()?.1))
    }

    fn level(
        &self,
        comparison: Comparison,
        other: &Side,
        span: Range<usize>,
    ) -> Result<Expression, CaretError> {
        let name = match other {
            Side::Operand(Operand::String(name)) => Some(name),
            Side::Operand(Operand::Field(Field::Argument(Argument::Named(name)))) => Some(name),
            _ => None,
        };
        match name.and_then(|name| name.parse::<Level>().ok()) {
            Some(level) => Ok(Expression::Level(comparison, level)),
            None => {
                let message = "not a level: expected error, warn, info, debug or trace";
                Err(CaretError::new(self.text, span, message))
            }
        }
    }

    fn time(
        &self,
        comparison: Comparison,
        other: &Side,
        span: Range<usize>,
    ) -> Result<Expression, CaretError> {
        let Side::Operand(Operand::String(text)) = other else {
            return Err(self.special(&Side::Time, span));
        };
        let point: Point = text.parse().map_err(|error: crate::point::NoPoint| {
            CaretError::new(self.text, span, error.to_string())
        })?;
        Ok(Expression::Time(comparison, Moment { point, time_ns: 0 }))
    }

    fn pattern(&mut self) -> Result<Pattern, CaretError> {
        let Token::String(pattern) = &self.token else {
            return Err(self.unexpected("expected a regular expression, as a string"));
        };
        self.patterns += 1;
        if self.patterns > MAX_PATTERNS {
            let message = format!("more than {MAX_PATTERNS} regular expressions");
            return Err(self.unexpected(message));
        }
        let built = RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).build();
        let regex = built.map_err(|error| {
            // The last line says what is wrong, those before it show where in a copy.
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            let message = last.strip_prefix("error: ").unwrap_or(last);
            self.unexpected(format!("not a regular expression: {message}"))
        })?;
        self.advance()?;
        Ok(Pattern(regex))
    }

    /// The error for a level or a time in a comparison that it does not have.
    fn special(&self, side: &Side, span: Range<usize>) -> CaretError {
        let message = match side {
            Side::Level => "a level is compared with the name of one: `level >= warn`",
            _ => {
                "a time is compared with a string: `time >= \"2026-11-21T05:30:00Z\"` or `\"-5m\"`"
            }
        };
        CaretError::new(self.text, span, message)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.token, Token::Word(next) if next == word)
    }

    /// Takes the next token.
    fn advance(&mut self) -> Result<(Token, Range<usize>), CaretError> {
        let (token, span) = self.lexer.next()?;
        Ok((std::mem::replace(&mut self.token, token), std::mem::replace(&mut self.span, span)))
    }

    fn unexpected(&self, message: impl Into<String>) -> CaretError {
        CaretError::new(self.text, self.span.clone(), message)
    }
}

impl Field {
    /// The field of a name that is no keyword.
    fn named(name: &str) -> Self {
        match name {
            "target" => Self::Target,
            "thread" => Self::Thread,
            "file" => Self::File,
            "line" => Self::Line,
            "message" => Self::Message,
            "span" => Self::Span,
            "spans" => Self::Spans,
            name if name.starts_with("span.") => Self::OfSpan(name["span.".len()..].into()),
            name => Self::Argument(Argument::Named(name.into())),
        }
    }
}

impl Comparison {
    /// The comparison that holds if the sides are exchanged.
    fn reversed(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            equality => equality,
        }
    }
}
