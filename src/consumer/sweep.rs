//! How much one sweep took from the rings of a thread.
//!
//! In: what a batch took. Out: how many words each ring gets back, and what ring files are told. What is staged for the
//! segment is in [`ThreadInSegment`](crate::segment::writer::ThreadInSegment).

/// How much one sweep took from the rings of a thread.
#[derive(Default)]
pub(crate) struct Sweep {
    pub(crate) words: usize,
    /// Words from the ring of the levels that overwrite their oldest records.
    pub(crate) followed_words: usize,
    /// Words from the copy of the flight recorder.
    pub(crate) flight_words: usize,
    /// How many records it took, if there are several logs.
    pub(crate) records: u64,
    /// How many records came from these two.
    pub(crate) other_records: u64,
    /// Whether everything that was in the ring was taken, and its producer had gone before.
    pub(crate) finished: bool,
    /// Whether accounts of the sweep are in the rings' files.
    pub(crate) prepared: bool,
    /// Whether a log could not be written that should have something of it.
    pub(crate) failed: bool,
}

/// What a sweep took from the rings of a thread: words, and records. `None`: the ring's account is
/// what it was.
pub(crate) struct Shares {
    pub(crate) ring: Option<(usize, u64)>,
    pub(crate) followed: Option<(usize, u64)>,
    pub(crate) flight: Option<(usize, u64)>,
}

impl Sweep {
    /// Returns an empty sweep that keeps only whether the thread has ended.
    pub(crate) fn cleared(&self) -> Self {
        Self { finished: self.finished, ..Self::default() }
    }

    /// Returns what the sweep took from each ring, of `records` in all. `has_mark`: a mark of drops is staged.
    pub(crate) fn shares(&self, records: u64, has_mark: bool) -> Shares {
        let others = |words, tells| (words != 0 || tells).then_some((words, self.other_records));
        Shares {
            ring: (self.words != 0).then(|| (self.words, records - self.other_records)),
            // Also if the account only counts overwritten records.
            followed: others(self.followed_words, has_mark),
            flight: others(self.flight_words, false),
        }
    }

    /// Whether it took something.
    pub(crate) fn took(&self) -> bool {
        self.words + self.followed_words + self.flight_words != 0
    }
}
