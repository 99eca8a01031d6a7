//! What log statements expand to, against a stand-in for `kymo::export` that keeps what it is
//! given.

mod arguments;
mod export;
mod levels;
mod places;

use export::{Level, Record, logged};

/// `info!` as kymo has it, with this crate in kymo's place.
macro_rules! info {
    ($($statement:tt)*) => { kymo_macros::statement!(crate (Info) $($statement)*) };
}
macro_rules! log {
    ($($statement:tt)*) => { kymo_macros::statement!(crate () $($statement)*) };
}
pub(crate) use {info, log};
