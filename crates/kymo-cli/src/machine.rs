//! Output for machines: JSON that is as safe to show as everything else.
//!
//! Text from a file may hold anything, and JSON ends up on a terminal, too. Serde's writer does not
//! escape characters that control a terminal or turn the direction of writing. So every string goes
//! through the reader's escaping function instead.

use std::io;

use kymo_reader::json::write_string;
use serde::Serialize;
use serde_json::ser::Formatter;

/// Appends `value` as JSON, on one line.
pub fn write_json(value: &impl Serialize, out: &mut String) {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Escaping);
    // Neither memory nor what is written here fails: no map has keys that are no strings.
    let written = value.serialize(&mut serializer);
    debug_assert!(written.is_ok(), "{written:?}");
    out.push_str(&String::from_utf8_lossy(&bytes));
}

/// Compact JSON, all of whose strings are escaped as the reader escapes them.
struct Escaping;

impl Formatter for Escaping {
    /// Takes what needs no escape by serde's rules.
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut escaped = String::with_capacity(fragment.len() + 2);
        write_string(fragment, &mut escaped);
        writer.write_all(&escaped.as_bytes()[1..escaped.len() - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever can be in a file: no control character and no change of direction gets out, and the
    /// text is still the text.
    #[test]
    fn every_character_is_safe_and_comes_back() {
        let all: String = (0..=char::MAX as u32).filter_map(char::from_u32).collect();
        let mut out = String::new();
        write_json(&[&all], &mut out);
        let is_unsafe = |c: char| {
            c.is_control()
                || matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}')
                || matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
        };
        assert_eq!(out.chars().find(|&c| is_unsafe(c)), None);
        let read: [String; 1] = serde_json::from_str(&out).unwrap();
        assert!(read[0] == all);
    }
}
