//! Recovery without files, for tests against hostile bytes. Not part of the crate's interface.
#![forbid(unsafe_code)]

use crate::crash::recover::LeftOver;
use crate::crash::recover::SIGKILL;
use crate::crash::recovered::{self, Thread};
use crate::format::header::{ClockSource, Header};

/// What a recovery found.
#[derive(Debug)]
pub struct InMemory {
    /// The segment that it would write.
    pub segment: Vec<u8>,
    /// How many records that has.
    pub records: u64,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// Recovers what is in the bytes of a ring file, of which the bytes of a file of call sites say what
/// they mean. All segments are committed up to `committed`.
pub fn recover(ring: &[u8], sites: &[u8], committed: u64) -> InMemory {
    let (left, threads) = LeftOver::in_memory(ring, sites, committed);
    let header = Header::new(ClockSource::Custom);
    InMemory {
        segment: recovered::segment(&header, &left.clocks(), &threads, Some(SIGKILL), 0),
        records: threads.iter().map(Thread::count).sum(),
        problems: left.problems().cloned().collect(),
    }
}
