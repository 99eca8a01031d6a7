//! Structs and enums of the logging program, as the dictionary of a file describes them.

use std::hash::{Hash, Hasher};

use kymo_format::frame::put_str;
use kymo_format::types::{Fields, hint};
use kymo_format::varint;

use super::{Type, next};
use crate::template::Template;

/// A struct, or a variant of an enum: its name and its fields.
///
/// ```
/// use kymo_reader::Type;
/// // A struct `P` with the fields `x` and `y`, both u8.
/// let Some(Type::Struct(point)) = Type::parse(b"\x88\x03P\x02\x05\x03x\0\x10\x03y\0\x10") else {
///     panic!("a struct")
/// };
/// let fields = point.fields().map(|field| (field.name, field.ty));
/// assert_eq!((point.name(), fields.collect()), ("P", vec![("x", &Type::U8), ("y", &Type::U8)]));
/// ```
#[derive(Clone, Debug)]
pub struct StructType {
    name: Box<str>,
    kind: Fields,
    format: Option<Format>,
    labels: Box<[Label]>,
    /// As many as there are labels.
    types: Box<[Type]>,
}

/// What `{}` prints.
#[derive(Clone, Debug)]
struct Format {
    written: Box<str>,
    /// `None` if it is none that can be printed.
    template: Option<Template>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Label {
    name: Box<str>,
    hint: Hint,
}

/// How text shows a field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hint {
    /// As its type says.
    None,
    /// An integer in hexadecimal: `0x1f`.
    Hex,
    /// With this unit after it: `12ns`.
    Unit(Box<str>),
}

/// A field of a struct or a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldType<'t> {
    /// Its name; empty if it has none.
    pub name: &'t str,
    /// How text shows it.
    pub hint: &'t Hint,
    /// Its type.
    pub ty: &'t Type,
}

impl StructType {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its fields are written.
    pub fn kind(&self) -> Fields {
        self.kind
    }

    /// Its fields, in order.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = FieldType<'_>> {
        let of = |(label, ty)| {
            let Label { name, hint }: &Label = label;
            FieldType { name, hint, ty }
        };
        self.labels.iter().zip(&self.types).map(of)
    }

    /// The position of the field with this name. Fields without names are called by their positions, from 0.
    pub fn position(&self, name: &str) -> Option<usize> {
        match self.kind {
            Fields::Named => self.labels.iter().position(|label| *label.name == *name),
            _ => name.parse().ok().filter(|at| *at < self.types.len()),
        }
    }

    /// Whether values of it can have a value at the end of this path.
    pub(super) fn has_path(&self, path: &str) -> bool {
        if path.is_empty() {
            return true;
        }
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        let ty = self.position(name).and_then(|at| self.types.get(at));
        ty.is_some_and(|ty| ty.has_path(rest))
    }

    /// The format string of `{}`, if there is one. Its arguments are the fields by their positions.
    pub fn format(&self) -> Option<&str> {
        self.format.as_ref().map(|format| &*format.written)
    }

    /// The types of its fields.
    pub(crate) fn types(&self) -> &[Type] {
        &self.types
    }

    pub(crate) fn template(&self) -> Option<&Template> {
        self.format.as_ref()?.template.as_ref()
    }

    /// Parses it without its code. `left` is of how many types it may yet be made.
    pub(super) fn parse(bytes: &mut &[u8], depth: usize, left: &mut usize) -> Option<Self> {
        let name = text(bytes)?;
        let code = next(bytes)?;
        let kind = Fields::from_code(code & !Fields::HAS_FORMAT)?;
        let written = match code & Fields::HAS_FORMAT {
            0 => None,
            _ => Some(text(bytes)?),
        };
        let count = number(bytes)?;
        if kind == Fields::Unit && count > 0 {
            return None;
        }
        let (mut labels, mut types) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let name = if kind == Fields::Named { text(bytes)? } else { Box::default() };
            let hint = match next(bytes)? {
                hint::NONE => Hint::None,
                hint::HEX => Hint::Hex,
                hint::UNIT => Hint::Unit(text(bytes)?),
                _ => return None,
            };
            labels.push(Label { name, hint });
            types.push(Type::parse_prefix(bytes, depth, left)?);
        }
        let format = written.map(|written| {
            let template = Template::of_fields(&written, types.len());
            Format { written, template }
        });
        Some(Self { name, kind, format, labels: labels.into(), types: types.into() })
    }

    /// Appends it in the dictionary's notation, without its code.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_str(out, &self.name);
        let has_format = if self.format.is_some() { Fields::HAS_FORMAT } else { 0 };
        out.push(self.kind as u8 | has_format);
        if let Some(format) = &self.format {
            put_str(out, &format.written);
        }
        varint::put(out, self.types.len() as u64);
        for FieldType { name, hint, ty } in self.fields() {
            if self.kind == Fields::Named {
                put_str(out, name);
            }
            match hint {
                Hint::None => out.push(hint::NONE),
                Hint::Hex => out.push(hint::HEX),
                Hint::Unit(unit) => {
                    out.push(hint::UNIT);
                    put_str(out, unit);
                }
            }
            ty.put(out);
        }
    }
}

/// The template follows from the string.
impl PartialEq for StructType {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.kind == other.kind
            && self.format() == other.format()
            && self.labels == other.labels
            && self.types == other.types
    }
}

impl Eq for StructType {}

impl Hash for StructType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.kind.hash(state);
        self.format().hash(state);
        self.labels.hash(state);
        self.types.hash(state);
    }
}

/// An enum: its name and its variants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnumType {
    name: Box<str>,
    variants: Box<[StructType]>,
}

impl EnumType {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its variants, in order.
    pub fn variants(&self) -> &[StructType] {
        &self.variants
    }

    /// Whether `{}` prints it otherwise than `{:?}`.
    pub(crate) fn has_format(&self) -> bool {
        self.variants.iter().any(|variant| variant.format.is_some())
    }

    /// Parses it without its code.
    pub(super) fn parse(bytes: &mut &[u8], depth: usize, left: &mut usize) -> Option<Self> {
        let name = text(bytes)?;
        let mut variants = Vec::new();
        for _ in 0..number(bytes)? {
            *left = left.checked_sub(1)?;
            variants.push(StructType::parse(bytes, depth, left)?);
        }
        Some(Self { name, variants: variants.into() })
    }

    /// Appends it in the dictionary's notation, without its code.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_str(out, &self.name);
        varint::put(out, self.variants.len() as u64);
        self.variants.iter().for_each(|variant| variant.put(out));
    }
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (value, len) = varint::get(bytes)?;
    *bytes = bytes.get(len..)?;
    Some(value)
}

/// Takes a name, and replaces invalid UTF-8 in it.
fn text(bytes: &mut &[u8]) -> Option<Box<str>> {
    let len = usize::try_from(number(bytes)?).ok()?;
    let (text, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(String::from_utf8_lossy(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kymo_format::types as written;
    use kymo_format::types::{Members, Variants};

    const PRICE: written::Struct = written::Struct {
        name: "Price",
        kind: Fields::Named,
        format: Some("{0:.2}"),
        fields: &[
            written::Field { name: "px", hint: written::Hint::Unit("EUR") },
            written::Field { name: "flags", hint: written::Hint::Hex },
        ],
        types: Members::Both(
            &Members::Listed(&[written::Type::F64]),
            &Members::Listed(&[written::Type::U8]),
        ),
    };
    const GONE: written::Struct = written::Struct {
        name: "Gone",
        kind: Fields::Unit,
        format: None,
        fields: &[],
        types: Members::NONE,
    };

    fn bytes(ty: written::Type) -> Vec<u8> {
        let mut bytes = Vec::new();
        ty.put(&mut bytes);
        bytes
    }

    #[test]
    fn structs_and_enums_round_trip() {
        const EITHER: written::Enum =
            written::Enum { name: "Either", variants: Variants::Listed(&[PRICE, GONE]) };
        for ty in [written::Type::Struct(&PRICE), written::Type::Enum(&EITHER)] {
            let bytes = bytes(ty);
            let ty = Type::parse(&bytes).expect("a type");
            let mut again = Vec::new();
            ty.put(&mut again);
            assert_eq!(again, bytes);
            // Nothing of it can be missing.
            for len in 0..bytes.len() {
                assert_eq!(Type::parse(&bytes[..len]), None, "{len}");
            }
        }
    }

    #[test]
    fn fields_are_found_by_name_or_position() {
        let Some(Type::Struct(price)) = Type::parse(&bytes(written::Type::Struct(&PRICE))) else {
            panic!("a struct")
        };
        assert_eq!((price.position("flags"), price.position("0")), (Some(1), None));
        let pair = Type::parse(b"\x88\x03P\x01\x05\0\x10\0\x10");
        let Some(Type::Struct(pair)) = pair else { panic!("a struct") };
        assert_eq!((pair.position("1"), pair.position("2")), (Some(1), None));
    }

    /// Types without end, and those that claim more than there is, cost no more than their bytes.
    #[test]
    fn hostile_descriptions_are_refused() {
        let open = b"\x88\x03P\x02\x03\x03x\0";
        assert_eq!(Type::parse(&open.repeat(100_000)), None);
        let mut many = b"\x89\x03E".to_vec();
        varint::put(&mut many, u64::MAX);
        many.extend(b"\x03V\0\x01".repeat(100_000));
        assert_eq!(Type::parse(&many), None);
        let mut fields = b"\x88\x03P\x01".to_vec();
        varint::put(&mut fields, u64::MAX);
        fields.extend(b"\0\x10".repeat(100_000));
        assert_eq!(Type::parse(&fields), None);
        // A unit has no fields; a hint that is none.
        assert_eq!(Type::parse(b"\x88\x03P\0\x03\0\x10"), None);
        assert_eq!(Type::parse(b"\x88\x03P\x01\x03\x09\x10"), None);
        assert_eq!(Type::parse(b"\x88\x03P\x03\x01"), None);
    }
}
