//! What became of the records that a console or a sink is for. Each is counted once.

use std::fmt::Display;

use crate::level::Level;
use crate::shared::stats::{Counter, SinkStats};
use crate::sync::Arc;
use crate::sync::statics::{AtomicU64, Mutex, Ordering, PoisonError};

/// Counts of records, and of failures.
#[derive(Default)]
pub(crate) struct Tally {
    /// Shown by the console, or taken by the sink.
    pub(crate) taken: Counter,
    /// Not for it, by choice.
    pub(crate) left_out: Counter,
    /// Skipped, because it was late. Its thread and the consumer count them.
    pub(crate) skipped: Counter,
    /// Lost by a failure of the sink.
    pub(crate) failed: Counter,
    /// Failures: to read a segment, to write, of the sink.
    pub(crate) errors: Counter,
    /// Panics of the sink.
    pub(crate) panics: Counter,
    /// Skipped ones that the consumer has counted, and of which its thread has not heard.
    unheard: AtomicU64,
}

#[cfg_attr(not(feature = "sinks"), allow(dead_code, reason = "nothing follows then"))]
impl Tally {
    /// The consumer's side: counts records of a segment that nobody follows as skipped.
    pub(crate) fn skip_unseen(&self, records: u64) {
        self.skipped.increase(records);
        // Relaxed: a number. It is heard of with the next segment at the latest.
        self.unheard.fetch_add(records, Ordering::Relaxed);
    }

    /// The follower's side: returns how many of these were counted since it last asked.
    pub(crate) fn hear_skipped(&self) -> u64 {
        // Relaxed: a number.
        self.unheard.swap(0, Ordering::Relaxed)
    }
}

/// A sink, as statistics see it.
#[cfg_attr(not(feature = "sinks"), allow(dead_code, reason = "there are no sinks then"))]
pub(crate) struct SinkTally {
    pub(crate) name: Arc<str>,
    pub(crate) level: Level,
    pub(crate) tally: Arc<Tally>,
    /// The system's number of its thread, 0 before that runs.
    thread: AtomicU64,
    /// What failed last.
    error: Mutex<Option<Box<str>>>,
}

/// How much of an error's text is kept, in characters.
const ERROR_CHARS: usize = 1 << 10;

#[cfg_attr(not(feature = "sinks"), allow(dead_code, reason = "there are no sinks then"))]
impl SinkTally {
    pub(crate) fn new(name: Arc<str>, level: Level) -> Self {
        let (tally, thread, error) = (Arc::default(), AtomicU64::new(0), Mutex::new(None));
        Self { name, level, tally, thread, error }
    }

    /// Notes the thread of the sink, before it takes anything.
    pub(crate) fn set_thread(&self, os_id: u64) {
        // Relaxed: a record that this thread logs has come through a ring and the log before another sink asks.
        self.thread.store(os_id, Ordering::Relaxed);
    }

    /// Whether its thread has this number.
    pub(crate) fn is_thread(&self, os_id: u64) -> bool {
        // Relaxed: see `set_thread`.
        self.thread.load(Ordering::Relaxed) == os_id
    }

    /// Counts a failure, and keeps its text.
    pub(crate) fn fail(&self, error: &dyn Display) {
        self.tally.errors.increment();
        let text: String = error.to_string().chars().take(ERROR_CHARS).collect();
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.into());
    }

    /// Returns all numbers.
    pub(crate) fn stats(&self) -> SinkStats {
        let Tally { taken, left_out, skipped, failed, errors, panics, .. } = &*self.tally;
        let error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        SinkStats {
            name: self.name.to_string(),
            level: self.level,
            delivered: taken.get(),
            left_out: left_out.get(),
            skipped: skipped.get(),
            failed: failed.get(),
            unseen: 0,
            errors: errors.get(),
            panics: panics.get(),
            error: error.as_deref().map(str::to_owned),
        }
    }
}
