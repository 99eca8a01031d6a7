//! An argument of a log statement as a user names it.

use std::fmt;

use kymo_reader::CallSite;

/// The name of an argument, or its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// By its name.
    Named(Box<str>),
    /// By its position from 0, counting arguments with names, too.
    At(usize),
}

impl Argument {
    /// Parses the text after `arg.`, or a whole name.
    pub fn new(text: &str) -> Self {
        let position = text.parse().ok().filter(|_| !text.starts_with('+'));
        position.map_or_else(|| Self::Named(text.into()), Self::At)
    }

    /// Its position at a call site that has it.
    pub fn position(&self, site: &CallSite) -> Option<usize> {
        match self {
            Self::Named(name) => site.names().iter().position(|given| given == name),
            Self::At(position) => (*position < site.names().len()).then_some(*position),
        }
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::At(position) => write!(f, "[{position}]"),
        }
    }
}
