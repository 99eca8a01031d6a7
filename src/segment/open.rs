//! Opens the file of a segment: what is there already, who else writes to it, and what its header
//! says.
//!
//! In: a path. Out: a locked file under that name, with everything that was there before kept,
//! renamed or, on request, overwritten. It does not know what is written to the file.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::beside::{self, Beside, Kind};
use crate::clock::wall_ns;
use crate::derived::{self, Owner, rename_new};
use crate::format::header::{ClockSource, Header};
use crate::format::{ALIGNMENT, HEADER_BYTES};
use crate::process::lock::{LockOutcome, is_at, lock};
use crate::segment::closing::committed_of;
use crate::segment::error::OpenSegmentError;
use crate::segment::tap;
use crate::segments::LogName;

/// Returns the file that `path` means. The path is absolute, so that it stays valid when the
/// program changes its directory. Symbolic links are resolved, so that they stay when files are
/// renamed.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, OpenSegmentError> {
    let fail = |error| OpenSegmentError::file(path, error);
    let because = |kind, text: &str| Err(fail(io::Error::new(kind, text)));
    /// As many as the system follows.
    const MAX_LINKS: usize = 40;
    let mut target = std::path::absolute(path).map_err(fail)?;
    for _ in 0..=MAX_LINKS {
        let parent = target.parent().unwrap_or(Path::new("/"));
        match fs::symlink_metadata(&target) {
            Ok(it) if it.is_symlink() => {
                target = parent.join(fs::read_link(&target).map_err(fail)?);
            }
            Ok(it) if it.is_file() => return Ok(target),
            Ok(it) if it.is_dir() => {
                let text = "this is a directory: name a file";
                return because(io::ErrorKind::IsADirectory, text);
            }
            Ok(_) => return Err(fail(not_a_file())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !parent.try_exists().map_err(fail)? {
                    let text = format!("there is no directory {}: make it first", parent.display());
                    return because(error.kind(), &text);
                }
                return Ok(target);
            }
            Err(error) => return Err(fail(error)),
        }
    }
    because(io::ErrorKind::InvalidInput, "too many symbolic links")
}

fn not_a_file() -> io::Error {
    let text = "this is not a regular file, and only such a file can be mapped";
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// The file of a segment that is about to be made, for this process alone. Unless it is kept,
/// everything is put back as it was.
///
/// The process may be killed at any system call. Then each record that was in a file before is
/// still in one, or was to be overwritten. The log has its old name, its new one, or both. And a
/// file that belongs to it is found by its header, whatever its name ([`beside`]).
pub(crate) struct Target {
    path: PathBuf,
    file: File,
    how: How,
    /// The permissions of a new file.
    mode: u32,
}

enum How {
    /// The file was not there before.
    Made,
    /// The file was there, and is left alone.
    Found { bytes: u64 },
    /// The file was there, and is overwritten. `id`: of its segment.
    Over { bytes: u64, id: Option<[u8; 16]> },
    /// The file that is there loses this name. Until then the new file has another one, `name`.
    Beside { name: PathBuf, old: File },
    /// There is nothing more to do.
    Kept,
}

impl Target {
    /// Opens or makes the file at `path`, and locks it. What is in it stays as it is. A new file has
    /// the permissions `mode`, from which the process's mask is taken.
    pub(crate) fn lock(path: &Path, mode: u32) -> Result<Self, OpenSegmentError> {
        refuse_link_of_log(path)?;
        let path = resolve(path)?;
        let fail = |error| OpenSegmentError::file(&path, error);
        let (file, made) = open_locked(&path, mode)?;
        let it = file.metadata().map_err(fail)?;
        if !it.is_file() {
            return Err(fail(not_a_file()));
        }
        // After it was made and before it was locked, another process may have logged into it, and
        // ended.
        let mut bytes = it.len();
        if bytes > 0 && end_of_bytes(&file, 0, bytes).is_ok_and(|end| end == 0) {
            // Zeros alone: a start was killed before it wrote the header.
            bytes = 0;
        }
        let how = if made && bytes == 0 { How::Made } else { How::Found { bytes } };
        Ok(Self { path, file, how, mode })
    }

    /// The path of the segment.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file that is there already; `None` if there is none, or it is empty, or has nothing but zeros.
    pub(crate) fn found(&self) -> Option<&File> {
        matches!(self.how, How::Found { bytes: 1.. }).then_some(&self.file)
    }

    /// Whether the content of the file that is there is lost if `overwrite` is wanted. A file that
    /// has other names, too, only loses this one.
    pub(crate) fn loses_content(&self, overwrite: bool) -> bool {
        let has_one_name = || self.file.metadata().is_ok_and(|it| it.nlink() == 1);
        overwrite && self.found().is_some() && has_one_name()
    }

    /// Gives the name to the link `name`. What is there gets another name, unless it is empty.
    pub(crate) fn give_way_to(mut self, name: PathBuf) -> Result<(), OpenSegmentError> {
        let fail = |error| OpenSegmentError::file(&self.path, error);
        if self.found().is_none() {
            fs::rename(&name, &self.path).map_err(fail)?;
            self.how = How::Kept;
            return Ok(());
        }
        let old = self.file.try_clone().map_err(fail)?;
        self.how = How::Beside { name, old };
        self.keep(false)
    }

    /// Decides what becomes of the file that is there: it is renamed, unless it is empty or
    /// `overwrite` is wanted.
    pub(super) fn decide(&mut self, overwrite: bool) -> Result<(), OpenSegmentError> {
        let How::Found { bytes } = self.how else { return Ok(()) };
        // Whoever has just moved the file away wants to keep it.
        let is_here = is_at(&self.file, &self.path).unwrap_or(false);
        if bytes == 0 || is_here && self.loses_content(overwrite) {
            let id = segment_id(&self.file);
            self.how = How::Over { bytes, id };
            return Ok(());
        }
        let mut name = std::ffi::OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(format!(".{}.new", std::process::id()));
        let (new, name) = create_temporary(&self.path.with_file_name(name), self.mode)
            .map_err(|error| OpenSegmentError::file(&self.path, error))?;
        let old = std::mem::replace(&mut self.file, new);
        self.how = How::Beside { name, old };
        Ok(())
    }

    /// The file, and whether something is in it.
    pub(super) fn file(&self) -> io::Result<(File, bool)> {
        Ok((self.file.try_clone()?, matches!(self.how, How::Over { bytes: 1.., .. })))
    }

    /// Removes the files that belong to the segment that is about to be overwritten, and to no
    /// other.
    ///
    /// # Errors
    /// If another process has just moved the file away.
    pub(super) fn discard_beside(&self) -> io::Result<()> {
        if !is_at(&self.file, &self.path)? {
            return Err(io::Error::other("somebody else moves this file: start again"));
        }
        if let How::Over { id: Some(id), .. } = &self.how {
            for file in of_segment(&self.path, owner(&self.file)?, *id) {
                // A file that stays belongs to a segment that is gone.
                let _ = fs::remove_file(file.path);
            }
        }
        Ok(())
    }

    /// Gives the file its name. The file that is there gets another one, with all that belongs to
    /// it, unless it was to be overwritten.
    pub(super) fn keep(mut self, overwrite: bool) -> Result<(), OpenSegmentError> {
        let fail = |error| OpenSegmentError::file(&self.path, error);
        if let How::Beside { name, old } = &self.how {
            trim(old);
            // If it is not renamed, it has another name already. Or another process moved it away.
            let is_here = is_at(old, &self.path).map_err(fail)?;
            let kept = match is_here && !overwrite {
                true => add_name(&self.path, old).map_err(fail)?,
                false => None,
            };
            let placed = match &kept {
                Some(Name { is_other: false, .. }) => fs::rename(name, &self.path),
                None if is_here && overwrite => fs::rename(name, &self.path),
                // The name is free, or another process has made a file there since.
                _ => rename_new(name, &self.path),
            };
            if let Err(error) = placed {
                if let Some(kept) = kept {
                    kept.take_back(&self.path);
                }
                return Err(match error.kind() {
                    io::ErrorKind::AlreadyExists => OpenSegmentError::InUse(self.path.clone()),
                    _ => fail(error),
                });
            }
            if let Some(kept) = &kept {
                move_beside(old, &self.path, &kept.path);
            }
        }
        self.how = How::Kept;
        remove_left_over(&self.path, &self.file);
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // The error that led here is reported. One that happens here is not.
        let _ = match &self.how {
            How::Kept | How::Found { .. } => Ok(()),
            How::Made if is_at(&self.file, &self.path).unwrap_or(false) => {
                fs::remove_file(&self.path)
            }
            How::Made => Ok(()),
            How::Over { bytes, .. } => self.file.set_len(*bytes),
            How::Beside { name, .. } => fs::remove_file(name),
        };
    }
}

/// Opens or creates the file, and locks it. The flag is true if it was created.
fn open_locked(path: &Path, mode: u32) -> Result<(File, bool), OpenSegmentError> {
    let fail = |error| OpenSegmentError::file(path, error);
    for _ in 0..100 {
        let mut options = File::options();
        options.read(true).write(true);
        let (file, made) = match options.clone().create_new(true).mode(mode).open(path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match options.open(path) {
                    Ok(file) => (file, false),
                    // It was removed in between.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(fail(error)),
                }
            }
            Err(error) => return Err(fail(error)),
        };
        if lock(&file).map_err(fail)? == LockOutcome::Elsewhere {
            return Err(OpenSegmentError::InUse(path.to_owned()));
        }
        if is_at(&file, path).map_err(fail)? {
            return Ok((file, made));
        }
    }
    Err(fail(io::Error::other("somebody else replaces this file all the time")))
}

/// Returns an error if a path is the link of a rotated log: the file that it leads to is a segment, which keeps its
/// name.
fn refuse_link_of_log(path: &Path) -> Result<(), OpenSegmentError> {
    let Ok(target) = fs::read_link(path) else { return Ok(()) };
    match target.file_name().and_then(|name| LogName::new(path).parse(name)) {
        None => Ok(()),
        Some(_) => {
            let text = "this is the link of a rotated log: use `rotate`, or remove the link";
            let error = io::Error::new(io::ErrorKind::AlreadyExists, text);
            Err(OpenSegmentError::file(path, error))
        }
    }
}

/// Gives a segment its own name, where nothing has it. The temporary one is left to be removed later, unless the file
/// system gives a file only one name.
pub(super) fn add_final_name(temporary: &Path, path: &Path) -> io::Result<()> {
    let linked = tap::ask(tap::Ability::HardLink).and_then(|()| fs::hard_link(temporary, path));
    match linked {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) =>
        {
            Err(error)
        }
        Err(_) => rename_new(temporary, path),
        Ok(()) => Ok(()),
    }
}

/// Makes a file that is to get its proper name later, and locks it. The lock keeps it from being
/// removed ([`remove_left_over`]).
pub(crate) fn create_temporary(path: &Path, mode: u32) -> io::Result<(File, PathBuf)> {
    for _ in 0..100 {
        let (file, name) = derived::create_temporary(path, mode)?;
        if lock(&file)? != LockOutcome::Elsewhere && is_at(&file, &name)? {
            return Ok((file, name));
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A name that a file got.
struct Name {
    path: PathBuf,
    /// The file has lost its old name.
    is_other: bool,
    /// The file had this name before.
    is_old: bool,
}

impl Name {
    fn take_back(self, path: &Path) {
        let _ = match self {
            Self { is_old: true, .. } => Ok(()),
            Self { is_other: true, path: from, .. } => rename_new(&from, path),
            Self { path, .. } => fs::remove_file(path),
        };
    }
}

/// Gives the file at `path` the first of the names `app.1.kymo`, `app.2.kymo`, … that is free. The
/// file keeps its old name, too, so that no other process ever finds that name free. On a file
/// system on which a file has only one name, it loses the old one. `None` if another process has
/// just moved the file away.
fn add_name(path: &Path, file: &File) -> io::Result<Option<Name>> {
    for number in 1..u32::MAX {
        let name = with_infix(path, number);
        let (made, is_other) = match fs::hard_link(path, &name) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                (rename_new(path, &name), true)
            }
            linked => (linked, false),
        };
        match made {
            Ok(()) => return Ok(Some(Name { path: name, is_other, is_old: false })),
            // A start that was killed may have come so far.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // What is there instead, a link that leads nowhere for instance, is somebody else's.
                if is_at(file, &name).unwrap_or(false) {
                    return Ok(Some(Name { path: name, is_other: false, is_old: true }));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Renames what belongs to a log that was renamed. A file that keeps its name is found all the
/// same.
fn move_beside(log: &File, from: &Path, to: &Path) {
    let (Some(id), Ok(owner)) = (segment_id(log), owner(log)) else { return };
    for file in of_segment(from, owner, id) {
        for name in file.kind.paths(to).take(MAX_NAMES) {
            match rename_new(&file.path, &name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                _ => break,
            }
        }
    }
}

/// The most names that are tried for a file beside a log: files of others may have them.
pub(super) const MAX_NAMES: usize = 1_000;

/// The files in the directory of a log that belong to the segment of this id.
pub(crate) fn of_segment(log: &Path, owner: Owner, id: [u8; 16]) -> Vec<Beside> {
    // A directory that cannot be listed counts as empty.
    let mut found = beside::in_directory(beside::directory_of(log), owner).unwrap_or_default();
    found.retain(|file| id != [0; 16] && file.header.side_of == id);
    found
}

/// The owner whose files beside a log are believed.
fn owner(log: &File) -> io::Result<Owner> {
    Ok(Owner::of(&log.metadata()?))
}

fn segment_id(file: &File) -> Option<[u8; 16]> {
    Some(beside::header_of(&mut file.try_clone().ok()?)?.segment)
}

/// Cuts off what was allocated for a file past the committed length, and never written.
pub(crate) fn trim(log: &File) {
    let end = || -> io::Result<Option<u64>> {
        let (committed, length) = (committed_of(log)?, log.metadata()?.len());
        if !(HEADER_BYTES as u64..length).contains(&committed) || segment_id(log).is_none() {
            return Ok(None);
        }
        Ok(Some(end_of_bytes(log, committed, length)?))
    };
    // If this fails, the file is only longer than it need be.
    if let Ok(Some(end)) = end() {
        let _ = log.set_len(end);
    }
}

/// Returns the end of the last byte from `from` on that is not zero, rounded up to where a frame
/// may begin.
fn end_of_bytes(file: &File, from: u64, length: u64) -> io::Result<u64> {
    use rustix::fs::{SeekFrom, seek};
    let (mut at, mut end) = (from, from);
    let mut buffer = vec![0; 64 << 10];
    while at < length {
        // A hole need not be read. A file system that does not know its holes says that there are
        // none.
        at = match seek(file, SeekFrom::Data(at)) {
            Ok(data) => data.max(at),
            Err(rustix::io::Errno::NXIO) => break,
            Err(_) => at,
        };
        let hole = seek(file, SeekFrom::Hole(at)).unwrap_or(length).clamp(at, length);
        while at < hole {
            let part = buffer.len().min((hole - at) as usize);
            let read = file.read_at(&mut buffer[..part], at)?;
            if read == 0 {
                return Ok(end);
            }
            if let Some(last) = buffer[..read].iter().rposition(|byte| *byte != 0) {
                end = at + last as u64 + 1;
            }
            at += read as u64;
        }
    }
    Ok(end.next_multiple_of(ALIGNMENT as u64).min(length))
}

/// Removes files that processes were making beside the log at `path` when they were killed: files
/// without their proper names, and side files without a header. A locked file is in use, and stays.
pub(crate) fn remove_left_over(path: &Path, log: &File) {
    let (Ok(owner), Some(name)) = (owner(log), path.file_name()) else { return };
    let Ok(entries) = fs::read_dir(beside::directory_of(path)) else { return };
    for entry in entries.flatten() {
        let found = entry.file_name();
        let is_temporary = is_temporary(&found, name);
        let is_side = Kind::of(&found).is_some() && {
            found.as_bytes().starts_with(Kind::Rescue.path(name.as_ref()).as_os_str().as_bytes())
        };
        if !is_temporary && !is_side {
            continue;
        }
        let path = entry.path();
        let Ok(mut file) = derived::open(&path, owner) else { continue };
        let is_short = || file.metadata().is_ok_and(|it| it.len() <= HEADER_BYTES as u64);
        let is_unused = lock(&file).is_ok_and(|locked| locked == LockOutcome::Here)
            && is_at(&file, &path).unwrap_or(false);
        let is_short = is_short();
        if is_unused && (is_temporary || is_short && beside::header_of(&mut file).is_none()) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Whether a file was to become the log of this name, or its recovered file: `.NAME.PID.new`,
/// `.NAME.recovered.PID.new`.
fn is_temporary(file: &OsStr, log: &OsStr) -> bool {
    let middle = || {
        let rest = file.as_bytes().strip_prefix(b".")?.strip_prefix(log.as_bytes())?;
        let rest = rest.strip_prefix(b".recovered").unwrap_or(rest).strip_prefix(b".")?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (digits > 0).then_some(&rest[digits..])
    };
    middle().is_some_and(|rest| rest == b".new" || rest.starts_with(b".new."))
}

/// The header of a new segment.
pub(crate) fn header(clock: ClockSource) -> Header {
    let random = derived::random;
    let mut segment = [0; 16];
    segment[..8].copy_from_slice(&random().to_le_bytes());
    segment[8..].copy_from_slice(&random().to_le_bytes());
    Header {
        salt: random() as u32,
        process: std::process::id(),
        opened_ns: wall_ns(),
        boot: boot_id().unwrap_or_default(),
        segment,
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        ..Header::new(clock)
    }
}

/// The boot id of the machine.
pub(crate) fn boot_id() -> Option<[u8; 16]> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes)
}

/// Returns `app.kymo` with something in between: `app.4711.kymo`.
pub(crate) fn with_infix(path: &Path, infix: impl std::fmt::Display) -> PathBuf {
    with_stem_end(path, format_args!(".{infix}"))
}

/// Returns `app.kymo` with this before the extension.
pub(crate) fn with_stem_end(path: &Path, end: std::fmt::Arguments<'_>) -> PathBuf {
    let mut name: OsString = path.file_stem().unwrap_or_default().to_os_string();
    name.push(end.to_string());
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;
    use crate::format::header::COMMITTED_OFFSET;

    #[test]
    fn temporary_files_of_a_log_are_known_by_their_names() {
        let is = |file: &str| is_temporary(OsStr::new(file), OsStr::new("app.kymo"));
        for name in [".app.kymo.7.new", ".app.kymo.recovered.12.new", ".app.kymo.7.new.0f"] {
            assert!(is(name), "{name}");
        }
        for name in [
            "app.kymo.7.new",
            ".app.kymo.new",
            ".app.kymo.x.new",
            ".b.kymo.7.new",
            ".app.kymo.7.old",
        ] {
            assert!(!is(name), "{name}");
        }
    }

    /// A start that is killed before it writes the header leaves zeros, which no other start keeps.
    #[test]
    fn a_file_of_zeros_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.kymo");
        let file = File::create(&path).unwrap();
        crate::process::allocate::allocate(&file, 0, 1 << 20).unwrap();
        drop(file);
        assert!(Target::lock(&path, 0o600).unwrap().found().is_none());
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(&[1], 1 << 19).unwrap();
        drop(file);
        assert!(Target::lock(&path, 0o600).unwrap().found().is_some());
    }

    /// A killed process left 64 MiB for each file, which were allocated for it.
    #[test]
    fn what_was_never_written_is_cut_off_and_nothing_else() {
        let path = std::env::temp_dir().join(format!("kymo-trim-{}", std::process::id()));
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        for (committed, behind, expected) in [
            (5_000, None, 5_000),
            (4_096, None, 4_096),
            (4_096, Some(9_000), 9_008),
            (5_000, Some(700_001), 700_008),
            // These are no committed lengths that could be believed.
            (1, None, 1 << 20),
            (1 << 30, None, 1 << 20),
        ] {
            file.set_len(0).unwrap();
            crate::process::allocate::allocate(&file, 0, 1 << 20).unwrap();
            let mut page = header(ClockSource::Counter).to_page();
            page[COMMITTED_OFFSET..][..8].copy_from_slice(&u64::to_le_bytes(committed));
            file.write_all_at(&page, 0).unwrap();
            if let Some(behind) = behind {
                file.write_all_at(&[1], behind).unwrap();
            }
            trim(&file);
            assert_eq!(file.metadata().unwrap().len(), expected, "{committed} {behind:?}");
        }
        file.set_len(100).unwrap();
        trim(&file);
        assert_eq!(file.metadata().unwrap().len(), 100);
        fs::remove_file(path).unwrap();
    }
}
