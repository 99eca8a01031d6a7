//! Reads a compressed segment at any place.

use std::io;

use zstd::bulk::Decompressor;
use zstd::zstd_safe;

use crate::aid::Aid;
use crate::error::Error;
use crate::input::ReadAt;
use crate::table::{Block, Table};

/// How many decompressed blocks are kept. A reader goes through a block, and looks at a frame elsewhere now and then.
const KEPT_BLOCKS: usize = 2;

/// A block of so many bytes is decompressed as soon as the copies of frames are: the index, say.
const SHORT_BYTES: u32 = 64 << 10;

/// A compressed segment, read at any place.
///
/// Holds two decompressed blocks, of at most 8 MiB each; of kymo's own files, a mebibyte each.
///
/// ```
/// use kymo_zstd::{DEFAULT_LEVEL, ReadAt, Seekable};
///
/// # let segment = kymo_format::header::Header::new(Default::default()).to_page();
/// let mut file = Vec::new();
/// kymo_zstd::write(&segment[..], &mut file, DEFAULT_LEVEL, |_done| true)?;
/// let mut reader = Seekable::open(&file[..])?;
/// assert_eq!(reader.len(), segment.len() as u64);
/// let mut word = [0; 8];
/// reader.read_at(1024, &mut word)?;
/// assert_eq!(word, segment[1024..1032]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Seekable<R> {
    input: R,
    table: Table,
    zstd: Decompressor<'static>,
    /// A compressed frame.
    frame: Vec<u8>,
    /// The number of each block and its content; the last used first.
    kept: Vec<(usize, Vec<u8>)>,
    /// Read when it is needed.
    aid: Option<Aid>,
    /// Where the last read ended, if that was in a block.
    sequential_from: Option<u64>,
    decompressed_blocks: u64,
    /// The block that was last found to be damaged, and what is wrong: a reader may go through it in small steps.
    damaged: Option<(usize, &'static str)>,
}

impl<R: ReadAt> Seekable<R> {
    /// Reads the seek table of a file.
    ///
    /// # Errors
    /// If it has none, or one that does not fit the file, or if reading fails.
    pub fn open(mut input: R) -> Result<Self, Error> {
        let table = Table::read(&mut input)?;
        let zstd = Decompressor::new()?;
        Ok(Self {
            input,
            table,
            zstd,
            frame: Vec::new(),
            kept: Vec::new(),
            aid: None,
            sequential_from: Some(0),
            decompressed_blocks: 0,
            damaged: None,
        })
    }

    /// The length of the segment in bytes, by the seek table.
    pub fn len(&self) -> u64 {
        self.table.length
    }

    /// Whether the segment has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many blocks were decompressed so far.
    pub fn decompressed_blocks(&self) -> u64 {
        self.decompressed_blocks
    }

    /// Reads bytes of the segment at `offset`, up to the end of a block; 0 past the end of the segment.
    ///
    /// # Errors
    /// If the block is damaged: [`Error::Block`] says which bytes are lost. Others can still be read. Or if reading
    /// fails.
    pub fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, Error> {
        let Some(number) = self.table.find(offset).filter(|_| !into.is_empty()) else {
            return Ok(0);
        };
        let block = self.table.blocks[number];
        let is_short = block.decompressed <= SHORT_BYTES;
        if !is_short && !self.is_kept(number) && self.sequential_from != Some(offset) {
            let (input, zstd) = (&mut self.input, &mut self.zstd);
            let place = self.table.aid;
            let read = || place.map(|place| Aid::read(input, place, zstd)).unwrap_or_default();
            if let Some(copy) = self.aid.get_or_insert_with(read).at(offset) {
                let read = copy.len().min(into.len());
                into[..read].copy_from_slice(&copy[..read]);
                self.sequential_from = None;
                return Ok(read);
            }
        }
        let content = self.block(number, block)?;
        let content = &content[(offset - block.offset) as usize..];
        let read = content.len().min(into.len());
        into[..read].copy_from_slice(&content[..read]);
        self.sequential_from = Some(offset + read as u64);
        Ok(read)
    }

    /// The copies of the frames that the index lists.
    #[cfg(unix)]
    pub(crate) fn aid(&mut self) -> Aid {
        let place = self.table.aid;
        place.map(|place| Aid::read(&mut self.input, place, &mut self.zstd)).unwrap_or_default()
    }

    fn is_kept(&self, number: usize) -> bool {
        self.kept.iter().any(|kept| kept.0 == number)
    }

    /// The content of a block.
    fn block(&mut self, number: usize, block: Block) -> Result<&[u8], Error> {
        match self.kept.iter().position(|kept| kept.0 == number) {
            Some(at) => self.kept[..=at].rotate_right(1),
            None => {
                let mut content = match self.kept.len() {
                    KEPT_BLOCKS => self.kept.pop().map(|kept| kept.1).unwrap_or_default(),
                    _ => Vec::new(),
                };
                if let Some((_, problem)) = self.damaged.filter(|damaged| damaged.0 == number) {
                    let Block { offset, decompressed, .. } = block;
                    return Err(Error::Block { offset, bytes: decompressed.into(), problem });
                }
                let read = self.read_block(block, &mut content);
                if let Err(Error::Block { problem, .. }) = read {
                    self.damaged = Some((number, problem));
                }
                read?;
                self.decompressed_blocks += 1;
                self.kept.insert(0, (number, content));
            }
        }
        Ok(&self.kept[0].1)
    }

    fn read_block(&mut self, block: Block, content: &mut Vec<u8>) -> Result<(), Error> {
        let Block { at, compressed, offset, decompressed, checksum } = block;
        let bytes = u64::from(decompressed);
        // Not more than the file has: the table was checked against its length.
        self.frame.resize(compressed as usize, 0);
        match self.input.read_exact_at(at, &mut self.frame) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Error::Block { offset, bytes, problem: "the file was cut" });
            }
            read => read?,
        }
        let decompressed = decompressed as usize;
        let done =
            decompress(&mut self.zstd, &self.frame, Some(decompressed), decompressed, content);
        let fail = |problem| Error::Block { offset, bytes, problem };
        match (done.map_err(fail)?, checksum) {
            (Some(found), Some(wanted)) if found != wanted => {
                Err(fail("its checksum is not that of the seek table"))
            }
            _ => Ok(()),
        }
    }
}

/// Decompresses the one frame that `frame` is. Its content has `exactly` so many bytes, or `most`. Returns the checksum
/// of the content, which is right, if the frame has one.
pub(crate) fn decompress(
    zstd: &mut Decompressor<'_>,
    frame: &[u8],
    exactly: Option<usize>,
    most: usize,
    content: &mut Vec<u8>,
) -> Result<Option<u32>, &'static str> {
    /// The bit of a frame's descriptor, its fifth byte, that says that a checksum is at its end.
    const HAS_CHECKSUM: u8 = 1 << 2;
    let Ok(Some(claimed)) = zstd_safe::get_frame_content_size(frame) else {
        return Err("it does not say how long its content is");
    };
    let claimed = usize::try_from(claimed).unwrap_or(usize::MAX);
    if claimed > most || exactly.is_some_and(|bytes| bytes != claimed) {
        return Err("its content has another length");
    }
    if zstd_safe::find_frame_compressed_size(frame) != Ok(frame.len()) {
        return Err("it is not one zstd frame");
    }
    content.clear();
    content.reserve_exact(claimed);
    let written = zstd.decompress_to_buffer(frame, content);
    if written.map_err(|_| "its bytes are damaged")? != claimed {
        return Err("its content has another length");
    }
    let has_checksum = frame.get(4).is_some_and(|descriptor| descriptor & HAS_CHECKSUM != 0);
    let checksum = frame.last_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    Ok(checksum.filter(|_| has_checksum))
}
