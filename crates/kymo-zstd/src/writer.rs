//! Writes a compressed segment.

use std::io::{self, Write};

use kymo_format::compressed;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use crate::aid;
use crate::cut::{Blocks, Outline};
use crate::input::ReadAt;
use crate::table::{self, CHECKSUM_OF_NOTHING, Entry, MAX_FRAMES, SKIPPABLE_HEADER_BYTES};

/// The level of compression unless another one is asked for.
pub const DEFAULT_LEVEL: i32 = 3;

/// The length of the checksum at the end of a zstd frame.
const CHECKSUM_BYTES: usize = 4;

/// Compresses the segment `input` to `output`. Returns the number of bytes written.
///
/// `go_on` is called after each block with the number of bytes that are done. If it returns false, the work ends with
/// an error of the kind [`Interrupted`](io::ErrorKind::Interrupted).
///
/// # Errors
/// If `input` is no segment ([`InvalidData`](io::ErrorKind::InvalidData)), or one of more than a tebibyte, and those
/// of `input` and `output`.
pub fn write(
    mut input: impl ReadAt,
    output: impl Write,
    level: i32,
    go_on: impl FnMut(u64) -> bool,
) -> io::Result<u64> {
    let outline = Outline::read(&mut input)?.ok_or(io::ErrorKind::InvalidData)?;
    write_outlined(&mut input, &outline, output, level, go_on)
}

pub(crate) fn write_outlined(
    input: &mut impl ReadAt,
    outline: &Outline,
    output: impl Write,
    level: i32,
    mut go_on: impl FnMut(u64) -> bool,
) -> io::Result<u64> {
    let mut writer = Writer::new(output, level)?;
    writer.put_header(&outline.header_copy)?;
    let mut blocks = Blocks::new(By(input), outline);
    let mut done = 0;
    while let Some(block) = blocks.next()? {
        writer.put_block(block)?;
        done += block.len() as u64;
        if !go_on(done) {
            return Err(io::ErrorKind::Interrupted.into());
        }
    }
    if let Some((_, frames)) = &outline.index
        && let Some(copies) = aid::copy(input, frames)?
    {
        writer.put_aid(&copies)?;
    }
    writer.finish()
}

/// Bytes that are borrowed.
struct By<'a, R>(&'a mut R);

impl<R: ReadAt> ReadAt for By<'_, R> {
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, into)
    }

    fn length(&mut self) -> io::Result<u64> {
        self.0.length()
    }
}

struct Writer<W> {
    output: W,
    zstd: Compressor<'static>,
    buffer: Vec<u8>,
    entries: Vec<Entry>,
    written: u64,
}

impl<W: Write> Writer<W> {
    fn new(output: W, level: i32) -> io::Result<Self> {
        let mut zstd = Compressor::new(level)?;
        zstd.set_parameter(CParameter::ChecksumFlag(true))?;
        zstd.set_parameter(CParameter::ContentSizeFlag(true))?;
        Ok(Self { output, zstd, buffer: Vec::new(), entries: Vec::new(), written: 0 })
    }

    fn put_header(&mut self, copy: &[u8]) -> io::Result<()> {
        let frame = [&compressed::START[..], copy].concat();
        self.put(&frame, 0, CHECKSUM_OF_NOTHING)
    }

    fn put_block(&mut self, content: &[u8]) -> io::Result<()> {
        let frame = self.compress(content)?;
        // zstd's own checksum of a frame is the one that the table has.
        let checksum = frame.last_chunk::<CHECKSUM_BYTES>().map_or(0, |it| u32::from_le_bytes(*it));
        self.put(&frame, content.len() as u32, checksum)?;
        self.buffer = frame;
        Ok(())
    }

    fn put_aid(&mut self, copies: &[u8]) -> io::Result<()> {
        let content = self.compress(copies)?;
        let mut frame = Vec::with_capacity(SKIPPABLE_HEADER_BYTES + content.len());
        frame.extend_from_slice(&aid::MAGIC.to_le_bytes());
        frame.extend_from_slice(&(content.len() as u32).to_le_bytes());
        frame.extend_from_slice(&content);
        self.put(&frame, 0, CHECKSUM_OF_NOTHING)
    }

    fn compress(&mut self, content: &[u8]) -> io::Result<Vec<u8>> {
        let mut frame = std::mem::take(&mut self.buffer);
        frame.clear();
        frame.reserve(zstd::zstd_safe::compress_bound(content.len()));
        self.zstd.compress_to_buffer(content, &mut frame)?;
        Ok(frame)
    }

    fn put(&mut self, frame: &[u8], decompressed: u32, checksum: u32) -> io::Result<()> {
        if self.entries.len() as u32 == MAX_FRAMES {
            let text = "a segment of more than a tebibyte is not compressed";
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        self.output.write_all(frame)?;
        self.written += frame.len() as u64;
        self.entries.push(Entry { compressed: frame.len() as u32, decompressed, checksum });
        Ok(())
    }

    fn finish(mut self) -> io::Result<u64> {
        let table = table::encode(&self.entries);
        self.output.write_all(&table)?;
        self.output.flush()?;
        Ok(self.written + table.len() as u64)
    }
}
