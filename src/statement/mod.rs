//! Log statements: the macros, and the constant that describes each.
//!
//! In comes a statement of the program; out goes its [`call_site`]. Nothing here knows of threads,
//! rings or files.

pub(crate) mod call_site;
mod macros;
