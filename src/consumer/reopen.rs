//! Answers a request to reopen the log. [`segments`](super::segments) says how it goes on.

use std::io;

use crate::clock::monotonic_ns;
use crate::consumer::Consumer;
use crate::consumer::segments::{Begin, SegmentState};
use crate::segment::LogOutput;

/// How long threads that log without a pause may delay a new segment, in nanoseconds.
const DRAIN_NS: u64 = 500_000_000;

impl<O: LogOutput> Consumer<O> {
    /// Goes on in a new file, if the old one has lost its name. To be called between sweeps.
    pub(super) fn reopen(&mut self) {
        let result = self.try_reopen();
        if let Err(error) = &result {
            // The request may be a signal's, and no caller would see the error.
            let text = format!("it was moved, and there is no new one: {error}");
            self.shared.counters.output_errors.increment();
            self.untold = Some((io::Error::new(error.kind(), text), self.lost()));
        }
        self.shared.reopen_request.note(result);
    }

    /// Takes all that was in the rings when this was called.
    fn drain_until_now(&mut self) {
        let now = self.now();
        let deadline_ns = monotonic_ns().saturating_add(DRAIN_NS);
        while self.sweep() && self.complete <= now && monotonic_ns() < deadline_ns {}
    }

    fn try_reopen(&mut self) -> io::Result<()> {
        self.check_output();
        if self.segment == SegmentState::Removed {
            // Then there will be a new one anyway, as soon as that is possible.
            return Ok(());
        }
        let shared = self.shared.clone();
        shared.side.part(|| {
            // So that a record whose call waits to write it to the side file is in the old log.
            self.drain_until_now();
            let begun = self.begin(Begin::Moved);
            (matches!(begun, Ok(true)), begun.map(drop))
        })
    }
}
