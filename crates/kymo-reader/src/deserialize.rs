//! Values as serde's data model, so that records become types of the program that reads.
//!
//! A struct is a map of its fields, an enum an enum, `Some` is some. What serde has no form for is a string as JSON
//! has it: addresses, pointers, redacted values. A duration is what serde makes of one: `secs` and `nanos`.

use std::fmt;

use kymo_format::types::Fields;
use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use crate::record::Record;
use crate::value::{Enum, Struct, Value};

/// Why the arguments of a record are not a value of the type that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeserializeError(Box<str>);

impl fmt::Display for DeserializeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DeserializeError {}

impl de::Error for DeserializeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string().into())
    }
}

impl<'r> Record<'r> {
    /// The arguments with names as a value of a type of the program: a struct with fields of these names. Needs the
    /// feature `serde`.
    ///
    /// Arguments that the type has no field for are left out, unless it denies unknown fields. Of two arguments with
    /// one name, the first counts. For one argument, see [`Value`], which is a `Deserializer`.
    ///
    /// ```
    /// use kymo_reader::Reader;
    /// use serde::Deserialize;
    ///
    /// #[derive(Debug, PartialEq, Deserialize, kymo::Value)]
    /// struct Order {
    ///     id: u64,
    ///     side: Side,
    /// }
    ///
    /// #[derive(Debug, PartialEq, Deserialize, kymo::Value)]
    /// enum Side {
    ///     Buy,
    ///     Sell { short: bool },
    /// }
    ///
    /// #[derive(Debug, PartialEq, Deserialize)]
    /// struct Filled<'a> {
    ///     order: Order,
    ///     venue: &'a str,
    ///     fee: Option<f64>,
    /// }
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// # let logger = kymo::Logger::builder(&path).start()?;
    /// let order = Order { id: 17, side: Side::Sell { short: true } };
    /// kymo::info!(order, venue = "XETR", fee = None::<f64>; "filled");
    /// # logger.shutdown();
    /// let mut reader = Reader::open(&path)?;
    /// let record = reader.next_record()?.expect("a record");
    /// let filled: Filled<'_> = record.deserialize()?;
    /// assert_eq!(filled, Filled { order, venue: "XETR", fee: None });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If an argument is missing, or is not what the type asks for. The error names it where serde does.
    pub fn deserialize<T: Deserialize<'r>>(&self) -> Result<T, DeserializeError> {
        let mut names: Vec<&str> = Vec::new();
        let arguments = self.arguments().filter(|(name, _)| {
            let is_new = !name.is_empty() && !names.contains(name);
            names.extend(is_new.then_some(*name));
            is_new
        });
        T::deserialize(MapDeserializer::new(arguments))
    }
}

impl<'r> IntoDeserializer<'r, DeserializeError> for Value<'r> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'r> Deserializer<'r> for Value<'r> {
    type Error = DeserializeError;

    fn deserialize_any<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        match self {
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Char(value) => visitor.visit_char(value),
            Self::U8(value) => visitor.visit_u8(value),
            Self::U16(value) => visitor.visit_u16(value),
            Self::U32(value) => visitor.visit_u32(value),
            Self::U64(value) | Self::Pointer(value) => visitor.visit_u64(value),
            Self::U128(value) => visitor.visit_u128(value),
            Self::I8(value) => visitor.visit_i8(value),
            Self::I16(value) => visitor.visit_i16(value),
            Self::I32(value) => visitor.visit_i32(value),
            Self::I64(value) => visitor.visit_i64(value),
            Self::I128(value) => visitor.visit_i128(value),
            Self::F32(value) => visitor.visit_f32(value),
            Self::F64(value) => visitor.visit_f64(value),
            Self::Str(text) | Self::Text(text) | Self::OsStr(text) if text.is_cut() => {
                Err(de::Error::custom("a string that was cut"))
            }
            Self::Str(text) | Self::Text(text) | Self::OsStr(text) => match text.as_str() {
                Some(text) => visitor.visit_borrowed_str(text),
                None => visitor.visit_string(text.to_str().into_owned()),
            },
            Self::Option(None) => visitor.visit_none(),
            Self::Option(Some(inner)) => visitor.visit_some(inner.get()),
            Self::Sequence(list) | Self::Set(list) if list.is_cut() => {
                Err(de::Error::custom("a sequence that was cut"))
            }
            Self::Map(map) if map.is_cut() => Err(de::Error::custom("a map that was cut")),
            Self::Sequence(list) | Self::Set(list) => {
                visitor.visit_seq(SeqDeserializer::new(list.iter()))
            }
            Self::Tuple(tuple) if tuple.is_empty() => visitor.visit_unit(),
            Self::Tuple(tuple) => visitor.visit_seq(SeqDeserializer::new(tuple.iter())),
            Self::Map(map) => visitor.visit_map(MapDeserializer::new(map.iter())),
            Self::Duration(value) => {
                let (seconds, nanos) = (value.as_secs(), value.subsec_nanos());
                let members = [("secs", Self::U64(seconds)), ("nanos", Self::U32(nanos))];
                visitor.visit_map(MapDeserializer::new(members.into_iter()))
            }
            Self::Range(range) => {
                let [start, end] = range.bounds();
                let members = [("start", start), ("end", end)];
                visitor.visit_map(MapDeserializer::new(members.into_iter()))
            }
            Self::Struct(inner) => structure(&inner, visitor),
            Self::Enum(_) | Self::Result(_) => visitor.visit_enum(Tagged(self)),
            // Addresses, orderings, texts that the program formatted, and what is redacted.
            _ => visitor.visit_string(self.to_string()),
        }
    }

    /// What is not an `Option` is some.
    fn deserialize_option<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        match self {
            Self::Option(_) => self.deserialize_any(visitor),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'r>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        match self {
            Self::Option(Some(inner)) => inner.get().deserialize_enum(name, variants, visitor),
            Self::Str(text) | Self::Text(text) => {
                visitor.visit_enum(text.to_str().into_owned().into_deserializer())
            }
            Self::Ordering(_) => visitor.visit_enum(self.to_string().into_deserializer()),
            _ => visitor.visit_enum(Tagged(self)),
        }
    }

    /// A newtype around a value is that value, whether it was logged with its name or without.
    fn deserialize_newtype_struct<V: Visitor<'r>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        match self {
            Self::Struct(inner) if inner.kind() == Fields::Tuple && inner.len() == 1 => {
                visitor.visit_newtype_struct(inner.iter().next().unwrap_or(self))
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    /// What nobody asks for is not looked at: it may have been cut.
    fn deserialize_ignored_any<V: Visitor<'r>>(
        self,
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        <W: Visitor<'r>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier
    }
}

/// A struct is a map; without names, it is a sequence, or a unit.
fn structure<'r, V: Visitor<'r>>(
    inner: &Struct<'r>,
    visitor: V,
) -> Result<V::Value, DeserializeError> {
    match inner.kind() {
        Fields::Unit => visitor.visit_unit(),
        Fields::Tuple => visitor.visit_seq(SeqDeserializer::new(inner.iter())),
        Fields::Named => {
            let fields = inner.fields().map(|(field, value)| (field.name, value));
            visitor.visit_map(MapDeserializer::new(fields))
        }
    }
}

/// An enum, or a `Result`.
struct Tagged<'r>(Value<'r>);

/// The content of a variant.
enum Content<'r> {
    Of(Enum<'r>),
    /// That of `Ok` or `Err`.
    One(Value<'r>),
}

impl<'r> EnumAccess<'r> for Tagged<'r> {
    type Error = DeserializeError;
    type Variant = Content<'r>;

    fn variant_seed<V: DeserializeSeed<'r>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Content<'r>), DeserializeError> {
        let (name, content) = match self.0 {
            Value::Enum(inner) => (inner.variant().name(), Content::Of(inner)),
            Value::Result(Ok(inner)) => ("Ok", Content::One(inner.get())),
            Value::Result(Err(inner)) => ("Err", Content::One(inner.get())),
            other => {
                let message = format!("expected an enum, found {other}");
                return Err(de::Error::custom(message));
            }
        };
        let tag = StrDeserializer::<DeserializeError>::new(name);
        Ok((seed.deserialize(tag)?, content))
    }
}

impl<'r> Content<'r> {
    fn visit<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        match self {
            Self::Of(inner) => structure(&inner.variant(), visitor),
            Self::One(value) => value.deserialize_any(visitor),
        }
    }
}

impl<'r> VariantAccess<'r> for Content<'r> {
    type Error = DeserializeError;

    fn unit_variant(self) -> Result<(), DeserializeError> {
        match self {
            Self::Of(inner) if inner.variant().is_empty() => Ok(()),
            _ => Err(de::Error::custom("expected a variant without fields")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'r>>(
        self,
        seed: T,
    ) -> Result<T::Value, DeserializeError> {
        let value = match self {
            Self::One(value) => Some(value),
            Self::Of(inner) => inner.variant().iter().next().filter(|_| inner.variant().len() == 1),
        };
        seed.deserialize(
            value.ok_or_else(|| de::Error::custom("expected a variant with one field"))?,
        )
    }

    fn tuple_variant<V: Visitor<'r>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        self.visit(visitor)
    }

    fn struct_variant<V: Visitor<'r>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        self.visit(visitor)
    }
}
