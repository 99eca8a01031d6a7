//! Side files: records that their threads wrote themselves, because the consumer did not answer.
//!
//! A log `app.kymo` may have a side file `app.kymo.rescue`: a segment whose header names that of the
//! log. It is found by its header, so that both may be renamed. Most of its records are also in the
//! log: the consumer came back, or its batch was written after all. Each record is handed out once: by
//! the log if it has it, so that the records of a thread stay in order (`rescued`).
//!
//! Two records are copies of each other if thread (by the operating system's id), ticks, call site and
//! arguments are equal. A hash of these is kept, with random keys, and so long that no two are equal by
//! chance. Copies are counted, for a program may log twice within a tick.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Error;
use super::open::OpenError;
use super::record::Record;
use super::{Options, Reader};
use kymo_files::beside::{self, Beside, Kind};
use kymo_files::derived::{self, Owner, Room};

/// The longest side file, in bytes. It is held in memory.
const MAX_BYTES: u64 = 64 << 20;

/// The most records of a side file that are remembered.
const MAX_RECORDS: u64 = 1 << 20;

/// The records in the side files of a log, and how often each is in other files.
#[derive(Default)]
pub(super) struct Copies {
    keys: [RandomState; 2],
    copies: HashMap<[u64; 2], Copy>,
    /// The least and the greatest ticks of them.
    ticks: Option<(u64, u64)>,
}

/// How often copies of one record are still to be met.
#[derive(Clone, Copy, Default)]
struct Copy {
    /// Copies in the log or its recovered file, as counted beforehand.
    elsewhere: u32,
    /// In the side files, so often that they have more of them.
    left: u32,
    /// In the side files at all.
    here: u32,
}

impl Copies {
    fn add(&mut self, record: &Record<'_>) {
        self.widen((record.ticks, record.ticks));
        let copy = self.copies.entry(self.identity(record)).or_default();
        (copy.left, copy.here) = (copy.left + 1, copy.here + 1);
    }

    fn add_all(&mut self, others: Self) {
        others.ticks.into_iter().for_each(|ticks| self.widen(ticks));
        for (identity, other) in others.copies {
            let copy = self.copies.entry(identity).or_default();
            (copy.left, copy.here) = (copy.left + other.left, copy.here + other.here);
        }
    }

    /// Forgets the records of which all copies were met.
    fn forget_met(&mut self) {
        self.copies.retain(|_, copy| copy.elsewhere > 0 || copy.left > 0);
    }

    fn widen(&mut self, (oldest, newest): (u64, u64)) {
        let (least, greatest) = self.ticks.unwrap_or((oldest, newest));
        self.ticks = Some((oldest.min(least), newest.max(greatest)));
    }

    #[inline]
    fn copy(&mut self, record: &Record<'_>) -> Option<&mut Copy> {
        match self.ticks {
            Some((oldest, newest)) if (oldest..=newest).contains(&record.ticks) => {
                let identity = self.identity(record);
                self.copies.get_mut(&identity)
            }
            _ => None,
        }
    }

    /// The log, or what was recovered of it, has this record, and will hand it out. Returns whether
    /// a side file has it, too.
    pub(super) fn note_elsewhere(&mut self, record: &Record<'_>) -> bool {
        let Some(copy) = self.copy(record) else { return false };
        copy.elsewhere += 1;
        let is_copy = copy.left > 0;
        copy.left -= u32::from(is_copy);
        is_copy
    }

    /// Whether a record of a side file is handed out elsewhere: of the same ones, as many as are.
    pub(super) fn is_elsewhere(&mut self, record: &Record<'_>) -> bool {
        let Some(copy) = self.copy(record) else { return false };
        let is_elsewhere = copy.here > copy.left;
        copy.here -= u32::from(is_elsewhere);
        is_elsewhere
    }

    /// Whether a record of the log is handed out by a side file. (What was seen beforehand is not.
    /// But a log may grow, and a side file may be older than what it has by then.)
    #[inline]
    pub(super) fn take(&mut self, record: &Record<'_>) -> bool {
        let Some(copy) = self.copy(record) else { return false };
        if copy.elsewhere > 0 {
            copy.elsewhere -= 1;
            return false;
        }
        let is_copy = copy.left > 0;
        copy.left -= u32::from(is_copy);
        is_copy
    }

    fn identity(&self, record: &Record<'_>) -> [u64; 2] {
        let os_thread = record.thread().os_id();
        let what = (os_thread, record.ticks, record.call_site().identity(), record.arguments);
        [self.keys[0].hash_one(what), self.keys[1].hash_one(what)]
    }
}

/// The side files and recovered files of a log.
#[derive(Default)]
pub(super) struct Companions<'a> {
    /// The readers of its side files and recovered files.
    pub(super) rescues: Vec<Reader<'a>>,
    pub(super) recovered: Vec<Reader<'a>>,
    /// The records in its side files; `None` if it has none.
    pub(super) copies: Option<Copies>,
    /// Files that could not be read.
    pub(super) failed: Vec<OpenError>,
    /// Files that were refused.
    pub(super) refused: Vec<OpenError>,
}

/// The files beside logs, each directory looked at once for each owner of logs in it.
#[derive(Default)]
pub(super) struct Directories(Vec<(PathBuf, Owner, Vec<Beside>)>, Room);

impl Directories {
    /// The files in the directory of a log that belong to its segment. Of copies of one file, one.
    ///
    /// Fails if too many files are open. Any other directory that cannot be listed is as one with
    /// nothing in it.
    pub(super) fn of_log(
        &mut self,
        log: &Path,
        owner: Owner,
        id: [u8; 16],
    ) -> io::Result<Vec<Beside>> {
        let directory = beside::directory_of(log);
        let known = self.0.iter().position(|it| (&*it.0, it.1) == (directory, owner));
        let index = match known {
            Some(index) => index,
            None => {
                let files = match beside::in_directory(directory, owner) {
                    Err(error) if derived::is_shortage(&error) => return Err(error),
                    files => files.unwrap_or_default(),
                };
                self.0.push((directory.to_owned(), owner, files));
                self.0.len() - 1
            }
        };
        let mut found: Vec<Beside> = Vec::new();
        for file in &self.0[index].2 {
            let is_known = found.iter().any(|it| it.header.segment == file.header.segment);
            if file.header.side_of == id && !is_known {
                found.push(file.clone());
            }
        }
        Ok(found)
    }
}

/// The segment ids of files that are read anyway.
type Given = [[u8; 16]];

/// A file beside a log that was opened.
type Opened = (Beside, Result<File, derived::OpenError>);

impl Directories {
    /// Opens the files that belong to the segment of this id, but for those that are read anyway.
    fn open(
        &mut self,
        log: &Path,
        owner: Owner,
        id: [u8; 16],
        given: &Given,
    ) -> io::Result<Vec<Opened>> {
        if id == [0; 16] {
            return Ok(Vec::new());
        }
        let mut files = self.of_log(log, owner, id)?;
        files.retain(|file| !given.contains(&file.header.segment));
        let open = |file: Beside| {
            let opened = derived::open(&file.path, owner).and_then(|mut opened| {
                // A hole takes no disk, and as long to read as anything.
                derived::admit(&opened, u64::MAX, u64::MAX, &mut self.1)?;
                opened.rewind()?;
                Ok(opened)
            });
            (file, opened)
        };
        Ok(files.into_iter().map(open).collect())
    }

    /// Looks at the directory of a log again when it is asked for.
    fn forget(&mut self, log: &Path) {
        self.0.retain(|it| it.0 != beside::directory_of(log));
    }
}

/// Opens what belongs to a log: what lies in its directory, and is not among `given`, the segment
/// ids of files that are read anyway. `copies` has the records in the side files of its segments before
/// this one.
pub(super) fn open<'a>(
    log: &Reader<'a>,
    given: &Given,
    directories: &mut Directories,
    copies: Option<Copies>,
    options: &impl Fn() -> Options<'a>,
) -> Companions<'a> {
    let mut found = Companions { copies, ..Companions::default() };
    if let Some(copies) = &mut found.copies {
        copies.forget_met();
    }
    let Some(path) = log.path() else { return found };
    let target = if path.is_symlink() { path.canonicalize().ok() } else { None };
    let path = target.as_deref().unwrap_or(path);
    let Ok(metadata) = path.metadata() else { return found };
    let (id, owner) = (log.header().segment, Owner::of(&metadata));
    let mut files = directories.open(path, owner, id, given);
    // What was found may have been renamed before it was opened, with its log: then it is looked for
    // once more.
    let is_missing = |(_, file): &Opened| file.as_ref().is_err_and(derived::OpenError::is_missing);
    if files.as_ref().is_ok_and(|files| files.iter().any(is_missing)) {
        directories.forget(path);
        files = directories.open(path, owner, id, given);
    }
    let files = files.unwrap_or_else(|error| {
        found.note(beside::directory_of(path).to_owned(), Err(Error::Open(error)));
        Vec::new()
    });
    for (Beside { path, kind, .. }, file) in files {
        let result = file.map_err(refused).and_then(|file| match kind {
            Kind::Rescue => found.add_rescue(file, &path, options),
            Kind::Recovered => found.add_recovered(file, &path, options),
        });
        found.note(path, result);
    }
    for kind in [Kind::Rescue, Kind::Recovered] {
        found.check_unreadable(kind.path(path), owner, options);
    }
    found
}

pub(super) fn refused(error: derived::OpenError) -> Error {
    match error {
        derived::OpenError::Io(error) => Error::Open(error),
        derived::OpenError::Refused(refused) => Error::Refused(refused),
    }
}

impl<'a> Companions<'a> {
    /// Notes what came of reading a file.
    fn note(&mut self, path: PathBuf, result: Result<(), Error>) {
        match result {
            Ok(()) => {}
            Err(error @ Error::Refused(_)) => self.refused.push(OpenError { path, error }),
            Err(error) => self.failed.push(OpenError { path, error }),
        }
    }

    /// Opens a side file, and remembers its records.
    pub(super) fn add_rescue(
        &mut self,
        file: File,
        path: &Path,
        options: &impl Fn() -> Options<'a>,
    ) -> Result<(), Error> {
        let bytes = Bytes(load(file)?);
        let reader = || options().plain().follow(false).from_read(Cursor::new(bytes.clone()));
        let mut first = reader()?;
        let copies = self.copies.get_or_insert_default();
        // What cannot be read to its end leaves nothing out of the log.
        let mut copies_here = Copies { keys: copies.keys.clone(), ..Copies::default() };
        let mut records = 0;
        while let Some(record) = first.next_record()? {
            copies_here.add(&record);
            records += 1;
            if records > MAX_RECORDS {
                return Err(Error::SideFileTooLong);
            }
        }
        let mut reader = reader()?;
        reader.hold()?;
        copies.add_all(copies_here);
        reader.path = Some(path.to_owned());
        self.rescues.push(reader);
        Ok(())
    }

    fn add_recovered(
        &mut self,
        file: File,
        path: &Path,
        options: &impl Fn() -> Options<'a>,
    ) -> Result<(), Error> {
        let mut reader = options().plain().follow(false).from_file(file)?;
        reader.path = Some(path.to_owned());
        self.recovered.push(reader);
        Ok(())
    }

    /// Something may have the name of such a file and no header that can be read. Where a process
    /// died before it wrote one, nothing is missing; anything else is told.
    fn check_unreadable(
        &mut self,
        path: PathBuf,
        owner: Owner,
        options: &impl Fn() -> Options<'a>,
    ) {
        let opened = || -> Result<(), Error> {
            let mut file = derived::open(&path, owner).map_err(refused)?;
            if beside::header_of(&mut file).is_some() {
                // It belongs to another log, or was read.
                return Ok(());
            }
            derived::admit(&file, u64::MAX, u64::MAX, &mut Room::default()).map_err(refused)?;
            file.rewind().map_err(Error::Open)?;
            options().plain().follow(false).from_read(Cursor::new(Bytes(load(file)?))).map(|_| ())
        };
        match opened() {
            Ok(()) | Err(Error::Empty | Error::Incomplete { .. }) => {}
            Err(Error::Open(error)) if error.kind() == io::ErrorKind::NotFound => {}
            result => self.note(path, result),
        }
    }
}

/// Bytes that several readers read.
#[derive(Clone)]
struct Bytes(Arc<[u8]>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn load(file: File) -> Result<Arc<[u8]>, Error> {
    let mut bytes = Vec::new();
    let read = file.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::Io { offset: bytes.len() as u64, error })?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::SideFileTooLong);
    }
    Ok(bytes.into())
}
