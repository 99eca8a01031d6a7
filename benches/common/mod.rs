//! What the benches share: the values that are logged, the counter, the cores, the files.
#![allow(dead_code, reason = "each bench uses a part of it")]

pub mod batches;
pub mod counter;
pub mod place;
pub mod values;
