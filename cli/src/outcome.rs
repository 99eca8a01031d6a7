//! How a command ends, and what it says about that on standard error.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use kymo::reader::write_escaped;

/// The exit codes, as every help text shows them.
pub const HELP: &str = "\
Exit codes:
  0  fine; also where whoever read the output stopped reading
  1  everything that could be decoded was, but something in a file is damaged or lost
  2  a file is missing or none of kymo's, the output failed, or the command was misused";

/// How a command ends, best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// All is well.
    #[default]
    Fine,
    /// Something in a file is damaged or lost; the rest was read.
    Damaged,
    /// Something was not done at all.
    Failed,
}

impl Outcome {
    /// Takes the worse of the two.
    pub fn worsen(&mut self, other: Self) {
        *self = (*self).max(other);
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome as u8)
    }
}

/// Writes one line to standard error, whatever characters are in `message`.
pub fn complain(message: impl fmt::Display) {
    let mut line = String::from("kymo: ");
    write_escaped(&message.to_string(), &mut line);
    line.push('\n');
    // Where standard error cannot be written to, the exit code has to do.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
