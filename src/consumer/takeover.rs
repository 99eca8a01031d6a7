//! The last things a consumer does for a process that is about to die.

use super::account::Left;
use super::dictionary::Dictionary;
use super::dump::Reason;
use super::staging::Staging;
use super::{Consumer, frames};
use crate::clock::monotonic_ns;
use crate::segment::Output;
use crate::signals::mailbox::Request;
use crate::twin::{self, Twin};

/// How long threads that go on logging may keep a drain from ending, in nanoseconds.
const DRAIN_NS: u64 = 500_000_000;

impl<O: Output> Consumer<O> {
    /// Serves what a signal handler asks for, if one does: drains the rings of all that was in them
    /// when it asked, and marks the file. Whether the consumer is to end.
    pub(super) fn drain_for_signal(&mut self) -> bool {
        let Some(request) = self.core.emergency.mailbox.pending() else { return false };
        if request.is_closing() {
            // `close` does all of it.
            return true;
        }
        if twin::broken(Twin::SignalServedEarly) {
            self.core.emergency.mailbox.acknowledge(request);
        }
        let as_of = self.core.clock.now();
        let deadline_ns = monotonic_ns().saturating_add(DRAIN_NS);
        // Empty, or there is only what was logged since.
        while self.sweep() && self.complete <= as_of && monotonic_ns() < deadline_ns {}
        if request.is_marked() {
            self.dump(Reason::Signal(request.signal()));
            self.mark_signal(request);
            self.append();
            self.released_bytes = self.output.len();
        }
        self.core.emergency.mailbox.acknowledge(request);
        false
    }

    /// The tick count now.
    pub(super) fn now(&self) -> u64 {
        self.frozen.unwrap_or_else(|| self.core.clock.now())
    }

    /// Marks the file with a signal, of which the process is going to die.
    pub(super) fn mark_signal(&mut self, request: Request) {
        let ticks = self.now();
        frames::put_signal(&mut self.staging, request.thread(), request.signal(), ticks);
    }

    /// Drains the rings in the place of a consumer that stopped anywhere, for good: it crashed, or
    /// called `exit`. `request` is what for; `None`: `exit`, and the file is closed.
    ///
    /// What had been made of records and was not committed is thrown away and made again, from the
    /// rings, which still have it. What was committed, and whose room was not given back yet, is
    /// told by the length of the output, and not written again.
    pub(crate) fn take_over(&mut self, request: Option<Request>) {
        // Whatever is half made is left as it is, without a destructor: it may be broken.
        let mut fresh = Staging::new(self.staging.salt());
        // The last one may have been among what is thrown away.
        self.put_clocks(&mut fresh);
        std::mem::forget(std::mem::replace(&mut self.staging, fresh));
        let fresh = Dictionary::behind(&self.dictionary);
        std::mem::forget(std::mem::replace(&mut self.dictionary, fresh));
        self.block = Default::default();
        self.output.rewind();
        let committed = self.output.len() > self.released_bytes;
        for lane in &mut self.lanes {
            if committed {
                lane.commit();
            }
            lane.restart();
            if request.is_none() {
                lane.state.cursor.close();
            }
        }
        for ring in self.core.registry.close() {
            self.add_lane(ring);
        }
        // A custom clock may be what crashed.
        self.frozen = self.core.clock.is_custom().then_some(self.complete);
        let deadline_ns = monotonic_ns().saturating_add(DRAIN_NS);
        // Each ring by itself, so that what is read from one is safe before the next one is.
        for index in 0..self.lanes.len() {
            loop {
                let left = self.drain(index);
                let took = self.lanes[index].took_records();
                self.block.close(&mut self.staging);
                self.commit(index..index + 1);
                let more = left == Left::Held || left != Left::Nothing && took;
                if !more || monotonic_ns() >= deadline_ns {
                    break;
                }
            }
        }
        match request {
            Some(request) => {
                self.dump_last(Reason::Signal(request.signal()));
                self.mark_signal(request);
                self.append();
            }
            None => {
                if let Some(level) = self.wants_dump() {
                    self.dump_last(Reason::Record(level));
                }
                std::mem::forget(self.end_segment(0));
            }
        }
    }
}
