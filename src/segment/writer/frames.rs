//! The frames other than call sites and records.

use std::ops::Range;

use crate::drop_reason::DropReason;
use crate::format::dump::Dump;
use crate::format::frame::{Clock, ClockSet, Kind, put_str};
use crate::format::varint;
use crate::process::thread_info::ThreadInfo;
use crate::segment::drop_counts::DropCounts;
use crate::segment::writer::dictionary::clip;
use crate::segment::writer::staging::Staging;

/// The totals of a segment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) written: u64,
    pub(crate) dropped: u64,
    pub(crate) cut: u64,
}

pub(crate) fn put_clock(staging: &mut Staging, clock: &Clock) {
    let needed = staging.clocks.needed_before(clock);
    put_clocks(staging, needed);
    staging.frame(Kind::Clock, |payload| clock.put(payload));
    staging.clocks.note(*clock);
}

/// Writes clock frames that were written before.
pub(crate) fn put_clocks(staging: &mut Staging, range: Range<usize>) {
    for index in range {
        if let Some(line) = staging.clocks.repeat(index) {
            staging.frame(Kind::Clock, |payload| line.put(payload));
        }
    }
}

/// The wall clock has jumped.
pub(crate) fn put_clock_set(staging: &mut Staging, set: &ClockSet) {
    staging.frame(Kind::ClockSet, |payload| set.put(payload));
}

pub(crate) fn put_watermark(staging: &mut Staging, ticks: u64) {
    staging.frame(Kind::Watermark, |payload| payload.extend_from_slice(&ticks.to_le_bytes()));
}

pub(crate) fn put_thread(staging: &mut Staging, number: u64, thread: &ThreadInfo) {
    staging.frame(Kind::Thread, |payload| {
        varint::put(payload, number);
        varint::put(payload, thread.os_id);
        put_str(payload, clip(&thread.name));
    });
}

pub(crate) fn put_drops(
    staging: &mut Staging,
    thread: u64,
    range: (u64, u64),
    counts: &DropCounts,
) {
    staging.frame(Kind::Drops, |payload| {
        varint::put(payload, thread);
        payload.extend_from_slice(&range.0.to_le_bytes());
        payload.extend_from_slice(&range.1.to_le_bytes());
        varint::put(payload, counts.iter().count() as u64);
        for (reason, level, count) in counts.iter() {
            payload.push(reason.code());
            payload.push(level as u8);
            varint::put(payload, count);
        }
    });
}

/// The same of records for one reason, of whose levels nothing is known.
pub(crate) fn put_drops_of_unknown_level(
    staging: &mut Staging,
    thread: u64,
    range: (u64, u64),
    reason: DropReason,
    count: u64,
) {
    staging.frame(Kind::Drops, |payload| {
        varint::put(payload, thread);
        payload.extend_from_slice(&range.0.to_le_bytes());
        payload.extend_from_slice(&range.1.to_le_bytes());
        varint::put(payload, 1);
        payload.extend([reason.code(), 0]);
        varint::put(payload, count);
    });
}

pub(crate) fn put_thread_end(staging: &mut Staging, thread: u64, written: u64, dropped: u64) {
    staging.frame(Kind::ThreadEnd, |payload| {
        for value in [thread, written, dropped] {
            varint::put(payload, value);
        }
    });
}

/// What a dump wrote of a thread begins.
pub(crate) fn put_dump(staging: &mut Staging, dump: &Dump) {
    staging.frame(Kind::Dump, |payload| dump.put(payload));
}

/// It ends.
pub(crate) fn put_dump_end(staging: &mut Staging, thread: u64, records: u64) {
    staging.frame(Kind::DumpEnd, |payload| {
        varint::put(payload, thread);
        varint::put(payload, records);
    });
}

/// A signal of which the process is going to die, and the operating system's number of the thread
/// that received it.
pub(crate) fn put_signal(staging: &mut Staging, thread: u64, signal: u8, ticks: u64) {
    staging.frame(Kind::Signal, |payload| {
        varint::put(payload, thread);
        payload.push(signal);
        payload.extend_from_slice(&ticks.to_le_bytes());
    });
}

pub(crate) fn put_end(staging: &mut Staging, totals: Totals, ticks: u64) {
    staging.frame(Kind::End, |payload| {
        for value in [totals.written, totals.dropped, totals.cut] {
            varint::put(payload, value);
        }
        payload.extend_from_slice(&ticks.to_le_bytes());
    });
}
