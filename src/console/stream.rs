//! The stream that a console writes to: a descriptor of its own.
//!
//! Not `std`'s handles: they have a lock, which a console that is blocked would hold, also in the child of a fork.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};

use anstream::{AutoStream, ColorChoice};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::console::{Color, Stream};

/// What became of a piece of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrote {
    /// All of it is written.
    All,
    /// It is not, or not all; a later one may be.
    Failed,
    /// Nobody reads any more.
    Closed,
}

impl Stream {
    /// Whether it is a terminal.
    pub(super) fn is_terminal(self) -> bool {
        match self {
            Self::Stderr => io::stderr().is_terminal(),
            Self::Stdout => io::stdout().is_terminal(),
        }
    }

    /// Whether it is to have colours.
    pub(super) fn is_coloured(self, color: Color) -> bool {
        let choice = || match self {
            Self::Stderr => AutoStream::choice(&io::stderr()),
            Self::Stdout => AutoStream::choice(&io::stdout()),
        };
        match color {
            Color::Auto => choice() != ColorChoice::Never,
            Color::Always => true,
            Color::Never => false,
        }
    }

    /// A descriptor of its own: the program may close its one, and the number be that of another file then.
    pub(super) fn duplicate(self) -> io::Result<OwnedFd> {
        match self {
            Self::Stderr => io::stderr().as_fd().try_clone_to_owned(),
            Self::Stdout => io::stdout().as_fd().try_clone_to_owned(),
        }
    }
}

/// Writes all of `bytes`. Waits as long as the stream is blocked.
///
/// The calling thread has all signals blocked, so that a pipe that nobody reads is an error here, and no `SIGPIPE`.
pub(super) fn write(to: &OwnedFd, mut bytes: &[u8]) -> Wrote {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(0) => return Wrote::Failed,
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            // Another process has made the stream, which it shares, one that does not wait.
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(to, PollFlags::OUT)], None);
            }
            Err(Errno::PIPE | Errno::BADF | Errno::IO | Errno::NXIO | Errno::NODEV) => {
                return Wrote::Closed;
            }
            Err(_) => return Wrote::Failed,
        }
    }
    Wrote::All
}
