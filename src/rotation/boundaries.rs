//! Watches the clock for boundaries.

use crate::rotation::Rotation;
use crate::rotation::schedule::Schedule;

/// How many nanoseconds a minute has.
const MINUTE_NS: i64 = 60_000_000_000;

/// Says when a boundary is passed, whatever becomes of the clock.
///
/// | the clock | |
/// | --- | --- |
/// | is set forward over boundaries | one rotation, then the next boundary as usual |
/// | is set back | boundaries that it passes once more rotate once more; but not the last one if it comes within a minute |
/// | is late, or nobody asks for a while | as if it was set forward |
#[derive(Debug)]
pub(crate) struct Boundaries {
    schedule: Schedule,
    /// What the clock showed last.
    seen_ns: i64,
    /// The first boundary that the clock has not passed.
    next_ns: Option<i64>,
    /// The last boundary that it has passed.
    passed_ns: Option<i64>,
}

impl Boundaries {
    /// `now_ns`: what the clock shows, in nanoseconds since the epoch.
    pub(crate) fn new(rotation: &Rotation, now_ns: i64) -> Self {
        let schedule = rotation.schedule.clone();
        let next_ns = schedule.next_after(now_ns);
        Self { schedule, seen_ns: now_ns, next_ns, passed_ns: None }
    }

    /// Returns whether the clock has passed a boundary since the last call. Costs a comparison if it has not.
    #[inline]
    pub(crate) fn passes(&mut self, now_ns: i64) -> bool {
        if now_ns < self.seen_ns {
            self.go_back(now_ns);
        }
        self.seen_ns = now_ns;
        let is_passed = self.next_ns.is_some_and(|next_ns| now_ns >= next_ns);
        if is_passed {
            self.passed_ns = self.next_ns;
            self.next_ns = self.schedule.next_after(now_ns);
        }
        is_passed
    }

    /// The clock was set back.
    #[cold]
    fn go_back(&mut self, now_ns: i64) {
        self.next_ns = self.schedule.next_after(now_ns);
        // A correction by less than a second, just after a boundary, would make a segment of less than a second.
        if let Some(next_ns) = self.next_ns
            && self.passed_ns == Some(next_ns)
            && next_ns.saturating_sub(now_ns) < MINUTE_NS
        {
            self.next_ns = self.schedule.next_after(next_ns);
        }
    }

    /// Returns the boundary that the clock has not passed yet.
    #[cfg(test)]
    pub(crate) fn next_ns(&self) -> Option<i64> {
        self.next_ns
    }
}
