//! From a type and bytes to a value.
//!
//! Nothing here trusts the bytes. The work that a value can cause is bounded. Everything that it
//! consists of takes at least one byte, except for `()` and tuples of it. A value may have
//! [`MAX_ZERO_SIZED`] of these. Recursion follows the type, whose depth is bounded where it is
//! parsed.

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::slice;
use std::sync::LazyLock;
use std::time::Duration;

use super::{Collection, Enum, Formatted, Lazy, Range, Struct, Text, Tuple, Value};
use crate::types::{EnumType, StructType, Type};
use kymo_format::varint;

/// How many values that take no bytes one value may hold. The writer stops at 32,767 elements of a
/// sequence; two such members in each are still accepted.
const MAX_ZERO_SIZED: usize = 1 << 16;

/// The most elements that a sequence of zero-sized elements may have.
const MAX_ZERO_SIZED_ELEMENTS: u64 = 32_767;

/// Why bytes are not a value of their type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// The bytes end before the value does.
    Truncated,
    /// The bytes are none of the type's values: a bool of 2, a `u8` of 300.
    Invalid,
    /// A sequence claims more elements than the bytes can hold.
    TooManyElements,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the bytes end before the value does",
            Self::Invalid => "the bytes are not a value of the type",
            Self::TooManyElements => "a sequence claims more elements than its bytes can hold",
        })
    }
}

impl std::error::Error for Malformed {}

impl Type {
    /// Decodes a value of this type from the beginning of `bytes` and advances `bytes` past it.
    /// After an error the position of `bytes` is unspecified.
    #[inline]
    pub fn decode<'a>(&'a self, bytes: &mut &'a [u8]) -> Result<Value<'a>, Malformed> {
        Ok(match self {
            Self::U64 | Self::Usize => Value::U64(take_varint(bytes)?),
            Self::F64 => Value::F64(f64::from_le_bytes(take(bytes)?)),
            Self::Str => Value::Str(take_text(bytes)?),
            Self::U32 => Value::U32(take_small(bytes)?),
            Self::I64 | Self::Isize => Value::I64(take_zigzag(bytes)?),
            Self::I32 => Value::I32(narrow(take_zigzag(bytes)?)?),
            _ => return self.decode_rarer(bytes),
        })
    }

    fn decode_rarer<'a>(&'a self, bytes: &mut &'a [u8]) -> Result<Value<'a>, Malformed> {
        Ok(match self {
            Self::Bool => Value::Bool(take_bool(bytes)?),
            Self::Char => {
                Value::Char(char::from_u32(take_small(bytes)?).ok_or(Malformed::Invalid)?)
            }
            Self::Ordering => Value::Ordering(take_ordering(bytes)?),
            Self::U8 => Value::U8(u8::from_le_bytes(take(bytes)?)),
            Self::U16 => Value::U16(take_small(bytes)?),
            Self::U32 => Value::U32(take_small(bytes)?),
            Self::U64 | Self::Usize => Value::U64(take_varint(bytes)?),
            Self::U128 => Value::U128(u128::from_le_bytes(take(bytes)?)),
            Self::I8 => Value::I8(i8::from_le_bytes(take(bytes)?)),
            Self::I16 => Value::I16(narrow(take_zigzag(bytes)?)?),
            Self::I32 => Value::I32(narrow(take_zigzag(bytes)?)?),
            Self::I64 | Self::Isize => Value::I64(take_zigzag(bytes)?),
            Self::I128 => Value::I128(i128::from_le_bytes(take(bytes)?)),
            Self::F32 => Value::F32(f32::from_le_bytes(take(bytes)?)),
            Self::F64 => Value::F64(f64::from_le_bytes(take(bytes)?)),
            Self::Str => Value::Str(take_text(bytes)?),
            Self::Text => Value::Text(take_text(bytes)?),
            Self::Formatted(len) => {
                Value::Formatted(Formatted { bytes: self.skipped(bytes)?, len: *len })
            }
            Self::OsStr => Value::OsStr(take_text(bytes)?),
            Self::Pointer => Value::Pointer(take_varint(bytes)?),
            Self::Span(_) => Value::U64(take_varint(bytes)?),
            Self::Duration => Value::Duration(take_duration(bytes)?),
            Self::Ipv4Addr => Value::Ipv4Addr(take_v4(bytes)?),
            Self::Ipv6Addr => Value::Ipv6Addr(take_v6(bytes)?),
            Self::IpAddr => Value::IpAddr(match take(bytes)? {
                [4] => IpAddr::V4(take_v4(bytes)?),
                [6] => IpAddr::V6(take_v6(bytes)?),
                _ => return Err(Malformed::Invalid),
            }),
            Self::SocketAddrV4 => Value::SocketAddrV4(take_socket_v4(bytes)?),
            Self::SocketAddrV6 => Value::SocketAddrV6(take_socket_v6(bytes)?),
            Self::SocketAddr => Value::SocketAddr(match take(bytes)? {
                [4] => SocketAddr::V4(take_socket_v4(bytes)?),
                [6] => SocketAddr::V6(take_socket_v6(bytes)?),
                _ => return Err(Malformed::Invalid),
            }),
            Self::Option(ty) => {
                let mut body = self.skipped(bytes)?;
                let some = take_bool(&mut body)?;
                Value::Option(some.then_some(Lazy { ty, bytes: body }))
            }
            Self::Sequence(element) => Value::Sequence(self.collection(&**element, bytes)?),
            Self::Set(element) => Value::Set(self.collection(&**element, bytes)?),
            Self::Map(types) => Value::Map(self.collection(&**types, bytes)?),
            Self::Tuple(members) => Value::Tuple(Tuple { members, bytes: self.skipped(bytes)? }),
            Self::Result(both) => {
                let mut body = self.skipped(bytes)?;
                Value::Result(match take_bool(&mut body)? {
                    false => Ok(Lazy { ty: &both[0], bytes: body }),
                    true => Err(Lazy { ty: &both[1], bytes: body }),
                })
            }
            Self::Range(bound) => {
                Value::Range(Range { bound, bytes: self.skipped(bytes)?, inclusive: false })
            }
            Self::RangeInclusive(bound) => {
                Value::Range(Range { bound, bytes: self.skipped(bytes)?, inclusive: true })
            }
            Self::Any => return take_any(bytes)?.decode(bytes),
            Self::Redacted => {
                self.skip(bytes)?;
                Value::Redacted
            }
            Self::Struct(ty) => Value::Struct(Struct { ty, bytes: self.skipped(bytes)? }),
            Self::Enum(ty) => {
                let mut body = self.skipped(bytes)?;
                let variant = Struct { ty: take_variant(ty, &mut body)?, bytes: body };
                Value::Enum(Enum { ty, variant })
            }
        })
    }

    /// Advances `bytes` past a value, and returns the value's bytes.
    fn skipped<'a>(&self, bytes: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
        let whole = *bytes;
        self.skip(bytes)?;
        Ok(&whole[..whole.len() - bytes.len()])
    }

    /// Advances `bytes` past the elements of this type, and returns them. `types`: those of each element.
    fn collection<'a, T>(
        &self,
        types: T,
        bytes: &mut &'a [u8],
    ) -> Result<Collection<'a, T>, Malformed> {
        let mut body = self.skipped(bytes)?;
        let count = take_varint(&mut body)?;
        let len = u32::try_from(count >> 1).map_err(|_| Malformed::TooManyElements)?;
        Ok(Collection { types, bytes: body, len, cut: count & 1 == 1 })
    }

    /// Advances `bytes` past the value of this type at their beginning. It fails exactly where
    /// [`decode`](Self::decode) does, and is faster.
    #[inline]
    pub fn skip(&self, bytes: &mut &[u8]) -> Result<(), Malformed> {
        match self {
            Self::U64 | Self::Usize | Self::I64 | Self::Isize | Self::Span(_) => {
                take_varint(bytes).map(drop)
            }
            Self::F64 => take::<8>(bytes).map(drop),
            Self::Str | Self::Text | Self::OsStr => take_bytes(bytes).map(drop),
            _ => self.skip_within(bytes, &mut { MAX_ZERO_SIZED }),
        }
    }

    /// [`skip`](Self::skip) for a value within another. `zero_sized` is how many values without
    /// bytes it may yet hold.
    fn skip_within(&self, bytes: &mut &[u8], zero_sized: &mut usize) -> Result<(), Malformed> {
        match self {
            Self::Option(inner) => match take_bool(bytes)? {
                true => inner.skip_within(bytes, zero_sized),
                false => Ok(()),
            },
            Self::Sequence(element) | Self::Set(element) => {
                skip_elements(slice::from_ref(element), bytes, zero_sized)
            }
            Self::Map(types) => skip_elements(&types[..], bytes, zero_sized),
            Self::Result(both) => {
                both[usize::from(take_bool(bytes)?)].skip_within(bytes, zero_sized)
            }
            Self::Range(bound) => (0..2).try_for_each(|_| bound.skip_within(bytes, zero_sized)),
            Self::RangeInclusive(bound) => {
                (0..2).try_for_each(|_| bound.skip_within(bytes, zero_sized))?;
                take_bool(bytes).map(drop)
            }
            Self::Formatted(len) => (0..*len).try_for_each(|_| take_bytes(bytes).map(drop)),
            Self::Enum(ty) => skip_fields(take_variant(ty, bytes)?, bytes, zero_sized),
            Self::Struct(ty) if !ty.types().is_empty() => skip_fields(ty, bytes, zero_sized),
            Self::Struct(_) | Self::Redacted => skip_unit(zero_sized),
            Self::Any => take_any(bytes)?.skip_within(bytes, zero_sized),
            Self::Tuple(members) if members.is_empty() => skip_unit(zero_sized),
            Self::Tuple(members) => {
                members.iter().try_for_each(|member| member.skip_within(bytes, zero_sized))
            }
            Self::Str | Self::Text | Self::OsStr => take_bytes(bytes).map(drop),
            _ => {
                // A copy of the slice, which may live as short as `self` does.
                let mut rest = *bytes;
                self.decode_rarer(&mut rest)?;
                let left = rest.len();
                *bytes = &bytes[bytes.len() - left..];
                Ok(())
            }
        }
    }

    /// Whether values of this type take no bytes.
    pub(crate) fn is_zero_sized(&self) -> bool {
        match self {
            Self::Tuple(members) => members.iter().all(Self::is_zero_sized),
            Self::Struct(ty) => ty.types().iter().all(Self::is_zero_sized),
            Self::Redacted => true,
            Self::Range(bound) => bound.is_zero_sized(),
            _ => false,
        }
    }

    /// How many values without bytes, such as `()`, a value of this type consists of, which takes no bytes.
    fn units(&self) -> usize {
        match self {
            Self::Tuple(members) if members.is_empty() => 1,
            Self::Tuple(members) => members.iter().map(Self::units).sum(),
            Self::Struct(ty) if ty.types().is_empty() => 1,
            Self::Struct(ty) => ty.types().iter().map(Self::units).sum(),
            Self::Redacted => 1,
            Self::Range(bound) => 2 * bound.units(),
            _ => 0,
        }
    }

    /// The length of every value in bytes, where it is fixed and any bytes will do.
    fn fixed_bytes(&self) -> Option<usize> {
        Some(match self {
            Self::U8 | Self::I8 => 1,
            Self::F32 | Self::Ipv4Addr => 4,
            Self::SocketAddrV4 => 6,
            Self::F64 => 8,
            Self::U128 | Self::I128 | Self::Ipv6Addr => 16,
            Self::SocketAddrV6 => 26,
            _ => return None,
        })
    }
}

/// Decodes a value that was skipped before, and so is known to be one.
#[inline]
pub(crate) fn validated<'a>(ty: &'a Type, bytes: &mut &'a [u8]) -> Value<'a> {
    let value = ty.decode(bytes);
    debug_assert!(value.is_ok(), "what was skipped decodes");
    value.unwrap_or(Value::Option(None))
}

fn take_variant<'t>(ty: &'t EnumType, bytes: &mut &[u8]) -> Result<&'t StructType, Malformed> {
    let index = usize::try_from(take_varint(bytes)?).map_err(|_| Malformed::Invalid)?;
    ty.variants().get(index).ok_or(Malformed::Invalid)
}

fn skip_fields(
    ty: &StructType,
    bytes: &mut &[u8],
    zero_sized: &mut usize,
) -> Result<(), Malformed> {
    ty.types().iter().try_for_each(|field| field.skip_within(bytes, zero_sized))
}

/// Skips a value that takes no bytes.
fn skip_unit(zero_sized: &mut usize) -> Result<(), Malformed> {
    *zero_sized = zero_sized.checked_sub(1).ok_or(Malformed::TooManyElements)?;
    Ok(())
}

/// Takes the type that a value states itself.
fn take_any(bytes: &mut &[u8]) -> Result<&'static Type, Malformed> {
    static TYPES: LazyLock<Box<[Option<Type>]>> = LazyLock::new(|| {
        let parsed = |code| {
            let mut notation = Vec::new();
            kymo_format::types::Type::in_any(code)?.put(&mut notation);
            Type::parse(&notation)
        };
        (0..=u8::MAX).map(parsed).collect()
    });
    let [code] = take(bytes)?;
    TYPES[usize::from(code)].as_ref().ok_or(Malformed::Invalid)
}

/// Skips a count, and as many elements, each made of `types`.
fn skip_elements(
    types: &[Type],
    bytes: &mut &[u8],
    zero_sized: &mut usize,
) -> Result<(), Malformed> {
    let count = take_varint(bytes)? >> 1;
    if let [element] = types
        && let Some(each) = element.fixed_bytes()
    {
        let len = usize::try_from(count).ok().and_then(|count| count.checked_mul(each));
        let len = len.filter(|&len| len <= bytes.len()).ok_or(Malformed::TooManyElements)?;
        *bytes = &bytes[len..];
        return Ok(());
    }
    let empty = types.iter().all(Type::is_zero_sized);
    if count > MAX_ZERO_SIZED_ELEMENTS && (count > bytes.len() as u64 || empty) {
        return Err(Malformed::TooManyElements);
    }
    if count > 0 && empty {
        let units = types.iter().map(Type::units).sum();
        let units = (count as usize).saturating_mul(units);
        *zero_sized = zero_sized.checked_sub(units).ok_or(Malformed::TooManyElements)?;
        return Ok(());
    }
    (0..count).try_for_each(|_| types.iter().try_for_each(|ty| ty.skip_within(bytes, zero_sized)))
}

#[inline]
pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (first, rest) = bytes.split_first_chunk().ok_or(Malformed::Truncated)?;
    *bytes = rest;
    Ok(*first)
}

#[inline]
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let (value, len) = varint::get(bytes).ok_or(Malformed::Truncated)?;
    *bytes = bytes.get(len..).ok_or(Malformed::Truncated)?;
    Ok(value)
}

#[inline]
pub(crate) fn take_zigzag(bytes: &mut &[u8]) -> Result<i64, Malformed> {
    Ok(varint::unzigzag(take_varint(bytes)?))
}

#[inline]
fn take_small<T: TryFrom<u64>>(bytes: &mut &[u8]) -> Result<T, Malformed> {
    T::try_from(take_varint(bytes)?).map_err(|_| Malformed::Invalid)
}

#[inline]
fn narrow<T: TryFrom<i64>>(value: i64) -> Result<T, Malformed> {
    T::try_from(value).map_err(|_| Malformed::Invalid)
}

fn take_bool(bytes: &mut &[u8]) -> Result<bool, Malformed> {
    match take(bytes)? {
        [0] => Ok(false),
        [1] => Ok(true),
        _ => Err(Malformed::Invalid),
    }
}

fn take_ordering(bytes: &mut &[u8]) -> Result<Ordering, Malformed> {
    match take(bytes)? {
        [0] => Ok(Ordering::Less),
        [1] => Ok(Ordering::Equal),
        [2] => Ok(Ordering::Greater),
        _ => Err(Malformed::Invalid),
    }
}

/// The bytes of a string, and whether it was cut.
#[inline]
pub(crate) fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Result<(&'a [u8], bool), Malformed> {
    let head = take_varint(bytes)?;
    let len = usize::try_from(head >> 1).map_err(|_| Malformed::Truncated)?;
    let (text, rest) = bytes.split_at_checked(len).ok_or(Malformed::Truncated)?;
    *bytes = rest;
    Ok((text, head & 1 == 1))
}

#[inline]
pub(super) fn take_text<'a>(bytes: &mut &'a [u8]) -> Result<Text<'a>, Malformed> {
    let (text, cut) = take_bytes(bytes)?;
    Ok(Text::from_bytes(text, cut))
}

fn take_duration(bytes: &mut &[u8]) -> Result<Duration, Malformed> {
    let seconds = take_varint(bytes)?;
    let nanoseconds: u32 = take_small(bytes)?;
    if nanoseconds >= 1_000_000_000 {
        return Err(Malformed::Invalid);
    }
    Ok(Duration::new(seconds, nanoseconds))
}

fn take_v4(bytes: &mut &[u8]) -> Result<Ipv4Addr, Malformed> {
    Ok(Ipv4Addr::from(take::<4>(bytes)?))
}

fn take_v6(bytes: &mut &[u8]) -> Result<Ipv6Addr, Malformed> {
    Ok(Ipv6Addr::from(take::<16>(bytes)?))
}

fn take_socket_v4(bytes: &mut &[u8]) -> Result<SocketAddrV4, Malformed> {
    Ok(SocketAddrV4::new(take_v4(bytes)?, u16::from_le_bytes(take(bytes)?)))
}

fn take_socket_v6(bytes: &mut &[u8]) -> Result<SocketAddrV6, Malformed> {
    let address = take_v6(bytes)?;
    let port = u16::from_le_bytes(take(bytes)?);
    let flow_info = u32::from_le_bytes(take(bytes)?);
    Ok(SocketAddrV6::new(address, port, flow_info, u32::from_le_bytes(take(bytes)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(ty: Type) -> Type {
        Type::Sequence(Box::new(ty))
    }

    fn unit() -> Type {
        Type::Tuple([].into())
    }

    fn count(elements: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        varint::put(&mut bytes, elements << 1);
        bytes
    }

    #[test]
    fn what_is_no_value_of_its_type_is_refused() {
        let invalid: &[(Type, &[u8])] = &[
            (Type::Bool, &[2]),
            // A value that states its type states one that it may have.
            (Type::Any, &[0x00, 0]),
            (Type::Any, &[0x32, 1, 1]),
            (Type::Any, &[0x50, 3]),
            (Type::Any, &[0x60, 0x01, 1]),
            (Type::Any, &[0x82, 0]),
            (Type::Any, &[0x01, 2]),
            (Type::Any, &[0x80, 2]),
            (Type::Ordering, &[3]),
            (Type::Result(Box::new([Type::U8, Type::U8])), &[2, 0]),
            (Type::RangeInclusive(Box::new(Type::U8)), &[1, 2, 2]),
            (Type::Option(Box::new(Type::U8)), &[2, 0]),
            (Type::IpAddr, &[5, 0, 0, 0, 0]),
            (Type::U16, &[0b100, 0, 0b1000]),
            (Type::Char, &[0b100, 0xC0, 0x06]),
            (Type::Duration, &[1, 0b1_0000, 0, 0, 0, 0xFF]),
        ];
        for (ty, bytes) in invalid {
            assert_eq!(ty.decode(&mut { *bytes }), Err(Malformed::Invalid), "{ty}");
            assert_eq!(ty.skip(&mut { *bytes }), Err(Malformed::Invalid), "{ty}");
        }
    }

    /// A sequence claims no more elements than its bytes can hold.
    #[test]
    fn sequence_lengths_are_bounded_by_bytes() {
        for ty in [Type::U8, Type::U64, Type::Bool, Type::U128, Type::Str] {
            for elements in [1, 40_000, u64::MAX >> 1] {
                assert!(sequence(ty.clone()).skip(&mut &count(elements)[..]).is_err(), "{ty}");
            }
        }
    }

    /// Elements without bytes are limited, nested or not.
    #[test]
    fn elements_without_bytes_are_limited() {
        assert_eq!(sequence(unit()).skip(&mut &count(32_767)[..]), Ok(()));
        let refused = Err(Malformed::TooManyElements);
        let mut more = count(32_768);
        more.resize(1 << 20, 0);
        assert_eq!(sequence(unit()).skip(&mut &more[..]), refused);
        let pair = Type::Tuple([unit(), unit()].into());
        assert_eq!(sequence(pair).skip(&mut &count(32_767)[..]), Ok(()));
        let triple = Type::Tuple([unit(), unit(), unit()].into());
        assert_eq!(sequence(triple).skip(&mut &count(32_767)[..]), refused);
        let map = |ty: fn() -> Type| Type::Map(Box::new([ty(), unit()]));
        assert_eq!(map(unit).skip(&mut &count(32_767)[..]), Ok(()));
        assert_eq!(map(unit).skip(&mut &count(32_768)[..]), refused);
        assert_eq!(map(|| Type::U8).skip(&mut &count(40_000)[..]), refused);
        let ranges = sequence(Type::Range(Box::new(unit())));
        assert_eq!(ranges.skip(&mut &count(32_767)[..]), Ok(()));
        assert_eq!(ranges.skip(&mut &count(u64::MAX >> 1)[..]), refused);
        let mut nested = count(1000);
        (0..1000).for_each(|_| nested.extend(count(32_767)));
        assert_eq!(sequence(sequence(unit())).skip(&mut &nested[..]), refused);
    }
}
