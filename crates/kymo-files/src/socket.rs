//! The socket beside a log (`NAME.ctl`), by which the process that writes the log can be asked.
//!
//! Its name is derived, so others can know it: see [`derived`](crate::derived). It is no regular file, so it has rules
//! of its own:
//!
//! 1. a symbolic link is not followed, and nothing but a socket is connected to or replaced,
//! 2. one is connected to only if it belongs to this user or to root, or if root asks,
//! 3. it appears under its name when it listens, with the permissions 0600,
//! 4. a socket on which nobody listens any more is replaced, one on which somebody does never.
//!
//! The path of a socket's address has 108 bytes at most. So addresses are below `/proc/self/fd`, and a log may have any
//! path and name.
//!
//! ```text
//!  bind /proc/self/fd/DIR/.kymo-HASH.ctl ─▶ chmod 0600 ─▶ listen ─▶ rename to NAME.ctl
//!  open NAME.ctl (O_PATH, O_NOFOLLOW) ─▶ is it a socket, whose? ─▶ connect /proc/self/fd/SOCKET
//! ```
//!
//! Cut anywhere, that leaves a socket on which nobody listens, under one of two names that the next start replaces.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::beside::directory_of;

/// How many connections may wait.
const BACKLOG: i32 = 64;

/// Returns the path of the socket beside a log.
pub fn path_of(log: &Path) -> PathBuf {
    let mut path = log.to_owned();
    path.as_mut_os_string().push(".ctl");
    path
}

/// A socket that listens.
#[derive(Debug)]
pub struct Listening {
    socket: OwnedFd,
    place: Place,
}

/// Where a socket is.
#[derive(Debug)]
pub struct Place {
    directory: OwnedFd,
    name: OsString,
    /// Its device and its number there.
    identity: (u64, u64),
}

/// Why there is no socket, or no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum SocketError {
    /// There is none of this name.
    Missing,
    /// What has the name is no socket.
    NotASocket,
    /// It belongs to this user, who is neither this one nor root.
    Owner(u32),
    /// Nobody listens: its process has ended.
    Dead,
    /// Somebody listens.
    Alive,
    /// As many connections wait as may: its process is stopped, or has no time.
    Busy,
    /// The error of the operating system.
    Io(io::Error),
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such socket"),
            Self::NotASocket => f.write_str("it is no socket: move it away"),
            Self::Owner(user) => write!(f, "it belongs to user {user}: ask as that user"),
            Self::Dead => f.write_str("nobody listens: its process has ended"),
            Self::Alive => f.write_str("another process listens there: end it, or log elsewhere"),
            Self::Busy => f.write_str("its process does not take connections: it may be stopped"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SocketError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Errno> for SocketError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

impl From<SocketError> for io::Error {
    fn from(error: SocketError) -> Self {
        match error {
            SocketError::Io(error) => error,
            other => Self::other(other),
        }
    }
}

/// Listens beside a log. To be called by the holder of the log's lock.
///
/// The socket does not wait for connections: `accept` fails if there is none.
///
/// # Errors
/// If something else has the name, somebody listens there, or the system refuses.
pub fn listen(log: &Path) -> Result<Listening, SocketError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(directory_of(log), flags, Mode::empty())?;
    let path = path_of(log);
    let name = path.file_name().ok_or(Errno::ISDIR)?.to_owned();
    let is_stale = match connect_in(&directory, &name, |_| true) {
        Err(SocketError::Missing) => false,
        Err(SocketError::Dead) => true,
        Err(SocketError::Busy) | Ok(_) => return Err(SocketError::Alive),
        Err(error) => return Err(error),
    };
    let temporary = temporary_name(&name);
    // Of a start that was cut. Anything else of this name makes `bind` fail.
    if let Err(SocketError::Dead) = connect_in(&directory, &temporary, |_| true) {
        rustix::fs::unlinkat(&directory, &temporary, AtFlags::empty())?;
    }
    let socket = new_socket()?;
    let address = format!("/proc/self/fd/{}/", directory.as_raw_fd());
    let mut address = OsString::from(address);
    address.push(&temporary);
    rustix::net::bind(&socket, &SocketAddrUnix::new(&*address)?)?;
    let finished = finish(&socket, &directory, &temporary, &name, is_stale);
    if finished.is_err() {
        let _ = rustix::fs::unlinkat(&directory, &temporary, AtFlags::empty());
    }
    Ok(Listening { socket, place: Place { identity: finished?, directory, name } })
}

/// Has a bound socket listen, and gives it its name. Returns which it is.
fn finish(
    socket: &OwnedFd,
    directory: &OwnedFd,
    temporary: &OsStr,
    name: &OsStr,
    is_stale: bool,
) -> Result<(u64, u64), Errno> {
    // Nobody can connect before it listens.
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::chmodat(directory, temporary, mode, AtFlags::empty())?;
    rustix::net::listen(socket, BACKLOG)?;
    let stat = rustix::fs::statat(directory, temporary, AtFlags::SYMLINK_NOFOLLOW)?;
    let flags = if is_stale { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
    match rustix::fs::renameat_with(directory, temporary, directory, name, flags) {
        // A file system that cannot do both at once. The log is locked, so no other logger makes one.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            rustix::fs::renameat(directory, temporary, directory, name)?;
        }
        renamed => renamed?,
    }
    Ok(identity(&stat))
}

/// The name of the socket until it listens: short, and another one for each name.
fn temporary_name(name: &OsStr) -> OsString {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    format!(".kymo-{:016x}.ctl", hasher.finish()).into()
}

impl Listening {
    /// Returns the socket, and where it is.
    pub fn into_parts(self) -> (OwnedFd, Place) {
        (self.socket, self.place)
    }
}

impl Place {
    /// Removes the socket, unless another one has its name.
    pub fn remove(&self) {
        let Self { directory, name, .. } = self;
        let there = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
        if there.is_ok_and(|stat| identity(&stat) == self.identity) {
            let _ = rustix::fs::unlinkat(directory, name, AtFlags::empty());
        }
    }
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// Connects to the process that writes a log.
///
/// # Errors
/// If there is no such process, it belongs to another user, or the system refuses.
pub fn connect(log: &Path) -> Result<UnixStream, SocketError> {
    let path = path_of(log);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = match rustix::fs::open(directory_of(log), flags, Mode::empty()) {
        Err(Errno::NOENT) => return Err(SocketError::Missing),
        opened => opened?,
    };
    let me = rustix::process::geteuid().as_raw();
    let is_trusted = |owner: u32| me == 0 || owner == me || owner == 0;
    connect_in(&directory, path.file_name().ok_or(Errno::ISDIR)?, is_trusted)
}

fn connect_in(
    directory: &OwnedFd,
    name: &OsStr,
    is_trusted: impl Fn(u32) -> bool,
) -> Result<UnixStream, SocketError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let it = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Err(SocketError::Missing),
        opened => opened?,
    };
    let stat = rustix::fs::fstat(&it)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(SocketError::NotASocket);
    }
    if !is_trusted(stat.st_uid) {
        return Err(SocketError::Owner(stat.st_uid));
    }
    let socket = new_socket()?;
    let address = format!("/proc/self/fd/{}", it.as_raw_fd());
    // It does not wait, not even for a process that is stopped.
    match rustix::net::connect(&socket, &SocketAddrUnix::new(address)?) {
        Ok(()) => {}
        Err(Errno::CONNREFUSED) => return Err(SocketError::Dead),
        Err(Errno::AGAIN) => return Err(SocketError::Busy),
        Err(error) => return Err(error.into()),
    }
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false).map_err(SocketError::Io)?;
    Ok(stream)
}

fn new_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    /// A socket is replaced when nobody listens any more, and not before; a removed one is gone.
    #[test]
    fn stale_sockets_are_replaced_and_live_ones_never() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("app.kymo");
        assert!(matches!(connect(&log), Err(SocketError::Missing)));
        let (socket, place) = listen(&log).unwrap().into_parts();
        let path = path_of(&log);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        connect(&log).unwrap();
        assert!(matches!(listen(&log), Err(SocketError::Alive)));
        drop(socket);
        assert!(matches!(connect(&log), Err(SocketError::Dead)));
        let inode = path.metadata().unwrap().ino();
        let (_socket, later) = listen(&log).unwrap().into_parts();
        assert_ne!(path.metadata().unwrap().ino(), inode);
        // The one that was replaced does not remove its successor.
        place.remove();
        connect(&log).unwrap();
        later.remove();
        assert!(matches!(connect(&log), Err(SocketError::Missing)));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    /// The path and the name may be as long as the system allows.
    #[test]
    fn paths_may_be_long() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("d".repeat(200)).join("e".repeat(200));
        fs::create_dir_all(&long).unwrap();
        for name in ["app.kymo".to_owned(), "n".repeat(251)] {
            let log = long.join(name);
            let (_socket, place) = listen(&log).unwrap().into_parts();
            connect(&log).unwrap();
            place.remove();
        }
        let log = long.join("n".repeat(252));
        assert!(matches!(listen(&log), Err(SocketError::Io(_))));
        assert_eq!(fs::read_dir(&long).unwrap().count(), 0);
    }

    /// What is no socket stays, and is not connected to; a link is not followed.
    #[test]
    fn other_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("app.kymo");
        let elsewhere = dir.path().join("other.kymo");
        let (_socket, _place) = listen(&elsewhere).unwrap().into_parts();
        std::os::unix::fs::symlink(path_of(&elsewhere), path_of(&log)).unwrap();
        assert!(matches!(connect(&log), Err(SocketError::NotASocket)));
        assert!(matches!(listen(&log), Err(SocketError::NotASocket)));
        fs::remove_file(path_of(&log)).unwrap();
        fs::write(path_of(&log), "precious").unwrap();
        assert!(matches!(listen(&log), Err(SocketError::NotASocket)));
        assert_eq!(fs::read_to_string(path_of(&log)).unwrap(), "precious");
    }

    /// A start that was killed before its socket had its name is cleaned up by the next one.
    #[test]
    fn what_a_killed_start_left_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("app.kymo");
        let temporary = dir.path().join(temporary_name(path_of(&log).file_name().unwrap()));
        drop(std::os::unix::net::UnixListener::bind(&temporary).unwrap());
        let (_socket, place) = listen(&log).unwrap().into_parts();
        connect(&log).unwrap();
        place.remove();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
