//! The producing end: a thread's ring, and what it does when that is full.

use std::mem::ManuallyDrop;
use std::time::Duration;

use crate::clock::{TickSource, monotonic_ns, nanoseconds};
use crate::control::Control;
use crate::format::header::ClockSource;
use crate::level::Level;
use crate::ring::producer::Refusal;
use crate::ring::{WORD_BYTES, WordProducer};
use crate::state::{Reason, RingState};
use crate::sync::atomic::Ordering;
use crate::sync::{Arc, hint, thread};
use crate::twin::{self, Twin};

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

/// The state of a ring's producing end as its thread's calls see it: one byte, so that the usual
/// case is one comparison.
pub(crate) struct Mode;

impl Mode {
    /// Stamp with the processor's counter.
    pub(crate) const COUNTER: u8 = 0;
    /// Stamp with the coarse clock.
    pub(crate) const COARSE: u8 = 1;
    /// Stamp with another clock.
    pub(crate) const OTHER: u8 = 2;
    /// The logger has been shut down.
    pub(crate) const CLOSED: u8 = 3;

    /// The mode for a clock.
    pub(crate) fn of(clock: TickSource) -> u8 {
        match clock.source() {
            ClockSource::Counter => Self::COUNTER,
            ClockSource::Coarse => Self::COARSE,
            ClockSource::Monotonic | ClockSource::Custom => Self::OTHER,
        }
    }
}

/// How often a producer that waits for room looks again while it spins, before it yields.
const SPINS: u32 = 64;

/// How often it yields before it sleeps.
const YIELDS: u32 = 64;

/// With what it begins. (In the models spinning and yielding are only more of the same.)
const FIRST_ROUND: u32 = if cfg!(kymo_loom) { SPINS + YIELDS } else { 0 };

/// How long it sleeps before it looks again.
const SLEEP: Duration = Duration::from_micros(50);

/// A thread's end of its ring.
pub(crate) struct Producer {
    pub(crate) ring: ManuallyDrop<WordProducer>,
    pub(crate) state: Arc<RingState>,
    control: Arc<Control>,
    overflow: Overflow,
}

impl Producer {
    pub(crate) fn new(
        ring: WordProducer,
        state: Arc<RingState>,
        control: Arc<Control>,
        overflow: Overflow,
    ) -> Self {
        Self { ring: ManuallyDrop::new(ring), state, control, overflow }
    }

    /// See [`Mode`].
    #[inline(always)]
    pub(crate) fn mode(&self) -> u8 {
        // Relaxed: that a logger was shut down need not be seen at once; a record that comes too
        // late stays in the ring, where `orphans` counts it.
        self.state.mode.load(Ordering::Relaxed)
    }

    /// Whether nobody reads the ring any more: the logger was shut down, or its consumer has died.
    fn is_closed(&self) -> bool {
        self.mode() == Mode::CLOSED || self.ring.is_abandoned()
    }

    /// The time stamp for a record.
    pub(crate) fn stamp(&self) -> u64 {
        self.state.clock.stamp()
    }

    /// The length of the longest record that this ring takes, in bytes.
    pub(crate) fn max_record_bytes(&self) -> usize {
        self.ring.longest() * WORD_BYTES
    }

    /// Makes sure that a record of `words` words has room. If not, the record was counted as
    /// dropped.
    pub(crate) fn wait_for_room(&mut self, level: Level, ticks: u64, words: usize) -> bool {
        match self.ring.reserve(words) {
            Ok(_) => return true,
            Err(Refusal::Full) => {}
            Err(Refusal::TooLong) => {
                self.drop_record(level, ticks, Reason::TooLarge);
                return false;
            }
        }
        let timeout = match self.overflow {
            Overflow::DropNewest => {
                self.drop_record(level, ticks, Reason::RingFull);
                return false;
            }
            Overflow::Wait { timeout } => timeout,
        };
        // It may be asleep, and whoever waits may call the system. Once is enough: it does not go
        // to sleep again before it has taken something, and then there is room.
        if !twin::broken(Twin::WaitAsleep) {
            self.control.wake();
        }
        let deadline = timeout.map(|limit| monotonic_ns().saturating_add(nanoseconds(limit)));
        let mut round = FIRST_ROUND;
        loop {
            if self.ring.reserve(words).is_ok() {
                return true;
            }
            // Checked behind that: a consumer that has gone makes no more room.
            if self.is_closed() {
                self.drop_record(level, ticks, Reason::AfterShutdown);
                return false;
            }
            if deadline.is_some_and(|deadline| monotonic_ns() >= deadline) {
                self.drop_record(level, ticks, Reason::WaitTimedOut);
                return false;
            }
            Self::pause(round);
            round += 1;
        }
    }

    /// Lets time pass in favour of the consumer: first little, then more.
    fn pause(round: u32) {
        if round < SPINS {
            for _ in 0..32 {
                hint::spin_loop();
            }
        } else if round < SPINS + YIELDS {
            thread::yield_now();
        } else {
            thread::sleep(SLEEP);
        }
    }

    /// Counts a record as dropped.
    pub(crate) fn drop_record(&self, level: Level, ticks: u64, reason: Reason) {
        self.state.drops.count(level, ticks, reason);
    }

    /// Waits until all that was logged here is in the file; false if it could not be written, or
    /// the logger has gone before.
    pub(crate) fn flush(&mut self, deadline_ns: Option<u64>) -> bool {
        // Acquire, both: pairs with the release in `Lane::fail`, which comes before the ring's room
        // is given back.
        let failures = self.state.failures.load(Ordering::Acquire);
        while !self.ring.is_drained() {
            if self.is_closed() || !self.control.request_sweep(deadline_ns) {
                break;
            }
        }
        self.ring.is_drained() && self.state.failures.load(Ordering::Acquire) == failures
    }
}

impl Drop for Producer {
    /// Gives the ring back: another thread may get it.
    fn drop(&mut self) {
        // SAFETY: taken once, here, and not used behind this.
        let ring = unsafe { ManuallyDrop::take(&mut self.ring) };
        self.state.end(ring);
    }
}
