//! The counts of what was read, lost and skipped: nothing is lost silently.

use super::event::{Damage, Totals};

/// How many [`Damage`]s a report lists. It counts them all, and each is an event in its place.
const MAX_LISTED: usize = 1_000;

/// Counts what was read so far and what could not be read. Complete once the reader has returned
/// `None`.
///
/// ```no_run
/// use kymo_reader::{Ending, Reader};
///
/// let mut reader = Reader::open("app.kymo")?;
/// while reader.next_record()?.is_some() {}
/// let report = reader.report();
/// if report.ending == Ending::Closed && report.is_whole() {
///     println!("all {} records are there", report.records);
/// }
/// # Ok::<(), kymo_reader::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Records read, including those that a filter kept back.
    pub records: u64,
    /// Records that a filter or a range of time kept back.
    pub filtered: u64,
    /// Records older than a watermark that precedes them in the file.
    pub late: u64,
    /// Records that were handed out after a younger one. They came late, or there was no room to hold
    /// the younger one back. Only if records are merged by time.
    pub disordered: u64,
    /// Records that are known to have been written and were not read, by gaps in the numbering. See
    /// [`Report::lost`].
    pub missing: u64,
    /// Records that the program dropped, by the marks that were read.
    pub dropped: u64,
    /// Records from before the first clock frame: their time is a guess.
    pub untimed: u64,
    /// Blocks whose rest was lost because a record's call site is not known.
    pub unknown_call_sites: u64,
    /// Valid frames of all kinds.
    pub frames: u64,
    /// Frames of a kind that this version does not know.
    pub unknown_frames: u64,
    /// Damages, listed or not.
    pub damages: u64,
    /// Bytes of the file that were lost to damage.
    pub damaged_bytes: u64,
    /// The first thousand damages.
    pub damage: Vec<Damage>,
    /// The state of the header.
    pub header: HeaderState,
    /// Somebody was writing to the file when a [snapshot](super::Options::snapshot) was taken.
    pub live: bool,
    /// How the bytes end, once they have.
    pub ending: Ending,
    /// The committed length of the file, in bytes, when it was last looked at.
    pub committed_bytes: u64,
    /// Bytes that were not read: by the index, none of their records is in the range of time. Losses
    /// and damage in them were not looked for.
    pub skipped_bytes: u64,
    /// The length of the file in bytes, once its end has been met.
    pub length_bytes: u64,
    /// How many bytes of valid frames follow the committed length.
    pub uncommitted_bytes: u64,
    /// The totals of the closing frame, if one was read.
    pub totals: Option<Totals>,
    /// Of a sum: the records that were lost without a gap, and those dropped without a mark.
    pub(super) more_lost: u64,
    pub(super) more_unmarked: u64,
}

/// The state of a file's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderState {
    /// Both copies are valid.
    #[default]
    Good,
    /// The first copy is damaged; the second was used.
    FirstDamaged,
    /// The second copy is damaged.
    SecondDamaged,
    /// Both copies are damaged. The salt was derived from the frames; all else is unknown.
    Recovered,
}

/// How the bytes of a file end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The end has not been met.
    #[default]
    Unread,
    /// With the closing frame: the writer closed the file cleanly.
    Closed,
    /// Without one: the writer died, or is still writing, or the closing frame is damaged.
    Open,
    /// As [`Ending::Open`], and bytes that are no frame follow the last one. The writer died while it
    /// wrote them, or is writing them now.
    Torn,
    /// Before the committed length: the file was truncated.
    Truncated,
}

impl Report {
    /// How many records are known to be lost to damage. Taken from the closing frame's total if there
    /// is one, else from the gaps in the numbering of each thread's records. Those do not show losses
    /// at the end of a thread.
    pub fn lost(&self) -> u64 {
        let written = self.read_totals().map_or(0, |totals| totals.written);
        let by_total = written.saturating_sub(self.records);
        by_total.max(self.missing).saturating_add(self.more_lost)
    }

    /// How many dropped records are in the closing frame's total, but in no mark that was read.
    pub fn unmarked_drops(&self) -> u64 {
        let dropped = self.read_totals().map_or(0, |totals| totals.dropped);
        dropped.saturating_sub(self.dropped).saturating_add(self.more_unmarked)
    }

    /// Whether all that is known to have been written to the file was read. Says nothing about records
    /// that the program dropped, nor about the missing end of a file that was not closed.
    pub fn is_whole(&self) -> bool {
        self.damages == 0
            && self.lost() == 0
            && self.unmarked_drops() == 0
            && self.header == HeaderState::Good
            && self.ending != Ending::Truncated
    }

    /// The totals of the segment, if all of it was read.
    fn read_totals(&self) -> Option<Totals> {
        self.totals.filter(|_| self.skipped_bytes == 0)
    }

    /// Adds the counts of another segment of the log. The state of the header and of the end stay as they
    /// are, the totals go.
    pub(super) fn add(&mut self, other: &Self) {
        let lost = self.lost().saturating_add(other.lost());
        let unmarked = self.unmarked_drops().saturating_add(other.unmarked_drops());
        for (sum, count) in [
            (&mut self.records, other.records),
            (&mut self.filtered, other.filtered),
            (&mut self.late, other.late),
            (&mut self.disordered, other.disordered),
            (&mut self.missing, other.missing),
            (&mut self.dropped, other.dropped),
            (&mut self.untimed, other.untimed),
            (&mut self.unknown_call_sites, other.unknown_call_sites),
            (&mut self.frames, other.frames),
            (&mut self.unknown_frames, other.unknown_frames),
            (&mut self.damages, other.damages),
            (&mut self.damaged_bytes, other.damaged_bytes),
            (&mut self.committed_bytes, other.committed_bytes),
            (&mut self.skipped_bytes, other.skipped_bytes),
            (&mut self.length_bytes, other.length_bytes),
            (&mut self.uncommitted_bytes, other.uncommitted_bytes),
        ] {
            *sum = sum.saturating_add(count);
        }
        let room = MAX_LISTED.saturating_sub(self.damage.len());
        self.damage.extend(other.damage.iter().take(room).cloned());
        self.totals = None;
        self.more_lost = lost.saturating_sub(self.missing);
        self.more_unmarked = unmarked;
    }

    pub(super) fn add_damage(&mut self, damage: &Damage) {
        self.damages += 1;
        self.damaged_bytes = self.damaged_bytes.saturating_add(damage.bytes);
        if self.damage.len() < MAX_LISTED {
            self.damage.push(damage.clone());
        }
    }
}
