//! Finds the end of a value in a block, by the type that the dictionary of the file states.
//!
//! In: bytes that anybody may have written. Out: how long a value is, and whether it was cut. It accepts exactly what
//! the reader accepts; a test compares them.

use crate::format::types::{Fields, SpanRole, Type, code, hint};
use crate::format::{MAX_TYPE_DEPTH, MAX_TYPE_MEMBERS, varint};

/// The most elements without bytes in one sequence.
const MAX_EMPTY_ELEMENTS: u64 = 32_767;

/// The most values without bytes in one argument.
const MAX_EMPTY: usize = 1 << 16;

/// A type, as far as the length of its values depends on it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// So many bytes, whatever they are.
    Fixed(usize),
    /// One byte, less than this.
    Below(u8),
    Char,
    /// A number of at most this.
    Unsigned(u64),
    /// A number whose magnitude fits so many bits.
    Signed(u32),
    Text,
    Texts(u8),
    Duration,
    /// The id of a span.
    Span,
    /// The code of the type, and then a value of it.
    Any,
    /// 4 or 6, and so many bytes more.
    Address([usize; 2]),
    Option(Box<Shape>),
    Elements(Box<[Shape]>),
    Tuple(Box<[Shape]>),
    /// One of two.
    Either(Box<[Shape; 2]>),
    Range(Box<Shape>),
    RangeInclusive(Box<Shape>),
    /// A variant by its number, and then its fields.
    Variants(Box<[Box<[Shape]>]>),
}

/// The rest of a block's records, and what was found in it.
#[derive(Debug)]
pub(super) struct Values<'a> {
    pub(super) bytes: &'a [u8],
    /// A string or a sequence was cut.
    pub(super) is_cut: bool,
    /// How many values without bytes the argument may yet have.
    empty: usize,
}

impl Shape {
    /// Decodes the dictionary's notation. `None` if this is not exactly one type.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let shape = Self::prefix(&mut rest, MAX_TYPE_DEPTH, &mut { MAX_TYPE_MEMBERS })?;
        rest.is_empty().then_some(shape)
    }

    /// `left`: of how many types it may yet be made.
    fn prefix(bytes: &mut &[u8], depth: usize, left: &mut usize) -> Option<Self> {
        let is_whole = depth == MAX_TYPE_DEPTH;
        let depth = depth.checked_sub(1)?;
        *left = left.checked_sub(1)?;
        let code = next(bytes)?;
        let mut inner = || Self::prefix(bytes, depth, left);
        Some(match code {
            code::BOOL => Self::Below(2),
            code::ORDERING => Self::Below(3),
            code::CHAR => Self::Char,
            code::U8 | code::I8 => Self::Fixed(1),
            code::U16 => Self::Unsigned(u16::MAX.into()),
            code::U32 => Self::Unsigned(u32::MAX.into()),
            code::U64 | code::USIZE | code::POINTER => Self::Unsigned(u64::MAX),
            code::I16 => Self::Signed(15),
            code::I32 => Self::Signed(31),
            code::I64 | code::ISIZE => Self::Signed(63),
            code::F32 | code::IPV4_ADDR => Self::Fixed(4),
            code::SOCKET_ADDR_V4 => Self::Fixed(6),
            code::F64 => Self::Fixed(8),
            code::U128 | code::I128 | code::IPV6_ADDR => Self::Fixed(16),
            code::SOCKET_ADDR_V6 => Self::Fixed(26),
            code::IP_ADDR => Self::Address([4, 16]),
            code::SOCKET_ADDR => Self::Address([6, 26]),
            code::STR | code::TEXT | code::OS_STR => Self::Text,
            code::FORMATTED => Self::Texts(next(bytes).filter(|&texts| texts > 0)?),
            code::DURATION => Self::Duration,
            code::OPTION => Self::Option(Box::new(inner()?)),
            code::SEQUENCE | code::SET => Self::Elements([inner()?].into()),
            code::MAP => Self::Elements([inner()?, inner()?].into()),
            code::RESULT => Self::Either(Box::new([inner()?, inner()?])),
            code::RANGE => Self::Range(Box::new(inner()?)),
            code::RANGE_INCLUSIVE => Self::RangeInclusive(Box::new(inner()?)),
            code::TUPLE => {
                let members = next(bytes)?;
                let inner = |_| Self::prefix(bytes, depth, left);
                Self::Tuple((0..members).map(inner).collect::<Option<_>>()?)
            }
            code::ANY => Self::Any,
            // As `()`.
            code::REDACTED => Self::Tuple([].into()),
            code::STRUCT => Self::Tuple(Self::fields(bytes, depth, left)?),
            code::ENUM => {
                string(bytes)?;
                let variants = (0..length(bytes)?).map(|_| {
                    *left = left.checked_sub(1)?;
                    Self::fields(bytes, depth, left)
                });
                Self::Variants(variants.collect::<Option<_>>()?)
            }
            code => return SpanRole::from_code(code).filter(|_| is_whole).map(|_| Self::Span),
        })
    }

    /// The fields of a struct or of a variant.
    fn fields(bytes: &mut &[u8], depth: usize, left: &mut usize) -> Option<Box<[Self]>> {
        string(bytes)?;
        let code = next(bytes)?;
        let kind = Fields::from_code(code & !Fields::HAS_FORMAT)?;
        if code & Fields::HAS_FORMAT != 0 {
            string(bytes)?;
        }
        let count = length(bytes)?;
        if kind == Fields::Unit && count > 0 {
            return None;
        }
        let field = |_| {
            if kind == Fields::Named {
                string(bytes)?;
            }
            match next(bytes)? {
                hint::NONE | hint::HEX => {}
                hint::UNIT => string(bytes)?,
                _ => return None,
            }
            Self::prefix(bytes, depth, left)
        };
        (0..count).map(field).collect()
    }

    /// Advances past a value. `None` if the bytes do not begin with one.
    pub(super) fn skip(&self, values: &mut Values<'_>) -> Option<()> {
        values.empty = MAX_EMPTY;
        self.skip_within(values)
    }

    fn skip_within(&self, values: &mut Values<'_>) -> Option<()> {
        match self {
            Self::Fixed(bytes) => values.pass(*bytes),
            Self::Below(limit) => (values.byte()? < *limit).then_some(()),
            Self::Char => char::from_u32(values.varint()?.try_into().ok()?).map(drop),
            Self::Unsigned(most) => (values.varint()? <= *most).then_some(()),
            Self::Signed(bits) => {
                let value = varint::unzigzag(values.varint()?);
                let magnitude = if value < 0 { !value } else { value };
                (magnitude >> bits == 0).then_some(())
            }
            Self::Text => values.text(),
            Self::Texts(count) => (0..*count).try_for_each(|_| values.text()),
            Self::Span => values.varint().map(drop),
            Self::Any => {
                let mut notation = Vec::new();
                Type::in_any(values.byte()?)?.put(&mut notation);
                Self::parse(&notation)?.skip_within(values)
            }
            Self::Duration => {
                values.varint()?;
                (values.varint()? < 1_000_000_000).then_some(())
            }
            Self::Address([v4, v6]) => match values.byte()? {
                4 => values.pass(*v4),
                6 => values.pass(*v6),
                _ => None,
            },
            Self::Option(inner) => match values.byte()? {
                0 => Some(()),
                1 => inner.skip_within(values),
                _ => None,
            },
            Self::Either(both) => both.get(usize::from(values.byte()?))?.skip_within(values),
            Self::Elements(types) => skip_elements(types, values),
            Self::Tuple(members) if members.is_empty() => {
                values.empty = values.empty.checked_sub(1)?;
                Some(())
            }
            Self::Tuple(members) => {
                members.iter().try_for_each(|member| member.skip_within(values))
            }
            Self::Range(bound) => (0..2).try_for_each(|_| bound.skip_within(values)),
            Self::RangeInclusive(bound) => {
                (0..2).try_for_each(|_| bound.skip_within(values))?;
                (values.byte()? < 2).then_some(())
            }
            Self::Variants(variants) => {
                let index = usize::try_from(values.varint()?).ok()?;
                variants.get(index)?.iter().try_for_each(|field| field.skip_within(values))
            }
        }
    }

    /// Whether the values take no bytes.
    fn is_empty(&self) -> bool {
        match self {
            Self::Tuple(members) => members.iter().all(Self::is_empty),
            Self::Range(bound) => bound.is_empty(),
            _ => false,
        }
    }
}

/// Skips a count, and as many elements, each made of `types`.
fn skip_elements(types: &[Shape], values: &mut Values<'_>) -> Option<()> {
    let head = values.varint()?;
    let count = head >> 1;
    values.is_cut |= head & 1 == 1;
    if let [Shape::Fixed(each)] = types {
        return values.pass(usize::try_from(count).ok()?.checked_mul(*each)?);
    }
    let is_empty = types.iter().all(Shape::is_empty);
    if count > MAX_EMPTY_ELEMENTS && (is_empty || count > values.bytes.len() as u64) {
        return None;
    }
    // Ends soon: each element takes a byte, or one of the values that may be empty.
    (0..count).try_for_each(|_| types.iter().try_for_each(|ty| ty.skip_within(values)))
}

impl<'a> Values<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, is_cut: false, empty: 0 }
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let (value, len) = varint::get(self.bytes)?;
        self.bytes = self.bytes.get(len..)?;
        Some(value)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        next(&mut self.bytes)
    }

    fn pass(&mut self, bytes: usize) -> Option<()> {
        self.bytes = self.bytes.get(bytes..)?;
        Some(())
    }

    /// The bytes of a string of the dictionary.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        let (text, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(text)
    }

    fn text(&mut self) -> Option<()> {
        let head = self.varint()?;
        self.is_cut |= head & 1 == 1;
        self.pass(usize::try_from(head >> 1).ok()?)
    }
}

fn length(bytes: &mut &[u8]) -> Option<usize> {
    let (value, len) = varint::get(bytes)?;
    *bytes = bytes.get(len..)?;
    value.try_into().ok()
}

/// Passes a name.
fn string(bytes: &mut &[u8]) -> Option<()> {
    let len = length(bytes)?;
    *bytes = bytes.get(len..)?;
    Some(())
}

fn next(bytes: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(first)
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use kymo_reader::Type;

    use super::{Shape, Values, varint};

    /// A type that is one, mostly.
    fn some_type(random: &mut fastrand::Rng, depth: usize, out: &mut Vec<u8>) {
        const CODES: [u8; 44] = [
            1, 2, 3, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1D, 0x20,
            0x21, 0x30, 0x31, 0x32, 0x33, 0x34, 0x38, 0x40, 0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D,
            0x50, 0x56, 0x60, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8F,
        ];
        // The last one is none.
        let codes = CODES.len() - usize::from(random.u8(..) > 3);
        let code = CODES[random.usize(..codes)];
        let code = if depth == 0 { CODES[random.usize(..33)] } else { code };
        out.push(code);
        let members = match code {
            0x32 => {
                out.push(random.u8(..4));
                0
            }
            0x82 => {
                let members = random.u8(..4);
                out.push(members);
                members
            }
            0x84 | 0x85 => 2,
            0x88 => {
                some_struct(random, depth, out);
                0
            }
            0x89 => {
                let variants = random.u8(..4);
                out.extend([3, b'E', variants << 1 | 1]);
                (0..variants).for_each(|_| some_struct(random, depth, out));
                0
            }
            0x80.. => 1,
            _ => 0,
        };
        (0..members).for_each(|_| some_type(random, depth - 1, out));
    }

    /// A struct or a variant that is one, mostly.
    fn some_struct(random: &mut fastrand::Rng, depth: usize, out: &mut Vec<u8>) {
        let kind = if random.u8(..) < 4 { random.u8(..) } else { random.u8(..8) };
        out.extend([3, b'S', kind]);
        if kind & 4 != 0 {
            out.extend(b"\x0Bx {0}");
        }
        let fields = if kind & 3 == 0 { random.u8(..16) / 15 } else { random.u8(..4) };
        out.push(fields << 1 | 1);
        for _ in 0..fields {
            if kind & 3 == 2 {
                out.extend([3, b'f']);
            }
            match random.u8(..16) {
                0 => out.extend([1]),
                1 => out.extend(b"\x02\x05ns"),
                2 => out.push(random.u8(..4)),
                _ => out.push(0),
            }
            some_type(random, depth - 1, out);
        }
    }

    /// Bytes of which many are values.
    fn some_bytes(random: &mut fastrand::Rng) -> Vec<u8> {
        const LIKELY: [u8; 8] = [0, 1, 3, 4, 5, 6, 9, 0xFF];
        (0..random.usize(..80))
            .map(|_| match random.u8(..4) {
                0 => random.u8(..),
                _ => LIKELY[random.usize(..LIKELY.len())],
            })
            .collect()
    }

    #[test]
    fn values_end_where_the_reader_says() {
        let mut random = fastrand::Rng::with_seed(1);
        let (mut types, mut values) = (0, 0);
        for _ in 0..40_000 {
            let mut bytes = Vec::new();
            some_type(&mut random, 5, &mut bytes);
            let (ours, theirs) = (Shape::parse(&bytes), Type::parse(&bytes));
            assert_eq!(ours.is_some(), theirs.is_some(), "{bytes:?}");
            let (Some(ours), Some(theirs)) = (ours, theirs) else { continue };
            types += 1;
            for _ in 0..8 {
                let bytes = some_bytes(&mut random);
                let (mut left, mut rest) = (Values::new(&bytes), &bytes[..]);
                let (skipped, read) = (ours.skip(&mut left), theirs.skip(&mut rest));
                assert_eq!(skipped.is_some(), read.is_ok(), "{theirs} {bytes:?}");
                if skipped.is_some() {
                    values += 1;
                    assert_eq!(left.bytes, rest, "{theirs} {bytes:?}");
                }
            }
        }
        assert!(types > 20_000 && values > 20_000, "{types} types, {values} values");
    }

    #[test]
    fn values_without_bytes_are_limited() {
        let mut many = Vec::new();
        varint::put(&mut many, 32_767 << 1);
        let unit = [0x82, 0];
        let pair = [0x82, 2, 0x82, 0, 0x82, 0];
        let triple = [0x82, 3, 0x82, 0, 0x82, 0, 0x82, 0];
        for element in [&unit[..], &pair, &triple] {
            let bytes = [&[0x81][..], element].concat();
            let ours = Shape::parse(&bytes).unwrap().skip(&mut Values::new(&many));
            let theirs = Type::parse(&bytes).unwrap().skip(&mut &many[..]);
            assert_eq!(ours.is_some(), theirs.is_ok(), "{bytes:?}");
        }
    }

    #[test]
    fn what_was_cut_is_found() {
        // A sequence of strings.
        let shape = Shape::parse(&[0x81, 0x30]).unwrap();
        for (bytes, is_cut) in [([5, 5, b'a'], false), ([7, 5, b'a'], true), ([5, 7, b'a'], true)] {
            let mut values = Values::new(&bytes);
            shape.skip(&mut values).unwrap();
            assert_eq!(values.is_cut, is_cut, "{bytes:?}");
        }
    }
}
