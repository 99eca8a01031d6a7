//! What the benches share: the values that are logged, the counter, the cores, the files.
#![allow(dead_code, reason = "each bench uses a part of it")]

pub mod bare;
pub mod batches;
pub mod counter;
pub mod floor;
pub mod instructions;
pub mod machine;
pub mod messages;
pub mod place;
pub mod statistics;
pub mod table;
pub mod timing;
pub mod values;
