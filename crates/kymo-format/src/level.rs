//! How urgent a record is.

use std::fmt;
use std::str::FromStr;

/// How urgent a record is, most urgent first. `Level::Error < Level::Trace`.
///
/// ```
/// use kymo_format::Level;
/// assert_eq!("WARN".parse(), Ok(Level::Warn));
/// assert_eq!("Warning".parse(), Ok(Level::Warn));
/// assert_eq!(Level::Warn.to_string(), "warn");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Something failed.
    Error = 1,
    /// Something is wrong, and the program continues.
    Warn = 2,
    /// For operators.
    Info = 3,
    /// For developers.
    Debug = 4,
    /// Every step.
    Trace = 5,
}

impl Level {
    /// All levels, most urgent first.
    pub const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The level's name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// The level's place in arrays by level.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self as usize - 1
    }

    /// The level with this code in a file: 1 for `Error` to 5 for `Trace`.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Error),
            2 => Some(Self::Warn),
            3 => Some(Self::Info),
            4 => Some(Self::Debug),
            5 => Some(Self::Trace),
            _ => None,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A string that names no level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseLevelError;

impl fmt::Display for ParseLevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a level: expected error, warn, info, debug or trace")
    }
}

impl std::error::Error for ParseLevelError {}

impl FromStr for Level {
    type Err = ParseLevelError;

    fn from_str(text: &str) -> Result<Self, ParseLevelError> {
        if text.eq_ignore_ascii_case("warning") {
            return Ok(Self::Warn);
        }
        Self::ALL
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(text))
            .ok_or(ParseLevelError)
    }
}
