//! Segments: where frames go.

pub(crate) mod mapped;
pub(crate) mod open;

use std::io;

/// Where the consumer puts frames. One implementation maps a file; tests have others, which fail on
/// purpose.
pub(crate) trait Output {
    /// Appends all of `frames`, or nothing.
    fn append(&mut self, frames: &[u8]) -> io::Result<()>;

    /// Lets readers see all that was appended.
    fn commit(&mut self);

    /// Takes back what was appended and not committed, where that is possible, also when an `append`
    /// ended in the middle.
    fn rewind(&mut self) {}

    /// How many bytes were appended, the header page included.
    fn len(&self) -> u64;

    /// Ends the segment: nothing is appended any more.
    fn close(&mut self) -> io::Result<()>;
}

impl Output for Vec<u8> {
    fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        self.extend_from_slice(frames);
        Ok(())
    }

    fn commit(&mut self) {}

    fn len(&self) -> u64 {
        Vec::len(self) as u64
    }

    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}
