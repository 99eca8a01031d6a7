//! kymo: a logger whose log line costs nanoseconds.
#![doc(test(attr(warn(unused))))]

mod argument;
mod call_site;
mod clock;
mod consumer;
mod control;
mod error;
#[doc(hidden)]
pub mod export;
#[doc(hidden)]
pub mod format;
mod hot;
mod level;
mod logger;
mod macros;
mod orphans;
mod producer;
#[cfg(feature = "reader")]
pub mod reader;
mod record;
mod registry;
mod ring;
mod segment;
mod state;
mod sync;
mod thread;
#[cfg_attr(not(kymo_loom), allow(dead_code, reason = "the places in the models of this crate"))]
mod twin;

/// What the loom models need to see. Not part of the public interface.
#[cfg(kymo_loom)]
#[doc(hidden)]
pub mod loom_export;

pub use argument::{Argument, Eager, PointerArgument, debug, display};
pub use clock::Clock;
pub use consumer::Report;
pub use error::{StartError, StartErrorKind};
pub use level::{Level, ParseLevelError};
pub use logger::{Builder, Logger};
pub use producer::Overflow;
pub use thread::{prepare_thread, unlogged};
