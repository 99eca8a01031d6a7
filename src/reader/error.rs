//! What keeps a file from being read at all.
//!
//! Damage inside a file is no error: it is an [`Event`](super::Event), and reading goes on behind
//! it.

use std::{fmt, io};

/// What keeps a file from being read. Each says at which byte of the file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file holds no bytes.
    Empty,
    /// The file is not one of kymo's.
    Foreign,
    /// The file may be one of kymo's, but ends inside the header, or its header is not written yet.
    Incomplete {
        /// Where the bytes end.
        offset: u64,
    },
    /// The file was written by a later version than this one can read.
    UnsupportedVersion {
        /// The version of the format that the file names.
        found: u32,
        /// The latest version that this release reads.
        supported: u32,
    },
    /// Reading failed. It may be tried again.
    Io {
        /// The offset of the bytes that were asked for.
        offset: u64,
        /// What the operating system said.
        error: io::Error,
    },
}

impl Error {
    /// The byte of the file at which reading failed.
    pub fn offset(&self) -> u64 {
        match self {
            Self::Empty | Self::Foreign => 0,
            Self::UnsupportedVersion { .. } => 8,
            Self::Incomplete { offset } | Self::Io { offset, .. } => *offset,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the file is empty"),
            Self::Foreign => f.write_str("not a kymo file: neither copy of the header is right"),
            Self::Incomplete { offset } => {
                write!(f, "the file ends inside the header, at byte {offset}")
            }
            Self::UnsupportedVersion { found, supported } => write!(
                f,
                "the file has version {found} of the format; this reader knows those up to {supported}"
            ),
            Self::Io { offset, error } => write!(f, "cannot read at byte {offset}: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}
