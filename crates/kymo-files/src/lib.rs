//! The files that belong to a log: how they are found, and how they are opened.
//!
//! | module | |
//! | --- | --- |
//! | [`beside`] | which files lie beside a log, and to which segment each belongs |
//! | [`derived`] | opens and makes files under names that others can know, and trusts none of them |
//! | [`keep`] | how much of a rotated log is kept |
//! | [`retention`] | which segments are deleted, and how |
//! | `lock` (Unix) | locks on files |
//! | [`segments`] | the segments of a rotated log: their names, and a list of them |
//! | `socket` (Linux, feature `socket`) | the socket beside a log, by which its process can be asked |
//!
//! Not an interface for other programs.
#![forbid(unsafe_code)]

pub mod beside;
pub mod derived;
pub mod keep;
#[cfg(unix)]
pub mod lock;
pub mod retention;
pub mod segments;
#[cfg(all(target_os = "linux", feature = "socket"))]
pub mod socket;
#[doc(hidden)]
pub mod tap;
