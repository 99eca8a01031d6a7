//! The grammar of `std::fmt`, as the compiler parses it.
//!
//! The string comes from a file and may be anything: what the compiler would have refused is an
//! error here. Numbers end at 65,535, as in the language; the number of placeholders ends at
//! [`MAX_PLACEHOLDERS`], so that a hostile string cannot make every record of its call site
//! expensive.

use std::fmt;

use super::{Dynamic, Template};
use crate::text::line::Literal;
use crate::text::{Align, Spec, Style};

/// The most placeholders in one format string.
const MAX_PLACEHOLDERS: usize = 1024;

/// The reason why a format string is not valid, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    offset: usize,
    problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    UnmatchedBrace,
    UnclosedPlaceholder,
    UnknownArgument,
    UnknownTrait,
    NumberTooLarge,
    TooManyPlaceholders,
}

impl TemplateError {
    /// Where in the format string, in bytes from its beginning.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            Problem::UnmatchedBrace => "a closing brace without an opening one",
            Problem::UnclosedPlaceholder => "a placeholder that is not closed",
            Problem::UnknownArgument => "a placeholder for an argument that there is not",
            Problem::UnknownTrait => "a placeholder with an unknown trait",
            Problem::NumberTooLarge => "a width, precision or position above 65535",
            Problem::TooManyPlaceholders => "too many placeholders",
        };
        write!(f, "{problem} at byte {} of the format string", self.offset)
    }
}

impl std::error::Error for TemplateError {}

/// Parses `format`, whose arguments have these names. `has_fields`: those that it does not print follow it.
pub(super) fn parse(
    format: &str,
    names: &[&str],
    has_fields: bool,
) -> Result<Template, TemplateError> {
    let mut parser = Parser {
        rest: format,
        names,
        implicit: 0,
        places: vec![0; names.len()],
        used: vec![!has_fields; names.len()],
    };
    parser
        .template()
        .map_err(|problem| TemplateError { offset: format.len() - parser.rest.len(), problem })
}

struct Parser<'f> {
    rest: &'f str,
    names: &'f [&'f str],
    /// The argument that the next `{}` takes.
    implicit: u16,
    /// How many placeholders printed each argument.
    places: Vec<u16>,
    /// Which arguments it names, also as a width or a precision.
    used: Vec<bool>,
}

impl<'f> Parser<'f> {
    fn template(&mut self) -> Result<Template, Problem> {
        let (mut template, mut literal) = (Template::empty(), String::new());
        while let Some(at) = self.rest.find(['{', '}']) {
            let (text, rest) = self.rest.split_at(at);
            literal.push_str(text);
            self.rest = rest;
            if self.take("{{") {
                literal.push('{');
            } else if self.take("}}") {
                literal.push('}');
            } else if template.pieces.len() == MAX_PLACEHOLDERS {
                return Err(Problem::TooManyPlaceholders);
            } else if self.take("{") {
                let (argument, spec) = self.placeholder()?;
                for used in
                    [Some(argument), spec.width_from, spec.precision_from].into_iter().flatten()
                {
                    self.used[usize::from(used)] = true;
                }
                let place = &mut self.places[usize::from(argument)];
                template.push(&literal, (argument, *place), spec);
                *place += 1;
                literal.clear();
            } else {
                return Err(Problem::UnmatchedBrace);
            }
        }
        literal.push_str(self.rest);
        for argument in (0..u16::MAX).take(self.names.len()) {
            if !self.used[usize::from(argument)] {
                template.push_field(&literal, argument, self.names[usize::from(argument)]);
                literal.clear();
            }
        }
        template.tail = Literal::new(&literal);
        Ok(template)
    }

    /// Parses the content of the braces, and the closing one.
    fn placeholder(&mut self) -> Result<(u16, Dynamic), Problem> {
        self.skip_space();
        let explicit = self.argument()?;
        self.skip_space();
        let spec = if self.take(":") { self.spec()? } else { Dynamic::PLAIN };
        self.skip_space();
        // After the spec, because `.*` takes an argument before the placeholder itself does.
        let argument = match explicit {
            Some(argument) => argument,
            None => self.next_implicit()?,
        };
        if !self.take("}") {
            return Err(match self.rest.find('}') {
                Some(_) => Problem::UnknownTrait,
                None => Problem::UnclosedPlaceholder,
            });
        }
        Ok((argument, spec))
    }

    fn spec(&mut self) -> Result<Dynamic, Problem> {
        let mut dynamic = Dynamic::PLAIN;
        let spec = &mut dynamic.spec;
        self.fill_and_align(spec);
        if self.take("+") {
            spec.plus = true;
        } else {
            // It is part of the grammar and means nothing.
            self.take("-");
        }
        spec.alternate = self.take("#");
        // `0$` is a width.
        spec.zero = !self.rest.starts_with("0$") && self.take("0");
        (spec.width, dynamic.width_from) = self.count()?;
        if self.take(".") {
            if self.take("*") {
                dynamic.precision_from = Some(self.next_implicit()?);
            } else {
                (spec.precision, dynamic.precision_from) = self.count()?;
            }
        }
        spec.style = self.style()?;
        Ok(dynamic)
    }

    fn fill_and_align(&mut self, spec: &mut Spec) {
        let mut chars = self.rest.chars();
        let first = chars.next();
        let behind_first = chars.as_str();
        if let (Some(fill), Some(align)) = (first, chars.next().and_then(align_of)) {
            (spec.fill, spec.align) = (fill, Some(align));
            self.rest = chars.as_str();
        } else if let Some(align) = first.and_then(align_of) {
            spec.align = Some(align);
            self.rest = behind_first;
        }
    }

    /// A number, or an argument that holds one, or neither.
    fn count(&mut self) -> Result<(Option<u16>, Option<u16>), Problem> {
        let before = self.rest;
        if let Some(number) = self.number()? {
            if !self.take("$") {
                return Ok((Some(number), None));
            }
            return Ok((None, Some(self.checked(number)?)));
        }
        match self.identifier() {
            Some(name) if self.take("$") => Ok((None, Some(self.resolve(name)?))),
            _ => {
                self.rest = before;
                Ok((None, None))
            }
        }
    }

    fn style(&mut self) -> Result<Style, Problem> {
        let end = self.rest.find(|c: char| c == '}' || c.is_whitespace());
        let (name, rest) = self.rest.split_at(end.ok_or(Problem::UnclosedPlaceholder)?);
        let style = match name {
            "" => Style::Display,
            "?" => Style::Debug,
            "x?" => Style::DebugLowerHex,
            "X?" => Style::DebugUpperHex,
            "x" => Style::LowerHex,
            "X" => Style::UpperHex,
            "o" => Style::Octal,
            "b" => Style::Binary,
            "e" => Style::LowerExp,
            "E" => Style::UpperExp,
            "p" => Style::Pointer,
            _ => return Err(Problem::UnknownTrait),
        };
        self.rest = rest;
        Ok(style)
    }

    /// An argument by position or by name.
    fn argument(&mut self) -> Result<Option<u16>, Problem> {
        if let Some(number) = self.number()? {
            return self.checked(number).map(Some);
        }
        match self.identifier() {
            Some(name) => self.resolve(name).map(Some),
            None => Ok(None),
        }
    }

    fn resolve(&self, name: &str) -> Result<u16, Problem> {
        let position = self.names.iter().position(|&known| known == name);
        position.and_then(|position| position.try_into().ok()).ok_or(Problem::UnknownArgument)
    }

    fn next_implicit(&mut self) -> Result<u16, Problem> {
        let argument = self.checked(self.implicit)?;
        self.implicit += 1;
        Ok(argument)
    }

    /// The position, if there is an argument in it.
    fn checked(&self, position: u16) -> Result<u16, Problem> {
        match usize::from(position) < self.names.len() && position < u16::MAX {
            true => Ok(position),
            false => Err(Problem::UnknownArgument),
        }
    }

    fn number(&mut self) -> Result<Option<u16>, Problem> {
        let digits = self.take_while(|c| c.is_ascii_digit());
        if digits.is_empty() {
            return Ok(None);
        }
        digits.parse().map(Some).map_err(|_| Problem::NumberTooLarge)
    }

    fn identifier(&mut self) -> Option<&'f str> {
        if !self.rest.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return None;
        }
        Some(self.take_while(|c| c.is_alphanumeric() || c == '_'))
    }

    fn take_while(&mut self, accepts: impl Fn(char) -> bool) -> &'f str {
        let end = self.rest.find(|c| !accepts(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, expected: &str) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

fn align_of(c: char) -> Option<Align> {
    Some(match c {
        '<' => Align::Left,
        '^' => Align::Center,
        '>' => Align::Right,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_and_where() {
        let error_of = |format| match parse(format, &["", "name"], true) {
            Err(TemplateError { offset, problem }) => Some((offset, problem)),
            Ok(_) => None,
        };
        assert_eq!(error_of("{} {name:>1$.*?} {{}}"), None);
        assert_eq!(error_of("a } b"), Some((2, Problem::UnmatchedBrace)));
        assert_eq!(error_of("a {"), Some((3, Problem::UnclosedPlaceholder)));
        assert_eq!(error_of("{0"), Some((2, Problem::UnclosedPlaceholder)));
        assert_eq!(error_of("{2}"), Some((2, Problem::UnknownArgument)));
        assert_eq!(error_of("{nome}"), Some((5, Problem::UnknownArgument)));
        assert_eq!(error_of("{}{}{}"), Some((5, Problem::UnknownArgument)));
        assert_eq!(error_of("{:y}"), Some((2, Problem::UnknownTrait)));
        assert_eq!(error_of("{:65536}"), Some((7, Problem::NumberTooLarge)));
        assert_eq!(error_of("{:99999999999999999999}"), Some((22, Problem::NumberTooLarge)));
        assert_eq!(error_of("{:65535}"), None);
        let many = "{0}".repeat(MAX_PLACEHOLDERS + 1);
        assert_eq!(error_of(&many), Some((3 * MAX_PLACEHOLDERS, Problem::TooManyPlaceholders)));
    }
}
