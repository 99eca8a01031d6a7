//! Converts the value of an argument to a Rust type. The error says what the value is instead.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use super::{Text, Value};

/// A type that the value of an argument can be turned into: see
/// [`Record::get`](crate::Record::get).
///
/// | type | values |
/// | --- | --- |
/// | `u8` to `u128`, `usize`, `i8` to `i128`, `isize` | integers of its range, whatever their type |
/// | `f64` | numbers; of an integer with more digits than it has, the nearest `f64` |
/// | `f32` | an `f32` |
/// | `bool`, `char`, [`Duration`], addresses | those |
/// | `&str`, `String` | a string that was not cut and is UTF-8 |
/// | [`Text`] | any string |
/// | `Option<T>` | `None`, and what `T` takes |
/// | `Vec<T>` | a sequence that was not cut, of what `T` takes |
/// | [`Value`] | any |
///
/// A `Some` is its value: `Some(3)` is a `u64` of 3 too. `None` is an `Option` only.
pub trait FromValue<'r>: Sized {
    /// Converts `value` to this type.
    ///
    /// # Errors
    /// If the value is none of those that the type takes.
    fn from_value(value: Value<'r>) -> Result<Self, ValueError>;
}

/// A value is not of the type that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    expected: &'static str,
    found: Box<str>,
}

impl ValueError {
    /// The type that was asked for, as in `expected u8`.
    pub fn expected(&self) -> &str {
        self.expected
    }

    /// The value or its type: `300`, `None`, `a string`.
    pub fn found(&self) -> &str {
        &self.found
    }

    fn new(expected: &'static str, value: &Value<'_>) -> Self {
        let found = match value {
            Value::Option(Some(inner)) => return Self::new(expected, &inner.get()),
            Value::Option(None) => "None".into(),
            Value::Str(text) | Value::Text(text) if text.is_cut() => "a string that was cut".into(),
            Value::Str(text) | Value::Text(text) if text.as_str().is_none() => {
                "a string that is not UTF-8".into()
            }
            Value::Str(_) => "a string".into(),
            Value::Text(_) => "text that the program formatted".into(),
            Value::Char(_) => "a character".into(),
            Value::Duration(_) => "a duration".into(),
            Value::Pointer(_) => "a pointer".into(),
            Value::Sequence(sequence) if sequence.is_cut() => "a sequence that was cut".into(),
            Value::Sequence(_) => "a sequence".into(),
            Value::Tuple(_) => "a tuple".into(),
            Value::Struct(inner) => format!("a struct {}", inner.name()).into(),
            Value::Enum(inner) => format!("an enum {}", inner.name()).into(),
            Value::Redacted => "a value that is not in the log".into(),
            // Short, and without anything that would have to be escaped.
            value => value.to_string().into(),
        };
        Self { expected, found }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

impl std::error::Error for ValueError {}

impl<'r> Value<'r> {
    /// The content of a `Some`; any other value is returned as it is.
    pub fn flattened(self) -> Self {
        let mut value = self;
        while let Self::Option(Some(inner)) = value {
            value = inner.get();
        }
        value
    }

    /// Whether it is `None`, or a `Some` of that.
    pub fn is_none(&self) -> bool {
        matches!(self.flattened(), Self::Option(None))
    }
}

/// Implements the conversion by a function to `Option`, and `TryFrom` for it and its `Option`.
macro_rules! convert {
    ($($ty:ty: $name:literal, $convert:expr;)*) => {$(
        impl<'r> FromValue<'r> for $ty {
            fn from_value(value: Value<'r>) -> Result<Self, ValueError> {
                let convert: fn(Value<'r>) -> Option<Self> = $convert;
                convert(value.flattened()).ok_or_else(|| ValueError::new($name, &value))
            }
        }

        impl<'r> TryFrom<Value<'r>> for $ty {
            type Error = ValueError;

            fn try_from(value: Value<'r>) -> Result<Self, ValueError> {
                Self::from_value(value)
            }
        }

        impl<'r> TryFrom<Value<'r>> for Option<$ty> {
            type Error = ValueError;

            fn try_from(value: Value<'r>) -> Result<Self, ValueError> {
                Self::from_value(value)
            }
        }
    )*};
}

/// What a variant holds.
macro_rules! variant {
    ($variant:ident) => {
        |value| match value {
            Value::$variant(value) => Some(value),
            _ => None,
        }
    };
}

convert! {
    u8: "u8", |value| value.as_u128()?.try_into().ok();
    u16: "u16", |value| value.as_u128()?.try_into().ok();
    u32: "u32", |value| value.as_u128()?.try_into().ok();
    u64: "u64", |value| value.as_u128()?.try_into().ok();
    u128: "u128", |value| value.as_u128();
    usize: "usize", |value| value.as_u128()?.try_into().ok();
    i8: "i8", |value| value.as_i128()?.try_into().ok();
    i16: "i16", |value| value.as_i128()?.try_into().ok();
    i32: "i32", |value| value.as_i128()?.try_into().ok();
    i64: "i64", |value| value.as_i128()?.try_into().ok();
    i128: "i128", |value| value.as_i128();
    isize: "isize", |value| value.as_i128()?.try_into().ok();
    f32: "f32", variant!(F32);
    f64: "a number", |value| value.as_f64();
    bool: "bool", variant!(Bool);
    char: "char", variant!(Char);
    &'r str: "a string", |value| value.as_whole_str();
    String: "a string", |value| value.as_whole_str().map(str::to_owned);
    Text<'r>: "a string", |value| match value {
        Value::Str(text) | Value::Text(text) => Some(text),
        _ => None,
    };
    Duration: "a duration", variant!(Duration);
    Ipv4Addr: "an IPv4 address", |value| match value {
        Value::Ipv4Addr(it) | Value::IpAddr(IpAddr::V4(it)) => Some(it),
        _ => None,
    };
    Ipv6Addr: "an IPv6 address", |value| match value {
        Value::Ipv6Addr(it) | Value::IpAddr(IpAddr::V6(it)) => Some(it),
        _ => None,
    };
    IpAddr: "an IP address", |value| match value {
        Value::IpAddr(it) => Some(it),
        Value::Ipv4Addr(it) => Some(it.into()),
        Value::Ipv6Addr(it) => Some(it.into()),
        _ => None,
    };
    SocketAddrV4: "an IPv4 socket address", |value| match value {
        Value::SocketAddrV4(it) | Value::SocketAddr(SocketAddr::V4(it)) => Some(it),
        _ => None,
    };
    SocketAddrV6: "an IPv6 socket address", |value| match value {
        Value::SocketAddrV6(it) | Value::SocketAddr(SocketAddr::V6(it)) => Some(it),
        _ => None,
    };
    SocketAddr: "a socket address", |value| match value {
        Value::SocketAddr(it) => Some(it),
        Value::SocketAddrV4(it) => Some(it.into()),
        Value::SocketAddrV6(it) => Some(it.into()),
        _ => None,
    };
}

impl<'r> Value<'r> {
    fn as_whole_str(&self) -> Option<&'r str> {
        match self {
            Self::Str(text) | Self::Text(text) if !text.is_cut() => text.as_str(),
            _ => None,
        }
    }
}

impl<'r> FromValue<'r> for Value<'r> {
    fn from_value(value: Value<'r>) -> Result<Self, ValueError> {
        Ok(value)
    }
}

impl<'r, T: FromValue<'r>> FromValue<'r> for Option<T> {
    fn from_value(value: Value<'r>) -> Result<Self, ValueError> {
        if value.is_none() { Ok(None) } else { T::from_value(value).map(Some) }
    }
}

impl<'r, T: FromValue<'r>> FromValue<'r> for Vec<T> {
    fn from_value(value: Value<'r>) -> Result<Self, ValueError> {
        match value.flattened() {
            Value::Sequence(sequence) if !sequence.is_cut() => {
                sequence.iter().map(T::from_value).collect()
            }
            _ => Err(ValueError::new("a sequence", &value)),
        }
    }
}
