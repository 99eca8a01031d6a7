//! Answering a request to reopen the log: see [`segments`](super::segments) for how it goes on.

use std::io;

use crate::consumer::Consumer;
use crate::consumer::segments::{Begin, SegmentState};
use crate::segment::LogOutput;

impl<O: LogOutput> Consumer<O> {
    /// Goes on in a new file, if the old one has lost its name. To be called between sweeps.
    pub(super) fn reopen(&mut self) {
        let result = self.try_reopen();
        if let Err(error) = &result {
            // It may have been a signal that asked, which nobody answers.
            let text = format!("it was moved, and there is no new one: {error}");
            self.shared.counters.output_errors.increment();
            self.untold = Some((io::Error::new(error.kind(), text), self.lost()));
        }
        self.shared.reopen_request.note(result);
    }

    fn try_reopen(&mut self) -> io::Result<()> {
        self.check_output();
        if self.segment == SegmentState::Removed {
            // Then there is a new one anyway, as soon as that is possible.
            return Ok(());
        }
        self.begin(Begin::Moved).map(drop)
    }
}
