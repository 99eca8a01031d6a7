//! Writes a segment file frame by frame: what `kymo repair` and `kymo cut` share.
//!
//! In: frames, in their order. Out: a file with a header of its own, whose length is committed when it is
//! complete. It knows nothing of what the frames say.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Seek, SeekFrom, Write};

use kymo_format::frame::{self, Kind};
use kymo_format::header::{COMMITTED_OFFSET, Header, LAST_DUMP_OFFSET};
use kymo_format::{HEADER_BYTES, VERSION};

/// A segment file that is being written.
pub struct SegmentFile<W> {
    out: W,
    salt: u32,
    bytes: u64,
    frame: Vec<u8>,
}

impl<W: Write + Seek> SegmentFile<W> {
    /// Begins a file with a header like this one, but an identity and a salt of its own.
    pub fn begin(mut out: W, of: &Header) -> io::Result<Self> {
        // As the logger does: no secrets, but different each time.
        let random = || RandomState::new().build_hasher().finish();
        let mut segment = [0; 16];
        segment[..8].copy_from_slice(&random().to_le_bytes());
        segment[8..].copy_from_slice(&random().to_le_bytes());
        let salt = random() as u32;
        let header = Header { version: VERSION, salt, segment, ..of.clone() };
        out.write_all(&header.to_page())?;
        Ok(Self { out, salt, bytes: HEADER_BYTES as u64, frame: Vec::new() })
    }

    /// How many bytes were written: where the next frame begins.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends a frame.
    pub fn put(&mut self, kind: Kind, payload: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        self.frame.clear();
        let start = frame::begin(&mut self.frame);
        payload(&mut self.frame);
        frame::finish(&mut self.frame, start, kind, self.salt);
        self.bytes += self.frame.len() as u64;
        self.out.write_all(&self.frame)
    }

    /// Commits all that was written. `last_dump` is the offset of the last dump mark, 0 if there is none.
    pub fn commit(mut self, last_dump: u64) -> io::Result<()> {
        self.out.seek(SeekFrom::Start(COMMITTED_OFFSET as u64))?;
        self.out.write_all(&self.bytes.to_le_bytes())?;
        self.out.seek(SeekFrom::Start(LAST_DUMP_OFFSET as u64))?;
        self.out.write_all(&last_dump.to_le_bytes())?;
        self.out.flush()
    }
}
