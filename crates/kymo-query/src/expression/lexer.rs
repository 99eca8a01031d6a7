//! Splits an expression into tokens.

use std::ops::Range;

use super::Comparison;
use super::number::Integer;
use crate::argument::Argument;
use crate::caret::CaretError;

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A name, a keyword among them.
    Word(String),
    /// An argument that is named as such: `arg.px`, `arg0`, `[0]`.
    Argument(Argument),
    Integer(Integer),
    Decimal(f64),
    /// In nanoseconds.
    Duration(u128),
    String(String),
    Comparison(Comparison),
    Open,
    Close,
    End,
}

/// The units of durations, in nanoseconds.
const UNITS: [(&str, u128); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Operators of other languages, and those to write instead.
const FOREIGN: [(&str, &str); 14] = [
    ("===", "=="),
    ("!==", "!="),
    ("=>", ">="),
    ("=<", "<="),
    ("<>", "!="),
    ("!~", "not … matches"),
    ("&&", "and"),
    ("||", "or"),
    ("=~", "matches"),
    ("~", "matches"),
    ("&", "and"),
    ("|", "or"),
    ("=", "=="),
    ("!", "not"),
];

/// Goes through an expression.
pub struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// Returns the next token and its place.
    pub fn next(&mut self) -> Result<(Token, Range<usize>), CaretError> {
        self.skip(|c| c.is_whitespace());
        let start = self.at;
        let token = self.token(start)?;
        Ok((token, start..self.at))
    }

    fn token(&mut self, start: usize) -> Result<Token, CaretError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        let foreign = FOREIGN.iter().find(|(foreign, _)| rest.starts_with(foreign));
        // What looks like one of ours may be longer.
        let foreign_len = foreign.map_or(0, |(foreign, _)| foreign.len());
        for (text, comparison) in Comparison::ALL {
            if rest.starts_with(text) && text.len() >= foreign_len {
                self.at += text.len();
                return Ok(Token::Comparison(comparison));
            }
        }
        match first {
            '(' => Ok(self.one(Token::Open)),
            ')' => Ok(self.one(Token::Close)),
            '[' => self.position(start),
            '"' | '\'' => self.string(start, first),
            '-' | '0'..='9' => self.number(start),
            _ if is_name_start(first) => self.word(start),
            _ => match foreign {
                Some((text, ours)) => {
                    self.at += text.len();
                    Err(self.error(start, format!("write `{ours}` for `{text}`")))
                }
                None => {
                    self.at += first.len_utf8();
                    Err(self.error(start, "this character has no meaning here"))
                }
            },
        }
    }

    fn one(&mut self, token: Token) -> Token {
        self.at += 1;
        token
    }

    fn word(&mut self, start: usize) -> Result<Token, CaretError> {
        let word = self.skip(is_name);
        if word == "arg" && self.rest().starts_with('.') {
            self.at += 1;
            let name = self.dotted_name();
            if name.is_empty() {
                return Err(self.error(start, "expected the name of an argument after `arg.`"));
            }
            return self.argument(start, name);
        }
        match word
            .strip_prefix("arg")
            .filter(|digits| digits.starts_with(|c: char| c.is_ascii_digit()))
        {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.argument(start, digits)
            }
            _ => {
                self.at = start;
                Ok(Token::Word(self.dotted_name().to_owned()))
            }
        }
    }

    /// A name, such as `px` or `order.id`, or nothing.
    fn dotted_name(&mut self) -> &'t str {
        let start = self.at;
        self.skip(is_name);
        while let Some(rest) = self.rest().strip_prefix('.')
            && rest.starts_with(is_name)
        {
            self.at += 1;
            self.skip(is_name);
        }
        &self.text[start..self.at]
    }

    /// `[0]`
    fn position(&mut self, start: usize) -> Result<Token, CaretError> {
        self.at += 1;
        let digits = self.skip(|c| c.is_ascii_digit());
        if digits.is_empty() || !self.rest().starts_with(']') {
            return Err(self.error(start, "expected the position of an argument, such as [0]"));
        }
        self.at += 1;
        self.argument(start, digits)
    }

    fn argument(&self, start: usize, name: &str) -> Result<Token, CaretError> {
        match Argument::new(name) {
            Argument::Named(name) if name.starts_with(|c: char| c.is_ascii_digit()) => {
                Err(self.error(start, "there are not so many arguments"))
            }
            argument => Ok(Token::Argument(argument)),
        }
    }

    fn string(&mut self, start: usize, quote: char) -> Result<Token, CaretError> {
        let mut string = String::new();
        self.at += 1;
        loop {
            let at = self.at;
            match self.next_char() {
                None => return Err(self.error(start, "this string has no end")),
                Some(c) if c == quote => return Ok(Token::String(string)),
                Some('\\') => string.push(self.escape(at)?),
                Some(c) => string.push(c),
            }
        }
    }

    /// Parses the character after a backslash.
    fn escape(&mut self, start: usize) -> Result<char, CaretError> {
        let escaped = self.next_char();
        Ok(match escaped {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('0') => '\0',
            Some(c @ ('\\' | '"' | '\'')) => c,
            Some('u') if self.rest().starts_with('{') => {
                self.at += 1;
                let digits = self.skip(|c| c.is_ascii_hexdigit());
                let code = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                let is_closed = self.next_char() == Some('}');
                match code {
                    Some(c) if is_closed => c,
                    _ => return Err(self.error(start, "expected a character such as \\u{1b}")),
                }
            }
            _ => {
                let advice =
                    r#"expected \n, \r, \t, \0, \\, \", \' or \u{…}; for a backslash write \\"#;
                return Err(self.error(start, advice));
            }
        })
    }

    /// An integer, a decimal, or a duration, with a sign if it has one.
    fn number(&mut self, start: usize) -> Result<Token, CaretError> {
        let is_negative = self.rest().starts_with('-');
        self.at += usize::from(is_negative);
        if let Some(digits) = self.rest().strip_prefix("0x") {
            self.at += "0x".len();
            let digits = digits.split(|c| !is_name(c)).next().unwrap_or_default();
            self.at += digits.len();
            let magnitude = u128::from_str_radix(&plain(digits), 16)
                .map_err(|_| self.error(start, "not a hexadecimal number of 128 bits"))?;
            return self.integer(start, is_negative, magnitude);
        }
        let whole = self.digits(start)?;
        let fraction = self.fraction(start)?;
        let exponent = self.exponent();
        let unit = self.skip(is_name);
        if !unit.is_empty() {
            if is_negative || exponent.is_some() {
                return Err(self.error(start, "a duration has neither a sign nor an exponent"));
            }
            return self.duration(start, whole, fraction.unwrap_or_default(), unit);
        }
        if fraction.is_none() && exponent.is_none() {
            let magnitude =
                plain(whole).parse().map_err(|_| self.error(start, "beyond 128 bits"))?;
            return self.integer(start, is_negative, magnitude);
        }
        let value: f64 = plain(&self.text[start..self.at]).parse().unwrap_or(f64::NAN);
        match value.is_finite() {
            true => Ok(Token::Decimal(value)),
            false => Err(self.error(start, "beyond the range of f64")),
        }
    }

    fn digits(&mut self, start: usize) -> Result<&'t str, CaretError> {
        let digits = self.skip(|c| c.is_ascii_digit() || c == '_');
        match digits.starts_with(|c: char| c.is_ascii_digit()) {
            true => Ok(digits),
            false => Err(self.error(start, "expected a number")),
        }
    }

    fn fraction(&mut self, start: usize) -> Result<Option<&'t str>, CaretError> {
        if !self.rest().starts_with('.') {
            return Ok(None);
        }
        self.at += 1;
        self.digits(start).map(Some)
    }

    /// Parses an exponent such as `e-3`, if one follows.
    fn exponent(&mut self) -> Option<&'t str> {
        let start = self.at;
        let rest = self.rest().strip_prefix(['e', 'E'])?;
        let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.at = self.text.len() - digits.len();
        self.skip(|c| c.is_ascii_digit());
        Some(&self.text[start..self.at])
    }

    fn integer(&self, start: usize, negative: bool, magnitude: u128) -> Result<Token, CaretError> {
        if negative && magnitude > 1 << 127 {
            return Err(self.error(start, "beyond 128 bits"));
        }
        Ok(Token::Integer(Integer::new(negative, magnitude)))
    }

    /// Parses a duration such as `1m30s`. Its first part has been read.
    fn duration(
        &self,
        start: usize,
        whole: &str,
        fraction: &str,
        units: &str,
    ) -> Result<Token, CaretError> {
        let beyond = || self.error(start, "this duration is too long");
        let (mut whole, mut fraction, mut rest) = (plain(whole), plain(fraction), units);
        let mut sum: u128 = 0;
        loop {
            let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let unit = UNITS.iter().find(|(unit, _)| *unit == &rest[..end]);
            let Some((_, unit)) = unit else {
                let message = "expected a unit after the number: ns, us, ms, s, m, h or d";
                return Err(self.error(start, message));
            };
            let count: u128 = whole.parse().map_err(|_| beyond())?;
            sum = count.checked_mul(*unit).and_then(|n| sum.checked_add(n)).ok_or_else(beyond)?;
            let mut part = *unit;
            for digit in fraction.bytes().map(|digit| u128::from(digit - b'0')) {
                if part % 10 != 0 && digit != 0 {
                    return Err(self.error(start, "finer than a nanosecond"));
                }
                part /= 10;
                sum = sum.checked_add(digit * part).ok_or_else(beyond)?;
            }
            rest = &rest[end..];
            if rest.is_empty() {
                return Ok(Token::Duration(sum));
            }
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            (whole, fraction) = (rest[..end].to_owned(), String::new());
            rest = &rest[end..];
        }
    }

    fn next_char(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Skips the characters for which `is_such` holds, and returns them.
    fn skip(&mut self, is_such: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !is_such(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn error(&self, start: usize, message: impl Into<String>) -> CaretError {
        CaretError::new(self.text, start..self.at, message)
    }
}

impl Comparison {
    /// How each is written, the longer ones first.
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("==", Self::Equal),
        ("!=", Self::Unequal),
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("<", Self::Less),
        (">", Self::Greater),
    ];
}

/// A number without the underscores in it.
fn plain(number: &str) -> String {
    number.replace('_', "")
}

pub(super) fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

pub(super) fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
