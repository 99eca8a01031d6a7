//! The log of a dead process.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::RecoverError;
use super::dictionary::frame_at;
use crate::crash_proof::place::Place;
use crate::derived::{self, Owner};
use crate::format::frame::Kind;
use crate::format::header::{COMMITTED_OFFSET, COPY_OFFSETS, Header};
use crate::format::{ALIGNMENT, HEADER_BYTES};

/// How much of the end of a log is searched for what it says of its end, in bytes: other threads may
/// have gone on logging while the process died.
const END_BYTES: u64 = 64 << 10;

/// A log that nobody writes to.
pub(super) struct Log {
    pub(super) path: PathBuf,
    file: File,
    pub(super) header: Header,
    /// Where its rings are, if they are in files.
    pub(super) place: Option<Place>,
    pub(super) committed: u64,
}

impl Log {
    /// Opens it, and keeps loggers and other recoveries away from it.
    pub(super) fn lock(path: &Path) -> Result<Self, RecoverError> {
        let options = |write| File::options().read(true).write(write).open(path);
        let file = options(true).or_else(|_| options(false));
        let file = file.map_err(|error| RecoverError::file(path, error))?;
        // Other errors: a file system without locks. Then the process's number has to do.
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
        if locked == Err(rustix::io::Errno::WOULDBLOCK) {
            return Err(RecoverError::InUse(path.to_owned()));
        }
        Self::read(path, file)
    }

    /// Opens it without a lock, which might keep a logger from starting, to look at it.
    pub(super) fn open(path: &Path) -> Result<Self, RecoverError> {
        let file = File::open(path).map_err(|error| RecoverError::file(path, error))?;
        Self::read(path, file)
    }

    fn read(path: &Path, mut file: File) -> Result<Self, RecoverError> {
        let fail = |error| RecoverError::file(path, error);
        let mut page = Vec::new();
        (&mut file).take(HEADER_BYTES as u64).read_to_end(&mut page).map_err(fail)?;
        let copy = COPY_OFFSETS.iter().find_map(|at| Header::from_copy(page.get(*at..)?));
        let header = copy.ok_or_else(|| RecoverError::NotALog(path.to_owned()))?;
        let committed = page.get(COMMITTED_OFFSET..).and_then(|at| at.first_chunk());
        let committed = committed.map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let place = Place::from_page(&page);
        Ok(Self { path: path.to_owned(), file, header, place, committed })
    }

    /// How rings name the segment.
    pub(super) fn number(&self) -> u64 {
        u64::from_le_bytes(*self.header.segment.first_chunk().unwrap_or(&[0; 8]))
    }

    /// Whether what was recovered of it is there.
    pub(super) fn has_recovered(&self, path: &Path) -> bool {
        let mut page = Vec::new();
        let Some(file) = self.owner().ok().and_then(|owner| derived::open(path, owner).ok()) else {
            return false;
        };
        let read = file.take(HEADER_BYTES as u64).read_to_end(&mut page);
        let header = COPY_OFFSETS.iter().find_map(|at| Header::from_copy(page.get(*at..)?));
        read.is_ok() && header.is_some_and(|header| header.side_of == self.header.segment)
    }

    /// Whose files beside it are believed.
    pub(super) fn owner(&self) -> Result<Owner, RecoverError> {
        let metadata = self.file.metadata();
        metadata
            .map(|metadata| Owner::of(&metadata))
            .map_err(|error| RecoverError::file(&self.path, error))
    }

    /// Who may read and write it.
    pub(super) fn mode(&self) -> Result<u32, RecoverError> {
        let metadata = self.file.metadata();
        Ok(metadata.map_err(|error| RecoverError::file(&self.path, error))?.mode() & 0o666)
    }

    /// Whether it says how its process ended: in order, or by a signal that the logger noted.
    pub(super) fn tells_end(&self) -> bool {
        let from = self.committed.saturating_sub(END_BYTES).max(HEADER_BYTES as u64);
        let mut end = vec![0; self.committed.saturating_sub(from).min(END_BYTES) as usize];
        if self.file.read_exact_at(&mut end, from).is_err() {
            return false;
        }
        let frames = (0..end.len()).step_by(ALIGNMENT);
        let kinds = frames.filter_map(|at| frame_at(&end, at, self.header.salt));
        kinds.into_iter().any(|(kind, _)| matches!(kind, Kind::Signal | Kind::End))
    }

    /// Cuts off what is not committed.
    pub(super) fn cut(&mut self) -> Result<(), RecoverError> {
        let fail = |error| RecoverError::file(&self.path, error);
        let length = self.file.metadata().map_err(fail)?.len();
        if (HEADER_BYTES as u64..length).contains(&self.committed) {
            self.file.set_len(self.committed).map_err(fail)?;
        }
        Ok(())
    }
}
