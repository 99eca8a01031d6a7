//! kymo: a logger whose log line costs nanoseconds.
#![doc(test(attr(warn(unused))))]

#[doc(hidden)]
pub mod format;
mod level;
#[cfg(feature = "reader")]
pub mod reader;

pub use level::{Level, ParseLevelError};
