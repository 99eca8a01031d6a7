//! Standard output, written in large pieces. A closed pipe is no error.

use std::io::{self, StdoutLock, Write};

use crate::outcome::{Outcome, complain};

/// How much is written at a time, at least, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// Standard output. Lines are appended to the buffer, then `line_done` is called.
pub struct Output {
    stdout: StdoutLock<'static>,
    buffer: String,
}

/// Nothing more can be written.
pub struct Closed(pub Outcome);

impl Output {
    pub fn new() -> Self {
        Self {
            stdout: io::stdout().lock(),
            // Room for a piece and the line that goes beyond it.
            buffer: String::with_capacity(2 * PIECE_BYTES),
        }
    }

    /// Whether it is a regular file: then nobody sees the command's progress in it.
    #[cfg(unix)]
    pub fn is_file() -> bool {
        use rustix::fs::{FileType, fstat};
        let kind = fstat(io::stdout()).map(|stat| FileType::from_raw_mode(stat.st_mode));
        kind.is_ok_and(FileType::is_file)
    }

    #[cfg(not(unix))]
    pub fn is_file() -> bool {
        false
    }

    /// Where the next line goes.
    #[inline]
    pub fn buffer(&mut self) -> &mut String {
        &mut self.buffer
    }

    /// Says that the buffer ends with a whole line.
    #[inline]
    pub fn line_done(&mut self) -> Result<(), Closed> {
        if self.buffer.len() < PIECE_BYTES { Ok(()) } else { self.write() }
    }

    /// Writes the buffer at once.
    pub fn flush(&mut self) -> Result<(), Closed> {
        if self.buffer.is_empty() { Ok(()) } else { self.write() }
    }

    /// Writes the rest.
    pub fn finish(mut self) -> Result<(), Closed> {
        self.write()
    }

    #[cold]
    fn write(&mut self) -> Result<(), Closed> {
        let result = self.stdout.write_all(self.buffer.as_bytes());
        self.buffer.clear();
        result.and_then(|()| self.stdout.flush()).map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                return Closed(Outcome::Found);
            }
            complain(format_args!("cannot write to standard output: {error}"));
            Closed(Outcome::Failed)
        })
    }
}
