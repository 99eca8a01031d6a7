//! Parses scopes and metrics, which are statements with a name in place of a format string.
//!
//! ```text
//! $crate (scope)   [target: EXPR,] [LEVEL,] [begin_end:] NAME [, FIELD]* [,]
//! $crate (Counter) [target: EXPR,] [LEVEL,] NAME, VALUE [, FIELD]* [,]
//! ```
//!
//! The level is a path that ends in the name of one, and is `Info` if there is none. A metric's value becomes its last
//! field.

use proc_macro::{Delimiter, Ident, Literal, Span, TokenTree};

use crate::expression;
use crate::fields::{self, Field, Kind};
use crate::input::{self, Input, Leading, Level, Misuse, is_punct, string_literal};
use crate::literal::string_value;
use crate::template::{code, group};

/// What is measured.
#[derive(Clone, Copy, PartialEq)]
pub enum Measured {
    /// A scope, with one record at its end.
    Scope,
    /// A scope, with one record at its beginning and one at its end.
    BeginEnd,
    /// A metric; the name of its purpose.
    Metric(&'static str),
}

/// The name of the field that is a metric's value.
const VALUE: &str = "value";

/// Parses the tokens of `measure!`.
pub fn parse(tokens: &[TokenTree]) -> Result<(Measured, Input<'_>), Misuse> {
    let [kymo, TokenTree::Group(what), rest @ ..] = tokens else {
        return Err(Misuse::at(tokens, "`measure!` is called by the macros of kymo only"));
    };
    let what = what.stream().to_string();
    let Leading { logger, target, rest } = input::leading(rest)?;
    let (level, rest) = level(rest);
    let (measured, rest) = match &*what {
        "scope" => match rest {
            [TokenTree::Ident(word), colon, rest @ ..]
                if is_punct(Some(colon), ':') && word.to_string() == "begin_end" =>
            {
                (Measured::BeginEnd, rest)
            }
            _ => (Measured::Scope, rest),
        },
        "Counter" => (Measured::Metric("Counter"), rest),
        "Gauge" => (Measured::Metric("Gauge"), rest),
        _ => (Measured::Metric("Histogram"), rest),
    };
    let is_metric = matches!(measured, Measured::Metric(_));
    let (name, rest) = match rest.split_first() {
        None => return Err(Misuse::at(rest, "a name is missing")),
        Some((first, rest)) => {
            let misuse = || Misuse::new(first.span(), "the name must be a string literal");
            (string_literal(first).ok_or_else(misuse)?, after_comma(rest)?)
        }
    };
    let source = name.to_string();
    let text = string_value(&source).unwrap_or_default();
    if text.is_empty() {
        return Err(Misuse::new(name.span(), "the name is empty"));
    }
    let (value, rest) = if is_metric { value(rest, name.span())? } else { (None, rest) };
    let (mut fields, rest) = fields::take(rest)?;
    if let [first, ..] = rest {
        return Err(Misuse::new(first.span(), "only fields follow the name and the value"));
    }
    if !is_metric && let Some(field) = fields.iter().find(|it| matches!(it.kind, Kind::Eager(_))) {
        let message = "a scope keeps its fields until it ends: make a `String` of this one before";
        return Err(Misuse::new(field.span, message));
    }
    let has_unit = |field: &&Field| matches!(field.kind, Kind::Hex | Kind::In(_));
    if let Some(field) = fields.iter().find(has_unit) {
        return Err(Misuse::new(
            field.span,
            "a scope or a metric has no message that could show a unit",
        ));
    }
    fields.extend(value);
    let mut format = Literal::string(&text.replace('{', "{{").replace('}', "}}"));
    format.set_span(name.span());
    let arguments = Some(Vec::new());
    let input = Input {
        kymo,
        level,
        target,
        logger,
        rate: None,
        fields,
        format,
        arguments,
        format_args: &[],
    };
    Ok((measured, input))
}

/// Returns a leading level, and what follows it.
fn level(tokens: &[TokenTree]) -> (Level<'_>, &[TokenTree]) {
    if let Some(end) = tokens.iter().position(|token| is_punct(Some(token), ','))
        && input::is_level_path(&tokens[..end])
    {
        return (Level::Path(&tokens[..end]), &tokens[end + 1..]);
    }
    (Level::Named(Ident::new("Info", Span::mixed_site())), tokens)
}

/// Returns what follows a comma; nothing if there is nothing.
fn after_comma(tokens: &[TokenTree]) -> Result<&[TokenTree], Misuse> {
    match tokens.split_first() {
        None => Ok(tokens),
        Some((comma, rest)) if is_punct(Some(comma), ',') => Ok(rest),
        Some((other, _)) => Err(Misuse::new(other.span(), "a comma follows the name")),
    }
}

/// Returns the value that `tokens` begin with, as a field, and what follows it.
fn value(tokens: &[TokenTree], name: Span) -> Result<(Option<Field>, &[TokenTree]), Misuse> {
    let (value, rest) = tokens.split_at(expression::length(tokens));
    let Some(first) = value.first() else {
        return Err(Misuse::new(name, "a value is missing after the name"));
    };
    let span = first.span();
    if matches!(value, [TokenTree::Ident(_), equals, ..] if input::assigned(std::slice::from_ref(equals)).is_some())
    {
        return Err(Misuse::new(span, "a value is missing before the fields"));
    }
    let at = Span::mixed_site().located_at(span);
    let argument = [group(Delimiter::Parenthesis, value.to_vec(), at)];
    let value = code("__kymo::metric_value(&$value)", at, &[("value", &argument)]);
    let field = Field { name: VALUE.to_owned(), ident: None, span, value, kind: Kind::Typed };
    Ok((Some(field), after_comma(rest)?))
}
