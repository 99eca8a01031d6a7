//! The errors that keep a file from being read.
//!
//! Damage inside a file is no error: it is an [`Event`](super::Event), and reading continues past it.

use std::{fmt, io};

use kymo_files::derived::Refused;

/// Why a file cannot be read. [`Error::offset`] is the byte at which it failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file, or the directory, cannot be opened.
    Open(io::Error),
    /// It is a directory; [`Directory`](super::Directory) looks into one.
    Directory,
    /// It is a symbolic link in a directory, and may lead anywhere.
    Link,
    /// It is a device, a pipe or a socket.
    Special,
    /// Its name is one that kymo derives from a log's, and kymo cannot have made it. Somebody else who
    /// may write to the directory has.
    Refused(Refused),
    /// It is a side file of more than 64 MiB, or of more than 1,048,576 records.
    SideFileTooLong,
    /// It has the name of a segment of the log, and is a segment of another one.
    OtherLog,
    /// It has the name of a segment of the log, and its header is damaged.
    UnknownLog,
    /// It is compressed, and this reader was built without the feature `zstd`.
    Compressed,
    /// It is compressed and has no valid seek table, so it can only be read from front to back.
    NoSeekTable,
    /// The file holds no bytes.
    Empty,
    /// The file is not a kymo log.
    Foreign,
    /// The file ends inside the header, or its header is not written yet.
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
            Self::Open(_) | Self::Directory | Self::Link | Self::Special | Self::Refused(_) => 0,
            Self::OtherLog | Self::UnknownLog | Self::Compressed | Self::NoSeekTable => 0,
            Self::SideFileTooLong | Self::Empty | Self::Foreign => 0,
            Self::UnsupportedVersion { .. } => 8,
            Self::Incomplete { offset } | Self::Io { offset, .. } => *offset,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => write!(f, "cannot open it: {error}"),
            Self::Directory => f.write_str("is a directory; name the log files in it"),
            Self::Link => f.write_str("is a symbolic link; name the log that it leads to"),
            Self::Special => f.write_str("is not a regular file; copy what comes from it to one"),
            Self::Refused(refused) => refused.fmt(f),
            Self::SideFileTooLong => f.write_str(
                "is too long for a side file, and was left out; read it as a log of its own",
            ),
            Self::OtherLog => f.write_str(
                "is a segment of another log of this name, and was left out; read it by its own name",
            ),
            Self::UnknownLog => f.write_str(
                "is no segment of the log, or has a damaged header, and was left out; read it by its own name",
            ),
            Self::Compressed => f.write_str(
                "is compressed, and this program was built without kymo-reader's feature `zstd`: decompress it with \
                 `zstd -d`",
            ),
            Self::NoSeekTable => f.write_str(
                "is compressed, and its seek table is missing or damaged: decompress it with `zstd -d`",
            ),
            Self::Empty => f.write_str("the file is empty, at byte 0: nothing was written to it"),
            Self::Foreign => f.write_str(
                "not a kymo file: neither copy of the header, at byte 0 and at byte 2048, is right",
            ),
            Self::Incomplete { offset } => write!(
                f,
                "the file ends inside the header, at byte {offset}: its logger is just starting, \
                 or it was not copied to the end; try again"
            ),
            Self::UnsupportedVersion { found, supported } => write!(
                f,
                "the file has version {found} of the format, at byte 8; this reader knows those \
                 up to {supported}: take that of a later release"
            ),
            Self::Io { offset, error } => write!(f, "cannot read at byte {offset}: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open(error) | Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}
