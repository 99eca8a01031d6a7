//! The source of a segment's bytes: a slice, or a stream.
//!
//! Either is seen through a *window*: the bytes from the current position on, as far as they were
//! asked for. A slice is its own window, and nothing of it is copied. A stream is
//! read through a buffer that holds one frame and grows only as bytes arrive. So a file that claims to
//! be long does not cause a large allocation.
//!
//! INV-1: the buffer holds nothing from beyond `limit`. In a file that grows, those bytes are still
//! to change.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::ops::Range;

use super::error::Error;
use kymo_format::ALIGNMENT;
use kymo_format::compressed::is_zstd;
use kymo_format::header::COMMITTED_OFFSET;

/// How much is read at a time, at least, in bytes.
const CHUNK_BYTES: usize = 128 * 1024;

/// How many bytes at the beginning of a file say whether it is one of zstd.
const MAGIC_BYTES: usize = 4;

/// A position in the bytes of a segment.
pub(super) enum Source<'a> {
    Slice { bytes: &'a [u8], at: usize },
    Stream(Stream<'a>),
}

/// Bytes that outlive the window: those of a slice stay where they are, others are copied.
pub(super) enum Kept<'a> {
    Slice(&'a [u8]),
    Copy(Vec<u8>),
}

/// What a [`Source`] reads from.
pub(super) trait Input: Send {
    /// Reads what is at `offset`: where the last read ended, unless this one [can
    /// jump](Input::can_jump).
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// The committed length as it is now; `None` if it cannot be read a second time, or is not
    /// there.
    fn committed(&mut self) -> io::Result<Option<u64>>;

    /// Whether it can be read at any offset.
    fn can_jump(&self) -> bool;

    /// How many bytes there are, if that is known.
    fn length(&self) -> Option<u64>;

    /// Where the hole ends that has `offset` in it: zeros for which the file has no blocks, so that they need not be
    /// read. `None` if there is none, or nobody knows.
    fn hole_end(&self, offset: u64) -> Option<u64> {
        let _ = offset;
        None
    }
}

/// The bytes of a segment in a regular file, decompressed if need be.
pub(super) fn input_of(file: File) -> Result<Box<dyn Input>, Error> {
    let mut start = [0; MAGIC_BYTES];
    let read = (&file).read_at(0, &mut start).unwrap_or(0);
    match is_zstd(&start[..read]) {
        #[cfg(feature = "zstd")]
        true => super::compressed::of_file(file),
        #[cfg(not(feature = "zstd"))]
        true => Err(Error::Compressed),
        false => Ok(Box::new(file)),
    }
}

/// Bytes in memory, decompressed if need be.
pub(super) fn source_of_slice(bytes: &[u8]) -> Result<Source<'_>, Error> {
    match is_zstd(bytes) {
        #[cfg(feature = "zstd")]
        true => super::compressed::of_slice(bytes).map(Source::stream),
        #[cfg(not(feature = "zstd"))]
        true => Err(Error::Compressed),
        false => Ok(Source::slice(bytes)),
    }
}

/// The bytes of a stream, decompressed if need be.
pub(super) fn input_of_read<'a>(
    mut read: impl Read + Send + 'a,
) -> Result<Box<dyn Input + 'a>, Error> {
    let mut start = Vec::new();
    let begun = (&mut read).take(MAGIC_BYTES as u64).read_to_end(&mut start);
    begun.map_err(|error| Error::Io { offset: 0, error })?;
    let is_zstd = is_zstd(&start);
    let read = Cursor::new(start).chain(read);
    match is_zstd {
        #[cfg(feature = "zstd")]
        true => super::compressed::of_read(read),
        #[cfg(not(feature = "zstd"))]
        true => Err(Error::Compressed),
        false => Ok(Box::new(Forward(read))),
    }
}

/// A reader that knows only forward.
pub(super) struct Forward<R>(pub(super) R);

/// Bytes that are read through a buffer.
pub(super) struct Stream<'a> {
    input: Box<dyn Input + 'a>,
    buffer: Vec<u8>,
    /// Where the window begins in `buffer`.
    start: usize,
    /// Where the bytes that were read end in `buffer`.
    filled: usize,
    /// The offset of the window in the file.
    offset: u64,
    /// Nothing past this offset of the file is read.
    limit: u64,
    ended: bool,
}

impl<'a> Source<'a> {
    pub(super) fn slice(bytes: &'a [u8]) -> Self {
        Self::Slice { bytes, at: 0 }
    }

    pub(super) fn stream(input: Box<dyn Input + 'a>) -> Self {
        Self::Stream(Stream {
            input,
            buffer: Vec::new(),
            start: 0,
            filled: 0,
            offset: 0,
            limit: u64::MAX,
            ended: false,
        })
    }

    /// The offset of the window in the file.
    pub(super) fn offset(&self) -> u64 {
        match self {
            Self::Slice { at, .. } => *at as u64,
            Self::Stream(stream) => stream.offset,
        }
    }

    /// The bytes from the current position on, as far as they are at hand.
    #[inline]
    pub(super) fn window(&self) -> &[u8] {
        match self {
            Self::Slice { bytes, at } => &bytes[*at..],
            Self::Stream(stream) => &stream.buffer[stream.start..stream.filled],
        }
    }

    /// Sees to it that the window holds `len` bytes, or all there are.
    pub(super) fn fill(&mut self, len: usize) -> io::Result<()> {
        match self {
            Self::Slice { .. } => Ok(()),
            Self::Stream(stream) if stream.filled - stream.start >= len => Ok(()),
            Self::Stream(stream) => stream.fill(len),
        }
    }

    /// Moves the window forward by `len` bytes, which it must hold.
    pub(super) fn advance(&mut self, len: usize) {
        debug_assert!(len <= self.window().len());
        match self {
            Self::Slice { at, .. } => *at += len,
            Self::Stream(stream) => {
                stream.start += len;
                stream.offset += len as u64;
            }
        }
    }

    /// Keeps bytes of the window, in `spare` where they have to be copied.
    pub(super) fn keep(&self, range: Range<usize>, mut spare: Vec<u8>) -> Kept<'a> {
        match self {
            Self::Slice { bytes, at } => Kept::Slice(&bytes[*at..][range]),
            Self::Stream(_) => {
                spare.clear();
                spare.extend_from_slice(&self.window()[range]);
                Kept::Copy(spare)
            }
        }
    }

    /// Whether the window can be moved anywhere.
    pub(super) fn can_jump(&self) -> bool {
        match self {
            Self::Slice { .. } => true,
            Self::Stream(stream) => stream.input.can_jump(),
        }
    }

    /// Moves the window to `offset`. Only where it [can](Source::can_jump).
    pub(super) fn jump(&mut self, offset: u64) {
        match self {
            Self::Slice { bytes, at } => {
                *at = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            }
            Self::Stream(stream) => {
                let ahead = offset.checked_sub(stream.offset);
                let ahead = ahead.and_then(|ahead| usize::try_from(ahead).ok());
                match ahead.filter(|&ahead| ahead <= stream.filled - stream.start) {
                    Some(ahead) => stream.start += ahead,
                    None => (stream.start, stream.filled, stream.ended) = (0, 0, false),
                }
                stream.offset = offset;
            }
        }
    }

    /// Passes over the hole that begins where the window does, if that is empty and there is one.
    pub(super) fn pass_hole(&mut self) {
        let Self::Stream(stream) = self else { return };
        if stream.filled > stream.start {
            return;
        }
        if let Some(end) = stream.input.hole_end(stream.offset) {
            let end = end.min(stream.limit);
            // Words stay words: the end of the file need not be that of one.
            let end = end - end % ALIGNMENT as u64;
            if end > stream.offset {
                self.jump(end);
            }
        }
    }

    /// Reads nothing from beyond `limit`, and asks again where the end was met before.
    pub(super) fn set_limit(&mut self, limit: u64) {
        if let Self::Stream(stream) = self {
            stream.limit = limit;
            stream.ended = false;
        }
    }

    /// The committed length as it is now, where it can be read again.
    pub(super) fn committed(&mut self) -> io::Result<Option<u64>> {
        match self {
            Self::Slice { .. } => Ok(None),
            Self::Stream(stream) => stream.input.committed(),
        }
    }
}

impl Stream<'_> {
    #[cold]
    fn fill(&mut self, len: usize) -> io::Result<()> {
        while self.filled - self.start < len && !self.ended {
            let end = self.offset + (self.filled - self.start) as u64;
            let allowed = usize::try_from(self.limit.saturating_sub(end)).unwrap_or(usize::MAX);
            if allowed == 0 {
                return Ok(());
            }
            self.make_room();
            let room = (self.buffer.len() - self.filled).min(allowed);
            match self.input.read_at(end, &mut self.buffer[self.filled..self.filled + room]) {
                Ok(0) => self.ended = true,
                // A reader that claims more than it was given room for is wrong, but must do no
                // harm.
                Ok(read) => self.filled += read.min(room),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes room for a read: by moving the window to the beginning of the buffer, and where it
    /// fills that, by growing.
    fn make_room(&mut self) {
        if self.buffer.len() - self.filled >= CHUNK_BYTES / 2 {
            return;
        }
        self.buffer.copy_within(self.start..self.filled, 0);
        self.filled -= self.start;
        self.start = 0;
        if self.buffer.len() - self.filled < CHUNK_BYTES / 2 {
            let len = (self.buffer.len() * 2).max(CHUNK_BYTES);
            self.buffer.resize(len, 0);
        }
    }
}

impl Kept<'_> {
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Slice(bytes) => bytes,
            Self::Copy(bytes) => bytes,
        }
    }
}

impl<R: Read + Send> Input for Forward<R> {
    fn read_at(&mut self, _offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }

    fn committed(&mut self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    fn can_jump(&self) -> bool {
        false
    }

    fn length(&self) -> Option<u64> {
        None
    }
}

impl Input for File {
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        (&*self).read_at(offset, into)
    }

    fn committed(&mut self) -> io::Result<Option<u64>> {
        (&*self).committed()
    }

    fn can_jump(&self) -> bool {
        self.metadata().is_ok_and(|metadata| metadata.is_file())
    }

    fn length(&self) -> Option<u64> {
        self.metadata().ok().map(|metadata| metadata.len())
    }

    fn hole_end(&self, offset: u64) -> Option<u64> {
        (&self).hole_end(offset)
    }
}

impl Input for &File {
    #[cfg(unix)]
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        match std::os::unix::fs::FileExt::read_at(*self, into, offset) {
            // No file of this file system is that long, whatever the bytes in it say.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(0),
            read => read,
        }
    }

    #[cfg(not(unix))]
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        use std::io::{Seek, SeekFrom};
        self.seek(SeekFrom::Start(offset))?;
        self.read(into)
    }

    fn committed(&mut self) -> io::Result<Option<u64>> {
        let mut last = None;
        // The writer stores the number in one piece; nobody promises that `read` copies it in one.
        for _ in 0..4 {
            let mut word = [0; 8];
            if Input::read_at(self, COMMITTED_OFFSET as u64, &mut word)? < word.len() {
                // Somebody has cut the file. Its writer will mend that.
                return Ok(None);
            }
            let now = u64::from_le_bytes(word);
            if last == Some(now) {
                return Ok(last);
            }
            last = Some(now);
        }
        Ok(None)
    }

    fn can_jump(&self) -> bool {
        self.metadata().is_ok_and(|metadata| metadata.is_file())
    }

    fn length(&self) -> Option<u64> {
        self.metadata().ok().map(|metadata| metadata.len())
    }

    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    fn hole_end(&self, offset: u64) -> Option<u64> {
        use rustix::fs::{SeekFrom, seek};
        // Everything here is read at offsets, so that the position of the file is of no use to anybody.
        let end = match seek(*self, SeekFrom::Data(offset)) {
            Ok(data) => data,
            // There is a hole up to the end.
            Err(rustix::io::Errno::NXIO) => self.length()?,
            Err(_) => return None,
        };
        Some(end).filter(|end| *end > offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without the feature, a compressed segment is named as such.
    #[cfg(not(feature = "zstd"))]
    #[test]
    fn compressed_segments_are_refused_by_name() -> io::Result<()> {
        use kymo_format::compressed::START;
        let mut file = tempfile::tempfile()?;
        io::Write::write_all(&mut file, &START)?;
        let refused = |error| matches!(error, Some(Error::Compressed));
        assert!(refused(input_of(file).err()));
        assert!(refused(source_of_slice(&START).err()));
        assert!(refused(input_of_read(&START[..]).err()));
        Ok(())
    }

    fn buffer_len(source: &Source<'_>) -> usize {
        match source {
            Source::Slice { .. } => 0,
            Source::Stream(stream) => stream.buffer.len(),
        }
    }

    /// A header may name a place that no file can have: reading failed there by "Invalid argument", but
    /// only of files.
    #[test]
    fn places_past_any_file_are_empty() -> io::Result<()> {
        let mut file = tempfile::tempfile()?;
        io::Write::write_all(&mut file, &[7; 100])?;
        let mut source = Source::stream(Box::new(file));
        for offset in [200, 1 << 62, 1 << 63, !7] {
            source.jump(offset);
            source.fill(8)?;
            assert_eq!(source.window(), []);
        }
        source.jump(8);
        source.fill(8)?;
        assert_eq!(source.window()[..8], [7; 8]);
        Ok(())
    }

    /// The buffer grows with the bytes that arrive, not with those asked for.
    #[test]
    fn buffer_grows_with_arrived_bytes() -> io::Result<()> {
        let mut source = Source::stream(Box::new(Forward(&[7u8; 5000][..])));
        source.fill(1 << 20)?;
        assert_eq!(source.window().len(), 5000);
        assert_eq!(buffer_len(&source), CHUNK_BYTES);
        Ok(())
    }

    /// The buffer stays within a few windows for files of any length.
    #[test]
    fn buffer_is_bounded_for_long_files() -> io::Result<()> {
        let mut source = Source::stream(Box::new(Forward(io::repeat(7).take(20 << 20))));
        while source.offset() < 20 << 20 {
            source.fill(1 << 20)?;
            source.advance(1000.min(source.window().len()));
            assert!(buffer_len(&source) <= 4 << 20);
        }
        Ok(())
    }

    /// Nothing past the limit is read until it moves.
    #[test]
    fn reading_stops_at_the_limit() -> io::Result<()> {
        let mut source = Source::stream(Box::new(Forward(&[7u8; 100][..])));
        source.set_limit(10);
        source.fill(50)?;
        assert_eq!(source.window().len(), 10);
        source.advance(10);
        source.set_limit(30);
        source.fill(50)?;
        assert_eq!((source.window().len(), source.offset()), (20, 10));
        Ok(())
    }
}
