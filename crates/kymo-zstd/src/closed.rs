//! A segment that nobody writes any more, and why it is not compressed.

use std::fmt::Write as _;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::{error, fmt};

use kymo_format::escaped::Escaped;

use kymo_files::derived::{self, OpenError, Owner, Refused};
use kymo_files::lock::{LockOutcome, is_at, lock, unlock};
use kymo_format::HEADER_BYTES;
use kymo_format::compressed::is_zstd;

use crate::cut::Outline;

/// A segment could not be compressed. It is as it was.
#[derive(Debug)]
pub struct CompressError {
    /// The segment, or the file at fault.
    pub path: PathBuf,
    /// The reason.
    pub problem: Problem,
}

/// Why a segment is not compressed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Problem {
    /// It is a link, a device, or a file of another user.
    Refused(Refused),
    /// It is compressed already.
    Compressed,
    /// It is no kymo log.
    NotALog,
    /// It has no end frame: its writer died, and the next start, or a recovery, may still change it.
    NotClosed,
    /// Somebody writes it.
    InUse,
    /// Another process, or another thread of this one, compresses it.
    Busy,
    /// Somebody has removed, renamed or changed it meanwhile.
    Changed,
    /// A file with the name of the compressed segment exists, and its content is another one.
    Exists,
    /// The file system has no locks, so nobody knows whether it is written.
    NoLocks,
    /// What was decompressed is not what was compressed, from this byte on.
    Unequal(u64),
    /// The work was stopped.
    Stopped,
    /// What the system says.
    Io(io::Error),
}

/// A closed segment.
pub(crate) struct Closed {
    path: PathBuf,
    pub(crate) file: File,
    pub(crate) metadata: Metadata,
    pub(crate) outline: Outline,
    /// Its header page, to see whether it is still this segment.
    page: Vec<u8>,
}

impl Closed {
    /// Opens the segment at `path`, if nobody writes it, and, unless `unclosed`, it has an end frame.
    pub(crate) fn open(path: &Path, owner: Owner, unclosed: bool) -> Result<Self, Problem> {
        let mut file = derived::open(path, owner).map_err(|error| match error {
            OpenError::Refused(refused) => Problem::Refused(refused),
            OpenError::Io(error) => Problem::Io(error),
        })?;
        // Whether somebody writes it, and no more: a lock that is held would keep a start away.
        lock_here(&file)?;
        unlock(&file)?;
        let metadata = file.metadata()?;
        let mut start = [0; 8];
        if file.read_at(&mut start, 0)? == start.len() && is_zstd(&start) {
            return Err(Problem::Compressed);
        }
        let outline = Outline::read(&mut file)?.ok_or(Problem::NotALog)?;
        if outline.end_frame.is_none() && !unclosed {
            return Err(Problem::NotClosed);
        }
        let page = page_of(&file)?;
        Ok(Self { path: path.to_owned(), file, metadata, outline, page })
    }

    /// Keeps writers away from now on, if it is as it was when it was opened, and still has its name.
    pub(crate) fn claim(&self) -> Result<(), Problem> {
        lock_here(&self.file)?;
        let now = self.file.metadata()?;
        let as_it_was = |it: &Metadata| (it.len(), it.mtime(), it.mtime_nsec());
        let is_same =
            as_it_was(&now) == as_it_was(&self.metadata) && page_of(&self.file)? == self.page;
        match is_same && is_at(&self.file, &self.path)? {
            true => Ok(()),
            false => Err(Problem::Changed),
        }
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        // Closing the file is not enough if a child of a fork has it, too.
        let _ = unlock(&self.file);
    }
}

fn lock_here(file: &File) -> Result<(), Problem> {
    match lock(file)? {
        LockOutcome::Here => Ok(()),
        LockOutcome::Elsewhere => Err(Problem::InUse),
        LockOutcome::Never => Err(Problem::NoLocks),
    }
}

fn page_of(file: &File) -> io::Result<Vec<u8>> {
    let mut page = vec![0; HEADER_BYTES];
    file.read_exact_at(&mut page, 0)?;
    Ok(page)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Compressed => f.write_str("is compressed already"),
            Self::NotALog => f.write_str("is not a kymo log"),
            Self::NotClosed => f.write_str(
                "was not closed: its writer died. What it left may have to be recovered first",
            ),
            Self::InUse => f.write_str("is being written"),
            Self::Busy => f.write_str("is being compressed by somebody else"),
            Self::Changed => f.write_str("has changed, or was moved, while it was compressed"),
            Self::Exists => f.write_str("exists, and has another content: move it away"),
            Self::NoLocks => f.write_str(
                "lies on a file system without locks, so that nobody knows whether it is written",
            ),
            Self::Unequal(offset) => write!(
                f,
                "was not decompressed as it was compressed, from byte {offset} on: the disk or the \
                 memory may be broken"
            ),
            Self::Stopped => f.write_str("was not compressed: the work was stopped"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl error::Error for Problem {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Refused(refused) => Some(refused),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for CompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaped(f), "{}: {}", self.path.display(), self.problem)
    }
}

impl error::Error for CompressError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.problem)
    }
}
