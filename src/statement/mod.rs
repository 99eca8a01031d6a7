//! Log statements: the macros, and the constant that says where each stands.

pub(crate) mod call_site;
mod macros;
