//! The text of structs and enums: what `#[derive(Debug)]` prints, or what their own format strings say.

use super::leaf::write_str;
use super::{Label, Renderer, Spec, Style};
use crate::template::Template;
use crate::types::{FieldType, Hint};
use crate::value::{Enum, Struct, Value};
use kymo_format::types::Fields;

impl Renderer<'_> {
    /// Writes a struct, or the variant that an enum is.
    pub(super) fn structure(&mut self, inner: &Struct<'_>, of: Option<&Enum<'_>>) {
        if self.spec.style == Style::Display {
            if let Some(template) = inner.struct_type().template() {
                return self.formatted(template, inner);
            }
            if of.is_some_and(|of| of.enum_type().has_format()) && inner.is_empty() {
                return write_str(inner.name(), &self.spec, self.out);
            }
        }
        self.out.push_str(inner.name());
        // Those without fields have no braces.
        if inner.is_empty() {
            return;
        }
        let fields = inner.fields().map(|(field, value)| (Label::Field(field), value));
        match inner.kind() {
            Fields::Named if self.spec.alternate => self.pairs(fields, " {", false, "}", "}"),
            Fields::Named => self.pairs(fields, " { ", false, " }", "}"),
            _ => self.pairs(fields, "(", false, ")", ")"),
        }
    }

    /// Writes a field, with its name if it has one.
    pub(super) fn field(&mut self, field: FieldType<'_>, value: &Value<'_>) {
        if !field.name.is_empty() {
            self.out.push_str(field.name);
            self.out.push_str(": ");
        }
        match (field.hint, value) {
            (Hint::None, _) | (_, Value::Option(None)) => self.value(value),
            // The hint is for what is inside.
            (_, Value::Option(Some(inner))) => {
                let inside = (Label::Field(FieldType { name: "", ..field }), inner.get());
                self.pairs(std::iter::once(inside), "Some(", false, ")", ")");
            }
            // The hint is for what is inside.
            (Hint::Hex, _) => {
                let outer = self.spec;
                if is_integer(value) {
                    self.spec = Spec { style: Style::LowerHex, alternate: true, ..outer };
                }
                self.value(value);
                self.spec = outer;
            }
            (Hint::Unit(unit), _) => {
                self.value(value);
                self.out.push_str(unit);
            }
        }
    }

    /// Writes what the struct's own format string says. Flags and width of the placeholder are not handed on, as
    /// `write!` does not.
    fn formatted(&mut self, template: &Template, inner: &Struct<'_>) {
        let values = inner.iter().collect::<Vec<_>>();
        let outer = (self.spec, self.depth);
        let (pieces, tail) = template.pieces(&values);
        for (literal, argument, spec) in pieces {
            literal.append_to(self.out);
            if self.placeholders == 0 || self.out.len() >= self.limit {
                self.out.push('…');
                break;
            }
            self.placeholders -= 1;
            (self.spec, self.depth) = (spec, 0);
            match values.get(argument) {
                Some(value) => self.value(value),
                None => self.out.push_str("{?}"),
            }
        }
        tail.append_to(self.out);
        (self.spec, self.depth) = outer;
    }
}

fn is_integer(value: &Value<'_>) -> bool {
    value.as_u128().is_some() || value.as_i128().is_some()
}
