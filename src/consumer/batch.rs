//! One batch: the records that a sweep takes from the rings of one thread.
//!
//! In: runs of words of the rings. Out: calls of the segment's writer, and in the [`Sweep`] how far
//! the batch went. It does not give words back to the rings, because the batch is not committed
//! yet.

use crate::consumer::account::LogAccount;
use crate::consumer::followed::{Merge, Next};
use crate::consumer::losses::LossMark;
use crate::consumer::sweep::Sweep;
use crate::ring::consumer::records;
use crate::ring::record::Record;
use crate::segment::Output;
use crate::segment::writer::SegmentWriter;

/// How many words of one ring a sweep takes, or a single record if that has more. So a thread that
/// floods its ring does not starve the others. (The models have one record in each batch, and the
/// unit tests a few, so that something is left in the rings.)
pub(crate) const BATCH_WORDS: usize = match () {
    () if cfg!(kymo_loom) => 1,
    () if cfg!(test) => 16,
    () => 8 << 10,
};

/// What a batch left in the rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leftover {
    Nothing,
    /// More records, all of them newer than this.
    NewerThan(u64),
    /// Records that were committed after the sweep began, and are to be taken by the next one.
    Held,
}

/// What [`Lane::drain`](super::lane::Lane::drain) needs of its lane while it reads the rings.
pub(crate) struct Batch<'a, O> {
    pub(crate) writer: &'a mut SegmentWriter<O>,
    pub(super) account: &'a mut LogAccount,
    pub(crate) sweep: &'a mut Sweep,
    /// The mark to be written before the first record of the overwriting ring.
    pub(super) mark: Option<LossMark>,
}

impl<O: Output> Batch<'_, O> {
    /// Returns what is left: nothing of these words (`all`), or what did not fit into the batch.
    pub(crate) fn leftover(&self, all: bool) -> Leftover {
        if all {
            Leftover::Nothing
        } else {
            Leftover::NewerThan(self.account.in_segment.last_staged_ticks())
        }
    }

    /// Takes records of both rings until the batch is full. Returns what it left.
    pub(crate) fn take_both(&mut self, mut merge: Merge<'_>) -> Leftover {
        loop {
            let (words, followed_words) = merge.passed();
            (self.sweep.words, self.sweep.followed_words) = (words, followed_words);
            let is_full = words + followed_words >= BATCH_WORDS;
            let record = match merge.next() {
                Next::Nothing => return Leftover::Nothing,
                Next::Held => return Leftover::Held,
                Next::Waiting => return self.leftover(false),
                Next::Ordinary(_) | Next::Followed(_) if is_full => return self.leftover(false),
                Next::Ordinary(record) => record,
                Next::Followed(record) => {
                    self.put_mark();
                    self.sweep.other_records += 1;
                    record
                }
            };
            // SAFETY: as in `take_records`.
            let record = unsafe { Record::new(record) };
            self.writer.put(record, &mut self.account.in_segment);
        }
    }

    fn put_mark(&mut self) {
        if let Some(mark) = self.mark.take() {
            self.account.put_mark(&mark, self.writer);
        }
    }

    /// Takes records until the batch is full. Returns whether it took all.
    pub(crate) fn take(&mut self, run: &[u64]) -> bool {
        let Self { sweep, writer, account, .. } = self;
        take_records(sweep, run, |_, record| writer.put(record, &mut account.in_segment))
    }
}

/// Calls `put` with the records of a run until the batch is full. Returns whether it took all.
#[inline]
pub(super) fn take_records(
    sweep: &mut Sweep,
    run: &[u64],
    mut put: impl FnMut(&mut Sweep, Record<'_>),
) -> bool {
    let before = sweep.words;
    let mut records = records(run);
    while sweep.words < BATCH_WORDS {
        let Some(record) = records.next() else {
            sweep.words = before + run.len();
            return true;
        };
        // SAFETY: the ring hands out what the call paths committed. Users are told to flush
        // before they unload code that logs.
        let record = unsafe { Record::new(record) };
        put(sweep, record);
        sweep.words = before + run.len() - records.rest().len();
    }
    records.rest().is_empty()
}
