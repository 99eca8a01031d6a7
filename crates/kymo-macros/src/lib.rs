//! The macros of [kymo](https://docs.rs/kymo), re-exported there. Nothing in here is meant to be
//! used directly.
//!
//! One statement passes through these modules in order:
//!
//! | module | turns | into |
//! | --- | --- | --- |
//! | `input` | the tokens of a log statement | level, target, format string, explicit arguments |
//! | `literal` | the format string as written | its value |
//! | `format` | the value | placeholders |
//! | `numbering` | placeholders and explicit arguments | the list of arguments, and how each is used |
//! | `captured` | each argument | the code that captures it |
//! | `expand` | all that | the code of the statement, through `template` |
//!
//! Only `proc_macro` is used. A parser for all of Rust would be most of the time that a log
//! statement takes to compile, and the only Rust to be understood here is where one argument ends
//! and the next begins (`expression`). Whatever these modules cannot make sense of is handed to
//! `format_args!` as it stands, whose error messages users know.

mod captured;
mod expand;
mod expression;
mod format;
mod input;
mod literal;
mod numbering;
mod template;

use proc_macro::TokenStream;

/// A log statement: `statement!($crate (Info) "order {id}", id = 7)` or `statement!($crate ()
/// level, "...")`.
///
/// Called by the macros of kymo only. `$crate` is the way to kymo, and the identifier in
/// parentheses a level; where there is none, the level is the first argument.
#[proc_macro]
pub fn statement(tokens: TokenStream) -> TokenStream {
    let tokens: Vec<_> = tokens.into_iter().collect();
    match input::parse(&tokens).and_then(|input| expand::expand(&input)) {
        Ok(code) => code,
        Err(misuse) => misuse.into_compile_error(),
    }
}
