//! Replaces a closed segment by a compressed one.
//!
//! At each moment one of the two files is whole, and has its name:
//!
//! 1. Make the hidden file `.NAME.zst.new`, and lock it: whoever finds it locked leaves this segment alone.
//! 2. Write it, sync it, read it back, and compare. Sync the original, too: a power failure may bring it back.
//! 3. Lock the original. If it is not as it was, give up.
//! 4. Rename the hidden file to `NAME.zst`, unless something has that name. Sync the directory.
//! 5. Remove the original.
//!
//! A process that is killed before 4 leaves the original, and a hidden file that nobody has locked. Killed before 5, it
//! leaves both; the next one compares them and goes on with 5. The original is locked from 3 to 5 only, because a
//! logger cannot start at a path that is locked.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use kymo_files::beside::directory_of;
use kymo_files::derived::{self, Directory, Owner};
use kymo_files::segments::LogName;

use crate::closed::{Closed, CompressError, Problem};
use crate::input::ReadAt;
use crate::seekable::Seekable;
use crate::tap::{self, Step};
use crate::temporary::{Temporary, remove_left_over};
use crate::writer::{DEFAULT_LEVEL, write_outlined};

/// Runs what it is given, once.
type InTurn<'a> = dyn FnMut(&mut dyn FnMut()) + 'a;

/// How a segment is compressed.
pub struct Compression<'a> {
    level: i32,
    owner: Option<Owner>,
    unclosed: bool,
    go_on: Box<dyn FnMut(u64, u64) -> bool + 'a>,
    in_turn: Box<InTurn<'a>>,
}

/// A segment that was compressed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Compressed {
    /// The path of the compressed segment.
    pub path: PathBuf,
    /// The length of the segment in bytes.
    pub bytes_before: u64,
    /// The length of the compressed one.
    pub bytes_after: u64,
}

impl Default for Compression<'_> {
    fn default() -> Self {
        let go_on = Box::new(|_, _| true);
        let in_turn = Box::new(|change: &mut dyn FnMut()| change());
        Self { level: DEFAULT_LEVEL, owner: None, unclosed: false, go_on, in_turn }
    }
}

impl<'a> Compression<'a> {
    /// The level of zstd, from 1 to 22. Default: 3.
    #[must_use]
    pub fn level(mut self, level: i32) -> Self {
        self.level = level.clamp(1, 22);
        self
    }

    /// The user whose files are believed. Default: the owner of the segment, whoever that is.
    #[must_use]
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Whether a segment without an end frame is compressed, too. Default: no.
    #[must_use]
    pub fn unclosed(mut self, unclosed: bool) -> Self {
        self.unclosed = unclosed;
        self
    }

    /// Calls `go_on` after each block with the bytes that are done, and all there are; the segment is read twice. If it
    /// returns false, nothing is changed, and the problem is [`Problem::Stopped`].
    #[must_use]
    pub fn go_on(mut self, go_on: impl FnMut(u64, u64) -> bool + 'a) -> Self {
        self.go_on = Box::new(go_on);
        self
    }

    /// Has each change of names made by `in_turn`, which runs what it is given, once. So whoever deletes segments in
    /// the same process can keep that apart from it. The compressed segment gets its name in one turn, while the
    /// original is there. The original goes in another.
    #[must_use]
    pub fn in_turn(mut self, in_turn: impl FnMut(&mut dyn FnMut()) + 'a) -> Self {
        self.in_turn = Box::new(in_turn);
        self
    }

    /// Changes names, and returns what came of it.
    fn change<T>(&mut self, mut change: impl FnMut() -> Result<T, Problem>) -> Result<T, Problem> {
        let mut result = Err(Problem::Stopped);
        (self.in_turn)(&mut || result = change());
        result
    }
}

/// Replaces the closed segment at `path` by `PATH.zst`, once that is on the disk and was read back.
///
/// The compressed file has the owner, the permissions and the time of the original. Several threads and processes may
/// do this at one time. A process that is killed leaves one whole file at least, and what it began is removed by the
/// next one, or by [`sweep`]. A symbolic link is not followed.
///
/// # Errors
/// See [`Problem`]. The original is left as it was.
pub fn compress_segment(
    path: &Path,
    compression: Compression<'_>,
) -> Result<Compressed, CompressError> {
    let to = LogName::compressed(path);
    compress(path, &to, compression).map_err(|problem| {
        let path = if matches!(problem, Problem::Exists) { to } else { path.to_owned() };
        CompressError { path, problem }
    })
}

fn compress(path: &Path, to: &Path, mut how: Compression<'_>) -> Result<Compressed, Problem> {
    let owner = match how.owner {
        Some(owner) => owner,
        None => Owner::of(&fs::symlink_metadata(path)?),
    };
    let mut segment = Closed::open(path, owner, how.unclosed)?;
    let length = segment.outline.length;
    let total = 2 * length;
    let mut temporary = Temporary::create(to, owner)?;
    // Looked for while others are kept away.
    if derived::exists(to)? {
        return finish_other(&mut segment, path, to, owner, how);
    }
    let go_on = &mut how.go_on;
    let stopped = |error: io::Error| match error.kind() {
        io::ErrorKind::Interrupted => Problem::Stopped,
        _ => Problem::Io(error),
    };
    let bytes_after =
        write_outlined(&mut segment.file, &segment.outline, &temporary.file, how.level, |done| {
            go_on(done, total)
        })
        .map_err(stopped)?;
    temporary.finish(&segment.metadata)?;
    let copy = temporary.file.try_clone()?;
    compare(&mut segment.file, length, copy, |done| go_on(length + done, total))?;
    // A power failure may bring the original back, and readers prefer that. So it must be whole.
    segment.file.sync_data()?;
    tap::note(|| Step::Synced(path.to_owned()));
    how.change(|| {
        segment.claim()?;
        temporary.rename(to).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Problem::Exists,
            _ => Problem::Io(error),
        })
    })?;
    sync_directory(path)?;
    how.change(|| {
        remove_original(path).map_err(|error| match error.kind() {
            // It was deleted since the claim, by the limits of its log perhaps: it must not come back. (No other
            // process has compressed it: they are kept away.)
            io::ErrorKind::NotFound => {
                if fs::remove_file(to).is_ok() {
                    tap::note(|| Step::Removed(to.to_owned()));
                }
                Problem::Changed
            }
            _ => Problem::Io(error),
        })
    })?;
    Ok(Compressed { path: to.to_owned(), bytes_before: length, bytes_after })
}

/// Removes the original if the compressed segment that is there already is one of it: a process was killed before it
/// came to that.
fn finish_other(
    segment: &mut Closed,
    path: &Path,
    to: &Path,
    owner: Owner,
    mut how: Compression<'_>,
) -> Result<Compressed, Problem> {
    let file = derived::open(to, owner).map_err(|_| Problem::Exists)?;
    let bytes_after = file.metadata()?.len();
    let length = segment.outline.length;
    let go_on = |done| (how.go_on)(length + done, 2 * length);
    compare(&mut segment.file, length, file.try_clone()?, go_on).map_err(
        |problem| match problem {
            Problem::Unequal(_) => Problem::Exists,
            other => other,
        },
    )?;
    // Whether the other process came to that is not known.
    file.sync_all()?;
    tap::note(|| Step::Synced(to.to_owned()));
    sync_directory(path)?;
    how.change(|| {
        segment.claim()?;
        Ok(remove_original(path)?)
    })?;
    Ok(Compressed { path: to.to_owned(), bytes_before: length, bytes_after })
}

/// Compares what is decompressed with the original, byte for byte, as a reader would read it.
fn compare(
    original: &mut File,
    length: u64,
    compressed: File,
    mut go_on: impl FnMut(u64) -> bool,
) -> Result<(), Problem> {
    let unequal = |at| move |_| Problem::Unequal(at);
    let mut reader = Seekable::open(compressed).map_err(unequal(0))?;
    if reader.len() != length {
        return Err(Problem::Unequal(reader.len().min(length)));
    }
    let mut expected = vec![0; 256 << 10];
    let mut found = expected.clone();
    let (mut at, mut blocks) = (0, 0);
    while at < length {
        let read = reader.read_at(at, &mut found).map_err(unequal(at))?;
        original.read_exact_at(at, &mut expected[..read])?;
        let differs = expected[..read].iter().zip(&found).position(|(one, other)| one != other);
        if let Some(position) = differs {
            return Err(Problem::Unequal(at + position as u64));
        }
        at += read as u64;
        if std::mem::replace(&mut blocks, reader.decompressed_blocks()) != blocks && !go_on(at) {
            return Err(Problem::Stopped);
        }
    }
    for (offset, copy) in reader.aid().iter() {
        expected.resize(copy.len().max(expected.len()), 0);
        original.read_exact_at(offset, &mut expected[..copy.len()])?;
        if expected[..copy.len()] != *copy {
            return Err(Problem::Unequal(offset));
        }
    }
    Ok(())
}

fn sync_directory(path: &Path) -> io::Result<()> {
    Directory::open(directory_of(path))?.sync()?;
    tap::note(|| Step::SyncedNames);
    Ok(())
}

fn remove_original(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    tap::note(|| Step::Removed(path.to_owned()));
    Ok(())
}

/// Removes what killed processes left that compressed segments of this log. What is being written is left alone.
/// Returns how many files were removed.
///
/// # Errors
/// If the directory cannot be read.
pub fn sweep(log: &LogName, owner: Owner) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(log.directory())? {
        let entry = entry?;
        if log.parse_compressing(&entry.file_name()).is_some() {
            removed += usize::from(matches!(remove_left_over(&entry.path(), owner), Ok(true)));
        }
    }
    Ok(removed)
}
