//! The last clock frames of a log, for records that are written to another file (the side file).
//! Their ticks become the times that they have in the log.

use crate::format::frame::Clock;
use crate::sync::statics::Mutex;

/// The number of clock frames that count for a record.
const KEPT: usize = 4;

/// The last clock frames, with their lock.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Noted>);

/// The last clock frames, the oldest first.
#[derive(Clone, Copy, Debug, Default)]
struct Noted {
    lines: [Clock; KEPT],
    /// The number of frames that there were in all.
    count: u64,
}

impl Lines {
    /// The consumer's side: adds the frame that is in force from now on.
    pub(crate) fn note(&self, line: Clock) {
        // A thread that has the lock may have been interrupted by a signal, and wait for the
        // consumer. So this frame is left out; the next comparison of the clocks comes soon.
        let Ok(mut noted) = self.0.try_lock() else { return };
        noted.lines.rotate_left(1);
        noted.lines[KEPT - 1] = line;
        noted.count += 1;
    }

    /// Returns the frames since the first `known` that still count, the oldest first, and raises
    /// `known` to the number of all.
    ///
    /// Never waits for the consumer, which may have stopped anywhere.
    pub(crate) fn since(&self, known: &mut u64) -> impl Iterator<Item = Clock> + use<> {
        let noted = self.0.try_lock().map_or_else(|_| Noted::default(), |noted| *noted);
        let new = noted.count.saturating_sub(*known).min(KEPT as u64) as usize;
        *known = noted.count.max(*known);
        noted.lines.into_iter().skip(KEPT - new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_is_returned_once() {
        let lines = Lines::default();
        let mut known = 0;
        let mut told = || lines.since(&mut known).map(|line| line.ticks).collect::<Vec<_>>();
        assert!(told().is_empty());
        (1..=2).for_each(|ticks| lines.note(Clock { ticks, ..Clock::default() }));
        assert_eq!(told(), [1, 2]);
        assert!(told().is_empty());
        (3..=9).for_each(|ticks| lines.note(Clock { ticks, ..Clock::default() }));
        assert_eq!(told(), [6, 7, 8, 9]);
    }
}
