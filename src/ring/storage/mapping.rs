//! A ring in a file that outlives its process.
#![cfg_attr(kymo_loom, allow(unused_imports, reason = "models have no files"))]

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use memmap2::MmapOptions;

use crate::derived;
use crate::process::allocate::allocate;
use crate::ring::storage::layout::RingIdentity;
use crate::ring::storage::memory::{Ring, ring_bytes};
use crate::sync::statics::{AtomicU64, Ordering};

/// Where ring files are kept unless somewhere else is asked for: in memory, so that nothing writes
/// them to a disk.
pub const DEFAULT_DIRECTORY: &str = "/dev/shm";

/// The ending of a ring file's name.
pub const EXTENSION: &str = "kymoring";

/// Makes the file of a ring in this directory, readable and writable by its user alone, and maps
/// it. All of its memory is provided here: that the directory's file system is full is an error
/// now, never a SIGBUS later. Returns the ring and the file's path.
///
/// # Errors
///
/// What the system says. Then the file is removed again.
#[cfg(not(kymo_loom))]
pub fn create(directory: &Path, identity: RingIdentity) -> io::Result<(Ring, PathBuf)> {
    let owner = (identity.process, identity.process_start);
    let (path, file) = create_numbered(directory, owner, EXTENSION)?;
    match map(&file, identity) {
        Ok(ring) => Ok((ring, path)),
        Err(error) => {
            // What cannot be removed holds nothing, and is found by the next start.
            let _ = std::fs::remove_file(&path);
            Err(error)
        }
    }
}

/// Makes a file `kymo-PID-START-NUMBER.EXTENSION` of this process, for its user alone. The numbers
/// grow. Returns the file's path, too.
///
/// # Errors
///
/// What the system says.
pub fn create_numbered(
    directory: &Path,
    (process, start): (u32, u64),
    extension: &str,
) -> io::Result<(PathBuf, File)> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    /// One is enough, unless somebody takes the names away that are next.
    const ATTEMPTS: usize = 16;
    let mut step = 1;
    for _ in 0..ATTEMPTS {
        // Relaxed: it only has to be another one each time.
        let number = NUMBER.fetch_add(step, Ordering::Relaxed) + step;
        let path = directory.join(format!("kymo-{process}-{start}-{number}.{extension}"));
        match derived::create_new(&path, 0o600) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|file| (path, file)),
        }
        // To where nobody can have been.
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
    // The child of a fork has no use for it, and would keep its memory. Where the system refuses, it
    // does.
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::DontFork);
    #[cfg(target_os = "linux")]
    let populated = map.advise(memmap2::Advice::PopulateWrite).is_ok();
    #[cfg(not(target_os = "linux"))]
    let populated = false;
    if !populated {
        // SAFETY: all of the mapping is writable, allocated, and nobody else's yet.
        unsafe { map.as_mut_ptr().write_bytes(0, length) };
    }
    Ok(Ring::in_mapping(identity, map))
}

/// When a process was started, in the system's clock ticks since the machine was: field 22 of
/// `/proc/PID/stat`. `None` where there is no such process, or no `/proc`.
pub fn process_start(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program, field 2, is in parentheses, and may have some itself.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Whether the process that made a ring still runs. `boot` is the identifier of the boot now.
pub fn is_alive(identity: &RingIdentity, boot: &[u8; 16]) -> bool {
    identity.boot == *boot && process_start(identity.process) == Some(identity.process_start)
}

/// Whether a file's name is that of a ring.
pub fn is_ring_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("kymo-") && name.ends_with(&format!(".{EXTENSION}"))
}
