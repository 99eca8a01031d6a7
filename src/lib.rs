//! kymo: a logger whose log line costs nanoseconds.
#![doc(test(attr(warn(unused))))]

#[doc(hidden)]
pub mod format;
mod level;

pub use level::{Level, ParseLevelError};
