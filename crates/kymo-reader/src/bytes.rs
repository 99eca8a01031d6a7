//! The bytes of a segment, for those who look at them without a reader.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::error::Error;
use super::open::open;
use super::source::{Input, input_of};

/// The bytes of a segment in a file, decompressed if need be.
pub struct Bytes {
    input: Box<dyn Input>,
    at: u64,
}

impl Bytes {
    /// Opens the regular file at `path`. A symbolic link is followed.
    ///
    /// # Errors
    /// If it cannot be opened, or be read at any place.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::of(open(path)?)
    }

    /// The bytes in an open file.
    ///
    /// # Errors
    /// If they cannot be read at any place.
    pub fn of(file: File) -> Result<Self, Error> {
        let input = input_of(file)?;
        if input.can_jump() { Ok(Self { input, at: 0 }) } else { Err(Error::NoSeekTable) }
    }
}

impl Read for Bytes {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read_at(self.at, into)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Bytes {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.input.length().and_then(|end| end.checked_add_signed(by)),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
