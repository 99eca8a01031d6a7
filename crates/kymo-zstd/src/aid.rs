//! Copies of the frames that the segment's index lists: call sites, threads, clocks.
//!
//! A reader that begins in the middle of a segment reads these frames first, and they lie all over it. Without the
//! copies it would decompress most blocks for them. The copies are in a skippable frame, so that a zstd decoder
//! passes over them:
//!
//! ```text
//! ┌──────────┬──────┬─ a zstd frame of ─────────────────────────────────────────────────┐
//! │ 184D2A5C │ size │ varint: number │ varint each: offset in words, │ the frames, each │
//! │          │      │ of frames      │ since that of the one before  │ with its padding │
//! └──────────┴──────┴────────────────┴───────────────────────────────┴──────────────────┘
//! ```

use std::ops::Range;

use kymo_format::frame::FrameHeader;
use kymo_format::{ALIGNMENT, FRAME_HEADER_BYTES, HEADER_BYTES, MAX_PAYLOAD_BYTES, varint};
use zstd::bulk::Decompressor;

use crate::input::ReadAt;
use crate::seekable::decompress;
use crate::table::SKIPPABLE_HEADER_BYTES;

/// The magic number of the skippable frame.
pub const MAGIC: u32 = 0x184D_2A5C;

/// The most bytes of copies. Without them, a reader takes longer.
pub const MAX_BYTES: usize = 4 << 20;

/// The most bytes of the skippable frame: what zstd makes of so many at worst, and more.
pub const MAX_FRAME_BYTES: u32 = (MAX_BYTES + (1 << 16)) as u32;

/// Copies of frames of a segment.
#[derive(Debug, Default)]
pub struct Aid {
    /// Where each frame begins in the segment, and where its copy is in `bytes`. Ascending.
    frames: Vec<(u64, Range<usize>)>,
    bytes: Vec<u8>,
}

/// Copies the frames that begin at these offsets. `None` if they are too long, or not there.
pub fn copy(input: &mut impl ReadAt, offsets: &[u64]) -> std::io::Result<Option<Vec<u8>>> {
    let mut out = Vec::new();
    varint::put(&mut out, offsets.len() as u64);
    let mut last = HEADER_BYTES as u64;
    for &offset in offsets {
        varint::put(&mut out, offset.saturating_sub(last) / ALIGNMENT as u64);
        last = offset;
    }
    for &offset in offsets {
        let mut header = [0; FRAME_HEADER_BYTES];
        input.read_exact_at(offset, &mut header)?;
        let header = FrameHeader::from_bytes(&header);
        let start = out.len();
        if header.payload_bytes > MAX_PAYLOAD_BYTES || start + header.frame_bytes() > MAX_BYTES {
            return Ok(None);
        }
        out.resize(start + header.frame_bytes(), 0);
        input.read_exact_at(offset, &mut out[start..])?;
    }
    Ok(Some(out))
}

impl Aid {
    /// Reads the frame of this length at `at`. Empty if it is not such a frame: it is an aid, no more.
    pub fn read(input: &mut impl ReadAt, (at, len): (u64, u32), zstd: &mut Decompressor) -> Self {
        let mut frame = vec![0; len as usize];
        let whole = input.read_exact_at(at, &mut frame).is_ok();
        let content = frame.strip_prefix(&MAGIC.to_le_bytes()).filter(|_| whole);
        let content = content.and_then(|rest| rest.get(SKIPPABLE_HEADER_BYTES - 4..));
        let mut bytes = Vec::new();
        let Some(content) = content else { return Self::default() };
        match decompress(zstd, content, None, MAX_BYTES, &mut bytes) {
            Ok(_) => Self::parse(bytes).unwrap_or_default(),
            Err(_) => Self::default(),
        }
    }

    fn parse(bytes: Vec<u8>) -> Option<Self> {
        let mut rest = &bytes[..];
        let mut take = || {
            let (value, len) = varint::get(rest)?;
            rest = &rest[len..];
            Some(value)
        };
        let count = take()?;
        let mut offsets = Vec::new();
        let mut last = HEADER_BYTES as u64;
        for _ in 0..count {
            last = take()?.checked_mul(ALIGNMENT as u64)?.checked_add(last)?;
            offsets.push(last);
        }
        let mut at = bytes.len() - rest.len();
        let mut frames = Vec::with_capacity(offsets.len());
        for offset in offsets {
            let header = FrameHeader::from_bytes(bytes.get(at..)?.first_chunk()?);
            let range = at..at + header.frame_bytes();
            bytes.get(range.clone())?;
            at = range.end;
            frames.push((offset, range));
        }
        Some(Self { frames, bytes })
    }

    /// The copy of the frame that begins at `offset`.
    pub fn at(&self, offset: u64) -> Option<&[u8]> {
        let found = self.frames.binary_search_by_key(&offset, |frame| frame.0).ok()?;
        Some(&self.bytes[self.frames[found].1.clone()])
    }

    /// All copies, with the offsets of their frames.
    #[cfg(unix)]
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.frames.iter().map(|(offset, range)| (*offset, &self.bytes[range.clone()]))
    }
}
