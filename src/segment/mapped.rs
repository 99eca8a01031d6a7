//! A segment in a memory-mapped file.
//!
//! Invariants:
//! - INV-1: every byte of the window is backed by an allocated block of the file *before* it is
//!   mapped, so that writing to it never ends in SIGBUS on a full disk. (Somebody else truncating
//!   the file still would.)
//! - INV-2: the committed length never decreases, and all bytes before it were written before it
//!   was stored.
//!
//! The file is mapped one window at a time. The pages ahead of the writing position are populated
//! in steps (`MADV_POPULATE_WRITE`), which costs less than a page fault for each.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::Output;
use crate::fork;
use crate::format::HEADER_BYTES;
use crate::format::header::COMMITTED_OFFSET;
use crate::sync::statics::{AtomicU64, Ordering};

/// How far ahead of the writing position pages are populated, in bytes.
const POPULATE_BYTES: usize = 256 << 10;

/// What window lengths are a multiple of: larger than any page.
const WINDOW_UNIT: u64 = 64 << 10;

/// A segment file.
#[derive(Debug)]
pub(crate) struct MappedFile {
    file: File,
    header: MmapRaw,
    window: Window,
    window_bytes: u64,
    /// How many bytes of the file are allocated.
    allocated: u64,
}

#[derive(Debug)]
struct Window {
    map: MmapRaw,
    /// Where in the file it begins.
    offset: u64,
    /// Where in it the next byte goes.
    position: usize,
    /// How much of it was populated.
    populated: usize,
}

impl MappedFile {
    /// Makes an empty file a segment: `page` is its header page. The file is allocated, and mapped,
    /// `window_bytes` at a time.
    pub(crate) fn new(file: File, page: &[u8], window_bytes: u64) -> io::Result<Self> {
        assert_eq!(page.len(), HEADER_BYTES);
        let window_bytes = window_bytes.max(1).next_multiple_of(WINDOW_UNIT);
        allocate(&file, 0, window_bytes)?;
        let header = MmapOptions::new().len(HEADER_BYTES).map_raw(&file)?;
        keep_from_children(&header)?;
        fork::set_output(file.as_fd());
        let window = Window::map(&file, 0, window_bytes)?;
        let mut this = Self { file, header, window, window_bytes, allocated: window_bytes };
        this.window.write(page);
        Ok(this)
    }

    /// The committed length, as it stands in the header page.
    fn committed(&self) -> &AtomicU64 {
        let committed = self.header.as_mut_ptr().wrapping_add(COMMITTED_OFFSET).cast::<AtomicU64>();
        // SAFETY: the header page is mapped as long as `self` lives, the offset is within it and a
        // multiple of 8, and other processes only read there.
        unsafe { &*committed }
    }

    /// Maps the part of the file behind the window, which `reserve` has allocated.
    fn next_window(&self) -> io::Result<Window> {
        let offset = self.window.offset + self.window.map.len() as u64;
        Window::map(&self.file, offset, self.window_bytes)
    }

    /// Makes sure that `bytes` more can be written without an allocation that might fail.
    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        let needed = self.len() + bytes;
        while self.allocated < needed {
            allocate(&self.file, self.allocated, self.window_bytes)?;
            self.allocated += self.window_bytes;
        }
        Ok(())
    }
}

impl Drop for MappedFile {
    fn drop(&mut self) {
        fork::forget_output(self.file.as_fd());
    }
}

impl Output for MappedFile {
    fn append(&mut self, mut frames: &[u8]) -> io::Result<()> {
        self.reserve(frames.len() as u64)?;
        let position = self.window.position;
        let mut first = None;
        loop {
            let (now, later) = frames.split_at(frames.len().min(self.window.room()));
            self.window.write(now);
            if later.is_empty() {
                return Ok(());
            }
            frames = later;
            match self.next_window() {
                Ok(next) => {
                    let full = std::mem::replace(&mut self.window, next);
                    first.get_or_insert(full);
                }
                Err(error) => {
                    // What was written of it lies behind the committed length, and is written over.
                    if let Some(first) = first {
                        self.window = first;
                    }
                    self.window.position = position;
                    return Err(error);
                }
            }
        }
    }

    fn commit(&mut self) {
        // Release: pairs with whoever reads it with acquire, in this process or another: the frames
        // before it are there (INV-2).
        self.committed().store(self.len().to_le(), Ordering::Release);
    }

    fn rewind(&mut self) {
        // Relaxed: only this process writes it, and its thread has stopped.
        let committed = u64::from_le(self.committed().load(Ordering::Relaxed));
        // Before the first commit it is zero.
        let committed = committed.max(HEADER_BYTES as u64);
        let Some(position) = committed.checked_sub(self.window.offset) else {
            // It was mapped away since: what stands behind the committed length stays.
            return;
        };
        self.window.position = position as usize;
        // Frames that were written there must not be read behind those that will be.
        let stale = self.window.populated.max(self.window.position) - self.window.position;
        let from = self.window.map.as_mut_ptr().wrapping_add(self.window.position);
        // SAFETY: from the position to what is populated, all within the mapping, as in `write`.
        unsafe { from.write_bytes(0, stale) };
    }

    fn len(&self) -> u64 {
        self.window.offset + self.window.position as u64
    }

    fn close(&mut self) -> io::Result<()> {
        self.commit();
        self.file.set_len(self.len())
    }
}

impl Window {
    fn map(file: &File, offset: u64, len: u64) -> io::Result<Self> {
        let map = MmapOptions::new().offset(offset).len(len as usize).map_raw(file)?;
        keep_from_children(&map)?;
        Ok(Self { map, offset, position: 0, populated: 0 })
    }

    fn room(&self) -> usize {
        self.map.len() - self.position
    }

    /// Writes `bytes`, for which there must be room.
    fn write(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.room());
        let end = self.position + bytes.len();
        if end > self.populated {
            self.populate(end);
        }
        let to = self.map.as_mut_ptr().wrapping_add(self.position);
        // SAFETY: the assertion: the target is within the mapping, which is writable, allocated
        // (INV-1), and not Rust memory that `bytes` might overlap.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        self.position = end;
    }

    /// Makes the pages up to `end`, and some more, ready to be written.
    fn populate(&mut self, end: usize) {
        let target = (end + POPULATE_BYTES).min(self.map.len());
        #[cfg(target_os = "linux")]
        {
            // Fails where the kernel is older than 5.14: then each page faults by itself.
            let from = self.populated;
            let _ = self.map.advise_range(memmap2::Advice::PopulateWrite, from, target - from);
        }
        self.populated = target;
    }
}

/// A child of a fork does not inherit the mapping: it could neither write to the file nor, by having
/// it open, keep its lock.
fn keep_from_children(map: &MmapRaw) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    map.advise(memmap2::Advice::DontFork)?;
    Ok(())
}

/// Gives blocks to a part of the file.
fn allocate(file: &File, offset: u64, len: u64) -> io::Result<()> {
    match fallocate(file.as_fd(), FallocateFlags::empty(), offset, len) {
        Ok(()) => Ok(()),
        // A file system without it: writing zeros allocates as well.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(file, offset, len),
        Err(Errno::INTR) => allocate(file, offset, len),
        Err(error) => Err(error.into()),
    }
}

fn write_zeros(file: &File, offset: u64, len: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    let mut at = offset;
    while at < offset + len {
        let part = ZEROS.len().min((offset + len - at) as usize);
        file.write_all_at(&ZEROS[..part], at)?;
        at += part as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn what_is_appended_across_windows_is_what_the_file_holds_when_closed() {
        let path = std::env::temp_dir().join(format!("kymo-mapped-{}", std::process::id()));
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        let reader = file.try_clone().unwrap();
        std::fs::remove_file(&path).unwrap();

        let mut mapped = MappedFile::new(file, &[7; HEADER_BYTES], 1).unwrap();
        let mut expected = vec![7; HEADER_BYTES];
        for step in 0..100_u64 {
            let frames = vec![step as u8; 3_001];
            mapped.append(&frames).unwrap();
            mapped.commit();
            expected.extend(frames);
        }
        expected[COMMITTED_OFFSET..COMMITTED_OFFSET + 8]
            .copy_from_slice(&mapped.len().to_le_bytes());
        mapped.close().unwrap();
        assert_eq!(reader.metadata().unwrap().len(), expected.len() as u64);
        let mut found = vec![0; expected.len()];
        reader.read_exact_at(&mut found, 0).unwrap();
        assert!(found == expected);
    }
}
