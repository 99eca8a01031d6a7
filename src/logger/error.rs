//! The error of [`Builder::start`](crate::Builder::start).
//!
//! Its messages name the file or the option, and say what to do if that is known.

use std::fmt::{self, Write};
use std::io;
use std::path::{Path, PathBuf};

use crate::filter::ParseFilterError;
use crate::format::escaped::Escaped;
use crate::keep::KeepError;
use crate::rotation::RotationError;
use crate::segment::error::OpenSegmentError;

/// The error of [`Builder::start`](crate::Builder::start): why no logger was started.
///
/// [`StartError::kind`] tells the cases apart. The text names the file or the option.
#[derive(Debug)]
pub struct StartError {
    kind: StartErrorKind,
}

/// The kinds of [`StartError`].
#[derive(Debug)]
#[non_exhaustive]
pub enum StartErrorKind {
    /// A logger already runs in this process.
    AlreadyRunning,
    /// Another logger writes to this file.
    InUse(PathBuf),
    /// The file could not be made, allocated or mapped; or a directory has no room.
    File(PathBuf, io::Error),
    /// An option has an impossible value.
    Option {
        /// The option's name, which is that of the builder's method.
        name: &'static str,
        /// What is wrong, and which values are possible.
        reason: &'static str,
    },
    /// A directive of [`Builder::filter`](crate::Builder::filter) is wrong.
    Filter(ParseFilterError),
    /// The option `keep` is wrong: see [`Builder::keep`](crate::Builder::keep).
    Keep(KeepError),
    /// The option `rotate` is wrong.
    Rotation(RotationError),
    /// Another logger takes the records of the crate `log`, so that [`Builder::bridge_log`](crate::Builder::bridge_log)
    /// cannot.
    #[cfg(feature = "log")]
    BridgeLog(crate::bridge::log::InitError),
    /// Another subscriber takes what is traced, so that
    /// [`Builder::bridge_tracing`](crate::Builder::bridge_tracing) cannot.
    #[cfg(feature = "tracing")]
    BridgeTracing(crate::bridge::tracing::InitError),
    /// The consumer could not be pinned to this core.
    Pin {
        /// The number of the core, as the operating system counts.
        core: usize,
        /// Why it could not be pinned.
        reason: &'static str,
    },
    /// The consumer's thread could not be made.
    Thread(io::Error),
}

impl StartError {
    /// Returns the kind of error, with its details.
    pub fn kind(&self) -> &StartErrorKind {
        &self.kind
    }

    pub(crate) fn file(path: &Path, error: io::Error) -> Self {
        StartErrorKind::File(path.to_owned(), error).into()
    }
}

impl From<OpenSegmentError> for StartError {
    fn from(error: OpenSegmentError) -> Self {
        match error {
            OpenSegmentError::InUse(path) => StartErrorKind::InUse(path).into(),
            OpenSegmentError::File(path, error) => StartErrorKind::File(path, error).into(),
        }
    }
}

impl From<StartErrorKind> for StartError {
    fn from(kind: StartErrorKind) -> Self {
        Self { kind }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = Escaped(f);
        match &self.kind {
            StartErrorKind::AlreadyRunning => {
                f.write_str("a logger runs already in this process: shut it down first")
            }
            StartErrorKind::InUse(path) => {
                write!(
                    f,
                    "{}: another logger writes to this file: choose another path",
                    path.display()
                )
            }
            StartErrorKind::File(path, error) => write!(f, "{}: {error}", path.display()),
            StartErrorKind::Option { name, reason } => write!(f, "{name}: {reason}"),
            StartErrorKind::Filter(error) => write!(f, "filter: {error}"),
            StartErrorKind::Keep(error) => write!(f, "keep: {error}"),
            StartErrorKind::Rotation(error) => write!(f, "rotate: {error}"),
            #[cfg(feature = "log")]
            StartErrorKind::BridgeLog(error) => write!(f, "bridge_log: {error}"),
            #[cfg(feature = "tracing")]
            StartErrorKind::BridgeTracing(error) => write!(f, "bridge_tracing: {error}"),
            StartErrorKind::Pin { core, reason } => {
                write!(f, "cannot pin the consumer to core {core}: {reason}")
            }
            StartErrorKind::Thread(error) => {
                write!(f, "cannot make the consumer's thread: {error}")
            }
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            StartErrorKind::File(_, error) | StartErrorKind::Thread(error) => Some(error),
            StartErrorKind::Filter(error) => Some(error),
            StartErrorKind::Keep(error) => Some(error),
            StartErrorKind::Rotation(error) => Some(error),
            #[cfg(feature = "log")]
            StartErrorKind::BridgeLog(error) => Some(error),
            #[cfg(feature = "tracing")]
            StartErrorKind::BridgeTracing(error) => Some(error),
            _ => None,
        }
    }
}
