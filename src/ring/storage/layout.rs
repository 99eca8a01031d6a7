//! The header page of a ring: its identity, in two copies with checksums, and where producer and
//! consumer are.
//!
//! The specification is `docs/format.md`, "Ring files".

use std::mem::offset_of;

use crate::format::boundary;
use crate::format::frame;
use crate::format::header::ClockSource;
use crate::ring::WORD_BYTES;
use crate::sync::atomic::AtomicU64;

/// The version of the layout.
pub const VERSION: u32 = 1;

/// The first bytes of a ring file.
pub const MAGIC: [u8; 8] = *b"\x89KYMR\r\n\x1a";

/// The length of the header page in bytes.
pub const HEADER_BYTES: usize = 4096;

/// Where the two copies of the identity begin.
pub const COPY_OFFSETS: [usize; 2] = [0, 2048];

/// The length of one copy in bytes, checksum included.
pub const COPY_BYTES: usize = 256;

/// The offset of [`RingHeader`].
pub const SHARED_OFFSET: usize = 1024;

/// The number of blocks of a ring. (The rings of models are too small for sixteen.)
pub const BLOCKS: u64 = if cfg!(kymo_loom) { 4 } else { 16 };

/// The most words that a ring may have: 4 GiB.
pub const MAX_CAPACITY_WORDS: u64 = 1 << 29;

/// The longest thread name that is kept, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// What becomes of the oldest records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum RingMode {
    /// They stay until they are consumed.
    #[default]
    Bounded = 1,
    /// They are overwritten.
    Overwriting = 2,
}

/// The purpose of a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// Its records are on their way to the log.
    #[default]
    Log = 1,
    /// A flight recorder: its records reach the log only when something asks for them.
    FlightRecorder = 2,
}

/// The identity of a ring. Written once, before the first record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RingIdentity {
    /// The capacity in words: a power of two, and at least [`BLOCKS`].
    pub capacity_words: u64,
    /// What becomes of the oldest records.
    pub mode: RingMode,
    /// What the ring is for.
    pub purpose: Purpose,
    /// The source of the ticks.
    pub clock_source: ClockSource,
    /// How ticks become time, as known when the ring was made.
    pub clock: frame::Clock,
    /// The process id.
    pub process: u32,
    /// When the process was started, in the system's clock ticks since the machine was
    /// (`/proc/PID/stat`, field 22). With the boot id, it tells the process from a later one with
    /// the same id.
    pub process_start: u64,
    /// The boot id of the machine; zero if there is none.
    pub boot: [u8; 16],
    /// The id of the logger: that of its file of call sites.
    pub logger: [u8; 16],
    /// The operating system's id of the thread.
    pub thread_os_id: u64,
    /// The thread's name, cut at [`MAX_NAME_BYTES`].
    pub thread_name: String,
}

/// The tail that is stored for a position.
#[inline(always)]
pub fn tail_at(position: u64) -> u64 {
    position * WORD_BYTES as u64
}

/// The position of a stored tail. If that is no multiple of a word's length, the result is greater
/// than any position.
#[inline(always)]
pub fn position_of(tail: u64) -> u64 {
    tail.rotate_right(WORD_BYTES.trailing_zeros())
}

impl RingIdentity {
    /// The length of a block in words. The overwriting mode reserves a block at a time.
    pub fn block_words(&self) -> u64 {
        self.capacity_words / BLOCKS
    }

    /// Encodes one copy, as it is in a ring file.
    pub fn to_copy(&self) -> [u8; COPY_BYTES] {
        let mut copy = Vec::with_capacity(COPY_BYTES);
        copy.extend_from_slice(&MAGIC);
        copy.extend_from_slice(&VERSION.to_le_bytes());
        copy.extend_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        copy.extend_from_slice(&self.capacity_words.to_le_bytes());
        copy.extend_from_slice(&self.block_words().to_le_bytes());
        let name = &self.thread_name;
        let name = &name.as_bytes()[..boundary(name, MAX_NAME_BYTES)];
        copy.extend([self.mode as u8, self.clock_source as u8, self.purpose as u8]);
        copy.push(name.len() as u8);
        copy.extend_from_slice(&self.process.to_le_bytes());
        copy.extend_from_slice(&self.process_start.to_le_bytes());
        copy.extend_from_slice(&self.boot);
        copy.extend_from_slice(&self.logger);
        copy.extend_from_slice(&self.thread_os_id.to_le_bytes());
        self.clock.put(&mut copy);
        copy.extend_from_slice(name);
        copy.resize(COPY_BYTES - 4, 0);
        copy.extend_from_slice(&crc32c::crc32c(&copy).to_le_bytes());
        copy.try_into().unwrap_or([0; COPY_BYTES])
    }

    /// Decodes one copy.
    ///
    /// # Errors
    ///
    /// [`CopyError`], also if magic and checksum are right and a field is not.
    pub fn from_copy(copy: &[u8; COPY_BYTES]) -> Result<Self, CopyError> {
        let (body, checksum) = copy.split_at(COPY_BYTES - 4);
        if copy[..8] != MAGIC || crc32c::crc32c(body).to_le_bytes() != checksum {
            return Err(CopyError::Damaged);
        }
        let version = u32_at(copy, 8);
        if version != VERSION {
            return Err(CopyError::Version(version));
        }
        let mode = match copy[32] {
            1 => RingMode::Bounded,
            2 => RingMode::Overwriting,
            _ => return Err(CopyError::Damaged),
        };
        let purpose = match copy[34] {
            1 => Purpose::Log,
            2 => Purpose::FlightRecorder,
            _ => return Err(CopyError::Damaged),
        };
        let name_bytes = usize::from(copy[35]).min(MAX_NAME_BYTES);
        let identity = Self {
            capacity_words: u64_at(copy, 16),
            mode,
            purpose,
            clock_source: ClockSource::from_code(copy[33]).unwrap_or_default(),
            clock: frame::Clock::from_payload(&copy[CLOCK_OFFSET..NAME_OFFSET])
                .ok_or(CopyError::Damaged)?,
            process: u32_at(copy, 36),
            process_start: u64_at(copy, 40),
            boot: bytes_at(copy, 48),
            logger: bytes_at(copy, 64),
            thread_os_id: u64_at(copy, 80),
            thread_name: String::from_utf8_lossy(&copy[NAME_OFFSET..][..name_bytes]).into_owned(),
        };
        let capacity = identity.capacity_words;
        let sound = capacity.is_power_of_two()
            && (BLOCKS..=MAX_CAPACITY_WORDS).contains(&capacity)
            && u64_at(copy, 24) == identity.block_words()
            && u32_at(copy, 12) == HEADER_BYTES as u32;
        if sound { Ok(identity) } else { Err(CopyError::Damaged) }
    }
}

const CLOCK_OFFSET: usize = 88;
const NAME_OFFSET: usize = CLOCK_OFFSET + 48;
const _: () = assert!(NAME_OFFSET + MAX_NAME_BYTES + 4 <= COPY_BYTES);

/// Why a copy of the identity cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyError {
    /// Magic, checksum or a field is wrong.
    Damaged,
    /// The copy is whole, and of a version that this release does not know.
    Version(u32),
}

/// The part of the header that changes while the ring is used. In a file it is at
/// [`SHARED_OFFSET`]. It is all zero when the ring is made.
///
/// The producer's fields and the consumer's are at least two cache lines apart, because processors
/// fetch lines in pairs.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct RingHeader {
    /// Records before this are published. In bytes: a position times [`WORD_BYTES`]. The producer
    /// has an address, and dividing it would cost one more instruction in each log call. (A bounded
    /// ring on the heap has the address itself here: see `bounded`.)
    pub tail: AtomicU64,
    /// Overwriting mode: no word at or past this position has been written (INV-R3).
    pub reserved: AtomicU64,
    /// Not zero when the producer has ended.
    pub ended: AtomicU64,
    pub(crate) padding: [u64; 13],
    /// Overwriting mode: where the first record of each block begins (INV-R4).
    pub index: [IndexEntry; BLOCKS as usize],
    /// What the consumer stores.
    pub consumer: Consuming,
}

/// The consumer's part of [`RingHeader`].
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Consuming {
    /// Words before this position are the producer's again.
    pub head: AtomicU64,
    /// Not zero when the consumer has ended.
    pub ended: AtomicU64,
    pub(crate) padding: [u64; 14],
    /// How much of the ring is in the log. The two are written in turn.
    pub accounts: [StoredAccount; 2],
}

/// The first record of a block.
#[derive(Debug)]
#[repr(C)]
pub struct IndexEntry {
    /// The record's position.
    pub position: AtomicU64,
    /// How many records were logged before it.
    pub records: AtomicU64,
}

/// An account as it is in the memory.
#[derive(Debug)]
#[repr(C)]
pub struct StoredAccount {
    /// The fields of [`RingAccount`], and its checksum.
    pub words: [AtomicU64; 5],
}

/// An account of the consumer's work. Once the segment's committed length is at least `committed`,
/// the ring's records before `position` are in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingAccount {
    /// The position.
    pub position: u64,
    /// How many records were logged before that position.
    pub records: u64,
    /// The segment: see [`LogMark`](crate::ring::storage::LogMark).
    pub segment: u64,
    /// The committed length of the segment from which on the account holds.
    pub committed: u64,
}

impl RingAccount {
    /// Encodes the account for the memory.
    pub fn to_words(self) -> [u64; 5] {
        let fields = [self.position, self.records, self.segment, self.committed];
        [fields[0], fields[1], fields[2], fields[3], checksum(fields)]
    }

    /// Decodes an account. `None` if the checksum is wrong: it was never written, or not
    /// completely.
    pub fn from_words([position, records, segment, committed, sum]: [u64; 5]) -> Option<Self> {
        let right = checksum([position, records, segment, committed]) == sum;
        right.then_some(Self { position, records, segment, committed })
    }
}

/// Returns the checksum. Bit 32 is always set, so that zeros are no account.
fn checksum(fields: [u64; 4]) -> u64 {
    let sum = fields.iter().fold(0, |sum, field| crc32c::crc32c_append(sum, &field.to_le_bytes()));
    1 << 32 | u64::from(sum)
}

/// The offset in a file of the account with this index.
pub fn account_offset(index: usize) -> usize {
    SHARED_OFFSET
        + offset_of!(RingHeader, consumer)
        + offset_of!(Consuming, accounts)
        + index * size_of::<StoredAccount>()
}

/// The offset in a file of an entry of the index.
pub fn entry_offset(block: usize) -> usize {
    SHARED_OFFSET + offset_of!(RingHeader, index) + block * size_of::<IndexEntry>()
}

#[cfg(not(kymo_loom))]
const _: () = {
    assert!(offset_of!(RingHeader, tail) == 0);
    assert!(offset_of!(RingHeader, reserved) == 8);
    assert!(offset_of!(RingHeader, ended) == 16);
    assert!(offset_of!(RingHeader, index) == 128);
    assert!(offset_of!(RingHeader, consumer) == 384);
    assert!(offset_of!(Consuming, ended) == 8);
    assert!(offset_of!(Consuming, accounts) == 128);
    assert!(size_of::<StoredAccount>() == 40);
    assert!(COPY_OFFSETS[0] + COPY_BYTES <= SHARED_OFFSET);
    assert!(SHARED_OFFSET + size_of::<RingHeader>() <= COPY_OFFSETS[1]);
    assert!(COPY_OFFSETS[1] + COPY_BYTES <= HEADER_BYTES);
};

/// Returns the number at this offset.
///
/// # Panics
///
/// If there are fewer than eight bytes.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(bytes, at))
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}
