//! What is to happen, level by level, when things do not go as they should, and how far a call goes
//! before it returns.

use std::time::Duration;

use crate::clock::TickSource;
use crate::cursor::Path;
use crate::format::header::ClockSource;
use crate::level::Level;

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

/// The choices for all levels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policies {
    overflow: [Overflow; 5],
    write_through: Option<WriteThrough>,
}

impl Policies {
    /// The same for all levels.
    pub(crate) const fn new(overflow: Overflow) -> Self {
        Self { overflow: [overflow; 5], write_through: None }
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

    /// Which path the calls of a level take.
    pub(crate) fn path(&self, level: Level, clock: TickSource) -> Path {
        match clock.source() {
            _ if self.write_through(level).is_some() => Path::Outlined,
            ClockSource::Counter => Path::First,
            ClockSource::Coarse => Path::Second,
            ClockSource::Monotonic | ClockSource::Custom => Path::Outlined,
        }
    }
}
