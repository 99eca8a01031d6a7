//! A lane: what the consumer keeps about one thread, for the life of the logger.
//!
//! In: the consumer's ends of the thread's rings. Out: batches for the writers of the logs. What a log has of the
//! thread is a [`LogAccount`], which the lane keeps for each.

use crate::consumer::MAIN;
use crate::consumer::account::LogAccount;
use crate::consumer::batch::{Batch, Leftover};
use crate::consumer::flight::Flight;
use crate::consumer::followed::{Followed, Merge};
use crate::consumer::log::Log;
use crate::consumer::sorting::{SortedBatch, Sorter};
use crate::consumer::sweep::{Shares, Sweep};
use crate::drop_reason::DropReason;
use crate::level::Level;
use crate::mutant::{self, Mutant};
use crate::ring::consumer::records;
use crate::ring::record::Record;
use crate::ring::storage::LogMark;
use crate::ring::storage::bounded::SPARE_WORDS;
use crate::ring::storage::overwriting::OverwritingConsumer;
use crate::ring::{RingConsumer, RingProducer, WORD_BYTES, ring};
use crate::segment::Output;
use crate::segment::writer::{SegmentWriter, join};
use crate::shared::orphans::Orphan;
use crate::shared::registry::NewRing;
use crate::shared::state::{LogCounts, RingState};
use crate::sync::Arc;
use crate::sync::atomic::Ordering;

/// A thread as the consumer sees it.
pub(crate) struct Lane {
    pub(crate) state: Arc<RingState>,
    /// What each log has of the thread.
    pub(crate) logs: Vec<LogAccount>,
    pub(super) ring: RingConsumer,
    /// The ring of the levels that overwrite their oldest records, if there are any.
    pub(super) followed: Option<Followed>,
    /// The thread's flight recorder, if it has one.
    pub(crate) flight: Option<Flight>,
    /// How many bytes of the ring its records took.
    bytes: u64,
    /// How many words were found in the ring by the last look; the most so far; and the most since the last call of
    /// `passed_high_water`.
    found: usize,
    high_water: usize,
    recent_high_water: usize,
    /// Whether the ring has reached the high-water mark, and not fallen below half of it since.
    is_high: bool,
    /// What the current sweep took.
    pub(super) sweep: Sweep,
}

impl Lane {
    pub(crate) fn new(ring: NewRing, logs: Vec<LogAccount>) -> Self {
        Self {
            state: ring.state,
            logs,
            ring: ring.ring,
            followed: ring.followers.log.map(Followed::new),
            flight: ring.followers.flight.map(Flight::new),
            bytes: 0,
            found: 0,
            high_water: 0,
            recent_high_water: 0,
            is_high: false,
            sweep: Sweep::default(),
        }
    }

    /// Takes a batch out of the rings, and stages it.
    pub(super) fn drain<O: Output>(
        &mut self,
        logs: &mut [Log<O>],
        sorter: Option<&mut Sorter>,
    ) -> Leftover {
        self.sweep = Sweep::default();
        // Before the look at the ring, which so finds all that was logged before the gaps.
        self.each_account(LogAccount::begin_sweep);
        let mut ended = self.state.has_ended();
        let committed = self.ring.look();
        if mutant::broken(Mutant::EndedLast) {
            ended = self.state.has_ended();
        }
        let first_look = committed.words();
        let sweep = &mut self.sweep;
        let (left, found, copied) = if let Some(sorter) = sorter {
            let accounts = &mut self.logs;
            let mut batch = SortedBatch { logs, accounts, sorter, sweep, last_ticks: 0 };
            (batch.take_all(committed.runs()), first_look, 0)
        } else {
            let (writer, account) = (&mut logs[MAIN].writer, &mut self.logs[MAIN]);
            let mut batch = Batch { writer, account, sweep, mark: None };
            match &mut self.followed {
                None => {
                    let (first, second) = committed.runs();
                    let all = batch.take(first) && batch.take(second);
                    (batch.leftover(all), first_look, 0)
                }
                Some(followed) => {
                    let copy = followed.look(Some(self.state.clock.stamp()).filter(|_| !ended));
                    // `followed` says why it is looked at twice.
                    let committed = self.ring.look();
                    let copied = copy.words().len();
                    if let Some((counts, range)) = copy.overwritten {
                        let to = &self.state.logs[MAIN];
                        batch.account.lose(DropReason::Overwritten, counts, Some(range), to);
                        batch.mark = Some(batch.account.mark_of_consumer());
                    }
                    let merge = Merge::new(committed.runs(), first_look, copy);
                    let left = batch.take_both(merge);
                    (left, committed.words(), copied)
                }
            }
        };
        let all = left == Leftover::Nothing;
        self.recent_high_water = self.recent_high_water.max(found);
        if found != self.found {
            self.found = found;
            // Relaxed: a number for statistics. Stored only if it changed: most rings are empty most of the time.
            self.state.progress.found_words.store(found as u64, Ordering::Relaxed);
        }
        if found > self.high_water {
            self.high_water = found;
            // Relaxed: a number for statistics.
            self.state.progress.high_water_words.store(found as u64, Ordering::Relaxed);
        }
        let taken = (!all).then_some(self.sweep.words + self.sweep.followed_words);
        self.logs.iter_mut().for_each(|log| log.approach(first_look + copied, taken));
        if ended && all && !mutant::broken(Mutant::MarkBeforeLook) {
            // If the thread has ended, this finds all drops. What it logged has just been taken.
            self.each_account(LogAccount::see_end);
        }
        self.sweep.finished = ended && (all || mutant::broken(Mutant::FinishedEarly));
        left
    }

    /// Calls `act` with what each log has of the thread, and the counts that go with it.
    fn each_account(&mut self, act: impl Fn(&mut LogAccount, &LogCounts)) {
        self.logs.iter_mut().zip(&self.state.logs).for_each(|(log, counts)| act(log, counts));
    }

    /// Stages marks of drops, where all that was logged before them has been taken.
    pub(super) fn stage_marks<O: Output>(&mut self, logs: &mut [Log<O>]) {
        for (account, log) in self.logs.iter_mut().zip(logs) {
            account.mark_drops(&mut log.writer);
        }
    }

    /// Stages all that a log has not of the thread: marks of drops, also those after a gap that has no mark, because no
    /// later call will; and its end, if `ends`.
    pub(super) fn stage_last<O: Output>(&mut self, index: usize, log: &mut Log<O>, ends: bool) {
        let account = &mut self.logs[index];
        account.see_last_drops(&self.state.logs[index]);
        account.mark_drops(&mut log.writer);
        if ends && account.has_account() && !account.in_segment.is_ended() {
            log.writer.end_thread(&mut account.in_segment);
        }
    }

    /// Stages the thread's end in each log that has something of it.
    pub(super) fn stage_end<O: Output>(&mut self, logs: &mut [Log<O>]) {
        for (account, log) in self.logs.iter_mut().zip(logs) {
            if account.has_account() && !account.in_segment.is_ended() {
                log.writer.end_thread(&mut account.in_segment);
            }
        }
    }

    /// Returns how many words were found in the ring, if that reaches this share of its capacity. A
    /// share is reported again only after less than half of it was found.
    pub(crate) fn passed_high_water(&mut self, share: f64) -> Option<usize> {
        let found = std::mem::take(&mut self.recent_high_water);
        let mark = (self.state.ring_words as u64 - SPARE_WORDS) as f64 * share;
        let was_high = self.is_high;
        let low = if was_high { mark / 2.0 } else { mark };
        self.is_high = found as f64 >= low;
        (self.is_high && !was_high).then_some(found)
    }

    /// How many words the sweep took.
    pub(crate) fn taken_words(&self) -> usize {
        self.sweep.words + self.sweep.followed_words
    }

    /// How many words its rings have, without the flight recorder.
    pub(crate) fn capacity_words(&self) -> usize {
        self.state.ring_words + self.followed.as_ref().map_or(0, Followed::capacity)
    }

    /// Which share of its rings the sweep took.
    pub(super) fn taken_share(&self) -> f64 {
        self.taken_words() as f64 / self.capacity_words() as f64
    }

    /// Whether the sweep took something.
    pub(crate) fn took_records(&self) -> bool {
        self.sweep.took()
    }

    /// Whether the thread has ended, and this sweep took the last of it.
    pub(crate) fn is_finished(&self) -> bool {
        self.sweep.finished
    }

    /// Says in the rings' files that what the sweep took is in the log once that is committed. Does
    /// nothing for a ring that is not in a file.
    pub(crate) fn prepare(&mut self, mark: LogMark) {
        self.each_share(
            |ring, words, records| ring.prepare(words, records, mark),
            |follower, words, records| follower.prepare(words, records, mark),
        );
        self.sweep.prepared = true;
    }

    /// Takes back what `prepare` said: the log was not committed.
    pub(super) fn retract(&mut self) {
        if !std::mem::take(&mut self.sweep.prepared) {
            return;
        }
        self.each_share(RingConsumer::retract, OverwritingConsumer::retract);
    }

    /// Calls the functions with the number of words and records, for each ring that the sweep took
    /// something from.
    fn each_share(
        &mut self,
        of_ring: impl FnOnce(&mut RingConsumer, usize, u64),
        of_follower: impl Fn(&mut OverwritingConsumer, usize, u64),
    ) {
        let main = &self.logs[MAIN];
        let records = main.in_segment.staged_records().iter().sum();
        let Shares { ring, followed, flight } = self.sweep.shares(records, main.has_mark());
        if let Some((words, records)) = ring {
            of_ring(&mut self.ring, words, records);
        }
        if let (Some((words, records)), Some(to)) = (followed, &mut self.followed) {
            of_follower(to.follower_mut(), words, records);
        }
        if let (Some((words, records)), Some(to)) = (flight, &mut self.flight) {
            of_follower(&mut to.follower, words, records);
        }
    }

    /// Removes the files of the rings: nothing of them is to be recovered.
    pub(crate) fn remove_ring_files(&mut self) {
        self.ring.remove_file();
        self.followers_mut().for_each(OverwritingConsumer::remove_file);
    }

    /// Keeps the files of the rings: what is in them is to be recovered when the process has ended.
    pub(crate) fn keep_ring_files(&mut self) {
        self.ring.keep_file();
        self.followers_mut().for_each(OverwritingConsumer::keep_file);
    }

    fn followers_mut(&mut self) -> impl Iterator<Item = &mut OverwritingConsumer> {
        let followed = self.followed.as_mut().map(Followed::follower_mut);
        followed.into_iter().chain(self.flight.as_mut().map(|flight| &mut flight.follower))
    }

    /// Counts what a log has of the sweep as written. To be called when it is in its file, and before
    /// [`release`](Self::release).
    pub(super) fn settle<O: Output>(&mut self, log: usize, writer: &mut SegmentWriter<O>) {
        self.logs[log].settle(self.sweep.words, writer, &self.state.logs[log]);
    }

    /// Counts what a log should have of the sweep as dropped. To be called when it could not be written, and before
    /// [`release`](Self::release).
    pub(super) fn fail(&mut self, log: usize) {
        if log == MAIN {
            self.retract();
            self.prepare(LogMark::GIVEN_UP);
        }
        self.sweep.failed = true;
        if self.logs[log].fail(self.sweep.words, &self.state.logs[log]) {
            self.say_failed();
        }
    }

    /// Counts what was written to a log as dropped: the file is gone. All drops are to be marked again in
    /// the next one.
    pub(super) fn lose_segment(&mut self, log: usize) {
        if self.logs[log].lose_segment(&self.state.logs[log]) {
            self.say_failed();
        }
    }

    /// Says that records are lost that were taken. The counts are stored before.
    fn say_failed(&self) {
        // Release: pairs with the acquire in `Producer::flush`, which looks here when it finds the
        // ring empty.
        self.state.failures.fetch_add(1, Ordering::Release);
    }

    /// Undoes the current sweep: nothing of it was written, and what it took is still in the ring.
    pub(crate) fn restart(&mut self) {
        self.retract();
        self.sweep = Sweep::default();
        self.logs.iter_mut().for_each(LogAccount::restart);
    }

    /// Releases the words of the sweep: all logs have its records, or have counted them as lost.
    pub(super) fn release(&mut self) {
        if self.sweep.took() {
            let words = self.taken_words() + self.sweep.flight_words;
            self.bytes += (words * WORD_BYTES) as u64;
            // Relaxed: a number for statistics.
            self.state.progress.bytes.store(self.bytes, Ordering::Relaxed);
        }
        if self.sweep.words != 0 {
            self.ring.consume(self.sweep.words);
        }
        if let Some(followed) = &mut self.followed {
            // Also if that is nothing: all that was there may have been overwritten.
            followed.consume(self.sweep.followed_words);
        }
        if let Some(flight) = self.flight.as_mut().filter(|_| self.sweep.flight_words != 0) {
            flight.follower.consume(self.sweep.flight_words);
        }
        if self.sweep.failed && self.sweep.finished {
            // The lane ends once its drops are marked. Until then it needs no ring but an empty one
            // whose thread has gone. There may be many such threads before the output works again.
            self.sweep.finished = false;
            drop(self.state.take_returned());
            self.ring = ring(1).1;
            self.followed = None;
        }
        self.sweep = self.sweep.cleared();
        self.logs.iter_mut().for_each(LogAccount::note_released);
    }

    /// Clears the sweep: nothing is taken, and nothing staged.
    pub(super) fn clear_sweep(&mut self) {
        self.sweep = self.sweep.cleared();
        self.logs.iter_mut().for_each(LogAccount::clear_sweep);
    }

    /// The most urgent level among the records that the sweep took.
    pub(crate) fn most_urgent(&self) -> Option<Level> {
        Level::ALL
            .into_iter()
            .zip(*self.logs[MAIN].in_segment.staged_records())
            .find_map(|(level, n)| (n > 0).then_some(level))
    }

    /// How many records the sweep took.
    pub(crate) fn took(&self) -> u64 {
        match &self.logs[..] {
            [main] => main.in_segment.staged_records().iter().sum(),
            _ => self.sweep.records,
        }
    }

    /// The time for shutting down is over: counts what is left in the rings as dropped. Returns how
    /// many of these are the program's own records, for each log. If not `recoverable_too`, rings in files stay
    /// as they are.
    pub(crate) fn give_up(&mut self, recoverable_too: bool) -> Vec<u64> {
        let mut left = vec![([0; 5], None); self.logs.len()];
        let mut count = |run: &[u64]| {
            for record in records(run) {
                // SAFETY: as in `Batch::take`.
                let record = unsafe { Record::new(record) };
                for log in self.state.routes.of(record.site).iter() {
                    let (counts, range) = &mut left[log];
                    counts[record.site.level.index()] += 1;
                    *range = join(*range, Some((record.ticks, record.ticks)));
                }
            }
        };
        if recoverable_too || !self.ring.is_in_file() {
            let committed = self.ring.look();
            let (first, second) = committed.runs();
            count(first);
            count(second);
            committed.consume_all();
        }
        let followed = self.followed.as_mut();
        if let Some(followed) = followed.filter(|it| recoverable_too || !it.is_in_file()) {
            followed.drain(|copy| {
                count(copy.words());
                if let Some((counts, gap)) = copy.overwritten {
                    let to = &self.state.logs[MAIN];
                    self.logs[MAIN].lose(DropReason::Overwritten, counts, Some(gap), to);
                }
            });
        }
        let mut sums = Vec::new();
        for (log, (counts, range)) in left.into_iter().enumerate() {
            if range.is_some() {
                let to = &self.state.logs[log];
                self.logs[log].lose(DropReason::ShutdownTimedOut, counts, range, to);
                self.say_failed();
            }
            sums.push(if self.state.is_own { 0 } else { counts.iter().sum() });
        }
        self.logs.iter_mut().for_each(LogAccount::arrive);
        sums
    }

    /// Returns both ends of the ring of a thread that has ended, empty. `None` also if the ring is
    /// in a file: that has the thread's name, and is removed with it.
    pub(crate) fn into_ring(self) -> Option<(RingProducer, RingConsumer)> {
        if self.ring.is_in_file() {
            return None;
        }
        Some((self.state.take_returned()?, self.ring))
    }

    pub(crate) fn into_orphan(self) -> Orphan {
        let overwriting = self.followed.map(Followed::into_follower);
        let seen = self.logs.iter().map(LogAccount::seen).collect();
        Orphan::new(self.ring, overwriting, self.state, seen)
    }
}
