//! The link: the log's own path, which leads to its current segment.
//!
//! It is replaced at once: whoever opens it finds the segment before or the one after. Only a link to a segment of the
//! log is ever replaced; a file that somebody has put there stays.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::derived::{other_name, rename_new};
use crate::segment::tap::{self, Ability};
use crate::segments::LogName;

/// What has the name of a log's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtLink {
    Nothing,
    /// A link to a segment of the log, which may be gone.
    Link,
    /// A link to something else.
    OtherLink,
    /// A regular file.
    File,
    /// A directory or the like.
    Special,
}

/// Looks what has the name of the log's link.
///
/// # Errors
/// Those of the system.
pub(crate) fn look(log: &LogName) -> io::Result<AtLink> {
    let path = log.path();
    let kind = match fs::symlink_metadata(&path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(AtLink::Nothing),
        Err(error) => return Err(error),
    };
    Ok(match (kind.is_symlink(), kind.is_file()) {
        (true, _) if leads_to_segment(log, &path) => AtLink::Link,
        (true, _) => AtLink::OtherLink,
        (_, true) => AtLink::File,
        _ => AtLink::Special,
    })
}

/// Whether a path is a link to a segment of the log.
pub(crate) fn leads_to_segment(log: &LogName, path: &Path) -> bool {
    let Ok(target) = fs::read_link(path) else { return false };
    let is_here = target
        .parent()
        .is_none_or(|parent| parent.as_os_str().is_empty() || parent == log.directory());
    is_here && target.file_name().is_some_and(|name| log.parse(name).is_some())
}

/// Has the log's link lead to a segment in its directory.
///
/// # Errors
/// If something else has the name, which stays ([`io::ErrorKind::AlreadyExists`]); those of the system.
pub(crate) fn point(log: &LogName, segment: &Path) -> io::Result<()> {
    let new = make(log, segment)?;
    let placed = place(log, &new);
    if placed.is_err() {
        let _ = fs::remove_file(&new);
    }
    placed
}

/// Whether an error of [`point`] or [`make`] says that the file system has no symbolic links.
pub(crate) fn is_without_links(error: &io::Error) -> bool {
    let unable = [libc::EPERM, libc::EOPNOTSUPP, libc::ENOSYS];
    error.raw_os_error().is_some_and(|error| unable.contains(&error))
}

/// Makes the link under a name of its own.
pub(crate) fn make(log: &LogName, segment: &Path) -> io::Result<PathBuf> {
    let mut new = temporary(log, "link");
    let target = segment.file_name().unwrap_or_default();
    match tap::ask(Ability::SymbolicLink).and_then(|()| symlink(target, &new)) {
        // A process of this number was killed, or it is somebody else's.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            new = other_name(&new);
            symlink(target, &new)?;
        }
        made => made?,
    }
    Ok(new)
}

fn place(log: &LogName, new: &Path) -> io::Result<()> {
    let path = log.path();
    match look(log)? {
        AtLink::Nothing => return rename_new(new, &path),
        AtLink::Link => {}
        _ => return Err(taken()),
    }
    match renameat_with(CWD, new, CWD, &path, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        // Gone since.
        Err(Errno::NOENT) => return rename_new(new, &path),
        // A file system that cannot exchange names.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => return fs::rename(new, &path),
        Err(error) => return Err(error.into()),
    }
    if !leads_to_segment(log, new) {
        // Somebody has put something there since: back it goes.
        renameat_with(CWD, new, CWD, &path, RenameFlags::EXCHANGE)?;
        return Err(taken());
    }
    fs::remove_file(new)
}

fn taken() -> io::Error {
    let text = "something else has the name of the log's link: move it away";
    io::Error::new(io::ErrorKind::AlreadyExists, text)
}

/// The name of a file of this process that is to get another one: `.app.kymo.PID.KIND`.
pub(crate) fn temporary(log: &LogName, kind: &str) -> PathBuf {
    let path = log.path();
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.{kind}", std::process::id()));
    path.with_file_name(name)
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;
    use crate::segment::tap::disk;

    #[test]
    fn a_file_system_without_links_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let log = LogName::new(&dir.path().join("app.kymo"));
        for (error, is_without) in
            [(libc::EPERM, true), (libc::ENOSYS, true), (libc::EACCES, false)]
        {
            disk::refuse(&[(Ability::SymbolicLink, error)]);
            let error = point(&log, &log.segment(0, 1)).unwrap_err();
            assert_eq!(is_without_links(&error), is_without, "{error}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_link_is_replaced_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let log = LogName::new(&dir.path().join("app.kymo"));
        let (first, second) = (log.segment(0, 1), log.segment(0, 2));
        let leads_to = || fs::read_link(log.path()).unwrap();
        point(&log, &first).unwrap();
        assert_eq!(Some(leads_to().as_os_str()), first.file_name());
        point(&log, &second).unwrap();
        assert_eq!(Some(leads_to().as_os_str()), second.file_name());
        assert_eq!(look(&log).unwrap(), AtLink::Link);
        for other in [AtLink::File, AtLink::OtherLink, AtLink::Special] {
            let _ = fs::remove_file(log.path());
            match other {
                AtLink::File => fs::write(log.path(), "mine").unwrap(),
                AtLink::OtherLink => std::os::unix::fs::symlink("other", log.path()).unwrap(),
                _ => fs::create_dir(log.path()).unwrap(),
            }
            assert_eq!(look(&log).unwrap(), other);
            let error = point(&log, &first).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{other:?}");
            assert_eq!(look(&log).unwrap(), other);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing half made is left");
    }
}
