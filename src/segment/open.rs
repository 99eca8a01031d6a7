//! Opening a segment's file: what is there already, who else writes to it, and what its header
//! says.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::clock::wall_ns;
use crate::endings::with_infix;
use crate::error::{StartError, StartErrorKind};
use crate::format::header::{ClockSource, Header};

/// Opens `path`, empty, for this process alone. A file that is there already is renamed, unless it
/// may be written over.
pub(crate) fn open(path: &Path, overwrite: bool) -> Result<File, StartError> {
    let fail = |error| StartError::file(path, error);
    let file = open_locked(path)?;
    if file.metadata().map_err(fail)?.len() == 0 {
        return Ok(file);
    }
    if overwrite {
        file.set_len(0).map_err(fail)?;
        return Ok(file);
    }
    std::fs::rename(path, free_name(path).map_err(fail)?).map_err(fail)?;
    open_locked(path)
}

fn open_locked(path: &Path) -> Result<File, StartError> {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
    let file = file.map_err(|error| StartError::file(path, error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StartErrorKind::InUse(path.to_owned()).into()),
        // A file system without locks: nobody else can be kept away.
        Err(rustix::io::Errno::NOTSUP | rustix::io::Errno::NOLCK) => Ok(file),
        Err(error) => Err(StartError::file(path, error.into())),
    }
}

/// `app.kymo`, `app.1.kymo`, …: the first that does not exist.
fn free_name(path: &Path) -> io::Result<PathBuf> {
    for number in 1..u32::MAX {
        let candidate = with_infix(path, number);
        if !candidate.try_exists()? {
            return Ok(candidate);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// The header of a new segment.
pub(crate) fn header(clock: ClockSource) -> Header {
    // The standard library seeds its hash maps from the system's random numbers; nothing here is a
    // secret.
    let random = || RandomState::new().build_hasher().finish();
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
fn boot_id() -> Option<[u8; 16]> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes)
}
