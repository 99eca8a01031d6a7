//! What the benches share: the values that are logged, the counter, the cores, the files.

pub mod bare;
#[cfg(feature = "own")]
pub mod batches;
pub mod counter;
pub mod floor;
#[cfg(feature = "own")]
pub mod instructions;
pub mod machine;
pub mod messages;
pub mod place;
pub mod statistics;
pub mod table;
pub mod timing;
pub mod values;
