//! Rotation: going on in the next segment when it is time, or when somebody asks. See
//! [`segments`](super::segments) for how that is done.
//!
//! In: the requests, the length of the segment, the clock. Out: a segment that is finished, handed to the housekeeper.
//! It never waits for the next segment. As long as that is not ready, the current one goes on, beyond its limits.

use std::io;

use crate::clock::{monotonic_ns, wall_ns};
use crate::consumer::Consumer;
use crate::consumer::segments::Begin;
use crate::format::rotated::Deleted;
use crate::rotation::predecessors::Unclosed;
use crate::rotation::rotator::{News, Rotator};
use crate::segment::LogOutput;

/// What the consumer keeps about rotation.
pub(super) struct Rotating<O> {
    pub(super) rotator: Rotator<O>,
    /// Up to which request of a thread there was one when the sweep began.
    asked: u64,
    /// Up to which they are answered.
    answered: u64,
    /// Why the last of these could not be done.
    failed: Option<io::Error>,
    /// A signal has asked for another segment, or the current one has lost its name, and there was none since.
    pub(super) is_wanted: bool,
    /// The segment is past its limits, and that is counted.
    is_late: bool,
    /// Why there was no next segment the last time, until that is told.
    untold: Option<io::Error>,
    /// It was told, and there was no other segment since.
    is_told: bool,
    /// How much of the log is kept by default, until that is told.
    pub(super) default_bytes: Option<u64>,
    /// What was deleted, until that is told.
    pub(super) deleted: Vec<Deleted>,
    /// Why there is no link to the current segment, until that is told.
    pub(super) no_link: Option<io::Error>,
    /// By how many bytes the log may exceed its limit, until that is told.
    pub(super) excess_bytes: Option<u64>,
    /// It was told, and there was no other segment since.
    is_excess_told: bool,
    /// Segments of dead processes that could not be closed, until that is told.
    pub(super) unclosed: Vec<Unclosed>,
}

impl<O: LogOutput> Rotating<O> {
    pub(super) fn new(rotator: Rotator<O>) -> Self {
        Self {
            rotator,
            asked: 0,
            answered: 0,
            failed: None,
            is_wanted: false,
            is_late: false,
            untold: None,
            is_told: false,
            default_bytes: None,
            deleted: Vec::new(),
            no_link: None,
            excess_bytes: None,
            is_excess_told: false,
            unclosed: Vec::new(),
        }
    }

    /// Takes the reason why the log cannot be rotated, once for each time that it cannot.
    pub(super) fn take_untold(&mut self) -> Option<io::Error> {
        if self.is_told {
            self.untold = None;
        }
        self.is_told |= self.untold.is_some();
        self.untold.take()
    }

    /// There is another segment.
    pub(super) fn note_rotated(&mut self) {
        (self.is_wanted, self.is_late, self.is_told) = (false, false, false);
        (self.untold, self.is_excess_told) = (None, false);
    }
}

impl<O: LogOutput> Consumer<O> {
    /// A log is rotated by this.
    ///
    /// `default_bytes`: how much of it is kept, if nobody has chosen that. `no_link`: why there is no link.
    pub(crate) fn set_rotator(
        &mut self,
        log: usize,
        rotator: Rotator<O>,
        default_bytes: Option<u64>,
        no_link: Option<io::Error>,
    ) {
        self.shared.counters_of(log).segments.set(1);
        let rotating = Rotating { default_bytes, no_link, ..Rotating::new(rotator) };
        self.logs[log].rotating = Some(rotating);
    }

    /// The consumer has ended: what rotates a log ends, too. `join` waits for the housekeeper. Returns what failed
    /// there.
    ///
    /// What was deleted since [`end_retention`](Self::end_retention) is counted and told to the hook. There is no segment
    /// left that could say so.
    pub(crate) fn end_rotation(&mut self, log: usize, join: impl FnOnce()) -> Option<io::Error> {
        let rotating = self.logs[log].rotating.take()?;
        let Rotating { rotator, deleted: mut untold, .. } = rotating;
        let News { failed, deleted, discarded, .. } = rotator.end(join);
        deleted.iter().for_each(|deleted| self.count_deleted(log, deleted));
        untold.extend(deleted);
        if let Some(watch) = &mut self.watch {
            watch.tell_last(&untold, discarded);
        }
        failed.into_iter().next()
    }

    /// The segments get their ends: nothing is deleted any more, and what was is marked before the end.
    pub(super) fn end_retention(&mut self) {
        for index in 0..self.logs.len() {
            if let Some(rotating) = &self.logs[index].rotating {
                rotating.rotator.end_retention();
                self.hear_housekeeper(index);
            }
        }
    }

    fn count_deleted(&self, log: usize, deleted: &Deleted) {
        let counters = self.shared.counters_of(log);
        counters.segments_deleted.add(deleted.last.saturating_sub(deleted.first) + 1);
        counters.bytes_deleted.add(deleted.bytes);
    }

    /// Notes what was asked for before a sweep.
    pub(super) fn note_rotate_requests(&mut self) {
        let request = &self.shared.rotate_request;
        let (asked, is_signalled) = (request.asked(), request.take_signal());
        for rotating in self.logs.iter_mut().filter_map(|log| log.rotating.as_mut()) {
            rotating.asked = asked;
            rotating.is_wanted |= is_signalled;
        }
    }

    /// Goes on in the next segments, of logs for which it is time or somebody asked, if these are ready. To be called
    /// between sweeps.
    pub(super) fn rotate_if_due(&mut self) {
        for index in 0..self.logs.len() {
            self.rotate_log_if_due(index);
        }
    }

    fn rotate_log_if_due(&mut self, index: usize) {
        let log = &mut self.logs[index];
        let Some(rotating) = &mut log.rotating else { return };
        let len = log.writer.output().len();
        let is_asked = rotating.asked != rotating.answered;
        let (clock, frozen) = (self.shared.clock, self.frozen);
        let show = || match clock.is_custom() {
            true => frozen.unwrap_or_else(|| clock.now()).cast_signed(),
            false => wall_ns(),
        };
        if rotating.rotator.is_due(len, monotonic_ns(), show) || is_asked || rotating.is_wanted {
            self.rotate(index, is_asked);
        }
    }

    #[cold]
    fn rotate(&mut self, index: usize, is_asked: bool) {
        self.hear_housekeeper(index);
        let log = &mut self.logs[index];
        let is_removed = log.is_removed();
        // One that was moved is ended in any case.
        let has_lost_name = || log.writer.output().has_lost_name().unwrap_or(false);
        let is_empty = log.writer.is_empty() && !is_removed && !has_lost_name();
        let len = log.writer.output().len();
        let Some(rotating) = &mut log.rotating else { return };
        if is_empty && !rotating.rotator.is_too_long(len) {
            rotating.rotator.forget_boundary();
            rotating.is_wanted = false;
            return self.answer_rotate_requests(index, Ok(()));
        }
        if !rotating.rotator.is_ready(is_asked) {
            if !std::mem::replace(&mut rotating.is_late, true) {
                self.shared.counters_of(index).segments_late.increment();
            }
            return;
        }
        if is_removed {
            // The side file goes on with the next segment.
            return self.replace_if_removed(index);
        }
        match self.part(index, Begin::Due) {
            Ok(true) => self.answer_rotate_requests(index, Ok(())),
            // It was removed just now.
            Ok(false) => {}
            Err(error) => self.note_not_rotated(index, error),
        }
    }

    /// Takes what the housekeeper of a log has answered.
    pub(super) fn hear_housekeeper(&mut self, index: usize) {
        let counters = self.shared.counters_of(index);
        let Some(rotating) = &mut self.logs[index].rotating else { return };
        let News { not_made, failed, deleted, discarded, excess_bytes, .. } = {
            let mut news = rotating.rotator.listen();
            rotating.unclosed.append(&mut news.unclosed);
            #[cfg(feature = "compress")]
            if let Some(totals) = news.compressed {
                counters.segments_compressed.set(totals.segments);
                let saved = totals.bytes_before.saturating_sub(totals.bytes_after);
                counters.bytes_saved.set(saved);
            }
            news
        };
        if excess_bytes.is_some() {
            counters.limit_exceeded.increment();
            if !std::mem::replace(&mut rotating.is_excess_told, true) {
                rotating.excess_bytes = excess_bytes;
            }
        }
        failed.into_iter().for_each(|error| self.note_failed_chore(index, error));
        self.note_deleted(index, deleted);
        self.note_discarded(discarded);
        if let Some(error) = not_made {
            self.note_not_rotated(index, error);
        }
    }

    /// Something failed that the log can do without.
    pub(crate) fn note_failed_chore(&mut self, index: usize, error: io::Error) {
        self.shared.counters_of(index).rotation_errors.increment();
        self.logs[index].error.get_or_insert(error);
    }

    /// Segments of a log were deleted: marks it.
    pub(crate) fn note_deleted(&mut self, index: usize, deleted: Vec<Deleted>) {
        for mut deleted in deleted {
            deleted.ticks = self.now();
            self.count_deleted(index, &deleted);
            let log = &mut self.logs[index];
            log.writer.deleted(deleted);
            if let Some(rotating) = &mut log.rotating {
                rotating.deleted.push(deleted);
            }
        }
    }

    /// Rings of dead processes went with their segments, and so many records.
    pub(crate) fn note_discarded(&mut self, records: u64) {
        if let Some(watch) = &mut self.watch {
            watch.note_discarded(records);
        }
    }

    /// There is no next segment: the current one goes on.
    fn note_not_rotated(&mut self, index: usize, error: io::Error) {
        self.shared.counters_of(index).rotation_errors.increment();
        self.answer_rotate_requests(index, Err(&error));
        let error = self.shared.of_log(index, error);
        if let Some(rotating) = &mut self.logs[index].rotating {
            rotating.untold = Some(error);
        }
    }

    /// A log has done what was asked for, or cannot. The requests are answered when all logs have.
    fn answer_rotate_requests(&mut self, index: usize, result: Result<(), &io::Error>) {
        let Some(rotating) = &mut self.logs[index].rotating else { return };
        if rotating.answered == rotating.asked {
            return;
        }
        rotating.answered = rotating.asked;
        let failed = result.err().map(|it| io::Error::new(it.kind(), it.to_string()));
        rotating.failed = failed.map(|error| self.shared.of_log(index, error));
        let (mut number, mut error) = (u64::MAX, None);
        for rotating in self.logs.iter().filter_map(|log| log.rotating.as_ref()) {
            number = number.min(rotating.answered);
            error = error.or(rotating.failed.as_ref());
        }
        if self.logs[index].rotating.as_ref().is_some_and(|it| it.answered == number) {
            self.shared.rotate_request.reply(number, error.map_or(Ok(()), Err));
        }
    }

    /// The time at which a segment begins: that of the clock by which logs are rotated.
    pub(super) fn segment_time(&self) -> i64 {
        if self.shared.clock.is_custom() { self.now().cast_signed() } else { wall_ns() }
    }
}
