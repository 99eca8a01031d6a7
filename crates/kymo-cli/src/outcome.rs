//! The exit code of a command, and its lines on standard error.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use kymo_reader::write_escaped;

/// The exit codes, as every help text shows them.
pub const HELP: &str = "\
Exit codes:
  0  something was found; also where whoever read the output stopped reading
  1  nothing was
  2  an error: the command was misused, a file is missing or none of kymo's, the output failed,
     or something in a file is damaged or lost (everything else in it was read nevertheless)";

/// The outcome of a command. Each variant outweighs those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Nothing matched.
    #[default]
    Nothing,
    /// Something was found, and all is well.
    Found,
    /// Something failed, or is damaged or lost.
    Failed,
}

impl Outcome {
    /// Takes the weightier of the two.
    pub fn add(&mut self, other: Self) {
        *self = (*self).max(other);
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Found => 0,
            Outcome::Nothing => 1,
            Outcome::Failed => 2,
        })
    }
}

/// Whether nothing in a text has to be escaped.
pub fn is_plain(text: &str) -> bool {
    let mut escaped = String::new();
    write_escaped(text, &mut escaped);
    escaped == text
}

/// Says, in some lines, why the command line was refused.
pub fn refuse(message: &str) -> ExitCode {
    let mut text = String::new();
    for line in message.lines() {
        write_escaped(line, &mut text);
        text.push('\n');
    }
    // If standard error cannot be written to, the exit code must do.
    let _ = std::io::stderr().write_all(text.as_bytes());
    Outcome::Failed.into()
}

/// Writes one line to standard error, whatever characters are in `message`.
pub fn complain(message: impl fmt::Display) {
    let mut line = String::from("kymo: ");
    write_escaped(&message.to_string(), &mut line);
    line.push('\n');
    // If standard error cannot be written to, the exit code must do.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
