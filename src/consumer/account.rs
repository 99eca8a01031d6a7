//! What one log has of one thread: written, dropped, marked.
//!
//! In: what the writer of the log's segment stages, and what the thread and the consumer drop. Out: marks of drops, and
//! the thread's account in this log. It knows nothing of rings, but how many words of one precede a gap.

use crate::consumer::losses::{LossMark, Losses};
use crate::drop_reason::DropReason;
use crate::segment::Output;
use crate::segment::drop_counts::DropCounts;
use crate::segment::writer::{SegmentWriter, ThreadInSegment, Totals, join};
use crate::shared::state::LogCounts;
use crate::sync::atomic::Ordering;

/// A thread, as one log has it.
pub(crate) struct LogAccount {
    /// What the segment has of the thread.
    pub(crate) in_segment: ThreadInSegment,
    /// What was dropped of its records.
    losses: Losses,
    /// How many records earlier segments have of it, by level.
    earlier_written: [u64; 5],
    /// Whether this sweep was the first to see a gap.
    is_gap_fresh: bool,
    /// How many words were taken by this sweep that precede the gap.
    gap_words: usize,
    /// Whether a mark is staged, which has all that the consumer lost.
    has_mark: bool,
    /// Whether that mark has the gap, too.
    marks_gap: bool,
    /// How many of the words that the sweep took are settled here: written, or counted as lost. They are not released
    /// before all logs have settled them.
    settled_words: usize,
}

impl LogAccount {
    pub(crate) fn new(in_segment: ThreadInSegment) -> Self {
        Self {
            in_segment,
            losses: Losses::default(),
            earlier_written: [0; 5],
            is_gap_fresh: false,
            gap_words: 0,
            has_mark: false,
            marks_gap: false,
            settled_words: 0,
        }
    }

    /// Begins a sweep. To be called before the look at the ring, which so finds all that was logged before a gap.
    pub(super) fn begin_sweep(&mut self, counts: &LogCounts) {
        self.clear_sweep();
        self.is_gap_fresh = self.losses.see(&counts.drops, false);
    }

    /// The consumer lost records, by level, and they have to be marked. `range`: the ticks of the first and of the last
    /// one.
    pub(super) fn lose(
        &mut self,
        reason: DropReason,
        lost: [u64; 5],
        range: Option<(u64, u64)>,
        counts: &LogCounts,
    ) {
        self.losses.lose(reason, lost, range);
        counts.failed.store(self.losses.by_consumer());
    }

    /// What the consumer lost and no mark has.
    pub(super) fn mark_of_consumer(&self) -> LossMark {
        self.losses.mark_of_consumer(&self.in_segment.marked())
    }

    /// Stages that mark.
    pub(super) fn put_mark<O: Output>(&mut self, mark: &LossMark, to: &mut SegmentWriter<O>) {
        to.drops(&mut self.in_segment, mark.range, &mark.counts);
        self.has_mark = true;
    }

    /// The sweep found so many words in the ring, and took so many, or all (`None`).
    pub(super) fn approach(&mut self, found: usize, taken: Option<usize>) {
        self.gap_words = self.losses.approach(self.is_gap_fresh.then_some(found), taken);
    }

    /// The thread has ended, and all that it logged was taken: sees all drops.
    pub(super) fn see_end(&mut self, counts: &LogCounts) {
        self.losses.see(&counts.drops, true);
    }

    /// Sees all drops, also those after a gap that has no mark, because no later call will. Staged
    /// marks are made anew.
    pub(super) fn see_last_drops(&mut self, counts: &LogCounts) {
        self.in_segment.discard_staged_marks();
        (self.has_mark, self.marks_gap) = (false, false);
        self.losses.see(&counts.drops, true);
    }

    /// Stages a mark if there is a gap and all that was logged before it has been taken. Also
    /// stages one if the consumer itself lost records that are in no mark.
    pub(super) fn mark_drops<O: Output>(&mut self, writer: &mut SegmentWriter<O>) {
        let marked = self.in_segment.marked();
        let Some((mark, has_gap)) = self.losses.mark(&marked, self.has_mark) else { return };
        self.marks_gap = has_gap;
        self.put_mark(&mark, writer);
    }

    /// Whether a mark is staged.
    pub(super) fn has_mark(&self) -> bool {
        self.has_mark
    }

    /// Nothing is left in the ring that precedes the gap.
    pub(super) fn arrive(&mut self) {
        self.losses.arrive();
    }

    /// How many of the thread's drops were seen.
    pub(super) fn seen(&self) -> u64 {
        self.losses.seen()
    }

    /// How many dropped records were seen that no earlier segment has a mark of.
    pub(crate) fn dropped(&self) -> u64 {
        self.losses.total()
    }

    /// These drops by level and reason. Their sum is [`dropped`](Self::dropped).
    pub(crate) fn drops(&self) -> DropCounts {
        self.losses.counts()
    }

    /// The totals of its records since the segment began, including drops that are in no mark yet.
    pub(super) fn totals(&self) -> Totals {
        Totals { dropped: self.dropped(), ..self.in_segment.totals() }
    }

    /// Whether anything was written or dropped of the thread.
    pub(crate) fn has_account(&self) -> bool {
        self.in_segment.records() + self.dropped() > 0
    }

    /// Goes on in another segment, in which the thread has this number.
    pub(super) fn begin_segment(&mut self, number: u64) {
        let (written, marked) = self.in_segment.begin_segment(number);
        self.earlier_written.iter_mut().zip(written).for_each(|(sum, count)| *sum += count);
        self.losses.begin_segment(&marked);
    }

    /// The ticks of the first and of the last record in its account.
    pub(crate) fn range(&self) -> Option<(u64, u64)> {
        join(self.in_segment.range(), self.losses.range())
    }

    /// How many words at the ring's head are settled here, and not released.
    #[inline]
    pub(super) fn settled_words(&self) -> usize {
        self.settled_words
    }

    /// The words of the sweep are released.
    pub(super) fn note_released(&mut self) {
        self.settled_words = 0;
        self.clear_sweep();
    }

    /// Counts what is staged as written: it is in the file. `words`: how many the sweep took.
    pub(super) fn settle<O: Output>(
        &mut self,
        words: usize,
        writer: &mut SegmentWriter<O>,
        counts: &LogCounts,
    ) {
        self.settled_words = words;
        if self.in_segment.has_nothing_staged() {
            return;
        }
        let has_records = *self.in_segment.staged_records() != [0; 5];
        writer.settle(&mut self.in_segment);
        if has_records {
            let written = self.earlier_written.iter().zip(self.in_segment.written());
            for (level, (earlier, written)) in written.enumerate() {
                // Relaxed, both: `stats` reads them. For a thread that has flushed, the release of
                // the ring's words orders them.
                counts.written[level].store(earlier + written, Ordering::Relaxed);
            }
        }
        if std::mem::take(&mut self.has_mark) {
            self.losses.marked_consumer();
        }
        if std::mem::take(&mut self.marks_gap) {
            self.losses.marked_gap();
        }
    }

    /// Counts what is staged as dropped: it could not be written. Returns whether there were records.
    pub(super) fn fail(&mut self, words: usize, counts: &LogCounts) -> bool {
        self.settled_words = words;
        let staged = *self.in_segment.staged_records();
        let range = self.in_segment.staged_range();
        self.clear_sweep();
        if range.is_some() {
            self.lose(DropReason::OutputFailed, staged, range, counts);
        }
        range.is_some()
    }

    /// Counts what was written as dropped: the file is gone. All drops are to be marked again in
    /// the next one. Returns whether there were records.
    pub(super) fn lose_segment(&mut self, counts: &LogCounts) -> bool {
        let (written, range) = self.in_segment.lose_segment();
        self.losses.lose(DropReason::FileRemoved, written, range);
        let has_records = written != [0; 5];
        if has_records {
            counts.set_written(&self.earlier_written);
            counts.failed.store(self.losses.by_consumer());
        }
        has_records
    }

    /// Undoes the current sweep: nothing of it was written.
    pub(super) fn restart(&mut self) {
        self.losses.go_back(self.gap_words);
        self.clear_sweep();
        self.in_segment.forget_announcement();
    }

    /// Clears the sweep: nothing is staged.
    pub(super) fn clear_sweep(&mut self) {
        (self.gap_words, self.has_mark, self.marks_gap) = (0, false, false);
        self.in_segment.discard_staged();
    }
}
