//! The file of a ring, as long as it has a name.

use std::io;
use std::path::{Path, PathBuf};

use crate::process::fork;
use crate::ring::storage::layout::RingIdentity;
use crate::ring::storage::mapping;
use crate::ring::storage::memory::Ring;

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
    /// Makes a ring in a new file of this directory: see [`mapping::create`].
    pub(in crate::ring) fn create(
        directory: &Path,
        identity: RingIdentity,
    ) -> io::Result<(Ring, Self)> {
        let (ring, path) = mapping::create(directory, identity)?;
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
