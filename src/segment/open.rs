//! Opening a segment's file: what is there already, who else writes to it, and what its header
//! says.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::clock::wall_ns;
use crate::derived;
use crate::endings::with_infix;
use crate::error::{StartError, StartErrorKind};
use crate::format::header::{ClockSource, Header};

/// The file that `path` means: absolute, so that it stays the same when the program changes its
/// directory, and behind all symbolic links, so that these stay when files are renamed.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, StartError> {
    let fail = |error| StartError::file(path, error);
    let because = |kind, text: &str| Err(fail(io::Error::new(kind, text)));
    /// As many as the system follows.
    const MAX_LINKS: usize = 40;
    let mut target = std::path::absolute(path).map_err(fail)?;
    for _ in 0..=MAX_LINKS {
        let parent = target.parent().unwrap_or(Path::new("/"));
        match fs::symlink_metadata(&target) {
            Ok(it) if it.is_symlink() => {
                target = parent.join(fs::read_link(&target).map_err(fail)?);
            }
            Ok(it) if it.is_file() => return Ok(target),
            Ok(it) if it.is_dir() => {
                let text = "this is a directory: name a file";
                return because(io::ErrorKind::IsADirectory, text);
            }
            Ok(_) => return Err(fail(not_a_file())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !parent.try_exists().map_err(fail)? {
                    let text = format!("there is no directory {}: make it first", parent.display());
                    return because(error.kind(), &text);
                }
                return Ok(target);
            }
            Err(error) => return Err(fail(error)),
        }
    }
    because(io::ErrorKind::InvalidInput, "too many symbolic links")
}

fn not_a_file() -> io::Error {
    let text = "this is not a regular file, and only such a file can be mapped";
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// The file of a segment that is about to be made, for this process alone. Unless it is kept,
/// everything is put back as it was.
pub(super) struct Target {
    path: PathBuf,
    file: File,
    how: How,
}

enum How {
    /// It was not there before.
    Made,
    /// It was there, and is written over.
    Over { bytes: u64 },
    /// What is there is to be renamed. Until then this has another name.
    Beside { name: PathBuf, _old: File },
    /// There is nothing more to do.
    Kept,
}

impl Target {
    /// Opens what is to become the segment at `path`.
    pub(super) fn open(path: &Path, overwrite: bool) -> Result<Self, StartError> {
        let fail = |error| StartError::file(path, error);
        let (file, made) = open_locked(path)?;
        let it = file.metadata().map_err(fail)?;
        if !it.is_file() {
            return Err(fail(not_a_file()));
        }
        let path = path.to_owned();
        if made {
            return Ok(Self { path, file, how: How::Made });
        }
        if overwrite || it.len() == 0 {
            return Ok(Self { path, file, how: How::Over { bytes: it.len() } });
        }
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}.new", std::process::id()));
        let name = path.with_file_name(name);
        let made = derived::create_temporary(&name, 0o666);
        let (new, name) = made.map_err(|error| StartError::file(&name, error))?;
        let beside = Self { path, file: new, how: How::Beside { name, _old: file } };
        // Nobody else knows of it yet.
        lock(&beside.file, &beside.path)?;
        Ok(beside)
    }

    /// The file, and whether something is in it.
    pub(super) fn file(&self) -> io::Result<(File, bool)> {
        Ok((self.file.try_clone()?, matches!(self.how, How::Over { bytes: 1.. })))
    }

    /// Gives it its name. What stands beside the file that was there before goes with that.
    pub(super) fn keep_with_side_file(self) -> Result<(), StartError> {
        let path = self.path.clone();
        let is_over = matches!(self.how, How::Over { .. });
        let old = self.keep()?;
        // Mostly there is nothing.
        let _ = match &old {
            Some(old) => fs::rename(side_path(&path), side_path(old)),
            None => fs::remove_file(side_path(&path)),
        };
        let _ = match &old {
            Some(old) => fs::rename(recovered_path(&path), recovered_path(old)),
            None if is_over => fs::remove_file(recovered_path(&path)),
            // Somebody moved the log away, and may want the rest of it.
            None => Ok(()),
        };
        Ok(())
    }

    /// Gives it its name. Returns which one the file has now that was there before, if that is kept.
    pub(super) fn keep(mut self) -> Result<Option<PathBuf>, StartError> {
        let mut old = None;
        let fail = |error| StartError::file(&self.path, error);
        if let How::Beside { name, .. } = &self.how {
            let free = free_name(&self.path).map_err(fail)?;
            fs::rename(&self.path, &free).map_err(fail)?;
            if let Err(error) = fs::rename(name, &self.path) {
                let _ = fs::rename(free, &self.path);
                return Err(fail(error));
            }
            old = Some(free);
        }
        self.how = How::Kept;
        Ok(old)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // Whatever fails here, the error that led here is the one to be told.
        let _ = match &self.how {
            How::Kept => Ok(()),
            How::Made => fs::remove_file(&self.path),
            How::Over { bytes } => self.file.set_len(*bytes),
            How::Beside { name, .. } => fs::remove_file(name),
        };
    }
}

/// Opens the file, or makes it, which is also told.
fn open_locked(path: &Path) -> Result<(File, bool), StartError> {
    let fail = |error| StartError::file(path, error);
    for _ in 0..100 {
        let mut options = File::options();
        options.read(true).write(true);
        let (file, made) = match options.clone().create_new(true).open(path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match options.open(path) {
                    Ok(file) => (file, false),
                    // Gone in between.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(fail(error)),
                }
            }
            Err(error) => return Err(fail(error)),
        };
        lock(&file, path)?;
        // Another process may have renamed it before it was locked.
        let locked = file.metadata().map_err(fail)?;
        match fs::metadata(path) {
            Ok(it) if (it.dev(), it.ino()) == (locked.dev(), locked.ino()) => {
                return Ok((file, made));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
    }
    Err(fail(io::Error::other("somebody else replaces this file all the time")))
}

/// Locks the file, which is that at `path`, or is going to be.
fn lock(file: &File, path: &Path) -> Result<(), StartError> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StartErrorKind::InUse(path.to_owned()).into()),
        // A file system without locks: nobody else can be kept away.
        Err(rustix::io::Errno::NOTSUP | rustix::io::Errno::NOLCK) => Ok(()),
        Err(error) => Err(StartError::file(path, error.into())),
    }
}

/// `app.kymo`, `app.1.kymo`, …: the first that does not exist.
fn free_name(path: &Path) -> io::Result<PathBuf> {
    for number in 1..u32::MAX {
        let candidate = with_infix(path, number);
        if !derived::exists(&candidate)? {
            return Ok(candidate);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Where the side file of a log is.
pub(super) fn side_path(log: &Path) -> PathBuf {
    beside(log, ".rescue")
}

/// Where what was recovered of a log is.
pub(crate) fn recovered_path(log: &Path) -> PathBuf {
    beside(log, ".recovered")
}

fn beside(log: &Path, ending: &str) -> PathBuf {
    let mut path = log.to_path_buf().into_os_string();
    path.push(ending);
    path.into()
}

/// The header of a new segment.
pub(crate) fn header(clock: ClockSource) -> Header {
    let random = derived::random;
    let mut segment = [0; 16];
    segment[..8].copy_from_slice(&random().to_le_bytes());
    segment[8..].copy_from_slice(&random().to_le_bytes());
    Header {
        salt: random() as u32,
        process: std::process::id(),
        opened_ns: wall_ns(),
        boot: boot_id().unwrap_or_default(),
        segment,
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        ..Header::new(clock)
    }
}

/// The identifier that Linux gives each boot.
pub(crate) fn boot_id() -> Option<[u8; 16]> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes)
}
