//! Bridges: what other logging crates' statements say, in the log of this one.
//!
//! Libraries log through `log`. A bridge takes their records into the calling thread's ring, with level, target, place
//! and typed values. Statements of kymo's own cost a fraction of that: see `docs/performance.md`.

pub mod log;
