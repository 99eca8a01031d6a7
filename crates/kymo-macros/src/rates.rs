//! Parses the rate of a statement, which precedes its fields and its message.
//!
//! ```text
//! RATE ,|; [FIELDS] FORMAT …
//!
//! RATE    every_n: CONST      at_most: EXPR      first: CONST      once      every_pow2
//! ```
//!
//! `once` and `every_pow2` are rates only as the first word, with a comma or a semicolon after it. To log a variable of
//! this name, write `once = once`.

use proc_macro::{Span, TokenTree};

use crate::expression;
use crate::input::{Misuse, begins_with, is_punct};

/// The rate of a statement.
pub struct Rate<'a> {
    pub kind: RateKind,
    /// What follows the colon; empty for a word.
    pub value: &'a [TokenTree],
    pub span: Span,
}

#[derive(Clone, Copy, PartialEq)]
pub enum RateKind {
    EveryN,
    AtMost,
    First,
    Once,
    EveryPow2,
}

impl RateKind {
    fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "every_n" => Self::EveryN,
            "at_most" => Self::AtMost,
            "first" => Self::First,
            "once" => Self::Once,
            "every_pow2" => Self::EveryPow2,
            _ => return None,
        })
    }

    fn has_value(self) -> bool {
        !matches!(self, Self::Once | Self::EveryPow2)
    }
}

/// Returns the rate that `tokens` begin with, and what follows it.
pub fn split(tokens: &[TokenTree]) -> Result<(Option<Rate<'_>>, &[TokenTree]), Misuse> {
    let Some((rate, rest)) = take(tokens)? else { return Ok((None, tokens)) };
    if let Some((other, _)) = take(rest)? {
        return Err(Misuse::new(other.span, "a statement has one rate"));
    }
    Ok((Some(rate), rest))
}

fn take(tokens: &[TokenTree]) -> Result<Option<(Rate<'_>, &[TokenTree])>, Misuse> {
    let [TokenTree::Ident(word), rest @ ..] = tokens else { return Ok(None) };
    let Some(kind) = RateKind::of_word(&word.to_string()) else { return Ok(None) };
    let span = word.span();
    let (value, rest) = if !kind.has_value() {
        (&rest[..0], rest)
    } else if begins_with(rest, ':', &[':']) {
        let length = length(&rest[1..]);
        rest[1..].split_at(length)
    } else {
        return Ok(None);
    };
    match rest {
        [end, rest @ ..] if is_punct(Some(end), ',') || is_punct(Some(end), ';') => {
            if kind.has_value() && value.is_empty() {
                return Err(Misuse::new(span, "a value is missing after the colon"));
            }
            Ok(Some((Rate { kind, value, span }, rest)))
        }
        [] if kind.has_value() => Err(Misuse::new(span, "a format string is missing")),
        _ => Ok(None),
    }
}

/// The length of an expression, which a comma or a semicolon ends.
fn length(tokens: &[TokenTree]) -> usize {
    let end = tokens.iter().position(|token| is_punct(Some(token), ';')).unwrap_or(tokens.len());
    expression::length(&tokens[..end])
}
