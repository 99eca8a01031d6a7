//! A ring from the consumer's side, and the account of its thread.

use super::dictionary::Dictionary;
use super::staging::{Frame, Staging};
use super::{compact, frames};
use crate::format::frame::Kind;
use crate::format::varint;
use crate::level::Level;
use crate::orphans::Orphan;
use crate::record::Record;
use crate::registry::NewRing;
use crate::ring::consumer::records;
use crate::ring::{WordConsumer, WordProducer};
use crate::state::{DropCounts, Drops, Reason, RingState};
use crate::sync::Arc;
use crate::sync::atomic::Ordering;
use crate::twin::{self, Twin};

/// How much of one ring a sweep takes, in words: so much, or a single record. Bounded, so that a
/// thread that floods its ring does not starve the others. (The models have a record in each batch,
/// to see what is left of rings.)
const BATCH_WORDS: usize = if cfg!(kymo_loom) { 1 } else { 8 << 10 };

/// A thread as the consumer sees it.
pub(super) struct Lane {
    pub(super) state: Arc<RingState>,
    /// Its number in the file.
    pub(super) number: u64,
    ring: WordConsumer,
    /// Whether its name is in the file.
    announced: bool,
    /// How many of its records are in the file.
    pub(super) written: u64,
    /// How many of them had something cut off.
    pub(super) cut: u64,
    /// The drops that are in the file: those of the producer, and all.
    marked: [DropCounts; 2],
    /// How many drops of the producer were seen.
    seen: u64,
    /// The drops that were seen and are not in the file yet.
    gap: Option<Gap>,
    /// Records that the consumer itself lost, because their output failed.
    failed: DropCounts,
    /// The ticks of the first and of the last one since the last mark.
    failed_range: Option<(u64, u64)>,
    /// What the current sweep took.
    sweep: Sweep,
}

/// What one sweep took from a ring.
#[derive(Default)]
struct Sweep {
    words: usize,
    records: [u64; 5],
    cut: u64,
    first_ticks: u64,
    last_ticks: u64,
    /// Whether everything that was in the ring was taken, and its producer had gone before.
    finished: bool,
    marked: Option<[DropCounts; 2]>,
}

/// Drops that were seen in a ring that was not empty.
struct Gap {
    /// How many words of the ring stand before it and have not been taken.
    words_before: usize,
    /// The drops of the producer, these included.
    counts: DropCounts,
    /// The ticks of the first and of the last one.
    range: (u64, u64),
}

/// Looks whether the producer has dropped anything, and says whether it has. While there is a gap
/// that has not been marked, a later one is left for later, unless there is no later because this
/// is the end of the thread: then it is one with the other.
fn see_drops(drops: &Drops, seen: &mut u64, gap: &mut Option<Gap>, end: bool) -> bool {
    // One load in the usual case.
    if (gap.is_some() && !end) || drops.total() == *seen {
        return false;
    }
    let (counts, range) = (drops.counts(), drops.range());
    let first = gap.as_ref().map_or(range.0, |gap| gap.range.0);
    *gap = Some(Gap { words_before: 0, counts, range: (first, range.1) });
    *seen = counts.total();
    drops.mark(*seen);
    true
}

/// Writes who a thread is, unless that is in the file.
fn announce(announced: &mut bool, number: u64, state: &RingState, staging: &mut Staging) {
    if !std::mem::replace(announced, true) {
        frames::put_thread(staging, number, &state.thread);
    }
}

/// What a sweep left of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    /// More, all of it newer than this.
    NewerThan(u64),
}

impl Lane {
    pub(super) fn new(ring: NewRing, number: u64) -> Self {
        Self {
            state: ring.state,
            number,
            ring: ring.ring,
            announced: false,
            written: 0,
            cut: 0,
            marked: Default::default(),
            seen: 0,
            gap: None,
            failed: DropCounts::default(),
            failed_range: None,
            sweep: Sweep::default(),
        }
    }

    /// Takes a batch out of the ring into `block`, which it closes, if it needs to, and opens
    /// again.
    pub(super) fn drain(
        &mut self,
        dictionary: &mut Dictionary,
        staging: &mut Staging,
        block: &mut Block,
    ) -> Left {
        self.sweep = Sweep::default();
        // Before the ring is looked at, so that the look finds all that was logged before the gap.
        let fresh = see_drops(&self.state.drops, &mut self.seen, &mut self.gap, false);
        let mut ended = self.state.has_ended();
        let committed = self.ring.look();
        if twin::broken(Twin::EndedLast) {
            ended = self.state.has_ended();
        }
        let (first, second) = committed.runs();
        let mut account = Account {
            sweep: &mut self.sweep,
            thread: self.number,
            written: self.written,
            announced: &mut self.announced,
            state: &self.state,
        };
        let all = account.take(first, dictionary, staging, block)
            && account.take(second, dictionary, staging, block);
        let found = first.len() + second.len();
        if let Some(gap) = &mut self.gap {
            let words_before = if fresh { found } else { gap.words_before };
            gap.words_before = words_before.saturating_sub(self.sweep.words);
        }
        if ended && all && !twin::broken(Twin::MarkBeforeLook) {
            // Of a thread that has ended this finds all drops; what it logged has just been taken.
            see_drops(&self.state.drops, &mut self.seen, &mut self.gap, true);
        }
        self.sweep.finished = ended && (all || twin::broken(Twin::FinishedEarly));
        if all { Left::Nothing } else { Left::NewerThan(self.sweep.last_ticks) }
    }

    /// Writes a mark, if there is a gap and all that was logged before it has been taken.
    pub(super) fn mark_drops(&mut self, staging: &mut Staging, block: &mut Block) {
        let gap = self.gap.as_ref().filter(|gap| gap.words_before == 0);
        if gap.is_none() && self.failed_range.is_none() {
            return;
        }
        let by_producer = gap.map_or(self.marked[0], |gap| gap.counts);
        let all = by_producer.plus(&self.failed);
        let ranges = [gap.map(|gap| gap.range), self.failed_range];
        let first = ranges.iter().flatten().map(|range| range.0).min().unwrap_or_default();
        let last = ranges.iter().flatten().map(|range| range.1).max().unwrap_or_default();
        block.close(staging);
        announce(&mut self.announced, self.number, &self.state, staging);
        frames::put_drops(staging, self.number, (first, last), &all.since(&self.marked[1]));
        self.sweep.marked = Some([by_producer, all]);
    }

    /// How many records were dropped, as far as it was seen.
    pub(super) fn dropped(&self) -> u64 {
        self.seen + self.failed.total()
    }

    /// Whether the sweep took something.
    pub(super) fn took_records(&self) -> bool {
        self.sweep.words != 0
    }

    /// Whether there is anything to be said of the thread.
    pub(super) fn has_account(&self) -> bool {
        self.written_then() + self.dropped() > 0
    }

    /// Whether the thread has ended, and this sweep took the last of it.
    pub(super) fn is_finished(&self) -> bool {
        self.sweep.finished
    }

    /// How many records of the thread are in the file when this sweep is.
    pub(super) fn written_then(&self) -> u64 {
        self.written + self.sweep.records.iter().sum::<u64>()
    }

    /// The sweep is in the file: counts it, and gives the ring its room back.
    pub(super) fn commit(&mut self) {
        self.written = self.written_then();
        self.cut += self.sweep.cut;
        if let Some(marked) = self.sweep.marked {
            if marked[0] != self.marked[0] {
                self.gap = None;
            }
            self.marked = marked;
            self.failed_range = None;
        }
        self.release();
    }

    /// The sweep could not be written: counts it as dropped, and gives the ring its room back.
    pub(super) fn fail(&mut self) {
        // It ends once its drops are marked.
        self.sweep.finished = false;
        for (level, count) in Level::ALL.into_iter().zip(self.sweep.records) {
            self.failed.add(Reason::OutputFailed, level, count);
        }
        if self.sweep.words != 0 {
            let first = self.failed_range.map_or(self.sweep.first_ticks, |range| range.0);
            self.failed_range = Some((first, self.sweep.last_ticks));
            // Release: pairs with the acquire in `Producer::flush`, which looks here when it finds
            // the ring empty.
            self.state.failures.fetch_add(1, Ordering::Release);
        }
        self.release();
    }

    /// Nothing of the current sweep was written: what it took is still in the ring.
    pub(super) fn restart(&mut self) {
        self.sweep = Sweep::default();
        self.announced = false;
    }

    /// What was written of the thread's name may be lost: it is written again.
    pub(super) fn forget_announcement(&mut self) {
        self.announced = false;
    }

    fn release(&mut self) {
        if self.sweep.words != 0 {
            self.ring.consume(self.sweep.words);
        }
        self.sweep = Sweep { finished: self.sweep.finished, ..Sweep::default() };
    }

    /// Both ends of the ring of a thread that has ended, empty.
    pub(super) fn into_ring(self) -> Option<(WordProducer, WordConsumer)> {
        Some((self.state.take_returned()?, self.ring))
    }

    pub(super) fn into_orphan(self) -> Orphan {
        Orphan::new(self.ring, self.state, self.seen)
    }
}

/// What `Lane::drain` needs of its lane while it reads the ring.
struct Account<'a> {
    sweep: &'a mut Sweep,
    thread: u64,
    written: u64,
    announced: &'a mut bool,
    state: &'a RingState,
}

impl Account<'_> {
    /// Takes records as long as the batch is not full; says whether it took all.
    fn take(
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
            // SAFETY: the ring hands out what `hot` published. Users are told to flush before they
            // unload code that logs.
            let record = unsafe { Record::new(record) };
            self.put(record, dictionary, staging, block);
            self.sweep.words = before + run.len() - records.rest().len();
        }
        records.rest().is_empty()
    }

    #[inline]
    fn put(
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
        if !block.continues(self.thread) {
            self.begin_block(record.ticks, staging, block);
        }
        staging.ensure(compact::max_bytes(record.arguments.len()) + 2 * varint::MAX_BYTES);
        staging.put_varint(entry.number);
        staging.put_varint(record.ticks.wrapping_sub(block.ticks));
        block.ticks = record.ticks;
        let cut = entry.plan.compact(record.arguments, record.cut, staging);
        self.sweep.cut += u64::from(cut);
        self.sweep.records[entry.level as usize - 1] += 1;
        self.sweep.last_ticks = record.ticks;
    }

    #[cold]
    fn begin_block(&mut self, ticks: u64, staging: &mut Staging, block: &mut Block) {
        block.close(staging);
        announce(self.announced, self.thread, self.state, staging);
        let taken = self.sweep.records.iter().sum::<u64>();
        if taken == 0 {
            self.sweep.first_ticks = ticks;
        }
        block.open(self.thread, self.written + taken, ticks, staging);
    }
}

/// The block of records that is being written, if there is one.
#[derive(Default)]
pub(super) struct Block {
    open: Option<Open>,
    /// The time stamp of the last record.
    ticks: u64,
}

struct Open {
    frame: Frame,
    thread: u64,
    base: u64,
}

impl Block {
    /// Whether a record of `thread` may be put into the open block.
    #[inline]
    fn continues(&self, thread: u64) -> bool {
        self.open.as_ref().is_some_and(|open| open.thread == thread)
    }

    fn open(&mut self, thread: u64, written: u64, base: u64, staging: &mut Staging) {
        let frame = staging.begin(2 * varint::MAX_BYTES + 8);
        staging.put_varint(thread);
        staging.put_varint(written);
        staging.put(&base.to_le_bytes());
        self.open = Some(Open { frame, thread, base });
        self.ticks = base;
    }

    /// Closes the block, if one is open.
    pub(super) fn close(&mut self, staging: &mut Staging) {
        if let Some(open) = self.open.take() {
            staging.finish(open.frame, Kind::Records);
        }
    }

    /// Closes the block as the last one of its sweep; or writes the watermark by itself where that
    /// does not fit.
    pub(super) fn close_with_watermark(&mut self, watermark: u64, staging: &mut Staging) {
        if let Some(open) = self.open.take() {
            if let Ok(behind) = i32::try_from(watermark.wrapping_sub(open.base) as i64) {
                staging.ensure(4);
                staging.put(&behind.to_le_bytes());
                return staging.finish(open.frame, Kind::LastRecords);
            }
            staging.finish(open.frame, Kind::Records);
        }
        frames::put_watermark(staging, watermark);
    }
}
