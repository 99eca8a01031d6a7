//! The macros of [kymo](https://docs.rs/kymo), which re-exports them. Do not use this crate
//! directly: its interface belongs to one version of `kymo`.
//!
//! One statement passes through these modules in order:
//!
//! | module | turns | into |
//! | --- | --- | --- |
//! | `input` | the tokens of a log statement | level, target, rate, fields, format string, explicit arguments |
//! | `rates` | the tokens before the fields | which records are logged |
//! | `fields` | the tokens before the format string | named arguments that are printed at the message's end |
//! | `literal` | the format string as written | its value |
//! | `format` | the value | placeholders |
//! | `numbering` | placeholders and explicit arguments | the list of arguments, and how each is used |
//! | `captured` | each argument | the code that captures it |
//! | `expand` | all that | the code of the statement, through `template` |
//!
//! Scopes and metrics enter by `measured`, in place of `input`.
//!
//! Only `proc_macro` is used. A parser for all of Rust would take most of the time that a log
//! statement takes to compile. The only Rust to be understood here is where one argument ends and
//! the next begins (`expression`). What these modules cannot parse is handed to `format_args!` as
//! it is, whose error messages users know.

mod captured;
mod expand;
mod expression;
mod fields;
mod format;
mod input;
mod literal;
mod measured;
mod numbering;
mod rates;
mod template;

use proc_macro::TokenStream;

/// A log statement: `statement!($crate (Info) "order {id}", id = 7)` or `statement!($crate ()
/// level, "...")`.
///
/// Only the macros of kymo call it. `$crate` is the path of kymo. The identifier in parentheses is
/// a level; if there is none, the level is the first argument.
#[proc_macro]
pub fn statement(tokens: TokenStream) -> TokenStream {
    let tokens: Vec<_> = tokens.into_iter().collect();
    match input::parse(&tokens).and_then(|input| expand::expand(&input)) {
        Ok(code) => code,
        Err(misuse) => misuse.into_compile_error(),
    }
}

/// A scope or a metric: `measure!($crate (scope) "match", id)`, `measure!($crate (Counter) "orders", 1, venue = v)`.
///
/// Only the macros of kymo call it.
#[proc_macro]
pub fn measure(tokens: TokenStream) -> TokenStream {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let parsed = measured::parse(&tokens);
    match parsed.and_then(|(measured, input)| expand::expand_measured(measured, &input)) {
        Ok(code) => code,
        Err(misuse) => misuse.into_compile_error(),
    }
}
