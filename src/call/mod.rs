//! The ways that a record can go.

pub mod export;
pub(crate) mod hot;
pub(crate) mod recorded;
