//! Recovery without files, for tests against hostile bytes. Not part of the crate's interface.
#![forbid(unsafe_code)]

use crate::crash::recover::LeftOver;
use crate::crash::recover::SIGKILL;
use crate::crash::recovered::{self, ThreadRecords};
use crate::format::header::{ClockSource, Header};

/// The result of a recovery in memory.
#[derive(Debug)]
pub struct InMemory {
    /// The segment that a recovery would write.
    pub segment: Vec<u8>,
    /// The number of records in it.
    pub records: u64,
    /// The damage that was found.
    pub problems: Vec<String>,
}

/// Recovers the records in the bytes of a ring file, with the bytes of a file of call sites.
///
/// All segments are committed up to `committed`.
pub fn recover(ring: &[u8], sites: &[u8], committed: u64) -> InMemory {
    let (left, threads) = LeftOver::in_memory(ring, sites, committed);
    let header = Header::new(ClockSource::Custom);
    InMemory {
        segment: recovered::segment(&header, &left.clocks(), &threads, Some(SIGKILL), 0),
        records: threads.iter().map(ThreadRecords::count).sum(),
        problems: left.problems().cloned().collect(),
    }
}
