//! Bridges: what other logging crates' statements say, in the log of this one.
//!
//! Libraries log through `log` or `tracing`. A bridge takes their records into the calling thread's ring, with level,
//! target, place and typed values. Statements of kymo's own cost a fraction of that: see `docs/performance.md`.

#[cfg(any(feature = "tracing", kymo_loom))]
pub(crate) mod slab;

#[cfg(feature = "log")]
pub mod log;
#[cfg(feature = "tracing")]
pub mod tracing;
