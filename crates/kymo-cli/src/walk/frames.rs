//! Reads the frames of a file in order.
//!
//! It does not look for the next frame after damage: the reader does that, and says where to continue.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use kymo_format::frame::{self, FrameHeader};
use kymo_reader::Bytes;

use kymo_format::{FRAME_HEADER_BYTES, HEADER_BYTES, MAX_PAYLOAD_BYTES};

/// A valid frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'f> {
    /// Where it begins in the file.
    pub offset: u64,
    /// The code of its kind, known to this version or not.
    pub kind: u8,
    pub payload: &'f [u8],
}

impl Frame<'_> {
    /// Where the payload begins in the file.
    pub fn payload_offset(&self) -> u64 {
        self.offset + FRAME_HEADER_BYTES as u64
    }
}

/// A position between two frames.
pub struct Frames {
    file: BufReader<Bytes>,
    salt: u32,
    /// Where the next frame begins.
    offset: u64,
    /// Where the current one begins.
    current: u64,
    /// Header and payload of the current frame.
    bytes: Vec<u8>,
}

impl Frames {
    /// A position before the first frame of `file`.
    pub fn new(file: Bytes, salt: u32) -> io::Result<Self> {
        let mut file = BufReader::new(file);
        let offset = HEADER_BYTES as u64;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { file, salt, offset, current: offset, bytes: Vec::new() })
    }

    /// Where the next frame begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on to the next frame; `false` where no valid one begins, and then stays there.
    pub fn advance(&mut self) -> io::Result<bool> {
        self.current = self.offset;
        self.bytes.clear();
        self.read(FRAME_HEADER_BYTES)?;
        let header = self.bytes.first_chunk().map(FrameHeader::from_bytes);
        let valid = match header {
            Some(header) if header.kind != 0 && header.payload_bytes <= MAX_PAYLOAD_BYTES => {
                self.read(header.payload_bytes)?;
                frame::valid_at_start(&self.bytes, self.salt).is_some()
            }
            _ => false,
        };
        if valid {
            let bytes = header.map_or(0, |header| header.frame_bytes());
            // At the end of a file the padding may be missing.
            self.file.seek_relative((bytes - self.bytes.len()) as i64)?;
            self.offset += bytes as u64;
        } else {
            self.file.seek_relative(-(self.bytes.len() as i64))?;
            self.bytes.clear();
        }
        Ok(valid)
    }

    /// The current frame: the one that [`Frames::advance`] went over.
    pub fn current(&self) -> Frame<'_> {
        let (kind, payload) = match self.bytes.get(FRAME_HEADER_BYTES..) {
            Some(payload) => (self.bytes[4], payload),
            None => (0, &[][..]),
        };
        Frame { offset: self.current, kind, payload }
    }

    /// Goes to `offset`, which is not before the next frame.
    pub fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        self.file.seek_relative(offset.saturating_sub(self.offset) as i64)?;
        self.offset = self.offset.max(offset);
        Ok(())
    }

    /// Appends as many bytes, or as many as there are.
    fn read(&mut self, bytes: usize) -> io::Result<()> {
        (&mut self.file).take(bytes as u64).read_to_end(&mut self.bytes).map(drop)
    }
}
