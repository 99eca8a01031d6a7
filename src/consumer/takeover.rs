//! The last work of a consumer, for a process that is about to die.

use crate::clock::monotonic_ns;
use crate::consumer::batch::Leftover;
use crate::consumer::dump::Reason;
use crate::consumer::lane::Lane;
use crate::consumer::{Consumer, MAIN};
use crate::mutant::{self, Mutant};
use crate::segment::LogOutput;
use crate::shared::mailbox::Request;

impl<O: LogOutput> Consumer<O> {
    /// Serves the request of a signal handler, if there is one: drains what was in the rings at the
    /// request, and marks the file. Returns whether the consumer is to end.
    pub(crate) fn drain_for_signal(&mut self) -> bool {
        let Some(request) = self.shared.emergency.mailbox.pending() else { return false };
        if request.is_closing() {
            // `close` does all of it.
            return true;
        }
        if mutant::broken(Mutant::SignalServedEarly) {
            self.shared.emergency.mailbox.acknowledge(request);
        }
        let deadline_ns = self.shared.emergency.mailbox.deadline_ns(request);
        // An output that has just failed is tried at once, and not after a while.
        self.check_outputs();
        let in_time = self.drain_until(deadline_ns, |_| false);
        if request.is_marked() {
            if !in_time {
                self.give_up(false);
            }
            self.insist(MAIN, |this| {
                this.dump(Reason::Signal(request.signal()));
            });
            for log in 0..self.logs.len() {
                self.insist(log, |this| this.append_last_marks(log, request));
            }
            self.catch_up(deadline_ns);
        }
        self.shared.emergency.mailbox.acknowledge(request);
        false
    }

    /// Writes something to a log. If its output fails at it, tries once more, because there is no later
    /// attempt.
    fn insist(&mut self, log: usize, write: impl Fn(&mut Self)) {
        for _ in 0..2 {
            write(self);
            if !self.logs[log].failing {
                break;
            }
            self.check_output(log);
            self.replace_if_removed(log);
        }
    }

    /// Marks all drops that are in no mark of a log yet, and the signal that will end the process.
    fn append_last_marks(&mut self, index: usize, request: Request) {
        self.stage_last(index, false);
        let ticks = self.now();
        self.logs[index].writer.signal(request.thread(), request.signal(), ticks);
        self.write_last(index);
    }

    /// The time for draining is over: counts what is left in the rings as dropped, to be marked.
    /// Returns how many records of the program that are, for each log. If not `recoverable_too`, rings in files
    /// stay as they are, for recovery.
    pub(crate) fn give_up(&mut self, recoverable_too: bool) -> Vec<u64> {
        let mut sums = vec![0; self.logs.len()];
        for lane in &mut self.lanes {
            let left = lane.give_up(recoverable_too);
            sums.iter_mut().zip(left).for_each(|(sum, left)| *sum += left);
        }
        sums
    }

    /// The tick count now.
    pub(crate) fn now(&self) -> u64 {
        self.frozen.unwrap_or_else(|| self.shared.clock.now())
    }

    /// Marks the file with a signal that will end the process.
    pub(crate) fn mark_signal(&mut self, request: Request) {
        let ticks = self.now();
        for log in &mut self.logs {
            log.writer.signal(request.thread(), request.signal(), ticks);
        }
    }

    /// Drains the rings in place of a consumer that stopped at any point, for good: it crashed, or
    /// called `exit`. `request` is the crash; with `None` it was `exit`, and the file is closed.
    ///
    /// Frames that were staged and not committed are thrown away and made again, from the rings,
    /// which still have the records. The length of the output tells which records were committed
    /// and not yet released. They are not written again.
    ///
    /// `deadline_ns`: when to give up what is left in the rings, on the monotonic clock.
    pub(crate) fn take_over(&mut self, request: Option<Request>, deadline_ns: u64) {
        for (index, log) in self.logs.iter_mut().enumerate() {
            if log.writer.resume(log.released_bytes) {
                self.lanes.iter_mut().for_each(|lane| lane.settle(index, &mut log.writer));
                // With other logs, these may lack the records: then this one passes over what it has.
                if self.sorter.is_none() {
                    self.lanes.iter_mut().for_each(Lane::release);
                }
            }
        }
        for lane in &mut self.lanes {
            lane.restart();
            if request.is_none() {
                lane.state.cursor.close();
            }
        }
        for ring in self.shared.registry.close() {
            self.add_lane(ring);
        }
        // A custom clock may be what crashed. Before the first sweep, nothing is complete.
        let last_ticks = self.complete.max(self.discipline.last_ticks());
        self.frozen = self.shared.clock.is_custom().then_some(last_ticks);
        // An output that has just failed is tried at once, and not after a while.
        self.check_outputs();
        self.replace_removed();
        // Each ring by itself, so that what is read from one is safe before the next one is.
        let mut in_time = true;
        for index in 0..self.lanes.len() {
            in_time &= self.take_over_lane(index, deadline_ns);
        }
        if !in_time {
            self.give_up(request.is_none());
        }
        match request {
            Some(request) => {
                self.insist(MAIN, |this| this.dump_last(Reason::Signal(request.signal())));
                for log in 0..self.logs.len() {
                    self.insist(log, |this| this.append_last_marks(log, request));
                }
            }
            None => {
                if let Some(level) = self.wants_dump() {
                    self.dump_last(Reason::Record(level));
                }
                std::mem::forget(self.end(Vec::new()));
            }
        }
    }

    /// Drains what was in a ring. Returns whether the time sufficed.
    fn take_over_lane(&mut self, index: usize, deadline_ns: u64) -> bool {
        // More was not in it: what comes then was logged since.
        let mut words_left = self.lanes[index].capacity_words();
        loop {
            let left = self.drain(index);
            let (took, words) = (self.lanes[index].took_records(), self.lanes[index].taken_words());
            self.commit(index..index + 1);
            words_left = words_left.saturating_sub(words);
            let more = left == Leftover::Held || left != Leftover::Nothing && took;
            if !more || words_left == 0 {
                return true;
            }
            if self.is_failing() {
                self.check_outputs();
            }
            if monotonic_ns() >= deadline_ns {
                return false;
            }
        }
    }
}
