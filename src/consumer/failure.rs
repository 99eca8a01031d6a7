//! What the consumer does when its output fails.
//!
//! A sweep that cannot be written is counted as dropped, and its rings get their room back, so that
//! no producer waits for a disk. What was written before may be gone too (the file was cut, or what
//! was not committed is lost), so call sites, names and the clock are written again.
//!
//! A file that was removed takes with it what was written to it. A new segment is begun in its
//! place as soon as that is possible. Nobody can read what was in the old one, so its records
//! become dropped ones, and the new segment has marks for all that was dropped in either: what it
//! says is true of all that was logged since the start.

use std::io;

use crate::consumer::Consumer;
use crate::consumer::lane::Lane;
use crate::consumer::sweep::join;
use crate::drop_reason::DropReason;
use crate::process::thread_info::ThreadInfo;
use crate::segment::Output;
use crate::segment::drop_counts::DropCounts;
use crate::segment::writer::dictionary::Dictionary;
use crate::segment::writer::frames::{self, Totals};
use crate::segment::writer::index::Index;
use crate::segment::writer::staging::Staging;

/// The segment, as far as the consumer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// It is there.
    Begun,
    /// It was removed, and there is no other yet.
    Removed,
    /// There is another, whose first frames have not been written yet.
    Renewed,
}

impl<O: Output> Consumer<O> {
    /// Looks whether what was written is still there.
    pub(crate) fn check_output(&mut self) {
        if let Err(error) = self.output.check() {
            self.note_failure(error);
        }
    }

    /// Notes an error of the output. What is staged is lost.
    pub(crate) fn note_failure(&mut self, error: io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            let copy = io::Error::new(error.kind(), error.to_string());
            let lost = self.lost();
            self.untold.get_or_insert((copy, lost));
        }
        self.shared.counters.output_errors.increment();
        self.error.get_or_insert(error);
        if self.output.is_removed() && self.segment != Segment::Removed {
            self.segment = Segment::Removed;
            self.shared.counters.lose_ended(&self.ended.written);
            self.ended.lose_segment();
            self.lanes.iter_mut().for_each(Lane::lose_segment);
        }
        self.dictionary.forget();
        self.lanes.iter_mut().for_each(Lane::forget_announcement);
        self.stage_first_frames();
    }

    /// Begins a new segment in place of one that was removed, if that is possible now.
    pub(crate) fn renew_segment(&mut self) {
        if self.segment != Segment::Removed {
            return;
        }
        match self.output.reopen() {
            Ok(salt) => {
                self.segment = Segment::Renewed;
                self.released_bytes = self.output.len();
                self.shared.set_log(self.output.log_file());
                let clocks = std::mem::take(&mut self.staging.clocks);
                self.staging = Staging::new(salt);
                self.staging.clocks = clocks;
                self.dictionary = Dictionary::new();
                self.index = Index::new();
                self.dumps.begin_segment();
                self.next_thread = 0;
                if self.ended.has_account() {
                    self.ended.number = self.next_thread;
                    self.next_thread += 1;
                }
                for lane in &mut self.lanes {
                    lane.number = self.next_thread;
                    self.next_thread += 1;
                }
                self.stage_first_frames();
            }
            Err(error) => {
                self.error.get_or_insert(error);
            }
        }
    }

    /// Stages, and nothing else, what has to be written behind a failure before anything that
    /// relies on it.
    pub(super) fn stage_first_frames(&mut self) {
        self.staging.clear();
        self.put_clocks();
        if self.segment == Segment::Renewed {
            self.ended.put(&mut self.staging);
        }
    }
}

/// The account of all threads that have ended: one for all of them, because there may be millions.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) written: [u64; 5],
    pub(crate) drops: DropCounts,
    pub(crate) cut: u64,
    /// The ticks of the first and of the last of them all.
    range: Option<(u64, u64)>,
    /// The number under which a renewed segment has it.
    number: u64,
}

impl Ended {
    /// Takes over the account of a thread.
    pub(crate) fn add(&mut self, lane: &Lane) {
        for (sum, count) in self.written.iter_mut().zip(lane.written) {
            *sum += count;
        }
        self.drops = self.drops.plus(&lane.drops());
        self.cut += lane.cut;
        self.range = join(self.range, lane.range());
    }

    pub(super) fn totals(&self) -> Totals {
        let Self { written, drops, cut, .. } = self;
        Totals { written: written.iter().sum(), dropped: drops.total(), cut: *cut }
    }

    fn has_account(&self) -> bool {
        self.drops.total() > 0
    }

    /// What was written is gone.
    fn lose_segment(&mut self) {
        self.drops.add_all(DropReason::FileRemoved, std::mem::take(&mut self.written));
        self.cut = 0;
    }

    /// Writes what was dropped, as of one thread that has ended.
    fn put(&self, staging: &mut Staging) {
        if self.has_account() {
            let name = "threads that ended before".to_owned();
            frames::put_thread(staging, self.number, &ThreadInfo { name, os_id: 0 });
            let range = self.range.unwrap_or_default();
            frames::put_drops(staging, self.number, range, &self.drops);
            frames::put_thread_end(staging, self.number, 0, self.drops.total());
        }
    }
}
