//! The last things a consumer does for a process that is about to die.

use super::dictionary::Dictionary;
use super::lane::Left;
use super::staging::Staging;
use super::{Consumer, frames};
use crate::clock::monotonic_ns;
use crate::producer::Mode;
use crate::segment::Output;
use crate::signals::mailbox::Request;
use crate::sync::atomic::Ordering;
use crate::twin::{self, Twin};

/// How long threads that go on logging may keep a drain from ending, in nanoseconds.
const DRAIN_NS: u64 = 500_000_000;

impl<O: Output> Consumer<O> {
    /// Serves what a signal handler asks for, if one does: drains the rings of all that was in them
    /// when it asked, and marks the file. Whether the consumer is to end.
    pub(super) fn drain_for_signal(&mut self) -> bool {
        let Some(request) = self.control.mailbox.pending() else { return false };
        if request.is_closing() {
            // `close` does all of it.
            return true;
        }
        if twin::broken(Twin::SignalServedEarly) {
            self.control.mailbox.acknowledge(request);
        }
        let as_of = self.clock.now();
        let deadline_ns = monotonic_ns().saturating_add(DRAIN_NS);
        // Empty, or there is only what was logged since.
        while self.sweep() && self.complete <= as_of && monotonic_ns() < deadline_ns {}
        if request.is_marked() {
            let ticks = self.clock.now();
            self.mark_signal(request, ticks);
            self.append();
        }
        self.control.mailbox.acknowledge(request);
        false
    }

    /// Marks the file with a signal, of which the process is going to die.
    pub(super) fn mark_signal(&mut self, request: Request, ticks: u64) {
        frames::put_signal(&mut self.staging, request.thread(), request.signal(), ticks);
    }

    /// Drains the rings in the place of a consumer that stopped anywhere, for good: it crashed, or
    /// called `exit`. `request` is what for; `None`: `exit`, and the file is closed.
    ///
    /// What had been made of records and was not committed is thrown away and made again, from the
    /// rings, which still have it. Only a consumer that was hit between committing a sweep and
    /// giving the rings their room back, where nothing but a signal that was sent to it can hit it,
    /// leaves records of this one sweep that stand in the file twice.
    pub(crate) fn rescue(&mut self, request: Option<Request>) {
        // Whatever is half made is left as it is, without a destructor: it may be broken.
        let mut fresh = Staging::new(self.staging.salt());
        // The last one may have been among what is thrown away.
        frames::put_clock(&mut fresh, &self.discipline.line());
        std::mem::forget(std::mem::replace(&mut self.staging, fresh));
        let fresh = Dictionary::behind(&self.dictionary);
        std::mem::forget(std::mem::replace(&mut self.dictionary, fresh));
        std::mem::forget(std::mem::take(&mut self.block));
        self.output.rewind();
        for lane in &mut self.lanes {
            lane.restart();
            if request.is_none() {
                // Relaxed: see `close_rings`.
                lane.state.mode.store(Mode::CLOSED, Ordering::Relaxed);
            }
        }
        for ring in self.registry.close() {
            self.add_lane(ring);
        }
        // A custom clock may be what crashed.
        let ticks = if self.clock.is_custom() { self.complete } else { self.clock.now() };
        let deadline_ns = monotonic_ns().saturating_add(DRAIN_NS);
        // Each ring by itself, so that what is read from one is safe before the next one is.
        for index in 0..self.lanes.len() {
            loop {
                let left = self.drain(index);
                let took = self.lanes[index].took_records();
                self.block.close(&mut self.staging);
                self.commit(index..index + 1);
                if left == Left::Nothing || !took || monotonic_ns() >= deadline_ns {
                    break;
                }
            }
        }
        match request {
            Some(request) => {
                self.mark_signal(request, ticks);
                self.append();
            }
            None => {
                self.put_totals(ticks);
                std::mem::forget(self.report());
            }
        }
    }
}
