//! How a process ends, and what is recovered of one that has died.

pub(crate) mod exit;
pub(crate) mod recover;
pub(crate) mod recovered;
pub(crate) mod signals;
