//! Finds where an expression ends.
//!
//! A comma ends it, except in generic arguments or between the parameters of a closure. Other
//! commas are inside of a group of tokens. `a < b, c > d` is two expressions; `a::<b, c>()`, `<a<b,
//! c>>::d` and `a as b<c, d>` are one. To tell them apart, it suffices to know whether an operand,
//! an operator or a type is due.

use proc_macro::{Delimiter, Spacing, TokenTree};

/// What is due next.
#[derive(Clone, Copy, PartialEq)]
enum Due {
    Operand,
    /// An operator, or the end.
    Operator,
    /// A type, as after `as`.
    Type,
    /// The end of the type, or more of it: `::` or `<`.
    RestOfType,
}

/// Returns the number of tokens before the comma that ends the first expression of `tokens`.
pub fn length(tokens: &[TokenTree]) -> usize {
    let mut due = Due::Operand;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let mut next = at + 1;
        due = match token {
            TokenTree::Literal(_) => Due::Operator,
            TokenTree::Group(group) => match (due, group.delimiter()) {
                (Due::Type | Due::RestOfType, Delimiter::Parenthesis | Delimiter::Bracket) => {
                    Due::RestOfType
                }
                _ => Due::Operator,
            },
            TokenTree::Ident(ident) => behind_word(&ident.to_string(), due),
            TokenTree::Punct(punct) => match punct.as_char() {
                ',' => break,
                '<' if due != Due::Operator || is_pair(tokens, at.wrapping_sub(2), "::") => {
                    next = behind_generics(tokens, at);
                    if due == Due::Operand { Due::Operator } else { due }
                }
                '|' if due == Due::Operand => {
                    next = behind_parameters(tokens, at);
                    Due::Operand
                }
                '-' if is_pair(tokens, at, "->") => {
                    next = at + 2;
                    Due::Type
                }
                ':' if is_pair(tokens, at, "::") => {
                    next = at + 2;
                    if due == Due::RestOfType { Due::Type } else { due }
                }
                '<' | '|' => {
                    // `<<` and `||` are one operator.
                    let double = is_pair(tokens, at, "<<") || is_pair(tokens, at, "||");
                    next = at + 1 + usize::from(double);
                    Due::Operand
                }
                '?' => Due::Operator,
                '&' | '*' | '!' | '\'' if due == Due::Type => Due::Type,
                _ => Due::Operand,
            },
        };
        at = next;
    }
    at.min(tokens.len())
}

fn behind_word(word: &str, due: Due) -> Due {
    match word {
        "as" => Due::Type,
        "mut" | "const" | "dyn" | "impl" | "fn" | "unsafe" | "extern" if due == Due::Type => due,
        _ if due == Due::Type => Due::RestOfType,
        "async" | "break" | "const" | "else" | "for" | "if" | "in" | "let" | "match" | "move"
        | "mut" | "return" | "static" | "unsafe" | "while" | "yield" => Due::Operand,
        _ => Due::Operator,
    }
}

/// Whether the two tokens at `at` are the operator `pair`.
fn is_pair(tokens: &[TokenTree], at: usize, pair: &str) -> bool {
    let Some([TokenTree::Punct(first), TokenTree::Punct(second)]) =
        tokens.get(at..at.saturating_add(2))
    else {
        return false;
    };
    first.spacing() == Spacing::Joint && pair.chars().eq([first.as_char(), second.as_char()])
}

/// Returns the index past the `>` that closes the `<` at `at`.
fn behind_generics(tokens: &[TokenTree], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        let TokenTree::Punct(punct) = token else { continue };
        match punct.as_char() {
            '<' => depth += 1,
            '>' if !is_pair(tokens, index - 1, "->") => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index + 1;
        }
    }
    tokens.len()
}

/// Returns the index past the `|` that closes the parameters, which the `|` at `at` opens.
fn behind_parameters(tokens: &[TokenTree], at: usize) -> usize {
    let is_bar =
        |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '|');
    tokens[at + 1..].iter().position(is_bar).map_or(tokens.len(), |length| at + length + 2)
}
