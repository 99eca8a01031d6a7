//! What a reading has come to: the numbers behind "nothing is lost silently".

use super::event::{Damage, Totals};

/// How many [`Damage`]s a report lists. It counts them all, and each is an event in its place.
const MAX_LISTED: usize = 1_000;

/// What was read so far, and what could not be. Complete once the reader has returned `None`.
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
    /// Records read, those included that a filter kept back.
    pub records: u64,
    /// Records that a filter or a range of time kept back.
    pub filtered: u64,
    /// Records older than a watermark that stood before them.
    pub late: u64,
    /// Records that were handed out behind a younger one because they came late, or because there
    /// was no room to hold the younger one back for longer. Only where they are merged by time.
    pub disordered: u64,
    /// Records of which is known that they were written, and which were not read. See
    /// [`Report::lost`].
    pub missing: u64,
    /// Records that the program dropped, by the marks that were read.
    pub dropped: u64,
    /// Records from before the first clock frame: their time is a guess.
    pub untimed: u64,
    /// Blocks whose rest was lost because a record's call site is not known.
    pub unknown_call_sites: u64,
    /// Valid frames, whatever their kind.
    pub frames: u64,
    /// Frames of a kind that this version does not know.
    pub unknown_frames: u64,
    /// Damages, listed or not.
    pub damages: u64,
    /// Bytes of the file that were lost to damage.
    pub damaged_bytes: u64,
    /// The first thousand damages.
    pub damage: Vec<Damage>,
    /// What was found of the header.
    pub header: HeaderState,
    /// Somebody was writing to the file when a [snapshot](super::Options::snapshot) was taken.
    pub live: bool,
    /// How the bytes end, once they have.
    pub ending: Ending,
    /// The committed length of the file, in bytes, when it was last looked at.
    pub committed_bytes: u64,
    /// How many bytes were not read because the index says that nothing in them is in the range of
    /// time. What is lost or damaged there was not looked for.
    pub skipped_bytes: u64,
    /// The length of the file in bytes, once its end has been met.
    pub length_bytes: u64,
    /// How many bytes of valid frames stand behind the committed length.
    pub uncommitted_bytes: u64,
    /// The totals that the closing frame names.
    pub totals: Option<Totals>,
}

/// What was found of a file's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderState {
    /// Both copies are right.
    #[default]
    Good,
    /// The first copy is damaged, the second was taken.
    FirstDamaged,
    /// The second copy is damaged.
    SecondDamaged,
    /// Neither copy is right. The salt was derived from the frames, everything else is unknown.
    Recovered,
}

/// How the bytes of a file end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The end has not been met.
    #[default]
    Unread,
    /// With the closing frame: the writer closed the file in order.
    Closed,
    /// Without one: the writer died, or is still writing, or the closing frame is damaged.
    Open,
    /// As [`Ending::Open`], and behind the last frame stands something that is none: the writer
    /// died while writing it, or is at it.
    Torn,
    /// Before the committed length: the file was cut.
    Truncated,
}

impl Report {
    /// How many records are known to be lost to damage: by the closing frame's total if there is
    /// one, else by the gaps in the numbering of each thread's records, which do not show what was
    /// lost at a thread's end.
    pub fn lost(&self) -> u64 {
        let written = self.read_totals().map_or(0, |totals| totals.written);
        let by_total = written.saturating_sub(self.records);
        by_total.max(self.missing)
    }

    /// How many dropped records stand in the closing frame's total, but in no mark that was read.
    pub fn unmarked_drops(&self) -> u64 {
        let dropped = self.read_totals().map_or(0, |totals| totals.dropped);
        dropped.saturating_sub(self.dropped)
    }

    /// Whether everything was read that is known to have been written to the file. Says nothing
    /// about what the program dropped, nor about what a file that was not closed might have held.
    pub fn is_whole(&self) -> bool {
        self.damages == 0
            && self.lost() == 0
            && self.unmarked_drops() == 0
            && self.header == HeaderState::Good
            && self.ending != Ending::Truncated
    }

    /// The totals of what was read: those of the segment, if all of it was.
    fn read_totals(&self) -> Option<Totals> {
        self.totals.filter(|_| self.skipped_bytes == 0)
    }

    pub(super) fn add_damage(&mut self, damage: &Damage) {
        self.damages += 1;
        self.damaged_bytes = self.damaged_bytes.saturating_add(damage.bytes);
        if self.damage.len() < MAX_LISTED {
            self.damage.push(damage.clone());
        }
    }
}
