//! The choices of a program for each level: what a call does if the ring is full, and when it
//! returns.

use std::time::Duration;

use crate::level::Level;
use crate::ring::cursor::LevelRing;

/// What a log call does if its ring has no room for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// Waits for the consumer: spins briefly, then yields, then sleeps. When the time limit passes,
    /// the record is dropped and counted.
    Wait {
        /// The time limit; `None` for no limit.
        timeout: Option<Duration>,
    },
    /// Drops the record and counts it.
    DropNewest,
    /// Overwrites the oldest records that the consumer has not read. The call never waits, and its
    /// record is not dropped.
    ///
    /// Overwritten records are counted by level, as
    /// [`DropReason::Overwritten`](crate::DropReason::Overwritten), and the gap is marked in the
    /// file.
    ///
    /// Levels with this policy share a second ring in each thread, so they overwrite no records of
    /// other levels. Its capacity is that of the first ring, rounded up to a power of two. A
    /// sixteenth of it is always being overwritten.
    ///
    /// Within a ring order is exact. Between the two rings of a thread, records are ordered by time
    /// stamp. If time stamps are equal, records of the other levels come first. Different calls get
    /// equal time stamps from a clock as coarse as [`Clock::Coarse`](crate::Clock::Coarse), and from
    /// the counter of an arm64 processor that counts only every 40 ns.
    OverwriteOldest,
}

/// Which records are critical: a call that logs one returns when it is in the file.
///
/// ```
/// use std::time::Duration;
/// use kymo::{Level, WriteThrough};
///
/// // Errors are on the disk when their calls return, unless that takes longer than 50 ms.
/// let policy = WriteThrough::at(Level::Error).synced().timeout(Duration::from_millis(50));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "give it to `Builder::write_through`"]
pub struct WriteThrough {
    level: Level,
    synced: bool,
    timeout: Duration,
}

impl WriteThrough {
    /// Makes records of this level and more urgent ones critical: the call returns when the record
    /// is in the mapped file.
    ///
    /// All that the thread logged before is then in the file, too. The records survive the end of
    /// the process, whatever ends it, but not a power failure.
    pub fn at(level: Level) -> Self {
        Self { level, synced: false, timeout: Duration::from_millis(100) }
    }

    /// Makes the call return only when the record is on the disk.
    ///
    /// The calling thread makes the system write the file, which takes as long as the disk takes.
    /// Errors are counted in [`Stats::sync_errors`](crate::Stats::sync_errors).
    pub fn synced(mut self) -> Self {
        self.synced = true;
        self
    }

    /// Sets how long a call waits for the consumer. Default: 100 ms.
    ///
    /// After that the call writes the record itself, into the side file: see
    /// [`Builder::write_through`](crate::Builder::write_through).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Returns whether the call waits for the disk.
    pub(crate) fn is_synced(&self) -> bool {
        self.synced
    }

    /// Returns how long the call waits for the consumer.
    pub(crate) fn limit(&self) -> Duration {
        self.timeout
    }
}

impl From<Level> for WriteThrough {
    fn from(level: Level) -> Self {
        Self::at(level)
    }
}

/// The levels and the size of the flight recorder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlightRecorder {
    /// The most urgent level that it keeps; it keeps all less urgent ones, too.
    pub(crate) level: Level,
    /// The capacity of each thread's recorder, in words.
    pub(crate) words: usize,
}

/// When the flight recorder is dumped without being asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DumpAt {
    /// The least urgent level that causes a dump; `None` for no dump.
    pub(crate) level: Option<Level>,
    /// The least time between two such dumps.
    pub(crate) interval: Duration,
}

impl DumpAt {
    /// The default: at errors, at most once a second.
    pub(crate) const DEFAULT: Self =
        Self { level: Some(Level::Error), interval: Duration::from_secs(1) };
}

/// The choices for all levels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policies {
    overflow: [Overflow; 5],
    write_through: Option<WriteThrough>,
    pub(crate) flight: Option<FlightRecorder>,
    pub(crate) dump_at: DumpAt,
}

impl Policies {
    /// Returns policies with one `overflow` for all levels.
    pub(crate) const fn new(overflow: Overflow) -> Self {
        Self {
            overflow: [overflow; 5],
            write_through: None,
            flight: None,
            dump_at: DumpAt::DEFAULT,
        }
    }

    pub(crate) fn set_overflow(&mut self, level: Level, overflow: Overflow) {
        self.overflow[level.index()] = overflow;
    }

    pub(crate) fn set_write_through(&mut self, policy: WriteThrough) {
        self.write_through = Some(policy);
    }

    /// Makes records of this level and more urgent ones critical, too.
    pub(crate) fn include_write_through(&mut self, level: Level) {
        let policy = self.write_through.unwrap_or(WriteThrough::at(level));
        self.write_through = Some(WriteThrough { level: policy.level.max(level), ..policy });
    }

    /// Returns what a call of this level does if the ring is full.
    pub(crate) fn overflow(&self, level: Level) -> Overflow {
        self.overflow[level.index()]
    }

    /// Returns how critical records of this level are treated; `None` if they are not critical.
    pub(crate) fn write_through(&self, level: Level) -> Option<WriteThrough> {
        self.write_through.filter(|policy| level <= policy.level)
    }

    /// Returns whether records of this level go to the flight recorder.
    fn is_flight(&self, level: Level) -> bool {
        self.flight.is_some_and(|flight| level >= flight.level)
            && self.write_through(level).is_none()
    }

    /// Returns whether records of this level overwrite the oldest.
    fn overwrites(&self, level: Level) -> bool {
        self.overflow(level) == Overflow::OverwriteOldest
            && self.write_through(level).is_none()
            && !self.is_flight(level)
    }

    /// Returns whether a thread needs an overwriting ring.
    pub(crate) fn overwrites_any(&self) -> bool {
        Level::ALL.into_iter().any(|level| self.overwrites(level))
    }

    /// Returns whether a record of this level causes a dump. Levels that the recorder keeps do not.
    pub(crate) fn dumps_at(&self, level: Level) -> bool {
        self.flight.is_some()
            && self.dump_at.level.is_some_and(|at| level <= at)
            && !self.is_flight(level)
    }

    /// The ring of a level's records in a thread without rings that overwrite.
    pub(crate) fn plain_ring(&self, level: Level) -> LevelRing {
        if self.write_through(level).is_some() { LevelRing::Critical } else { LevelRing::Bounded }
    }

    /// The ring of a level's records.
    pub(crate) fn ring(&self, level: Level) -> LevelRing {
        if self.is_flight(level) {
            LevelRing::Flight
        } else if self.overwrites(level) {
            LevelRing::Overwriting
        } else {
            self.plain_ring(level)
        }
    }
}
