//! What is to happen, level by level, when things do not go as they should, and how far a call goes
//! before it returns.

use std::time::Duration;

use crate::level::Level;
use crate::ring::cursor::LevelRing;

/// What to do with a record for which the ring has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// Wait for the consumer: spin briefly, then yield, then sleep. After the time limit, if there
    /// is one, the record is dropped and counted.
    Wait {
        /// The time limit.
        timeout: Option<Duration>,
    },
    /// Drop the record and count it.
    DropNewest,
    /// Never wait and never drop this record: it takes the place of the oldest ones that the
    /// consumer has not got to yet. Those are counted, by level, as
    /// [`DropReason::Overwritten`](crate::DropReason::Overwritten), and the gap stands in the file.
    ///
    /// Levels with this policy have a second ring in each thread, of the same capacity (rounded up to
    /// a power of two, and less a sixteenth, which is being written over), so that they push nothing
    /// out of other levels' ring. Within a ring order is exact. Between the two rings of a thread it
    /// is that of the time stamps: of records with the same one, which only a clock as coarse as
    /// [`Clock::Coarse`](crate::Clock::Coarse) gives to different calls, those of the other levels
    /// stand first. With this policy for all levels there is nothing to put in order.
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
    /// Records of this level and of more urgent ones are critical: a call that logs one returns
    /// when it is in the mapped file, and with it everything that the thread logged before. There
    /// it survives the process, however that ends, but not a power failure.
    pub fn at(level: Level) -> Self {
        Self { level, synced: false, timeout: Duration::from_millis(100) }
    }

    /// A call returns when the record is on the disk: the calling thread has the system write the
    /// file, which takes as long as the disk takes. What the system says against it is counted in
    /// [`Stats::sync_errors`](crate::Stats::sync_errors).
    pub fn synced(mut self) -> Self {
        self.synced = true;
        self
    }

    /// How long a call waits for the consumer. Default: 100 ms. Then it writes the record itself,
    /// into a file beside the log: see [`Builder::write_through`](crate::Builder::write_through).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Whether to go on to the disk.
    pub(crate) fn is_synced(&self) -> bool {
        self.synced
    }

    /// How long to wait for the consumer.
    pub(crate) fn limit(&self) -> Duration {
        self.timeout
    }
}

impl From<Level> for WriteThrough {
    fn from(level: Level) -> Self {
        Self::at(level)
    }
}

/// What the flight recorder records, and when it is dumped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlightRecorder {
    /// This level and less urgent ones.
    pub(crate) level: Level,
    /// The capacity of each thread's recorder.
    pub(crate) words: usize,
}

/// When the flight recorder is dumped without being asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DumpAt {
    /// At a record of this level or a more urgent one; `None`: at no record.
    pub(crate) level: Option<Level>,
    /// Not more often than this.
    pub(crate) interval: Duration,
}

impl DumpAt {
    /// Unless something else was chosen.
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
    /// The same for all levels.
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

    /// What to do when there is no room.
    pub(crate) fn overflow(&self, level: Level) -> Overflow {
        self.overflow[level.index()]
    }

    /// How critical records of this level are treated; `None` where they are not critical.
    pub(crate) fn write_through(&self, level: Level) -> Option<WriteThrough> {
        self.write_through.filter(|policy| level <= policy.level)
    }

    /// Whether records of this level go to the flight recorder.
    fn is_flight(&self, level: Level) -> bool {
        self.flight.is_some_and(|flight| level >= flight.level)
            && self.write_through(level).is_none()
    }

    /// Whether records of this level take the place of the oldest.
    fn overwrites(&self, level: Level) -> bool {
        self.overflow(level) == Overflow::OverwriteOldest
            && self.write_through(level).is_none()
            && !self.is_flight(level)
    }

    /// Whether a thread needs a ring that overwrites its oldest records.
    pub(crate) fn overwrites_any(&self) -> bool {
        Level::ALL.into_iter().any(|level| self.overwrites(level))
    }

    /// Whether records of a level that is not the flight recorder's have it dumped.
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
