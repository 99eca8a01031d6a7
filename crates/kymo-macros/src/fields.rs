//! Parses the fields that precede a statement's message.
//!
//! ```text
//! FIELD [, FIELD]* [,] ; [FORMAT [, ARGUMENT]*]        as with the crate `log`
//! FIELD [, FIELD]* [, FORMAT [, ARGUMENT]*]            as with `tracing`
//!
//! FIELD   NAME [: KIND] [= EXPR]
//!         NAME = SIGIL EXPR
//!         SIGIL NAME
//! NAME    order      order.id      order.id()      "order id"
//! KIND    ? % debug display err error hex ns us ms s bytes
//! SIGIL   ? %
//! ```
//!
//! A field is a named argument. If the format string does not have it, the reader prints it at the message's end. So it
//! costs what an argument costs. With a unit, or in hexadecimal, it becomes a part of the format string: `info!(n:hex;
//! "filled")` is `info!("filled n={0:#x}", n = n)`.

use proc_macro::{Delimiter, Ident, Span, TokenTree};

use crate::captured::without_raw;
use crate::expression;
use crate::input::{Misuse, assigned, begins_with, is_punct, string_literal};
use crate::literal::string_value;
use crate::template::{code, group};

/// A field of a statement.
pub struct Field {
    pub name: String,
    /// The name, if a format string can have it.
    pub ident: Option<Ident>,
    /// Where it is written.
    pub span: Span,
    pub value: Vec<TokenTree>,
    pub kind: Kind,
}

/// How the value of a field becomes text.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// As what it is; the reader makes text of it.
    Typed,
    /// As what it is, in hexadecimal.
    Hex,
    /// As what it is, and after it a unit.
    In(&'static str),
    /// As text, which the statement makes with this function of kymo.
    Eager(&'static str),
}

impl Kind {
    /// The placeholder of argument `index`, and what follows it. `None`: the reader knows.
    fn placeholder(self, index: usize) -> Option<String> {
        match self {
            Self::Typed | Self::Eager(_) => None,
            Self::Hex => Some(format!("{{{index}:#x}}")),
            Self::In(unit) => Some(format!("{{{index}}}{unit}")),
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "debug" => Self::Eager("as_debug"),
            "display" => Self::Eager("as_display"),
            "err" | "error" => Self::Eager("as_error"),
            "hex" => Self::Hex,
            "ns" => Self::In("ns"),
            "us" => Self::In("µs"),
            "ms" => Self::In("ms"),
            "s" => Self::In("s"),
            "bytes" => Self::In("B"),
            _ => return None,
        })
    }

    fn of_sigil(token: Option<&TokenTree>) -> Option<Self> {
        match token {
            Some(TokenTree::Punct(punct)) if punct.as_char() == '?' => {
                Some(Self::Eager("as_debug"))
            }
            Some(TokenTree::Punct(punct)) if punct.as_char() == '%' => {
                Some(Self::Eager("as_display"))
            }
            _ => None,
        }
    }
}

const NOT_A_FIELD: &str = "a field is `name`, `name = value`, `name:? = value`, `order.id` or `order.id()`: give \
                           other expressions a name";
const NOT_A_KIND: &str =
    "after the colon of a field comes `?`, `%`, `err`, `hex`, `ns`, `us`, `ms`, `s` or `bytes`";

/// Returns the fields that `tokens` begin with, and what follows them: a format string and its arguments, or nothing.
pub fn split(tokens: &[TokenTree]) -> Result<(Vec<Field>, &[TokenTree]), Misuse> {
    if let Some(end) = tokens.iter().position(|token| is_punct(Some(token), ';')) {
        let (fields, rest) = take(&tokens[..end])?;
        if let [first, ..] = rest {
            return Err(Misuse::new(first.span(), NOT_A_FIELD));
        }
        return Ok((fields, &tokens[end + 1..]));
    }
    // (A macro is no format string, and that is what is to be said of it.)
    let is_message = |first| string_literal(first).is_some() || is_punct(tokens.get(1), '!');
    if tokens.first().is_none_or(is_message) {
        return Ok((Vec::new(), tokens));
    }
    take(tokens)
}

/// Returns fields up to a format string, or to the end.
pub fn take(mut tokens: &[TokenTree]) -> Result<(Vec<Field>, &[TokenTree]), Misuse> {
    let mut fields = Vec::new();
    while let Some(first) = tokens.first() {
        let is_named = is_punct(tokens.get(1), '=') || is_punct(tokens.get(1), ':');
        if string_literal(first).is_some() && !is_named {
            break;
        }
        let (field, rest) = field(tokens)?;
        fields.push(field);
        tokens = match rest {
            [] => rest,
            [comma, rest @ ..] if is_punct(Some(comma), ',') => rest,
            [other, ..] => return Err(Misuse::new(other.span(), NOT_A_FIELD)),
        };
    }
    Ok((fields, tokens))
}

fn field(tokens: &[TokenTree]) -> Result<(Field, &[TokenTree]), Misuse> {
    let span = tokens[0].span();
    let sigil = Kind::of_sigil(tokens.first());
    let written = if sigil.is_some() { &tokens[1..] } else { tokens };
    let Some((Name { name, ident, length }, is_value)) = name(written) else {
        return Err(Misuse::new(span, NOT_A_FIELD));
    };
    let (itself, mut rest) = written.split_at(length);
    let mut kind = sigil;
    if begins_with(rest, ':', &[':']) {
        let found = match rest.get(1) {
            Some(TokenTree::Ident(word)) => Kind::of_word(&word.to_string()),
            token => Kind::of_sigil(token),
        };
        let at = rest.get(1).unwrap_or(&rest[0]).span();
        kind = match (found, sigil) {
            (Some(found), None) => Some(found),
            _ => return Err(Misuse::new(at, NOT_A_KIND)),
        };
        rest = &rest[2..];
    }
    let mut value = itself;
    if let Some(after) = assigned(rest) {
        rest = after;
        if let (None, Some(found)) = (kind, Kind::of_sigil(rest.first())) {
            (kind, rest) = (Some(found), &rest[1..]);
        }
        (value, rest) = rest.split_at(expression::length(rest));
        if value.is_empty() {
            return Err(Misuse::new(span, "the value of a field is missing after `=`"));
        }
    } else if !is_value {
        return Err(Misuse::new(
            span,
            "a field whose name is a text needs a value: `\"name\" = value`",
        ));
    }
    let kind = kind.unwrap_or(Kind::Typed);
    Ok((Field { name, ident, span, value: captured(value, kind), kind }, rest))
}

/// The value as the statement captures it. The path of kymo is an alias, whose location can be chosen: the compiler
/// blames the value.
fn captured(value: &[TokenTree], kind: Kind) -> Vec<TokenTree> {
    let Kind::Eager(function) = kind else { return value.to_vec() };
    let span = Span::mixed_site().located_at(value[0].span());
    let value = [group(Delimiter::Parenthesis, value.to_vec(), span)];
    code(&format!("__kymo::{function}(&$value)"), span, &[("value", &value)])
}

/// The name of a field.
struct Name {
    name: String,
    ident: Option<Ident>,
    /// How many tokens it has.
    length: usize,
}

/// Returns the name that `tokens` begin with, and whether it is a value, too.
fn name(tokens: &[TokenTree]) -> Option<(Name, bool)> {
    let first = match tokens.first()? {
        TokenTree::Ident(ident) => ident,
        token => {
            let literal = string_literal(token)?.to_string();
            let name = string_value(&literal)?.into_owned();
            return Some((Name { name, ident: None, length: 1 }, false));
        }
    };
    let mut name = without_raw(&first.to_string()).to_owned();
    let mut length = 1;
    loop {
        match &tokens[length..] {
            [TokenTree::Punct(dot), part @ (TokenTree::Ident(_) | TokenTree::Literal(_)), ..]
                if dot.as_char() == '.' =>
            {
                name.push('.');
                name.push_str(without_raw(&part.to_string()));
                length += 2;
            }
            // A call without arguments.
            [TokenTree::Group(group), ..]
                if group.delimiter() == Delimiter::Parenthesis && group.stream().is_empty() =>
            {
                length += 1;
            }
            _ => break,
        }
    }
    let ident = (length == 1).then(|| first.clone());
    Some((Name { name, ident, length }, true))
}

/// What a format string ends with that has not these fields: ` name={index}` for each that is shown in another way than
/// the reader would.
pub fn appended<'a>(text: &str, fields: impl Iterator<Item = (&'a Field, usize)>) -> String {
    let mut end = String::new();
    for (field, index) in fields {
        let Some(placeholder) = field.kind.placeholder(index) else { continue };
        if !(text.is_empty() && end.is_empty()) {
            end.push(' ');
        }
        end.push_str(&field.name.replace('{', "{{").replace('}', "}}"));
        end.push('=');
        end.push_str(&placeholder);
    }
    end
}
