//! The log of a dead process.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::beside::Kind as BesideKind;
use crate::crash::recover::RecoverError;
use crate::crash::recover::dictionary::frame_at;
use crate::derived::Owner;
use crate::format::frame::Kind;
use crate::format::header::{COMMITTED_OFFSET, COPY_OFFSETS, Header};
use crate::format::{ALIGNMENT, HEADER_BYTES};
use crate::process::lock::{LockOutcome, is_at, lock};
use crate::segment::crash_proof::place::RingPlace;
use crate::segment::{of_segment, remove_left_over, trim};

/// The number of bytes at the end of a log that are searched for how its process ended. Other
/// threads may have gone on logging while the process died.
const END_BYTES: u64 = 64 << 10;

/// A log that no logger writes to.
pub(crate) struct DeadLog {
    pub(crate) path: PathBuf,
    pub(super) file: File,
    pub(crate) header: Header,
    /// The place of its rings, if they are in files.
    pub(crate) place: Option<RingPlace>,
    pub(crate) committed: u64,
}

/// Opens a log by a path on which all links were followed already, or by the name of a segment, which others can know.
/// So it follows none, and waits for nothing.
fn open_here(path: &Path, write: bool) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = flags.bits().cast_signed();
    File::options().read(true).write(write).custom_flags(flags).open(path)
}

impl DeadLog {
    /// Opens and locks the log, which keeps loggers and other recoveries away from it.
    pub(crate) fn lock(path: &Path) -> Result<Self, RecoverError> {
        let fail = |error| RecoverError::file(path, error);
        for _ in 0..100 {
            let file = open_here(path, true).or_else(|_| open_here(path, false)).map_err(fail)?;
            // An error: a file system without locks. Then the process's number has to do.
            if lock(&file).is_ok_and(|locked| locked == LockOutcome::Elsewhere) {
                return Err(RecoverError::InUse(path.to_owned()));
            }
            // A start may have renamed the file before it was locked. Then the locked file is no
            // longer the log of that name.
            if is_at(&file, path).map_err(fail)? {
                return Self::read(path, file);
            }
        }
        Err(fail(io::Error::other("somebody else replaces this file all the time")))
    }

    /// Reads a log that this process has locked.
    pub(crate) fn of_locked(path: &Path, file: &File) -> Result<Self, RecoverError> {
        let file = file.try_clone().map_err(|error| RecoverError::file(path, error))?;
        Self::read(path, file)
    }

    /// Opens the log for reading, without a lock that might keep a logger from starting.
    pub(crate) fn open(path: &Path) -> Result<Self, RecoverError> {
        let file = open_here(path, false).map_err(|error| RecoverError::file(path, error))?;
        Self::read(path, file)
    }

    fn read(path: &Path, mut file: File) -> Result<Self, RecoverError> {
        let fail = |error| RecoverError::file(path, error);
        let mut page = Vec::new();
        file.rewind().map_err(fail)?;
        (&mut file).take(HEADER_BYTES as u64).read_to_end(&mut page).map_err(fail)?;
        let copy = COPY_OFFSETS.iter().find_map(|at| Header::from_copy(page.get(*at..)?));
        let header = copy.ok_or_else(|| RecoverError::NotALog(path.to_owned()))?;
        let committed = page.get(COMMITTED_OFFSET..).and_then(|at| at.first_chunk());
        let committed = committed.map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let place = RingPlace::from_page(&page);
        Ok(Self { path: path.to_owned(), file, header, place, committed })
    }

    /// Returns the number by which rings name the segment.
    pub(crate) fn number(&self) -> u64 {
        u64::from_le_bytes(*self.header.segment.first_chunk().unwrap_or(&[0; 8]))
    }

    /// Returns the path of the recovered file, if there is one.
    pub(crate) fn recovered(&self) -> Result<Option<PathBuf>, RecoverError> {
        let found = of_segment(&self.path, self.owner()?, self.header.segment);
        let mut recovered = found.into_iter().filter(|file| file.kind == BesideKind::Recovered);
        Ok(recovered.next().map(|file| file.path))
    }

    /// Removes useless files that killed processes left beside the log, and cuts the log to its
    /// contents.
    pub(crate) fn clean(&self) {
        remove_left_over(&self.path, &self.file);
        trim(&self.file);
    }

    /// Returns the user whose files beside the log are believed.
    pub(crate) fn owner(&self) -> Result<Owner, RecoverError> {
        let metadata = self.file.metadata();
        metadata
            .map(|metadata| Owner::of(&metadata))
            .map_err(|error| RecoverError::file(&self.path, error))
    }

    /// Returns the permissions of the log.
    pub(crate) fn mode(&self) -> Result<u32, RecoverError> {
        let metadata = self.file.metadata();
        Ok(metadata.map_err(|error| RecoverError::file(&self.path, error))?.mode() & 0o666)
    }

    /// Returns whether the log says how its process ended: cleanly, or by a signal that the logger
    /// noted.
    pub(crate) fn tells_end(&self) -> bool {
        let from = self.committed.saturating_sub(END_BYTES).max(HEADER_BYTES as u64);
        let mut end = vec![0; self.committed.saturating_sub(from).min(END_BYTES) as usize];
        if self.file.read_exact_at(&mut end, from).is_err() {
            return false;
        }
        let frames = (0..end.len()).step_by(ALIGNMENT);
        let kinds = frames.filter_map(|at| frame_at(&end, at, self.header.salt));
        kinds.into_iter().any(|(kind, _)| matches!(kind, Kind::Signal | Kind::End))
    }

    /// Cuts the log at its committed length.
    pub(crate) fn cut(&mut self) -> Result<(), RecoverError> {
        let fail = |error| RecoverError::file(&self.path, error);
        let length = self.file.metadata().map_err(fail)?.len();
        if (HEADER_BYTES as u64..length).contains(&self.committed) {
            self.file.set_len(self.committed).map_err(fail)?;
        }
        Ok(())
    }
}
