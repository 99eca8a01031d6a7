//! Going on in another segment: the file was removed, or another program has moved it and asked for a new one.
//!
//! In: why. Out: a segment that has nothing yet, and the threads' accounts as they are to be in it.
//!
//! A file that was *removed* takes with it what was written to it. Nobody can read it, so its records become dropped
//! ones, and the new segment has marks for all that was dropped in either. What it says is true of all that was logged
//! since the start.
//!
//! A log that is *rotated*, and a file that was *moved*: the old file is kept. It gets the ends of its threads, its
//! index and its end, and is cut to its length. What it has is kept apart, for statistics and the report: the accounts
//! in the new segment begin with nothing.
//!
//! 1. The new file is made at the path. If that fails, the old one goes on.
//! 2. If rings are in files, the file of call sites says that they belong to the new log now. All that was taken from
//!    them is in the old one, because this is between sweeps. If that fails, the new file is removed.
//! 3. A moved one is ended. If that fails (its disk is full), it has all that was committed, and no end.
//! 4. What has not been written, and drops that have not been marked, go to the new one.

use std::io;

use crate::clock::monotonic_ns;
use crate::consumer::account::LogAccount;
use crate::consumer::rotate::Rotating;
use crate::consumer::{Consumer, MAIN};
use crate::drop_reason::DropReason;
use crate::format::rotated::Continued;
use crate::process::thread_info::ThreadInfo;
use crate::segment::drop_counts::DropCounts;
use crate::segment::writer::{SegmentWriter, Totals, join};
use crate::segment::{LogOutput, Output};

/// How long threads that log without a pause may delay a new segment that was asked for, in nanoseconds.
const DRAIN_NS: u64 = 500_000_000;

/// Why a segment begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// The file of the one before is gone, and all that it had is lost.
    Removed,
    /// The file of the one before has another name now, and is to be ended.
    Moved,
    /// The log is rotated: the one before is to be ended.
    Due,
}

/// The segment, as far as the consumer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SegmentState {
    /// It is there.
    Begun,
    /// It was removed, and there is no other yet.
    Removed,
    /// There is another, whose first frames have not been written yet.
    Renewed,
}

/// What the segments before this one have.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    /// How many there are.
    pub(super) segments: u64,
    pub(super) totals: Totals,
    /// Of kymo's own records, which `totals` includes.
    pub(super) own: Totals,
    /// How many records failures of the output had cost, by the marks in them.
    pub(super) lost: u64,
}

impl Earlier {
    /// What the next segment says of them.
    fn continued(&self) -> Continued {
        let Totals { written, dropped, cut } = self.totals;
        Continued { segments: self.segments, written, dropped, cut, own: self.own.written }
    }
}

impl<O: LogOutput> Consumer<O> {
    /// Answers a request to reopen the logs: each goes on in a new file, if its old one has lost its name. To be called
    /// between sweeps.
    pub(super) fn reopen(&mut self) {
        let mut result = Ok(());
        for index in 0..self.logs.len() {
            let reopened = self.try_reopen(index);
            if let Err(error) = &reopened {
                // The request may be a signal's, and no caller would see the error.
                let text = format!("it was moved, and there is no new one: {error}");
                self.shared.counters_of(index).output_errors.increment();
                let (lost, error) = (self.lost(index), io::Error::new(error.kind(), text));
                self.logs[index].untold = Some((self.shared.of_log(index, error), lost));
            }
            result = result.and(reopened.map_err(|error| self.shared.of_log(index, error)));
        }
        self.shared.reopen_request.note(result);
    }

    fn try_reopen(&mut self, index: usize) -> io::Result<()> {
        self.check_outputs();
        let log = &mut self.logs[index];
        if log.is_removed() {
            // Then there will be a new one anyway, as soon as that is possible.
            return Ok(());
        }
        if let Some(rotating) = &mut log.rotating {
            // The next segment has a name of its own. It may not be ready; then it comes as soon as it is.
            rotating.is_wanted |= log.writer.output().has_lost_name()?;
            return Ok(());
        }
        self.part(index, Begin::Moved).map(drop)
    }

    /// Goes on in a new segment, and parts the side file with the old one, which is still there; says whether it did.
    pub(super) fn part(&mut self, index: usize, why: Begin) -> io::Result<bool> {
        let is_removed = |this: &Self| this.logs[index].is_removed();
        if index != MAIN {
            // The side file is not its own.
            return if is_removed(self) { Ok(false) } else { self.begin(index, why) };
        }
        let shared = self.shared.clone();
        self.is_parting = true;
        let begun = shared.side.part(|is_open| {
            // So that a record whose call waits to write it to the side file is in the old log. If there is no side
            // file, it is in the new log, and perhaps in the side file of that.
            if is_open || why == Begin::Moved {
                self.drain_until(monotonic_ns().saturating_add(DRAIN_NS), is_removed);
            }
            // The next sweep replaces what was removed, when the side file can be used again.
            let begun = if is_removed(self) { Ok(false) } else { self.begin(index, why) };
            (matches!(begun, Ok(true)), begun)
        });
        self.is_parting = false;
        begun
    }

    /// Goes on in a new segment, if there is a reason to; says whether. To be called between sweeps.
    pub(super) fn begin(&mut self, index: usize, why: Begin) -> io::Result<bool> {
        let crash_proof = self.shared.crash_proof().filter(|_| index == MAIN);
        let announce = |id| crash_proof.map_or(Ok(()), |it| it.set_log(id));
        let begins_at_ns = self.logs[index].rotating.is_some().then(|| self.segment_time());
        let log = &mut self.logs[index];
        let next = match &mut log.rotating {
            Some(Rotating { rotator, .. }) => match rotator.is_ready(false) {
                true => rotator.begin(begins_at_ns.unwrap_or_default(), announce)?,
                false => None,
            }
            .map(|next| (next.salt(), next)),
            None => {
                let next = log.writer.output_mut().make_next(announce)?;
                next.map(|(next, salt)| (salt, next))
            }
        };
        let Some((salt, output)) = next else { return Ok(false) };
        let lost = self.lost(index);
        // (Removed: none.)
        let mut written = [0; 5];
        if why != Begin::Removed {
            self.end_moved(index);
            written = self.written_in_segment(index);
            self.keep_apart(index);
            self.logs[index].failing = false;
        }
        let log = &mut self.logs[index];
        let continued = log.rotating.is_some().then(|| log.earlier.continued());
        let mut old = log.writer.begin(output, salt, continued);
        if log.ended.has_drops() {
            log.ended.number = log.writer.next_number();
        }
        for lane in &mut self.lanes {
            lane.logs[index].begin_segment(log.writer.next_number());
        }
        let lost_since = self.lost(index);
        let log = &mut self.logs[index];
        log.earlier.lost += lost - lost_since;
        (log.segment, log.released_bytes) = (SegmentState::Renewed, log.writer.output().len());
        let file = log.writer.output().log_file();
        if index == MAIN {
            self.follow_on(file.as_ref(), &written);
        }
        match why {
            Begin::Removed => self.shared.replace_log(index, file),
            Begin::Moved | Begin::Due => self.shared.set_log(index, file),
        }
        let log = &mut self.logs[index];
        if let Some(rotating) = &mut log.rotating {
            rotating.rotator.hand_over(old, why == Begin::Removed);
            rotating.note_rotated();
            self.shared.counters_of(index).segments.add(1);
        } else if why != Begin::Removed
            && let Err(error) = old.close()
        {
            log.error.get_or_insert(error);
        }
        log.ended.put(&mut log.writer);
        Ok(true)
    }

    /// Begins segments in place of those that were removed, where that is possible now.
    pub(super) fn replace_removed(&mut self) {
        for index in 0..self.logs.len() {
            self.replace_if_removed(index);
        }
    }

    /// Begins a segment in place of one that was removed, if that is possible now.
    pub(super) fn replace_if_removed(&mut self, index: usize) {
        // The side file goes on with the next segment. Its lock is held while another one is begun.
        if !self.logs[index].is_removed() || self.is_parting {
            return;
        }
        self.hear_housekeeper(index);
        if let Err(error) = self.begin(index, Begin::Removed) {
            self.logs[index].error.get_or_insert(error);
        }
    }

    /// Ends the segment that was moved, if that is possible.
    fn end_moved(&mut self, index: usize) {
        let log = &mut self.logs[index];
        let threads = self.lanes.iter_mut().map(|lane| &mut lane.logs[index].in_segment);
        for thread in threads.filter(|thread| !thread.is_ended()) {
            let Totals { written, dropped, .. } = thread.totals();
            if written + dropped > 0 {
                log.writer.end_thread(thread);
            }
        }
        if self.write(index, 0..0) {
            self.append_end(index);
        }
    }

    /// What the segment that was moved has is in the log, and in no account from now on.
    fn keep_apart(&mut self, index: usize) {
        let log = &mut self.logs[index];
        log.earlier.segments += 1;
        log.earlier.totals.add(log.ended.totals());
        for lane in &self.lanes {
            let totals = lane.logs[index].in_segment.totals();
            log.earlier.totals.add(totals);
            if lane.state.is_own {
                log.earlier.own.add(totals);
            }
        }
        log.ended = EndedThreads::default();
    }
}

/// The account of all threads that have ended: one for all of them, because there may be millions.
#[derive(Debug, Default)]
pub(super) struct EndedThreads {
    pub(super) written: [u64; 5],
    pub(super) drops: DropCounts,
    cut: u64,
    /// The ticks of the first and of the last of them all.
    range: Option<(u64, u64)>,
    /// The number under which a segment has it that began after they had ended.
    number: u64,
}

impl EndedThreads {
    /// Takes over the account of a thread.
    pub(super) fn add(&mut self, thread: &LogAccount) {
        for (sum, count) in self.written.iter_mut().zip(thread.in_segment.written()) {
            *sum += count;
        }
        self.drops = self.drops.plus(&thread.drops());
        self.cut += thread.in_segment.totals().cut;
        self.range = join(self.range, thread.range());
    }

    pub(super) fn totals(&self) -> Totals {
        let Self { written, drops, cut, .. } = self;
        Totals { written: written.iter().sum(), dropped: drops.total(), cut: *cut }
    }

    fn has_drops(&self) -> bool {
        self.drops.total() > 0
    }

    /// What was written is gone.
    pub(super) fn lose_segment(&mut self) {
        self.drops.add_all(DropReason::FileRemoved, std::mem::take(&mut self.written));
        self.cut = 0;
    }

    /// Stages what was dropped, as of one thread that has ended.
    pub(super) fn put<O: Output>(&self, writer: &mut SegmentWriter<O>) {
        if self.has_drops() {
            let name = "threads that ended before".to_owned();
            let range = self.range.unwrap_or_default();
            writer.ended_before(self.number, ThreadInfo { name, os_id: 0 }, range, &self.drops);
        }
    }
}
