//! The error of a recovery.

use std::fmt::{self, Write};
use std::io;
use std::path::{Path, PathBuf};

use crate::format::escaped::Escaped;

/// The error of [`recover`](crate::recover): why nothing was recovered. All files are as they were
/// before.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecoverError {
    /// A logger writes to the log, its process still runs, or another process recovers it.
    InUse(PathBuf),
    /// The file is not a log of kymo, or its header is damaged.
    NotALog(PathBuf),
    /// Reading or writing this file failed.
    File(PathBuf, io::Error),
}

impl RecoverError {
    pub(crate) fn file(path: &Path, error: io::Error) -> Self {
        Self::File(path.to_owned(), error)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::InUse(path) | Self::NotALog(path) | Self::File(path, _) => path,
        }
    }
}

impl fmt::Display for RecoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = Escaped(f);
        write!(f, "{}: ", self.path().display())?;
        match self {
            Self::InUse(_) => f.write_str(
                "a logger writes to it, or it is just being recovered: try again when that process \
                 has ended",
            ),
            Self::NotALog(_) => f.write_str("not a log of kymo's, or its header is damaged"),
            Self::File(_, error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for RecoverError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(_, error) => Some(error),
            _ => None,
        }
    }
}
