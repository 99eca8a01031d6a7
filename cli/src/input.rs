//! Log files: how they are opened, and what is to be said about them once they were read.
//!
//! A file that is still being written is read as it was when it was opened, any other to the last
//! valid frame.

use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};

use kymo::reader::{Directory, Ending, Error, HeaderState, Options, Reader, Report};

/// A file that could be opened.
pub struct Input {
    /// What it is called in messages.
    pub name: String,
    pub reader: Reader<'static>,
    /// Somebody was writing to it when it was opened.
    pub is_live: bool,
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
        Ok(Self { name, reader, is_live })
    }

    /// The file beside a log that has what was recovered of it, if there is one.
    fn recovered_path(&self) -> Option<PathBuf> {
        let mut path = self.reader.path()?.to_owned();
        path.as_mut_os_string().push(".recovered");
        let recovered = Reader::open(&path).ok()?;
        let segment = self.reader.header().segment;
        (recovered.header().side_of == segment && segment != [0; 16]).then_some(path)
    }
}

/// Opens all files, and those in directories, that can be opened, each with what was recovered of
/// it; `complain` is told about the others.
pub fn open_all(
    paths: &[PathBuf],
    mut options: impl FnMut() -> Options<'static>,
    mut complain: impl FnMut(&Path, OpenError),
) -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut open = |path: &Path, complain: &mut dyn FnMut(&Path, OpenError)| match Input::open(
        path,
        options(),
    ) {
        Ok(input) => {
            let recovered = input.recovered_path();
            inputs.push(input);
            match recovered.map(|path| (Input::open(&path, options()), path)) {
                Some((Ok(recovered), _)) => inputs.push(recovered),
                Some((Err(error), path)) => complain(&path, error),
                None => {}
            }
        }
        Err(error) => complain(path, error),
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

/// What is wrong with a file, in one line, by the report about it once it was read; `None` if
/// nothing is.
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
