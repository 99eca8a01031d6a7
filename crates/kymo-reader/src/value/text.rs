//! A string in a record.

use std::borrow::Cow;
use std::fmt;

/// A string as it was logged: perhaps cut to fit, and perhaps, in a damaged or foreign file, not
/// UTF-8.
///
/// `Display` writes `�` for bytes that are not UTF-8, and appends `…` if the text was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    /// Not checked to be UTF-8: counting and copying need no check.
    bytes: &'a [u8],
    cut: bool,
}

impl<'a> Text<'a> {
    /// A string that is all there.
    pub fn new(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), cut: false }
    }

    /// The string in these bytes. Where it was cut within a character, the piece of that character
    /// is not part of it.
    #[inline]
    pub(crate) fn from_bytes(bytes: &'a [u8], cut: bool) -> Self {
        if cut { Self::cut(bytes) } else { Self { bytes, cut } }
    }

    #[cold]
    fn cut(bytes: &'a [u8]) -> Self {
        let len = match std::str::from_utf8(bytes) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => bytes.len(),
        };
        Self { bytes: &bytes[..len], cut: true }
    }

    /// The bytes of the string.
    #[inline]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The string, where all of it is UTF-8, which is checked each time.
    #[inline]
    pub fn as_str(&self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes).ok()
    }

    /// The string, with `�` in place of invalid UTF-8. Allocates only if there is any.
    #[inline]
    pub fn to_str(&self) -> Cow<'a, str> {
        match self.as_str() {
            Some(text) => Cow::Borrowed(text),
            None => String::from_utf8_lossy(self.bytes),
        }
    }

    /// Whether the string was longer than its logged part.
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

    /// Invalid UTF-8 is replaced, and a cut is marked.
    #[test]
    fn invalid_utf8_and_cuts_are_marked() {
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
