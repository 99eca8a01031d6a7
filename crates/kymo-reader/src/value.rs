//! The value of an argument, borrowed from the bytes of its record.
//!
//! Decoding a value copies at most 16 bytes and never allocates: strings point into the record, and
//! compound values decode their members when they are iterated. What makes that possible is that
//! decoding a compound value first skips over it, and skipping validates everything but UTF-8; so
//! iteration never meets damage.

mod convert;
pub(super) mod decode;
mod own;
mod text;

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

pub use convert::{FromValue, ValueError};
pub use decode::Malformed;
pub use own::{Enum, Struct};
pub use text::Text;

use super::text::{Spec, write_value};
use super::types::Type;

/// The value of an argument.
///
/// ```
/// use kymo_reader::{Type, Value};
/// let ty = Type::Option(Box::new(Type::U8));
/// let mut bytes: &[u8] = &[1, 42, 0];
/// let some = ty.decode(&mut bytes)?;
/// assert_eq!(some.to_string(), "Some(42)");
/// assert_eq!(ty.decode(&mut bytes)?, Value::Option(None));
/// assert!(ty.decode(&mut bytes).is_err());
/// # Ok::<(), kymo_reader::Malformed>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is the Rust type of its name")]
pub enum Value<'a> {
    Bool(bool),
    Char(char),
    Ordering(Ordering),
    U8(u8),
    U16(u16),
    U32(u32),
    /// A `u64` or a `usize`.
    U64(u64),
    U128(u128),
    I8(i8),
    I16(i16),
    I32(i32),
    /// An `i64` or an `isize`.
    I64(i64),
    I128(i128),
    F32(f32),
    F64(f64),
    /// A string.
    Str(Text<'a>),
    /// Text that the logging program formatted: printed as it is by `{}` and `{:?}`.
    Text(Text<'a>),
    /// Texts that the logging program formatted, one for each placeholder that prints the argument.
    Formatted(Formatted<'a>),
    /// A path or another string of the operating system's.
    OsStr(Text<'a>),
    /// An address in memory.
    Pointer(u64),
    Duration(Duration),
    Ipv4Addr(Ipv4Addr),
    Ipv6Addr(Ipv6Addr),
    IpAddr(IpAddr),
    SocketAddrV4(SocketAddrV4),
    SocketAddrV6(SocketAddrV6),
    SocketAddr(SocketAddr),
    Option(Option<Lazy<'a>>),
    /// A slice, an array, a `Vec` and the like.
    Sequence(Sequence<'a>),
    Tuple(Tuple<'a>),
    /// A `HashSet` or a `BTreeSet`, in the order in which it was logged.
    Set(Sequence<'a>),
    /// A `HashMap` or a `BTreeMap`, in the order in which it was logged.
    Map(Map<'a>),
    Result(Result<Lazy<'a>, Lazy<'a>>),
    /// A `Range` or a `RangeInclusive`.
    Range(Range<'a>),
    /// A value that is not in the log: printed as `***`.
    Redacted,
    /// A struct of the program.
    Struct(Struct<'a>),
    /// An enum of the program.
    Enum(Enum<'a>),
}

/// Conversions look into a `Some`: the value of an `Option` is its content. A `None` has no value.
impl<'a> Value<'a> {
    /// The string, if the value is a string or text and valid UTF-8. [`Text::is_cut`] says whether it
    /// was cut.
    pub fn as_str(&self) -> Option<&'a str> {
        match self {
            Self::Str(text) | Self::Text(text) | Self::OsStr(text) => text.as_str(),
            Self::Formatted(texts) => texts.get(0).as_str(),
            Self::Option(Some(inner)) => inner.get().as_str(),
            _ => None,
        }
    }

    /// The Boolean, if the value is one.
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Self::Bool(value) => Some(value),
            Self::Option(Some(inner)) => inner.get().as_bool(),
            _ => None,
        }
    }

    /// The duration, if the value is one.
    pub fn as_duration(&self) -> Option<Duration> {
        match *self {
            Self::Duration(value) => Some(value),
            Self::Option(Some(inner)) => inner.get().as_duration(),
            _ => None,
        }
    }

    /// The number as the nearest `f64`, if the value is a number.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(value) => Some(value.into()),
            Self::F64(value) => Some(value),
            Self::U128(value) => Some(value as f64),
            Self::Option(Some(inner)) => inner.get().as_f64(),
            _ => self.as_i128().map(|value| value as f64),
        }
    }

    /// The number, if the value is an integer of this range.
    pub fn as_i128(&self) -> Option<i128> {
        match *self {
            Self::I8(value) => Some(value.into()),
            Self::I16(value) => Some(value.into()),
            Self::I32(value) => Some(value.into()),
            Self::I64(value) => Some(value.into()),
            Self::I128(value) => Some(value),
            Self::Option(Some(inner)) => inner.get().as_i128(),
            _ => self.as_u128()?.try_into().ok(),
        }
    }

    /// The number, if the value is an integer and not negative.
    pub fn as_u128(&self) -> Option<u128> {
        match *self {
            Self::U8(value) => Some(value.into()),
            Self::U16(value) => Some(value.into()),
            Self::U32(value) => Some(value.into()),
            Self::U64(value) => Some(value.into()),
            Self::U128(value) => Some(value),
            Self::I8(value) => value.try_into().ok(),
            Self::I16(value) => value.try_into().ok(),
            Self::I32(value) => value.try_into().ok(),
            Self::I64(value) => value.try_into().ok(),
            Self::I128(value) => value.try_into().ok(),
            Self::Option(Some(inner)) => inner.get().as_u128(),
            _ => None,
        }
    }
}

/// Writes the value as `{}` does, a compound one or a duration as `{:?}` does. Width and precision
/// apply to the whole. It allocates; [`Template`](super::Template) renders without.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write_value(self, &Spec::PLAIN, &mut text);
        f.pad(&text)
    }
}

/// A value inside an `Option`, decoded when asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lazy<'a> {
    ty: &'a Type,
    bytes: &'a [u8],
}

impl<'a> Lazy<'a> {
    /// Decodes the value.
    pub fn get(&self) -> Value<'a> {
        decode::validated(self.ty, &mut { self.bytes })
    }
}

/// Texts that the logging program made of one argument. The first placeholder that prints the
/// argument prints the first, and so on; one that has none left prints the last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Formatted<'a> {
    bytes: &'a [u8],
    len: u8,
}

impl<'a> Formatted<'a> {
    /// The text for the placeholder at this place, from 0, among those that print the argument.
    pub fn get(&self, place: usize) -> Text<'a> {
        self.iter().nth(place.min(usize::from(self.len) - 1)).unwrap_or(Text::new(""))
    }

    /// The texts, in the order of the placeholders.
    pub fn iter(&self) -> impl Iterator<Item = Text<'a>> + use<'a> {
        let mut bytes = self.bytes;
        (0..self.len).map_while(move |_| decode::take_text(&mut bytes).ok())
    }
}

/// What a [`Sequence`] and a [`Map`] have in common: how many elements or entries were logged. `T` says of which types
/// they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Collection<'a, T> {
    types: T,
    bytes: &'a [u8],
    len: u32,
    cut: bool,
}

impl<T> Collection<'_, T> {
    /// The number of elements or entries that were logged.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether none was logged.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether there were more than were logged.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

/// The entries of a map.
pub type Map<'a> = Collection<'a, &'a [Type; 2]>;

impl<'a> Map<'a> {
    /// Decodes keys and values one by one.
    pub fn iter(&self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> + use<'a> {
        let ([key, value], mut bytes) = (self.types, self.bytes);
        (0..self.len).map(move |_| {
            let key = decode::validated(key, &mut bytes);
            (key, decode::validated(value, &mut bytes))
        })
    }
}

/// A range of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range<'a> {
    bound: &'a Type,
    bytes: &'a [u8],
    inclusive: bool,
}

impl<'a> Range<'a> {
    /// Decodes its two bounds.
    pub fn bounds(&self) -> [Value<'a>; 2] {
        let mut bytes = self.bytes;
        [(); 2].map(|()| decode::validated(self.bound, &mut bytes))
    }

    /// Whether it includes its end: `start..=end`.
    pub fn is_inclusive(&self) -> bool {
        self.inclusive
    }

    /// Whether it is a `start..=end` that was iterated over to its end.
    pub fn is_exhausted(&self) -> bool {
        self.inclusive && self.bytes.last() == Some(&1)
    }
}

/// The elements of a slice, an array or a `Vec`.
///
/// ```
/// use kymo_reader::{Type, Value};
/// let ty = Type::Sequence(Box::new(Type::U8));
/// let mut bytes = [0b1001, 7, 9].as_slice();
/// let Value::Sequence(sequence) = ty.decode(&mut bytes)? else { unreachable!() };
/// assert_eq!((sequence.len(), sequence.is_cut()), (2, false));
/// assert_eq!(sequence.iter().collect::<Vec<_>>(), [Value::U8(7), Value::U8(9)]);
/// # Ok::<(), kymo_reader::Malformed>(())
/// ```
pub type Sequence<'a> = Collection<'a, &'a Type>;

impl<'a> Sequence<'a> {
    /// The type of the elements.
    pub fn element_type(&self) -> &'a Type {
        self.types
    }

    /// Decodes the elements one by one.
    pub fn iter(&self) -> Values<'a> {
        Values { types: Types::Same(self.types, self.len), bytes: self.bytes }
    }
}

/// The members of a tuple.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuple<'a> {
    members: &'a [Type],
    bytes: &'a [u8],
}

impl<'a> Tuple<'a> {
    /// The number of members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether this is `()`.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Decodes the members one by one.
    pub fn iter(&self) -> Values<'a> {
        Values { types: Types::Each(self.members), bytes: self.bytes }
    }
}

impl<'a> IntoIterator for Sequence<'a> {
    type Item = Value<'a>;
    type IntoIter = Values<'a>;

    fn into_iter(self) -> Values<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for Tuple<'a> {
    type Item = Value<'a>;
    type IntoIter = Values<'a>;

    fn into_iter(self) -> Values<'a> {
        self.iter()
    }
}

/// An iterator over the values in a compound one.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    types: Types<'a>,
    bytes: &'a [u8],
}

#[derive(Clone, Debug)]
enum Types<'a> {
    Same(&'a Type, u32),
    Each(&'a [Type]),
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        let ty = match &mut self.types {
            Types::Same(ty, left) => {
                *left = left.checked_sub(1)?;
                *ty
            }
            Types::Each(types) => {
                let (first, rest) = types.split_first()?;
                *types = rest;
                first
            }
        };
        Some(decode::validated(ty, &mut self.bytes))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = match self.types {
            Types::Same(_, left) => left as usize,
            Types::Each(types) => types.len(),
        };
        (len, Some(len))
    }
}

impl ExactSizeIterator for Values<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value stays small enough to pass by value.
    #[test]
    fn values_stay_small() {
        assert!(size_of::<Value<'_>>() <= 48, "{}", size_of::<Value<'_>>());
    }

    #[test]
    fn numbers_convert_where_their_range_allows() {
        assert_eq!(Value::I8(-1).as_u128(), None);
        assert_eq!(Value::I8(-1).as_i128(), Some(-1));
        assert_eq!(Value::U128(u128::MAX).as_i128(), None);
        assert_eq!(Value::U128(1 << 100).as_f64(), Some((1u128 << 100) as f64));
        assert_eq!(Value::U8(3).as_f64(), Some(3.0));
        assert_eq!(Value::Bool(true).as_u128(), None);
    }
}
