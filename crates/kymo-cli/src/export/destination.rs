//! The destination of an export: standard output, or a file that appears when it is complete.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::fresh::Fresh;
use crate::outcome::{Outcome, complain};
use crate::output::{Closed, Output};

/// How much is written to a file at a time, at least, in bytes.
const PIECE_BYTES: usize = 256 << 10;

pub enum Destination {
    Stdout(Output),
    File(Box<FileDestination>),
}

pub struct FileDestination {
    fresh: Fresh,
    path: PathBuf,
    buffer: String,
}

impl Destination {
    /// Standard output for `-`, else a file at `path`, which is none of `inputs`.
    pub fn open(path: &Path, force: bool, inputs: &[PathBuf]) -> Result<Self, Closed> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout(Output::new()));
        }
        match Fresh::create(path, force, inputs) {
            Ok(fresh) => {
                let (path, buffer) = (path.to_owned(), String::new());
                Ok(Self::File(Box::new(FileDestination { fresh, path, buffer })))
            }
            Err(error) => Err(failed(path, error)),
        }
    }

    /// Where the next line goes.
    #[inline]
    pub fn buffer(&mut self) -> &mut String {
        match self {
            Self::Stdout(output) => output.buffer(),
            Self::File(file) => &mut file.buffer,
        }
    }

    /// Says that the buffer ends with a whole line.
    #[inline]
    pub fn line_done(&mut self) -> Result<(), Closed> {
        match self {
            Self::Stdout(output) => output.line_done(),
            Self::File(file) if file.buffer.len() < PIECE_BYTES => Ok(()),
            Self::File(file) => file.write(),
        }
    }

    /// Writes the rest. A file gets its name.
    pub fn complete(self) -> Result<(), Closed> {
        match self {
            Self::Stdout(output) => output.finish(),
            Self::File(mut file) => {
                file.write()?;
                file.fresh.complete().map_err(|error| failed(&file.path, error))
            }
        }
    }
}

impl FileDestination {
    #[cold]
    fn write(&mut self) -> Result<(), Closed> {
        let result = self.fresh.file().write_all(self.buffer.as_bytes());
        self.buffer.clear();
        result.map_err(|error| failed(&self.path, format_args!("cannot write it: {error}")))
    }
}

fn failed(path: &Path, error: impl std::fmt::Display) -> Closed {
    complain(format_args!("{}: {error}", path.display()));
    Closed(Outcome::Failed)
}
