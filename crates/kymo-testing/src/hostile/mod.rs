//! The reader and the command against hostile bytes: what holds, whatever a file says.
//!
//! Each function of [`target`] takes any bytes, makes something hostile of them, and panics where a
//! promise is broken. libFuzzer calls them from `fuzz/`, proptest from `tests/hostile_files.rs`.

pub mod check;
#[cfg(feature = "command")]
pub mod command;
pub mod frames;
pub mod memory;
pub mod ring;
pub mod segment;
pub mod target;
