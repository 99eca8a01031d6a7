//! The frames of a sweep before they go to the output.
//!
//! A buffer with room behind its end, so that a value of a few bytes is one store of eight and not
//! a call. `ensure` makes the room, and the rest of this module relies on it only so far that it
//! would panic, not write elsewhere.

use crate::format::frame::{self, Kind};
use crate::format::{ALIGNMENT, FRAME_HEADER_BYTES, varint};

/// The size of a buffer before it grows. (The models make one in each of their many runs.)
const FIRST_BYTES: usize = if cfg!(kymo_loom) { 4 << 10 } else { 256 << 10 };

/// Frames, the last of which may be under construction.
#[derive(Debug)]
pub(super) struct Staging {
    bytes: Vec<u8>,
    len: usize,
    salt: u32,
}

impl Staging {
    pub(super) fn new(salt: u32) -> Self {
        Self { bytes: vec![0; FIRST_BYTES], len: 0, salt }
    }

    pub(super) fn salt(&self) -> u32 {
        self.salt
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What was put here.
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Makes room for `bytes` bytes, put piece by piece.
    #[inline]
    pub(super) fn ensure(&mut self, bytes: usize) {
        /// A piece may store up to this many bytes more than it has.
        const SLACK: usize = 64;
        if self.bytes.len() - self.len < bytes + SLACK {
            self.grow(bytes + SLACK);
        }
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        let needed = (self.len + bytes).next_power_of_two();
        self.bytes.resize(needed, 0);
    }

    /// Makes room for `bytes` bytes, and has `fill` put something there.
    #[inline(always)]
    pub(super) fn fill<R>(
        &mut self,
        bytes: usize,
        fill: impl FnOnce(Room<'_>) -> (R, Room<'_>),
    ) -> R {
        self.ensure(bytes);
        let (result, Room { rest }) = fill(self.room());
        let left = rest.len();
        self.len = self.bytes.len() - left;
        result
    }

    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.room().put(bytes);
        self.len += bytes.len();
    }

    #[inline]
    pub(super) fn put_varint(&mut self, value: u64) {
        self.room().put_varint(value);
        self.len += varint::len(value);
    }

    #[inline(always)]
    fn room(&mut self) -> Room<'_> {
        Room { rest: &mut self.bytes[self.len..] }
    }

    /// Opens a frame, and makes room for `payload` bytes.
    pub(super) fn begin(&mut self, payload: usize) -> Frame {
        self.ensure(payload + FRAME_HEADER_BYTES + ALIGNMENT);
        let start = self.len;
        self.len += FRAME_HEADER_BYTES;
        Frame { start }
    }

    /// Closes a frame.
    pub(super) fn finish(&mut self, frame: Frame, kind: Kind) {
        frame::seal(&mut self.bytes[frame.start..self.len], kind, self.salt);
        let end = self.len.next_multiple_of(ALIGNMENT);
        self.bytes[self.len..end].fill(0);
        self.len = end;
    }

    /// Appends a frame whose payload `put` makes.
    pub(super) fn frame(&mut self, kind: Kind, put: impl FnOnce(&mut Vec<u8>)) {
        let mut payload = Vec::new();
        put(&mut payload);
        let frame = self.begin(payload.len());
        self.put(&payload);
        self.finish(frame, kind);
    }
}

/// Room that was made. A record is put here, and not into [`Staging`] itself, so that the place
/// stays in registers. Where there is too little of it, that is a panic.
pub(super) struct Room<'a> {
    rest: &'a mut [u8],
}

impl Room<'_> {
    #[inline(always)]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.rest[..bytes.len()].copy_from_slice(bytes);
        self.skip(bytes.len());
    }

    /// As `put`; better for what is mostly short.
    #[inline(always)]
    pub(super) fn put_text(&mut self, text: &[u8]) {
        match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
            (Some(first), Some(last)) if text.len() <= 16 => {
                let room = self.chunk::<16>();
                room[..8].copy_from_slice(first);
                room[text.len() - 8..text.len()].copy_from_slice(last);
                self.skip(text.len());
            }
            _ => self.put(text),
        }
    }

    #[inline(always)]
    pub(super) fn put_varint(&mut self, value: u64) {
        let len = varint::len(value);
        if len > 8 {
            return self.put_long_varint(value);
        }
        *self.chunk() = varint::word(value, len).to_le_bytes();
        self.skip(len);
    }

    #[inline(always)]
    fn put_long_varint(&mut self, value: u64) {
        let [first, word @ ..] = self.chunk::<9>();
        *first = 0;
        *word = value.to_le_bytes();
        self.skip(9);
    }

    #[inline(always)]
    fn chunk<const N: usize>(&mut self) -> &mut [u8; N] {
        self.rest.first_chunk_mut().expect("there is room")
    }

    #[inline(always)]
    fn skip(&mut self, bytes: usize) {
        self.rest = &mut std::mem::take(&mut self.rest)[bytes..];
    }
}

/// A frame under construction.
#[derive(Debug)]
#[must_use]
pub(super) struct Frame {
    start: usize,
}
