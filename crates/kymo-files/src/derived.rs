//! Opens files under names that kymo derives and others can know: rings, call sites, the files
//! beside a log, files that are not complete yet.
//!
//! Whoever may write to the directory may have put something else there. So of such a name
//!
//! 1. a symbolic link is not followed,
//! 2. only a regular file is opened, and nothing is waited for (the other end of a pipe, say),
//! 3. a file is read only if it belongs to the owner of its log, or to root,
//! 4. no more is read than the kind of file may have, and holes are not taken for bytes ([`Room`]),
//! 5. a file is made only if the name is free, so that nothing that is there is written to.
//!
//! No other function may open such a name; kymo's `tests/derived_names.rs` searches the sources. A
//! name that a user gives is followed, and does not come here.
//!
//! Not an interface for other programs.
mod directory;

pub use directory::Directory;

use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::{error, fmt};

/// The user whose files are trusted. Root's always are. On a system without owners, all files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(Option<u32>);

/// Why a file is not opened, or not read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// It is a symbolic link.
    Link,
    /// It is a directory, a device, a pipe or a socket.
    Special,
    /// It belongs to `owner`, which is neither root nor the log's owner, `wanted`.
    Owner {
        /// The number of the user that it belongs to.
        owner: u32,
        /// The number of the user that it should belong to.
        wanted: u32,
    },
    /// It is longer than such a file can be.
    TooLong {
        /// Its length in bytes.
        bytes: u64,
        /// The greatest length in bytes.
        most: u64,
    },
    /// Most of it is holes, which kymo does not make.
    Sparse {
        /// Its length in bytes.
        bytes: u64,
        /// How many bytes are allocated for it.
        allocated: u64,
    },
}

/// Why a file could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The path exists, and is not opened.
    Refused(Refused),
    /// The error of the operating system.
    Io(io::Error),
}

impl Owner {
    /// Believes the owner of this file.
    pub fn of(log: &Metadata) -> Self {
        #[cfg(unix)]
        return Self(Some(std::os::unix::fs::MetadataExt::uid(log)));
        #[cfg(not(unix))]
        return {
            let _ = log;
            Self(None)
        };
    }

    /// Believes this user.
    pub fn of_user(id: u32) -> Self {
        Self(cfg!(unix).then_some(id))
    }

    fn check(self, file: &Metadata) -> Result<(), Refused> {
        match (self, Self::of(file)) {
            (Self(Some(wanted)), Self(Some(owner))) if owner != wanted && owner != 0 => {
                Err(Refused::Owner { owner, wanted })
            }
            _ => Ok(()),
        }
    }
}

/// How many bytes of holes may be read, in all files that are read together.
///
/// kymo allocates its files, so they have holes only on a file system that stores zeros as holes. Other
/// holes are hostile: a reader would take more memory than the file takes of the disk.
#[derive(Debug)]
pub struct Room(u64);

impl Default for Room {
    fn default() -> Self {
        Self(64 << 20)
    }
}

/// Opens a file for reading, if it is a regular one of this owner, or of root.
///
/// # Errors
/// If there is none, it is something else, or the system refuses.
pub fn open(path: &Path, owner: Owner) -> Result<File, OpenError> {
    // Asked before opening: opening a device can have effects, and a file that is refused anyway must
    // not be reported as unreadable.
    check(&fs::symlink_metadata(path)?, owner)?;
    let file = at_once(OpenOptions::new().read(true)).open(path).map_err(OpenError::from)?;
    // Another file may have taken its place meanwhile.
    check(&file.metadata()?, owner)?;
    Ok(file)
}

fn check(it: &Metadata, owner: Owner) -> Result<(), Refused> {
    let kind = it.file_type();
    match (kind.is_symlink(), kind.is_file()) {
        (true, _) => Err(Refused::Link),
        (_, false) => Err(Refused::Special),
        _ => owner.check(it),
    }
}

/// With these, opening does not follow a link, and does not wait. Regular files do not know the
/// difference.
#[cfg(unix)]
const AT_ONCE: rustix::fs::OFlags = {
    use rustix::fs::OFlags;
    OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY)
};

fn at_once(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, AT_ONCE.bits().cast_signed());
    options
}

/// Reads an opened file from its beginning, up to `wanted` bytes, for which `room` has to suffice.
///
/// # Errors
/// If it is longer than `most`, or has too many holes, or the system refuses.
pub fn read(
    file: &mut File,
    wanted: u64,
    most: u64,
    room: &mut Room,
) -> Result<Vec<u8>, OpenError> {
    let wanted = admit(file, wanted, most, room)?;
    let mut contents = Vec::new();
    let length = usize::try_from(wanted).map_err(|_| ErrorKind::OutOfMemory)?;
    contents.try_reserve_exact(length).map_err(|_| ErrorKind::OutOfMemory)?;
    file.seek(SeekFrom::Start(0))?;
    file.take(wanted).read_to_end(&mut contents)?;
    Ok(contents)
}

/// Returns how many bytes of an opened file may be read: `wanted`, or as many as there are. Takes from
/// `room` what of them are holes. Where reading goes on is left open.
///
/// # Errors
/// If the file is longer than `most`, or has too many holes, or the system refuses.
pub fn admit(file: &File, wanted: u64, most: u64, room: &mut Room) -> Result<u64, OpenError> {
    let metadata = file.metadata()?;
    let bytes = metadata.len();
    if bytes > most {
        return Err(Refused::TooLong { bytes, most }.into());
    }
    let wanted = wanted.min(bytes);
    // What was allocated and not written yet is a hole by the second measure, what a file system has
    // compressed by the first.
    let allocated = allocated(&metadata);
    let unallocated = wanted.saturating_sub(allocated);
    let holes = if unallocated > 0 { unallocated.min(holes(file, wanted)) } else { 0 };
    room.0 = room.0.checked_sub(holes).ok_or(Refused::Sparse { bytes, allocated })?;
    Ok(wanted)
}

/// How many of the first bytes of a file are holes, as far as the file system says.
#[cfg(target_os = "linux")]
fn holes(file: &File, bytes: u64) -> u64 {
    use rustix::fs::{SeekFrom, seek};
    let (mut at, mut holes) = (0, 0);
    while at < bytes {
        // After the last data there is a hole to the end.
        let data = seek(file, SeekFrom::Data(at)).unwrap_or(bytes).clamp(at, bytes);
        holes += data - at;
        let end = seek(file, SeekFrom::Hole(data)).unwrap_or(bytes).clamp(data, bytes);
        if end == at {
            break;
        }
        at = end;
    }
    holes
}

#[cfg(not(target_os = "linux"))]
fn holes(_file: &File, bytes: u64) -> u64 {
    bytes
}

/// How many bytes of the disk a file takes, at least.
fn allocated(file: &Metadata) -> u64 {
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::blocks(file).saturating_mul(512);
    #[cfg(not(unix))]
    return file.len();
}

/// Makes a file, for reading and writing, where nothing has this name. `mode`: who may read and write
/// it, from which the process's mask is taken.
///
/// # Errors
/// If something has the name ([`ErrorKind::AlreadyExists`]), or the system refuses.
pub fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}

/// Makes a file that is to get its proper name later, at `path` if possible. What lies there stays,
/// and the file gets another name, which nobody can know. Returns the file and its name.
///
/// # Errors
/// What the system says.
pub fn create_temporary(path: &Path, mode: u32) -> io::Result<(File, PathBuf)> {
    /// One is enough unless somebody makes files of the same name all the time.
    const ATTEMPTS: usize = 16;
    let mut name = path.to_owned();
    for _ in 0..ATTEMPTS {
        match create_new(&name, mode) {
            Ok(file) => return Ok((file, name)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        name = other_name(path);
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// Returns a name in place of that of `path`, which nobody can know.
pub fn other_name(path: &Path) -> PathBuf {
    let mut name = path.to_owned();
    name.as_mut_os_string().push(format!(".{:016x}", random()));
    name
}

/// Renames a file, unless the new name is taken.
///
/// # Errors
/// If something has the name ([`ErrorKind::AlreadyExists`]), or the system refuses.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // A file system that cannot do both at once.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            renamed => return Ok(renamed?),
        }
    }
    match exists(to)? {
        true => Err(ErrorKind::AlreadyExists.into()),
        false => fs::rename(from, to),
    }
}

/// The standard library seeds its hash maps from the system's random numbers.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Whether anything has this name: a link too, wherever it leads.
///
/// # Errors
/// What the system says.
pub fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl OpenError {
    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == ErrorKind::NotFound)
    }

    /// Returns the error, if the process or the system has too many open files. It says nothing about
    /// the file.
    pub fn into_shortage(self) -> Option<io::Error> {
        match self {
            Self::Io(error) if is_shortage(&error) => Some(error),
            _ => None,
        }
    }
}

/// Whether the process or the system has too many open files.
pub fn is_shortage(error: &io::Error) -> bool {
    // ENFILE and EMFILE.
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

impl From<Refused> for OpenError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<ErrorKind> for OpenError {
    fn from(kind: ErrorKind) -> Self {
        Self::Io(kind.into())
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        #[cfg(unix)]
        if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
            return Self::Refused(Refused::Link);
        }
        Self::Io(error)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link => f.write_str("not read: it is a symbolic link"),
            Self::Special => f.write_str("not read: it is not a regular file"),
            Self::Owner { owner, wanted } => write!(
                f,
                "not read: it belongs to user {owner}, its log to user {wanted}; if you trust it, \
                 give it to that user (chown)"
            ),
            Self::TooLong { bytes, most } => {
                write!(f, "not read: it has {bytes} bytes, such a file has {most} at most")
            }
            Self::Sparse { bytes, allocated } => write!(
                f,
                "not read: it has {bytes} bytes, of which only {allocated} were ever written"
            ),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl error::Error for Refused {}

impl error::Error for OpenError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Refused(refused) => Some(refused),
            Self::Io(error) => Some(error),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn mine(dir: &tempfile::TempDir) -> Owner {
        Owner::of(&dir.path().metadata().unwrap())
    }

    fn refused<T>(result: Result<T, OpenError>) -> Refused {
        match result.map(drop) {
            Err(OpenError::Refused(refused)) => refused,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// Only a regular file of its owner is opened.
    #[test]
    fn only_regular_files_of_the_owner_open() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let owner = mine(&dir);
        assert!(open(&at("none"), owner).unwrap_err().is_missing());
        fs::write(at("file"), "text").unwrap();
        open(&at("file"), owner).unwrap();
        symlink(at("file"), at("link")).unwrap();
        assert!(matches!(refused(open(&at("link"), owner)), Refused::Link));
        symlink(at("none"), at("dangling")).unwrap();
        assert!(matches!(refused(open(&at("dangling"), owner)), Refused::Link));
        assert!(exists(&at("dangling")).unwrap() && !exists(&at("none")).unwrap());
        mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(matches!(refused(open(&at("pipe"), owner)), Refused::Special));
        assert!(matches!(refused(open(dir.path(), owner)), Refused::Special));
        let stranger = Owner(Some(dir.path().metadata().unwrap().uid() + 1));
        if mine(&dir).0 == Some(0) {
            // Root's files are believed whoever owns the log.
            open(&at("file"), stranger).unwrap();
            std::os::unix::fs::chown(at("file"), Some(65_534), None).unwrap();
        }
        assert!(matches!(refused(open(&at("file"), stranger)), Refused::Owner { .. }));
    }

    /// What takes a file's place between the look and the opening is found out by the opening.
    #[test]
    fn opening_follows_no_link_and_never_waits() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        symlink("/dev/zero", at("link")).unwrap();
        let opened = at_once(OpenOptions::new().read(true)).open(at("link"));
        assert!(matches!(refused(opened.map_err(OpenError::from)), Refused::Link));
        mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        at_once(OpenOptions::new().read(true)).open(at("pipe")).unwrap();
    }

    #[test]
    fn no_more_is_read_than_is_there_and_may_be() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "0123456789").unwrap();
        let mut file = open(&path, mine(&dir)).unwrap();
        let mut room = Room::default();
        assert_eq!(read(&mut file, u64::MAX, 10, &mut room).unwrap(), b"0123456789");
        assert_eq!(read(&mut file, 4, 10, &mut room).unwrap(), b"0123");
        assert!(matches!(
            refused(read(&mut file, 4, 9, &mut room)),
            Refused::TooLong { bytes: 10, most: 9 }
        ));
        File::options().write(true).open(&path).unwrap().set_len(8 << 30).unwrap();
        let sparse = refused(read(&mut file, u64::MAX, u64::MAX, &mut room));
        assert!(matches!(sparse, Refused::Sparse { bytes, .. } if bytes == 8 << 30), "{sparse}");
        // What holes there may be is shared by all that is read.
        let piece = 24 << 20;
        assert_eq!(read(&mut file, piece, u64::MAX, &mut room).unwrap().len() as u64, piece);
        assert_eq!(read(&mut file, piece, u64::MAX, &mut room).unwrap().len() as u64, piece);
        refused(read(&mut file, piece, u64::MAX, &mut room));
    }

    /// An existing file with a temporary name is not written to.
    #[test]
    fn existing_temporary_files_are_not_written() {
        use std::io::Write;
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("target"), "untouched").unwrap();
        symlink(at("target"), at("new")).unwrap();
        assert_eq!(create_new(&at("new"), 0o600).unwrap_err().kind(), ErrorKind::AlreadyExists);
        let (mut file, name) = create_temporary(&at("new"), 0o600).unwrap();
        file.write_all(b"new").unwrap();
        assert!(name != at("new") && name.to_string_lossy().contains("new."), "{name:?}");
        assert_eq!(fs::read(&name).unwrap(), b"new");
        assert_eq!(fs::read_link(at("new")).unwrap(), at("target"));
        fs::create_dir(at("stays")).unwrap();
        let (_, name) = create_temporary(&at("stays"), 0o600).unwrap();
        assert!(name != at("stays") && name.to_string_lossy().contains("stays."), "{name:?}");
        assert_eq!(fs::read(at("target")).unwrap(), b"untouched");
    }
}
