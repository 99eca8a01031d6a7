//! What the loom models need to see: the parts of the crate in which threads meet.

/// The rings.
pub mod ring {
    pub use crate::ring::*;
}

/// loom, by the names that the crate uses.
pub mod sync {
    pub use crate::sync::*;
}

/// The places that negative twins break.
pub mod twin {
    pub use crate::twin::*;
}
