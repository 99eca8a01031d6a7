//! The reader against hostile bytes: what holds, whatever a file says.
//!
//! Each function of [`target`] takes any bytes, makes something hostile of them, and panics where a
//! promise is broken. libFuzzer calls them from `fuzz_targets`, and `tests/hostile_files.rs`, which
//! includes this file, with what proptest makes up. So nothing here names `crate`.

pub mod check;
pub mod frames;
pub mod memory;
pub mod ring;
pub mod segment;
pub mod target;
