//! Log statements: the macros, and the constant that describes each.
//!
//! In comes a statement of the program; out goes its [`call_site`]. Call sites of statements that are not kymo's own
//! are `made` at run time, and found in a `table`. [`rate`] decides which records of a statement with a rate are
//! logged. Nothing here knows of rings or files.

pub(crate) mod call_site;
mod macros;
pub(crate) mod made;
mod measured;
pub(crate) mod metric;
pub(crate) mod named_log;
pub(crate) mod rate;
pub(crate) mod run_time;
pub(crate) mod scope;
pub(crate) mod table;
