//! Why a segment's file could not be opened.

use std::fmt::{self, Write};
use std::io;
use std::path::{Path, PathBuf};

use crate::format::escaped::Escaped;

/// Why a segment's file could not be opened.
#[derive(Debug)]
pub(crate) enum OpenSegmentError {
    /// Another logger writes to this file.
    InUse(PathBuf),
    /// The file could not be made, allocated or mapped.
    File(PathBuf, io::Error),
}

impl OpenSegmentError {
    pub(crate) fn file(path: &Path, error: io::Error) -> Self {
        Self::File(path.to_owned(), error)
    }
}

impl fmt::Display for OpenSegmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = Escaped(f);
        match self {
            Self::InUse(path) => {
                let path = path.display();
                write!(f, "{path}: another logger writes to this file: choose another path")
            }
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for OpenSegmentError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::InUse(_) => None,
            Self::File(_, error) => Some(error),
        }
    }
}
