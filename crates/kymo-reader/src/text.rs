//! From a value to text: what `format!` would have printed, byte for byte.
//!
//! Strings, integers and floats under a plain `{}` have paths of their own, which allocate nothing
//! and never enter `core::fmt`. Everything else goes through [`Renderer`]: it lays out compound
//! values and pads, and lets `core::fmt` write the leaves that it would be folly to imitate. A fill
//! character that is known only now cannot be handed to `core::fmt`, which is why padding is done
//! here.

mod leaf;
pub(crate) mod line;
mod number;
mod own;

use crate::types::{FieldType, Type};
use crate::value::decode::{take, take_bytes, take_varint, take_zigzag};
use crate::value::{Malformed, Map, Text, Value};
use leaf::write_leaf;
use line::{Line, Whole, is_ascii};
use number::write_f64;

/// The longest text of one message, in bytes. Rendering stops at the first member or placeholder past
/// it, and appends `…`. Only a hostile file or a great width gets there, for a record has at most
/// 32 KiB.
pub(crate) const MAX_TEXT_BYTES: usize = 1 << 24;

/// The position of text within its padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Center,
    Right,
}

/// The trait that a placeholder names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Display,
    Debug,
    /// `{:x?}`
    DebugLowerHex,
    /// `{:X?}`
    DebugUpperHex,
    LowerHex,
    UpperHex,
    Octal,
    Binary,
    LowerExp,
    UpperExp,
    Pointer,
}

impl Style {
    /// Whether the trait is `Debug`, in whichever base.
    fn is_debug(self) -> bool {
        matches!(self, Self::Debug | Self::DebugLowerHex | Self::DebugUpperHex)
    }
}

/// How a value is to be rendered: a placeholder whose width and precision are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    pub style: Style,
    pub fill: char,
    pub align: Option<Align>,
    pub plus: bool,
    pub alternate: bool,
    pub zero: bool,
    pub width: Option<u16>,
    pub precision: Option<u16>,
}

impl Spec {
    /// That of `{}`.
    pub const PLAIN: Self = Self {
        style: Style::Display,
        fill: ' ',
        align: None,
        plus: false,
        alternate: false,
        zero: false,
        width: None,
        precision: None,
    };

    /// The spec for the members of a compound value, which are rendered by `Debug`.
    fn within(self) -> Self {
        let style = match self.style {
            Style::DebugLowerHex | Style::LowerHex => Style::DebugLowerHex,
            Style::DebugUpperHex | Style::UpperHex => Style::DebugUpperHex,
            _ => Style::Debug,
        };
        Self { style, ..self }
    }
}

/// Appends what `{}` prints.
#[inline]
pub(crate) fn write_plain(value: &Value<'_>, out: &mut String) {
    match value {
        Value::U64(value) => out.push_str(itoa::Buffer::new().format(*value)),
        Value::F64(value) => write_f64(*value, out),
        Value::Str(text) | Value::Text(text) => write_text_plain(text, out),
        Value::I64(value) => out.push_str(itoa::Buffer::new().format(*value)),
        Value::U32(value) => out.push_str(itoa::Buffer::new().format(*value)),
        Value::I32(value) => out.push_str(itoa::Buffer::new().format(*value)),
        _ => write_value(value, &Spec::PLAIN, out),
    }
}

/// Decodes a value of this type from the beginning of `bytes` and appends what `{}` prints. It is
/// [`write_plain`] after [`Type::decode`], but for the commonest types nothing is stored in
/// between.
#[inline(always)]
pub(crate) fn write_encoded_plain<'a>(
    ty: &'a Type,
    bytes: &mut &'a [u8],
    line: &mut Line<'_>,
) -> Result<(), Malformed> {
    match ty {
        Type::U64 | Type::Usize => line.unsigned(take_varint(bytes)?),
        Type::F64 => {
            let value = f64::from_le_bytes(take(bytes)?);
            if !line.float(value, Whole::Bare) {
                write_f64(value, line.out());
            }
        }
        Type::Str | Type::Text => {
            let (text, cut) = take_bytes(bytes)?;
            if cut || !line.short(text, is_ascii) {
                write_text_plain(&Text::from_bytes(text, cut), line.out());
            }
        }
        Type::I64 | Type::Isize => line.signed(take_zigzag(bytes)?),
        _ => write_plain(&ty.decode(bytes)?, line.out()),
    }
    Ok(())
}

#[inline]
pub(crate) fn write_text_plain(text: &Text<'_>, out: &mut String) {
    out.push_str(&text.to_str());
    if text.is_cut() {
        out.push('…');
    }
}

/// Appends what a placeholder with this spec prints. A trait that the type lacks, which no program
/// that compiles has logged, gives way to `Display`, or to `Debug` for a compound value.
pub(crate) fn write_value(value: &Value<'_>, spec: &Spec, out: &mut String) {
    let limit = out.len() + MAX_TEXT_BYTES;
    Renderer { spec: *spec, out, limit, depth: 0, placeholders: MAX_PLACEHOLDERS }.value(value);
}

/// The most placeholders that the format strings within one value may print. Only a hostile file gets there: formats
/// that print formats grow with their depth.
const MAX_PLACEHOLDERS: usize = 1 << 16;

/// What precedes a member.
enum Label<'a> {
    None,
    Key(Value<'a>),
    Field(FieldType<'a>),
}

/// The rendering of one value and what is inside it.
struct Renderer<'o> {
    spec: Spec,
    out: &'o mut String,
    /// The length of `out` at which no further member is begun.
    limit: usize,
    /// How many compound values are open.
    depth: usize,
    /// How many placeholders of structs may yet be printed.
    placeholders: usize,
}

impl Renderer<'_> {
    fn value(&mut self, value: &Value<'_>) {
        match value {
            Value::Option(Some(inner)) => {
                self.members(std::iter::once(inner.get()), "Some(", false, ")", ")");
            }
            Value::Sequence(sequence) => {
                self.members(sequence.iter(), "[", sequence.is_cut(), "]", "]");
            }
            Value::Set(set) => self.members(set.iter(), "{", set.is_cut(), "}", "}"),
            Value::Map(map) => self.entries(map),
            Value::Result(result) => {
                let (open, inner) = match result {
                    Ok(value) => ("Ok(", value),
                    Err(error) => ("Err(", error),
                };
                self.members(std::iter::once(inner.get()), open, false, ")", ")");
            }
            Value::Range(range) => {
                let [start, end] = range.bounds();
                self.value(&start);
                self.out.push_str(if range.is_inclusive() { "..=" } else { ".." });
                self.value(&end);
                self.out.push_str(if range.is_exhausted() { " (exhausted)" } else { "" });
            }
            Value::Tuple(tuple) if !tuple.is_empty() => {
                let close = if tuple.len() == 1 { ",)" } else { ")" };
                self.members(tuple.iter(), "(", false, close, ")");
            }
            Value::Struct(inner) => self.structure(inner, None),
            Value::Enum(inner) => self.structure(&inner.variant(), Some(inner)),
            _ => self.leaf(value),
        }
    }

    /// Writes the members between `open` and `close`, or `close_pretty` if each is on a line
    /// of its own.
    fn members<'a>(
        &mut self,
        members: impl IntoIterator<Item = Value<'a>>,
        open: &str,
        cut: bool,
        close: &str,
        close_pretty: &str,
    ) {
        let members = members.into_iter().map(|member| (Label::None, member));
        self.pairs(members, open, cut, close, close_pretty);
    }

    fn entries(&mut self, map: &Map<'_>) {
        let entries = map.iter().map(|(key, value)| (Label::Key(key), value));
        self.pairs(entries, "{", map.is_cut(), "}", "}");
    }

    /// As [`members`](Self::members); some have a key or a name.
    fn pairs<'a>(
        &mut self,
        members: impl Iterator<Item = (Label<'a>, Value<'a>)>,
        open: &str,
        cut: bool,
        close: &str,
        close_pretty: &str,
    ) {
        let outer = self.spec;
        let pretty = outer.alternate;
        self.spec = outer.within();
        self.out.push_str(open);
        self.depth += 1;
        let mut empty = true;
        let mut cut = cut;
        for (label, member) in members {
            if self.out.len() >= self.limit {
                cut = true;
                break;
            }
            self.separator(&mut empty);
            match label {
                Label::None => self.value(&member),
                Label::Key(key) => {
                    self.value(&key);
                    self.out.push_str(": ");
                    self.value(&member);
                }
                Label::Field(field) => self.field(field, &member),
            }
            self.out.push_str(if pretty { ",\n" } else { "" });
        }
        if cut {
            self.separator(&mut empty);
            self.out.push_str(if pretty { "…\n" } else { "…" });
        }
        self.depth -= 1;
        if pretty && !empty {
            self.indent();
        }
        self.out.push_str(if pretty { close_pretty } else { close });
        self.spec = outer;
    }

    /// Writes the separator before a member.
    fn separator(&mut self, first: &mut bool) {
        let first = std::mem::take(first);
        if self.spec.alternate {
            self.out.push_str(if first { "\n" } else { "" });
            self.indent();
        } else if !first {
            self.out.push_str(", ");
        }
    }

    fn indent(&mut self) {
        (0..self.depth).for_each(|_| self.out.push_str("    "));
    }

    fn leaf(&mut self, value: &Value<'_>) {
        let start = self.out.len();
        write_leaf(value, &self.spec, self.out);
        if self.depth > 0 && self.spec.alternate && self.out[start..].contains('\n') {
            let indented = format!("\n{}", "    ".repeat(self.depth));
            let text = self.out[start..].replace('\n', &indented);
            self.out.truncate(start);
            self.out.push_str(&text);
        }
    }
}
