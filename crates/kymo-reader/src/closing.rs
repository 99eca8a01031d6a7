//! What the last frames of a segment say, without a reader: of a thousand segments, in a few microseconds
//! each.

use std::fs::File;

use super::fields::Fields;
use super::source::{Input, input_of};
use kymo_format::frame::{self, FrameHeader, Kind};
use kymo_format::index::Index;
use kymo_format::{ALIGNMENT, FRAME_HEADER_BYTES};

/// The longest end frame, in bytes.
const TAIL_BYTES: u64 = 64;

/// What the index and the end frame of a closed segment say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closing {
    /// The times between which everything in it is, both included; if it has an index.
    pub(super) range: Option<(i64, i64)>,
    /// Records written and dropped.
    pub(super) totals: (u64, u64),
}

/// What the last frames of a file say. `None` if it was not closed, or if its end is damaged.
pub(super) fn of(file: File, salt: u32) -> Option<Closing> {
    let mut input = input_of(file).ok()?;
    let end = input.length()?;
    let from = end.saturating_sub(TAIL_BYTES).next_multiple_of(ALIGNMENT as u64);
    let mut tail = vec![0; usize::try_from(end.checked_sub(from)?).ok()?];
    read(&mut *input, from, &mut tail)?;
    let found = (0..tail.len()).step_by(ALIGNMENT).find_map(|at| {
        let payload = frame_in(&tail[at..], Kind::End, salt)?;
        let bytes = (FRAME_HEADER_BYTES + payload.len()).next_multiple_of(ALIGNMENT);
        // At the end of a file that was copied, the padding may be missing.
        let is_last = at + bytes >= tail.len();
        is_last.then_some((at, payload))
    });
    let (at, payload) = found?;
    let mut fields = Fields(payload);
    let totals = (fields.varint()?, fields.varint()?);
    let range = index_before(&mut *input, &tail[..at], from + at as u64, salt);
    Some(Closing { range: range.and_then(|index| range_of(&index)), totals })
}

/// The index that ends where `tail` does, at this offset.
fn index_before(input: &mut dyn Input, tail: &[u8], end: u64, salt: u32) -> Option<Index> {
    let mut word = [0; ALIGNMENT];
    let tail = match tail.last_chunk::<ALIGNMENT>() {
        Some(_) => tail,
        None => {
            read(input, end.checked_sub(ALIGNMENT as u64)?, &mut word)?;
            &word
        }
    };
    let offset = Index::offset_before(tail, end)?;
    let mut bytes = vec![0; usize::try_from(end - offset).ok()?];
    read(input, offset, &mut bytes)?;
    Index::from_payload(frame_in(&bytes, Kind::Index, salt)?, offset)
}

fn range_of(index: &Index) -> Option<(i64, i64)> {
    // A first step that has nothing with a time has zeros, later ones the last time before them.
    let timed = || index.steps.iter().filter(|step| (step.oldest_ns, step.newest_ns) != (0, 0));
    let oldest = timed().map(|step| step.oldest_ns).min()?;
    Some((oldest, timed().map(|step| step.newest_ns).max()?))
}

/// The payload of the frame of this kind at the beginning of some bytes.
fn frame_in(bytes: &[u8], kind: Kind, salt: u32) -> Option<&[u8]> {
    let header = FrameHeader::from_bytes(bytes.first_chunk()?);
    if header.kind != kind as u8 {
        return None;
    }
    let frame = bytes.get(..FRAME_HEADER_BYTES + header.payload_bytes)?;
    let is_valid = frame::checksum_of(frame, salt) == header.checksum;
    is_valid.then_some(&frame[FRAME_HEADER_BYTES..])
}

/// Fills `into`, or has nothing.
fn read(input: &mut dyn Input, mut offset: u64, mut into: &mut [u8]) -> Option<()> {
    while !into.is_empty() {
        let read = input.read_at(offset, into).ok().filter(|&read| read > 0)?;
        (offset, into) = (offset + read as u64, into.get_mut(read..)?);
    }
    Some(())
}
