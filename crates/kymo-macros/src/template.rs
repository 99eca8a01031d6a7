//! Code from a template: `code("if $condition { }", holes)`.
//!
//! A small part of Rust's tokens is enough for the code that the macros generate: identifiers,
//! punctuation and groups. Every token has the span that the caller chose, so that names are
//! hygienic.

use proc_macro::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};
use std::str::Chars;

/// A name and the tokens that replace `$name` in a template.
pub type Hole<'a> = (&'static str, &'a [TokenTree]);

/// Returns the tokens of `template`, with `holes` filled in and `span` on every token of its own.
///
/// # Panics
///
/// If the template has an unknown hole or unbalanced brackets.
pub fn code(template: &str, span: Span, holes: &[Hole<'_>]) -> Vec<TokenTree> {
    tokens(&mut template.chars(), span, holes)
}

/// Reads up to a closing bracket or the end.
fn tokens(source: &mut Chars<'_>, span: Span, holes: &[Hole<'_>]) -> Vec<TokenTree> {
    let mut out = Vec::with_capacity(32);
    loop {
        let rest = source.as_str();
        let Some(char) = source.next() else { break };
        match char {
            ' ' | '\n' => {}
            ')' | ']' | '}' => break,
            '(' => out.push(group(Delimiter::Parenthesis, tokens(source, span, holes), span)),
            '[' => out.push(group(Delimiter::Bracket, tokens(source, span, holes), span)),
            '{' => out.push(group(Delimiter::Brace, tokens(source, span, holes), span)),
            '$' => {
                let name = word(source.as_str());
                *source = source.as_str()[name.len()..].chars();
                let hole = holes.iter().find(|(known, _)| *known == name);
                out.extend_from_slice(hole.expect("a hole of the template").1);
            }
            _ if is_word(char) => {
                let word = word(rest);
                *source = rest[word.len()..].chars();
                out.push(Ident::new(word, span).into());
            }
            _ => {
                // `::` and `=>`.
                let joint = source.as_str().starts_with([':', '>']);
                let spacing = if joint { Spacing::Joint } else { Spacing::Alone };
                out.push(spaced(char, spacing, span));
            }
        }
    }
    out
}

/// Returns a group of tokens.
pub fn group(delimiter: Delimiter, tokens: Vec<TokenTree>, span: Span) -> TokenTree {
    let mut group = Group::new(delimiter, TokenStream::from_iter(tokens));
    group.set_span(span);
    group.into()
}

/// Returns a character of punctuation that is not joined to the next one.
pub fn punct(char: char, span: Span) -> TokenTree {
    spaced(char, Spacing::Alone, span)
}

fn spaced(char: char, spacing: Spacing, span: Span) -> TokenTree {
    let mut punct = Punct::new(char, spacing);
    punct.set_span(span);
    punct.into()
}

fn is_word(char: char) -> bool {
    char == '_' || char.is_ascii_alphanumeric()
}

fn word(source: &str) -> &str {
    &source[..source.find(|char| !is_word(char)).unwrap_or(source.len())]
}
