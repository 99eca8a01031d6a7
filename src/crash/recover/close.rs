//! Closes segments of a rotated log whose process died, when nothing is left to be recovered of them.
//!
//! How a segment is closed is in `segment::closing`. Here is when: nobody else has it locked, and the process has left
//! no rings. Rings say by the committed length what of them is in the log, and closing moves that.
#![forbid(unsafe_code)]

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::crash::recover::RecoverError;
use crate::crash::recover::left_over::LeftOver;
use crate::crash::recover::log::DeadLog;
use crate::derived::{self, OpenError, Owner};
use crate::process::lock::{LockOutcome, lock, unlock};
use crate::segment::closing::{self, NotClosed};

/// Closes the segment at `path`, unless it is closed. `go_on` is asked now and then.
///
/// # Errors
/// The reason for which it stays as it is.
pub(crate) fn close(path: &Path, owner: Owner, go_on: &dyn Fn() -> bool) -> io::Result<()> {
    // Readers and compressors look at the lock of a segment, for moments.
    const TRIES: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(2);
    if is_closed(path, owner).map_err(io::Error::other)? {
        return Ok(());
    }
    for _ in 0..TRIES {
        match DeadLog::lock(path) {
            Ok(log) => return log.close(go_on).map(drop),
            Err(RecoverError::InUse(_)) => std::thread::sleep(PAUSE),
            Err(RecoverError::File(_, error)) if error.kind() == io::ErrorKind::NotFound => break,
            Err(RecoverError::File(_, error)) => return Err(error),
            Err(RecoverError::NotALog(_)) => break,
        }
    }
    // Somebody else recovers it, or closes it.
    Ok(())
}

/// Whether the file at `path` is no segment that may have to be closed: it has its end, or is gone.
pub(crate) fn is_closed(path: &Path, owner: Owner) -> Result<bool, OpenError> {
    match derived::open(path, owner) {
        Ok(file) => Ok(DeadLog::of_locked(path, &file).map_or(true, |log| log.is_closed())),
        // It was deleted or compressed.
        Err(error) if error.is_missing() => Ok(true),
        Err(error) => Err(error),
    }
}

impl DeadLog {
    /// Whether it has its end, or nothing can be told.
    fn is_closed(&self) -> bool {
        closing::is_closed(&self.file, &self.header).unwrap_or(true)
    }

    /// Closes it, if it is a segment of a rotated log. Returns whether there was anything to do. The lock is given
    /// back.
    pub(crate) fn close(&self, go_on: &dyn Fn() -> bool) -> io::Result<bool> {
        let closed = self.try_close(go_on);
        // A child of a fork may have the file, too.
        let _ = unlock(&self.file);
        closed
    }

    fn try_close(&self, go_on: &dyn Fn() -> bool) -> io::Result<bool> {
        if self.header.log == [0; 16] || self.is_closed() {
            return Ok(false);
        }
        if lock(&self.file)? != LockOutcome::Here {
            let text = "the file system has no locks, so that nobody knows whether it is written";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        // Kept until it is closed: it has the lock on the file of call sites.
        let left = match &self.place {
            None => LeftOver::default(),
            Some(place) => LeftOver::find(self, place, true).map_err(io::Error::other)?,
        };
        if !left.is_nothing() {
            let text = "its process has left rings, which may hold records: recover it, by `recover(true)` or by \
                        `kymo recover`";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
        }
        let is_told = self.recovered().map_err(io::Error::other)?.is_some();
        closing::close(&self.file, &self.header, is_told, go_on).map_err(|error| match error {
            NotClosed::Io(error) => error,
            NotClosed::Stopped => io::Error::new(io::ErrorKind::Interrupted, error.to_string()),
            error => io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
        })
    }
}
