//! What is true of the process.

pub(crate) mod fork;
