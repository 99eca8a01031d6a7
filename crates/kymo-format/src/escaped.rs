//! Text of others that is made safe for a terminal.

use std::fmt::{self, Write};

use crate::is_control;

/// Writes text that goes to a terminal. [Control characters](is_control) in it are escaped.
pub struct Escaped<W>(pub W);

impl<W: Write> Write for Escaped<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match is_control(c) {
            true => write!(self.0, "{}", c.escape_default()),
            false => self.0.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_others_are_not() {
        let mut out = String::new();
        write!(Escaped(&mut out), "ä\u{1b}\u{202e}\u{9b}\n{:>3}", 7).unwrap();
        assert_eq!(out, "ä\\u{1b}\\u{202e}\\u{9b}\\n  7");
    }
}
