//! The type of an argument, as the dictionary of a file states it.
//!
//! The writer's types are statics of its program; these are owned, because they come from a file.
//! Whatever the bytes, parsing takes time and memory in proportion to their number, and recursion
//! ends at [`MAX_TYPE_DEPTH`].

mod own;

use std::fmt;

use kymo_format::types::{SpanRole, code};
use kymo_format::{MAX_TYPE_DEPTH, MAX_TYPE_MEMBERS};

pub use own::{EnumType, FieldType, Hint, StructType};

/// The type of an argument.
///
/// ```
/// use kymo_reader::Type;
/// let ty = Type::parse(&[0x80, 0x81, 0x13]).expect("prefix notation");
/// assert_eq!(ty, Type::Option(Box::new(Type::Sequence(Box::new(Type::U64)))));
/// assert_eq!(ty.to_string(), "Option<[u64]>");
/// assert_eq!(Type::parse(&[0x80]), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is the Rust type of its name")]
pub enum Type {
    Bool,
    Char,
    /// `std::cmp::Ordering`.
    Ordering,
    U8,
    U16,
    U32,
    U64,
    U128,
    Usize,
    I8,
    I16,
    I32,
    I64,
    I128,
    Isize,
    F32,
    F64,
    /// A string.
    Str,
    /// A value that the logging program formatted itself, because only it could.
    Text,
    /// A value that the logging program formatted itself, once for each placeholder that prints it
    /// otherwise: the number of texts.
    Formatted(u8),
    /// A path or another string of the operating system's.
    OsStr,
    /// An address in memory.
    Pointer,
    Duration,
    Ipv4Addr,
    Ipv6Addr,
    IpAddr,
    SocketAddrV4,
    SocketAddrV6,
    SocketAddr,
    Option(Box<Type>),
    /// A slice, an array, a `Vec` and the like.
    Sequence(Box<Type>),
    Tuple(Box<[Type]>),
    /// A `HashSet` or a `BTreeSet`.
    Set(Box<Type>),
    /// A `HashMap` or a `BTreeMap`: the types of its keys and of its values.
    Map(Box<[Type; 2]>),
    /// A `Result`: the types of its values and of its errors.
    Result(Box<[Type; 2]>),
    /// `start..end`
    Range(Box<Type>),
    /// `start..=end`
    RangeInclusive(Box<Type>),
    /// A value that is not in the log.
    Redacted,
    /// A struct of the program.
    Struct(Box<StructType>),
    /// An enum of the program.
    Enum(Box<EnumType>),
    /// A value that states its type itself: one of those without types inside, an `Option`, or bytes.
    Any,
    /// The id of a span, and what the record has to do with the span.
    Span(SpanRole),
}

impl Type {
    /// Decodes the dictionary's notation. Returns `None` if `bytes` is not exactly one type,
    /// exceeds the limits on nesting or number of types, or has an unknown code.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let ty = Self::parse_prefix(&mut rest, MAX_TYPE_DEPTH, &mut { MAX_TYPE_MEMBERS })?;
        rest.is_empty().then_some(ty)
    }

    /// Whether values of this type can have a value at the end of this path: see
    /// [`Value::at_path`](crate::Value::at_path).
    pub fn has_path(&self, path: &str) -> bool {
        if path.is_empty() {
            return true;
        }
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        match self {
            Self::Option(inner) => inner.has_path(path),
            Self::Result(both) => both[0].has_path(path),
            Self::Tuple(members) => {
                let member = name.parse().ok().and_then(|at: usize| members.get(at));
                member.is_some_and(|member| member.has_path(rest))
            }
            Self::Struct(inner) => inner.has_path(path),
            Self::Enum(inner) => inner.variants().iter().any(|variant| {
                variant.has_path(path) || variant.name() == name && variant.has_path(rest)
            }),
            _ => false,
        }
    }

    /// Appends it in the dictionary's notation.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let (code, inside): (u8, &[Self]) = match self {
            Self::Option(inner) => (code::OPTION, std::slice::from_ref(inner)),
            Self::Sequence(inner) => (code::SEQUENCE, std::slice::from_ref(inner)),
            Self::Set(inner) => (code::SET, std::slice::from_ref(inner)),
            Self::Range(inner) => (code::RANGE, std::slice::from_ref(inner)),
            Self::RangeInclusive(inner) => (code::RANGE_INCLUSIVE, std::slice::from_ref(inner)),
            Self::Map(both) => (code::MAP, &**both),
            Self::Result(both) => (code::RESULT, &**both),
            Self::Tuple(members) => (code::TUPLE, members),
            Self::Formatted(texts) => return out.extend([code::FORMATTED, *texts]),
            Self::Struct(inner) => {
                out.push(code::STRUCT);
                return inner.put(out);
            }
            Self::Enum(inner) => {
                out.push(code::ENUM);
                return inner.put(out);
            }
            scalar => (scalar.scalar_code(), &[]),
        };
        out.push(code);
        if let Self::Tuple(members) = self {
            out.push(members.len() as u8);
        }
        inside.iter().for_each(|inner| inner.put(out));
    }

    /// The code of a type without types inside.
    fn scalar_code(&self) -> u8 {
        (1..=u8::MAX).find(|code| Self::scalar(*code).as_ref() == Some(self)).unwrap_or(0)
    }

    /// `left` is of how many types it may yet be made.
    fn parse_prefix(bytes: &mut &[u8], depth: usize, left: &mut usize) -> Option<Self> {
        let is_whole = depth == MAX_TYPE_DEPTH;
        let depth = depth.checked_sub(1)?;
        *left = left.checked_sub(1)?;
        let code = next(bytes)?;
        let mut inner = || Self::parse_prefix(bytes, depth, left);
        Some(match code {
            code::OPTION => Self::Option(Box::new(inner()?)),
            code::SEQUENCE => Self::Sequence(Box::new(inner()?)),
            code::SET => Self::Set(Box::new(inner()?)),
            code::MAP => Self::Map(Box::new([inner()?, inner()?])),
            code::RESULT => Self::Result(Box::new([inner()?, inner()?])),
            code::RANGE => Self::Range(Box::new(inner()?)),
            code::RANGE_INCLUSIVE => Self::RangeInclusive(Box::new(inner()?)),
            code::TUPLE => {
                let members = next(bytes)?;
                let inner = |_| Self::parse_prefix(bytes, depth, left);
                Self::Tuple((0..members).map(inner).collect::<Option<_>>()?)
            }
            code::FORMATTED => Self::Formatted(next(bytes).filter(|&texts| texts > 0)?),
            code::STRUCT => Self::Struct(Box::new(StructType::parse(bytes, depth, left)?)),
            code::ENUM => Self::Enum(Box::new(EnumType::parse(bytes, depth, left)?)),
            // The id of a span is no part of a value.
            code => Self::scalar(code).filter(|ty| is_whole || !matches!(ty, Self::Span(_)))?,
        })
    }

    /// The type with this code, if it is one without types inside.
    fn scalar(code: u8) -> Option<Self> {
        Some(match code {
            code::BOOL => Self::Bool,
            code::CHAR => Self::Char,
            code::ORDERING => Self::Ordering,
            code::U8 => Self::U8,
            code::U16 => Self::U16,
            code::U32 => Self::U32,
            code::U64 => Self::U64,
            code::U128 => Self::U128,
            code::USIZE => Self::Usize,
            code::I8 => Self::I8,
            code::I16 => Self::I16,
            code::I32 => Self::I32,
            code::I64 => Self::I64,
            code::I128 => Self::I128,
            code::ISIZE => Self::Isize,
            code::F32 => Self::F32,
            code::F64 => Self::F64,
            code::STR => Self::Str,
            code::TEXT => Self::Text,
            code::OS_STR => Self::OsStr,
            code::REDACTED => Self::Redacted,
            code::ANY => Self::Any,
            code::POINTER => Self::Pointer,
            code::DURATION => Self::Duration,
            code::IPV4_ADDR => Self::Ipv4Addr,
            code::IPV6_ADDR => Self::Ipv6Addr,
            code::IP_ADDR => Self::IpAddr,
            code::SOCKET_ADDR_V4 => Self::SocketAddrV4,
            code::SOCKET_ADDR_V6 => Self::SocketAddrV6,
            code::SOCKET_ADDR => Self::SocketAddr,
            code => Self::Span(SpanRole::from_code(code)?),
        })
    }
}

fn next(bytes: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(first)
}

/// Writes the type as Rust would: `Option<[u64]>`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::Char => "char",
            Self::Ordering => "Ordering",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::U128 => "u128",
            Self::Usize => "usize",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::I128 => "i128",
            Self::Isize => "isize",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Str => "str",
            Self::Text | Self::Formatted(_) => "text",
            Self::OsStr => "OsStr",
            Self::Pointer => "pointer",
            Self::Duration => "Duration",
            Self::Ipv4Addr => "Ipv4Addr",
            Self::Ipv6Addr => "Ipv6Addr",
            Self::IpAddr => "IpAddr",
            Self::SocketAddrV4 => "SocketAddrV4",
            Self::SocketAddrV6 => "SocketAddrV6",
            Self::SocketAddr => "SocketAddr",
            Self::Option(inner) => return write!(f, "Option<{inner}>"),
            Self::Sequence(element) => return write!(f, "[{element}]"),
            Self::Tuple(members) => return fmt_tuple(members, f),
            Self::Set(element) => return write!(f, "Set<{element}>"),
            Self::Map(both) => return write!(f, "Map<{}, {}>", both[0], both[1]),
            Self::Result(both) => return write!(f, "Result<{}, {}>", both[0], both[1]),
            Self::Range(bound) => return write!(f, "Range<{bound}>"),
            Self::RangeInclusive(bound) => return write!(f, "RangeInclusive<{bound}>"),
            Self::Redacted => "redacted",
            Self::Any => "any",
            Self::Struct(inner) => return f.write_str(inner.name()),
            Self::Enum(inner) => return f.write_str(inner.name()),
            Self::Span(_) => "span",
        })
    }
}

fn fmt_tuple(members: &[Type], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("(")?;
    for (i, member) in members.iter().enumerate() {
        let separator = if i == 0 { "" } else { ", " };
        write!(f, "{separator}{member}")?;
    }
    f.write_str(if members.len() == 1 { ",)" } else { ")" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kymo_format::types::Type as Written;

    fn parsed(ty: Written) -> Option<Type> {
        let mut bytes = Vec::new();
        ty.put(&mut bytes);
        Type::parse(&bytes)
    }

    /// The reader parses the types that the writer writes.
    #[test]
    fn types_round_trip() {
        const PAIR: Written = Written::Tuple(&[Written::U8, Written::Option(&Written::Str)]);
        assert_eq!(
            parsed(Written::Sequence(&PAIR)).map(|ty| ty.to_string()).as_deref(),
            Some("[(u8, Option<str>)]")
        );
        assert_eq!(
            parsed(Written::Tuple(&[Written::F32])).map(|ty| ty.to_string()).as_deref(),
            Some("(f32,)")
        );
        assert_eq!(parsed(Written::Tuple(&[])), Some(Type::Tuple([].into())));
        const BOTH: [Written; 2] = [Written::OsStr, Written::Range(&Written::Char)];
        for (written, read) in [
            (Written::Map(&BOTH), "Map<OsStr, Range<char>>"),
            (Written::Result(&BOTH), "Result<OsStr, Range<char>>"),
            (Written::Set(&Written::RangeInclusive(&Written::I8)), "Set<RangeInclusive<i8>>"),
            (Written::Option(&Written::Formatted(3)), "Option<text>"),
        ] {
            assert_eq!(parsed(written).map(|ty| ty.to_string()).as_deref(), Some(read));
        }
        assert_eq!(Type::parse(&[code::FORMATTED, 0]), None);
    }

    #[test]
    fn every_known_code_is_known_to_both_sides() {
        for code in 0..=u8::MAX {
            assert_eq!(Type::scalar(code), Type::parse(&[code]), "{code:#x}");
        }
        assert_eq!((0..=u8::MAX).filter(|&code| Type::scalar(code).is_some()).count(), 37);
    }

    #[test]
    fn a_span_is_no_part_of_a_value() {
        assert_eq!(Type::parse(&[code::SPAN]), Some(Type::Span(SpanRole::In)));
        assert_eq!(Type::parse(&[code::OPTION, code::SPAN]), None);
        assert_eq!(Type::parse(&[code::SPAN + 7]), None);
    }

    #[test]
    fn nesting_ends_where_the_format_says() {
        let mut bytes = vec![code::OPTION; MAX_TYPE_DEPTH - 1];
        bytes.push(code::U8);
        assert!(Type::parse(&bytes).is_some());
        bytes.insert(0, code::OPTION);
        assert_eq!(Type::parse(&bytes), None);
        assert_eq!(Type::parse(&vec![code::OPTION; 1 << 20]), None);
        assert_eq!(Type::parse(&[code::TUPLE, 255].repeat(1000)), None);
    }

    #[test]
    fn nothing_may_stand_behind_a_type() {
        assert_eq!(Type::parse(&[code::U8, code::U8]), None);
        assert_eq!(Type::parse(&[]), None);
    }
}
