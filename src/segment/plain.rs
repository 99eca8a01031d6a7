//! A segment in a file that is written with system calls. That is slower than a mapping, and
//! nothing can fail after the call that writes.
//!
//! In: frames. Out: bytes of the file. It does not know what frames mean.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::beside::Kind;
use crate::derived;
use crate::format::HEADER_BYTES;
use crate::format::header::{COMMITTED_OFFSET, ClockSource, Header};
use crate::process::allocate::{allocate, reserve};
use crate::process::fork::Private;
use crate::process::lock::{LockOutcome, is_at, lock};
use crate::segment::LogFile;
use crate::segment::Output;
use crate::segment::open;

/// A segment file.
#[derive(Debug)]
pub(crate) struct PlainFile {
    file: Private,
    header: Header,
    len: u64,
    max_bytes: u64,
}

impl PlainFile {
    /// Makes the side file of a log. A file that has such a name belongs to another log, or to
    /// none, and stays. The new file refuses to become longer than `max_bytes`.
    pub(crate) fn create(log: &LogFile, clock: ClockSource, max_bytes: u64) -> io::Result<Self> {
        // Who may read the log may read its side file, and nobody else.
        let mode = log.file.metadata()?.mode() & 0o777;
        let (file, path) = create_locked(&log.path_now(), mode)?;
        let header = Header { side_of: log.id, ..open::header(clock) };
        let this = Self { file: Private::new(file), header, len: HEADER_BYTES as u64, max_bytes };
        if let Err(error) = this.write_header() {
            // The next record tries it again. A full disk is not to be filled with names.
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        Ok(this)
    }

    /// Makes an empty file a segment, with so many bytes allocated. It refuses to become longer
    /// than `max_bytes`.
    pub(crate) fn on(
        file: File,
        header: Header,
        first_bytes: u64,
        max_bytes: u64,
    ) -> io::Result<Self> {
        allocate(&file, 0, first_bytes)?;
        let len = HEADER_BYTES as u64;
        let this = Self { file: Private::new(file), header, len, max_bytes };
        this.write_header()?;
        Ok(this)
    }

    /// Overwrites a part of the header page.
    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    /// Returns another handle of the file.
    pub(crate) fn try_clone_file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// The segment's salt, a part of all its checksums.
    pub(crate) fn salt(&self) -> u32 {
        self.header.salt
    }

    /// Makes it the side file of this log. After an error it may be that of the one before.
    pub(crate) fn belong_to(&mut self, log: &LogFile) -> io::Result<()> {
        self.header.side_of = log.id;
        self.write_header()
    }

    /// Brings the file to the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write_header(&self) -> io::Result<()> {
        reserve(&self.file, 0, HEADER_BYTES as u64)?;
        let mut page = self.header.to_page();
        page[COMMITTED_OFFSET..COMMITTED_OFFSET + 8].copy_from_slice(&self.len.to_le_bytes());
        self.file.write_all_at(&page, 0)
    }
}

/// Makes a side file for the log at `log`, under the first name that is free, and locks it. A start
/// removes a file without a header that nobody has locked.
fn create_locked(log: &Path, mode: u32) -> io::Result<(File, PathBuf)> {
    for path in Kind::Rescue.paths(log).take(open::MAX_NAMES) {
        match derived::create_new(&path, mode) {
            // A start has removed it before it was locked. Then the next name will do.
            Ok(file) if lock(&file)? != LockOutcome::Elsewhere && is_at(&file, &path)? => {
                return Ok((file, path));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

impl Output for PlainFile {
    fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        let bytes = frames.len() as u64;
        if self.len + bytes > self.max_bytes {
            let text = format!("the side file may have {} bytes at most", self.max_bytes);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        // And obeys the process's limit.
        reserve(&self.file, self.len, bytes)?;
        self.file.write_all_at(frames, self.len)?;
        self.len += bytes;
        Ok(())
    }

    fn commit(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.len.to_le_bytes(), COMMITTED_OFFSET as u64)
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}
