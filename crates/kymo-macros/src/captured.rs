//! The arguments that a statement captures, and the variables that refer to them.
//!
//! Names are hygienic, and yet located where the user's expression is. If a trait is missing, the
//! compiler then points at that expression, and not at the whole statement.

use proc_macro::{Delimiter, Ident, Span, TokenStream, TokenTree};

use crate::fields::appended;
use crate::format::{Placeholder, Position, Spec, placeholders};
use crate::input::{Argument, Input, Misuse};
use crate::numbering::{Placed, Use, number};
use crate::template::{code, group, punct};

/// An argument that the statement captures.
pub struct Captured {
    /// Its name, or nothing.
    pub name: String,
    /// Its name in the format string that the compiler checks, if it has one.
    pub ident: Option<Ident>,
    /// Whether the format string as it was written uses it.
    pub is_written: bool,
    pub origin: Origin,
    pub uses: Use,
    /// The expression that is captured: a reference to the argument.
    pub value: Vec<TokenTree>,
    pub local: Local,
    /// How the program formats it, if it is a value that only the program can format. Empty if
    /// every placeholder is `{}`.
    pub ways: Vec<Way>,
}

/// The origin of an argument.
pub enum Origin {
    /// The format string names a variable.
    Named,
    /// It follows the format string, or is a field, as one identifier.
    Variable(Ident),
    /// It follows the format string, or is a field, as any other expression.
    Expression,
}

/// One way to format an argument: a format string whose argument 0 is the value, and the numbers of
/// the arguments that are its width and precision.
#[derive(Clone, PartialEq, Eq)]
pub struct Way {
    pub format: String,
    pub counts: Vec<usize>,
}

impl Way {
    fn new(spec: Spec<'_>, placed: Placed) -> Self {
        let Spec { flags, width, precision, kind } = spec;
        let mut counts = Vec::new();
        let mut count = |argument: Option<usize>, literal: &str, point: &str| {
            let Some(argument) = argument else { return literal.to_owned() };
            counts.push(argument);
            format!("{point}{}$", counts.len())
        };
        let width = count(placed.width, width, "");
        let precision = count(placed.precision, precision, ".");
        // The value prints the same by `Display` and by `Debug`.
        let kind = if kind == "?" { "" } else { kind };
        Self { format: format!("{{0:{flags}{width}{precision}{kind}}}"), counts }
    }
}

/// Returns the ways in which the placeholders print argument `index`: one for each placeholder, in
/// order, or one for all if they do not differ.
fn ways(index: usize, placeholders: &[Placeholder<'_>], placed: &[Placed]) -> Vec<Way> {
    let users = || placeholders.iter().zip(placed).filter(|(_, placed)| placed.value == index);
    let plain = users().all(|(placeholder, _)| placeholder.is_plain());
    if plain || !users().all(|(placeholder, _)| placeholder.is_textual()) {
        return Vec::new();
    }
    let mut ways: Vec<_> =
        users().map(|(placeholder, placed)| Way::new(placeholder.spec, *placed)).collect();
    if ways.iter().all(|way| *way == ways[0]) {
        ways.truncate(1);
    }
    ways
}

/// The variable that holds a reference to an argument.
pub struct Local {
    name: String,
    begin: Span,
    /// The span of the argument's last token, if it has more than one.
    end: Option<Span>,
}

impl Local {
    fn new(index: usize, argument: &[TokenTree], hygienic: Span) -> Self {
        let begin = match &argument[0] {
            TokenTree::Group(group) if argument.len() > 1 => group.span_open(),
            token => token.span(),
        };
        let end = match &argument[argument.len() - 1] {
            _ if argument.len() == 1 => None,
            TokenTree::Group(group) => Some(group.span_close()),
            token => Some(token.span()),
        };
        Self {
            name: format!("__a{index}"),
            begin: hygienic.located_at(begin),
            end: end.map(|end| hygienic.located_at(end)),
        }
    }

    pub fn pattern(&self) -> TokenTree {
        Ident::new(&self.name, self.begin).into()
    }

    /// Returns the tokens of the argument itself.
    pub fn value(&self) -> Vec<TokenTree> {
        let local = Ident::new(&self.name, self.end.unwrap_or(self.begin));
        vec![punct('*', self.begin), local.into()]
    }

    /// Returns the tokens of the reference to the argument. If the argument has several tokens, so
    /// has this: an expression extends from its first token to its last.
    pub fn reference(&self) -> Vec<TokenTree> {
        match self.end {
            None => vec![self.pattern()],
            Some(_) => [vec![punct('&', self.begin)], self.value()].concat(),
        }
    }

    /// Returns the call that captures the argument. `$crate` is not part of it, because its
    /// location cannot be chosen: the compiler would blame the whole statement.
    pub fn capture(&self, function: &str, further: &[TokenTree]) -> Vec<TokenTree> {
        let end = self.end.unwrap_or(self.begin);
        let mut call = code(function, self.begin, &[]);
        let arguments = [&self.reference(), further].concat();
        call.push(group(Delimiter::Parenthesis, arguments, end));
        call
    }

    /// Returns `&argument`, in parentheses unless it is one token. An expression that another macro
    /// passed on is one token, too, but falls apart here.
    fn borrow(&self, argument: &[TokenTree]) -> Vec<TokenTree> {
        let passed_on = matches!(&argument[0], TokenTree::Group(group)
            if group.delimiter() == Delimiter::None);
        let argument = match argument {
            [token] if !passed_on => token.clone(),
            _ => {
                let end = self.end.unwrap_or(self.begin);
                group(Delimiter::Parenthesis, argument.to_vec(), end)
            }
        };
        vec![punct('&', self.begin), argument]
    }
}

/// The arguments of a statement, and its format string with all of them.
pub struct Message {
    /// In the order of their numbers.
    pub arguments: Vec<Captured>,
    /// What the file has. `None`: the format string as it was written. The reader appends the fields.
    pub format: Option<String>,
}

/// Returns the arguments of the statement, and its format string; `None` if `format_args!` will refuse
/// them.
///
/// # Errors
/// If two fields, or a field and an argument, have the same name.
pub fn captured(input: &Input<'_>, text: &str) -> Result<Option<Message>, Misuse> {
    let Some(explicit) = input.arguments.as_ref() else { return Ok(None) };
    let names: Vec<_> =
        explicit.iter().map(|argument| argument.name.map(ToString::to_string)).collect();
    let mut names: Vec<_> = names.iter().map(|name| name.as_deref().map(without_raw)).collect();
    for field in &input.fields {
        if names.contains(&Some(&*field.name)) {
            let message = "there is an argument or a field of this name already";
            return Err(Misuse::new(field.span, message));
        }
        names.push(Some(&*field.name));
    }
    Ok(numbered(input, explicit, text, &names))
}

fn numbered(
    input: &Input<'_>,
    explicit: &[Argument<'_>],
    text: &str,
    names: &[Option<&str>],
) -> Option<Message> {
    let hygienic = Span::mixed_site();
    let in_text = placeholders(text)?;
    let fields = input.fields.iter().zip(explicit.len()..);
    let unused = fields.filter(|(field, index)| !is_used(&in_text, *index, &field.name));
    let end = appended(text, unused);
    let whole = format!("{text}{end}");
    let placeholders = placeholders(&whole)?;
    let numbered = number(&placeholders, names, input.fields.len())?;
    let ways_of = |index| ways(index, &placeholders, &numbered.placed);
    let mut arguments = Vec::with_capacity(numbered.uses.len());
    let mut add = |name: &str, ident: Option<Ident>, value: &[TokenTree], origin: Origin| {
        let index = arguments.len();
        let local = Local::new(index, value, hygienic);
        let value = local.borrow(value);
        let is_field = (explicit.len()..names.len()).contains(&index);
        let is_written = !is_field || is_used(&in_text, index, name);
        let uses = numbered.uses[index];
        let name = name.to_owned();
        let ways = ways_of(index);
        arguments.push(Captured { name, ident, is_written, origin, uses, value, local, ways });
    };
    let origin = |value: &[TokenTree]| match value {
        [TokenTree::Ident(variable)] => Origin::Variable(variable.clone()),
        _ => Origin::Expression,
    };
    for (argument, name) in explicit.iter().zip(names) {
        let value = argument.value;
        add(name.unwrap_or_default(), argument.name.cloned(), value, origin(value));
    }
    for field in &input.fields {
        add(&field.name, field.ident.clone(), &field.value, origin(&field.value));
    }
    for name in &numbered.captures {
        let name = variable(name, input.format.span())?;
        let text = name.to_string();
        let value = [TokenTree::from(name.clone())];
        add(without_raw(&text), Some(name), &value, Origin::Named);
    }
    Some(Message { arguments, format: (!end.is_empty()).then_some(whole) })
}

/// Whether one of these placeholders names the argument.
fn is_used<'a>(placeholders: &[Placeholder<'a>], index: usize, name: &str) -> bool {
    let positions = |it: &Placeholder<'a>| [Some(it.value), it.width, it.precision];
    placeholders.iter().flat_map(positions).flatten().any(|position| match position {
        Position::Index(at) => at == index,
        Position::Name(used) => used == name,
    })
}

/// Returns the variable that a format string names. It has the span of the string, so that the
/// compiler looks it up where the string was written.
fn variable(name: &str, span: Span) -> Option<Ident> {
    if !name.is_ascii() {
        let mut tokens = name.parse::<TokenStream>().ok()?.into_iter();
        tokens.next().filter(|_| tokens.next().is_none())?;
    }
    Some(match name {
        "self" | "Self" | "super" | "crate" => Ident::new(name, span),
        // A keyword between braces names the variable `r#keyword`.
        _ => Ident::new_raw(name, span),
    })
}

/// Returns the name of an identifier that may be written `r#name`.
pub fn without_raw(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}
