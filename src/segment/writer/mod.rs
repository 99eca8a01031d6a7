//! The one writer of segments.
//!
//! In: records as they are in rings, drops, clock frames and marks. Out: frames, in the order in which the format wants
//! them: a call site, a thread's name and the clock frames of a record precede the record. The consumer, the side file
//! and recovery all write with it. It knows nothing of rings, of threads that run, nor of other segments.
//!
//! What is put is *staged*, and reaches the output by [`commit`](SegmentWriter::commit), all or nothing. A thread's
//! counts are in a [`ThreadInSegment`], which the caller keeps beside what it knows of the thread otherwise: after a
//! commit it has them [settled](SegmentWriter::settle), or [discarded](ThreadInSegment::discard_staged).
//!
//! *Not taken:* the counts of all threads in here, by number. Millions of threads may end during a segment.

mod block;
mod clocks;
mod compact;
pub(crate) mod dictionary;
mod dump;
pub(in crate::segment) mod frames;
pub(in crate::segment) mod index;
pub(in crate::segment) mod staging;
mod thread;

use std::io;

use block::Block;
use dictionary::Dictionary;
use index::Index;
use staging::Staging;
pub(crate) use thread::{ThreadInSegment, join};

use crate::drop_reason::DropReason;
use crate::format::frame::{Clock, ClockSet};
use crate::format::rotated::{Continued, Deleted};
use crate::process::thread_info::ThreadInfo;
use crate::ring::record::Record;
use crate::segment::drop_counts::DropCounts;
use crate::segment::{LogOutput, Output};
use crate::statement::call_site::CallSite;

/// How many records a segment or a thread has, how many its marks count as dropped, and how many of
/// those written were cut.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) written: u64,
    pub(crate) dropped: u64,
    pub(crate) cut: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, other: Self) {
        self.written += other.written;
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.cut += other.cut;
    }
}

/// Writes a segment.
pub(crate) struct SegmentWriter<O> {
    output: O,
    staging: Staging,
    dictionary: Dictionary,
    block: Block,
    index: Index,
    /// The number of the next thread.
    next_thread: u64,
    /// The last watermark.
    watermark: u64,
    /// The wall clock has jumped, and the mark that says so is not committed yet.
    clock_set: Option<ClockSet>,
    /// The totals of the segments before, and the mark that says them is not committed yet.
    continued: Option<Continued>,
    /// Segments were deleted, and the marks that say so are not committed yet.
    deleted: Vec<Deleted>,
    /// What is committed.
    totals: Totals,
    /// How many drops the marks count that are staged.
    staged_drops: u64,
    /// Where the last part of a dump begins; 0 if there is none.
    last_dump: u64,
    /// Where the last part of the index begins, by the header; 0 if there is none.
    told_part: u64,
    /// In a part of a dump, the place of the next clock frame to come into force.
    next_line: usize,
}

impl<O: Output> SegmentWriter<O> {
    /// Begins a segment. `output` has its header page, which names the salt.
    pub(crate) fn new(output: O, salt: u32) -> Self {
        Self {
            output,
            staging: Staging::new(salt),
            dictionary: Dictionary::new(),
            block: Block::default(),
            index: Index::new(),
            next_thread: 0,
            watermark: 0,
            clock_set: None,
            continued: None,
            deleted: Vec::new(),
            totals: Totals::default(),
            staged_drops: 0,
            last_dump: 0,
            told_part: 0,
            next_line: 0,
        }
    }

    /// Goes on in another output, with a segment that has nothing but the clock frames that count. Returns the old
    /// output. Each thread needs [another number](Self::next_number).
    pub(crate) fn begin(&mut self, output: O, salt: u32, continued: Option<Continued>) -> O {
        let old = std::mem::replace(&mut self.output, output);
        self.staging.begin_segment(salt);
        self.dictionary = Dictionary::new();
        self.block = Block::default();
        self.index = Index::new();
        (self.next_thread, self.totals) = (0, Totals::default());
        (self.last_dump, self.told_part) = (0, 0);
        self.continued = continued;
        self.restage();
        old
    }

    /// A number that no thread of the segment has.
    pub(crate) fn next_number(&mut self) -> u64 {
        let number = self.next_thread;
        self.next_thread += 1;
        number
    }

    /// Adds a thread that the segment has nothing of so far.
    pub(crate) fn add_thread(&mut self, info: ThreadInfo) -> ThreadInSegment {
        ThreadInSegment::new(self.next_number(), info)
    }

    /// Stages a record, before it what it relies on.
    #[inline(always)]
    pub(crate) fn put(&mut self, record: Record<'_>, thread: &mut ThreadInSegment) {
        let index = match self.dictionary.find(record.site) {
            Some(index) => index,
            None => self.add_site(record.site),
        };
        if !self.block.continues(thread.number, record.ticks) {
            self.begin_block(record.ticks, thread);
        }
        let entry = self.dictionary.entry(index);
        let cut = self.block.put(record, entry, &mut self.staging);
        let staged = &mut thread.staged;
        staged.cut += u64::from(cut);
        staged.records[entry.level as usize - 1] += 1;
        staged.last_ticks = record.ticks;
    }

    /// Whether a record would be put into the block that is open.
    pub(crate) fn continues_block(&mut self, record: &Record<'_>, to: &ThreadInSegment) -> bool {
        self.dictionary.find(record.site).is_some() && self.block.continues(to.number, record.ticks)
    }

    #[cold]
    fn add_site(&mut self, site: &'static CallSite) -> usize {
        self.end_block();
        self.dictionary.add(site, &mut self.staging)
    }

    #[cold]
    fn begin_block(&mut self, ticks: u64, thread: &mut ThreadInSegment) {
        self.announce(thread);
        if thread.staged.count() == 0 {
            thread.staged.first_ticks = ticks;
        }
        self.block.open(thread.number, thread.records(), ticks, &mut self.staging);
    }

    /// Ends the block of records, if one is open. All that is not a record does so itself.
    pub(crate) fn end_block(&mut self) {
        self.block.close(&mut self.staging);
    }

    /// Stages who a thread is, unless the segment has it.
    pub(crate) fn announce(&mut self, thread: &mut ThreadInSegment) {
        self.end_block();
        let number = thread.number;
        if let Some(info) = thread.announce() {
            frames::put_thread(&mut self.staging, number, info);
        }
    }

    /// Stages a mark of drops of a thread, and the ticks of the first and of the last of them.
    pub(crate) fn drops(
        &mut self,
        thread: &mut ThreadInSegment,
        range: (u64, u64),
        counts: &DropCounts,
    ) {
        self.announce(thread);
        frames::put_drops(&mut self.staging, thread.number, range, counts.of_known_levels());
        let staged = &mut thread.staged;
        staged.marked = Some(staged.marked.map_or(*counts, |before| before.plus(counts)));
        staged.marked_range = join(staged.marked_range, Some(range));
        self.staged_drops = self.staged_drops.saturating_add(counts.total());
    }

    /// Stages a mark of drops for one reason, of whose levels nothing is known.
    pub(crate) fn drops_of_unknown_level(
        &mut self,
        thread: &mut ThreadInSegment,
        ticks: u64,
        reason: DropReason,
        count: u64,
    ) {
        self.announce(thread);
        let counts = std::iter::once((reason, None, count));
        frames::put_drops(&mut self.staging, thread.number, (ticks, ticks), counts);
        let unknown = &mut thread.staged.of_unknown_level;
        *unknown = unknown.saturating_add(count);
        self.staged_drops = self.staged_drops.saturating_add(count);
    }

    /// Stages that a thread has ended, or that the segment has no more of it.
    pub(crate) fn end_thread(&mut self, thread: &mut ThreadInSegment) {
        self.end_block();
        let (written, dropped) = thread.end_counts();
        frames::put_thread_end(&mut self.staging, thread.number, written, dropped);
        thread.staged.has_end = true;
    }

    /// Stages what was dropped of threads that ended before the segment began, as of one thread with this number.
    pub(crate) fn ended_before(
        &mut self,
        number: u64,
        info: ThreadInfo,
        range: (u64, u64),
        counts: &DropCounts,
    ) {
        let mut thread = ThreadInSegment::new(number, info);
        self.drops(&mut thread, range, counts);
        self.end_thread(&mut thread);
    }

    /// Stages a clock frame.
    pub(crate) fn clock(&mut self, line: &Clock) {
        self.end_block();
        frames::put_clock(&mut self.staging, line);
    }

    /// Stages that the wall clock has jumped.
    pub(crate) fn clock_set(&mut self, set: ClockSet) {
        self.end_block();
        frames::put_clock_set(&mut self.staging, &set);
        // What is not committed yet may have to be staged again, as one.
        let before_ns = self.clock_set.map_or(0, |before| before.by_ns);
        let by_ns = set.by_ns.saturating_add(before_ns);
        self.clock_set = Some(ClockSet { by_ns, ..set });
    }

    /// Stages that segments were deleted.
    pub(crate) fn deleted(&mut self, deleted: Deleted) {
        self.end_block();
        frames::put_deleted(&mut self.staging, &deleted);
        self.deleted.push(deleted);
    }

    /// Stages the watermark `ticks`, or a later one if there was one, as the end of the open block if there is one.
    pub(crate) fn end_sweep(&mut self, ticks: u64) {
        self.watermark = self.watermark.max(ticks);
        self.block.close_with_watermark(self.watermark, &mut self.staging);
    }

    /// Stages a part of the index, if enough was committed since the one before. To be called after
    /// [`end_sweep`](Self::end_sweep).
    pub(crate) fn put_index_part(&mut self) {
        self.index.put_part(&mut self.staging, self.output.len());
    }

    /// Stages the watermark `ticks` if it is later than the last one.
    pub(crate) fn raise_watermark(&mut self, ticks: u64) {
        if ticks > self.watermark {
            self.end_block();
            self.end_sweep(ticks);
        }
    }

    /// Stages that the process received a signal that will end it. `os_id` is the operating
    /// system's id of the thread that received it.
    pub(crate) fn signal(&mut self, os_id: u64, signal: u8, ticks: u64) {
        self.end_block();
        frames::put_signal(&mut self.staging, os_id, signal, ticks);
    }

    /// How many bytes are staged.
    pub(crate) fn staged_bytes(&self) -> usize {
        self.staging.len()
    }

    /// The ticks of the oldest record that is staged.
    pub(crate) fn oldest_staged(&self) -> Option<u64> {
        self.block.range.oldest()
    }

    /// Gives what is staged to the output and lets readers see it. `prepare` is called between the two, with the length
    /// that the segment is going to have.
    ///
    /// # Errors
    /// Of the output. What was staged is of no use then, and what was written before may be gone too: see
    /// [`restage`](Self::restage).
    pub(crate) fn commit(&mut self, prepare: impl FnOnce(&O)) -> io::Result<()> {
        self.end_block();
        if self.staging.len() == 0 {
            return Ok(());
        }
        let (offset, ticks) = (self.output.len(), std::mem::take(&mut self.block.range));
        self.output.append(self.staging.as_slice())?;
        prepare(&self.output);
        self.output.commit()?;
        self.index.note(self.staging.as_slice(), offset, ticks);
        self.staging.clear();
        (self.clock_set, self.continued) = (None, None);
        self.deleted.clear();
        let dropped = std::mem::take(&mut self.staged_drops);
        self.totals.add(Totals { dropped, ..Totals::default() });
        Ok(())
    }

    /// What was staged of a thread is committed: counts it.
    pub(crate) fn settle(&mut self, thread: &mut ThreadInSegment) {
        self.totals.add(thread.settle());
    }

    /// After an error: throws away what is staged, and stages again what later frames rely on. (Threads that may
    /// write more are to [forget their announcement](ThreadInSegment::forget_announcement).)
    pub(crate) fn restage(&mut self) {
        self.block = Block::default();
        self.dictionary.forget();
        self.staged_drops = 0;
        self.stage_clocks();
    }

    /// Stages, and nothing else, the clock frames that count, and that the wall clock has jumped if no committed frame
    /// says so.
    fn stage_clocks(&mut self) {
        self.staging.clear();
        self.index.forget_staged();
        if let Some(continued) = &self.continued {
            frames::put_continued(&mut self.staging, continued);
        }
        let last = self.staging.clocks.last();
        frames::put_clocks(&mut self.staging, last);
        if let Some(set) = &self.clock_set {
            frames::put_clock_set(&mut self.staging, set);
        }
        for deleted in &self.deleted {
            frames::put_deleted(&mut self.staging, deleted);
        }
    }

    /// The segment is gone, with all that was committed.
    pub(crate) fn lose_segment(&mut self) {
        self.totals = Totals::default();
    }

    /// Stages the index and the end of the segment. All that precedes them must be committed, and they have to be.
    pub(crate) fn end(&mut self, ticks: u64) {
        debug_assert_eq!(self.staging.len(), 0, "what precedes the end is committed");
        self.index.put(&mut self.staging, self.output.len());
        frames::put_end(&mut self.staging, self.totals, ticks);
    }

    /// Whether the segment has no record, and no mark of one that is missing.
    pub(crate) fn is_empty(&self) -> bool {
        self.totals.written == 0 && self.totals.dropped == 0
    }

    pub(crate) fn output(&self) -> &O {
        &self.output
    }

    pub(crate) fn output_mut(&mut self) -> &mut O {
        &mut self.output
    }

    pub(crate) fn into_output(self) -> O {
        self.output
    }
}

impl<O: LogOutput> SegmentWriter<O> {
    /// Says in the header where the last part of the index is, if there is a new one since this was called.
    pub(crate) fn tell_index_part(&mut self) {
        let last = self.index.last_part();
        if std::mem::replace(&mut self.told_part, last) != last {
            self.output.set_last_index(last);
        }
    }

    /// Goes on after a crash of the thread that wrote, wherever that was. What was staged is thrown away, unless the
    /// output has all of it, and is longer than `released_bytes`: returns whether.
    pub(crate) fn resume(&mut self, released_bytes: u64) -> bool {
        self.output.rewind();
        let is_committed = self.output.len() > released_bytes;
        let dropped = std::mem::take(&mut self.staged_drops);
        if is_committed {
            self.totals.add(Totals { dropped, ..Totals::default() });
        }
        // Whatever is half made is left as it is, without a destructor: it may be broken.
        let clocks = std::mem::take(&mut self.staging.clocks);
        let mut fresh = Staging::new(self.staging.salt());
        fresh.clocks = clocks;
        std::mem::forget(std::mem::replace(&mut self.staging, fresh));
        let fresh = Dictionary::behind(&self.dictionary);
        std::mem::forget(std::mem::replace(&mut self.dictionary, fresh));
        // It may have stopped between a commit and its note, or within that.
        if self.index.end() != self.output.len() {
            std::mem::forget(std::mem::replace(&mut self.index, Index::lost()));
        }
        self.block = Block::default();
        // The last ones may have been among what is thrown away.
        self.stage_clocks();
        is_committed
    }
}
