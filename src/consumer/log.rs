//! A log, as the consumer has it: the writer of its current segment, what earlier segments have, and its failures.
//!
//! What it has of each thread is a [`LogAccount`](super::account::LogAccount), in the thread's lane.

use std::io;

use crate::consumer::rotate::Rotating;
use crate::consumer::segments::{Earlier, EndedThreads, SegmentState};
use crate::segment::LogOutput;
use crate::segment::writer::SegmentWriter;

/// A log that the consumer writes.
pub(super) struct Log<O> {
    pub(super) writer: SegmentWriter<O>,
    /// The account of the threads that have ended.
    pub(super) ended: EndedThreads,
    /// What the segments before this one have.
    pub(super) earlier: Earlier,
    pub(super) segment: SegmentState,
    /// The first error.
    pub(super) error: Option<io::Error>,
    /// Whether the last attempt to write has failed.
    pub(super) failing: bool,
    /// The error, and how many records such failures had cost before it, until a notice was given.
    pub(super) untold: Option<(io::Error, u64)>,
    /// While a failure of the output lasts, and a notice was given: how many records such failures had cost before it.
    pub(super) told_failing: Option<u64>,
    /// Whether the notice about files that cannot be mapped has been given, or is not needed.
    pub(super) told_unmapped: bool,
    /// How many failures of syncs were told, and when the next may be told.
    pub(super) told_sync_errors: u64,
    pub(super) next_sync_ns: u64,
    /// `Some` if the log is rotated.
    pub(super) rotating: Option<Rotating<O>>,
    /// The length of the output when the words of all its records had been released.
    pub(super) released_bytes: u64,
}

impl<O: LogOutput> Log<O> {
    /// `output` has its header page, which names the salt.
    pub(super) fn new(output: O, salt: u32) -> Self {
        Self {
            released_bytes: output.len(),
            writer: SegmentWriter::new(output, salt),
            ended: EndedThreads::default(),
            earlier: Earlier::default(),
            segment: SegmentState::Begun,
            error: None,
            failing: false,
            untold: None,
            told_failing: None,
            told_unmapped: false,
            told_sync_errors: 0,
            next_sync_ns: 0,
            rotating: None,
        }
    }

    /// Whether its file was removed, and there is no other yet.
    pub(super) fn is_removed(&self) -> bool {
        self.segment == SegmentState::Removed
    }
}
