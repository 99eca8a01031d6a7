//! The hidden file that becomes a compressed segment. Its maker has it locked.

use std::fs::{self, File, FileTimes, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use kymo_files::derived::{self, Owner};
use kymo_files::lock::{LockOutcome, is_at, lock, unlock};
use kymo_files::segments::LogName;

use crate::closed::Problem;
use crate::tap::{self, Step};

/// A file that is being written. Dropped, it is removed, unless it was given its name.
pub(crate) struct Temporary {
    path: PathBuf,
    pub(crate) file: File,
    is_named: bool,
}

impl Temporary {
    /// Makes the file that becomes `compressed`. What a killed process left there is removed.
    pub(crate) fn create(compressed: &Path, owner: Owner) -> Result<Self, Problem> {
        /// Another process may remove, or make, such a file at the same time.
        const ATTEMPTS: usize = 16;
        let path = LogName::compressing(compressed);
        for _ in 0..ATTEMPTS {
            match derived::create_new(&path, 0o600) {
                Ok(file) => {
                    match lock(&file).inspect(|_| tap::note(|| Step::Created(path.clone())))? {
                        // It may have been taken for a left-over before it was locked.
                        LockOutcome::Here if is_at(&file, &path)? => {
                            return Ok(Self { path, file, is_named: false });
                        }
                        LockOutcome::Never => {
                            fs::remove_file(&path)?;
                            return Err(Problem::NoLocks);
                        }
                        LockOutcome::Here | LockOutcome::Elsewhere => {}
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if !remove_left_over(&path, owner)? {
                        return Err(Problem::Busy);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Problem::Busy)
    }

    /// Gives it the owner, the permissions and the times of the original, and brings all to the disk.
    pub(crate) fn finish(&self, original: &Metadata) -> io::Result<()> {
        let own = self.file.metadata()?;
        if (own.uid(), own.gid()) != (original.uid(), original.gid()) {
            fchown(&self.file, Some(original.uid()), Some(original.gid()))?;
        }
        self.file.set_permissions(Permissions::from_mode(original.mode() & 0o777))?;
        let times = FileTimes::new().set_modified(original.modified()?);
        // For those who look at the age of files. Nothing depends on it.
        let _ = self.file.set_times(times);
        self.file.sync_all()?;
        tap::note(|| Step::Synced(self.path.clone()));
        Ok(())
    }

    /// Gives it its name, which nothing may have.
    pub(crate) fn rename(&mut self, to: &Path) -> io::Result<()> {
        derived::rename_new(&self.path, to)?;
        tap::note(|| Step::Renamed(self.path.clone(), to.to_owned()));
        self.is_named = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_named && is_at(&self.file, &self.path).unwrap_or(false) {
            // What stays is removed by the next one.
            let _ = fs::remove_file(&self.path);
            tap::note(|| Step::Removed(self.path.clone()));
        }
        // Closing the file is not enough if a child of a fork has it, too.
        let _ = unlock(&self.file);
    }
}

/// Removes a file that a killed process left. False if somebody still writes it.
pub(crate) fn remove_left_over(path: &Path, owner: Owner) -> Result<bool, Problem> {
    let file = match derived::open(path, owner) {
        Ok(file) => file,
        Err(error) if error.is_missing() => return Ok(true),
        Err(derived::OpenError::Refused(refused)) => return Err(Problem::Refused(refused)),
        Err(derived::OpenError::Io(error)) => return Err(Problem::Io(error)),
    };
    match lock(&file)? {
        LockOutcome::Here => {}
        LockOutcome::Elsewhere => return Ok(false),
        LockOutcome::Never => return Err(Problem::NoLocks),
    }
    if is_at(&file, path)? {
        fs::remove_file(path)?;
    }
    Ok(true)
}
