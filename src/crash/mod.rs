//! The end of a process: `exit`, fatal and termination signals, and the recovery after a death.
//!
//! [`exit`] and [`signals`] have the consumer drain the rings while the process can still run.
//! [`recover`] reads the ring files that a dead process left, and [`recovered`] writes their
//! records to a segment. The folder knows the consumer and the segment; it makes no logger and no
//! producer.

pub(crate) mod exit;
pub(crate) mod recover;
pub(crate) mod recovered;
pub(crate) mod signals;
