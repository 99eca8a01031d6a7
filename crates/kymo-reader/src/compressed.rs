//! Compressed segments as sources of bytes.
//!
//! One with a seek table is read at any place, and only the blocks that are needed are decompressed. A damaged block
//! counts as zeros: the frames in it are then missing, and reported as damage. Any other zstd file, or one whose
//! seek table is damaged, is read from front to back, up to the first damage.

use std::fs::File;
use std::io::{self, Read, Seek};

use super::error::Error;
use super::source::{Forward, Input};
use kymo_zstd::{Decoder, ReadAt, Seekable};

/// The segment in a file that begins as a zstd file does.
pub(super) fn of_file(mut file: File) -> Result<Box<dyn Input>, Error> {
    let fail = |error| Error::Io { offset: 0, error };
    match Seekable::open(file.try_clone().map_err(fail)?) {
        Ok(seekable) => Ok(Box::new(seekable)),
        Err(kymo_zstd::Error::Io(error)) => Err(fail(error)),
        Err(_) => {
            file.rewind().map_err(fail)?;
            of_read(file)
        }
    }
}

/// The segment in bytes that begin as a zstd file does.
pub(super) fn of_slice<'a>(bytes: &'a [u8]) -> Result<Box<dyn Input + 'a>, Error> {
    match Seekable::open(bytes) {
        Ok(seekable) => Ok(Box::new(seekable)),
        Err(_) => of_read(bytes),
    }
}

/// The segment in a stream that begins as a zstd file does.
pub(super) fn of_read<'a>(read: impl Read + Send + 'a) -> Result<Box<dyn Input + 'a>, Error> {
    let decoder = Decoder::new(read).map_err(|error| Error::Io { offset: 0, error })?;
    Ok(Box::new(Forward(UpToDamage(decoder))))
}

/// Ends where the bytes cannot be decompressed. The segment says how long it should be.
struct UpToDamage<R>(R);

impl<R: Read> Read for UpToDamage<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into) {
            // The system's errors have a number, those of zstd do not.
            Err(error)
                if error.raw_os_error().is_none() && error.kind() != io::ErrorKind::Interrupted =>
            {
                Ok(0)
            }
            read => read,
        }
    }
}

impl<R: ReadAt + Send> Input for Seekable<R> {
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        match Seekable::read_at(self, offset, into) {
            Ok(read) => Ok(read),
            Err(kymo_zstd::Error::Block { offset: begin, bytes, .. }) => {
                let left = begin.saturating_add(bytes).saturating_sub(offset);
                let lost = usize::try_from(left).map_or(into.len(), |left| left.min(into.len()));
                into[..lost].fill(0);
                Ok(lost)
            }
            Err(kymo_zstd::Error::Io(error)) => Err(error),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn committed(&mut self) -> io::Result<Option<u64>> {
        // Nobody writes it any more.
        Ok(None)
    }

    fn can_jump(&self) -> bool {
        true
    }

    fn length(&self) -> Option<u64> {
        Some(self.len())
    }
}
