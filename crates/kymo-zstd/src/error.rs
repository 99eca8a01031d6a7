//! Why a compressed segment cannot be read.

use std::{error, fmt, io};

/// Why a compressed segment cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// It does not end with a seek table, so it can only be read from front to back.
    NoSeekTable,
    /// Its seek table contradicts itself or the file.
    SeekTable(&'static str),
    /// A block cannot be decompressed.
    Block {
        /// Where its content begins in the segment.
        offset: u64,
        /// The length of its content in bytes.
        bytes: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// Reading failed.
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSeekTable => f.write_str("has no seek table"),
            Self::SeekTable(problem) => write!(f, "the seek table is damaged: {problem}"),
            Self::Block { offset, bytes, problem } => {
                write!(f, "the {bytes} bytes at byte {offset} cannot be decompressed: {problem}")
            }
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
