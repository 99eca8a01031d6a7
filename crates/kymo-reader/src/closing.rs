//! What the last frames of a segment say, without a reader: of a thousand segments, in a few microseconds
//! each.

use std::fs::File;

use super::fields::Fields;
use super::source::{Input, input_of};
use kymo_format::frame::{self, FrameHeader, Kind};
use kymo_format::header::LAST_DUMP_OFFSET;
use kymo_format::index::Index;
use kymo_format::{ALIGNMENT, FRAME_HEADER_BYTES, MAX_PAYLOAD_BYTES};

/// The longest end frame, in bytes.
const TAIL_BYTES: u64 = 64;

/// How many frames of an index are kept in mind.
const MAX_KEPT: usize = 1 << 10;

/// How much is read at a time, at least, where frames of the dictionary are.
const CHUNK_BYTES: usize = 16 << 10;

/// What the index and the end frame of a closed segment say.
#[derive(Clone, Debug)]
pub(super) struct Closing {
    /// The times between which everything in it is, both included; if it has an index.
    pub(super) range: Option<(i64, i64)>,
    /// Records written and dropped.
    pub(super) totals: (u64, u64),
    /// Where the frames begin that the index lists, if these are not too many, and where it begins itself.
    frames: Option<(Box<[u64]>, u64)>,
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
    let index = index_before(&mut *input, &tail[..at], from + at as u64, salt);
    let range = index.as_ref().and_then(|(index, _)| range_of(index));
    let frames = index.filter(|(index, _)| index.frames.len() <= MAX_KEPT);
    let frames = frames.map(|(index, offset)| (index.frames.into(), offset));
    Some(Closing { range, totals, frames })
}

/// Looks at the frames that the index lists. Whether any of them is one of a call site that `select` selects, or
/// is a mark, or there is a dump. `None` if that is not known.
pub(super) fn selects_any(
    file: File,
    salt: u32,
    closing: &Closing,
    mut select: impl FnMut(&[u8]) -> Option<bool>,
) -> Option<bool> {
    let (frames, end) = closing.frames.as_ref()?;
    let mut input = input_of(file).ok()?;
    let mut dumps = [0; 2 * ALIGNMENT];
    read(&mut *input, LAST_DUMP_OFFSET as u64, &mut dumps)?;
    if dumps != [0; 2 * ALIGNMENT] {
        return Some(true);
    }
    let (mut bytes, mut from) = (Vec::new(), 0);
    for &offset in frames {
        let frame = loop {
            let at = offset.checked_sub(from).and_then(|at| usize::try_from(at).ok());
            let here = at.and_then(|at| bytes.get(at..)).unwrap_or_default();
            let header = here.first_chunk().map(FrameHeader::from_bytes);
            let wanted =
                header.map_or(FRAME_HEADER_BYTES, |it| FRAME_HEADER_BYTES + it.payload_bytes);
            if header.is_some() && here.len() >= wanted {
                break &here[..wanted];
            }
            let left = usize::try_from(end.checked_sub(offset)?).ok()?;
            if wanted > left || wanted > FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES {
                return None;
            }
            bytes.resize(wanted.max(CHUNK_BYTES).min(left), 0);
            read(&mut *input, offset, &mut bytes)?;
            from = offset;
        };
        let (kind, payload) = frame::valid_at_start(frame, salt)?;
        match Kind::from_code(kind)? {
            Kind::CallSite if select(payload)? => return Some(true),
            Kind::CallSite | Kind::Thread | Kind::Clock => {}
            _ => return Some(true),
        }
    }
    Some(false)
}

/// The index that ends where `tail` does, at this offset, and where it begins.
fn index_before(input: &mut dyn Input, tail: &[u8], end: u64, salt: u32) -> Option<(Index, u64)> {
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
    Some((Index::from_payload(frame_in(&bytes, Kind::Index, salt)?, offset)?, offset))
}

fn range_of(index: &Index) -> Option<(i64, i64)> {
    // A first step that has nothing with a time has zeros, later ones the last time before them.
    let timed = || index.steps.iter().filter(|step| (step.oldest_ns, step.newest_ns) != (0, 0));
    let oldest = timed().map(|step| step.oldest_ns).min()?;
    Some((oldest, timed().map(|step| step.newest_ns).max()?))
}

/// The payload of the frame of this kind at the beginning of some bytes.
fn frame_in(bytes: &[u8], kind: Kind, salt: u32) -> Option<&[u8]> {
    frame::valid_at_start(bytes, salt).filter(|it| it.0 == kind as u8).map(|(_, payload)| payload)
}

/// Fills `into`, or has nothing.
fn read(input: &mut dyn Input, mut offset: u64, mut into: &mut [u8]) -> Option<()> {
    while !into.is_empty() {
        let read = input.read_at(offset, into).ok().filter(|&read| read > 0)?;
        (offset, into) = (offset + read as u64, into.get_mut(read..)?);
    }
    Some(())
}
