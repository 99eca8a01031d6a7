//! Payloads of the small frames: threads, drops, watermarks and ends.
//!
//! In: the values that a frame says. Out: the bytes of its payload, appended to a vector. The logger and `kymo repair`
//! both write segments, and neither knows the other: what they share is here. The tables are in `docs/format.md`.

use crate::frame::put_str;
use crate::{DropReason, Level, varint};

/// Appends the payload of a [`Kind::Thread`](crate::frame::Kind::Thread) frame. `name` is at most
/// [`MAX_TEXT_BYTES`](crate::MAX_TEXT_BYTES) long.
pub fn put_thread(out: &mut Vec<u8>, number: u64, os_id: u64, name: &str) {
    varint::put(out, number);
    varint::put(out, os_id);
    put_str(out, name);
}

/// Appends the first part of the payload of a [`Kind::Records`](crate::frame::Kind::Records) frame: the thread, how many
/// records of it the segment has before these, and the ticks that the first record's are relative to.
pub fn put_block_head(out: &mut Vec<u8>, thread: u64, written: u64, base: u64) {
    varint::put(out, thread);
    varint::put(out, written);
    out.extend_from_slice(&base.to_le_bytes());
}

/// Appends the payload of a [`Kind::Drops`](crate::frame::Kind::Drops) frame: the ticks of the first and of the last
/// dropped record, and the counts. The level is `None` if it is not known.
pub fn put_drops(
    out: &mut Vec<u8>,
    thread: u64,
    (first, last): (u64, u64),
    counts: impl Iterator<Item = (DropReason, Option<Level>, u64)> + Clone,
) {
    varint::put(out, thread);
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(&last.to_le_bytes());
    varint::put(out, counts.clone().count() as u64);
    for (reason, level, count) in counts {
        out.extend_from_slice(&[reason.code(), level.map_or(0, |level| level as u8)]);
        varint::put(out, count);
    }
}

/// Appends the payload of a [`Kind::Watermark`](crate::frame::Kind::Watermark) frame.
pub fn put_watermark(out: &mut Vec<u8>, ticks: u64) {
    out.extend_from_slice(&ticks.to_le_bytes());
}

/// Appends the payload of a [`Kind::Signal`](crate::frame::Kind::Signal) frame: the operating system's number of the
/// thread that received the signal, the signal, and when.
pub fn put_signal(out: &mut Vec<u8>, os_id: u64, signal: u8, ticks: u64) {
    varint::put(out, os_id);
    out.push(signal);
    out.extend_from_slice(&ticks.to_le_bytes());
}

/// Appends the payload of a [`Kind::DumpEnd`](crate::frame::Kind::DumpEnd) frame: the thread, and how many records the
/// part has.
pub fn put_dump_end(out: &mut Vec<u8>, thread: u64, records: u64) {
    varint::put(out, thread);
    varint::put(out, records);
}

/// Appends the payload of a [`Kind::ThreadEnd`](crate::frame::Kind::ThreadEnd) frame: how many records of the thread the
/// segment has, and how many its marks count as dropped.
pub fn put_thread_end(out: &mut Vec<u8>, thread: u64, written: u64, dropped: u64) {
    [thread, written, dropped].into_iter().for_each(|value| varint::put(out, value));
}

/// Appends the payload of a [`Kind::End`](crate::frame::Kind::End) frame: the totals of the segment, and when it was
/// closed.
pub fn put_end(out: &mut Vec<u8>, written: u64, dropped: u64, cut: u64, ticks: u64) {
    [written, dropped, cut].into_iter().for_each(|value| varint::put(out, value));
    out.extend_from_slice(&ticks.to_le_bytes());
}
