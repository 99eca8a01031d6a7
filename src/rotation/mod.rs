//! Rotation: when a log goes on in another segment.
//!
//! In: the program's options, the clock. Out: whether it is time. It knows nothing of records.

pub(crate) mod boundaries;
pub(crate) mod chores;
#[cfg(feature = "compress")]
pub(crate) mod compress;
pub(crate) mod housekeeper;
pub(crate) mod limits;
pub(crate) mod link;
pub(crate) mod log;
pub(crate) mod predecessors;
pub(crate) mod queue;
pub(crate) mod rotator;
pub(crate) mod schedule;
#[cfg(all(test, not(kymo_loom)))]
mod tests;
pub(crate) mod zone;

use std::fmt;
use std::time::Duration;

use crate::rotation::schedule::{Schedule, TimeOfDay};
use crate::rotation::zone::Zone;

/// When a log goes on in a new segment.
///
/// Reasons can be combined. Whichever comes first rotates the log.
///
/// ```
/// use std::time::Duration;
/// use kymo::{Rotation, Zone};
///
/// // Segments of at most 256 MiB, and a new one every full hour.
/// let rotation = Rotation::size(256 << 20).every(Duration::from_secs(3600));
///
/// // A new one each day at midnight in a zone without daylight saving time.
/// let rotation = Rotation::daily_at("00:00", Zone::offset("+05:30")?);
///
/// // A new one twice a day, and when the segment is large.
/// let morning = Rotation::daily_at("06:00", Zone::UTC);
/// let rotation = Rotation::size(1 << 30).or(morning).or(Rotation::daily_at("18:00", Zone::UTC));
/// # rotation.check()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A wrong option is an error of `start`, or of [`Rotation::check`], which tests the options of a configuration file
/// without a logger.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an option of a logger does nothing by itself"]
pub struct Rotation {
    size: Option<u64>,
    schedule: Schedule,
    /// The first wrong option.
    error: Option<RotationError>,
}

/// The shortest segment size in bytes that can be chosen.
pub(crate) const MIN_SIZE_BYTES: u64 = 64 << 10;

/// The shortest interval that can be chosen.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// The error of a [`Rotation`] that cannot be: which option is wrong, and what is possible.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RotationError {
    /// The size is less than a segment takes.
    Size {
        /// The size in bytes.
        bytes: u64,
        /// The least that is possible.
        least: u64,
    },
    /// The interval is shorter than a millisecond, or longer than clocks can show.
    Interval(Duration),
    /// This is no time of day.
    Time(String),
}

impl Rotation {
    /// Rotates only on request: by the program, or by a signal.
    pub fn on_request() -> Self {
        Self { size: None, schedule: Schedule::default(), error: None }
    }

    /// Rotates before a segment is longer than `bytes`, its header included. At least 64 KiB.
    ///
    /// What is written at once is in one segment, so that a segment may be longer by a sweep.
    pub fn size(bytes: u64) -> Self {
        let least = MIN_SIZE_BYTES;
        let error = (bytes < least).then_some(RotationError::Size { bytes, least });
        Self { size: Some(bytes), error, ..Self::on_request() }
    }

    /// Rotates each day at a time of day in a zone: `"HH:MM"` or `"HH:MM:SS"`.
    ///
    /// On the day on which the clocks are set forward, this time may not exist: then the log is rotated at the first
    /// moment after. On the day on which they are set back, it may exist twice: then the first counts.
    pub fn daily_at(time: &str, zone: Zone) -> Self {
        let mut this = Self::on_request();
        match TimeOfDay::parse(time) {
            Some(time) => this.schedule.add_daily(time, zone),
            None => this.error = Some(RotationError::Time(time.to_owned())),
        }
        this
    }

    /// Rotates also at all multiples of an interval, aligned to the clock: each hour at the full hour in UTC, each day
    /// at midnight in UTC. At least a millisecond.
    ///
    /// Multiples are counted from 1970-01-01T00:00:00Z. Seven days are weeks that begin on a Thursday.
    pub fn every(mut self, interval: Duration) -> Self {
        match i64::try_from(interval.as_nanos()) {
            Ok(interval_ns) if interval >= MIN_INTERVAL => self.schedule.add_interval(interval_ns),
            _ => drop(self.error.get_or_insert(RotationError::Interval(interval))),
        }
        self
    }

    /// Rotates for the reasons of both. Of two sizes the lesser counts.
    pub fn or(mut self, other: Self) -> Self {
        self.size = [self.size, other.size].into_iter().flatten().min();
        self.schedule.add_all(other.schedule);
        self.error = self.error.or(other.error);
        self
    }

    /// Returns the first wrong option as an error.
    ///
    /// # Errors
    /// If the size or an interval is too small, or a time of day is none.
    pub fn check(&self) -> Result<(), RotationError> {
        self.error.clone().map_or(Ok(()), Err)
    }

    /// Returns the first time after `now_ns` at which the clock rotates the log, both in nanoseconds since the epoch.
    /// `None` if only the size, or a request, does.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kymo::Rotation;
    ///
    /// const HOUR_NS: i64 = 3_600_000_000_000;
    /// let rotation = Rotation::size(1 << 30).every(Duration::from_secs(3600));
    /// assert_eq!(rotation.next_after(5 * HOUR_NS + 1), Some(6 * HOUR_NS));
    /// assert_eq!(rotation.next_after(6 * HOUR_NS), Some(7 * HOUR_NS));
    /// assert_eq!(Rotation::size(1 << 30).next_after(0), None);
    /// ```
    pub fn next_after(&self, now_ns: i64) -> Option<i64> {
        self.schedule.next_after(now_ns)
    }

    /// Returns the size in bytes from which a segment is rotated, if there is one.
    pub fn size_limit(&self) -> Option<u64> {
        self.size
    }
}

impl fmt::Display for RotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { bytes, least } => {
                write!(f, "a segment of {bytes} bytes is too small: choose at least {least}")
            }
            Self::Interval(interval) => {
                write!(f, "an interval of {interval:?} is not possible: choose 1 ms to 292 years")
            }
            Self::Time(text) => {
                write!(
                    f,
                    "{text:?} is no time of day: choose 00:00 to 23:59, or with seconds, 00:00:00 to 23:59:59"
                )
            }
        }
    }
}

impl std::error::Error for RotationError {}
