//! kymo: a logger whose log line costs nanoseconds.
#![doc(test(attr(warn(unused))))]

#[doc(hidden)]
pub mod format;
mod level;
#[allow(dead_code, reason = "the hot path and the consumer, which use it, are still to come")]
mod ring;
#[allow(dead_code, unused_imports, reason = "as above")]
mod sync;
#[cfg_attr(not(kymo_loom), allow(dead_code, reason = "the places in the models of this crate"))]
mod twin;

/// What the loom models need to see. Not part of the public interface.
#[cfg(kymo_loom)]
#[doc(hidden)]
pub mod loom_export {
    pub mod ring {
        pub use crate::ring::*;
    }
    pub mod sync {
        pub use crate::sync::*;
    }
    pub mod twin {
        pub use crate::twin::*;
    }
}

pub use level::{Level, ParseLevelError};
