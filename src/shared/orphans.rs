//! Rings whose logger was shut down while their threads lived on.
//!
//! A thread that was in the middle of a log call when the consumer looked for the last time
//! publishes a record that nobody will write, or counts it as dropped where nobody will look. It is
//! counted here, so that it is not lost silently.

use crate::mutant::{self, Mutant};
use crate::process::statics::ORPHANS;
use crate::ring::RingConsumer;
use crate::ring::consumer::records;
use crate::ring::storage::overwriting::OverwritingConsumer;
use crate::shared::running::count_unlogged;
use crate::shared::state::RingState;
use crate::sync::Arc;
use crate::sync::statics::{MutexGuard, PoisonError};

/// The lock on them.
pub(crate) type Orphans = MutexGuard<'static, Vec<Orphan>>;

/// The rings that are left.
pub(crate) fn orphans() -> Orphans {
    ORPHANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes over a ring of which nothing will be written any more.
pub(crate) fn adopt(orphan: Orphan) {
    // Those of earlier loggers, whose threads may have ended.
    count_unlogged(count());
    orphans().push(orphan);
}

/// Counts the records that came since the last call, and forgets the rings whose threads have
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

/// A ring of which nothing will be written any more.
pub(crate) struct Orphan {
    ring: RingConsumer,
    /// Of the levels that overwrite their oldest records. (Those of the flight recorder were not to
    /// be written.)
    overwriting: Option<OverwritingConsumer>,
    state: Arc<RingState>,
    /// How many of the drops are accounted for.
    dropped: u64,
}

impl Orphan {
    /// `dropped` of the producer's drops are in the file.
    pub(crate) fn new(
        ring: RingConsumer,
        overwriting: Option<OverwritingConsumer>,
        state: Arc<RingState>,
        dropped: u64,
    ) -> Self {
        Self { ring, overwriting, state, dropped }
    }

    /// How many records came, or were dropped, since the last call; and whether the thread has
    /// ended, so that no more come.
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
        // Behind the look: of a thread that has ended this finds all drops.
        let dropped = self.state.drops.counts().total();
        if !mutant::broken(Mutant::LateDropsForgotten) {
            count += dropped - self.dropped;
        }
        self.dropped = dropped;
        (count, ended)
    }
}
