//! The placeholders of a format string, by the grammar of `std::fmt`.
//!
//! This keeps what the call site needs: which arguments a placeholder names, whether it prints an
//! address, and the text of its specification, for values that the program formats itself. Errors
//! are `None`: `format_args!` reports them better.

use std::iter::Peekable;
use std::str::CharIndices;

/// One `{...}` of a format string.
#[derive(Debug, PartialEq, Eq)]
pub struct Placeholder<'a> {
    pub value: Position<'a>,
    /// The argument of `width$`.
    pub width: Option<Position<'a>>,
    /// The argument of `.precision$` or `.*`.
    pub precision: Option<Position<'a>>,
    /// Whether the placeholder is `{:p}`.
    pub pointer: bool,
    /// The text after the colon, without the arguments that it names.
    pub spec: Spec<'a>,
}

/// The text of a specification in four pieces. If an argument gives the width or the precision,
/// that piece is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spec<'a> {
    /// Fill, alignment, sign, `#` and `0`.
    pub flags: &'a str,
    pub width: &'a str,
    /// The precision, with the point before it.
    pub precision: &'a str,
    /// The letters that name the trait.
    pub kind: &'a str,
}

impl Placeholder<'_> {
    /// Whether it prints by `Display` or `Debug`: the traits of values that the program formats.
    pub fn is_textual(&self) -> bool {
        matches!(self.spec.kind, "" | "?" | "x?" | "X?")
    }

    /// Whether it is `{}` or `{:?}`, apart from the argument.
    pub fn is_plain(&self) -> bool {
        self.width.is_none()
            && self.precision.is_none()
            && matches!(self.spec, Spec { flags: "", width: "", precision: "", kind: "" | "?" })
    }
}

/// How a placeholder names an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position<'a> {
    /// By its number. `{}` has been given its number.
    Index(usize),
    /// By its name: a named argument, or else a variable.
    Name(&'a str),
}

/// Returns the placeholders of `text` in order, or `None` if it is no valid format string.
pub fn placeholders(text: &str) -> Option<Vec<Placeholder<'_>>> {
    let mut parser = Parser { text, chars: text.char_indices().peekable(), next_index: 0 };
    let mut found = Vec::new();
    while let Some((_, char)) = parser.chars.next() {
        match char {
            '{' if parser.eat('{') => {}
            '{' => found.push(parser.placeholder()?),
            '}' if !parser.eat('}') => return None,
            _ => {}
        }
    }
    Some(found)
}

struct Parser<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    /// The argument that the next `{}` or `.*` takes.
    next_index: usize,
}

impl<'a> Parser<'a> {
    /// Reads what follows an opening brace, up to and including the closing brace.
    fn placeholder(&mut self) -> Option<Placeholder<'a>> {
        let value = self.position()?;
        self.skip_space();
        let mut placeholder = Placeholder {
            value: Position::Index(0),
            width: None,
            precision: None,
            pointer: false,
            spec: Spec::default(),
        };
        if self.eat(':') {
            self.spec(&mut placeholder)?;
        }
        // Read after the specification, in which `.*` takes an argument first.
        placeholder.value = value.unwrap_or_else(|| self.next_argument());
        self.skip_space();
        self.eat('}').then_some(placeholder)
    }

    /// Reads `[[fill]align][sign]['#']['0'][width]['.' precision][type]`.
    fn spec(&mut self, placeholder: &mut Placeholder<'a>) -> Option<()> {
        let begin = self.offset();
        let mut ahead = self.chars.clone();
        let fill = ahead.next();
        if fill.is_some() && matches!(ahead.peek(), Some((_, '<' | '^' | '>'))) {
            self.chars = ahead;
        }
        let _align = self.eat('<') || self.eat('^') || self.eat('>');
        let _sign = self.eat('+') || self.eat('-');
        let _alternate = self.eat('#');
        let before_zero = self.offset();
        let zero = self.eat('0');
        let spec = &mut placeholder.spec;
        spec.flags = &self.text[begin..self.offset()];
        if zero && self.eat('$') {
            spec.flags = &self.text[begin..before_zero];
            placeholder.width = Some(Position::Index(0));
        } else {
            (placeholder.width, spec.width) = self.text_of(Self::count)?;
        }
        let point = self.offset();
        if self.eat('.') {
            if self.eat('*') {
                placeholder.precision = Some(self.next_argument());
            } else {
                placeholder.precision = self.count()?;
            }
            if placeholder.precision.is_none() {
                placeholder.spec.precision = &self.text[point..self.offset()];
            }
        }
        let begin = self.offset();
        self.kind(placeholder)?;
        placeholder.spec.kind = &self.text[begin..self.offset()];
        Some(())
    }

    /// Returns what `read` finds, and its text, unless it is an argument.
    fn text_of(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<Option<Position<'a>>>,
    ) -> Option<(Option<Position<'a>>, &'a str)> {
        let begin = self.offset();
        let found = read(self)?;
        let text = &self.text[begin..self.offset()];
        Some((found, if found.is_some() { "" } else { text }))
    }

    /// Returns where the next character begins.
    fn offset(&mut self) -> usize {
        self.chars.peek().map_or(self.text.len(), |&(offset, _)| offset)
    }

    /// Reads the trait's letter. An unknown one is an error.
    fn kind(&mut self, placeholder: &mut Placeholder<'a>) -> Option<()> {
        if self.eat('x') || self.eat('X') {
            self.eat('?');
        } else if !self.eat('?') {
            match self.word() {
                "" | "o" | "b" | "e" | "E" => {}
                "p" => placeholder.pointer = true,
                _ => return None,
            }
        }
        Some(())
    }

    /// Reads a width or precision: `12`, `2$`, `name$` or nothing. `Some(Some(_))` if it names an
    /// argument.
    fn count(&mut self) -> Option<Option<Position<'a>>> {
        if let Some(number) = self.number()? {
            return Some(self.eat('$').then_some(Position::Index(number)));
        }
        let before = self.chars.clone();
        let name = self.word();
        if !name.is_empty() && self.eat('$') {
            return (name != "_").then_some(Some(Position::Name(name)));
        }
        self.chars = before;
        Some(None)
    }

    /// Reads the name or number of an argument. `Some(None)` if the argument is the next one.
    fn position(&mut self) -> Option<Option<Position<'a>>> {
        if let Some(number) = self.number()? {
            return Some(Some(Position::Index(number)));
        }
        match self.word() {
            "" => Some(None),
            "_" => None,
            name => Some(Some(Position::Name(name))),
        }
    }

    fn next_argument(&mut self) -> Position<'a> {
        self.next_index += 1;
        Position::Index(self.next_index - 1)
    }

    /// Reads a number. `None` if it is larger than 65,535, the largest that `std::fmt` takes.
    fn number(&mut self) -> Option<Option<usize>> {
        let mut number = None;
        while let Some(digit) = self.chars.peek().and_then(|(_, char)| char.to_digit(10)) {
            self.chars.next();
            let value = number.unwrap_or(0_u16).checked_mul(10)?;
            number = Some(value.checked_add(digit as u16)?);
        }
        Some(number.map(usize::from))
    }

    /// Reads an identifier, or nothing. It takes more for one than Rust allows, because the
    /// standard library has no table of what Unicode allows. The compiler refuses the rest.
    fn word(&mut self) -> &'a str {
        let allowed = |char: char| {
            char == '_' || char.is_alphanumeric() || !(char.is_ascii() || char.is_whitespace())
        };
        let rest = self.chars.peek().map_or("", |&(start, _)| &self.text[start..]);
        let length = rest.find(|char| !allowed(char)).unwrap_or(rest.len());
        let word = &rest[..length];
        word.chars().for_each(|_| _ = self.chars.next());
        word
    }

    fn skip_space(&mut self) {
        while self.chars.next_if(|(_, char)| char.is_whitespace()).is_some() {}
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.chars.next_if(|&(_, char)| char == wanted).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::Position::{Index, Name};
    use super::*;

    fn plain(value: Position<'_>) -> Placeholder<'_> {
        let spec = Spec::default();
        Placeholder { value, width: None, precision: None, pointer: false, spec }
    }

    /// Returns the placeholders of `text`, without the texts of their specifications.
    fn placeholders(text: &str) -> Option<Vec<Placeholder<'_>>> {
        let found = super::placeholders(text)?;
        let without = |placeholder| Placeholder { spec: Spec::default(), ..placeholder };
        Some(found.into_iter().map(without).collect())
    }

    #[test]
    fn specifications_in_pieces() {
        for (text, flags, width, precision, kind) in [
            ("{}", "", "", "", ""),
            ("{:.2}", "", "", ".2", ""),
            ("{x:8.1?}", "", "8", ".1", "?"),
            ("{:ä^+#012.x$X?}", "ä^+#0", "12", "", "X?"),
            ("{:>w$.*}", ">", "", "", ""),
            ("{:0$.}", "", "", ".", ""),
            ("{:00$e}", "0", "", "", "e"),
            ("{:}<9 }", "}<", "9", "", ""),
        ] {
            let spec = super::placeholders(text).unwrap()[0].spec;
            assert_eq!(spec, Spec { flags, width, precision, kind }, "{text}");
        }
    }

    #[test]
    fn names_and_numbers() {
        assert_eq!(placeholders("none {{}} }}{{"), Some(vec![]));
        assert_eq!(
            placeholders("{} {1} { } {name } {_x:?}{ünïcode}").unwrap(),
            [Index(0), Index(1), Index(1), Name("name"), Name("_x"), Name("ünïcode")].map(plain)
        );
        assert_eq!(placeholders("{{{0}}}").unwrap(), [plain(Index(0))]);
        assert_eq!(placeholders("{type} {self}").unwrap(), [Name("type"), Name("self")].map(plain));
    }

    #[test]
    fn widths_and_precisions() {
        let with = |value, width, precision| Placeholder { width, precision, ..plain(value) };
        for (text, expected) in [
            ("{:5}", plain(Index(0))),
            ("{:05.3}", plain(Index(0))),
            ("{:w$}", with(Index(0), Some(Name("w")), None)),
            ("{x:>+#0w$.p$}", with(Name("x"), Some(Name("w")), Some(Name("p")))),
            ("{:1$.2$}", with(Index(0), Some(Index(1)), Some(Index(2)))),
            ("{:0$}", with(Index(0), Some(Index(0)), None)),
            ("{:00$}", with(Index(0), Some(Index(0)), None)),
            ("{:.*}", with(Index(1), None, Some(Index(0)))),
            ("{x:.*e}", with(Name("x"), None, Some(Index(0)))),
            ("{:1$.*?}", with(Index(1), Some(Index(1)), Some(Index(0)))),
            ("{:x$x}", with(Index(0), Some(Name("x")), None)),
            ("{:p$p}", Placeholder { width: Some(Name("p")), pointer: true, ..plain(Index(0)) }),
            ("{:.e$e}", with(Index(0), None, Some(Name("e")))),
        ] {
            assert_eq!(placeholders(text).unwrap(), [expected], "{text}");
        }
    }

    #[test]
    fn fills_flags_and_traits() {
        macro_rules! check {
            ($($text:literal)*) => {$(
                let _ = format_args!($text, 1);
                assert_eq!(placeholders($text).unwrap(), [plain(Index(0))], "{}", $text);
            )*};
        }
        check! {
            "{:}" "{0:}" "{:?}" "{:#?}" "{:x?}" "{:X?}" "{:x}" "{:X}" "{:o}" "{:b}" "{:e}" "{:E}"
            "{:*^9}" "{:}<9}" "{:{>9}" "{:<<9}" "{:é^9}" "{:^}" "{:+}" "{:-5}" "{:#x}" "{:#010x}"
            "{:? }" "{ :? }" "{0 :x }" "{:.0}" "{:.}" "{:\u{7d}^5}"
        }
        assert!(placeholders("{:p}").unwrap()[0].pointer);
        assert!(placeholders("{x:#018p}").unwrap()[0].pointer);
    }

    #[test]
    fn malformed() {
        for text in [
            "{",
            "}",
            "{}}",
            "{{}",
            "{x",
            "{:",
            "{:?",
            "{x.y}",
            "{x[0]}",
            "{x + 1}",
            "{:q}",
            "{:?x}",
            "{:5 5}",
            "{_}",
            "{r#type}",
            "{x?}",
            "{:*9}",
            "{99999999999999999999}",
            "{:70000}",
            "{-1}",
            "{:$}",
            "{:1$$}",
            "{x=}",
            "{:pp}",
            "{:_$}",
            "{ name }",
            "{ : ?}",
        ] {
            assert_eq!(placeholders(text), None, "{text}");
        }
    }
}
