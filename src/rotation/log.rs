//! A log of many segments, before a logger goes on with it: who else writes to it, and which segments are there.
//!
//! In: the log's path. Out: its lock, its newest segment, and the place of the next. Nothing that is there is ever
//! written over; only files of killed starts and loggers are removed that never got their names.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::derived::{self, OpenError, Owner};
use crate::process::fork::{self, Private};
use crate::process::lock::{LockOutcome, is_at, lock};
use crate::rotation::link::{self, AtLink};
use crate::rotation::rotator::Current;
use crate::segment::error::OpenSegmentError;
use crate::segments::{LogName, SegmentFile};

/// A log that this process has locked.
pub(crate) struct Log {
    pub(crate) names: LogName,
    pub(crate) lock: LogLock,
    pub(crate) owner: Owner,
    /// The newest segment, with the number of the run that comes. Where there is none: number 0, and the log's id.
    pub(crate) newest: Current,
    /// The segments that are there, by number.
    pub(crate) segments: Vec<SegmentFile>,
    /// What has the log's own path.
    pub(crate) at_link: AtLink,
}

impl Log {
    /// Locks the log at `path`, and looks what there is of it. Makes its directory if `makes_directory`.
    ///
    /// # Errors
    /// If another logger writes to the log, its path leads elsewhere, or the system refuses something.
    pub(crate) fn open(path: &Path, makes_directory: bool) -> Result<Self, OpenSegmentError> {
        let fail = |error| OpenSegmentError::file(path, error);
        let path = std::path::absolute(path).map_err(fail)?;
        let names = LogName::new(&path);
        if path.file_name().is_none() {
            return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, "this is no file name")));
        }
        if makes_directory {
            fs::create_dir_all(names.directory()).map_err(fail)?;
        } else if !names.directory().try_exists().map_err(fail)? {
            let directory = names.directory().display();
            let text =
                format!("there is no directory {directory}: make it, or use `make_directory`");
            return Err(fail(io::Error::new(io::ErrorKind::NotFound, text)));
        }
        let at_link = link::look(&names).map_err(fail)?;
        let text = match at_link {
            AtLink::OtherLink => {
                "this is a link, and not to a segment of this log: name another path"
            }
            AtLink::Special => "this is not a regular file: name another path",
            AtLink::Nothing | AtLink::Link | AtLink::File => "",
        };
        if !text.is_empty() {
            return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, text)));
        }
        let lock = LogLock::take(&names, owner())?;
        remove_left_over(&names).map_err(fail)?;
        let segments = names.list(owner()).map_err(fail)?;
        let newest = newest(&names, &segments).map_err(fail)?;
        Ok(Self { names, lock, owner: owner(), newest, segments, at_link })
    }

    /// The segments whose headers name the log, the newest first.
    pub(crate) fn own_segments(&self) -> impl Iterator<Item = &SegmentFile> {
        let is_of_log = |file: &&SegmentFile| {
            file.header.as_ref().is_some_and(|header| header.log == self.newest.log)
        };
        self.segments.iter().rev().filter(is_of_log)
    }

    /// The segments of the log whose rings may be left, the newest first: those before the first that is compressed.
    pub(crate) fn last_segments(&self) -> impl Iterator<Item = &SegmentFile> {
        self.own_segments().take_while(|file| !file.name.is_compressed)
    }
}

/// Whose segments are believed: this process's own user's, and root's.
fn owner() -> Owner {
    Owner::of_user(rustix::process::geteuid().as_raw())
}

/// The newest segment, and the log's id: that of the newest segment, or a new one.
fn newest(names: &LogName, segments: &[SegmentFile]) -> io::Result<Current> {
    let header = segments
        .iter()
        .rev()
        .find_map(|file| file.header.as_ref().filter(|header| header.log != [0; 16]));
    // Not 0, which earlier releases have.
    let run = derived::random() as u16 | 1;
    let mut newest = match header {
        Some(header) => Current {
            log: header.log,
            id: header.segment,
            sequence: header.sequence,
            opened_ns: header.opened_ns,
            run,
        },
        None => {
            let mut log = [0; 16];
            log[..8].copy_from_slice(&derived::random().to_le_bytes());
            log[8..].copy_from_slice(&derived::random().to_le_bytes());
            Current { log, id: [0; 16], sequence: 0, opened_ns: i64::MIN, run }
        }
    };
    // No number is given twice, and no name is before another, whoever has made the file.
    for entry in fs::read_dir(names.directory())? {
        if let Some(name) = names.parse(&entry?.file_name()) {
            newest.sequence = newest.sequence.max(name.sequence);
            newest.opened_ns = newest.opened_ns.max(name.began_s.saturating_mul(1_000_000_000));
        }
    }
    Ok(newest)
}

/// Removes what processes left that were killed while they made a segment or a link. The log is locked, so no other
/// logger needs it.
fn remove_left_over(names: &LogName) -> io::Result<()> {
    let path = names.path();
    let own = path.file_name().unwrap_or_default().as_bytes();
    for entry in fs::read_dir(names.directory())? {
        let entry = entry?;
        let name = entry.file_name();
        let is_left_over = || {
            let rest = name.as_bytes().strip_prefix(b".")?.strip_prefix(own)?.strip_prefix(b".")?;
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let rest = &rest[digits..];
            let is_one = |kind: &[u8]| {
                rest.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest[0] == b'.')
            };
            (digits > 0).then(|| is_one(b".next") || is_one(b".link"))
        };
        // Others can make such files, too: theirs stay.
        if is_left_over() == Some(true) && is_own(names, &entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Whether a file was made by a logger of this user: a regular file, or a link to a segment of the log.
fn is_own(names: &LogName, path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(it) if it.is_symlink() => {
            it.uid() == rustix::process::geteuid().as_raw() && link::leads_to_segment(names, path)
        }
        Ok(_) => derived::open(path, owner()).is_ok(),
        Err(_) => false,
    }
}

/// The lock on a log, which keeps other loggers away from it.
///
/// It is on a file of its own, because at no other name there is one file for as long as a logger runs. The file is
/// removed when the lock is dropped; one that was left says nothing.
pub(crate) struct LogLock {
    file: Private,
    path: PathBuf,
    generation: u32,
}

impl LogLock {
    fn take(names: &LogName, owner: Owner) -> Result<Self, OpenSegmentError> {
        let log = names.path();
        let mut path = std::ffi::OsString::from(".");
        path.push(log.file_name().unwrap_or_default());
        path.push(".lock");
        let path = log.with_file_name(path);
        let fail = |error| OpenSegmentError::file(&path, error);
        for _ in 0..100 {
            let file = match derived::create_new(&path, 0o600) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    match derived::open(&path, owner) {
                        // Gone since.
                        Err(error) if error.is_missing() => continue,
                        Err(OpenError::Io(error)) => return Err(fail(error)),
                        Err(OpenError::Refused(refused)) => {
                            return Err(fail(io::Error::other(refused)));
                        }
                        Ok(file) => file,
                    }
                }
                made => made.map_err(fail)?,
            };
            if lock(&file).map_err(fail)? == LockOutcome::Elsewhere {
                return Err(OpenSegmentError::InUse(log));
            }
            // Its owner may have removed it just before.
            if is_at(&file, &path).map_err(fail)? {
                return Ok(Self { file: Private::new(file), path, generation: fork::generation() });
            }
        }
        Err(fail(io::Error::other("somebody else replaces this file all the time")))
    }
}

impl Drop for LogLock {
    fn drop(&mut self) {
        // While it is locked: who opens it now finds out that it has no name.
        if self.generation == fork::generation() && is_at(&self.file, &self.path).unwrap_or(false) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
