//! A thread in a segment: what the segment has of it.
//!
//! In: what [`SegmentWriter`](super::SegmentWriter) stages of the thread. Out: the counts of the thread's end frame. It
//! knows nothing of rings, nor of what other segments have of the thread.

use crate::process::thread_info::ThreadInfo;
use crate::segment::drop_counts::DropCounts;
use crate::segment::writer::Totals;

/// A thread as one segment has it.
pub(crate) struct ThreadInSegment {
    info: ThreadInfo,
    /// Its number in the segment.
    pub(crate) number: u64,
    /// Whether its name is written, committed or not.
    is_announced: bool,
    /// Whether its end is committed.
    is_ended: bool,
    /// How many of its records are committed, by level.
    written: [u64; 5],
    /// How many of these had something cut off.
    cut: u64,
    /// The drops that are in a committed mark.
    marked: DropCounts,
    /// The ticks of the first and of the last record that is committed, or in a mark that is.
    range: Option<(u64, u64)>,
    pub(super) staged: Staged,
}

/// What is staged of a thread: written, and not committed.
#[derive(Default)]
pub(super) struct Staged {
    pub(super) records: [u64; 5],
    pub(super) cut: u64,
    /// The ticks of the first record, if there is one, and of the last one.
    pub(super) first_ticks: u64,
    pub(super) last_ticks: u64,
    /// The drops in its marks.
    pub(super) marked: Option<DropCounts>,
    pub(super) marked_range: Option<(u64, u64)>,
    /// Drops in its marks whose levels are not known.
    pub(super) of_unknown_level: u64,
    pub(super) has_end: bool,
}

impl Staged {
    #[inline]
    pub(super) fn count(&self) -> u64 {
        self.records.iter().sum()
    }

    /// The ticks of the first and of the last record.
    fn range(&self) -> Option<(u64, u64)> {
        (self.count() != 0).then_some((self.first_ticks, self.last_ticks))
    }

    /// Clears it: nothing is staged any more. Fields that then mean nothing keep their values,
    /// because most threads log nothing most of the time.
    fn clear(&mut self) {
        (self.records, self.cut, self.of_unknown_level) = ([0; 5], 0, 0);
        self.clear_marks();
    }

    fn clear_marks(&mut self) {
        (self.marked, self.marked_range, self.has_end) = (None, None, false);
    }
}

impl ThreadInSegment {
    /// A thread that the segment has nothing of.
    pub(super) fn new(number: u64, info: ThreadInfo) -> Self {
        Self {
            info,
            number,
            is_announced: false,
            is_ended: false,
            written: [0; 5],
            cut: 0,
            marked: DropCounts::default(),
            range: None,
            staged: Staged::default(),
        }
    }

    /// Goes on in another segment, which has nothing of the thread and this number for it. Returns
    /// how many records the old one has, by level, and which drops it marks.
    pub(crate) fn begin_segment(&mut self, number: u64) -> ([u64; 5], DropCounts) {
        let had = (self.written, self.marked);
        let info = std::mem::take(&mut self.info);
        *self = Self::new(number, info);
        had
    }

    /// Forgets what was committed, because the segment is gone. Returns how many records it had, by
    /// level, and the ticks of the first and of the last. What is staged stays so.
    pub(crate) fn lose_segment(&mut self) -> ([u64; 5], Option<(u64, u64)>) {
        let (staged, info) = (std::mem::take(&mut self.staged), std::mem::take(&mut self.info));
        let old = std::mem::replace(self, Self { staged, ..Self::new(self.number, info) });
        (old.written, old.range)
    }

    /// Returns the thread if its name is not written yet. From then on it counts as written.
    pub(super) fn announce(&mut self) -> Option<&ThreadInfo> {
        (!std::mem::replace(&mut self.is_announced, true)).then_some(&self.info)
    }

    /// Notes that its name may be lost, so that it is written again before anything else of the
    /// thread.
    pub(crate) fn forget_announcement(&mut self) {
        self.is_announced = false;
    }

    /// Counts what is staged as committed. Returns its totals, without the drops.
    pub(super) fn settle(&mut self) -> Totals {
        let staged = &mut self.staged;
        let totals = Totals { written: staged.count(), dropped: 0, cut: staged.cut };
        self.written.iter_mut().zip(staged.records).for_each(|(sum, count)| *sum += count);
        self.cut += staged.cut;
        self.range = join(self.range, join(staged.range(), staged.marked_range));
        self.is_ended |= staged.has_end;
        if let Some(marked) = &staged.marked {
            self.marked = self.marked.plus(marked);
        }
        staged.clear();
        totals
    }

    /// Forgets what is staged: it will not be committed.
    pub(crate) fn discard_staged(&mut self) {
        self.staged.clear();
    }

    /// Forgets marks and the thread's end, if staged: they will not be committed, and are made
    /// anew.
    pub(crate) fn discard_staged_marks(&mut self) {
        self.staged.clear_marks();
    }

    /// How many records are committed, by level.
    pub(crate) fn written(&self) -> &[u64; 5] {
        &self.written
    }

    /// How many records of each level are staged.
    pub(crate) fn staged_records(&self) -> &[u64; 5] {
        &self.staged.records
    }

    /// Whether nothing is staged: no record, mark or end.
    pub(crate) fn has_nothing_staged(&self) -> bool {
        let Staged { records, marked, of_unknown_level, has_end, .. } = &self.staged;
        *records == [0; 5] && marked.is_none() && *of_unknown_level == 0 && !has_end
    }

    /// How many records are committed or staged.
    pub(crate) fn records(&self) -> u64 {
        self.written.iter().sum::<u64>() + self.staged.count()
    }

    /// The ticks of the last record that is staged.
    pub(crate) fn last_staged_ticks(&self) -> u64 {
        self.staged.last_ticks
    }

    /// The ticks of the first and of the last record that is staged.
    pub(crate) fn staged_range(&self) -> Option<(u64, u64)> {
        self.staged.range()
    }

    /// The drops that the segment marks, those of marks that are staged included.
    pub(crate) fn marked(&self) -> DropCounts {
        self.staged.marked.map_or(self.marked, |staged| self.marked.plus(&staged))
    }

    /// The ticks of the first and of the last record that is committed, or in a mark that is.
    pub(crate) fn range(&self) -> Option<(u64, u64)> {
        self.range
    }

    /// Whether its end is committed.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// The totals of what is committed of it.
    pub(crate) fn totals(&self) -> Totals {
        let written = self.written.iter().sum();
        Totals { written, dropped: self.marked.total(), cut: self.cut }
    }

    /// How many records its end frame counts as written and as dropped.
    pub(super) fn end_counts(&self) -> (u64, u64) {
        let dropped = self.marked().total().saturating_add(self.staged.of_unknown_level);
        (self.records(), dropped)
    }
}

/// The range that spans both ranges.
pub(crate) fn join(one: Option<(u64, u64)>, other: Option<(u64, u64)>) -> Option<(u64, u64)> {
    match (one, other) {
        (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
        (one, other) => one.or(other),
    }
}
