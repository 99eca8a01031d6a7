//! Finds the segments of a rotated log.
//!
//! A rotated log `app.kymo` is a symbolic link to its current segment, `app.20261130T055700Z.000042.kymo`.
//! Names say where to look; which log a file belongs to, and which of its segments it is, says its header.
//! Nothing else of a header is believed: the segments are those that are there, in the order of their
//! numbers, and the reader goes from each to the next one. So forged numbers, or predecessors that name each
//! other, cost no more than the files that have them.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::chain::Chain;
use super::error::Error;
use super::event::MissingSegments;
use super::open::{OpenError, open};
use super::side::refused;
use super::{Options, Reader, closing};
use closing::Closing;
use kymo_files::beside::{self, directory_of, header_of};
use kymo_files::derived::{self, Owner};
use kymo_files::segments::{LogName, SegmentFile, disk_bytes};
use kymo_format::header::Header;

/// A log: the segments of a rotated one, or one file.
///
/// ```
/// use kymo_reader::{Log, Options, Order};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("app.kymo");
/// # let logger = kymo::Logger::builder(&path).start()?;
/// # kymo::info!("hello");
/// # logger.shutdown();
/// let log = Log::find(&path)?;
/// for segment in log.segments() {
///     println!("{}: {} bytes", segment.path.display(), segment.bytes);
/// }
/// for missing in log.missing() {
///     println!("{missing}");
/// }
/// let mut reader = log.open(Options::new().order(Order::Time))?;
/// assert!(reader.next_record()?.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    segments: Vec<LogSegment>,
    set_aside: Vec<OpenError>,
    /// The owner of the segments. `None` if the log is one file, which the user named.
    owner: Option<Owner>,
}

/// A file of a log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogSegment {
    /// Its path.
    pub path: PathBuf,
    /// Its header. Of a log that is one file: `None` if both copies are damaged, or are not written yet.
    pub header: Option<Header>,
    /// Its length in bytes.
    pub bytes: u64,
    /// The bytes that it takes on the disk.
    pub disk_bytes: u64,
    /// Whether it is compressed.
    pub is_compressed: bool,
    /// A compressed copy, which takes its place when it is removed.
    pub(super) copy: Option<PathBuf>,
    owner: Option<Owner>,
    /// Whether there are files beside it, with records that are in no index.
    has_beside: bool,
    /// What its last frames say, once they were looked at.
    closing: OnceLock<Option<Closing>>,
}

impl Log {
    /// Finds the log at a path:
    ///
    /// | at the path is | the log is |
    /// | --- | --- |
    /// | a link to a segment of a rotated log | all segments of that log in its directory |
    /// | nothing, but there are segments so called | all segments of the log with the greatest number |
    /// | one segment | only that |
    /// | any other file, or a link to one | that file |
    ///
    /// If nothing is at `app`, but `app.kymo` is a log, it is found too.
    ///
    /// # Errors
    /// If there is no such log, or its directory cannot be read.
    pub fn find(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let fail =
            |error: io::Error| OpenError { path: path.to_owned(), error: Error::Open(error) };
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_symlink() => match path.canonicalize() {
                Ok(target) => Self::by_link(path, &target),
                // Its segment was removed, or compressed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Self::by_stem(path).map_err(fail)?.ok_or_else(|| fail(error))
                }
                Err(error) => Err(fail(error)),
            },
            Ok(_) => Ok(Self::one(path, path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match Self::by_stem(path).map_err(fail)? {
                    Some(log) => Ok(log),
                    None if path.extension().is_none() => {
                        let whole = path.with_extension("kymo");
                        let is_there = fs::symlink_metadata(&whole).is_ok();
                        match Self::by_stem(&whole).map_err(fail)? {
                            _ if is_there => Self::find(whole),
                            Some(log) => Ok(log),
                            None => Err(fail(error)),
                        }
                    }
                    None => Err(fail(error)),
                }
            }
            Err(error) => Err(fail(error)),
        }
    }

    /// The log of which a path leads to the current segment.
    fn by_link(path: &Path, target: &Path) -> Result<Self, OpenError> {
        let fail = |error| OpenError { path: path.to_owned(), error };
        let Some(name) = LogName::of_segment(target) else { return Ok(Self::one(path, path)) };
        let mut file = open(target).map_err(fail)?;
        let owner = Owner::of(&file.metadata().map_err(|error| fail(Error::Open(error)))?);
        match header_of(&mut file) {
            Some(header) if header.log != [0; 16] => {
                let log = Self::of(path, &name, owner, Some(header.log));
                let log = log.map_err(|error| fail(Error::Open(error)))?;
                Ok(log.unwrap_or_else(|| Self::one(path, path)))
            }
            _ => Ok(Self::one(path, path)),
        }
    }

    /// The log whose segments have this name; `None` if there are none.
    pub(super) fn by_stem(path: &Path) -> io::Result<Option<Self>> {
        let name = LogName::new(path);
        let newest = match name.newest() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            newest => newest?,
        };
        let Some(newest) = newest else { return Ok(None) };
        let owner = Owner::of(&fs::symlink_metadata(newest)?);
        Self::of(path, &name, owner, None)
    }

    /// The segments so called of the log with this identifier, or of that with the greatest number. `None` if
    /// there are none.
    fn of(
        path: &Path,
        name: &LogName,
        owner: Owner,
        id: Option<[u8; 16]>,
    ) -> io::Result<Option<Self>> {
        let mut set_aside = Vec::new();
        let found = name.list_with(owner, |path, error| {
            set_aside.push(OpenError { path, error: refused(error) });
        })?;
        let ids = found.iter().rev().filter_map(|file| file.header.as_ref()).map(|it| it.log);
        let Some(id) = id.or(ids.clone().find(|id| *id != [0; 16])) else { return Ok(None) };
        let mut segments: Vec<LogSegment> = Vec::new();
        for file in found {
            match &file.header {
                Some(header) if header.log == id && header.side_of == [0; 16] => {
                    segments.push(LogSegment::of(file, owner));
                }
                header => {
                    let error = if header.is_some() { Error::OtherLog } else { Error::UnknownLog };
                    set_aside.push(OpenError { path: file.path, error });
                }
            }
        }
        for file in beside::in_directory(name.directory(), owner)? {
            let of_segment = |segment: &&mut LogSegment| segment.id() == file.header.side_of;
            segments.iter_mut().filter(of_segment).for_each(|segment| segment.has_beside = true);
        }
        segments.sort_by(|one, other| one.place().cmp(&other.place()));
        // While a segment is compressed, and after that was interrupted, there are two files of it.
        let mut known: Vec<LogSegment> = Vec::with_capacity(segments.len());
        for segment in segments {
            match known.last_mut().filter(|last| last.id() == segment.id()) {
                Some(last) if segment.is_compressed => last.copy = Some(segment.path),
                Some(_) => {}
                None => known.push(segment),
            }
        }
        let mut ids = HashSet::new();
        known.retain(|segment| ids.insert(segment.id()));
        let path = path.to_owned();
        let log = Self { path, segments: known, set_aside, owner: Some(owner) };
        Ok((!log.segments.is_empty()).then_some(log))
    }

    /// The log that is one file.
    fn one(path: &Path, file: &Path) -> Self {
        let metadata = file.metadata().ok();
        // What cannot be opened says so when it is to be read.
        let header = open(file).ok().and_then(|mut file| header_of(&mut file));
        let segment = LogSegment {
            path: file.to_owned(),
            header,
            bytes: metadata.as_ref().map_or(0, fs::Metadata::len),
            disk_bytes: metadata.as_ref().map_or(0, disk_bytes),
            is_compressed: file.extension().is_some_and(|it| it == "zst"),
            copy: None,
            owner: None,
            has_beside: false,
            closing: OnceLock::new(),
        };
        Self { path: path.to_owned(), segments: vec![segment], set_aside: Vec::new(), owner: None }
    }

    /// The path by which it was found.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it may have several segments. If not, it is one file, which is opened as
    /// [`Options::open`] does.
    pub fn is_rotated(&self) -> bool {
        self.owner.is_some()
    }

    /// Its segments, in the order of their numbers. Of two files of one segment, a compressed one and the
    /// original, that one.
    pub fn segments(&self) -> &[LogSegment] {
        &self.segments
    }

    /// Files with the name of a segment that are not part of it: segments of another log, files that
    /// cannot be read, links, pipes, and files of another owner. Others may write to a log's directory.
    pub fn set_aside(&self) -> &[OpenError] {
        &self.set_aside
    }

    /// Leaves out the segments for which this returns false.
    pub fn retain(&mut self, is_kept: impl FnMut(&LogSegment) -> bool) {
        self.segments.retain(is_kept);
    }

    /// As [`Log::set_aside`], when nothing else is wanted of it any more.
    pub fn into_set_aside(self) -> Vec<OpenError> {
        self.set_aside
    }

    /// The segments that are missing between those that are there.
    pub fn missing(&self) -> impl Iterator<Item = MissingSegments> {
        self.segments.windows(2).filter_map(|pair| missing_between(&pair[0], &pair[1]))
    }

    /// Opens it: reads all segments, one after the other, as if they were one file. At most two are open at
    /// a time. Segments that have nothing in the range of time are not read, if their indexes say so.
    ///
    /// While [following](Options::follow), the current segment is followed to its end.
    ///
    /// [`Reader::header`], [`Reader::path`], [`Reader::offset`] and [`Reader::report`] are about the segment
    /// that is being read, [`Reader::log_report`] is about all of them. [`Files`](crate::Files) also reads
    /// the side files of each segment.
    ///
    /// # Errors
    /// If the first segment that is wanted cannot be read. If another one cannot, reading fails when it
    /// comes to it, and goes on with the next one.
    pub fn open<'a>(&self, options: Options<'a>) -> Result<Reader<'a>, OpenError> {
        match self.owner {
            None => {
                let path = self.segments.first().map_or(&*self.path, |segment| &*segment.path);
                let opened = options.open(path);
                opened.map_err(|error| OpenError { path: self.path.clone(), error })
            }
            Some(owner) => Chain::open(self, owner, options),
        }
    }
}

impl LogSegment {
    fn of(file: SegmentFile, owner: Owner) -> Self {
        Self {
            path: file.path,
            header: file.header,
            bytes: file.bytes,
            disk_bytes: file.disk_bytes,
            is_compressed: file.name.is_compressed,
            copy: None,
            owner: Some(owner),
            has_beside: false,
            closing: OnceLock::new(),
        }
    }

    /// Opens the file, or the compressed one that has taken its place.
    ///
    /// # Errors
    /// If it cannot be opened, or is something else by now.
    #[doc(hidden)]
    pub fn open_file(&self) -> Result<fs::File, OpenError> {
        let Some(owner) = self.owner else {
            let opened = open(&self.path);
            return opened.map_err(|error| OpenError { path: self.path.clone(), error });
        };
        let opened = match derived::open(&self.path, owner) {
            Err(error) if error.is_missing() => {
                let compressed = LogName::compressed(&self.path);
                let copy = self.copy.as_ref().unwrap_or(&compressed);
                derived::open(copy, owner).map_err(|_| error)
            }
            opened => opened,
        };
        opened.map_err(|error| OpenError { path: self.path.clone(), error: refused(error) })
    }

    /// The times of the oldest and of the newest record in it, or bounds on them, in nanoseconds since
    /// 1970-01-01T00:00:00Z; by its index, which is read once. `None` if it has none: it was not closed, or
    /// is damaged, or has too many call sites and threads. And `None` if files lie beside it, whose records no index
    /// has.
    pub fn range(&self) -> Option<(i64, i64)> {
        self.own_range().filter(|_| !self.has_beside)
    }

    /// As [`LogSegment::range`], without regard to files beside it.
    #[doc(hidden)]
    pub fn own_range(&self) -> Option<(i64, i64)> {
        self.closing()?.range
    }

    /// Whether any call site of the segment is selected, or it has a mark; by its index. `select` is told the
    /// entry of each, and returns `None` if that breaks the format. `None` if it is not known.
    pub(super) fn selects_any(&self, select: impl FnMut(&[u8]) -> Option<bool>) -> Option<bool> {
        let salt = self.header.as_ref().filter(|_| !self.has_beside)?.salt;
        closing::selects_any(self.open_file().ok()?, salt, self.closing()?, select)
    }

    /// How many records were written to it, and how many were dropped, by its last frame, which is read once.
    /// `None` if it was not closed, or if that is damaged.
    pub fn totals(&self) -> Option<(u64, u64)> {
        Some(self.closing()?.totals)
    }

    fn closing(&self) -> Option<&Closing> {
        let salt = self.header.as_ref()?.salt;
        self.closing.get_or_init(|| closing::of(self.open_file().ok()?, salt)).as_ref()
    }

    /// Opens it alone.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open<'a>(&self, options: Options<'a>) -> Result<Reader<'a>, OpenError> {
        let opened = options.from_file(self.open_file()?);
        let mut reader = opened.map_err(|error| OpenError { path: self.path.clone(), error })?;
        reader.path = Some(self.path.clone());
        Ok(reader)
    }

    /// Its number in the log, from 1. 0 if the log is one file.
    pub fn sequence(&self) -> u64 {
        self.header.as_ref().map_or(0, |header| header.sequence)
    }

    fn id(&self) -> [u8; 16] {
        self.header.as_ref().map_or([0; 16], |header| header.segment)
    }

    fn place(&self) -> (u64, bool, &Path) {
        (self.sequence(), self.is_compressed, &self.path)
    }

    /// Whether both were written by one run of a process.
    pub(super) fn is_of_process(&self, header: &Header) -> bool {
        self.header.as_ref().is_some_and(|it| {
            let of = |header: &Header| (header.process, header.boot, header.clock, header.run);
            of(it) == of(header)
        })
    }
}

/// What is missing between two segments that follow each other in the list.
pub(super) fn missing_between(one: &LogSegment, next: &LogSegment) -> Option<MissingSegments> {
    let (before, after) = (one.sequence(), next.sequence());
    let follows = before.checked_add(1) == Some(after)
        && next.header.as_ref().is_some_and(|header| header.previous == one.id());
    (!follows).then_some(MissingSegments { before, after })
}

/// Whether a link leads to a segment of the log that is called as the link is, in its directory.
pub(super) fn is_link_to_segment(link: &Path) -> bool {
    let Ok(target) = fs::read_link(link) else { return false };
    let beside = target.parent().is_none_or(|it| it == Path::new("") || it == directory_of(link));
    beside && target.file_name().is_some_and(|name| LogName::new(link).parse(name).is_some())
}
