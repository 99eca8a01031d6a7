//! The error of a configuration: which key, where, and what is possible.

use std::fmt::{self, Write};
use std::io;

use crate::format::escaped::Escaped;

/// The error of a [`Config`](crate::Config): where it is, and what to do.
///
/// The text names the variable, or the file and the line.
pub struct ConfigError {
    /// A variable, a key, or a file and perhaps a line.
    place: String,
    kind: ConfigErrorKind,
}

/// The kinds of [`ConfigError`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// There is no such key, or no such variable.
    UnknownKey {
        /// The one that is most like it, if one is.
        nearest: Option<String>,
    },
    /// The value is wrong.
    Value {
        /// The value. What is not UTF-8 in it is replaced.
        text: String,
        /// What to do.
        possible: String,
    },
    /// The file is not TOML, or has something else than a value where a value is to be.
    Syntax(String),
    /// The file cannot be read, is no regular one, or is too long.
    File(io::Error),
}

impl ConfigError {
    /// Returns the kind of error, with its details.
    pub fn kind(&self) -> &ConfigErrorKind {
        &self.kind
    }

    pub(super) fn unknown(place: &str, nearest: Option<&str>) -> Self {
        ConfigErrorKind::UnknownKey { nearest: nearest.map(str::to_owned) }.at(place)
    }
}

impl ConfigErrorKind {
    pub(super) fn at(self, place: &str) -> ConfigError {
        ConfigError { place: place.to_owned(), kind: self }
    }
}

impl fmt::Display for ConfigErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = Escaped(f);
        match self {
            Self::UnknownKey { nearest: Some(nearest) } => {
                write!(f, "there is no such key: do you mean `{nearest}`?")
            }
            Self::UnknownKey { nearest: None } => f.write_str("there is no such key"),
            Self::Value { text, possible } => write!(f, "{text:?}: {possible}"),
            Self::Syntax(text) => f.write_str(text),
            Self::File(error) => write!(f, "{error}"),
        }
    }
}

/// Writes the text, as `main` does with an error that it returns.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaped(f), "{}: {}", self.place, self.kind)
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            ConfigErrorKind::File(error) => Some(error),
            _ => None,
        }
    }
}
