//! Structs and enums: types with names, which a program derives `kymo::Value` for.
//!
//! Generic code makes them, as constants. It cannot put two lists of constants together, so lists are trees here:
//! `Both` is the list of the one followed by that of the other. In a file they are flat.

use super::Type;
use crate::frame::put_str;
use crate::varint;

/// A struct, or a variant of an enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Struct {
    /// Its name.
    pub name: &'static str,
    /// How its fields are written.
    pub kind: Fields,
    /// What `{}` prints, if not what `{:?}` does: a format string whose arguments are the fields, by position.
    pub format: Option<&'static str>,
    /// Names and hints of the fields.
    pub fields: &'static [Field],
    /// The types of the fields, as many.
    pub types: Members,
}

/// How the fields of a struct are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Fields {
    /// `Name`
    Unit = 0,
    /// `Name(a, b)`
    Tuple = 1,
    /// `Name { a, b }`
    Named = 2,
}

impl Fields {
    /// The bit beside the code of the kind that says that a format string follows.
    pub const HAS_FORMAT: u8 = 4;

    /// The kind with this code.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Unit,
            1 => Self::Tuple,
            2 => Self::Named,
            _ => return None,
        })
    }
}

/// What is said of a field beside its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name; empty in a tuple struct.
    pub name: &'static str,
    /// How text shows it.
    pub hint: Hint,
}

/// How text shows a field. Filters and JSON take the value as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// As its type says.
    None,
    /// Integers in hexadecimal.
    Hex,
    /// With this unit after it.
    Unit(&'static str),
}

/// The codes of hints in the dictionary.
#[allow(missing_docs, reason = "each is the code of the hint of its name")]
pub mod hint {
    pub const NONE: u8 = 0;
    pub const HEX: u8 = 1;
    pub const UNIT: u8 = 2;
}

/// A list of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Members {
    /// These.
    Listed(&'static [Type]),
    /// The first list, and then the second.
    Both(&'static Members, &'static Members),
}

impl Members {
    /// No type.
    pub const NONE: Self = Self::Listed(&[]);

    /// Returns how many types there are.
    pub const fn count(&self) -> usize {
        match self {
            Self::Listed(types) => types.len(),
            Self::Both(first, second) => first.count() + second.count(),
        }
    }

    /// Calls `each` with the types, in order, until it fails.
    pub fn try_each<E>(
        &'static self,
        each: &mut impl FnMut(&'static Type) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Listed(types) => types.iter().try_for_each(each),
            Self::Both(first, second) => {
                first.try_each(each)?;
                second.try_each(each)
            }
        }
    }

    /// Calls `each` with the types, in order.
    pub fn each(&'static self, each: &mut impl FnMut(&'static Type)) {
        let Ok(()) = self.try_each::<std::convert::Infallible>(&mut |ty| {
            each(ty);
            Ok(())
        });
    }
}

/// An enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enum {
    /// Its name.
    pub name: &'static str,
    /// Its variants, in the order of the source.
    pub variants: Variants,
}

/// A list of variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variants {
    /// These.
    Listed(&'static [Struct]),
    /// The first list, and then the second.
    Both(&'static Variants, &'static Variants),
}

impl Variants {
    /// Returns how many variants there are.
    pub const fn count(&self) -> usize {
        match self {
            Self::Listed(variants) => variants.len(),
            Self::Both(first, second) => first.count() + second.count(),
        }
    }

    /// Returns the variant at this position.
    pub fn get(&self, index: usize) -> Option<&'static Struct> {
        match self {
            Self::Listed(variants) => variants.get(index),
            Self::Both(first, second) => match index.checked_sub(first.count()) {
                Some(index) => second.get(index),
                None => first.get(index),
            },
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Listed(variants) => variants.iter().for_each(|variant| variant.put(out)),
            Self::Both(first, second) => {
                first.put(out);
                second.put(out);
            }
        }
    }
}

impl Struct {
    /// Appends it in the dictionary's notation, without its code.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_str(out, self.name);
        let has_format = if self.format.is_some() { Fields::HAS_FORMAT } else { 0 };
        out.push(self.kind as u8 | has_format);
        if let Some(format) = self.format {
            put_str(out, format);
        }
        varint::put(out, self.fields.len() as u64);
        let mut fields = self.fields.iter();
        self.put_members(&self.types, &mut fields, out);
    }

    fn put_members<'f>(
        &self,
        members: &Members,
        fields: &mut impl Iterator<Item = &'f Field>,
        out: &mut Vec<u8>,
    ) {
        match members {
            Members::Listed(types) => {
                for (ty, field) in types.iter().zip(fields.by_ref()) {
                    field.put(self.kind, out);
                    ty.put(out);
                }
            }
            Members::Both(first, second) => {
                self.put_members(first, fields, out);
                self.put_members(second, fields, out);
            }
        }
    }
}

impl Field {
    fn put(&self, kind: Fields, out: &mut Vec<u8>) {
        if kind == Fields::Named {
            put_str(out, self.name);
        }
        match self.hint {
            Hint::None => out.push(hint::NONE),
            Hint::Hex => out.push(hint::HEX),
            Hint::Unit(unit) => {
                out.push(hint::UNIT);
                put_str(out, unit);
            }
        }
    }
}

impl Enum {
    /// Appends it in the dictionary's notation, without its code.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_str(out, self.name);
        varint::put(out, self.variants.count() as u64);
        self.variants.put(out);
    }
}

/// How large a type is. The format has a limit on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// How deep it is nested, itself included.
    pub depth: usize,
    /// Of how many types it is made, itself included. A variant counts as one.
    pub members: usize,
    /// Its length in bytes in the dictionary.
    pub bytes: usize,
}

impl Size {
    const NONE: Self = Self { depth: 0, members: 0, bytes: 0 };

    const fn beside(self, other: Self) -> Self {
        let depth = if self.depth > other.depth { self.depth } else { other.depth };
        Self { depth, members: self.members + other.members, bytes: self.bytes + other.bytes }
    }

    const fn of_types(mut types: &[Type]) -> Self {
        let mut size = Self::NONE;
        while let Some((first, rest)) = types.split_first() {
            size = size.beside(first.size());
            types = rest;
        }
        size
    }

    const fn of_members(members: &Members) -> Self {
        match members {
            Members::Listed(types) => Self::of_types(types),
            Members::Both(first, second) => {
                Self::of_members(first).beside(Self::of_members(second))
            }
        }
    }

    const fn of_struct(of: &Struct) -> Self {
        let mut size = Self::of_members(&of.types);
        size.bytes += text_bytes(of.name) + 1 + varint_bytes(of.fields.len());
        if let Some(format) = of.format {
            size.bytes += text_bytes(format);
        }
        let mut fields = of.fields;
        while let Some((first, rest)) = fields.split_first() {
            size.bytes += match first.hint {
                Hint::None | Hint::Hex => 1,
                Hint::Unit(unit) => 1 + text_bytes(unit),
            };
            if let Fields::Named = of.kind {
                size.bytes += text_bytes(first.name);
            }
            fields = rest;
        }
        size
    }

    const fn of_variants(variants: &Variants) -> Self {
        match variants {
            Variants::Listed(variants) => {
                let (mut variants, mut size) = (*variants, Self::NONE);
                while let Some((first, rest)) = variants.split_first() {
                    size = size.beside(Self::of_struct(first));
                    size.members += 1;
                    variants = rest;
                }
                size
            }
            Variants::Both(first, second) => {
                Self::of_variants(first).beside(Self::of_variants(second))
            }
        }
    }
}

/// The length of a varint for a length.
const fn varint_bytes(value: usize) -> usize {
    let bits = (usize::BITS - value.leading_zeros()) as usize;
    let bytes = bits.div_ceil(7);
    match bytes {
        0 => 1,
        1..=8 => bytes,
        _ => varint::MAX_BYTES,
    }
}

const fn text_bytes(text: &str) -> usize {
    varint_bytes(text.len()) + text.len()
}

impl Type {
    /// Returns how large the type is.
    pub const fn size(&self) -> Size {
        let inside = match self {
            Self::Struct(inner) => Size::of_struct(inner),
            Self::Enum(inner) => {
                let mut size = Size::of_variants(&inner.variants);
                size.bytes += text_bytes(inner.name) + varint_bytes(inner.variants.count());
                size
            }
            Self::Tuple(_) | Self::Formatted(_) => {
                let mut size = Size::of_types(self.inside());
                size.bytes += 1;
                size
            }
            _ => Size::of_types(self.inside()),
        };
        Size { depth: inside.depth + 1, members: inside.members + 1, bytes: inside.bytes + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINT: Type = Type::Struct(&Struct {
        name: "Point",
        kind: Fields::Named,
        format: Some("{0}/{1}"),
        fields: &[
            Field { name: "x", hint: Hint::Hex },
            Field { name: "y", hint: Hint::Unit("ns") },
            Field { name: "z", hint: Hint::None },
        ],
        types: Members::Both(
            &Members::Listed(&[Type::U8]),
            &Members::Both(
                &Members::Listed(&[Type::Option(&Type::Str)]),
                &Members::Listed(&[Type::Redacted]),
            ),
        ),
    });

    const fn variant(name: &'static str, types: &'static [Type]) -> Struct {
        const FIELD: Field = Field { name: "", hint: Hint::None };
        let fields: &'static [Field] = if types.is_empty() { &[] } else { &[FIELD] };
        let kind = if types.is_empty() { Fields::Unit } else { Fields::Tuple };
        Struct { name, kind, format: None, fields, types: Members::Listed(types) }
    }

    const EITHER: Type = Type::Enum(&Enum {
        name: "Either",
        variants: Variants::Both(
            &Variants::Listed(&[variant("No", &[])]),
            &Variants::Listed(&[
                variant("At", &[POINT]),
                variant("Far", &[Type::Tuple(&[Type::U8])]),
            ]),
        ),
    });

    #[test]
    fn sizes_are_those_of_the_bytes() {
        let long = "x".repeat(20_000).leak();
        let named = Struct {
            name: long,
            kind: Fields::Unit,
            format: None,
            fields: &[],
            types: Members::NONE,
        };
        let named = Type::Struct(Box::leak(Box::new(named)));
        for (ty, depth, members) in
            [(POINT, 3, 5), (EITHER, 4, 11), (Type::Formatted(3), 1, 1), (named, 1, 1)]
        {
            let mut bytes = Vec::new();
            ty.put(&mut bytes);
            assert_eq!(ty.size(), Size { depth, members, bytes: bytes.len() }, "{ty:?}");
        }
    }

    #[test]
    fn variants_are_in_order() {
        let Type::Enum(either) = EITHER else { unreachable!() };
        let name = |at| either.variants.get(at).map(|variant| variant.name);
        assert_eq!([0, 1, 2, 3].map(name), [Some("No"), Some("At"), Some("Far"), None]);
    }
}
