//! Rings whose logger was shut down while their threads lived on.
//!
//! A thread that was in the middle of a log call when the consumer looked for the last time publishes a record that nobody
//! will write. It is counted here, so that it is not lost silently.

use crate::ring::WordConsumer;
use crate::ring::consumer::records;
use crate::sync::statics::{Mutex, PoisonError};

static ORPHANS: Mutex<Vec<WordConsumer>> = Mutex::new(Vec::new());

/// Takes over a ring of which nothing will be written any more.
pub(crate) fn adopt(ring: WordConsumer) {
    ORPHANS.lock().unwrap_or_else(PoisonError::into_inner).push(ring);
}

/// Counts the records that came since the last call, and forgets the rings whose threads have ended.
pub(crate) fn count() -> u64 {
    let mut count = 0;
    ORPHANS.lock().unwrap_or_else(PoisonError::into_inner).retain_mut(|ring| {
        let late = ring.look();
        let ended = late.is_last();
        let (first, second) = late.runs();
        count += records(first).chain(records(second)).count() as u64;
        late.consume_all();
        !ended
    });
    count
}
