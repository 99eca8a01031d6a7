//! A format string, parsed once for each call site, and the rendering of its records.
//!
//! The pieces are laid out for the common case: literal text, a plain `{}`, literal text.
//! Placeholders that say more have their spec in a list of their own. `format!` itself cannot be
//! used, because its string has to be known when the reader is compiled.

mod parse;

use super::json::write_string;
use super::text::line::{Line, Literal};
use super::text::{
    MAX_TEXT_BYTES, Spec, Style, write_encoded_plain, write_plain, write_text_plain, write_value,
};
use super::types::Type;
use super::value::{Malformed, Value};
use kymo_format::MAX_STRUCT_PLACEHOLDERS;
pub use parse::TemplateError;

/// A parsed format string.
///
/// An argument that the format string does not print is a field: its name and its value follow the text.
///
/// ```
/// use kymo_reader::{Template, Text, Value};
/// let template = Template::parse("order {} filled at {price:>8.2}", &["", "price"])?;
/// let mut out = String::new();
/// template.render(&[Value::U64(17), Value::F64(3.14159)], &mut out);
/// assert_eq!(out, "order 17 filled at     3.14");
///
/// let template = Template::parse("filled", &["order", "user"])?;
/// out.clear();
/// template.render(&[Value::U64(17), Value::Str(Text::new("ann b"))], &mut out);
/// assert_eq!(out, "filled order=17 user=\"ann b\"");
/// # Ok::<(), kymo_reader::TemplateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
    /// The literal text after the last piece.
    tail: Literal,
    specs: Vec<Dynamic>,
    /// Whether the placeholders take argument 0, 1, 2, …, each once and nothing else.
    in_order: bool,
}

/// Literal text, with doubled braces undone, and the placeholder after it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    literal: Literal,
    argument: u16,
    /// How many placeholders before it print the same argument.
    place: u16,
    /// The index of the spec; `None` for a plain `{}`.
    spec: Option<u16>,
    /// Whether the format string does not print the argument: `literal` has its name, and the value may need quotes.
    is_field: bool,
}

/// A spec whose width and precision may come from arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Dynamic {
    spec: Spec,
    width_from: Option<u16>,
    precision_from: Option<u16>,
}

/// How many values [`Template::render_encoded`] holds without allocating, where it has to hold any.
const HELD: usize = 8;

impl Template {
    /// Parses a format string in the syntax of `std::fmt`. `names` are those of the arguments in
    /// order, empty if one has none.
    pub fn parse(format: &str, names: &[impl AsRef<str>]) -> Result<Self, TemplateError> {
        parse::parse(format, &names.iter().map(AsRef::as_ref).collect::<Vec<_>>(), true)
    }

    /// Parses the format string of a struct with this number of fields. Returns `None` if it is none, or has more
    /// than [`MAX_STRUCT_PLACEHOLDERS`].
    pub(super) fn of_fields(format: &str, count: usize) -> Option<Self> {
        let template = parse::parse(format, &vec![""; count], false).ok()?;
        (template.pieces.len() <= MAX_STRUCT_PLACEHOLDERS).then_some(template)
    }

    /// The literal texts and the placeholders, in order, and the text after them. A placeholder is the position of its
    /// argument and how it prints that.
    pub(super) fn pieces<'t>(
        &'t self,
        arguments: &'t [Value<'_>],
    ) -> (impl Iterator<Item = (&'t Literal, usize, Spec)>, &'t Literal) {
        let pieces = self.pieces.iter().map(|piece| {
            let spec = piece.spec.and_then(|spec| self.specs.get(usize::from(spec)));
            let spec = spec.map_or(Spec::PLAIN, |spec| spec.resolve(arguments));
            (&piece.literal, usize::from(piece.argument), spec)
        });
        (pieces, &self.tail)
    }

    /// A replacement for a format string that does not parse: the string as it is, and the
    /// arguments after it in parentheses.
    ///
    /// ```
    /// use kymo_reader::{Template, Value};
    /// let mut out = String::new();
    /// Template::unparsed("load {", &["", "cpu"]).render(&[Value::U8(1), Value::U8(2)], &mut out);
    /// assert_eq!(out, "load { (1, cpu: 2)");
    /// ```
    pub fn unparsed(format: &str, names: &[impl AsRef<str>]) -> Self {
        let mut template = Self::empty();
        let mut literal = format.to_owned();
        let mut debug = Dynamic::PLAIN;
        debug.spec.style = Style::Debug;
        for (argument, name) in (0..u16::MAX).zip(names) {
            let name = name.as_ref();
            literal.push_str(if argument == 0 { " (" } else { ", " });
            literal.push_str(name);
            literal.push_str(if name.is_empty() { "" } else { ": " });
            template.push(&literal, (argument, 0), debug);
            literal.clear();
        }
        literal.push_str(if names.is_empty() { "" } else { ")" });
        template.tail = Literal::new(&literal);
        template
    }

    fn empty() -> Self {
        let (pieces, specs) = (Vec::new(), Vec::new());
        Self { pieces, tail: Literal::default(), specs, in_order: true }
    }

    fn push(&mut self, literal: &str, (argument, place): (u16, u16), spec: Dynamic) {
        self.in_order &= usize::from(argument) == self.pieces.len()
            && spec.width_from.is_none()
            && spec.precision_from.is_none();
        let spec = (spec != Dynamic::PLAIN).then(|| self.index_of(spec));
        let literal = Literal::new(literal);
        self.pieces.push(Piece { literal, argument, place, spec, is_field: false });
    }

    /// Appends an argument that the format string does not print, after this text.
    fn push_field(&mut self, literal: &str, argument: u16, name: &str) {
        let is_first = literal.is_empty() && self.pieces.is_empty();
        let mut literal = format!("{literal}{}", if is_first { "" } else { " " });
        match name {
            "" => literal.push_str(itoa::Buffer::new().format(argument)),
            name => literal.extend(name.chars().map(|c| if is_bare(c) { c } else { '_' })),
        }
        literal.push('=');
        self.push(&literal, (argument, 0), Dynamic::PLAIN);
        self.pieces.iter_mut().rev().take(1).for_each(|piece| piece.is_field = true);
    }

    fn index_of(&mut self, spec: Dynamic) -> u16 {
        let index = self.specs.iter().position(|&known| known == spec).unwrap_or_else(|| {
            self.specs.push(spec);
            self.specs.len() - 1
        });
        index as u16
    }

    /// Appends the text of a record with these arguments. It allocates only if `out` has to grow, or a field
    /// needs quotes.
    ///
    /// An argument that is missing is rendered as `{?}`. Text ends with `…` once it is longer than
    /// 16 MiB.
    #[inline]
    pub fn render(&self, arguments: &[Value<'_>], out: &mut String) {
        let mut line = Line::new(out);
        let limit = line.len() + MAX_TEXT_BYTES;
        for piece in &self.pieces {
            line.literal(&piece.literal);
            if line.len() > limit {
                return line.out().push('…');
            }
            match arguments.get(usize::from(piece.argument)) {
                Some(value) => self.render_piece(piece, value, arguments, line.out()),
                None => line.out().push_str("{?}"),
            }
        }
        line.literal(&self.tail);
        line.finish();
    }

    /// Decodes a record's arguments from the beginning of `bytes`, advances `bytes` past them and
    /// appends the text. It takes about as long as decoding into an array and
    /// [`render`](Self::render), and needs no array. After an error `bytes` and `out` are as before.
    ///
    /// ```
    /// use kymo_reader::{Template, Type};
    /// let template = Template::parse("{} of {}", &["", ""]).expect("a format string");
    /// let (mut bytes, mut out) = ([7, 8].as_slice(), String::new());
    /// template.render_encoded(&[Type::U8, Type::U8], &mut bytes, &mut out)?;
    /// assert_eq!((out.as_str(), bytes.len()), ("7 of 8", 0));
    /// # Ok::<(), kymo_reader::Malformed>(())
    /// ```
    pub fn render_encoded(
        &self,
        types: &[Type],
        bytes: &mut &[u8],
        out: &mut String,
    ) -> Result<(), Malformed> {
        let start = out.len();
        // A copy of the slice, which may live as short as the types do.
        let mut rest = *bytes;
        if self.in_order && types.len() == self.pieces.len() {
            self.render_in_order(types, &mut rest, out).inspect_err(|_| out.truncate(start))?;
        } else if types.len() <= HELD {
            let mut values = [Value::Bool(false); HELD];
            for (value, ty) in values.iter_mut().zip(types) {
                *value = ty.decode(&mut rest)?;
            }
            self.render(&values[..types.len()], out);
        } else {
            let values = types.iter().map(|ty| ty.decode(&mut rest));
            self.render(&values.collect::<Result<Vec<_>, _>>()?, out);
        }
        let left = rest.len();
        *bytes = &bytes[bytes.len() - left..];
        Ok(())
    }

    #[inline]
    fn render_in_order<'a>(
        &self,
        types: &'a [Type],
        bytes: &mut &'a [u8],
        out: &mut String,
    ) -> Result<(), Malformed> {
        let limit = out.len() + MAX_TEXT_BYTES;
        let mut line = Line::new(out);
        let mut pieces = self.pieces.iter().zip(types);
        for (piece, ty) in &mut pieces {
            line.literal(&piece.literal);
            if line.len() > limit {
                line.out().push('…');
                ty.skip(bytes)?;
                return pieces.try_for_each(|(_, ty)| ty.skip(bytes));
            }
            match piece.spec {
                None if !piece.is_field => write_encoded_plain(ty, bytes, &mut line)?,
                _ => self.render_piece(piece, &ty.decode(bytes)?, &[], line.out()),
            }
        }
        line.literal(&self.tail);
        line.finish();
        Ok(())
    }

    #[inline]
    fn render_piece(
        &self,
        piece: &Piece,
        value: &Value<'_>,
        arguments: &[Value<'_>],
        out: &mut String,
    ) {
        if piece.is_field {
            return write_field(value, out);
        }
        if let Value::Formatted(texts) = value {
            return write_text_plain(&texts.get(piece.place.into()), out);
        }
        match piece.spec.and_then(|spec| self.specs.get(usize::from(spec))) {
            None => write_plain(value, out),
            Some(spec) => write_value(value, &spec.resolve(arguments), out),
        }
    }
}

/// Appends the value of an argument that the format string does not print: what `{}` prints, in quotes with the escapes
/// of JSON if it is empty or has characters that are not bare.
pub(super) fn write_field(value: &Value<'_>, out: &mut String) {
    let start = out.len();
    match value {
        Value::Formatted(texts) => write_text_plain(&texts.get(0), out),
        value => write_plain(value, out),
    }
    let text = &out[start..];
    if text.is_empty() || !text.chars().all(is_bare) {
        let text = text.to_owned();
        out.truncate(start);
        write_string(&text, out);
    }
}

/// Whether a character needs no quotes in `key=value`.
fn is_bare(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\')
}

impl Dynamic {
    /// That of `{}`.
    const PLAIN: Self = Self { spec: Spec::PLAIN, width_from: None, precision_from: None };

    fn resolve(&self, arguments: &[Value<'_>]) -> Spec {
        let number = |index: Option<u16>| {
            let number = arguments.get(usize::from(index?))?.as_u128()?;
            // As far as `format!` goes; beyond that it panics.
            Some(u16::try_from(number).unwrap_or(u16::MAX))
        };
        Spec {
            width: number(self.width_from).or(self.spec.width),
            precision: number(self.precision_from).or(self.spec.precision),
            ..self.spec
        }
    }
}
