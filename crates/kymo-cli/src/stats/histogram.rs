//! Records over time, in a bounded number of steps of equal width.
//!
//! The range of time of a log is unknown at first. So the steps begin narrow, and whenever there are
//! too many, pairs of them are merged.

use std::collections::VecDeque;

/// The narrowest step in nanoseconds.
const MIN_STEP_NS: u64 = 1_000;

/// The most steps that are kept.
const MAX_STEPS: usize = 2_048;

/// Counts by time.
#[derive(Debug)]
pub struct Histogram {
    step_ns: u64,
    /// The number of the first step: the time at which it begins, divided by the width.
    first: i64,
    counts: VecDeque<u64>,
}

/// Counts in the columns of a diagram.
#[derive(Debug, PartialEq, Eq)]
pub struct Columns {
    /// When the first begins, in nanoseconds since the epoch.
    pub start_ns: i64,
    /// How wide each is.
    pub step_ns: u64,
    pub counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { step_ns: MIN_STEP_NS, first: 0, counts: VecDeque::new() }
    }
}

impl Histogram {
    /// Counts one at this time, in nanoseconds since the epoch.
    #[inline]
    pub fn add(&mut self, time_ns: i64) {
        let mut step = self.step_of(time_ns);
        if self.counts.is_empty() {
            self.first = step;
        }
        while !self.reaches(step) {
            self.widen();
            step = self.step_of(time_ns);
        }
        for _ in step..self.first {
            self.counts.push_front(0);
        }
        self.first = self.first.min(step);
        let at = (step - self.first) as usize;
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += 1;
    }

    /// The counts in at most so many columns.
    pub fn columns(&self, most: usize) -> Columns {
        let together = self.counts.len().div_ceil(most.max(1)).max(1);
        let counts = self.counts.iter().copied().collect::<Vec<_>>();
        Columns {
            start_ns: self.first.saturating_mul(self.step_ns as i64),
            step_ns: self.step_ns * together as u64,
            counts: counts.chunks(together).map(|counts| counts.iter().sum()).collect(),
        }
    }

    fn step_of(&self, time_ns: i64) -> i64 {
        time_ns.div_euclid(self.step_ns as i64)
    }

    /// Whether there is room for a step with this number.
    #[inline]
    fn reaches(&self, step: i64) -> bool {
        let end = self.first + self.counts.len() as i64;
        let (first, end) = (self.first.min(step), end.max(step + 1));
        end.abs_diff(first) <= MAX_STEPS as u64
    }

    /// Makes each step twice as wide.
    #[cold]
    fn widen(&mut self) {
        let mut counts = VecDeque::with_capacity(MAX_STEPS);
        let first = self.first.div_euclid(2);
        for (step, count) in (self.first..).zip(&self.counts) {
            let at = (step.div_euclid(2) - first) as usize;
            if at == counts.len() {
                counts.push_back(0);
            }
            counts[at] += count;
        }
        *self = Self { step_ns: self.step_ns * 2, first, counts };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(times: &[i64]) -> Histogram {
        let mut histogram = Histogram::default();
        times.iter().for_each(|&time| histogram.add(time));
        histogram
    }

    #[test]
    fn every_time_is_counted_in_its_column() {
        let times: Vec<i64> = (0..100_000).map(|i| 1_700_000_000_000_000_000 + i * 777).collect();
        let columns = histogram(&times).columns(80);
        assert!((40..=80).contains(&columns.counts.len()));
        for (start, &count) in
            (columns.start_ns..).step_by(columns.step_ns as usize).zip(&columns.counts)
        {
            let end = start + columns.step_ns as i64;
            let expected = times.iter().filter(|&&time| (start..end).contains(&time)).count();
            assert_eq!(count, expected as u64);
        }
    }

    /// Durations in any order take bounded memory.
    #[test]
    fn memory_is_bounded_for_any_times() {
        let mut histogram = histogram(&[5, i64::MAX, i64::MIN, 0, -1]);
        assert!(histogram.counts.len() <= MAX_STEPS);
        assert_eq!(histogram.counts.iter().sum::<u64>(), 5);
        histogram.add(i64::MAX);
        assert_eq!(histogram.columns(3).counts.iter().sum::<u64>(), 6);
        assert!(histogram.columns(3).counts.len() <= 3);
        assert!(Histogram::default().columns(80).counts.is_empty());
    }
}
