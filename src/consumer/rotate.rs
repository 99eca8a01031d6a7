//! Rotation: going on in the next segment when it is time, or when somebody asks. See
//! [`segments`](super::segments) for how that is done.
//!
//! In: the requests, the length of the segment, the clock. Out: a segment that is finished, handed to the housekeeper.
//! It never waits for the next segment. As long as that is not ready, the current one goes on, beyond its limits.

use std::io;

use crate::clock::{monotonic_ns, wall_ns};
use crate::consumer::Consumer;
use crate::consumer::segments::{Begin, SegmentState};
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
}

impl<O: LogOutput> Consumer<O> {
    /// The log is rotated by this.
    ///
    /// `default_bytes`: how much of it is kept, if nobody has chosen that. `no_link`: why there is no link.
    pub(crate) fn set_rotator(
        &mut self,
        rotator: Rotator<O>,
        default_bytes: Option<u64>,
        no_link: Option<io::Error>,
    ) {
        self.shared.counters.segments.set(1);
        self.rotating = Some(Rotating { default_bytes, no_link, ..Rotating::new(rotator) });
    }

    /// The consumer has ended: what rotates its log ends, too. `join` waits for the housekeeper. Returns what failed
    /// there.
    ///
    /// What was deleted since [`end_retention`](Self::end_retention) is counted and told to the hook. There is no segment
    /// left that could say so.
    pub(crate) fn end_rotation(&mut self, join: impl FnOnce()) -> Option<io::Error> {
        let Rotating { rotator, deleted: mut untold, .. } = self.rotating.take()?;
        let News { failed, deleted, discarded, .. } = rotator.end(join);
        deleted.iter().for_each(|deleted| self.count_deleted(deleted));
        untold.extend(deleted);
        if let Some(watch) = &mut self.watch {
            watch.tell_last(&untold, discarded);
        }
        failed.into_iter().next()
    }

    /// The segment gets its end: nothing is deleted any more, and what was is marked before the end.
    pub(super) fn end_retention(&mut self) {
        if let Some(rotating) = &self.rotating {
            rotating.rotator.end_retention();
            self.hear_housekeeper();
        }
    }

    fn count_deleted(&self, deleted: &Deleted) {
        let counters = &self.shared.counters;
        counters.segments_deleted.add(deleted.last.saturating_sub(deleted.first) + 1);
        counters.bytes_deleted.add(deleted.bytes);
    }

    /// Notes what was asked for before a sweep.
    pub(super) fn note_rotate_requests(&mut self) {
        if let Some(rotating) = &mut self.rotating {
            let request = &self.shared.rotate_request;
            rotating.asked = request.asked();
            rotating.is_wanted |= request.take_signal();
        }
    }

    /// Goes on in the next segment, if it is time or somebody asked, and if that is ready. To be called between sweeps.
    pub(super) fn rotate_if_due(&mut self) {
        let Some(rotating) = &mut self.rotating else { return };
        let len = self.writer.output().len();
        let is_asked = rotating.asked != rotating.answered;
        let (clock, frozen) = (self.shared.clock, self.frozen);
        let show = || match clock.is_custom() {
            true => frozen.unwrap_or_else(|| clock.now()).cast_signed(),
            false => wall_ns(),
        };
        if rotating.rotator.is_due(len, monotonic_ns(), show) || is_asked || rotating.is_wanted {
            self.rotate(is_asked);
        }
    }

    #[cold]
    fn rotate(&mut self, is_asked: bool) {
        self.hear_housekeeper();
        let is_removed = self.segment == SegmentState::Removed;
        // One that was moved is ended in any case.
        let has_lost_name = || self.writer.output().has_lost_name().unwrap_or(false);
        let is_empty = self.writer.is_empty() && !is_removed && !has_lost_name();
        let len = self.writer.output().len();
        let Some(rotating) = &mut self.rotating else { return };
        if is_empty && !rotating.rotator.is_too_long(len) {
            rotating.rotator.forget_boundary();
            rotating.is_wanted = false;
            return self.answer_rotate_requests(Ok(()));
        }
        if !rotating.rotator.is_ready(is_asked) {
            if !std::mem::replace(&mut rotating.is_late, true) {
                self.shared.counters.segments_late.increment();
            }
            return;
        }
        if is_removed {
            // The side file goes on with the next segment.
            return self.replace_removed();
        }
        match self.part(Begin::Due) {
            Ok(true) => self.answer_rotate_requests(Ok(())),
            // It was removed just now.
            Ok(false) => {}
            Err(error) => self.note_not_rotated(error),
        }
    }

    /// Takes what the housekeeper has answered.
    pub(super) fn hear_housekeeper(&mut self) {
        let Some(rotating) = &mut self.rotating else { return };
        let News { not_made, failed, deleted, discarded, excess_bytes, .. } = {
            let mut news = rotating.rotator.listen();
            rotating.unclosed.append(&mut news.unclosed);
            #[cfg(feature = "compress")]
            if let Some(totals) = news.compressed {
                self.shared.counters.segments_compressed.set(totals.segments);
                let saved = totals.bytes_before.saturating_sub(totals.bytes_after);
                self.shared.counters.bytes_saved.set(saved);
            }
            news
        };
        if excess_bytes.is_some() {
            self.shared.counters.limit_exceeded.increment();
            if !std::mem::replace(&mut rotating.is_excess_told, true) {
                rotating.excess_bytes = excess_bytes;
            }
        }
        failed.into_iter().for_each(|error| self.note_failed_chore(error));
        self.note_deleted(deleted);
        self.note_discarded(discarded);
        if let Some(error) = not_made {
            self.note_not_rotated(error);
        }
    }

    /// Something failed that the log can do without.
    pub(crate) fn note_failed_chore(&mut self, error: io::Error) {
        self.shared.counters.rotation_errors.increment();
        self.error.get_or_insert(error);
    }

    /// Segments were deleted: marks it.
    pub(crate) fn note_deleted(&mut self, deleted: Vec<Deleted>) {
        for mut deleted in deleted {
            deleted.ticks = self.now();
            self.count_deleted(&deleted);
            self.writer.deleted(deleted);
            if let Some(rotating) = &mut self.rotating {
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
    fn note_not_rotated(&mut self, error: io::Error) {
        self.shared.counters.rotation_errors.increment();
        self.answer_rotate_requests(Err(&error));
        if let Some(rotating) = &mut self.rotating {
            rotating.untold = Some(error);
        }
    }

    /// There is another segment.
    pub(super) fn note_rotated(&mut self) {
        let segments = &self.shared.counters.segments;
        segments.set(segments.get() + 1);
        if let Some(rotating) = &mut self.rotating {
            (rotating.is_wanted, rotating.is_late, rotating.is_told) = (false, false, false);
            (rotating.untold, rotating.is_excess_told) = (None, false);
        }
    }

    fn answer_rotate_requests(&mut self, result: Result<(), &io::Error>) {
        let Some(rotating) = &mut self.rotating else { return };
        if rotating.answered != rotating.asked {
            rotating.answered = rotating.asked;
            self.shared.rotate_request.reply(rotating.asked, result);
        }
    }

    /// The time at which a segment begins: that of the clock by which the log is rotated.
    pub(super) fn segment_time(&self) -> i64 {
        if self.shared.clock.is_custom() { self.now().cast_signed() } else { wall_ns() }
    }
}
