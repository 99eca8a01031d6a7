//! The file of a ring, which outlives its process: its name, its mapping, its maker.
#![cfg_attr(kymo_loom, allow(unused_imports, reason = "models have no files"))]

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use memmap2::MmapOptions;

use crate::derived;
use crate::process::allocate::allocate;
use crate::process::fork;
use crate::ring::storage::layout::RingIdentity;
use crate::ring::storage::memory::{Ring, ring_bytes};
use crate::sync::statics::{AtomicU64, Ordering};

/// The ending of a ring file's name.
pub const EXTENSION: &str = "kymoring";

/// The name of a ring's file. Dropping this removes the file, whose content is no longer needed. A
/// process that dies leaves it.
#[derive(Debug)]
pub struct RingFile {
    /// `None` if the file is to be kept, or is gone.
    path: Option<PathBuf>,
    /// The process that made it: the child of a fork leaves it alone.
    generation: u32,
}

impl RingFile {
    /// Makes a ring in a new file of this directory: see [`create`].
    pub(in crate::ring) fn create(
        directory: &Path,
        identity: RingIdentity,
    ) -> io::Result<(Ring, Self)> {
        let (ring, path) = create(directory, identity)?;
        Ok((ring, Self { path: Some(path), generation: fork::generation() }))
    }

    /// Keeps the file.
    pub fn keep(&mut self) {
        self.path = None;
    }

    /// Removes the file.
    pub fn remove(&mut self) {
        if let Some(path) = self.path.take()
            && self.generation == fork::generation()
        {
            // Another process may have removed it. A recovery finds what cannot be removed.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Drop for RingFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Makes the file of a ring in this directory, readable and writable by its user alone, and maps
/// it. Returns the ring and the file's path.
///
/// All of its memory is allocated here. So a full file system is an error now, never a SIGBUS
/// later.
///
/// # Errors
///
/// The error of the system. Then the file has been removed again.
#[cfg(not(kymo_loom))]
pub fn create(directory: &Path, identity: RingIdentity) -> io::Result<(Ring, PathBuf)> {
    let owner = (identity.process, identity.process_start);
    let (path, file) = create_numbered(directory, owner, EXTENSION)?;
    match map(&file, identity) {
        Ok(ring) => Ok((ring, path)),
        Err(error) => {
            // A file that cannot be removed holds nothing. The next start finds it.
            let _ = std::fs::remove_file(&path);
            Err(error)
        }
    }
}

/// Makes a file `kymo-PID-START-NUMBER.EXTENSION` of this process, for its user alone. The numbers
/// grow. Returns the file and its path.
///
/// # Errors
///
/// The error of the system.
pub fn create_numbered(
    directory: &Path,
    (process, start): (u32, u64),
    extension: &str,
) -> io::Result<(PathBuf, File)> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    /// One is enough, unless another process takes the next names away.
    const ATTEMPTS: usize = 16;
    let mut step = 1;
    for _ in 0..ATTEMPTS {
        // Relaxed: it only has to be another number each time.
        let number = NUMBER.fetch_add(step, Ordering::Relaxed) + step;
        let path = directory.join(format!("kymo-{process}-{start}-{number}.{extension}"));
        match derived::create_new(&path, 0o600) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|file| (path, file)),
        }
        // To a number that nobody can have foreseen.
        step = derived::random() >> 24;
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Models have no files.
#[cfg(kymo_loom)]
pub fn create(_: &Path, _: RingIdentity) -> io::Result<(Ring, PathBuf)> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(kymo_loom))]
fn map(file: &File, identity: RingIdentity) -> io::Result<Ring> {
    let bytes = ring_bytes(identity.capacity_words);
    allocate(file, 0, bytes)?;
    let length = usize::try_from(bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let map = MmapOptions::new().len(length).map_raw(file)?;
    // The child of a fork has no use for it, and would keep its memory. If the system refuses this,
    // the child keeps it.
    let _ = map.advise(memmap2::Advice::DontFork);
    if map.advise(memmap2::Advice::PopulateWrite).is_err() {
        // The kernel is older than 5.14.
        // SAFETY: all of the mapping is writable and allocated, and no one else's yet.
        unsafe { map.as_mut_ptr().write_bytes(0, length) };
    }
    Ok(Ring::in_mapping(identity, map))
}

/// Returns when a process was started, in the system's clock ticks since the machine was: field 22
/// of `/proc/PID/stat`. `None` if there is no such process, or no `/proc`.
pub fn process_start(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Field 2, the program's name, is in parentheses, and may contain some.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Whether the process that made a ring still runs. `boot` is the current boot id.
pub fn is_alive(identity: &RingIdentity, boot: &[u8; 16]) -> bool {
    identity.boot == *boot && process_start(identity.process) == Some(identity.process_start)
}
