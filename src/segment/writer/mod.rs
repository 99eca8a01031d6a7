//! Writes a segment.

pub(crate) mod block;
pub(crate) mod clocks;
pub(crate) mod compact;
pub(crate) mod dictionary;
pub(crate) mod frames;
pub(crate) mod index;
pub(crate) mod staging;
