//! Locks on files: who has one uses the file.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// What became of an attempt to lock a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locked {
    /// It is locked by this, until it is closed.
    Here,
    /// Somebody else has it.
    Elsewhere,
    /// The file system has no locks: nobody can be kept away.
    Never,
}

/// Locks a file, without waiting.
///
/// # Errors
/// What the system says.
pub(crate) fn lock(file: &File) -> io::Result<Locked> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Locked::Here),
        Err(Errno::WOULDBLOCK) => Ok(Locked::Elsewhere),
        Err(Errno::NOTSUP | Errno::NOLCK | Errno::NOSYS) => Ok(Locked::Never),
        Err(error) => Err(error.into()),
    }
}

/// Whether `path` names this file. Somebody may have renamed it between opening it and locking it.
///
/// # Errors
/// What the system says, but for a missing file.
pub(crate) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let opened = file.metadata()?;
    match fs::metadata(path) {
        Ok(it) => Ok((it.dev(), it.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
