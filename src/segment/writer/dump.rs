//! Parts of dumps: what the flight recorder of one thread held.
//!
//! A part can be read by itself. So a reader that orders records by time can read it before what
//! precedes it in the file. After the mark that begins it come the thread's name and all its call
//! sites once more, and the clock frames that hold for its records. Frames that come into force
//! later are among the records. After the mark that ends it come the clock frames that hold for
//! what follows. `docs/format.md` has the details.

use std::collections::HashSet;
use std::ptr;

use crate::format::dump::Dump;
use crate::format::frame::Clock;
use crate::segment::Output;
use crate::segment::writer::clocks::IN_FORCE;
use crate::segment::writer::{SegmentWriter, ThreadInSegment, frames};
use crate::statement::call_site::CallSite;

impl<O: Output> SegmentWriter<O> {
    /// Stages the beginning of a part with records of `sites`, and returns its offset. What `part` says of earlier
    /// dumps and of the times of its records is filled in.
    ///
    /// When that is committed, or cannot fail, [`set_last_dump`](Self::set_last_dump) is to be called.
    pub(crate) fn begin_dump(
        &mut self,
        part: Dump,
        thread: &mut ThreadInSegment,
        sites: impl Iterator<Item = &'static CallSite>,
    ) -> u64 {
        self.end_block();
        let part = Dump {
            previous: self.last_dump,
            oldest_ns: self.time_of(part.oldest),
            newest_ns: self.time_of(part.newest),
            ..part
        };
        let offset = self.output.len() + self.staging.len() as u64;
        frames::put_dump(&mut self.staging, &part);
        thread.forget_announcement();
        self.announce(thread);
        self.next_line = self.staging.clocks.next_line(part.oldest);
        self.put_lines_before(self.next_line);
        let mut met = HashSet::new();
        for site in sites {
            if met.insert(ptr::from_ref(site).addr()) {
                self.dictionary.put_again(site, &mut self.staging);
            }
        }
        offset
    }

    /// Stages the clock frames that have come into force when a record of the part was logged. To
    /// be called before the record is put.
    pub(crate) fn put_lines_until(&mut self, ticks: u64) {
        let holds = |line: &Clock| line.holds_at(ticks);
        while self.staging.clocks.line(self.next_line).is_some_and(holds) {
            self.end_block();
            frames::put_clocks(&mut self.staging, self.next_line..self.next_line + 1);
            self.next_line += 1;
        }
    }

    /// Stages the end of the part.
    pub(crate) fn end_dump(&mut self, part: &Dump) {
        self.end_block();
        frames::put_dump_end(&mut self.staging, part.thread, part.records);
        self.put_lines_before(self.staging.clocks.len());
    }

    /// The last part of a dump begins at this offset.
    pub(crate) fn set_last_dump(&mut self, offset: u64) {
        self.last_dump = offset;
    }

    /// Where the last part of a dump begins; 0 if there is none.
    pub(crate) fn last_dump(&self) -> u64 {
        self.last_dump
    }

    /// The time of `ticks`, by the clock frames.
    pub(crate) fn time_of(&self, ticks: u64) -> i64 {
        self.staging.clocks.time_of(ticks)
    }

    /// Stages the clock frames that count if `next` is the next one to come into force: always so many, so that no
    /// others count.
    fn put_lines_before(&mut self, next: usize) {
        for back in (1..=IN_FORCE).rev() {
            let place = next.saturating_sub(back);
            frames::put_clocks(&mut self.staging, place..place + 1);
        }
    }
}
