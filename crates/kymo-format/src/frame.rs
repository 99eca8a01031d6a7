//! Frames: the units in which a segment is written, checked and skipped.
//!
//! A frame is an 8-byte header and a payload, padded with zero bytes to a multiple of
//! [`ALIGNMENT`]. The header is the checksum (32 bits), the kind (8 bits) and the payload's length
//! in bytes (24 bits). The checksum is the CRC-32C of everything after it up to the end of the
//! payload, exclusive-or'ed with the segment's salt. So a frame of another segment that was logged
//! as data is never taken for one of this segment.

use crate::varint;
use crate::{ALIGNMENT, FRAME_HEADER_BYTES, MAX_PAYLOAD_BYTES};

/// What a frame holds. A reader skips kinds that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A call site, before its first record.
    CallSite = 1,
    /// A thread, before its first record.
    Thread = 2,
    /// Consecutive records of one thread.
    Records = 3,
    /// A block that is the last of a sweep: it ends with a watermark.
    LastRecords = 4,
    /// What the clock showed.
    Clock = 5,
    /// Records that were dropped.
    Drops = 6,
    /// A watermark: all records older than its ticks precede it.
    Watermark = 7,
    /// The totals of a thread that ended, or that the segment's end cut off.
    ThreadEnd = 8,
    /// The totals of a segment that was closed cleanly.
    End = 9,
    /// Where a reader can begin, by time.
    Index = 10,
    /// A fatal signal that the process received.
    Signal = 11,
    /// What a dump of the flight recorder wrote of a thread begins.
    Dump = 12,
    /// It ends.
    DumpEnd = 13,
    /// The wall clock has jumped.
    ClockSet = 14,
    /// The totals of the segments that the logger finished before this one.
    Continued = 15,
    /// Older segments of the log were deleted.
    Deleted = 16,
    /// A part of the index, while the segment is written.
    IndexPart = 17,
}

impl Kind {
    /// The kind with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::CallSite,
            2 => Self::Thread,
            3 => Self::Records,
            4 => Self::LastRecords,
            5 => Self::Clock,
            6 => Self::Drops,
            7 => Self::Watermark,
            8 => Self::ThreadEnd,
            9 => Self::End,
            10 => Self::Index,
            11 => Self::Signal,
            12 => Self::Dump,
            13 => Self::DumpEnd,
            14 => Self::ClockSet,
            15 => Self::Continued,
            16 => Self::Deleted,
            17 => Self::IndexPart,
            _ => return None,
        })
    }
}

/// Opens a frame at the end of `out`: leaves room for its header and returns where it begins.
#[inline]
pub fn begin(out: &mut Vec<u8>) -> usize {
    debug_assert_eq!(out.len() % ALIGNMENT, 0);
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    start
}

/// Closes the frame that begins at `start`: fills in its header and pads it.
///
/// # Panics
/// If the payload is longer than [`MAX_PAYLOAD_BYTES`], which no caller's limits allow.
pub fn finish(out: &mut Vec<u8>, start: usize, kind: Kind, salt: u32) {
    seal(&mut out[start..], kind, salt);
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
}

/// Fills in the header of a frame, given as header and payload.
///
/// # Panics
/// If the payload is longer than [`MAX_PAYLOAD_BYTES`], which no caller's limits allow.
pub fn seal(frame: &mut [u8], kind: Kind, salt: u32) {
    let payload = frame.len() - FRAME_HEADER_BYTES;
    assert!(payload <= MAX_PAYLOAD_BYTES, "a frame of {payload} bytes");
    let word = kind as u32 | (payload as u32) << 8;
    frame[4..8].copy_from_slice(&word.to_le_bytes());
    let checksum = checksum_of(frame, salt);
    frame[..4].copy_from_slice(&checksum.to_le_bytes());
}

/// A frame's header, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The checksum in the file.
    pub checksum: u32,
    /// The code of the kind, known to this version or not.
    pub kind: u8,
    /// The length of the payload in bytes.
    pub payload_bytes: usize,
}

impl FrameHeader {
    /// Decodes a header. Whether it makes sense is for [`checksum_of`] to say.
    pub fn from_bytes(bytes: &[u8; FRAME_HEADER_BYTES]) -> Self {
        let word = u64::from_le_bytes(*bytes);
        Self {
            checksum: word as u32,
            kind: (word >> 32) as u8,
            payload_bytes: (word >> 40) as usize,
        }
    }

    /// The length of the whole frame in bytes, padding included.
    pub fn frame_bytes(&self) -> usize {
        bytes_of(self.payload_bytes)
    }
}

/// The length of a frame in bytes, padding included, by that of its payload.
pub fn bytes_of(payload_bytes: usize) -> usize {
    (FRAME_HEADER_BYTES + payload_bytes).next_multiple_of(ALIGNMENT)
}

/// Returns the code of the kind and the payload of the frame at the beginning of `bytes`. `None` if no valid one is
/// there as a whole. Its padding may be missing.
pub fn valid_at_start(bytes: &[u8], salt: u32) -> Option<(u8, &[u8])> {
    let header = FrameHeader::from_bytes(bytes.first_chunk()?);
    if header.payload_bytes > MAX_PAYLOAD_BYTES {
        return None;
    }
    let frame = bytes.get(..FRAME_HEADER_BYTES + header.payload_bytes)?;
    let is_valid = checksum_of(frame, salt) == header.checksum;
    is_valid.then_some((header.kind, &frame[FRAME_HEADER_BYTES..]))
}

/// The checksum that a frame should bear. `frame` is its header and payload, without the padding.
pub fn checksum_of(frame: &[u8], salt: u32) -> u32 {
    crc32c::crc32c(&frame[4..]) ^ salt
}

/// Appends a string: its length in bytes, then the bytes.
pub fn put_str(out: &mut Vec<u8>, text: &str) {
    varint::put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// What the clock showed: the payload of a [`Kind::Clock`] frame, 48 bytes.
///
/// A record for which this frame counts was logged `time_ns + (((ticks - self.ticks) * rate) >>
/// 32)` nanoseconds after the epoch, in 128-bit signed arithmetic. Which frame counts for a record
/// is in `docs/format.md`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// The tick count.
    pub ticks: u64,
    /// The time that the reader is to take for `ticks`, in nanoseconds since the epoch. It follows
    /// the wall clock without jumping back when that was slewed.
    pub time_ns: i64,
    /// Nanoseconds per tick, times 2^32.
    pub rate: u64,
    /// What the wall clock showed, in nanoseconds since the epoch.
    pub wall_ns: i64,
    /// What the monotonic clock showed, in nanoseconds.
    pub monotonic_ns: u64,
    /// By how much `wall_ns` may be off at `ticks`: half the time that reading the clocks took, in
    /// nanoseconds.
    pub uncertainty_ns: u64,
}

impl Clock {
    /// The length of the payload in bytes.
    pub const BYTES: usize = 48;

    /// Appends the payload.
    pub fn put(&self, out: &mut Vec<u8>) {
        for word in [
            self.ticks,
            self.time_ns as u64,
            self.rate,
            self.wall_ns as u64,
            self.monotonic_ns,
            self.uncertainty_ns,
        ] {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// Decodes the payload; `None` if it is too short. A later version may append to it.
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        let mut words = payload
            .chunks_exact(8)
            .map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()));
        Some(Self {
            ticks: words.next()?,
            time_ns: words.next()? as i64,
            rate: words.next()?,
            wall_ns: words.next()? as i64,
            monotonic_ns: words.next()?,
            uncertainty_ns: words.next()?,
        })
    }

    /// Whether `ticks` are not before those of the frame, so that it may count for them.
    #[inline]
    pub fn holds_at(&self, ticks: u64) -> bool {
        ticks.wrapping_sub(self.ticks) as i64 >= 0
    }

    /// The time of `ticks` in nanoseconds since the epoch.
    #[inline]
    pub fn time_of(&self, ticks: u64) -> i64 {
        let elapsed = ticks.wrapping_sub(self.ticks) as i64;
        let elapsed_ns = (i128::from(elapsed) * i128::from(self.rate)) >> 32;
        self.time_ns.saturating_add(elapsed_ns.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }
}

/// The wall clock has jumped: the payload of a [`Kind::ClockSet`] frame, 24 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockSet {
    /// The tick count when that was noticed.
    pub ticks: u64,
    /// The time of `ticks`, in nanoseconds since the epoch.
    pub time_ns: i64,
    /// By how much the wall clock has jumped, in nanoseconds; less than 0 if it was set back.
    pub by_ns: i64,
}

impl ClockSet {
    /// Appends the payload.
    pub fn put(&self, out: &mut Vec<u8>) {
        for word in [self.ticks, self.time_ns as u64, self.by_ns as u64] {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// Decodes the payload; `None` if it is too short. A later version may append to it.
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        let mut words = payload.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
        Some(Self {
            ticks: words.next()?,
            time_ns: words.next()? as i64,
            by_ns: words.next()? as i64,
        })
    }
}
