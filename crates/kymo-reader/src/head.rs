//! Reads the header page: chooses a valid copy, or derives a header if neither is.

use super::error::Error;
use super::report::HeaderState;
use super::source::Source;
use kymo_format::frame::{self, FrameHeader, Kind};
use kymo_format::header::{
    COMMITTED_OFFSET, COPY_BYTES, COPY_OFFSETS, ClockSource, Header, LAST_DUMP_OFFSET,
    LAST_INDEX_OFFSET, NEXT_DUMP_OFFSET,
};
use kymo_format::{ALIGNMENT, FRAME_HEADER_BYTES, HEADER_BYTES, MAGIC, MAX_PAYLOAD_BYTES, VERSION};

/// If no header is valid, two consecutive frames are looked for in this many bytes after its page.
const SEARCH_BYTES: usize = 64 * 1024;

/// That search computes the CRC of no more than this many bytes.
const SEARCH_CRC_BYTES: usize = 64 << 20;

/// The content of the header page.
pub(super) struct Head {
    pub(super) header: Header,
    pub(super) state: HeaderState,
    pub(super) committed: u64,
    /// Candidates for the offset of the last dump mark, by the page: the first at which there is one
    /// counts. 0 if there is none.
    pub(super) last_dumps: [u64; 2],
    /// Where the last part of an index begins, by the page; 0 if there is none.
    pub(super) last_index: u64,
}

/// Reads the header page and moves the source past it. If `live`, nothing else is read, because
/// uncommitted bytes still change.
pub(super) fn read(source: &mut Source<'_>, live: bool) -> Result<Head, Error> {
    if live {
        source.set_limit(HEADER_BYTES as u64);
    }
    fill(source, HEADER_BYTES)?;
    let window = source.window();
    let page = &window[..window.len().min(HEADER_BYTES)];
    let mut copies = COPY_OFFSETS.into_iter().map(|at| page.get(at..).and_then(Header::from_copy));
    let (first, second) = (copies.next().flatten(), copies.next().flatten());
    let damaged_second = second.is_none() && page.len() >= COPY_OFFSETS[1] + COPY_BYTES;
    let (header, state) = match (first, second) {
        (Some(header), _) if damaged_second => (header, HeaderState::SecondDamaged),
        (Some(header), _) => (header, HeaderState::Good),
        (None, Some(header)) => (header, HeaderState::FirstDamaged),
        (None, None) => {
            if live {
                source.set_limit(committed_length(page));
            }
            (recover(source)?, HeaderState::Recovered)
        }
    };
    if header.version > VERSION {
        return Err(Error::UnsupportedVersion { found: header.version, supported: VERSION });
    }
    let window = source.window();
    let committed = committed_length(window);
    // The first may not have been committed, the second be older than one that was.
    let word = |at: usize| {
        let word = window.get(at..).and_then(|bytes| bytes.first_chunk());
        word.map_or(0, |word| u64::from_le_bytes(*word))
    };
    let last_dumps = [NEXT_DUMP_OFFSET, LAST_DUMP_OFFSET].map(word);
    let last_index = word(LAST_INDEX_OFFSET);
    source.advance(window.len().min(HEADER_BYTES));
    Ok(Head { header, state, committed, last_dumps, last_index })
}

/// The committed length, where the file is long enough to say.
fn committed_length(page: &[u8]) -> u64 {
    let word = page.get(COMMITTED_OFFSET..).and_then(|bytes| bytes.first_chunk());
    word.map_or(HEADER_BYTES as u64, |word| u64::from_le_bytes(*word))
}

fn fill(source: &mut Source<'_>, len: usize) -> Result<(), Error> {
    source.fill(len).map_err(|error| Error::Io { offset: source.offset(), error })
}

/// Makes up a header for a file in which neither copy is right: the salt is what turns the CRC of
/// two consecutive frames into their checksums.
fn recover(source: &mut Source<'_>) -> Result<Header, Error> {
    let bytes = source.window();
    let page = &bytes[..bytes.len().min(HEADER_BYTES)];
    if page.is_empty() {
        return Err(Error::Empty);
    }
    let magic = &MAGIC[..MAGIC.len().min(page.len())];
    let unwritten = page.iter().all(|&byte| byte == 0);
    if page.len() < HEADER_BYTES && (page.starts_with(magic) || unwritten) {
        return Err(Error::Incomplete { offset: page.len() as u64 });
    }
    fill(source, HEADER_BYTES + SEARCH_BYTES + 2 * (FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES))?;
    let frames = source.window().get(HEADER_BYTES..).unwrap_or_default();
    match find_salt(frames) {
        Some(salt) => Ok(Header { salt, ..Header::new(ClockSource::Counter) }),
        None if unwritten => Err(Error::Incomplete { offset: 0 }),
        None => Err(Error::Foreign),
    }
}

/// The salt of the first two consecutive frames that agree on one.
fn find_salt(bytes: &[u8]) -> Option<u32> {
    let mut spent = 0;
    for offset in (0..bytes.len().min(SEARCH_BYTES)).step_by(ALIGNMENT) {
        let Some((first, len)) = claimed_frame(&bytes[offset..]) else { continue };
        let Some((second, _)) = bytes.get(offset + len..).and_then(claimed_frame) else {
            continue;
        };
        let salts = [first, second].map(|frame| {
            let checksum = frame.first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
            frame::checksum_of(frame, checksum)
        });
        if salts[0] == salts[1] {
            return Some(salts[0]);
        }
        spent += first.len() + second.len();
        if spent > SEARCH_CRC_BYTES {
            return None;
        }
    }
    None
}

/// What may be a frame at the beginning of `bytes`, and its length with padding.
fn claimed_frame(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let header = FrameHeader::from_bytes(bytes.first_chunk()?);
    Kind::from_code(header.kind)?;
    let frame = bytes.get(..FRAME_HEADER_BYTES + header.payload_bytes)?;
    let plausible = (1..=MAX_PAYLOAD_BYTES).contains(&header.payload_bytes);
    plausible.then_some((frame, header.frame_bytes()))
}
