//! Files of an open directory.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;
#[cfg(not(unix))]
use std::path::PathBuf;

#[cfg(unix)]
use crate::derived::{AT_ONCE, Refused, check};
use crate::derived::{OpenError, Owner};

/// A directory, whose files are opened and removed by their names in it, wherever its path leads meanwhile.
#[derive(Debug)]
pub struct Directory {
    #[cfg(unix)]
    file: std::os::fd::OwnedFd,
    #[cfg(not(unix))]
    path: PathBuf,
}

#[cfg(unix)]
impl Directory {
    /// Opens a directory that the user named.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { file: rustix::fs::open(path, flags, Mode::empty())? })
    }

    /// Opens a file in it for reading, on the conditions of [`open`](crate::derived::open).
    ///
    /// # Errors
    /// Those of [`open`](crate::derived::open).
    pub fn open_file(&self, name: &OsStr, owner: Owner) -> Result<File, OpenError> {
        use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};
        let it = statat(&self.file, name, AtFlags::SYMLINK_NOFOLLOW).map_err(io::Error::from)?;
        // As in `open`: before it is opened, and after.
        match FileType::from_raw_mode(it.st_mode) {
            FileType::RegularFile => {}
            FileType::Symlink => return Err(Refused::Link.into()),
            _ => return Err(Refused::Special.into()),
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | AT_ONCE;
        let file = openat(&self.file, name, flags, Mode::empty()).map_err(io::Error::from)?;
        let file = File::from(file);
        check(&file.metadata()?, owner)?;
        Ok(file)
    }

    /// Removes a file, or a link itself.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.file, name, rustix::fs::AtFlags::empty())?)
    }

    /// Waits until the disk has the names in it. Some file systems cannot do that for a directory, and need not.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&self) -> io::Result<()> {
        match rustix::fs::fsync(&self.file) {
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::ROFS) => Ok(()),
            synced => Ok(synced?),
        }
    }
}

#[cfg(not(unix))]
impl Directory {
    /// Opens a directory that the user named.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        std::fs::read_dir(path).map(|_| Self { path: path.to_owned() })
    }

    /// Opens a file in it for reading, on the conditions of [`open`](crate::derived::open).
    ///
    /// # Errors
    /// Those of [`open`](crate::derived::open).
    pub fn open_file(&self, name: &OsStr, owner: Owner) -> Result<File, OpenError> {
        crate::derived::open(&self.path.join(name), owner)
    }

    /// Removes a file, or a link itself.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    /// Does nothing: such systems have no way to ask for it.
    ///
    /// # Errors
    /// None.
    pub fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
