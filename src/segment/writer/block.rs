//! A block of one thread's records, as it is put together.

use crate::format::frame::Kind;
use crate::format::varint;
use crate::ring::record::Record;
use crate::segment::writer::clocks::Validity;
use crate::segment::writer::compact;
use crate::segment::writer::dictionary::Entry;
use crate::segment::writer::frames;
use crate::segment::writer::index::TickRange;
use crate::segment::writer::staging::{Frame, Staging};

/// The block of records that is being written, if there is one.
#[derive(Default)]
pub(crate) struct Block {
    open: Option<OpenBlock>,
    /// The time stamp of the last record.
    ticks: u64,
    /// The time stamps of all records since somebody took them from here.
    pub(crate) range: TickRange,
}

struct OpenBlock {
    frame: Frame,
    thread: u64,
    base: u64,
    /// For which records the clock frames before it are the right ones.
    clocks: Validity,
}

impl Block {
    /// Whether a record that `thread` logged at `ticks` may be put into the open block.
    #[inline]
    pub(crate) fn continues(&self, thread: u64, ticks: u64) -> bool {
        let continues = |open: &OpenBlock| open.thread == thread && open.clocks.includes(ticks);
        self.open.as_ref().is_some_and(continues)
    }

    /// Closes the open block and begins one, after the clock frames that it needs. It has the
    /// records of `thread` after the first `written`.
    pub(crate) fn open(&mut self, thread: u64, written: u64, base: u64, staging: &mut Staging) {
        self.close(staging);
        let needed = staging.clocks.needed_at(base);
        frames::put_clocks(staging, needed);
        let clocks = staging.clocks.validity();
        let frame = staging.begin(2 * varint::MAX_BYTES + 8);
        staging.put_varint(thread);
        staging.put_varint(written);
        staging.put(&base.to_le_bytes());
        self.open = Some(OpenBlock { frame, thread, base, clocks });
        self.ticks = base;
    }

    /// Puts a record into the open block; says whether something of it was cut.
    #[inline(always)]
    pub(crate) fn put(&mut self, record: Record<'_>, entry: &Entry, staging: &mut Staging) -> bool {
        let since_last = record.ticks.wrapping_sub(self.ticks);
        self.ticks = record.ticks;
        self.range.add(record.ticks);
        let max_bytes = compact::max_bytes(record.arguments.len()) + 2 * varint::MAX_BYTES;
        let mut room = staging.room(max_bytes);
        room.put_varint(entry.number);
        room.put_varint(since_last);
        let (cut, room) = entry.plan.compact(record.arguments, record.cut, room);
        room.done();
        cut
    }

    /// Closes the block, if one is open.
    pub(crate) fn close(&mut self, staging: &mut Staging) {
        if let Some(open) = self.open.take() {
            staging.finish(open.frame, Kind::Records);
        }
    }

    /// Closes the block as the last one of its sweep; or writes the watermark by itself where that
    /// does not fit.
    pub(crate) fn close_with_watermark(&mut self, watermark: u64, staging: &mut Staging) {
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
