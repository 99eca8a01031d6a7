//! What one sweep took from the rings of a thread.

use crate::segment::drop_counts::DropCounts;

/// What one sweep took from the rings of a thread.
#[derive(Default)]
pub(crate) struct Sweep {
    pub(crate) words: usize,
    /// From the ring of the levels that overwrite their oldest records.
    pub(crate) followed_words: usize,
    /// From the copy of the flight recorder.
    pub(crate) flight_words: usize,
    /// How many records came from these two.
    pub(crate) other_records: u64,
    pub(crate) records: [u64; 5],
    /// How many words were taken that precede the gap.
    pub(crate) gap_words: usize,
    pub(crate) cut: u64,
    pub(crate) first_ticks: u64,
    pub(crate) last_ticks: u64,
    /// Whether everything that was in the ring was taken, and its producer had gone before.
    pub(crate) finished: bool,
    /// Whether the rings' files say so, for when the log is committed.
    pub(crate) prepared: bool,
    pub(crate) marked: Option<[DropCounts; 2]>,
    /// The same as of a mark among the records, where there is one.
    pub(crate) marked_among: Option<[DropCounts; 2]>,
    /// The ticks of the first and of the last record in that mark.
    pub(crate) marked_range: Option<(u64, u64)>,
}

/// What a sweep took from the rings of a thread: words, and records. `None`: the ring's account is
/// what it was.
pub(crate) struct Shares {
    pub(crate) ring: Option<(usize, u64)>,
    pub(crate) followed: Option<(usize, u64)>,
    pub(crate) flight: Option<(usize, u64)>,
}

impl Sweep {
    /// Nothing, but for whether the thread has ended.
    pub(crate) fn cleared(&self) -> Self {
        Self { finished: self.finished, ..Self::default() }
    }

    /// How many records.
    pub(crate) fn count(&self) -> u64 {
        self.records.iter().sum()
    }

    /// How many records of the thread's ordinary ring.
    pub(crate) fn ring_records(&self) -> u64 {
        self.count() - self.other_records
    }

    /// What it took from which ring.
    pub(crate) fn shares(&self) -> Shares {
        let others = |words, tells| (words != 0 || tells).then_some((words, self.other_records));
        Shares {
            ring: (self.words != 0).then(|| (self.words, self.ring_records())),
            // Also where it only tells of what was overwritten.
            followed: others(self.followed_words, self.marked.is_some()),
            flight: others(self.flight_words, false),
        }
    }

    /// The ticks of the first and of the last record.
    pub(crate) fn range(&self) -> Option<(u64, u64)> {
        // What it took may be a filler.
        (self.count() != 0).then_some((self.first_ticks, self.last_ticks))
    }

    /// Whether it took something.
    pub(crate) fn took(&self) -> bool {
        self.words + self.followed_words + self.flight_words != 0
    }
}

/// What spans both ranges.
pub(crate) fn join(one: Option<(u64, u64)>, other: Option<(u64, u64)>) -> Option<(u64, u64)> {
    match (one, other) {
        (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
        (one, other) => one.or(other),
    }
}
