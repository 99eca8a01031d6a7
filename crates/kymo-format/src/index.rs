//! The index of a segment: the payload of a [`Kind::Index`](super::frame::Kind::Index) frame, which
//! precedes the end frame of a segment that was closed cleanly.
//!
//! It says where, at regular steps, a reader can begin, and what it then has to know of what it
//! skipped. It also gives the range of time of the frames from each step to the next.

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
        varint::put(out, self.steps.len() as u64);
        let mut last = Step { offset: HEADER_BYTES as u64, ..Step::default() };
        for step in &self.steps {
            put_offset(out, last.offset, step.offset);
            varint::put(out, varint::zigzag(step.oldest_ns.wrapping_sub(last.oldest_ns)));
            varint::put(out, step.newest_ns.wrapping_sub(step.oldest_ns) as u64);
            varint::put(out, step.watermark.wrapping_sub(last.watermark));
            last = *step;
        }
        varint::put(out, self.frames.len() as u64);
        let mut last = HEADER_BYTES as u64;
        for &frame in &self.frames {
            put_offset(out, last, frame);
            last = frame;
        }
        let bytes = (out.len() - start).next_multiple_of(ALIGNMENT);
        out.resize(start + bytes, 0);
        out.extend_from_slice(&offset.to_le_bytes());
    }

    /// Decodes the payload of a frame that begins at `offset`; `None` if it breaks the format.
    pub fn from_payload(payload: &[u8], offset: u64) -> Option<Self> {
        let mut bytes = payload;
        let mut take = || {
            let (value, len) = varint::get(bytes)?;
            bytes = &bytes[len..];
            Some(value)
        };
        let next = |last: u64, words: u64| {
            let next = words.checked_mul(ALIGNMENT as u64)?.checked_add(last)?;
            (next < offset).then_some(next)
        };
        let mut index = Self::default();
        let mut last = Step { offset: HEADER_BYTES as u64, ..Step::default() };
        for _ in 0..take()? {
            let offset = next(last.offset, take()?)?;
            let oldest_ns = last.oldest_ns.wrapping_add(varint::unzigzag(take()?));
            let newest_ns = oldest_ns.wrapping_add(take()? as i64);
            let watermark = last.watermark.wrapping_add(take()?);
            last = Step { offset, oldest_ns, newest_ns, watermark };
            index.steps.push(last);
        }
        let mut last = HEADER_BYTES as u64;
        for _ in 0..take()? {
            last = next(last, take()?)?;
            index.frames.push(last);
        }
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
}
