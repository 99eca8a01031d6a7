//! The index of a segment: the payload of a [`Kind::Index`](super::frame::Kind::Index) frame, which
//! precedes the end frame of a segment that was closed cleanly.
//!
//! It says where, at regular steps, a reader can begin, and what it then has to know of what it
//! skipped. It also gives the range of time of the frames from each step to the next.
//!
//! While a segment is written, it gets an index in parts, now and then: each is about the stretch since the
//! part before, and is the payload of a [`Kind::IndexPart`](super::frame::Kind::IndexPart) frame. The header page
//! says where the last one is.

use crate::varint;
use crate::{ALIGNMENT, FRAME_HEADER_BYTES, HEADER_BYTES, MAX_PAYLOAD_BYTES};

/// The steps of an index: offsets at which a reader can begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// Ascending by offset. The first is where the frames begin.
    pub steps: Vec<Step>,
    /// Where the frames of call sites and threads begin, and of the clock frames at least the last
    /// four before each step. Ascending.
    pub frames: Vec<u64>,
}

/// A place at which a reader can begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The offset of a frame.
    pub offset: u64,
    /// Nothing from here to the next step is older than this, in nanoseconds since the epoch.
    pub oldest_ns: i64,
    /// Nothing from here to the next step is newer.
    pub newest_ns: i64,
    /// The watermark that holds here, in ticks.
    pub watermark: u64,
}

/// A part of an index: that of a stretch of a segment that is being written.
///
/// The stretch is from the first step to `end`. The first part begins where the frames do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexPart {
    /// The steps of the stretch, and the frames of call sites, threads and marks that are in it. None of
    /// the frames is a clock frame.
    pub index: Index,
    /// The clock frames in the stretch, at least the last four before each step and before `end`.
    pub clocks: Vec<u64>,
    /// Where the frame of the part before begins; 0 if this is the first.
    pub previous: u64,
    /// Where the stretch ends: a frame begins there, which is not within a dump.
    pub end: u64,
    /// The watermark that holds at the end, in ticks.
    pub watermark: u64,
}

impl Step {
    /// Returns every other step, which speaks for the one after it too.
    pub fn thinned(steps: &[Self]) -> Vec<Self> {
        let join = |pair: &[Self]| Self {
            oldest_ns: pair.iter().map(|step| step.oldest_ns).min().unwrap_or_default(),
            newest_ns: pair.iter().map(|step| step.newest_ns).max().unwrap_or_default(),
            ..pair[0]
        };
        steps.chunks(2).map(join).collect()
    }
}

impl Index {
    /// Appends the payload of a frame that begins at `offset`.
    pub fn put(&self, offset: u64, out: &mut Vec<u8>) {
        let start = out.len();
        self.put_fields(out);
        put_end(offset, start, out);
    }

    fn put_fields(&self, out: &mut Vec<u8>) {
        varint::put(out, self.steps.len() as u64);
        let mut last = Step { offset: HEADER_BYTES as u64, ..Step::default() };
        for step in &self.steps {
            put_offset(out, last.offset, step.offset);
            varint::put(out, varint::zigzag(step.oldest_ns.wrapping_sub(last.oldest_ns)));
            varint::put(out, step.newest_ns.wrapping_sub(step.oldest_ns) as u64);
            varint::put(out, step.watermark.wrapping_sub(last.watermark));
            last = *step;
        }
        put_offsets(out, &self.frames);
    }

    /// Decodes the payload of a frame that begins at `offset`; `None` if it breaks the format.
    pub fn from_payload(payload: &[u8], offset: u64) -> Option<Self> {
        Self::take(&mut Fields(payload), offset)
    }

    fn take(fields: &mut Fields<'_>, limit: u64) -> Option<Self> {
        let mut index = Self::default();
        let mut last = Step { offset: HEADER_BYTES as u64, ..Step::default() };
        for _ in 0..fields.varint()? {
            let offset = fields.offset(last.offset, limit)?;
            let oldest_ns = last.oldest_ns.wrapping_add(varint::unzigzag(fields.varint()?));
            let newest_ns = oldest_ns.wrapping_add(fields.varint()? as i64);
            let watermark = last.watermark.wrapping_add(fields.varint()?);
            last = Step { offset, oldest_ns, newest_ns, watermark };
            index.steps.push(last);
        }
        index.frames = fields.offsets(limit)?;
        Some(index)
    }

    /// Where an index begins that ends where `bytes` do: it says so itself. `None` if nothing
    /// there can be one. `end` is the offset at which `bytes` end.
    pub fn offset_before(bytes: &[u8], end: u64) -> Option<u64> {
        let offset = u64::from_le_bytes(*bytes.last_chunk()?);
        let shortest = (FRAME_HEADER_BYTES + 2 * ALIGNMENT) as u64;
        let longest = (FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES) as u64;
        let fits = (shortest..=longest).contains(&end.checked_sub(offset)?);
        let fits = fits && offset >= HEADER_BYTES as u64;
        (fits && offset.is_multiple_of(ALIGNMENT as u64)).then_some(offset)
    }
}

impl IndexPart {
    /// Appends the payload of a frame that begins at `offset`.
    pub fn put(&self, offset: u64, out: &mut Vec<u8>) {
        let start = out.len();
        self.index.put_fields(out);
        put_offset(out, HEADER_BYTES as u64, self.previous);
        put_offset(out, HEADER_BYTES as u64, self.end);
        varint::put(out, self.watermark);
        put_offsets(out, &self.clocks);
        put_end(offset, start, out);
    }

    /// Decodes the payload of a frame that begins at `offset`; `None` if it breaks the format.
    pub fn from_payload(payload: &[u8], offset: u64) -> Option<Self> {
        // The offset of the frame itself comes last.
        let (rest, own) = payload.split_last_chunk::<ALIGNMENT>()?;
        let mut fields = Fields(rest);
        let index = Index::take(&mut fields, offset)?;
        let previous = fields.offset(HEADER_BYTES as u64, offset)?;
        let part = Self {
            index,
            // No part is where the frames begin.
            previous: if previous == HEADER_BYTES as u64 { 0 } else { previous },
            end: fields.offset(HEADER_BYTES as u64, offset.checked_add(1)?)?,
            watermark: fields.varint()?,
            clocks: fields.offsets(offset)?,
        };
        let is_here = u64::from_le_bytes(*own) == offset;
        let begins = part.index.steps.first().is_some_and(|first| first.offset < part.end);
        (is_here && begins).then_some(part)
    }
}

/// The fields of a payload that were not decoded yet.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn varint(&mut self) -> Option<u64> {
        let (value, len) = varint::get(self.0)?;
        self.0 = &self.0[len..];
        Some(value)
    }

    /// An offset as its distance from `last`. It is less than `limit`.
    fn offset(&mut self, last: u64, limit: u64) -> Option<u64> {
        let bytes = self.varint()?.checked_mul(ALIGNMENT as u64)?;
        bytes.checked_add(last).filter(|&offset| offset < limit)
    }

    fn offsets(&mut self, limit: u64) -> Option<Vec<u64>> {
        let (mut offsets, mut last) = (Vec::new(), HEADER_BYTES as u64);
        for _ in 0..self.varint()? {
            last = self.offset(last, limit)?;
            offsets.push(last);
        }
        Some(offsets)
    }
}

/// Appends the number of some offsets, and the offsets.
fn put_offsets(out: &mut Vec<u8>, offsets: &[u64]) {
    varint::put(out, offsets.len() as u64);
    let mut last = HEADER_BYTES as u64;
    for &offset in offsets {
        put_offset(out, last, offset);
        last = offset;
    }
}

/// Appends zeros, and the offset of the frame, to a payload that begins at `start`.
fn put_end(offset: u64, start: usize, out: &mut Vec<u8>) {
    let bytes = (out.len() - start).next_multiple_of(ALIGNMENT);
    out.resize(start + bytes, 0);
    out.extend_from_slice(&offset.to_le_bytes());
}

/// Appends the distance from `last` to `offset`, in words.
fn put_offset(out: &mut Vec<u8>, last: u64, offset: u64) {
    varint::put(out, offset.saturating_sub(last) / ALIGNMENT as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_what_is_found_and_decoded() {
        let step = |n: u64, oldest_ns, newest_ns| Step {
            offset: 4096 + n * 8000,
            oldest_ns,
            newest_ns,
            watermark: n << 40,
        };
        let index = Index {
            steps: vec![step(0, 5, 9), step(1, i64::MIN, i64::MAX), step(2, -7, -7)],
            frames: vec![4096, 4104, 4096 + 16_000],
        };
        let mut payload = Vec::new();
        index.put(1 << 20, &mut payload);
        assert_eq!(payload.len() % 8, 0);
        assert_eq!(Index::from_payload(&payload, 1 << 20), Some(index));
        let end = (1 << 20) + 8 + payload.len() as u64;
        assert_eq!(Index::offset_before(&payload, end), Some(1 << 20));
        assert_eq!(Index::offset_before(&payload, 1 << 20), None);
        assert_eq!(Index::from_payload(&payload, 5000), None, "steps past the index");
        for cut in 0..payload.len() - 16 {
            assert_eq!(Index::from_payload(&payload[..cut], 1 << 20), None);
        }
    }

    #[test]
    fn parts_are_decoded_where_they_are() {
        let steps = |n: u64| (0..n).map(|n| Step { offset: 4096 + 800 * n, ..Step::default() });
        let index = Index { steps: steps(3).collect(), frames: vec![4104, 4800] };
        let part =
            IndexPart { index, clocks: vec![4096], previous: 0, end: 9000, watermark: 1 << 60 };
        for part in [part.clone(), IndexPart { previous: 4800, clocks: Vec::new(), ..part }] {
            let mut payload = Vec::new();
            part.put(9008, &mut payload);
            assert_eq!(IndexPart::from_payload(&payload, 9008).as_ref(), Some(&part));
            assert_eq!(IndexPart::from_payload(&payload, 9016), None, "it says where it is");
            assert_eq!(IndexPart::from_payload(&payload, 8992), None, "its end is past it");
            for cut in 0..payload.len() {
                assert_eq!(IndexPart::from_payload(&payload[..cut], 9008), None);
            }
        }
    }
}
