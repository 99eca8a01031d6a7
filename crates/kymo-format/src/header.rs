//! The header page of a segment.
//!
//! All that is known when the segment is opened is in the page twice, at offset 0 and at offset
//! 2048. Each copy has a checksum of its own, so that no single flipped byte takes the file with
//! it. The committed length, the one number that changes while the file grows, has a cache line to
//! itself at [`COMMITTED_OFFSET`].

use crate::{HEADER_BYTES, MAGIC, VERSION};

/// Where the two copies of the header begin.
pub const COPY_OFFSETS: [usize; 2] = [0, 2048];

/// The length of one copy of the header in bytes, checksum included.
pub const COPY_BYTES: usize = 192;

/// The offset of the committed length: the number of bytes from the beginning of the file that are
/// complete.
pub const COMMITTED_OFFSET: usize = 1024;

/// The offset of the field with the offset of the last dump mark, which is 0 if there is none.
pub const LAST_DUMP_OFFSET: usize = 1088;

/// Where in the header the offset is of the dump mark that is being written, or was written last; 0
/// if there is none. It is stored before the mark is committed, the other one after that.
pub const NEXT_DUMP_OFFSET: usize = LAST_DUMP_OFFSET + 8;

/// Where in the header the offset is of the last [part of an index](crate::index::IndexPart) that is committed;
/// 0 if there is none.
pub const LAST_INDEX_OFFSET: usize = NEXT_DUMP_OFFSET + 8;

/// The longest host name that is kept, in bytes.
pub const MAX_HOST_BYTES: usize = 64;

/// Where a copy of the header says which run of a logger wrote it.
const RUN_OFFSET: usize = 130;

/// Where a copy of the header names the segment that a side file belongs to.
const SIDE_OF_OFFSET: usize = RUN_OFFSET + 2;

/// Where a copy of the header says which segment of a log this is.
const LOG_OFFSET: usize = SIDE_OF_OFFSET + 16;

/// How the tick counts of a segment were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum ClockSource {
    /// The processor's counter: `rdtsc`, `cntvct_el0`.
    #[default]
    Counter = 1,
    /// The operating system's monotonic clock, chosen, or taken because the counter could not be
    /// trusted.
    Monotonic = 2,
    /// A counter that the consumer reads now and then for everybody.
    Coarse = 3,
    /// A function of the program's own that returns nanoseconds since the epoch.
    Custom = 4,
}

impl ClockSource {
    /// The source with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Counter,
            2 => Self::Monotonic,
            3 => Self::Coarse,
            4 => Self::Custom,
            _ => return None,
        })
    }
}

/// Who wrote a segment, where and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The version of the format.
    pub version: u32,
    /// What the checksums of the frames are exclusive-or'ed with.
    pub salt: u32,
    /// The process that wrote it.
    pub process: u32,
    /// How its tick counts were made.
    pub clock: ClockSource,
    /// When it was opened, in nanoseconds since the epoch.
    pub opened_ns: i64,
    /// An identifier of the boot of the machine: 16 bytes, zero if there is none.
    pub boot: [u8; 16],
    /// A number that no other segment has.
    pub segment: [u8; 16],
    /// Of a side file: the number of the segment that it belongs to. Zeros in a log.
    pub side_of: [u8; 16],
    /// A number that all segments of a rotated log have, and no other file. Zeros where a log is one file.
    pub log: [u8; 16],
    /// Of a rotated log: the `segment` of the one before. Zeros in the first.
    pub previous: [u8; 16],
    /// Of a rotated log: the number of this segment, from 1. Each has one more than the one before.
    pub sequence: u64,
    /// Of a rotated log: a random number that all segments of one run of a logger have. So two runs are told apart
    /// whose processes have one number, as in containers. 0 in segments of earlier releases.
    pub run: u16,
    /// The name of the host.
    pub host: String,
}

impl Header {
    /// The header page, committed length included.
    pub fn to_page(&self) -> Vec<u8> {
        let mut copy = Vec::with_capacity(COPY_BYTES);
        copy.extend_from_slice(&MAGIC);
        copy.extend_from_slice(&self.version.to_le_bytes());
        copy.extend_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        copy.extend_from_slice(&self.salt.to_le_bytes());
        copy.extend_from_slice(&self.process.to_le_bytes());
        copy.extend_from_slice(&self.opened_ns.to_le_bytes());
        copy.extend_from_slice(&self.boot);
        copy.extend_from_slice(&self.segment);
        copy.push(self.clock as u8);
        let host = crate::boundary(&self.host, MAX_HOST_BYTES);
        copy.push(host as u8);
        copy.extend_from_slice(&self.host.as_bytes()[..host]);
        copy.resize(RUN_OFFSET, 0);
        copy.extend_from_slice(&self.run.to_le_bytes());
        copy.extend_from_slice(&self.side_of);
        copy.extend_from_slice(&self.log);
        copy.extend_from_slice(&self.previous);
        copy.extend_from_slice(&self.sequence.to_le_bytes());
        copy.resize(COPY_BYTES - 4, 0);
        copy.extend_from_slice(&crc32c::crc32c(&copy).to_le_bytes());

        let mut page = vec![0; HEADER_BYTES];
        for offset in COPY_OFFSETS {
            page[offset..offset + COPY_BYTES].copy_from_slice(&copy);
        }
        page[COMMITTED_OFFSET..COMMITTED_OFFSET + 8]
            .copy_from_slice(&(HEADER_BYTES as u64).to_le_bytes());
        page
    }

    /// Decodes one copy of the header; `None` if its magic, its checksum or a field is not
    /// right. The version is not looked at.
    pub fn from_copy(copy: &[u8]) -> Option<Self> {
        let copy: &[u8; COPY_BYTES] = copy.first_chunk()?;
        let (body, checksum) = copy.split_at(COPY_BYTES - 4);
        if copy[..8] != MAGIC || crc32c::crc32c(body).to_le_bytes() != checksum {
            return None;
        }
        let u32_at =
            |at: usize| u32::from_le_bytes(copy[at..at + 4].try_into().unwrap_or_default());
        let host_bytes = usize::from(copy[65]).min(MAX_HOST_BYTES);
        Some(Self {
            version: u32_at(8),
            salt: u32_at(16),
            process: u32_at(20),
            opened_ns: i64::from(u32_at(24)) | i64::from(u32_at(28)) << 32,
            boot: copy[32..48].try_into().ok()?,
            segment: copy[48..64].try_into().ok()?,
            side_of: copy[SIDE_OF_OFFSET..SIDE_OF_OFFSET + 16].try_into().ok()?,
            log: copy[LOG_OFFSET..LOG_OFFSET + 16].try_into().ok()?,
            previous: copy[LOG_OFFSET + 16..LOG_OFFSET + 32].try_into().ok()?,
            sequence: u64::from_le_bytes(copy[LOG_OFFSET + 32..LOG_OFFSET + 40].try_into().ok()?),
            run: u16::from_le_bytes(copy[RUN_OFFSET..RUN_OFFSET + 2].try_into().ok()?),
            // A source of a later version is a counter to this one: the clock frames say what it
            // counts.
            clock: ClockSource::from_code(copy[64]).unwrap_or_default(),
            host: String::from_utf8_lossy(&copy[66..66 + host_bytes]).into_owned(),
        })
    }

    /// A header of this version, for the writer to fill in.
    pub fn new(clock: ClockSource) -> Self {
        Self { version: VERSION, clock, ..Self::default() }
    }
}

const _: () = assert!(66 + MAX_HOST_BYTES <= RUN_OFFSET);
const _: () = assert!(LOG_OFFSET + 40 + 4 <= COPY_BYTES);
const _: () = assert!(COPY_OFFSETS[0] + COPY_BYTES <= COMMITTED_OFFSET);
const _: () = assert!(COMMITTED_OFFSET + 64 <= LAST_DUMP_OFFSET);
const _: () = assert!(LAST_DUMP_OFFSET + 64 <= COPY_OFFSETS[1]);
const _: () = assert!(COPY_OFFSETS[1] + COPY_BYTES <= HEADER_BYTES);
