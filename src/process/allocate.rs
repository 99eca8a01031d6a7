//! Allocates blocks for a file before it is mapped, so that a full disk is an error of a system
//! call and no SIGBUS.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::clock::monotonic_ns;

/// The unit of allocating and mapping, in bytes: larger than any page.
pub(crate) const UNIT_BYTES: u64 = 64 << 10;

/// Allocates blocks for a part of the file, which grows if necessary. Where the file system cannot allocate, zeros are
/// written: for files that have to be mapped.
///
/// # Errors
/// Those of the system. A file longer than `RLIMIT_FSIZE` would make the kernel send
/// SIGXFSZ, which ends the process. So the limit is checked first.
pub(crate) fn allocate(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    match allocate_blocks(file, offset, bytes) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            write_zeros(file, offset, bytes)
        }
        allocated => allocated,
    }
}

/// Allocates blocks for a part of a file that is written by system calls. Where the file system cannot allocate, a
/// write fails if the disk is full.
///
/// # Errors
/// As [`allocate`].
pub(crate) fn reserve(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    match allocate_blocks(file, offset, bytes) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        allocated => allocated,
    }
}

/// Returns an error if a file of this length would end the process.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`].
pub(crate) fn check_length(end: u64) -> io::Result<()> {
    match getrlimit(Resource::Fsize).current.filter(|limit| end > *limit) {
        None => Ok(()),
        Some(limit) => {
            let text = format!("the file would exceed this process's limit of {limit} bytes");
            Err(io::Error::new(io::ErrorKind::FileTooLarge, text))
        }
    }
}

/// [`io::ErrorKind::Unsupported`]: the file system cannot allocate.
fn allocate_blocks(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    check_length(offset + bytes)?;
    loop {
        return match fallocate(file.as_fd(), FallocateFlags::empty(), offset, bytes) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Err(io::ErrorKind::Unsupported.into()),
            Err(Errno::INTR) => continue,
            Err(error) => Err(error.into()),
        };
    }
}

/// Allocates `wanted` bytes from `offset` on. If that does not fit, allocates half of it, and so on
/// down to `least`.
///
/// Returns the end of the part, a multiple of [`UNIT_BYTES`].
///
/// # Errors
/// Those of the system; [`io::ErrorKind::Unsupported`] if the file system cannot allocate.
pub(crate) fn allocate_up_to(file: &File, offset: u64, wanted: u64, least: u64) -> io::Result<u64> {
    let least_end = (offset + least).next_multiple_of(UNIT_BYTES);
    let mut end = (offset + wanted).next_multiple_of(UNIT_BYTES).max(least_end);
    loop {
        match allocate_blocks(file, offset, end - offset) {
            Ok(()) => return Ok(end),
            Err(error) if end > least_end && is_too_much(&error) => {
                let half = offset + (end - offset) / 2;
                end = (half / UNIT_BYTES * UNIT_BYTES).max(least_end);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Returns whether a smaller part might succeed after this error.
fn is_too_much(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Allocates by writing zeros. They overwrite what is there: only bytes past the committed length
/// are ever allocated.
fn write_zeros(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    let mut at = offset;
    while at < offset + bytes {
        let part = ZEROS.len().min((offset + bytes - at) as usize);
        file.write_all_at(&ZEROS[..part], at)?;
        at += part as u64;
    }
    Ok(())
}

/// Decides when a failed action is tried again: after 10 ms at first, and after twice as long each
/// time, up to a second.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// The time of the next attempt, on the monotonic clock.
    next_ns: u64,
    delay: Duration,
    /// The error of the last attempt.
    kind: Option<io::ErrorKind>,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_secs(1);

    /// Returns `Ok` if it is time for an attempt; else the last error, without its details.
    pub(crate) fn ask(&self) -> io::Result<()> {
        match self.kind {
            Some(kind) if monotonic_ns() < self.next_ns => Err(kind.into()),
            _ => Ok(()),
        }
    }

    /// Allows the next attempt at once.
    pub(crate) fn end(&mut self) {
        self.next_ns = 0;
    }

    /// Notes the result of an attempt.
    pub(crate) fn note<T>(&mut self, result: &io::Result<T>) {
        match result {
            Ok(_) => *self = Self::default(),
            Err(error) => {
                self.delay = (self.delay * 2).clamp(Self::FIRST, Self::LONGEST);
                self.next_ns = monotonic_ns() + self.delay.as_nanos() as u64;
                self.kind = Some(error.kind());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_become_rarer() {
        let mut backoff = Backoff::default();
        let full = || -> io::Result<()> { Err(io::ErrorKind::StorageFull.into()) };
        let mut delays = Vec::new();
        for _ in 0..10 {
            assert!(backoff.ask().is_ok());
            backoff.note(&full());
            delays.push(backoff.delay.as_millis());
            if delays.len() > 5 {
                // Of those below, the time may be over.
                assert_eq!(backoff.ask().unwrap_err().kind(), io::ErrorKind::StorageFull);
            }
            backoff.end();
        }
        assert_eq!(delays, [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000, 1_000]);
        backoff.note(&Ok(()));
        backoff.note(&full());
        assert_eq!(backoff.delay, Backoff::FIRST);
    }
}
