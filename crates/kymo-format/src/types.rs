//! The types that an argument can have, and their codes in the dictionary.

mod own;

use std::slice;

pub use own::{Enum, Field, Fields, Hint, Members, Size, Struct, Variants, hint};

/// The type of an argument, as a call site states it.
///
/// In a file it is a string of bytes in prefix notation: the code of the type, then the types
/// inside, if it has one or two. For `Tuple`, one byte with the number of members follows, and then
/// their types. For `Formatted`, one byte with the number of texts follows. For `Struct` and `Enum`, names follow, and
/// the types of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Texts that the logging program made as the placeholders ask: the first placeholder that
    /// prints the argument prints the first, and so on; one that has none left prints the last.
    Formatted(u8),
    /// A path or another string of the operating system's.
    OsStr,
    /// An address, printed as `{:p}` prints it.
    Pointer,
    Duration,
    Ipv4Addr,
    Ipv6Addr,
    IpAddr,
    SocketAddrV4,
    SocketAddrV6,
    SocketAddr,
    Option(&'static Type),
    /// A slice, an array, a `Vec` and the like.
    Sequence(&'static Type),
    Tuple(&'static [Type]),
    /// A set.
    Set(&'static Type),
    /// A map: the types of its keys and values.
    Map(&'static [Type; 2]),
    /// A `Result`.
    Result(&'static [Type; 2]),
    /// `start..end`
    Range(&'static Type),
    /// `start..=end`
    RangeInclusive(&'static Type),
    /// A value that is not in the log.
    Redacted,
    /// A struct of the program.
    Struct(&'static Struct),
    /// An enum of the program.
    Enum(&'static Enum),
    /// A value of one of several types, which the value itself states: see [`Type::in_any`].
    Any,
    /// The id of a span: not a value, but what the record has to do with the span. Of a call site's
    /// arguments, these are the last.
    Span(SpanRole),
}

/// What a record has to do with a span whose id it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SpanRole {
    /// It was logged in the span, or the span that it begins was.
    In = 0,
    /// The span begins. The other arguments are its fields, the text is its name.
    New = 1,
    /// The span has further fields, or other values of them.
    Record = 2,
    /// The record's thread enters the span.
    Enter = 3,
    /// The record's thread leaves the span.
    Exit = 4,
    /// The span ends.
    Close = 5,
    /// The span follows from another one: that of the role `In`.
    Follows = 6,
}

impl SpanRole {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 7] =
        [Self::In, Self::New, Self::Record, Self::Enter, Self::Exit, Self::Close, Self::Follows];

    /// Its name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::New => "new",
            Self::Record => "record",
            Self::Enter => "enter",
            Self::Exit => "exit",
            Self::Close => "close",
            Self::Follows => "follows",
        }
    }

    /// The code of its type.
    pub const fn code(self) -> u8 {
        code::SPAN + self as u8
    }

    /// The role with this code.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code.checked_sub(code::SPAN) {
            Some(role) if (role as usize) < Self::ALL.len() => Some(Self::ALL[role as usize]),
            _ => None,
        }
    }
}

/// The codes of the types in the dictionary. They never change meaning; new types get new codes.
#[allow(missing_docs, reason = "each is the code of the type of its name")]
pub mod code {
    pub const BOOL: u8 = 0x01;
    pub const CHAR: u8 = 0x02;
    pub const ORDERING: u8 = 0x03;
    pub const U8: u8 = 0x10;
    pub const U16: u8 = 0x11;
    pub const U32: u8 = 0x12;
    pub const U64: u8 = 0x13;
    pub const U128: u8 = 0x14;
    pub const USIZE: u8 = 0x15;
    pub const I8: u8 = 0x18;
    pub const I16: u8 = 0x19;
    pub const I32: u8 = 0x1A;
    pub const I64: u8 = 0x1B;
    pub const I128: u8 = 0x1C;
    pub const ISIZE: u8 = 0x1D;
    pub const F32: u8 = 0x20;
    pub const F64: u8 = 0x21;
    pub const STR: u8 = 0x30;
    pub const TEXT: u8 = 0x31;
    pub const FORMATTED: u8 = 0x32;
    pub const OS_STR: u8 = 0x33;
    pub const REDACTED: u8 = 0x34;
    pub const POINTER: u8 = 0x38;
    pub const DURATION: u8 = 0x40;
    pub const IPV4_ADDR: u8 = 0x48;
    pub const IPV6_ADDR: u8 = 0x49;
    pub const IP_ADDR: u8 = 0x4A;
    pub const SOCKET_ADDR_V4: u8 = 0x4B;
    pub const SOCKET_ADDR_V6: u8 = 0x4C;
    pub const SOCKET_ADDR: u8 = 0x4D;
    pub const ANY: u8 = 0x60;
    /// The first of the codes of spans' ids.
    pub const SPAN: u8 = 0x50;
    pub const OPTION: u8 = 0x80;
    pub const SEQUENCE: u8 = 0x81;
    pub const TUPLE: u8 = 0x82;
    pub const SET: u8 = 0x83;
    pub const MAP: u8 = 0x84;
    pub const RESULT: u8 = 0x85;
    pub const RANGE: u8 = 0x86;
    pub const RANGE_INCLUSIVE: u8 = 0x87;
    pub const STRUCT: u8 = 0x88;
    pub const ENUM: u8 = 0x89;
}

impl Type {
    /// The type's code, without what a composite type is made of.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Bool => code::BOOL,
            Self::Char => code::CHAR,
            Self::Ordering => code::ORDERING,
            Self::U8 => code::U8,
            Self::U16 => code::U16,
            Self::U32 => code::U32,
            Self::U64 => code::U64,
            Self::U128 => code::U128,
            Self::Usize => code::USIZE,
            Self::I8 => code::I8,
            Self::I16 => code::I16,
            Self::I32 => code::I32,
            Self::I64 => code::I64,
            Self::I128 => code::I128,
            Self::Isize => code::ISIZE,
            Self::F32 => code::F32,
            Self::F64 => code::F64,
            Self::Str => code::STR,
            Self::Text => code::TEXT,
            Self::Formatted(_) => code::FORMATTED,
            Self::OsStr => code::OS_STR,
            Self::Pointer => code::POINTER,
            Self::Duration => code::DURATION,
            Self::Ipv4Addr => code::IPV4_ADDR,
            Self::Ipv6Addr => code::IPV6_ADDR,
            Self::IpAddr => code::IP_ADDR,
            Self::SocketAddrV4 => code::SOCKET_ADDR_V4,
            Self::SocketAddrV6 => code::SOCKET_ADDR_V6,
            Self::SocketAddr => code::SOCKET_ADDR,
            Self::Option(_) => code::OPTION,
            Self::Sequence(_) => code::SEQUENCE,
            Self::Tuple(_) => code::TUPLE,
            Self::Set(_) => code::SET,
            Self::Map(_) => code::MAP,
            Self::Result(_) => code::RESULT,
            Self::Range(_) => code::RANGE,
            Self::RangeInclusive(_) => code::RANGE_INCLUSIVE,
            Self::Redacted => code::REDACTED,
            Self::Any => code::ANY,
            Self::Struct(_) => code::STRUCT,
            Self::Enum(_) => code::ENUM,
            Self::Span(role) => role.code(),
        }
    }

    /// The type of a value of the type [`Type::Any`] that begins with this byte. It is a code of the dictionary: of a
    /// type without types inside, of an `Option` (here of a bool), or of a sequence (here of bytes).
    pub const fn in_any(code: u8) -> Option<&'static Type> {
        Some(match code {
            code::BOOL => &Type::Bool,
            code::CHAR => &Type::Char,
            code::ORDERING => &Type::Ordering,
            code::U8 => &Type::U8,
            code::U16 => &Type::U16,
            code::U32 => &Type::U32,
            code::U64 => &Type::U64,
            code::U128 => &Type::U128,
            code::USIZE => &Type::Usize,
            code::I8 => &Type::I8,
            code::I16 => &Type::I16,
            code::I32 => &Type::I32,
            code::I64 => &Type::I64,
            code::I128 => &Type::I128,
            code::ISIZE => &Type::Isize,
            code::F32 => &Type::F32,
            code::F64 => &Type::F64,
            code::STR => &Type::Str,
            code::TEXT => &Type::Text,
            code::OS_STR => &Type::OsStr,
            code::POINTER => &Type::Pointer,
            code::DURATION => &Type::Duration,
            code::IPV4_ADDR => &Type::Ipv4Addr,
            code::IPV6_ADDR => &Type::Ipv6Addr,
            code::IP_ADDR => &Type::IpAddr,
            code::SOCKET_ADDR_V4 => &Type::SocketAddrV4,
            code::SOCKET_ADDR_V6 => &Type::SocketAddrV6,
            code::SOCKET_ADDR => &Type::SocketAddr,
            code::OPTION => &Type::Option(&Type::Bool),
            code::SEQUENCE => &Type::Sequence(&Type::U8),
            _ => return None,
        })
    }

    /// The types inside, for those that are made of others. Those of a struct and an enum are with their fields.
    pub const fn inside(&self) -> &'static [Type] {
        match self {
            Self::Option(inner) | Self::Sequence(inner) | Self::Set(inner) => {
                slice::from_ref(inner)
            }
            Self::Range(inner) | Self::RangeInclusive(inner) => slice::from_ref(inner),
            Self::Map(both) | Self::Result(both) => *both,
            Self::Tuple(members) => members,
            _ => &[],
        }
    }

    /// Appends the type in the dictionary's notation to `out`.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.push(self.code());
        match self {
            Self::Tuple(members) => out.push(members.len() as u8),
            Self::Formatted(texts) => out.push(*texts),
            Self::Struct(inner) => inner.put(out),
            Self::Enum(inner) => inner.put(out),
            _ => {}
        }
        self.inside().iter().for_each(|inner| inner.put(out));
    }
}
