//! Parses the tokens of a log statement.
//!
//! ```text
//! $crate (Info) [logger: EXPR,] [target: EXPR,] [RATE,] [FIELDS] FORMAT [, [name =] EXPR]* [,]
//! $crate ()     [logger: EXPR,] [target: EXPR,] LEVEL, [RATE,] [FIELDS] FORMAT [, [name =] EXPR]* [,]
//! ```
//!
//! `logger:` and `target:` may come in either order. The grammar of a rate is that of [`rates`](crate::rates), the one
//! of fields that of [`fields`](crate::fields).

use proc_macro::{Delimiter, Group, Ident, Literal, Spacing, Span, TokenStream, TokenTree};

use crate::expression;
use crate::fields::{self, Field};
use crate::literal::string_value;
use crate::rates::{self, Rate};
use crate::template::code;

/// A log statement.
pub struct Input<'a> {
    /// The path of kymo.
    pub kymo: &'a TokenTree,
    pub level: Level<'a>,
    pub target: Option<&'a [TokenTree]>,
    pub rate: Option<Rate<'a>>,
    /// The named log.
    pub logger: Option<&'a [TokenTree]>,
    pub fields: Vec<Field>,
    /// Empty if there are only fields.
    pub format: Literal,
    /// `None` if the arguments are not separated as they should be.
    pub arguments: Option<Vec<Argument<'a>>>,
    /// Everything from the format string on, as it was written.
    pub format_args: &'a [TokenTree],
}

/// The level of a statement.
pub enum Level<'a> {
    /// Fixed by the macro: the name of the level.
    Named(Ident),
    /// A path that ends in the name of a level.
    Path(&'a [TokenTree]),
    /// Any other expression: known at run time only.
    Dynamic(&'a [TokenTree]),
}

/// An explicit argument.
pub struct Argument<'a> {
    pub name: Option<&'a Ident>,
    pub value: &'a [TokenTree],
}

/// A statement that is wrong in a way that `format_args!` does not report.
pub struct Misuse {
    span: Span,
    message: &'static str,
}

impl Misuse {
    pub fn new(span: Span, message: &'static str) -> Self {
        Self { span, message }
    }

    /// Points at the first of `tokens`, or at the whole statement if there are none.
    pub fn at(tokens: &[TokenTree], message: &'static str) -> Self {
        Self::new(tokens.first().map_or_else(Span::call_site, TokenTree::span), message)
    }

    /// Returns a call of `compile_error!`.
    pub fn into_compile_error(self) -> TokenStream {
        let mut message = Literal::string(self.message);
        message.set_span(self.span);
        let message = [TokenTree::from(message)];
        code("::core::compile_error!($message)", self.span, &[("message", &message)])
            .into_iter()
            .collect()
    }
}

/// Parses the tokens of `statement!`.
pub fn parse(tokens: &[TokenTree]) -> Result<Input<'_>, Misuse> {
    let [kymo, TokenTree::Group(level), rest @ ..] = tokens else {
        return Err(Misuse::at(tokens, "`statement!` is called by the macros of kymo only"));
    };
    let Leading { logger, target, rest } = leading(rest)?;
    let (level, rest) = match level.stream().into_iter().next() {
        Some(TokenTree::Ident(name)) => (Level::Named(name), rest),
        _ => level_argument(rest)?,
    };
    refuse_late(rest)?;
    if rest.is_empty() {
        return Err(Misuse::at(rest, "a format string is missing"));
    }
    let (rate, rest) = rates::split(rest)?;
    if rest.is_empty() {
        return Err(Misuse::at(rest, "a format string is missing"));
    }
    let (fields, format_args) = fields::split(rest)?;
    let (format, arguments) = match format_args.split_first() {
        None => (Literal::string(""), Some(Vec::new())),
        Some((first, rest)) => {
            let misuse = || Misuse::at(format_args, "the format string must be a string literal");
            (string_literal(first).ok_or_else(misuse)?, arguments(rest)?)
        }
    };
    Ok(Input { kymo, level, target, logger, rate, fields, format, arguments, format_args })
}

/// What precedes the level and the format string.
pub struct Leading<'a> {
    pub logger: Option<&'a [TokenTree]>,
    pub target: Option<&'a [TokenTree]>,
    pub rest: &'a [TokenTree],
}

/// Splits off a leading `logger: EXPR,` and `target: EXPR,`.
pub fn leading(tokens: &[TokenTree]) -> Result<Leading<'_>, Misuse> {
    let mut leading = Leading { logger: None, target: None, rest: tokens };
    while let Some(key) = key(leading.rest) {
        let is_logger = key == "logger";
        let place = if is_logger { &mut leading.logger } else { &mut leading.target };
        let (value, rest) = split_comma(&leading.rest[2..]);
        let message = match (is_logger, value.is_empty(), place.is_some()) {
            (true, true, _) => Some("a value is missing after `logger:`"),
            (false, true, _) => Some("a value is missing after `target:`"),
            (true, false, true) => Some("a record has one `logger:`"),
            (false, false, true) => Some("a record has one `target:`"),
            _ => None,
        };
        if let Some(message) = message {
            return Err(Misuse::at(leading.rest, message));
        }
        if let Some(span) = find_self(value) {
            // It would mean a type of the expansion.
            let message = match is_logger {
                true => "`logger:` is a constant of its own, without `Self`: write the type's name",
                false => {
                    "`target:` is a constant of its own, without `Self`: write the type's name"
                }
            };
            return Err(Misuse::new(span, message));
        }
        (*place, leading.rest) = (Some(value), rest);
    }
    Ok(leading)
}

/// Returns where `Self` is in `tokens`.
fn find_self(tokens: &[TokenTree]) -> Option<Span> {
    tokens.iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident.to_string() == "Self" => Some(ident.span()),
        TokenTree::Group(group) => find_self(&group.stream().into_iter().collect::<Vec<_>>()),
        _ => None,
    })
}

/// The name of what `tokens` begin with, if that is `target:` or `logger:`, and not a path such as `target::X`.
fn key(tokens: &[TokenTree]) -> Option<&'static str> {
    let [TokenTree::Ident(ident), rest @ ..] = tokens else { return None };
    let ident = ident.to_string();
    ["target", "logger"].into_iter().find(|key| *key == ident && begins_with(rest, ':', &[':']))
}

/// Returns an error if `tokens` begin with `target:` or `logger:`, where these are too late.
fn refuse_late(tokens: &[TokenTree]) -> Result<(), Misuse> {
    match key(tokens) {
        None => Ok(()),
        Some("logger") => Err(Misuse::at(tokens, "`logger:` must come before everything else")),
        Some(_) => Err(Misuse::at(tokens, "`target:` must come before everything else")),
    }
}

/// Returns the level that `log!` has as an argument, and what follows it.
fn level_argument(tokens: &[TokenTree]) -> Result<(Level<'_>, &[TokenTree]), Misuse> {
    let (level, rest) = split_comma(tokens);
    match level {
        [] => Err(Misuse::at(tokens, "a level is missing")),
        [format] if string_literal(format).is_some() => {
            Err(Misuse::at(tokens, "a level must come before the format string"))
        }
        _ if is_level_path(level) => Ok((Level::Path(level), rest)),
        _ => Ok((Level::Dynamic(level), rest)),
    }
}

/// Whether these are a path that ends in the name of a level.
pub fn is_level_path(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [first @ .., TokenTree::Ident(last)] if first.iter().all(is_path) && is_level(last))
}

fn is_path(token: &TokenTree) -> bool {
    match token {
        // `Self` means nothing inside of the items that a statement expands to.
        TokenTree::Ident(ident) => ident.to_string() != "Self",
        TokenTree::Punct(punct) => punct.as_char() == ':',
        _ => false,
    }
}

fn is_level(name: &Ident) -> bool {
    matches!(&*name.to_string(), "Error" | "Warn" | "Info" | "Debug" | "Trace")
}

/// Returns what follows the format string. `None` if that is not `, argument, argument`, with or
/// without a last comma.
fn arguments(mut tokens: &[TokenTree]) -> Result<Option<Vec<Argument<'_>>>, Misuse> {
    let mut arguments = Vec::new();
    while let Some((comma, after)) = tokens.split_first() {
        if !is_punct(Some(comma), ',') {
            return Ok(None);
        }
        if after.is_empty() {
            break;
        }
        refuse_late(after)?;
        let (name, value) = name(after);
        let (value, rest) = value.split_at(expression::length(value));
        if value.is_empty() {
            return Ok(None);
        }
        arguments.push(Argument { name, value });
        tokens = rest;
    }
    Ok(Some(arguments))
}

/// Returns a leading `name =`, and what follows it.
fn name(tokens: &[TokenTree]) -> (Option<&Ident>, &[TokenTree]) {
    if let [TokenTree::Ident(name), rest @ ..] = tokens
        && let Some(value) = assigned(rest)
    {
        return (Some(name), value);
    }
    (None, tokens)
}

/// Returns what follows a leading `=`, if that is not the beginning of `==` or `=>`.
pub fn assigned(tokens: &[TokenTree]) -> Option<&[TokenTree]> {
    begins_with(tokens, '=', &['=', '>']).then(|| &tokens[1..])
}

/// Whether `tokens` begin with this character, and not with an operator that goes on with one of `others`.
pub fn begins_with(tokens: &[TokenTree], char: char, others: &[char]) -> bool {
    let [TokenTree::Punct(first), rest @ ..] = tokens else { return false };
    let is_longer = first.spacing() == Spacing::Joint
        && others.iter().any(|other| is_punct(rest.first(), *other));
    first.as_char() == char && !is_longer
}

/// Returns the expression that `tokens` begins with, and what follows the comma after it.
fn split_comma(tokens: &[TokenTree]) -> (&[TokenTree], &[TokenTree]) {
    let (expression, rest) = tokens.split_at(expression::length(tokens));
    (expression, rest.get(1..).unwrap_or_default())
}

pub fn is_punct(token: Option<&TokenTree>, char: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == char)
}

/// Returns the string literal that `token` is, on its own or as the argument of another macro
/// (`$format:literal`).
pub fn string_literal(token: &TokenTree) -> Option<Literal> {
    match token {
        TokenTree::Literal(literal) => {
            string_value(&literal.to_string()).is_some().then(|| literal.clone())
        }
        TokenTree::Group(group) => only_token(group).as_ref().and_then(string_literal),
        _ => None,
    }
}

fn only_token(group: &Group) -> Option<TokenTree> {
    if group.delimiter() != Delimiter::None {
        return None;
    }
    let mut tokens = group.stream().into_iter();
    tokens.next().filter(|_| tokens.next().is_none())
}
