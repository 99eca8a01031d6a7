//! Small frames: clocks, threads, marks and ends.
//!
//! In: values. Out: whole frames in the staging buffer. What has been written before is known to the callers; only the
//! clock frames remember it themselves.

use std::ops::Range;

use crate::drop_reason::DropReason;
use crate::format::dump::Dump;
use crate::format::frame::{Clock, ClockSet, Kind};
use crate::format::payload;
use crate::format::rotated::{Continued, Deleted};
use crate::level::Level;
use crate::process::thread_info::ThreadInfo;
use crate::segment::writer::Totals;
use crate::segment::writer::dictionary::clip;
use crate::segment::writer::staging::Staging;

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

pub(crate) fn put_continued(staging: &mut Staging, continued: &Continued) {
    staging.frame(Kind::Continued, |payload| continued.put(payload));
}

pub(crate) fn put_deleted(staging: &mut Staging, deleted: &Deleted) {
    staging.frame(Kind::Deleted, |payload| deleted.put(payload));
}

pub(crate) fn put_watermark(staging: &mut Staging, ticks: u64) {
    staging.frame(Kind::Watermark, |out| payload::put_watermark(out, ticks));
}

pub(crate) fn put_thread(staging: &mut Staging, number: u64, thread: &ThreadInfo) {
    let ThreadInfo { name, os_id } = thread;
    staging.frame(Kind::Thread, |out| payload::put_thread(out, number, *os_id, clip(name)));
}

pub(crate) fn put_drops(
    staging: &mut Staging,
    thread: u64,
    range: (u64, u64),
    counts: impl Iterator<Item = (DropReason, Option<Level>, u64)> + Clone,
) {
    staging.frame(Kind::Drops, |out| payload::put_drops(out, thread, range, counts));
}

pub(crate) fn put_thread_end(staging: &mut Staging, thread: u64, written: u64, dropped: u64) {
    let put = |out: &mut Vec<u8>| payload::put_thread_end(out, thread, written, dropped);
    staging.frame(Kind::ThreadEnd, put);
}

/// A part of a dump begins.
pub(crate) fn put_dump(staging: &mut Staging, dump: &Dump) {
    staging.frame(Kind::Dump, |out| dump.put(out));
}

/// A part of a dump ends.
pub(crate) fn put_dump_end(staging: &mut Staging, thread: u64, records: u64) {
    staging.frame(Kind::DumpEnd, |out| payload::put_dump_end(out, thread, records));
}

/// Stages a signal that will end the process. `os_id` is the operating system's id of the thread
/// that received it.
pub(crate) fn put_signal(staging: &mut Staging, os_id: u64, signal: u8, ticks: u64) {
    staging.frame(Kind::Signal, |out| payload::put_signal(out, os_id, signal, ticks));
}

pub(crate) fn put_end(staging: &mut Staging, totals: Totals, ticks: u64) {
    let Totals { written, dropped, cut } = totals;
    staging.frame(Kind::End, |out| payload::put_end(out, written, dropped, cut, ticks));
}
