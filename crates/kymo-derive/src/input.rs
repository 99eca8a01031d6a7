//! The item: its fields and variants, checked.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Fields, Ident, LitStr, Member, Path, Result, Type};

use crate::attributes::{OfField, OfType, OfVariant, Shown, Taken};
use crate::format::{Use, renamed};

/// The most placeholders of a format; a limit of the file format.
const MAX_PLACEHOLDERS: usize = 128;

/// The item that derives.
pub struct Item<'a> {
    pub input: &'a DeriveInput,
    /// The path of kymo.
    pub krate: Path,
    /// Its name in the log.
    pub name: String,
    pub body: Body<'a>,
}

pub enum Body<'a> {
    Struct(Shape<'a>),
    /// Logged as its only field.
    Transparent(Field<'a>),
    Enum(Vec<Variant<'a>>),
}

pub struct Variant<'a> {
    pub ident: &'a Ident,
    pub shape: Shape<'a>,
}

/// A struct or a variant.
pub struct Shape<'a> {
    /// Its name in the log.
    pub name: String,
    pub kind: Kind,
    /// Those that are logged.
    pub fields: Vec<Field<'a>>,
    pub format: Option<Format>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Unit,
    Tuple,
    Named,
}

pub struct Field<'a> {
    pub member: Member,
    pub ty: &'a Type,
    /// Its name in the log; empty in a tuple struct.
    pub name: String,
    pub taken: Option<Taken>,
    pub shown: Option<Shown>,
}

/// What `{}` prints.
pub struct Format {
    /// With the positions of logged fields for names, for the log.
    pub by_position: String,
    /// With the locals of [`Field::local`] for names, for this program.
    pub by_local: LitStr,
    /// The positions of the fields that it has, and what it does with them.
    pub used: Vec<(usize, Use)>,
}

impl Field<'_> {
    /// The local that the format string prints.
    pub fn local(&self) -> Ident {
        match &self.member {
            Member::Named(name) => Ident::new(&format!("__{}", name.unraw()), Span::mixed_site()),
            Member::Unnamed(index) => Ident::new(&format!("__{}", index.index), Span::mixed_site()),
        }
    }

    /// How the program calls it.
    fn written(&self) -> String {
        match &self.member {
            Member::Named(name) => name.unraw().to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        }
    }
}

pub fn parse(input: &DeriveInput) -> Result<Item<'_>> {
    let of = OfType::parse(&input.attrs)?;
    let name = named(&input.ident, of.rename.as_ref());
    let body = match &input.data {
        Data::Union(data) => {
            let message = "a union cannot be a `kymo::Value`: nothing says which field it has";
            return Err(Error::new(data.union_token.span, message));
        }
        Data::Struct(data) => {
            let mut shape = shape(input, &data.fields, name.clone(), of.format.as_ref())?;
            match of.transparent {
                None => Body::Struct(shape),
                Some(span) => Body::Transparent(only_field(&mut shape, &of, span)?),
            }
        }
        Data::Enum(data) => {
            let misplaced = of.transparent.or(of.format.as_ref().map(LitStr::span));
            if let Some(span) = misplaced {
                let message = "an enum cannot have this: give `format` to its variants";
                return Err(Error::new(span, message));
            }
            let variant = |variant: &'_ syn::Variant| OfVariant::parse(&variant.attrs);
            let mut variants = Vec::new();
            for written in &data.variants {
                let of = variant(written)?;
                let name = named(&written.ident, of.rename.as_ref());
                let shape = shape(input, &written.fields, name, of.format.as_ref())?;
                variants.push(Variant { ident: &written.ident, shape });
            }
            Body::Enum(variants)
        }
    };
    if let Body::Enum(variants) = &body {
        check_formats(variants)?;
    }
    let krate = of.krate.unwrap_or_else(|| syn::parse_quote!(::kymo));
    Ok(Item { input, krate, name, body })
}

/// The name in the log.
fn named(ident: &Ident, rename: Option<&LitStr>) -> String {
    rename.map_or_else(|| ident.unraw().to_string(), LitStr::value)
}

/// An enum with a format has one for each variant with fields: else `{}` would have no text for it.
fn check_formats(variants: &[Variant<'_>]) -> Result<()> {
    if variants.iter().all(|variant| variant.shape.format.is_none()) {
        return Ok(());
    }
    match variants.iter().find(|it| it.shape.kind != Kind::Unit && it.shape.format.is_none()) {
        None => Ok(()),
        Some(variant) => {
            let message = "another variant has a `format`: this one needs one, too";
            Err(Error::new(variant.ident.span(), message))
        }
    }
}

fn shape<'a>(
    input: &DeriveInput,
    fields: &'a Fields,
    name: String,
    format: Option<&LitStr>,
) -> Result<Shape<'a>> {
    let kind = match fields {
        Fields::Unit => Kind::Unit,
        Fields::Unnamed(_) => Kind::Tuple,
        Fields::Named(_) => Kind::Named,
    };
    let (mut logged, mut skipped) = (Vec::<Field<'_>>::new(), Vec::new());
    for (written, member) in fields.iter().zip(fields.members()) {
        let of = OfField::parse(&written.attrs)?;
        let name = match (&member, &of.rename) {
            (Member::Named(name), rename) => named(name, rename.as_ref()),
            (Member::Unnamed(_), None) => String::new(),
            (Member::Unnamed(_), Some(rename)) => {
                let message = "a field of a tuple has no name";
                return Err(Error::new(rename.span(), message));
            }
        };
        let taken = of.taken.map(|(taken, _)| taken);
        let shown = of.shown.map(|(shown, _)| shown);
        let field = Field { member, ty: &written.ty, name, taken, shown };
        if taken == Some(Taken::Skipped) {
            skipped.push(field.written());
            continue;
        }
        if taken.is_none() {
            refuse_recursion(&input.ident, field.ty)?;
        }
        if kind == Kind::Named && logged.iter().any(|other| other.name == field.name) {
            let span = of.rename.map_or_else(|| written.span(), |rename| rename.span());
            return Err(Error::new(span, format!("another field is called `{}`", field.name)));
        }
        logged.push(field);
    }
    let format = format.map(|format| self::format(format, &logged, &skipped)).transpose()?;
    Ok(Shape { name, kind, fields: logged, format })
}

fn format(format: &LitStr, logged: &[Field<'_>], skipped: &[String]) -> Result<Format> {
    let mut used = Vec::new();
    let position = |name: &str| {
        if let Some(at) = logged.iter().position(|field| field.written() == name) {
            return Ok(at);
        }
        Err(if skipped.iter().any(|skipped| skipped == name) {
            format!("the field `{name}` is not logged")
        } else {
            format!("there is no field `{name}`")
        })
    };
    let by_position = renamed(format, |name, what| {
        let at = position(name)?;
        used.push((at, what));
        Ok(at.to_string())
    })?;
    let by_local = renamed(format, |name, _| Ok(logged[position(name)?].local().to_string()))?;
    if used.len() > MAX_PLACEHOLDERS {
        let message = format!("a format can have at most {MAX_PLACEHOLDERS} placeholders");
        return Err(Error::new(format.span(), message));
    }
    let by_local = LitStr::new(&by_local, Span::mixed_site().located_at(format.span()));
    Ok(Format { by_position, by_local, used })
}

/// The field of a transparent struct.
fn only_field<'a>(shape: &mut Shape<'a>, of: &OfType, span: Span) -> Result<Field<'a>> {
    if let Some(format) = &of.format {
        let message = "a transparent type is printed as its field is: it has no `format`";
        return Err(Error::new(format.span(), message));
    }
    if let Some(rename) = &of.rename {
        let message = "a transparent type has no name in the log";
        return Err(Error::new(rename.span(), message));
    }
    let fields = shape.fields.len();
    match (shape.fields.pop(), fields) {
        (Some(field), 1) if field.shown.is_none() => Ok(field),
        (Some(field), 1) => {
            let message = "a transparent type is logged as its field: nothing can be said of it";
            Err(Error::new(field.ty.span(), message))
        }
        _ => {
            let message = format!(
                "a transparent type is logged as its only field; this one has {fields} that are \
                 logged"
            );
            Err(Error::new(span, message))
        }
    }
}

/// Refuses a type that has itself inside, as far as its name shows that.
fn refuse_recursion(own: &Ident, ty: &Type) -> Result<()> {
    match itself(own, ty.to_token_stream(), false) {
        None => Ok(()),
        Some(span) => {
            let message = "a recursive type cannot be a `kymo::Value`: the log describes a type by all that is in \
                           it, which would have no end. Give this field `#[kymo(debug)]`, or `#[kymo(skip)]`";
            Err(Error::new(span, message))
        }
    }
}

/// Returns where the type of this name, or `Self`, is among the tokens of a type. `within`: the tokens follow a `::`.
fn itself(own: &Ident, tokens: TokenStream, mut within: bool) -> Option<Span> {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) => {
                let leads =
                    matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == ':');
                if !within && !leads && (ident == *own || ident == "Self") {
                    return Some(ident.span());
                }
                within = false;
            }
            TokenTree::Group(group) => {
                if let Some(span) = itself(own, group.stream(), false) {
                    return Some(span);
                }
                within = false;
            }
            TokenTree::Punct(punct) => within = punct.as_char() == ':',
            TokenTree::Literal(_) => within = false,
        }
    }
    None
}

/// Whether a type has one of these names among its tokens.
pub fn mentions(ty: &Type, names: &[&Ident]) -> bool {
    fn any(tokens: TokenStream, names: &[&Ident]) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => names.iter().any(|name| ident == **name),
            TokenTree::Group(group) => any(group.stream(), names),
            _ => false,
        })
    }
    any(ty.to_token_stream(), names)
}
