//! A string in a record.

use std::borrow::Cow;
use std::fmt;

/// A string as it was logged: perhaps cut to fit, and perhaps, in a damaged or foreign file, not
/// UTF-8.
///
/// `Display` writes it with `�` for what is not UTF-8, and with `…` behind it where it was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    /// What is UTF-8, from the beginning.
    valid: &'a str,
    /// The bytes behind that, from the first that is not. Empty but for damage.
    rest: &'a [u8],
    cut: bool,
}

impl<'a> Text<'a> {
    /// A string that is all there.
    pub fn new(text: &'a str) -> Self {
        Self { valid: text, rest: &[], cut: false }
    }

    /// The string in these bytes. Where it was cut within a character, the piece of that character
    /// is not part of it.
    #[inline]
    pub(super) fn from_bytes(bytes: &'a [u8], cut: bool) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(valid) => Self { valid, rest: &[], cut },
            Err(error) => Self::with_damage(bytes, cut, error),
        }
    }

    #[cold]
    fn with_damage(bytes: &'a [u8], cut: bool, error: std::str::Utf8Error) -> Self {
        let (valid, rest) = bytes.split_at(error.valid_up_to());
        let valid = std::str::from_utf8(valid).unwrap_or_default();
        let rest = if cut && error.error_len().is_none() { &[] } else { rest };
        Self { valid, rest, cut }
    }

    /// The string, where all of it is UTF-8.
    #[inline]
    pub fn as_str(&self) -> Option<&'a str> {
        self.rest.is_empty().then_some(self.valid)
    }

    /// The string, with `�` for what is not UTF-8. It allocates only where there is such.
    pub fn to_str(&self) -> Cow<'a, str> {
        match self.as_str() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(format!("{}{}", self.valid, String::from_utf8_lossy(self.rest))),
        }
    }

    /// Whether the string was longer than what was logged of it.
    #[inline]
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.cut {
            return f.pad(&self.to_str());
        }
        f.pad(&format!("{}…", self.to_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_utf8_is_replaced_and_what_was_cut_is_marked() {
        let text = Text::from_bytes(b"caf\xC3\xA9", false);
        assert_eq!((text.as_str(), text.to_string().as_str()), (Some("café"), "café"));
        let text = Text::from_bytes(b"caf\xC3", true);
        assert_eq!((text.as_str(), text.to_string().as_str()), (Some("caf"), "caf…"));
        let text = Text::from_bytes(b"caf\xC3", false);
        assert_eq!((text.as_str(), text.to_string().as_str()), (None, "caf\u{FFFD}"));
        let text = Text::from_bytes(b"a\xFFb\xFFc", true);
        assert_eq!((text.as_str(), text.to_string().as_str()), (None, "a\u{FFFD}b\u{FFFD}c…"));
    }
}
