//! The part of a segment's file that is mapped to be written, and where the next byte goes.
//!
//! In: bytes, for which there is room. Out: pages that are ready before they are written.
//!
//! Pages ahead of the writing position are populated in steps (`MADV_POPULATE_WRITE`), which costs
//! less than a page fault for each. A program that logs much gets large pages, which cost a third
//! of that.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use crate::segment::guard::Mapping;

/// How many bytes past the writing position are populated.
const POPULATE_BYTES: usize = 256 << 10;

/// If [`POPULATE_BYTES`] are filled in less than this, the following pages may be large ones: they
/// are full before the system writes them to the disk. For a program that logs less, the system
/// would write megabytes for each few bytes.
const LARGE_PAGES_WITHIN: Duration = Duration::from_millis(100);

/// How many bytes one such decision covers: some large pages.
const LARGE_PAGES_BYTES: usize = 8 << 20;

/// The size of a large page. The end of these bytes is a multiple of it.
const LARGE_PAGE_BYTES: usize = 2 << 20;

/// The mapped part of a file that is being written.
#[derive(Debug)]
pub(super) struct Window {
    map: Mapping,
    /// The window's offset in the file.
    offset: u64,
    /// Where in the window the next byte goes.
    position: usize,
    /// How many of its bytes were populated.
    populated: usize,
    /// When pages were populated last.
    populated_at: Option<Instant>,
    /// Up to where the kernel was told to take large pages.
    large_pages_end: usize,
}

impl Window {
    /// Maps the file from `offset` to `end`, to be written from `position` in it.
    pub(super) fn map(file: &File, offset: u64, end: u64, position: usize) -> io::Result<Self> {
        let map = Mapping::new(file, offset, (end - offset) as usize)?;
        Ok(Self { map, offset, position, populated: 0, populated_at: None, large_pages_end: 0 })
    }

    /// Where in the file the next byte goes.
    pub(super) fn len(&self) -> u64 {
        self.offset + self.position as u64
    }

    /// The offset in the file at which the window ends.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.map.len() as u64
    }

    /// How many bytes can be written.
    pub(super) fn room(&self) -> usize {
        self.map.len() - self.position
    }

    /// Writes `bytes`, for which there must be room.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.room());
        let end = self.position + bytes.len();
        if end > self.populated {
            self.populate(end);
        }
        let to = self.map.as_mut_ptr().wrapping_add(self.position);
        // SAFETY: the assertion: the target is within the mapping, which is writable, allocated
        // (INV-1 of `mapped`) or replaced when it is cut, and not Rust memory that `bytes` might overlap.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        self.position = end;
    }

    /// Whether something that was written here did not get into the file.
    pub(super) fn is_cut(&self) -> bool {
        self.map.is_cut()
    }

    /// Goes back to `len` in the file, if that is in this window. If the window has moved on since, what is past `len`
    /// stays.
    pub(super) fn rewind(&mut self, len: u64) {
        let Some(position) = len.checked_sub(self.offset) else { return };
        self.position = position as usize;
        // Frames that were written there must not be read after those that will be.
        let stale = self.populated.max(self.position) - self.position;
        let from = self.map.as_mut_ptr().wrapping_add(self.position);
        // SAFETY: from the position to what is populated, all of it within the mapping, as in
        // `write`.
        unsafe { from.write_bytes(0, stale) };
    }

    /// Populates the pages up to `end`, and some more.
    pub(super) fn populate(&mut self, end: usize) {
        let target = (end + POPULATE_BYTES).min(self.map.len());
        let now = Instant::now();
        let last = self.populated_at.replace(now);
        let is_fast = last.is_some_and(|last| now - last < LARGE_PAGES_WITHIN);
        if is_fast && target > self.large_pages_end {
            let from = self.populated.max(self.large_pages_end);
            let start = self.map.as_mut_ptr().addr();
            let end = (start + from + LARGE_PAGES_BYTES) / LARGE_PAGE_BYTES * LARGE_PAGE_BYTES;
            self.large_pages_end = (end - start).min(self.map.len());
            self.map.prefer_large_pages(from, self.large_pages_end);
        }
        self.map.populate(self.populated, target);
        self.populated = target;
    }
}
