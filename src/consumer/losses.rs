//! What was dropped of one thread's records, and what of that no mark has yet.
//!
//! In: the counts of the producer, and what the consumer itself lost. Out: marks for the segment's
//! writer, in the place that they have among the records.
//!
//! The producer counts what it drops, and the consumer sees that from time to time. What it has
//! seen is a *gap*. The gap follows all records that were in the ring then, and is marked when
//! these have been taken. What the consumer lost because its output failed has no place, and is
//! marked as soon as anything can be written.

use crate::drop_reason::DropReason;
use crate::segment::drop_counts::DropCounts;
use crate::segment::writer::join;
use crate::shared::state::Drops;

/// What was dropped of one thread's records.
#[derive(Default)]
pub(super) struct Losses {
    /// The producer's drops that are in a mark.
    marked_by_producer: DropCounts,
    /// How many drops of the producer were seen.
    seen: u64,
    /// The drops that were seen and are in no mark yet.
    gap: Option<Gap>,
    /// Records that the consumer itself lost.
    by_consumer: DropCounts,
    /// The ticks of the first and of the last of these since the last mark.
    range_by_consumer: Option<(u64, u64)>,
    /// What earlier segments have marks of.
    earlier: DropCounts,
}

/// Drops that were seen in a ring that was not empty.
struct Gap {
    /// How many words of the ring precede it and have not been taken.
    words_before: usize,
    /// The producer's drops, these included.
    counts: DropCounts,
    /// The ticks of the first and of the last one.
    range: (u64, u64),
}

/// Drops that are to be marked.
pub(super) struct LossMark {
    pub(super) counts: DropCounts,
    /// The ticks of the first and of the last of them.
    pub(super) range: (u64, u64),
}

impl Losses {
    /// Looks whether the producer has dropped anything, and returns whether it has. While a gap has no
    /// mark, later drops are left for a later call. At the `end` of the thread there is none, so they
    /// are joined to that gap.
    pub(super) fn see(&mut self, drops: &Drops, end: bool) -> bool {
        // One load in most calls.
        if (self.gap.is_some() && !end) || drops.total() == self.seen {
            return false;
        }
        let (counts, range) = (drops.counts(), drops.range());
        let first = self.gap.as_ref().map_or(range.0, |gap| gap.range.0);
        self.gap = Some(Gap { words_before: 0, counts, range: (first, range.1) });
        self.seen = counts.total();
        drops.mark(self.seen);
        true
    }

    /// Takes words of the ring. `found`: how many there were when the gap was seen, if that was now; `taken`: how many
    /// were taken, or `None` if all were. Returns how many of them precede the gap.
    pub(super) fn approach(&mut self, found: Option<usize>, taken: Option<usize>) -> usize {
        let Some(gap) = &mut self.gap else { return 0 };
        let before = found.unwrap_or(gap.words_before);
        let approached = taken.map_or(before, |taken| before.min(taken));
        gap.words_before = before - approached;
        approached
    }

    /// So many words that precede the gap were not taken after all.
    pub(super) fn go_back(&mut self, words: usize) {
        if let Some(gap) = &mut self.gap {
            gap.words_before += words;
        }
    }

    /// Nothing is left in the ring that precedes the gap.
    pub(super) fn arrive(&mut self) {
        if let Some(gap) = &mut self.gap {
            gap.words_before = 0;
        }
    }

    /// The consumer lost records, by level. `range`: the ticks of the first and of the last one.
    pub(super) fn lose(&mut self, reason: DropReason, counts: [u64; 5], range: Option<(u64, u64)>) {
        self.by_consumer.add_all(reason, counts);
        self.range_by_consumer = join(self.range_by_consumer, range);
    }

    /// All that the consumer lost.
    pub(super) fn by_consumer(&self) -> &DropCounts {
        &self.by_consumer
    }

    /// What the consumer lost and no mark has. `marked`: what the segment has marks of.
    pub(super) fn mark_of_consumer(&self, marked: &DropCounts) -> LossMark {
        let all = self.marked_by_producer.plus(&self.by_consumer);
        let range = self.range_by_consumer.unwrap_or_default();
        LossMark { counts: all.since(&self.earlier.plus(marked)), range }
    }

    /// What can be marked now: the gap, if all that precedes it has been taken, and what the consumer lost, unless a
    /// mark that is staged has that (`has_mark`). Also says whether it is the gap.
    pub(super) fn mark(&self, marked: &DropCounts, has_mark: bool) -> Option<(LossMark, bool)> {
        let gap = self.gap.as_ref().filter(|gap| gap.words_before == 0);
        let by_consumer = self.range_by_consumer.filter(|_| !has_mark);
        let range = join(gap.map(|gap| gap.range), by_consumer)?;
        let by_producer = gap.map_or(&self.marked_by_producer, |gap| &gap.counts);
        let all = by_producer.plus(&self.by_consumer);
        Some((LossMark { counts: all.since(&self.earlier.plus(marked)), range }, gap.is_some()))
    }

    /// A mark of what the consumer lost is committed.
    pub(super) fn marked_consumer(&mut self) {
        self.range_by_consumer = None;
    }

    /// A mark of the gap is committed.
    pub(super) fn marked_gap(&mut self) {
        if let Some(gap) = self.gap.take() {
            self.marked_by_producer = gap.counts;
        }
    }

    /// Another segment begins; the last one has marks of these.
    pub(super) fn begin_segment(&mut self, marked: &DropCounts) {
        self.earlier = self.earlier.plus(marked);
    }

    /// How many of the producer's drops were seen.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// How many records were dropped, as far as it was seen, and no earlier segment has a mark of them.
    pub(super) fn total(&self) -> u64 {
        self.seen + self.by_consumer.total() - self.earlier.total()
    }

    /// By reason and level. Adds up to [`total`](Self::total).
    pub(super) fn counts(&self) -> DropCounts {
        let by_producer = self.gap.as_ref().map_or(&self.marked_by_producer, |gap| &gap.counts);
        by_producer.plus(&self.by_consumer).since(&self.earlier)
    }

    /// The ticks of the first and of the last one that are not marked.
    pub(super) fn range(&self) -> Option<(u64, u64)> {
        join(self.range_by_consumer, self.gap.as_ref().map(|gap| gap.range))
    }
}
