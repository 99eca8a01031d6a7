//! Log files: how they are opened, and what is to be said about them once they were read.
//!
//! A file that is still being written is read as it was when it was opened: as far as its writer
//! had committed. What its writer is at behind that would look like damage. Any other file is read
//! to the last valid frame. The two are told apart by the lock that a writer holds on its file; a
//! file that was closed in order is not asked for it.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use kymo::format::HEADER_BYTES;
use kymo::format::header::COMMITTED_OFFSET;
use kymo::reader::{Ending, Error, HeaderState, Options, Reader, Report};

/// A file that could be opened.
pub struct Input {
    /// What it is called in messages.
    pub name: String,
    pub reader: Reader<'static>,
    /// Somebody was writing to it when it was opened.
    pub is_live: bool,
}

/// Why a file could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// It does not exist, or may not be read.
    Io(io::Error),
    Directory,
    /// A device, a pipe, a socket.
    NotAFile,
    /// What is in it keeps it from being read.
    Content(Error),
}

impl Input {
    /// Opens the file at `path`, or standard input for `-`.
    pub fn open(path: &Path, options: Options<'static>) -> Result<Self, OpenError> {
        if path.as_os_str() == "-" {
            let reader = options.from_read(io::stdin()).map_err(OpenError::Content)?;
            return Ok(Self { name: "standard input".to_owned(), reader, is_live: false });
        }
        // Before it is opened: opening a pipe waits for its other end.
        let metadata = path.metadata().map_err(OpenError::Io)?;
        if metadata.is_dir() {
            return Err(OpenError::Directory);
        }
        if !metadata.is_file() {
            return Err(OpenError::NotAFile);
        }
        let mut file = File::open(path).map_err(OpenError::Io)?;
        let mut page = Vec::with_capacity(HEADER_BYTES);
        (&mut file).take(HEADER_BYTES as u64).read_to_end(&mut page).map_err(OpenError::Io)?;
        let length = file.metadata().map_err(OpenError::Io)?.len();
        let committed = committed_length(&page);
        let is_live = committed.is_some_and(|committed| committed < length) && is_locked(&file);
        let limit = committed.filter(|_| is_live).unwrap_or(u64::MAX);
        let bytes = Cursor::new(page).chain(file).take(limit);
        let reader = options.from_read(bytes).map_err(OpenError::Content)?;
        Ok(Self { name: path.display().to_string(), reader, is_live })
    }
}

/// The committed length that a header page names; `None` where it cannot be right.
fn committed_length(page: &[u8]) -> Option<u64> {
    let committed = u64::from_le_bytes(*page.get(COMMITTED_OFFSET..)?.first_chunk()?);
    (page.len() == HEADER_BYTES && committed >= HEADER_BYTES as u64).then_some(committed)
}

/// Whether somebody writes to the file. A writer that starts within the microsecond in which this
/// holds the lock itself would be turned away, so it is not asked without need.
#[cfg(unix)]
fn is_locked(file: &File) -> bool {
    use rustix::fs::{FlockOperation, flock};
    match flock(file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {
            let _ = flock(file, FlockOperation::Unlock);
            false
        }
        Err(error) => error == rustix::io::Errno::WOULDBLOCK,
    }
}

#[cfg(not(unix))]
fn is_locked(_file: &File) -> bool {
    false
}

/// Opens all files that can be opened; `complain` is told about the others.
pub fn open_all(
    paths: &[PathBuf],
    mut options: impl FnMut() -> Options<'static>,
    mut complain: impl FnMut(&Path, OpenError),
) -> Vec<Input> {
    let mut inputs = Vec::new();
    for path in paths {
        match Input::open(path, options()) {
            Ok(input) => inputs.push(input),
            Err(error) => complain(path, error),
        }
    }
    inputs
}

/// What is wrong with a file, in one line, by the report about it once it was read; `None` if
/// nothing is.
pub fn complaint(report: &Report, is_live: bool) -> Option<String> {
    let mut parts = Vec::new();
    match report.ending {
        Ending::Truncated => parts.push(format!(
            "truncated at byte {}: {} bytes were written",
            report.length_bytes, report.committed_bytes
        )),
        Ending::Torn if !is_live => {
            parts.push("ends in the middle of a frame: its writer died while writing".to_owned());
        }
        _ => {}
    }
    match report.header {
        HeaderState::Good => {}
        HeaderState::FirstDamaged => {
            parts.push("the header at byte 0 is damaged; its copy was taken".to_owned());
        }
        HeaderState::SecondDamaged => {
            parts.push("the copy of the header at byte 2048 is damaged".to_owned());
        }
        _ => parts.push("the header at byte 0 is damaged, and so is its copy".to_owned()),
    }
    if let Some(first) = report.damage.first() {
        let mut part = first.to_string();
        if report.damages > 1 {
            let (more, bytes) = (report.damages - 1, report.damaged_bytes);
            let _ = write!(part, ", and {more} more places; {bytes} bytes in all");
        }
        parts.push(part);
    }
    let mut count = |records: u64, what: &str| {
        if records > 0 {
            parts.push(format!("{what}: {records}"));
        }
    };
    count(report.lost(), "records lost");
    count(report.unmarked_drops(), "records dropped without a mark that was read");
    count(report.untimed, "records whose time is a guess");
    (!parts.is_empty()).then(|| parts.join("; "))
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot open it: {error}"),
            Self::Directory => f.write_str("is a directory, not a log file"),
            Self::NotAFile => f.write_str("is not a regular file; give - to read from a pipe"),
            Self::Content(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Content(error) => Some(error),
            _ => None,
        }
    }
}
