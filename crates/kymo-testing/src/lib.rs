//! What the tests, benches and fuzz targets of this repository share.
//!
//! | module | for |
//! | --- | --- |
//! | [`logged`] | a test that logs to a file of its own and reads it back |
//! | [`bridged`] | a test of what comes through the crates `log` and `tracing` |
//! | [`rotated`] | the segments of a rotated log, in a directory |
//! | [`segment`] | a segment built frame by frame, wrong ones included |
//! | [`stopping`] | a clock that stops the consumer |
//! | [`namespace`] | child processes with a file system of their own: small, slow or read-only disks |
//! | [`mod@stories`] | tests that child processes tell, each with a directory of its own |
//! | [`hostile`] | bytes that mean harm, and what must hold whatever they are: the bodies of the fuzz targets |

pub mod bridged;
pub mod hostile;
pub mod logged;
#[cfg(unix)]
pub mod namespace;
pub mod rotated;
pub mod segment;
pub mod stopping;
#[cfg(unix)]
pub mod stories;
