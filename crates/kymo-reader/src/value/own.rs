//! Values of structs and enums of the logging program.

use kymo_format::types::Fields;

use super::{Types, Value, Values};
use crate::types::{EnumType, FieldType, StructType};

/// A struct, or the variant that an enum is: its fields.
///
/// ```
/// use kymo_reader::{Type, Value};
/// let ty = Type::parse(b"\x88\x03P\x02\x05\x03x\0\x10\x03y\0\x10").expect("a struct with x and y");
/// let Value::Struct(point) = ty.decode(&mut [3, 4].as_slice())? else { unreachable!() };
/// assert_eq!((point.name(), point.get("y")), ("P", Some(Value::U8(4))));
/// assert_eq!(Value::Struct(point).to_string(), "P { x: 3, y: 4 }");
/// # Ok::<(), kymo_reader::Malformed>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Struct<'a> {
    pub(super) ty: &'a StructType,
    pub(super) bytes: &'a [u8],
}

impl<'a> Struct<'a> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        self.ty.name()
    }

    /// How its fields are written.
    pub fn kind(&self) -> Fields {
        self.ty.kind()
    }

    /// Its type: names and types of the fields.
    pub fn struct_type(&self) -> &'a StructType {
        self.ty
    }

    /// The number of its fields.
    pub fn len(&self) -> usize {
        self.ty.types().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Decodes the fields one by one.
    pub fn iter(&self) -> Values<'a> {
        Values { types: Types::Each(self.ty.types()), bytes: self.bytes }
    }

    /// The fields with their names and hints.
    pub fn fields(&self) -> impl Iterator<Item = (FieldType<'a>, Value<'a>)> + use<'a> {
        self.ty.fields().zip(self.iter())
    }

    /// The field with this name. Fields without names are called by their positions, from 0.
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        self.iter().nth(self.ty.position(name)?)
    }
}

/// An enum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Enum<'a> {
    pub(super) ty: &'a EnumType,
    pub(super) variant: Struct<'a>,
}

impl<'a> Enum<'a> {
    /// The name of the enum.
    pub fn name(&self) -> &'a str {
        self.ty.name()
    }

    /// Its type: all variants.
    pub fn enum_type(&self) -> &'a EnumType {
        self.ty
    }

    /// The variant that it is.
    pub fn variant(&self) -> Struct<'a> {
        self.variant
    }
}

impl<'a> Value<'a> {
    /// The value at the end of a path of fields: `px`, `legs.0.px`.
    ///
    /// A field of an enum is that of the variant that it is, with the variant's name before it or without. Members of
    /// a tuple are called by their positions. `Some` and `Ok` are passed through. Returns `None` if there is no such
    /// field.
    ///
    /// ```
    /// use kymo_reader::{Type, Value};
    /// let ty = b"\x80\x88\x03P\x02\x05\x03x\0\x10\x03y\0\x82\x01\x10";
    /// let ty = Type::parse(ty).expect("an Option of a struct with x and y");
    /// let point = ty.decode(&mut [1, 3, 4].as_slice())?;
    /// assert_eq!(point.at_path("x"), Some(Value::U8(3)));
    /// assert_eq!(point.at_path("y.0"), Some(Value::U8(4)));
    /// assert_eq!(point.at_path("z"), None);
    /// # Ok::<(), kymo_reader::Malformed>(())
    /// ```
    pub fn at_path(self, path: &str) -> Option<Self> {
        let mut value = self;
        if path.is_empty() {
            return Some(value);
        }
        for name in path.split('.') {
            value = value.field(name)?;
        }
        Some(value)
    }

    fn field(self, name: &str) -> Option<Self> {
        match self.flattened() {
            Self::Struct(inner) => inner.get(name),
            Self::Enum(inner) => {
                let variant = inner.variant();
                let whole = || (variant.name() == name).then_some(Self::Struct(variant));
                variant.get(name).or_else(whole)
            }
            Self::Tuple(tuple) => tuple.iter().nth(name.parse().ok()?),
            Self::Result(Ok(inner)) => inner.get().field(name),
            _ => None,
        }
    }
}
