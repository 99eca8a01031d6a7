//! The seek table: where each frame of the file begins, and how long its content is.
//!
//! ```text
//! ┌──────────┬──────┬─ for each frame ──────────────────────┬────────┬────────────┬──────────┐
//! │ 184D2A5E │ size │ compressed │ decompressed │ checksum  │ frames │ descriptor │ 8F92EAB1 │
//! └──────────┴──────┴────────────┴──────────────┴───────────┴────────┴────────────┴──────────┘
//!   u32        u32    u32          u32            u32          u32      u8           u32
//! ```

use crate::error::Error;
use crate::input::ReadAt;
use crate::{MAX_BLOCK_BYTES, aid};

/// The magic number of the skippable frame that has the table.
const FRAME_MAGIC: u32 = 0x184D_2A5E;

/// The last four bytes of the file.
const MAGIC: u32 = 0x8F92_EAB1;

/// Magic number and length of a skippable frame.
pub const SKIPPABLE_HEADER_BYTES: usize = 8;

const FOOTER_BYTES: usize = 9;

/// The descriptor's bit that says that there are checksums.
const HAS_CHECKSUMS: u8 = 1 << 7;

/// Bits of the descriptor that must be zero.
const RESERVED: u8 = 0b0111_1100;

/// The most frames of a file that are read: a tebibyte of kymo's blocks.
pub const MAX_FRAMES: u32 = 1 << 20;

/// The checksum of no bytes: the lower half of XXH64 of nothing.
pub const CHECKSUM_OF_NOTHING: u32 = 0x51D8_E999;

/// What the table says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub compressed: u32,
    /// 0: a skippable frame.
    pub decompressed: u32,
    /// The lower half of the XXH64 of the content.
    pub checksum: u32,
}

/// A block: a zstd frame with content.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Where the frame begins in the file, and its length.
    pub at: u64,
    pub compressed: u32,
    /// Where its content begins in the segment, and its length.
    pub offset: u64,
    pub decompressed: u32,
    pub checksum: Option<u32>,
}

/// The blocks of a file.
#[derive(Debug, Default)]
pub struct Table {
    /// In their order, without gaps.
    pub blocks: Vec<Block>,
    /// The length of the segment.
    pub length: u64,
    /// Where the last frame before the table begins, and its length, if that has no content.
    pub aid: Option<(u64, u32)>,
}

/// The skippable frame with these entries.
pub fn encode(entries: &[Entry]) -> Vec<u8> {
    let payload = entries.len() * 12 + FOOTER_BYTES;
    let mut out = Vec::with_capacity(SKIPPABLE_HEADER_BYTES + payload);
    out.extend_from_slice(&FRAME_MAGIC.to_le_bytes());
    out.extend_from_slice(&(payload as u32).to_le_bytes());
    for entry in entries {
        out.extend_from_slice(&entry.compressed.to_le_bytes());
        out.extend_from_slice(&entry.decompressed.to_le_bytes());
        out.extend_from_slice(&entry.checksum.to_le_bytes());
    }
    out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    out.push(HAS_CHECKSUMS);
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out
}

impl Table {
    /// Reads the table at the end of a file. The frames that it names fill the file up to it.
    pub fn read(input: &mut impl ReadAt) -> Result<Self, Error> {
        let length = input.length()?;
        let Some(footer_at) = length.checked_sub(FOOTER_BYTES as u64) else {
            return Err(Error::NoSeekTable);
        };
        let mut footer = [0; FOOTER_BYTES];
        input.read_exact_at(footer_at, &mut footer)?;
        if u32_at(&footer, 5) != MAGIC {
            return Err(Error::NoSeekTable);
        }
        let (frames, descriptor) = (u32_at(&footer, 0), footer[4]);
        if descriptor & RESERVED != 0 {
            return Err(Error::SeekTable("it is of a later version"));
        }
        if frames > MAX_FRAMES {
            return Err(Error::SeekTable("it has more than 1,048,576 frames"));
        }
        let has_checksums = descriptor & HAS_CHECKSUMS != 0;
        let entry_bytes = if has_checksums { 12 } else { 8 };
        // At most 12 MiB, and not more than the file has.
        let bytes = SKIPPABLE_HEADER_BYTES + frames as usize * entry_bytes;
        let Some(at) = footer_at.checked_sub(bytes as u64) else {
            return Err(Error::SeekTable("it is longer than the file"));
        };
        let mut table = vec![0; bytes];
        input.read_exact_at(at, &mut table)?;
        let (header, entries) = table.split_at(SKIPPABLE_HEADER_BYTES);
        let payload = (entries.len() + FOOTER_BYTES) as u32;
        if (u32_at(header, 0), u32_at(header, 4)) != (FRAME_MAGIC, payload) {
            return Err(Error::SeekTable("its frame has another length"));
        }
        Self::from_entries(entries.chunks_exact(entry_bytes), at)
    }

    /// `end`: where the frames must end.
    fn from_entries<'t>(entries: impl Iterator<Item = &'t [u8]>, end: u64) -> Result<Self, Error> {
        let mut table = Self::default();
        let mut at = 0;
        for entry in entries {
            let (compressed, decompressed) = (u32_at(entry, 0), u32_at(entry, 4));
            if decompressed as usize > MAX_BLOCK_BYTES {
                return Err(Error::SeekTable("it has a block of more than 8 MiB"));
            }
            if compressed == 0 {
                return Err(Error::SeekTable("it has a frame of no bytes"));
            }
            table.aid = None;
            if decompressed == 0 {
                table.aid = Some((at, compressed)).filter(|_| compressed <= aid::MAX_FRAME_BYTES);
            } else if compressed as usize > zstd::zstd_safe::compress_bound(MAX_BLOCK_BYTES) {
                return Err(Error::SeekTable("it has a frame of more than 8 MiB"));
            } else {
                let checksum = (entry.len() == 12).then(|| u32_at(entry, 8));
                let offset = table.length;
                table.blocks.push(Block { at, compressed, offset, decompressed, checksum });
            }
            // Neither can overflow: there are 2^20 numbers of 32 bits.
            at += u64::from(compressed);
            table.length += u64::from(decompressed);
        }
        if at != end {
            return Err(Error::SeekTable("its frames do not fill the file"));
        }
        Ok(table)
    }

    /// The index of the block that has the byte at `offset`.
    pub fn find(&self, offset: u64) -> Option<usize> {
        if offset >= self.length {
            return None;
        }
        // The first begins at 0.
        Some(self.blocks.partition_point(|block| block.offset <= offset) - 1)
    }
}

/// The number at `at`, where there are four bytes.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(entries: &[Entry]) -> Vec<u8> {
        let frames: u32 = entries.iter().map(|entry| entry.compressed).sum();
        let mut file = vec![0; frames as usize];
        file.extend(encode(entries));
        file
    }

    fn entry(compressed: u32, decompressed: u32) -> Entry {
        Entry { compressed, decompressed, checksum: compressed ^ decompressed }
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let entries = [entry(200, 0), entry(50, 4096), entry(7, 1), entry(9, 30), entry(99, 0)];
        let file = file(&entries);
        let table = Table::read(&mut &file[..]).unwrap();
        assert_eq!(table.length, 4127);
        assert_eq!(table.aid, Some((266, 99)));
        let places: Vec<_> = table.blocks.iter().map(|it| (it.at, it.offset)).collect();
        assert_eq!(places, [(200, 0), (250, 4096), (257, 4097)]);
        let finds = [(0, Some(0)), (4095, Some(0)), (4096, Some(1)), (4126, Some(2)), (4127, None)];
        for (offset, block) in finds {
            assert_eq!(table.find(offset), block, "{offset}");
        }
    }

    #[test]
    fn a_table_that_lies_is_refused() {
        let problem = |entries: &[Entry]| match Table::read(&mut &file(entries)[..]) {
            Err(Error::SeekTable(problem)) => problem,
            other => panic!("{other:?}"),
        };
        assert_eq!(problem(&[entry(9, 8 << 20 | 1)]), "it has a block of more than 8 MiB");
        assert_eq!(problem(&[entry(9, 8), entry(0, 8)]), "it has a frame of no bytes");
        let mut bytes = file(&[entry(10, 10)]);
        bytes.insert(0, 0);
        assert!(matches!(Table::read(&mut &bytes[..]), Err(Error::SeekTable(_))));
        let mut bytes = file(&[entry(10, 10)]);
        let at = bytes.len() - FOOTER_BYTES;
        bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(Table::read(&mut &bytes[..]), Err(Error::SeekTable(_))));
        for len in 0..FOOTER_BYTES {
            assert!(matches!(Table::read(&mut &vec![7; len][..]), Err(Error::NoSeekTable)));
        }
    }
}
