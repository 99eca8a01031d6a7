//! Boundaries: the times at which the clock rotates a log.
//!
//! Each boundary is computed from the clock alone, never from the one before: a rotation that comes an hour late moves
//! no later one. *Not taken:* counting an interval from the last rotation, which drifts.

use crate::rotation::zone::Zone;

/// The times at which the clock rotates a log.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Schedule {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    /// All multiples of so many nanoseconds, from the epoch.
    Interval(i64),
    /// Each day, in a zone.
    Daily(TimeOfDay, Zone),
}

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeOfDay {
    seconds: i64,
}

impl TimeOfDay {
    /// Reads `HH:MM` or `HH:MM:SS`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let part = |at: usize, end: u8| {
            let digits = text.as_bytes().get(at..at + 2)?;
            let (tens, ones) = (digits[0].wrapping_sub(b'0'), digits[1].wrapping_sub(b'0'));
            let number = tens.checked_mul(10)?.checked_add(ones)?;
            (tens < 10 && ones < 10 && number < end).then_some(i64::from(number))
        };
        let is_colon = |at: usize| text.as_bytes().get(at) == Some(&b':');
        let minutes = part(0, 24)? * 60 + part(3, 60).filter(|_| is_colon(2))?;
        let seconds = match text.len() {
            5 => 0,
            8 => part(6, 60).filter(|_| is_colon(5))?,
            _ => return None,
        };
        Some(Self { seconds: minutes * 60 + seconds })
    }

    /// The seconds since midnight.
    pub(crate) fn seconds(self) -> i64 {
        self.seconds
    }
}

impl Schedule {
    pub(super) fn add_interval(&mut self, interval_ns: i64) {
        self.rules.push(Rule::Interval(interval_ns));
    }

    pub(super) fn add_daily(&mut self, time: TimeOfDay, zone: Zone) {
        self.rules.push(Rule::Daily(time, zone));
    }

    pub(super) fn add_all(&mut self, other: Self) {
        self.rules.extend(other.rules);
    }

    /// Returns the first boundary after `now_ns`, in nanoseconds since the epoch. `None` if there is none before clocks
    /// end, in 2262.
    pub(crate) fn next_after(&self, now_ns: i64) -> Option<i64> {
        self.rules.iter().filter_map(|rule| rule.next_after(now_ns)).min()
    }
}

impl Rule {
    fn next_after(&self, now_ns: i64) -> Option<i64> {
        match self {
            Self::Interval(interval_ns) => {
                now_ns.checked_sub(now_ns.rem_euclid(*interval_ns))?.checked_add(*interval_ns)
            }
            Self::Daily(time, zone) => {
                // The day before, for a zone whose clocks have been set back over midnight. Two days after, for one
                // that leaves out a day.
                let today = zone.day(now_ns);
                let times =
                    (today - 1..=today + 2).filter_map(|day| zone.time(day, time.seconds()));
                times.filter(|at_ns| *at_ns > now_ns).min()
            }
        }
    }
}
