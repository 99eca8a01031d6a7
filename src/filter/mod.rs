//! Which statements are logged: by level, and by target.
//!
//! In: directives, as text. Out: an answer for each statement. The folder knows levels and the process's statics,
//! nothing of loggers.
//!
//! | module | |
//! | --- | --- |
//! | [`compiled`] | which levels are compiled in |
//! | [`directives`] | [`Filter`]: directives, and what they say of a target |
//! | [`gate`] | what a statement looks at before it evaluates its arguments |
//! | `gate_x86_64` | the same in the fewest instructions |
//! | [`setting`] | a logger's filter, and how long it lasts |

pub(crate) mod compiled;
pub(crate) mod directives;
pub(crate) mod gate;
#[cfg(all(target_arch = "x86_64", not(kymo_loom), not(miri)))]
mod gate_x86_64;
pub(crate) mod setting;

pub(crate) use directives::fits;
pub use directives::{Filter, ParseFilterError};
