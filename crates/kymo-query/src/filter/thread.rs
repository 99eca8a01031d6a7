//! A thread as a user names it.

use std::convert::Infallible;
use std::str::FromStr;

use kymo_reader::Thread;

/// The name of a thread, or its number, or both as text shows them (`worker#2`).
#[derive(Clone, Debug)]
pub struct ThreadName {
    name: String,
    number: Option<u64>,
}

impl ThreadName {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Whether this is the name or the number of `thread`.
    pub fn is(&self, thread: &Thread) -> bool {
        thread.name() == self.name
            || self.number == Some(thread.number())
            // As text shows it.
            || self.name.contains('#') && thread.label().to_string() == self.name
    }
}

impl FromStr for ThreadName {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self { name: text.to_owned(), number: text.parse().ok() })
    }
}
