//! The frames of a sweep before they go to the output.
//!
//! The buffer has room past its end, so that a value of a few bytes is one store of eight and not a
//! call. `ensure` makes the room. If it did not, the rest of this module would panic, and not write
//! elsewhere.

use crate::format::frame::{self, Kind};
use crate::format::{ALIGNMENT, FRAME_HEADER_BYTES, varint};
use crate::segment::writer::clocks::Clocks;

/// The size of a buffer before it grows. (The models make one in each of their many runs.)
const FIRST_BYTES: usize = if cfg!(kymo_loom) { 4 << 10 } else { 256 << 10 };

/// A piece may be stored with up to this many bytes past its own.
const SLACK: usize = 64;

/// Frames. The last one may be under construction.
#[derive(Debug)]
pub(crate) struct Staging {
    bytes: Vec<u8>,
    len: usize,
    salt: u32,
    pub(crate) clocks: Clocks,
}

impl Staging {
    pub(crate) fn new(salt: u32) -> Self {
        Self { bytes: vec![0; FIRST_BYTES], len: 0, salt, clocks: Clocks::default() }
    }

    pub(crate) fn salt(&self) -> u32 {
        self.salt
    }

    /// Begins another segment. (Its clock frames are the ones in force before.)
    pub(crate) fn begin_segment(&mut self, salt: u32) {
        (self.salt, self.len) = (salt, 0);
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The staged bytes.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Makes room for `bytes` bytes, which are put piece by piece.
    #[inline]
    pub(crate) fn ensure(&mut self, bytes: usize) {
        if self.bytes.len() - self.len < bytes + SLACK {
            self.grow(bytes + SLACK);
        }
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        let needed = (self.len + bytes).next_power_of_two();
        self.bytes.resize(needed, 0);
    }

    /// Makes room for `bytes` bytes. What is put there counts when the room is
    /// [`done`](Room::done).
    #[inline(always)]
    pub(crate) fn room(&mut self, bytes: usize) -> Room<'_> {
        self.ensure(bytes);
        let start = self.bytes.as_mut_ptr();
        // `ensure` has made at least `bytes` before the slack.
        let limit = self.bytes.len() - SLACK;
        Room { at: start.wrapping_add(self.len), limit: start.wrapping_add(limit), staging: self }
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let mut room = self.room(bytes.len());
        room.put(bytes);
        room.done();
    }

    #[inline]
    pub(crate) fn put_varint(&mut self, value: u64) {
        let mut room = self.room(varint::MAX_BYTES);
        room.put_varint(value);
        room.done();
    }

    /// Opens a frame, and makes room for `payload` bytes.
    pub(crate) fn begin(&mut self, payload: usize) -> Frame {
        self.ensure(payload + FRAME_HEADER_BYTES + ALIGNMENT);
        let start = self.len;
        self.len += FRAME_HEADER_BYTES;
        Frame { start }
    }

    /// Closes a frame.
    pub(crate) fn finish(&mut self, frame: Frame, kind: Kind) {
        frame::seal(&mut self.bytes[frame.start..self.len], kind, self.salt);
        let end = self.len.next_multiple_of(ALIGNMENT);
        self.bytes[self.len..end].fill(0);
        self.len = end;
    }

    /// Appends a frame whose payload `put` makes.
    pub(crate) fn frame(&mut self, kind: Kind, put: impl FnOnce(&mut Vec<u8>)) {
        let mut payload = Vec::new();
        put(&mut payload);
        let frame = self.begin(payload.len());
        self.put(&payload);
        self.finish(frame, kind);
    }
}

/// Room in the staging. A record is put here, and not into [`Staging`] itself, so that the position
/// stays in registers. Too little room is a panic.
///
/// INV-1: The buffer of `staging` ends [`SLACK`] bytes past `limit`, and `at` is not past that end.
/// The borrow of `staging` keeps all others away from the bytes from `at` on.
#[must_use = "what was put there counts when it is done"]
pub(crate) struct Room<'a> {
    at: *mut u8,
    limit: *mut u8,
    staging: &'a mut Staging,
}

impl Room<'_> {
    /// Makes what was put here a part of the frame.
    #[inline(always)]
    pub(crate) fn done(self) {
        self.staging.len = self.at.addr() - self.staging.bytes.as_ptr().addr();
    }

    #[inline(always)]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let room = (self.limit.addr() + SLACK).wrapping_sub(self.at.addr());
        assert!(bytes.len() <= room, "there is room");
        // SAFETY: `bytes.len()` bytes at `at` are in the buffer, as asserted, and this room's alone
        // (INV-1).
        unsafe { self.at.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        self.at = self.at.wrapping_add(bytes.len());
    }

    /// Puts bytes as `put` does. Faster for mostly short ones.
    #[inline(always)]
    pub(crate) fn put_text(&mut self, text: &[u8]) {
        match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
            (Some(first), Some(last)) if text.len() <= 16 => {
                let room = self.chunk::<16>();
                room[..8].copy_from_slice(first);
                room[text.len() - 8..text.len()].copy_from_slice(last);
                self.at = self.at.wrapping_add(text.len());
            }
            _ => self.put(text),
        }
    }

    #[inline(always)]
    pub(crate) fn put_varint(&mut self, value: u64) {
        let len = varint::len(value);
        let room = self.chunk::<9>();
        if len > 8 {
            room[0] = 0;
            room[1..].copy_from_slice(&value.to_le_bytes());
        } else {
            room[..8].copy_from_slice(&varint::word(value, len).to_le_bytes());
        }
        self.at = self.at.wrapping_add(len);
    }

    /// Returns the next `N` bytes. The caller moves `at` by at most `N` after this.
    #[inline(always)]
    fn chunk<const N: usize>(&mut self) -> &mut [u8; N] {
        const { assert!(N <= SLACK) };
        assert!(self.at <= self.limit, "there is room");
        // SAFETY: `at` is not past `limit`, so `SLACK` bytes there are in the buffer, and this
        // room's alone (INV-1).
        unsafe { &mut *self.at.cast() }
    }
}

/// A frame under construction.
#[derive(Debug)]
#[must_use]
pub(crate) struct Frame {
    start: usize,
}
