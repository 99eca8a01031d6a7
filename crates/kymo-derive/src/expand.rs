//! The code that a derive becomes.
//!
//! `struct Order<T> { id: u64, px: T }` becomes this code, with `kymo` for the path of the crate:
//!
//! ```text
//! const _: () = {
//!     use kymo::export::own as __own;
//!     pub struct __Described0;
//!     impl __own::Described for __Described0 { /* names, hints */ }
//!     impl<T> __own::Sealed for Order<T> where T: __own::Argument {}
//!     impl<T> __own::Argument for Order<T> where T: __own::Argument {
//!         type Captured<'__k> = __own::Struct<__Described0, __own::Both<
//!             __own::One<<u64 as __own::Argument>::Captured<'__k>>,
//!             __own::One<<T as __own::Argument>::Captured<'__k>>,
//!         >> where Self: '__k;
//!         fn capture(&self) -> Self::Captured<'_> {
//!             match self {
//!                 Self { id: __f0, px: __f1 } => {
//!                     __own::Struct::new(__own::Both(__own::field(__f0), __own::field(__f1)))
//!                 }
//!             }
//!         }
//!     }
//! };
//! ```
//!
//! Nothing of it is unsafe: what is said of lengths and bytes is in `kymo` itself.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Generics, Member, Result, WherePredicate, parse_quote};

use crate::attributes::{Shown, Taken};
use crate::format::Use;
use crate::input::{Body, Field, Item, Kind, Shape, Variant, mentions};

pub fn expand(item: &Item<'_>) -> Result<TokenStream> {
    let Item { input, krate, name, body } = item;
    let mut descriptions = Vec::new();
    let (captured, capture) = match body {
        Body::Transparent(field) => {
            let (captured, local) = (field_type(field), format_ident!("__f0"));
            let captured_value = field_value(field, &local);
            let member = &field.member;
            let capture =
                quote! { match self { Self { #member: #local, .. } => #captured_value.0 } };
            (captured, capture)
        }
        Body::Struct(shape) => {
            let described = describe(shape, &mut descriptions);
            let (types, pattern, values) = members(shape);
            let captured = quote! { __own::Struct<#described, #types> };
            let capture = quote! { match self { Self #pattern => __own::Struct::new(#values) } };
            (captured, capture)
        }
        Body::Enum(variants) if variants.iter().all(is_plain) => {
            plain(name, variants, &mut descriptions)
        }
        Body::Enum(variants) => alternatives(name, variants, &mut descriptions),
    };
    let ident = &input.ident;
    let generics = bounded(&input.generics, body);
    let (implemented, of, bounds) = generics.split_for_impl();
    let display = display(item);
    Ok(quote! {
        #[doc(hidden)]
        #[allow(
            non_camel_case_types, unused_qualifications, unreachable_pub, unused_variables, deprecated,
            missing_docs, private_bounds, private_interfaces, clippy::all, clippy::pedantic, clippy::nursery
        )]
        const _: () = {
            use #krate::export::own as __own;
            #(#descriptions)*
            #[automatically_derived]
            impl #implemented __own::Sealed for #ident #of #bounds {}
            #[automatically_derived]
            impl #implemented __own::Argument for #ident #of #bounds {
                type Captured<'__k> = #captured where Self: '__k;

                #[inline(always)]
                fn capture(&self) -> Self::Captured<'_> {
                    #capture
                }
            }
            #display
        };
    })
}

/// Whether the variant is a name only.
fn is_plain(variant: &Variant<'_>) -> bool {
    variant.shape.kind == Kind::Unit && variant.shape.format.is_none()
}

/// An enum of names: captured as a number.
fn plain(
    name: &str,
    variants: &[Variant<'_>],
    descriptions: &mut Vec<TokenStream>,
) -> (TokenStream, TokenStream) {
    let names = variants.iter().map(|variant| &variant.shape.name);
    let count = variants.len();
    descriptions.push(quote! {
        pub struct __Named;
        impl __own::Named for __Named {
            const NAME: &'static ::core::primitive::str = #name;
        }
        impl __own::Plain for __Named {
            const VARIANTS: &'static [&'static ::core::primitive::str] = &[#(#names),*];
            const LISTED: &'static [__own::Variant] = &__own::plain_variants::<#count>(Self::VARIANTS);
        }
    });
    let captured = quote! { __own::PlainEnum<__Named> };
    if variants.is_empty() {
        return (captured, quote! { match *self {} });
    }
    let idents = variants.iter().map(|variant| variant.ident);
    let numbers = 0..u16::try_from(count).unwrap_or(u16::MAX);
    let capture = quote! {
        __own::PlainEnum::new(match self { #(Self::#idents => #numbers,)* })
    };
    (captured, capture)
}

/// An enum with fields: captured as one of its variants, which are the leaves of a balanced tree.
fn alternatives(
    name: &str,
    variants: &[Variant<'_>],
    descriptions: &mut Vec<TokenStream>,
) -> (TokenStream, TokenStream) {
    let (mut types, mut arms) = (Vec::new(), Vec::new());
    for Variant { ident, shape } in variants {
        let described = describe(shape, descriptions);
        let (members, pattern, values) = members(shape);
        types.push(quote! { __own::Struct<#described, #members> });
        let value = quote! { __own::Struct::new(#values) };
        arms.push((quote! { Self::#ident #pattern }, value));
    }
    descriptions.push(quote! {
        pub struct __Named;
        impl __own::Named for __Named {
            const NAME: &'static ::core::primitive::str = #name;
        }
    });
    let tree = tree(&types, &|first, second| quote! { __own::Either<#first, #second> });
    let arms = arms.into_iter().enumerate().map(|(at, (pattern, value))| {
        let value = placed(at, variants.len(), value);
        quote! { #pattern => __own::Enum::new(#value), }
    });
    let capture = quote! { match self { #(#arms)* } };
    (quote! { __own::Enum<__Named, #tree> }, capture)
}

/// Puts the leaves of a tree together: the first half, and the rest.
fn tree(
    leaves: &[TokenStream],
    both: &impl Fn(TokenStream, TokenStream) -> TokenStream,
) -> TokenStream {
    match leaves {
        [] => TokenStream::new(),
        [only] => only.clone(),
        _ => {
            let (first, second) = leaves.split_at(leaves.len() / 2);
            both(tree(first, both), tree(second, both))
        }
    }
}

/// Returns the value of a leaf of [`tree`], as one of `count` alternatives.
fn placed(at: usize, count: usize, value: TokenStream) -> TokenStream {
    if count <= 1 {
        return value;
    }
    let half = count / 2;
    if at < half {
        let inner = placed(at, half, value);
        quote! { __own::Either::First(#inner) }
    } else {
        let inner = placed(at - half, count - half, value);
        quote! { __own::Either::Second(#inner) }
    }
}

/// Adds the description of a struct or a variant. Returns its type.
fn describe(shape: &Shape<'_>, descriptions: &mut Vec<TokenStream>) -> Ident {
    let described = format_ident!("__Described{}", descriptions.len());
    let name = &shape.name;
    let kind = match shape.kind {
        Kind::Unit => quote! { __own::Fields::Unit },
        Kind::Tuple => quote! { __own::Fields::Tuple },
        Kind::Named => quote! { __own::Fields::Named },
    };
    let format = match &shape.format {
        None => quote! { ::core::option::Option::None },
        Some(format) => {
            let text = &format.by_position;
            quote! { ::core::option::Option::Some(#text) }
        }
    };
    let fields = shape.fields.iter().map(|field| {
        let name = &field.name;
        let hint = match &field.shown {
            None => quote! { __own::Hint::None },
            Some(Shown::Hex) => quote! { __own::Hint::Hex },
            Some(Shown::Unit(unit)) => quote! { __own::Hint::Unit(#unit) },
        };
        quote! { __own::Field { name: #name, hint: #hint } }
    });
    descriptions.push(quote! {
        pub struct #described;
        impl __own::Described for #described {
            const NAME: &'static ::core::primitive::str = #name;
            const KIND: __own::Fields = #kind;
            const FORMAT: ::core::option::Option<&'static ::core::primitive::str> = #format;
            const FIELDS: &'static [__own::Field] = &[#(#fields),*];
        }
    });
    described
}

/// The type of the captured fields, the pattern that binds them, and the value.
fn members(shape: &Shape<'_>) -> (TokenStream, TokenStream, TokenStream) {
    if shape.fields.is_empty() {
        return (quote! { __own::Nothing }, quote! { { .. } }, quote! { __own::Nothing });
    }
    let types = shape.fields.iter().map(|field| {
        let ty = field_type(field);
        quote! { __own::One<#ty> }
    });
    let types =
        tree(&types.collect::<Vec<_>>(), &|first, second| quote! { __own::Both<#first, #second> });
    let (mut pattern, mut values) = (Vec::new(), Vec::new());
    for (at, field) in shape.fields.iter().enumerate() {
        let (member, local) = (&field.member, format_ident!("__f{}", at));
        pattern.push(quote! { #member: #local });
        values.push(field_value(field, &local));
    }
    let values = tree(&values, &|first, second| quote! { __own::Both(#first, #second) });
    (types, quote! { { #(#pattern,)* .. } }, values)
}

/// The captured form of a field.
fn field_type(field: &Field<'_>) -> TokenStream {
    let ty = field.ty;
    match field.taken {
        Some(Taken::Redacted) => quote! { __own::Redacted },
        Some(_) => quote! { __own::MadeText },
        None => quote_spanned! { ty.span() => <#ty as __own::Argument>::Captured<'__k> },
    }
}

fn field_value(field: &Field<'_>, local: &Ident) -> TokenStream {
    let span = Span::mixed_site().located_at(field.ty.span());
    match (field.taken, &field.shown) {
        (Some(Taken::Redacted), _) => quote! { __own::redacted() },
        (Some(Taken::Displayed), _) => quote_spanned! { span => __own::displayed(#local) },
        (Some(_), _) => quote_spanned! { span => __own::debugged(#local) },
        (None, Some(Shown::Hex)) => quote_spanned! { span => __own::hex_field(#local) },
        (None, _) => quote_spanned! { span => __own::field(#local) },
    }
}

/// The generics, with a bound for each field whose type has a type parameter.
fn bounded(generics: &Generics, body: &Body<'_>) -> Generics {
    let mut generics = generics.clone();
    let parameters =
        generics.type_params().map(|parameter| parameter.ident.clone()).collect::<Vec<_>>();
    let parameters = parameters.iter().collect::<Vec<_>>();
    let bounds = fields(body).filter(|field| mentions(field.ty, &parameters)).filter_map(|field| {
        let ty = field.ty;
        let bound: WherePredicate = match (field.taken, &field.shown) {
            (Some(Taken::Debugged), _) => parse_quote!(#ty: ::core::fmt::Debug),
            (Some(Taken::Displayed), _) => parse_quote!(#ty: ::core::fmt::Display),
            (Some(_), _) => return None,
            (None, Some(Shown::Hex)) => parse_quote!(#ty: __own::Argument + ::core::fmt::LowerHex),
            (None, _) => parse_quote!(#ty: __own::Argument),
        };
        Some(bound)
    });
    let bounds = bounds.collect::<Vec<_>>();
    if !bounds.is_empty() {
        generics.make_where_clause().predicates.extend(bounds);
    }
    generics
}

/// All logged fields of a type.
fn fields<'b, 'a>(body: &'b Body<'a>) -> Box<dyn Iterator<Item = &'b Field<'a>> + 'b> {
    match body {
        Body::Struct(shape) => Box::new(shape.fields.iter()),
        Body::Transparent(field) => Box::new(std::iter::once(field)),
        Body::Enum(variants) => Box::new(variants.iter().flat_map(|variant| &variant.shape.fields)),
    }
}

/// The implementation of `Display`, for a type with a format.
fn display(item: &Item<'_>) -> TokenStream {
    let arms = match &item.body {
        Body::Struct(shape) if shape.format.is_some() => vec![(quote! { Self }, shape)],
        Body::Enum(variants) if variants.iter().any(|variant| variant.shape.format.is_some()) => {
            let arm = |variant: &'_ Variant<'_>| {
                let ident = variant.ident;
                quote! { Self::#ident }
            };
            variants.iter().map(|variant| (arm(variant), &variant.shape)).collect()
        }
        _ => return TokenStream::new(),
    };
    let ident = &item.input.ident;
    let mut generics = item.input.generics.clone();
    let parameters =
        generics.type_params().map(|parameter| parameter.ident.clone()).collect::<Vec<_>>();
    let parameters = parameters.iter().collect::<Vec<_>>();
    for (_, shape) in &arms {
        for (at, what) in shape.format.iter().flat_map(|format| &format.used) {
            let (field, Use::Printed(by)) = (&shape.fields[*at], what) else { continue };
            if !mentions(field.ty, &parameters) {
                continue;
            }
            let ty = field.ty;
            let by = match field.taken {
                Some(Taken::Redacted | Taken::Skipped) => continue,
                Some(Taken::Debugged) => "Debug",
                Some(Taken::Displayed) => "Display",
                None => by,
            };
            let by = Ident::new(by, Span::mixed_site());
            let bound: WherePredicate = parse_quote!(#ty: ::core::fmt::#by);
            generics.make_where_clause().predicates.push(bound);
        }
    }
    let arms = arms.into_iter().map(|(path, shape)| arm(&path, shape));
    let (implemented, of, bounds) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #implemented ::core::fmt::Display for #ident #of #bounds {
            fn fmt(&self, __out: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self { #(#arms)* }
            }
        }
    }
}

/// One arm of [`display`].
fn arm(path: &TokenStream, shape: &Shape<'_>) -> TokenStream {
    let Some(format) = &shape.format else {
        let name = &shape.name;
        return quote! { #path { .. } => __out.pad(#name), };
    };
    let mut used = format.used.iter().map(|(at, _)| *at).collect::<Vec<_>>();
    used.sort_unstable();
    used.dedup();
    let used = used.into_iter().map(|at| &shape.fields[at]).collect::<Vec<_>>();
    let bound = used.iter().map(|field| {
        let (member, local): (&Member, _) = (&field.member, field.local());
        quote! { #member: #local }
    });
    // What the log has of these fields is text.
    let made = used.iter().filter_map(|field| {
        let local = field.local();
        match field.taken? {
            Taken::Debugged => Some(quote! { let #local = &::std::format!("{:?}", #local); }),
            Taken::Displayed => Some(quote! { let #local = &::std::format!("{}", #local); }),
            Taken::Redacted | Taken::Skipped => Some(quote! { let #local = "***"; }),
        }
    });
    let (made, text) = (made.collect::<Vec<_>>(), &format.by_local);
    quote! {
        #path { #(#bound,)* .. } => {
            #(#made)*
            __out.write_fmt(::core::format_args!(#text))
        }
    }
}
