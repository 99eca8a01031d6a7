//! Opens log files, and complains about them after they were read.
//!
//! A file that is still being written is read as it was when it was opened, any other to the last
//! valid frame.

use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use kymo_reader::{
    Directory, Ending, Error, Event, FileError, Files, HeaderState, LogSegment, Options, Reader,
    Report,
};

use crate::interrupt;
use crate::latest::Latest;
use crate::outcome::{Outcome, complain};
use crate::progress::Progress;

/// A file, or a rotated log, that could be opened.
pub struct Input {
    /// Its name in messages.
    pub name: String,
    pub reader: Reader<'static>,
    /// Somebody was writing to it when it was opened.
    pub is_live: bool,
    /// Its length in bytes: of a rotated log, that of all segments.
    bytes: u64,
    /// Files that are called as segments of the log, and are not part of it.
    set_aside: Vec<kymo_reader::OpenError>,
}

/// Why a file could not be opened.
#[derive(Debug)]
pub enum OpenError {
    Reader(Error),
    /// A directory without log files.
    Empty,
}

impl Input {
    /// Opens the file at `path`, or standard input for `-`.
    pub fn open(path: &Path, options: Options<'static>) -> Result<Self, OpenError> {
        let (name, reader) = match path.as_os_str() == "-" {
            true => ("standard input".to_owned(), options.from_read(io::stdin())),
            false => (path.display().to_string(), options.snapshot(true).open(path)),
        };
        let reader = reader.map_err(OpenError::Reader)?;
        let is_live = reader.report().live;
        let bytes = path.metadata().map_or(0, |metadata| metadata.len());
        Ok(Self { name, reader, is_live, bytes, set_aside: Vec::new() })
    }

    /// Opens one file of a log.
    pub fn open_segment(
        segment: &LogSegment,
        options: Options<'static>,
    ) -> Result<Self, OpenError> {
        let reader = segment.open(options.snapshot(true));
        let reader = reader.map_err(|error| OpenError::Reader(error.error))?;
        let is_live = reader.report().live;
        let name = segment.path.display().to_string();
        Ok(Self { name, reader, is_live, bytes: segment.bytes, set_aside: Vec::new() })
    }

    /// Opens the log at `path`: see [`Log::find`]. Returns the path at fault with an error.
    pub fn open_log(
        path: &Path,
        options: Options<'static>,
        latest: &Latest,
    ) -> Result<Self, (PathBuf, OpenError)> {
        if path.as_os_str() == "-" {
            return Self::open(path, options).map_err(|error| (path.to_owned(), error));
        }
        let log =
            latest.find(path).map_err(|error| (error.path, OpenError::Reader(error.error)))?;
        if !log.is_rotated() {
            return Self::open(log.path(), options).map_err(|error| (path.to_owned(), error));
        }
        let reader = log.open(options.snapshot(true));
        let reader = reader.map_err(|error| (error.path, OpenError::Reader(error.error)))?;
        Ok(Self {
            name: log.path().display().to_string(),
            is_live: reader.report().live,
            bytes: log.segments().iter().map(|segment| segment.bytes).sum(),
            reader,
            set_aside: log.into_set_aside(),
        })
    }
}

/// Files that are read as one, each log with its side file.
pub struct Inputs {
    pub files: Files<'static>,
    /// Their names in messages.
    pub names: Vec<String>,
    /// Somebody was writing to them when they were opened.
    live: Vec<bool>,
    /// Their length in bytes, without that of side files.
    pub bytes: u64,
    /// Files that are called as segments of the logs, and are not part of them.
    set_aside: Vec<kymo_reader::OpenError>,
}

impl Inputs {
    /// Opens all files, and those in directories, that can be opened; the others are complained
    /// about.
    pub fn open(
        paths: &[PathBuf],
        options: impl Fn() -> Options<'static>,
        outcome: &mut Outcome,
    ) -> Self {
        Self::open_latest(paths, options, &Latest::default(), outcome)
    }

    /// As [`Inputs::open`]; `latest` may have found the logs before.
    pub fn open_latest(
        paths: &[PathBuf],
        options: impl Fn() -> Options<'static>,
        latest: &Latest,
        outcome: &mut Outcome,
    ) -> Self {
        // The logs must not take all descriptors: their side files are looked for next.
        let spare = spare_descriptors();
        let logs = open_all(paths, &options, latest, |path, error| {
            complain(format_args!("{}: {error}", path.display()));
            outcome.add(Outcome::Failed);
        });
        drop(spare);
        let (mut readers, mut names, mut live) = (Vec::new(), Vec::new(), Vec::new());
        let mut set_aside = Vec::new();
        let bytes = logs.iter().map(|log| log.bytes).sum();
        for mut log in logs {
            set_aside.append(&mut log.set_aside);
            readers.push(log.reader);
            names.push(log.name);
            live.push(log.is_live);
        }
        let logs = readers.len();
        let files = Files::with_side_files(readers, options);
        let (logs, sides) = files.readers().split_at(logs);
        for side in sides {
            names.push(side.path().map(|path| path.display().to_string()).unwrap_or_default());
            let mut its_logs = logs.iter().zip(&live[..logs.len()]);
            let is_live = its_logs.any(|(log, &is_live)| is_live && belongs_to(side, log));
            live.push(is_live);
        }
        Self { files, names, live, bytes, set_aside }
    }

    /// Hands over all events, with the number of their file and its name, and shows the progress of the command `name`.
    /// Returns false if it was interrupted. Files that cannot be read on are complained about.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn each_event<E>(
        &mut self,
        name: &'static str,
        outcome: &mut Outcome,
        mut take: impl FnMut(usize, &str, &Event<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let progress = Progress::new(name, self.bytes);
        let mut events = 0_u64;
        loop {
            match self.files.next_event() {
                Ok(Some((file, event))) => take(file, &self.names[file], &event)?,
                Ok(None) => return Ok(true),
                Err(error) => self.complain_about(&error, outcome),
            }
            events += 1;
            if events.is_multiple_of(4096) {
                progress.at(self.position());
                if interrupt::requested() {
                    return Ok(false);
                }
            }
        }
    }

    /// How many bytes of the files were read or passed over, to show progress.
    pub fn position(&self) -> u64 {
        let of = |reader: &Reader<'_>| {
            reader.offset() + reader.log_report().map_or(0, |log| log.sums.length_bytes)
        };
        self.files.readers().iter().map(of).sum()
    }

    /// Complains about a file that could not be read on, or a side file that could not be opened.
    pub fn complain_about(&self, error: &FileError, outcome: &mut Outcome) {
        match &error.path {
            Some(_) => complain(error),
            None => complain(format_args!("{}: {}", self.names[error.file], error.error)),
        }
        outcome.add(Outcome::Failed);
    }

    /// Complains about what is wrong with the files, once they were read.
    pub fn complain(&self, outcome: &mut Outcome) {
        // It is somebody else's, so that it makes no difference to the exit code.
        self.files.refused().iter().for_each(complain);
        self.set_aside.iter().for_each(complain);
        for ((reader, name), is_live) in
            self.files.readers().iter().zip(&self.names).zip(&self.live)
        {
            for complaint in complaints(reader, name, *is_live) {
                complain(complaint);
                outcome.add(Outcome::Failed);
            }
            let waiting = reader.path().map(kymo::recoverable).unwrap_or_default();
            complain_about_refused(&waiting.refused);
            let waiting = waiting.records;
            if waiting > 0 {
                complain(format_args!(
                    "{name}: its process was killed, and {waiting} records more are left in its \
                     rings: `kymo recover {name}` saves them"
                ));
            }
        }
    }
}

/// Complains about files that have a name of kymo's and were refused. They are somebody else's, so they
/// do not change the exit code.
pub fn complain_about_refused(refused: &[kymo::RefusedFile]) {
    for file in refused {
        complain(format_args!("{}: {}", file.path.display(), file.reason));
    }
}

/// Opens all files, and those in directories, that can be opened, each of them once, by whatever
/// names it is given, and a segment once that is there compressed and not; `complain` is told about the others.
fn open_all(
    paths: &[PathBuf],
    options: impl Fn() -> Options<'static>,
    latest: &Latest,
    mut complain: impl FnMut(&Path, OpenError),
) -> Vec<Input> {
    let (mut inputs, mut opened, mut segments) = (Vec::new(), HashSet::new(), HashSet::new());
    let mut open = |path: &Path, complain: &mut dyn FnMut(&Path, OpenError)| {
        if identity(path).is_some_and(|identity| !opened.insert(identity)) {
            return;
        }
        match Input::open_log(path, options(), latest) {
            Ok(input) if is_first(&input, path, &mut segments) => inputs.push(input),
            Ok(_) => {}
            Err((path, error)) => complain(&path, error),
        }
    };
    for path in paths {
        if !path.is_dir() {
            open(path, &mut complain);
            continue;
        }
        match Directory::read(path) {
            Ok(directory) => {
                if directory.logs.is_empty() && directory.refused.is_empty() {
                    complain(path, OpenError::Empty);
                }
                for log in &directory.logs {
                    open(log, &mut complain);
                }
                for refused in directory.refused {
                    complain(&refused.path, OpenError::Reader(refused.error));
                }
            }
            Err(error) => complain(&error.path, OpenError::Reader(error.error)),
        }
    }
    inputs
}

/// Whether no other file of this name, compressed or not, has this segment.
fn is_first(input: &Input, path: &Path, segments: &mut HashSet<(PathBuf, [u8; 16])>) -> bool {
    let id = input.reader.header().segment;
    let Ok(place) = path.canonicalize() else { return true };
    let is_compressed = place.extension().is_some_and(|it| it == "zst");
    let place = if is_compressed { place.with_extension("") } else { place };
    id == [0; 16] || segments.insert((place, id))
}

/// Raises the soft limit on open files to the hard one: a directory may have thousands of logs, which
/// are merged and so open at one time.
#[cfg(unix)]
pub fn allow_many_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If this fails, opening one file too many reports it.
    let _ = setrlimit(Resource::Nofile, limit);
}

#[cfg(not(unix))]
pub fn allow_many_files() {}

/// Takes some descriptors, which are free when this is dropped: an eighth of all, at most sixteen.
fn spare_descriptors() -> Vec<File> {
    #[cfg(unix)]
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    let limit: Option<u64> = Some(0);
    let spare = limit.map_or(16, |limit| (limit / 8).min(16));
    (0..spare).map_while(|_| File::open("/dev/null").ok()).collect()
}

/// The identity of the file at `path`, which all its names share. A directory, a pattern of the shell
/// and a link may lead to one file.
#[cfg(unix)]
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    // Standard input is none; it can be read only once in any case.
    let metadata = path.metadata().ok().filter(|_| path.as_os_str() != "-")?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
pub fn identity(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|_| path.as_os_str() != "-")
}

fn belongs_to(side: &Reader<'_>, log: &Reader<'_>) -> bool {
    let log = log.header().segment;
    log != [0; 16] && side.header().side_of == log
}

/// The complaints about a file, or a rotated log, once it was read: `name` is that of the file.
pub fn complaints(reader: &Reader<'_>, name: &str, is_live: bool) -> Vec<String> {
    let of = |name: &dyn fmt::Display, report: &Report, is_live: bool| {
        complaint(report, is_live).map(|complaint| format!("{name}: {complaint}"))
    };
    let (Some(log), Some(path)) = (reader.log_report(), reader.path()) else {
        return of(&name, reader.report(), is_live).into_iter().collect();
    };
    let segments =
        log.not_whole.iter().filter_map(|(path, report)| of(&path.display(), report, false));
    let last = of(&path.display(), reader.report(), reader.report().live);
    let missing = log.missing.iter().map(|missing| format!("{name}: {missing}"));
    segments.chain(last).chain(missing).collect()
}

/// The complaint about a file in one line, by the report after reading; `None` if it is whole.
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
            Self::Reader(Error::Special) => {
                f.write_str("is not a regular file; give - to read from a pipe")
            }
            Self::Reader(error) => error.fmt(f),
            Self::Empty => f.write_str("is a directory without any file named *.kymo"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Reader(error) => Some(error),
            Self::Empty => None,
        }
    }
}
