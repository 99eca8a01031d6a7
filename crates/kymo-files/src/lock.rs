//! Locks on files. The holder of a file's lock is the only one that writes it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The result of an attempt to lock a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockOutcome {
    /// The file is locked by this process, until it is closed.
    Here,
    /// Another open file has the lock.
    Elsewhere,
    /// The file system has no locks, so nothing keeps others away.
    Never,
}

/// Locks a file, without waiting.
///
/// # Errors
/// Those of the system.
pub fn lock(file: &File) -> io::Result<LockOutcome> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(LockOutcome::Here),
        Err(Errno::WOULDBLOCK) => Ok(LockOutcome::Elsewhere),
        Err(Errno::NOTSUP | Errno::NOLCK | Errno::NOSYS) => Ok(LockOutcome::Never),
        Err(error) => Err(error.into()),
    }
}

/// Gives a lock back.
///
/// # Errors
/// Those of the system.
pub fn unlock(file: &File) -> io::Result<()> {
    Ok(flock(file, FlockOperation::Unlock)?)
}

/// Returns whether `path` names this file. It may have been renamed between opening and locking.
///
/// # Errors
/// Those of the system. A missing file is no error.
pub fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let opened = file.metadata()?;
    match fs::metadata(path) {
        Ok(it) => Ok((it.dev(), it.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
