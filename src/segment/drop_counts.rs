//! How many records were dropped, by reason and level: what a mark of drops says.

use crate::drop_reason::DropReason;
use crate::level::Level;

/// How many records were dropped, by reason and level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DropCounts {
    pub(crate) counts: [[u64; 5]; DropReason::KNOWN.len()],
}

impl DropCounts {
    /// Adds `count` records.
    pub(crate) fn add(&mut self, reason: DropReason, level: Level, count: u64) {
        self.counts[reason.index()][level.index()] += count;
    }

    /// Adds records by level.
    pub(crate) fn add_all(&mut self, reason: DropReason, by_level: [u64; 5]) {
        for (level, count) in Level::ALL.into_iter().zip(by_level) {
            self.add(reason, level, count);
        }
    }

    /// The sum.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// These and the others.
    pub(crate) fn plus(&self, others: &Self) -> Self {
        let mut sum = *self;
        for (reason, level, count) in others.iter() {
            sum.add(reason, level, count);
        }
        sum
    }

    /// What came since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            counts: std::array::from_fn(|reason| {
                std::array::from_fn(|level| {
                    self.counts[reason][level].wrapping_sub(earlier.counts[reason][level])
                })
            }),
        }
    }

    /// Those that are not zero.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (DropReason, Level, u64)> + Clone {
        let all = DropReason::KNOWN.into_iter().zip(self.counts);
        let all = all.flat_map(|(reason, by_level)| {
            Level::ALL.into_iter().zip(by_level).map(move |(level, count)| (reason, level, count))
        });
        all.filter(|(.., count)| *count != 0)
    }

    /// Those that are not zero, as a frame has them: there, a level may be unknown.
    pub(crate) fn of_known_levels(
        &self,
    ) -> impl Iterator<Item = (DropReason, Option<Level>, u64)> + Clone {
        self.iter().map(|(reason, level, count)| (reason, Some(level), count))
    }
}
