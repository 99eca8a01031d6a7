//! An error in text that a user wrote, with a mark under the place.

use std::fmt;
use std::ops::Range;

use unicode_width::UnicodeWidthChar;

/// How much of the text is shown, in characters: before the place, and in total.
const BEFORE: usize = 40;
const SHOWN: usize = 76;

/// An error in a text, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaretError {
    message: String,
    /// The text around the place, on one line.
    excerpt: String,
    /// The place in it, in columns of a terminal.
    column: usize,
    width: usize,
}

impl CaretError {
    /// `span` is in bytes of `text`.
    pub fn new(text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let count = |end: usize| text.get(..end).unwrap_or(text).chars().count();
        let (start, end) = (count(span.start), count(span.end));
        let first = start.saturating_sub(BEFORE);
        let all = text.chars().count();
        let mut excerpt = String::from(if first > 0 { "…" } else { "" });
        // One character each, so that the mark is under the place.
        let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        excerpt.extend(text.chars().skip(first).take(SHOWN).map(shown));
        excerpt.push_str(if all > first + SHOWN { "…" } else { "" });
        // Some characters are two columns wide, and some none.
        let columns = |from: usize, to: usize| -> usize {
            let chars = text.chars().skip(from).take(to.saturating_sub(from)).map(shown);
            chars.map(|c| c.width().unwrap_or(1)).sum()
        };
        let column = columns(first, start) + usize::from(first > 0);
        let width = columns(start, end.min(first + SHOWN)).max(1);
        Self { message: message.into(), excerpt, column, width }
    }
}

impl fmt::Display for CaretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, excerpt, column, width } = self;
        write!(f, "{message}\n  {excerpt}\n  {:column$}{:^<width$}", "", "")
    }
}

impl std::error::Error for CaretError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_under_the_place() {
        let error = CaretError::new("größe >\n> 5", 10..11, "expected a value");
        assert_eq!(error.to_string(), "expected a value\n  größe >\u{FFFD}> 5\n          ^");
        let error = CaretError::new("ab", 2..2, "more");
        assert_eq!(error.to_string(), "more\n  ab\n    ^");
    }

    /// Counted in characters, the mark was before its place if wide characters precede it.
    #[test]
    fn wide_characters_take_two_columns() {
        let text = "\"日本\" e\u{301} >> 5";
        let at = text.find(">>").unwrap();
        let error = CaretError::new(text, at..at + 2, "x").to_string();
        assert_eq!(error.lines().nth(2), Some("           ^^"));
        let error = CaretError::new(text, 1..7, "x").to_string();
        assert_eq!(error.lines().nth(2), Some("   ^^^^"));
    }

    /// Of a long text, only the part around the place is shown.
    #[test]
    fn long_texts_show_the_surroundings() {
        let text = format!("{}ERR{}", "a".repeat(1_000), "b".repeat(1_000));
        let error = CaretError::new(&text, 1_000..1_003, "x").to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(lines[1].chars().count(), 2 + SHOWN + 2);
        let at = lines[2].find('^').unwrap();
        assert_eq!(lines[1].chars().skip(at).take(3).collect::<String>(), "ERR");
        assert_eq!(lines[2].matches('^').count(), 3);
        // A place that goes on beyond what is shown.
        let error = CaretError::new(&text, 0..2_000, "x").to_string();
        assert_eq!(error.lines().nth(2).unwrap().len(), 2 + SHOWN);
    }
}
