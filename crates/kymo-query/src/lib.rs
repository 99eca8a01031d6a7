//! Chooses records of a kymo log: by expressions over typed arguments, by call site, thread and time.
//!
//! ```text
//! text  ──parse──▶  Expression  ──specialize(call site)──▶  Expression  ──is_true(record)──▶  bool
//! ```
//!
//! [`Filter`] puts all questions together and asks the cheapest first: what depends on the call site
//! alone is decided once for each, by the reader itself.
//!
//! What comes in: text that a user wrote, records of [`kymo_reader`]. What goes out: yes or no, and
//! errors that show the place ([`CaretError`]). It knows nothing of terminals or of command lines.
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
pub use filter::{Criteria, Filter, Place, ThreadName};
pub use point::{NoPoint, Point, Reference};
