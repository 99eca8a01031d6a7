//! Reads a zstd file from front to back, seekable or not.

use std::io::{self, BufReader, Read};

/// The largest window of a frame: 8 MiB, as each decoder must support it. So much memory is taken.
const WINDOW_LOG: u32 = 23;

/// Reads a zstd file of any number of frames from front to back.
///
/// For files that others have compressed, and those whose seek table is damaged or missing. Damaged bytes end it with
/// an error.
pub struct Decoder<R: Read>(zstd::stream::read::Decoder<'static, BufReader<R>>);

impl<R: Read> Decoder<R> {
    /// Reads `input`, which begins with a frame.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn new(input: R) -> io::Result<Self> {
        let mut decoder = zstd::stream::read::Decoder::new(input)?;
        decoder.window_log_max(WINDOW_LOG)?;
        Ok(Self(decoder))
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}
