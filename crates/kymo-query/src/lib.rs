//! Chooses records of a kymo log: by expressions over typed arguments, by call site, thread and time.
//!
//! ```text
//! text  ──parse──▶  Expression  ──specialize(call site)──▶  Expression  ──is_true(record)──▶  bool
//! ```
//!
//! [`Filter`] combines all conditions and tests the cheapest first. Conditions on the call site are
//! decided once for each call site, by the reader.
//!
//! Input: text that a user wrote, and records of [`kymo_reader`]. Output: yes or no, and errors that
//! show their place ([`CaretError`]). The crate knows nothing of terminals or command lines.
#![forbid(unsafe_code)]

mod argument;
mod caret;
mod catalog;
mod expression;
mod filter;
mod point;
pub mod time;

pub use argument::Argument;
pub use caret::CaretError;
pub use catalog::{Catalog, Described, Kind};
pub use expression::{Expression, Scratch};
pub use filter::{Criteria, Filter, Place, Statement, ThreadName};
pub use point::{NoPoint, Point, Reference};
