//! The attribute `#[kymo(…)]`.

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Error, Ident, LitStr, Path, Result};

/// What the attributes of a type say.
#[derive(Default)]
pub struct OfType {
    pub transparent: Option<Span>,
    pub format: Option<LitStr>,
    pub rename: Option<LitStr>,
    pub krate: Option<Path>,
}

/// What the attributes of a variant say.
#[derive(Default)]
pub struct OfVariant {
    pub format: Option<LitStr>,
    pub rename: Option<LitStr>,
}

/// What the attributes of a field say.
#[derive(Default)]
pub struct OfField {
    pub rename: Option<LitStr>,
    /// What is logged of it, and where that is said.
    pub taken: Option<(Taken, Span)>,
    /// How text shows it, and where that is said.
    pub shown: Option<(Shown, Span)>,
}

/// What is logged of a field, if not its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Skipped,
    Redacted,
    Debugged,
    Displayed,
}

/// How text shows a field.
pub enum Shown {
    Hex,
    Unit(LitStr),
}

impl OfType {
    pub fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut of = Self::default();
        each(attributes, |name, meta| match name {
            "transparent" => set(&mut of.transparent, name, meta, meta.path_span()),
            "format" => set(&mut of.format, name, meta, text(meta)?),
            "rename" => set(&mut of.rename, name, meta, text(meta)?),
            "crate" => {
                let path = text(meta)?.parse()?;
                set(&mut of.krate, name, meta, path)
            }
            _ => Err(unknown(
                meta,
                "a type",
                "`transparent`, `format = \"…\"`, `rename = \"…\"`, `crate = \"…\"`",
            )),
        })?;
        Ok(of)
    }
}

impl OfVariant {
    pub fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut of = Self::default();
        each(attributes, |name, meta| match name {
            "format" => set(&mut of.format, name, meta, text(meta)?),
            "rename" => set(&mut of.rename, name, meta, text(meta)?),
            _ => Err(unknown(meta, "a variant", "`format = \"…\"`, `rename = \"…\"`")),
        })?;
        Ok(of)
    }
}

impl OfField {
    pub fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut of = Self::default();
        each(attributes, |name, meta| {
            let span = meta.path_span();
            let taken = |taken| (taken, span);
            match name {
                "skip" => set_one(&mut of.taken, meta, taken(Taken::Skipped)),
                "redact" => set_one(&mut of.taken, meta, taken(Taken::Redacted)),
                "debug" => set_one(&mut of.taken, meta, taken(Taken::Debugged)),
                "display" => set_one(&mut of.taken, meta, taken(Taken::Displayed)),
                "hex" => set_one(&mut of.shown, meta, (Shown::Hex, span)),
                "unit" => {
                    let unit = text(meta)?;
                    if unit.value().chars().any(|c| c.is_control()) || unit.value().is_empty() {
                        let message =
                            "a unit is a text without control characters: `unit = \"ns\"`";
                        return Err(Error::new(unit.span(), message));
                    }
                    set_one(&mut of.shown, meta, (Shown::Unit(unit), span))
                }
                "rename" => set(&mut of.rename, name, meta, text(meta)?),
                _ => Err(unknown(
                    meta,
                    "a field",
                    "`skip`, `redact`, `debug`, `display`, `hex`, `unit = \"…\"`, `rename = \"…\"`",
                )),
            }
        })?;
        if let (Some((taken, _)), Some((_, span))) = (&of.taken, &of.shown) {
            let reason = match taken {
                Taken::Skipped | Taken::Redacted => "the value of this field is not logged",
                Taken::Debugged | Taken::Displayed => "this field is logged as text",
            };
            return Err(Error::new(*span, format!("{reason}: it has no other form")));
        }
        if let (Some((Taken::Skipped, _)), Some(rename)) = (&of.taken, &of.rename) {
            return Err(Error::new(rename.span(), "this field is not logged: it has no name"));
        }
        Ok(of)
    }
}

trait PathSpan {
    fn path_span(&self) -> Span;
}

impl PathSpan for ParseNestedMeta<'_> {
    fn path_span(&self) -> Span {
        self.path.get_ident().map_or_else(Span::call_site, Ident::span)
    }
}

/// Calls `take` with each part of the attributes `#[kymo(…)]`.
fn each(
    attributes: &[Attribute],
    mut take: impl FnMut(&str, &ParseNestedMeta<'_>) -> Result<()>,
) -> Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("kymo")) {
        attribute.parse_nested_meta(|meta| {
            let name = meta.path.get_ident().map(Ident::to_string).unwrap_or_default();
            take(&name, &meta)
        })?;
    }
    Ok(())
}

/// The string of `name = "…"`.
fn text(meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    meta.value()?.parse()
}

fn set<T>(to: &mut Option<T>, name: &str, meta: &ParseNestedMeta<'_>, value: T) -> Result<()> {
    match to {
        Some(_) => Err(meta.error(format!("`{name}` is there twice"))),
        None => {
            *to = Some(value);
            Ok(())
        }
    }
}

fn set_one<T>(to: &mut Option<T>, meta: &ParseNestedMeta<'_>, value: T) -> Result<()> {
    match to {
        Some(_) => Err(meta.error("this contradicts another attribute of the field")),
        None => {
            *to = Some(value);
            Ok(())
        }
    }
}

fn unknown(meta: &ParseNestedMeta<'_>, of: &str, known: &str) -> Error {
    meta.error(format!("`kymo` has no such attribute for {of}: there are {known}"))
}
