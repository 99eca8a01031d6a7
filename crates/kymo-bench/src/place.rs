//! Where a measurement runs: cores and files.

use std::io;
use std::path::{Path, PathBuf};

/// The core of the only producer, where nothing else is asked for.
pub const PRODUCER_CORE: usize = 0;

/// The core of the consumer, `None` on a machine of one core.
pub fn consumer_core() -> Option<usize> {
    (core_affinity::get_core_ids()?.len() > 1).then_some(1)
}

/// Pins this thread.
pub fn pin(core: usize) -> io::Result<()> {
    if core_affinity::set_for_current(core_affinity::CoreId { id: core }) {
        Ok(())
    } else {
        Err(io::Error::other(format!("cannot be pinned to core {core}")))
    }
}

/// Lets this thread run on all cores that the process may use.
pub fn unpin(cores: &[usize]) -> io::Result<()> {
    // SAFETY: all bits zero is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &core in cores {
        // SAFETY: the set is valid; a number that it cannot hold panics.
        unsafe { libc::CPU_SET(core, &mut set) };
    }
    // SAFETY: the set is valid for reads of its size.
    if unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The cores that this process may use. To be asked before anything is pinned.
pub fn allowed_cores() -> Vec<usize> {
    core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect()
}

/// A file that is removed when the measurement is over.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A file of a name that no other measurement uses.
    pub fn new(directory: &Path, name: &str) -> Self {
        Self(directory.join(format!("kymo-bench-{}-{name}.kymo", std::process::id())))
    }

    /// As `new`, where temporary files are.
    pub fn temporary(name: &str) -> Self {
        Self::new(&std::env::temp_dir(), name)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
