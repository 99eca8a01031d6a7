//! The last clock frames of a log, for who writes records of it elsewhere: so that ticks have the
//! time that they have in the log.

use crate::format::frame::Clock;
use crate::sync::statics::Mutex;

/// How many clock frames count for a record.
const KEPT: usize = 4;

/// The last clock frames.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Noted>);

/// The last clock frames, the oldest first.
#[derive(Clone, Copy, Debug, Default)]
struct Noted {
    lines: [Clock; KEPT],
    /// How many there were, ever.
    count: u64,
}

impl Lines {
    /// The consumer's side: this is how ticks become time from now on.
    pub(crate) fn note(&self, line: Clock) {
        // A thread that has the lock may have been interrupted by a signal, and wait for the
        // consumer. There is another comparison of the clocks soon.
        let Ok(mut noted) = self.0.try_lock() else { return };
        noted.lines.rotate_left(1);
        noted.lines[KEPT - 1] = line;
        noted.count += 1;
    }

    /// The frames since the first `known`, but for those that do not count any more, the oldest first.
    /// Raises `known` to all there are. Never waits for the consumer, which may have stopped anywhere.
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
    fn the_last_four_count_and_each_is_told_once() {
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
