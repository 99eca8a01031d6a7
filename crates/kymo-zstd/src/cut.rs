//! Cuts a segment into blocks, where its frames end.
//!
//! The header page is a block of its own, and so are the index and the end frame. A list of segments needs no more.
//! A block is a mebibyte, less what of its last frame does not fit in; one frame that is longer is a block. Bytes that
//! are no frames are cut anywhere.

use std::io;

use kymo_format::frame::{self, FrameHeader, Kind};
use kymo_format::header::{COMMITTED_OFFSET, COPY_BYTES, COPY_OFFSETS, Header};
use kymo_format::index::Index;
use kymo_format::{ALIGNMENT, FRAME_HEADER_BYTES, HEADER_BYTES, MAX_PAYLOAD_BYTES};

use crate::input::ReadAt;

/// The length of a block in bytes, at most, unless one frame is longer.
const BLOCK_BYTES: usize = 1 << 20;

/// The longest end frame, and more.
const END_BYTES: u64 = 72;

/// What of a segment is known before it is read.
pub struct Outline {
    /// The valid copy of its header.
    pub header_copy: [u8; COPY_BYTES],
    pub length: u64,
    /// Where its end frame begins; `None` if it was not closed.
    pub end_frame: Option<u64>,
    /// Where its index begins, and the frames that it lists.
    pub index: Option<(u64, Vec<u64>)>,
}

impl Outline {
    /// Looks at the header and the end of a segment. `None` if it has no valid header.
    pub fn read(input: &mut impl ReadAt) -> io::Result<Option<Self>> {
        let length = input.length()?;
        if length < HEADER_BYTES as u64 {
            return Ok(None);
        }
        let mut page = vec![0; HEADER_BYTES];
        input.read_exact_at(0, &mut page)?;
        let copies = COPY_OFFSETS.iter().filter_map(|at| page.get(*at..)?.first_chunk());
        let Some((header_copy, header)) = copies
            .filter_map(|copy: &[u8; COPY_BYTES]| Some((*copy, Header::from_copy(copy)?)))
            .next()
        else {
            return Ok(None);
        };
        let committed =
            page[COMMITTED_OFFSET..].first_chunk().map_or(0, |it| u64::from_le_bytes(*it));
        let mut outline = Self { header_copy, length, end_frame: None, index: None };
        if (HEADER_BYTES as u64..=length).contains(&committed) {
            outline.find_end(input, header.salt, committed)?;
        }
        Ok(Some(outline))
    }

    /// Finds the end frame that ends at `end`, and the index before it.
    fn find_end(&mut self, input: &mut impl ReadAt, salt: u32, end: u64) -> io::Result<()> {
        let from = end.saturating_sub(END_BYTES).max(HEADER_BYTES as u64);
        let mut bytes = vec![0; (end - from) as usize];
        input.read_exact_at(from, &mut bytes)?;
        let mut starts = (0..bytes.len()).step_by(ALIGNMENT).rev();
        let is_end = |&at: &usize| whole_frame(&bytes[at..], Kind::End, salt).is_some();
        let Some(at) = starts.find(is_end) else { return Ok(()) };
        let end_frame = from + at as u64;
        self.end_frame = Some(end_frame);
        let Some(offset) = Index::offset_before(&bytes[..at], end_frame) else { return Ok(()) };
        let mut index = vec![0; (end_frame - offset) as usize];
        input.read_exact_at(offset, &mut index)?;
        let Some(payload) = whole_frame(&index, Kind::Index, salt) else { return Ok(()) };
        self.index = Index::from_payload(payload, offset).map(|index| (offset, index.frames));
        Ok(())
    }

    /// Where the last block begins, which has no records.
    fn tail(&self) -> u64 {
        let index = self.index.as_ref().map(|index| index.0);
        index.or(self.end_frame).unwrap_or(self.length)
    }
}

/// The payload of the valid frame of this kind that `bytes` are.
fn whole_frame(bytes: &[u8], kind: Kind, salt: u32) -> Option<&[u8]> {
    let (found, payload) = frame::valid_at_start(bytes, salt)?;
    (found == kind as u8 && frame::bytes_of(payload.len()) == bytes.len()).then_some(payload)
}

/// The blocks of a segment, from front to back.
pub struct Blocks<R> {
    input: R,
    length: u64,
    tail: u64,
    at: u64,
    buffer: Vec<u8>,
}

impl<R: ReadAt> Blocks<R> {
    pub fn new(input: R, outline: &Outline) -> Self {
        let (length, tail) = (outline.length, outline.tail());
        Self { input, length, tail, at: 0, buffer: Vec::new() }
    }

    /// The bytes of the next block.
    pub fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let end = match self.at {
            0 => HEADER_BYTES as u64,
            at if at < self.tail => self.tail,
            _ => self.length,
        };
        let available = (end - self.at).min((BLOCK_BYTES + FRAME_HEADER_BYTES) as u64) as usize;
        if available == 0 {
            return Ok(None);
        }
        self.buffer.resize(available, 0);
        self.input.read_exact_at(self.at, &mut self.buffer)?;
        let bytes = block_bytes(&self.buffer, end - self.at);
        self.at += bytes as u64;
        Ok(Some(&self.buffer[..bytes]))
    }
}

/// How many of these bytes are a block. `left`: how many could be one, from here to where it has to end.
fn block_bytes(bytes: &[u8], left: u64) -> usize {
    if left <= BLOCK_BYTES as u64 {
        return bytes.len();
    }
    let mut end = 0;
    while let Some(header) = bytes.get(end..).and_then(|bytes| bytes.first_chunk()) {
        let header = FrameHeader::from_bytes(header);
        let is_frame = header.kind != 0 && header.payload_bytes <= MAX_PAYLOAD_BYTES;
        let next = end + if is_frame { header.frame_bytes() } else { ALIGNMENT };
        if next > BLOCK_BYTES && end > 0 || next > bytes.len() {
            break;
        }
        end = next;
    }
    // A frame that claims to reach past the bytes that there are is none.
    if end > 0 { end } else { BLOCK_BYTES.min(bytes.len()) }
}

const _: () = assert!(FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES <= BLOCK_BYTES + FRAME_HEADER_BYTES);
