//! Opens files and lists directories: only regular files, and never waiting for a pipe.

use std::collections::{BTreeSet, HashSet};
use std::fmt::{self, Write};
use std::fs::{self, File, FileType};
use std::io::Read;
use std::path::{Path, PathBuf};

use kymo_format::escaped::Escaped;

use super::error::Error;
use super::log::{Log, is_link_to_segment};
use kymo_files::beside::header_of;
use kymo_files::segments::LogName;

/// How many zeros of a file are read at most, to know whether it has nothing else: more than a start allocates before
/// it writes a header, and holes do not count.
const ZEROS_READ: usize = 128 << 20;

/// Opens the regular file at `path`. A symbolic link is followed. Never waits for the other end of a
/// pipe.
///
/// # Errors
/// If it cannot be opened, or is not a regular file.
pub fn open(path: &Path) -> Result<File, Error> {
    // Asked before opening, because opening a device can have effects.
    refuse_special(fs::metadata(path).map_err(Error::Open)?.file_type())?;
    open_at_once(path)
}

/// Opens a path that was a regular file a moment ago and may have been replaced since.
fn open_at_once(path: &Path) -> Result<File, Error> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Regular files do not know the difference.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path).map_err(Error::Open)?;
    refuse_special(file.metadata().map_err(Error::Open)?.file_type())?;
    Ok(file)
}

fn refuse_special(kind: FileType) -> Result<(), Error> {
    match kind {
        kind if kind.is_dir() => Err(Error::Directory),
        kind if kind.is_symlink() => Err(Error::Link),
        kind if !kind.is_file() => Err(Error::Special),
        _ => Ok(()),
    }
}

/// Whether a writer holds the lock on the file. This takes the lock itself for about a microsecond,
/// and a writer that starts within it is refused. So it is asked only if need be.
#[cfg(unix)]
pub fn is_locked(file: &File) -> bool {
    use rustix::fs::{FlockOperation, flock};
    match flock(file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {
            // If this fails, closing the file unlocks it.
            let _ = flock(file, FlockOperation::Unlock);
            false
        }
        Err(error) => error == rustix::io::Errno::WOULDBLOCK,
    }
}

/// Whether a writer holds the lock on the file: unknown on this system, so no.
#[cfg(not(unix))]
pub fn is_locked(_file: &File) -> bool {
    false
}

/// The identity of a file, which all its names share.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let it = fs::metadata(path).ok()?;
    Some((it.dev(), it.ino()))
}

/// The identity of a file: unknown on this system.
#[cfg(not(unix))]
fn identity(_path: &Path) -> Option<(u64, u64)> {
    None
}

/// The logs in a directory: all regular files named `*.kymo`, sorted by name. A file with several
/// names is listed by the first. Subdirectories are not searched.
///
/// A rotated log is listed by its name, `app.kymo`, in place of its segments. [`Log::find`] finds these. If
/// segments of several logs have that name, it is the log with the greatest number, and those of the others are
/// listed by their own names.
///
/// ```
/// use kymo_reader::{Directory, Options, Order};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path();
/// let directory = Directory::read(path)?;
/// for error in &directory.refused {
///     eprintln!("{error}");
/// }
/// for log in &directory.logs {
///     match Options::new().order(Order::Time).open(log) {
///         Ok(reader) => println!("{}: process {}", log.display(), reader.header().process),
///         Err(error) => eprintln!("{}: {error}", log.display()),
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Directory {
    /// The paths of the logs.
    pub logs: Vec<PathBuf>,
    /// Paths named `*.kymo` that are no regular files: symbolic links, which may lead anywhere,
    /// directories, devices, pipes and sockets.
    pub refused: Vec<OpenError>,
}

fn is_named_as_log(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "kymo")
}

/// The path of the log of which this has the name of the compressed one, `app.kymo.zst`.
fn compressed_from(path: &Path) -> Option<PathBuf> {
    let is_compressed = path.extension().is_some_and(|it| it == "zst");
    Some(path.with_extension("")).filter(|log| is_compressed && is_named_as_log(log))
}

/// Whether a file and a compressed one are of one segment: a log is being compressed, or a process was killed at that.
fn is_compressed_too(path: &Path, compressed: &Path) -> bool {
    let segment = |path| Some(header_of(&mut open(path).ok()?)?.segment);
    segment(path).filter(|id| *id != [0; 16]).is_some_and(|id| segment(compressed) == Some(id))
}

/// A file or directory could not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub struct OpenError {
    /// Its path.
    pub path: PathBuf,
    /// The reason.
    pub error: Error,
}

impl OpenError {
    /// Why the file at this path cannot be read.
    pub fn new(path: impl Into<PathBuf>, error: Error) -> Self {
        Self { path: path.into(), error }
    }
}

/// Whether a file is empty, or has zeros and nothing else. At most [`ZEROS_READ`] bytes are read for that.
fn is_zeros(path: &Path) -> bool {
    let Ok(mut file) = open(path) else { return false };
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    while bytes < ZEROS_READ {
        match file.read(&mut buffer) {
            Ok(0) => return true,
            Ok(read) if buffer[..read].iter().all(|byte| *byte == 0) => bytes += read,
            _ => return false,
        }
        if pass_hole(&file) {
            return true;
        }
    }
    false
}

/// Passes over a hole that begins where the file is read next. Returns whether the file ends with it. Not all systems
/// know of holes.
fn pass_hole(file: &File) -> bool {
    #[cfg(unix)]
    {
        use rustix::fs::{SeekFrom, seek};
        let data = seek(file, SeekFrom::Current(0)).and_then(|at| seek(file, SeekFrom::Data(at)));
        data == Err(rustix::io::Errno::NXIO)
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        false
    }
}

impl Directory {
    /// Lists the logs in the directory at `path`: files named `*.kymo`, and compressed ones, `*.kymo.zst`. A file that
    /// is empty, or has nothing but zeros, is none: a process was killed before it wrote the header.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let fail = |error| OpenError { path: path.to_owned(), error: Error::Open(error) };
        let (mut found, mut names) = (Vec::new(), BTreeSet::new());
        for entry in fs::read_dir(path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let path = entry.path();
            if let Some(log) = LogName::of_segment(&path).map(|name| name.path()) {
                names.extend(Some(log).filter(|log| is_named_as_log(log)));
            }
            if is_named_as_log(&path) || compressed_from(&path).is_some() {
                found.push((path, entry.file_type().map_err(fail)?));
            }
        }
        found.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let mut directory = Self::default();
        let mut rotated = HashSet::new();
        for name in names {
            let log = match is_link_to_segment(&name) {
                true => Some(Log::find(&name)?),
                false => Log::by_stem(&name).map_err(fail)?,
            };
            let Some(log) = log.filter(Log::is_rotated) else { continue };
            let is_other =
                |it: &&OpenError| matches!(it.error, Error::OtherLog | Error::UnknownLog);
            let others: HashSet<_> =
                log.set_aside().iter().filter(is_other).map(|it| &*it.path).collect();
            found.retain(|(path, _)| {
                let is_segment = LogName::of_segment(path).is_some_and(|it| it.path() == name);
                !is_segment || others.contains(&**path)
            });
            rotated.insert(name);
        }
        let mut files = HashSet::new();
        let is_link = |path: &Path, kind: &FileType| {
            kind.is_symlink() && rotated.contains(path) && is_link_to_segment(path)
        };
        let is_nothing = |path: &Path, kind: &FileType| kind.is_file() && is_zeros(path);
        found.retain(|(path, kind)| !is_link(path, kind) && !is_nothing(path, kind));
        let plain: HashSet<_> = found.iter().map(|(path, _)| path.clone()).collect();
        found.retain(|(path, _)| {
            let from = compressed_from(path).filter(|from| plain.contains(from));
            !from.is_some_and(|from| is_compressed_too(&from, path))
        });
        directory.logs.extend(rotated);
        for (path, kind) in found {
            match refuse_special(kind) {
                // A start that was killed may have left a log with its old name and its new one.
                Ok(()) if identity(&path).is_none_or(|file| files.insert(file)) => {
                    directory.logs.push(path);
                }
                Ok(()) => {}
                Err(error) => directory.refused.push(OpenError { path, error }),
            }
        }
        directory.logs.sort_unstable();
        Ok(directory)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = Escaped(f);
        write!(f, "{}: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// A pipe that takes the place of a file is refused at once.
    #[test]
    fn a_pipe_in_place_of_a_file_is_refused() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let dir = tempfile::tempdir().expect("a directory");
        let pipe = dir.path().join("app.kymo");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("room");
        assert!(matches!(open_at_once(&pipe), Err(Error::Special)));
        fs::remove_file(&pipe).expect("it is there");
        fs::create_dir(&pipe).expect("room");
        assert!(matches!(open_at_once(&pipe), Err(Error::Directory)));
    }
}
