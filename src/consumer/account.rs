//! What becomes of the records of one thread on their way into a block: the call site, the mark of
//! what was lost, and what the sweep is to know of them.

use crate::consumer::followed::{Merge, Next};
use crate::consumer::sweep::Sweep;
use crate::ring::consumer::records;
use crate::ring::record::Record;
use crate::segment::drop_counts::DropCounts;
use crate::segment::writer::block::Block;
use crate::segment::writer::dictionary::Dictionary;
use crate::segment::writer::frames;
use crate::segment::writer::staging::Staging;
use crate::shared::state::RingState;

/// How much of one ring a sweep takes, in words: so much, or a single record. Bounded, so that a
/// thread that floods its ring does not starve the others. (The models have a record in each batch,
/// and the unit tests a few, to see what is left of rings.)
const BATCH_WORDS: usize = match () {
    () if cfg!(kymo_loom) => 1,
    () if cfg!(test) => 16,
    () => 8 << 10,
};

/// What a sweep left of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    /// More, all of it newer than this.
    NewerThan(u64),
    /// What was published behind the beginning of the sweep, and is to be taken by the next one.
    Held,
}

/// Writes who a thread is, unless that is in the file.
pub(crate) fn announce(
    announced: &mut bool,
    number: u64,
    state: &RingState,
    staging: &mut Staging,
) {
    if !std::mem::replace(announced, true) {
        frames::put_thread(staging, number, &state.thread);
    }
}

/// What `Lane::drain` needs of its lane while it reads the ring.
pub(crate) struct Account<'a> {
    pub(crate) sweep: &'a mut Sweep,
    pub(crate) thread: u64,
    pub(crate) written: u64,
    pub(crate) announced: &'a mut bool,
    pub(crate) state: &'a RingState,
    /// To be written before the first record of the other ring.
    pub(crate) mark: Option<Mark<'a>>,
}

/// What the consumer lost, to be marked.
pub(crate) struct Mark<'a> {
    pub(crate) failed: &'a DropCounts,
    /// What is marked: see `Lane::marked`.
    pub(crate) base: [DropCounts; 2],
    pub(crate) range: (u64, u64),
}

impl Account<'_> {
    /// What is left, where that is all or what did not fit into the batch.
    pub(crate) fn left(&self, all: bool) -> Left {
        if all { Left::Nothing } else { Left::NewerThan(self.sweep.last_ticks) }
    }

    /// Takes records of both rings as long as the batch is not full; says what it left.
    pub(crate) fn take_both(
        &mut self,
        mut merge: Merge<'_>,
        dictionary: &mut Dictionary,
        staging: &mut Staging,
        block: &mut Block,
    ) -> Left {
        loop {
            let (words, followed_words) = merge.passed();
            (self.sweep.words, self.sweep.followed_words) = (words, followed_words);
            let is_full = words + followed_words >= BATCH_WORDS;
            let record = match merge.next() {
                Next::Nothing => return Left::Nothing,
                Next::Held => return Left::Held,
                Next::Waiting => return self.left(false),
                Next::Ordinary(_) | Next::Followed(_) if is_full => return self.left(false),
                Next::Ordinary(record) => record,
                Next::Followed(record) => {
                    self.put_mark(staging, block);
                    self.sweep.other_records += 1;
                    record
                }
            };
            // SAFETY: as in `take`.
            let record = unsafe { Record::new(record) };
            self.put(record, dictionary, staging, block);
        }
    }

    fn put_mark(&mut self, staging: &mut Staging, block: &mut Block) {
        let Some(Mark { failed, base, range }) = self.mark.take() else { return };
        block.close(staging);
        announce(self.announced, self.thread, self.state, staging);
        let all = base[0].plus(failed);
        frames::put_drops(staging, self.thread, range, &all.since(&base[1]));
        self.sweep.marked = Some([base[0], all]);
        self.sweep.marked_among = self.sweep.marked;
        self.sweep.marked_range = Some(range);
    }

    /// Takes records as long as the batch is not full; says whether it took all.
    pub(crate) fn take(
        &mut self,
        run: &[u64],
        dictionary: &mut Dictionary,
        staging: &mut Staging,
        block: &mut Block,
    ) -> bool {
        let before = self.sweep.words;
        let mut records = records(run);
        while self.sweep.words < BATCH_WORDS {
            let Some(record) = records.next() else {
                self.sweep.words = before + run.len();
                return true;
            };
            // SAFETY: the ring hands out what `call` published. Users are told to flush before they
            // unload code that logs.
            let record = unsafe { Record::new(record) };
            self.put(record, dictionary, staging, block);
            self.sweep.words = before + run.len() - records.rest().len();
        }
        records.rest().is_empty()
    }

    #[inline(always)]
    pub(crate) fn put(
        &mut self,
        record: Record<'_>,
        dictionary: &mut Dictionary,
        staging: &mut Staging,
        block: &mut Block,
    ) {
        let index = match dictionary.find(record.site) {
            Some(index) => index,
            None => {
                block.close(staging);
                dictionary.add(record.site, staging)
            }
        };
        let entry = dictionary.entry(index);
        if !block.continues(self.thread, record.ticks) {
            self.begin_block(record.ticks, staging, block);
        }
        let cut = block.put(record, entry, staging);
        self.sweep.cut += u64::from(cut);
        self.sweep.records[entry.level as usize - 1] += 1;
        self.sweep.last_ticks = record.ticks;
    }

    #[cold]
    fn begin_block(&mut self, ticks: u64, staging: &mut Staging, block: &mut Block) {
        block.close(staging);
        announce(self.announced, self.thread, self.state, staging);
        let taken = self.sweep.count();
        if taken == 0 {
            self.sweep.first_ticks = ticks;
        }
        block.open(self.thread, self.written + taken, ticks, staging);
    }
}
