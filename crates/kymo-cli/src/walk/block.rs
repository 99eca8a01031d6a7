//! The head of a block, and its watermark.

use kymo_format::frame::Kind;
use kymo_format::varint;

/// The fields of a block before its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHead {
    /// The number of the thread.
    pub thread: u64,
    /// How many of its records were written before.
    pub first: u64,
    /// The ticks that the first record's are relative to.
    pub base: u64,
    /// The length of these fields in bytes.
    pub bytes: usize,
    /// How many bytes of the payload follow the records: 4 if it closes a sweep.
    pub tail_bytes: usize,
    /// The watermark of a block that closes a sweep.
    pub watermark: Option<u64>,
}

impl BlockHead {
    /// Takes the head of a block of this kind; `None` if it breaks the format.
    pub fn parse(kind: u8, payload: &[u8]) -> Option<Self> {
        let (thread, thread_bytes) = varint::get(payload)?;
        let (first, first_bytes) = varint::get(&payload[thread_bytes..])?;
        let at = thread_bytes + first_bytes;
        let (base, records) = payload[at..].split_first_chunk()?;
        let base = u64::from_le_bytes(*base);
        let mut head = Self { thread, first, base, bytes: at + 8, tail_bytes: 0, watermark: None };
        if kind == Kind::LastRecords as u8 {
            let (_, watermark) = records.split_last_chunk()?;
            head.tail_bytes = watermark.len();
            head.watermark = Some(base.wrapping_add_signed(i32::from_le_bytes(*watermark).into()));
        }
        Some(head)
    }
}
