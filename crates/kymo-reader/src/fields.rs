//! Takes the fields of a payload in order. Every field may be missing.

use std::borrow::Cow;

use kymo_format::varint;

/// The rest of a payload.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    #[inline]
    pub(super) fn varint(&mut self) -> Option<u64> {
        let (value, len) = varint::get(self.0)?;
        self.0 = &self.0[len..];
        Some(value)
    }

    /// Takes a variable-length integer that mostly has one byte.
    #[inline]
    pub(super) fn short_varint(&mut self) -> Option<u64> {
        match self.0 {
            [first, rest @ ..] if first & 1 == 1 => {
                self.0 = rest;
                Some(u64::from(first >> 1))
            }
            _ => self.varint(),
        }
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        let (&value, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(value)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*word))
    }

    /// The bytes of a string, as they are.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Takes a string, and replaces invalid UTF-8 in it.
    pub(super) fn string(&mut self) -> Option<Cow<'a, str>> {
        self.bytes().map(String::from_utf8_lossy)
    }
}
