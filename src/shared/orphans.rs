//! Rings whose logger was shut down while their threads lived on.
//!
//! A thread may be in the middle of a log call during the consumer's last look. Its record is
//! published and never written, or counted as dropped and never read. Such records are counted
//! here, so that they are not lost silently.

use crate::mutant::{self, Mutant};
use crate::process::statics::ORPHANS;
use crate::ring::RingConsumer;
use crate::ring::consumer::records;
use crate::ring::storage::overwriting::OverwritingConsumer;
use crate::shared::running::count_unlogged;
use crate::shared::state::RingState;
use crate::sync::Arc;
use crate::sync::statics::{MutexGuard, PoisonError};

/// The lock on the orphaned rings.
pub(crate) type Orphans = MutexGuard<'static, Vec<Orphan>>;

/// Locks the orphaned rings.
pub(crate) fn orphans() -> Orphans {
    ORPHANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes over a ring that the consumer will not read again.
pub(crate) fn adopt(orphan: Orphan) {
    // First counts the rings of earlier loggers, and forgets those whose threads have ended.
    count_unlogged(count());
    orphans().push(orphan);
}

/// Returns the number of records since the last call, and forgets the rings whose threads have
/// ended.
pub(crate) fn count() -> u64 {
    let mut count = 0;
    orphans().retain_mut(|orphan| {
        let (late, ended) = orphan.count();
        count += late;
        !ended
    });
    count
}

/// A ring that the consumer will not read again.
pub(crate) struct Orphan {
    ring: RingConsumer,
    /// The ring of the levels that overwrite their oldest records. A flight recorder needs none:
    /// its records were not to be written.
    overwriting: Option<OverwritingConsumer>,
    state: Arc<RingState>,
    /// The number of drops that have been counted, for each log.
    dropped: Vec<u64>,
}

impl Orphan {
    /// Makes an orphan of a ring. `dropped` is the number of drops that are in the file,
    /// for each log.
    pub(crate) fn new(
        ring: RingConsumer,
        overwriting: Option<OverwritingConsumer>,
        state: Arc<RingState>,
        dropped: Vec<u64>,
    ) -> Self {
        Self { ring, overwriting, state, dropped }
    }

    /// Returns the number of records logged or dropped since the last call, and whether the thread
    /// has ended, so that no more come.
    pub(crate) fn count(&mut self) -> (u64, bool) {
        let ended = self.state.has_ended();
        let late = self.ring.look();
        let (first, second) = late.runs();
        let mut count = records(first).chain(records(second)).count() as u64;
        late.consume_all();
        while let Some(overwriting) = self.overwriting.as_mut().filter(|ring| !ring.is_empty()) {
            let late = overwriting.look();
            count += late.overwritten() + records(late.runs().0).count() as u64;
            late.consume_all();
        }
        // Read after the ring: if the thread has ended, these are all of its drops.
        for (counts, counted) in self.state.logs.iter().zip(&mut self.dropped) {
            let dropped = counts.drops.counts().total();
            let late = dropped - std::mem::replace(counted, dropped);
            if !mutant::broken(Mutant::LateDropsForgotten) {
                count += late;
            }
        }
        (count, ended)
    }
}
