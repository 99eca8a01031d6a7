//! A place in the source code, and the statements at it.

use std::fmt;
use std::str::FromStr;

use kymo_reader::{CallSite, Level};

use crate::caret::CaretError;

/// A source file by the end of its path, and perhaps a line of it, a column, and what tells apart the
/// statements there.
///
/// ```text
/// FILE[:LINE[:COLUMN]][?CONDITION[&CONDITION]…]    level=LEVEL, target=PREFIX or message=TEXT
/// ```
///
/// The statements in the body of one macro have one line and column: that of the macro's call. The
/// conditions tell them apart. `message=TEXT` is true of a statement whose format string contains the
/// text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    file: String,
    line: Option<u64>,
    column: Option<u64>,
    conditions: Vec<Condition>,
}

/// A condition on the statements at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Level(Level),
    /// The beginning of the target.
    Target(String),
    /// A part of the format string.
    Message(String),
}

/// A log statement: where it is, and what tells it apart from others there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Statement {
    /// The source file.
    pub file: String,
    /// The line in it.
    pub line: u64,
    /// The column in that.
    pub column: u64,
    /// The level of its records.
    pub level: Level,
    /// Their target.
    pub target: String,
    /// The format string.
    pub format: String,
}

impl Statement {
    /// The statement of a call site.
    pub fn of(site: &CallSite) -> Self {
        Self {
            file: site.file().to_owned(),
            line: site.line(),
            column: site.column(),
            level: site.level(),
            target: site.target().to_owned(),
            format: site.format().to_owned(),
        }
    }
}

impl Place {
    /// Whether a statement is at this place and meets the conditions. The end of a path begins at a
    /// component of it.
    pub fn is(&self, statement: &Statement) -> bool {
        self.is_where(statement) && self.conditions.iter().all(|it| it.is_true_of(statement))
    }

    /// Whether a statement is at this place, whatever the conditions.
    pub(crate) fn is_where(&self, statement: &Statement) -> bool {
        self.line.is_none_or(|wanted| wanted == statement.line)
            && self.column.is_none_or(|wanted| wanted == statement.column)
            && statement.file.strip_suffix(&self.file).is_some_and(|rest| {
                rest.is_empty() || rest.ends_with(['/', '\\']) || self.file.starts_with(['/', '\\'])
            })
    }
}

impl Condition {
    fn is_true_of(&self, statement: &Statement) -> bool {
        match self {
            Self::Level(level) => statement.level == *level,
            Self::Target(prefix) => statement.target.starts_with(prefix),
            Self::Message(text) => statement.format.contains(text),
        }
    }
}

/// As it was written.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        for (index, condition) in self.conditions.iter().enumerate() {
            f.write_str(if index == 0 { "?" } else { "&" })?;
            match condition {
                Condition::Level(level) => write!(f, "level={}", level.name()),
                Condition::Target(prefix) => write!(f, "target={prefix}"),
                Condition::Message(text) => write!(f, "message={text}"),
            }?;
        }
        Ok(())
    }
}

impl FromStr for Place {
    type Err = CaretError;

    fn from_str(text: &str) -> Result<Self, CaretError> {
        let (place, conditions) = text.split_once('?').unwrap_or((text, ""));
        let (file, last) = split_number(place);
        let (file, line) = match last {
            Some(_) => split_number(file),
            None => (file, None),
        };
        let (line, column) = if line.is_some() { (line, last) } else { (last, None) };
        let mut parsed = Vec::new();
        let mut at = place.len() + 1;
        for condition in conditions.split('&').filter(|_| place.len() < text.len()) {
            let error = |message: &str| CaretError::new(text, at..at + condition.len(), message);
            parsed.push(match condition.split_once('=') {
                Some(("level", level)) => {
                    let level = level.parse();
                    Condition::Level(level.map_err(|_| {
                        error("a level is `error`, `warn`, `info`, `debug` or `trace`")
                    })?)
                }
                Some(("target", prefix)) => Condition::Target(prefix.to_owned()),
                Some(("message", part)) => Condition::Message(part.to_owned()),
                _ => {
                    let message = "`level=LEVEL`, `target=PREFIX` or `message=TEXT` is expected";
                    return Err(error(message));
                }
            });
            at += condition.len() + 1;
        }
        Ok(Self { file: file.to_owned(), line, column, conditions: parsed })
    }
}

/// Splits off a last `:NUMBER`.
fn split_number(text: &str) -> (&str, Option<u64>) {
    let split = text.rsplit_once(':').and_then(|(rest, number)| Some((rest, number.parse().ok()?)));
    split.map_or((text, None), |(rest, number)| (rest, Some(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(file: &str, line: u64) -> Statement {
        let (target, format) = ("net::tcp".to_owned(), "order {id} filled, 1=1".to_owned());
        Statement { file: file.to_owned(), line, column: 5, level: Level::Warn, target, format }
    }

    fn is(place: &str, file: &str, line: u64) -> bool {
        place.parse::<Place>().unwrap().is(&statement(file, line))
    }

    #[test]
    fn a_place_is_the_end_of_a_path_and_a_line() {
        assert!(is("main.rs:7", "src/main.rs", 7));
        assert!(is("src/main.rs:7", "src/main.rs", 7));
        assert!(is("main.rs", "src/main.rs", 8));
        assert!(is("main.rs", "C:\\src\\main.rs", 8));
        assert!(is("C:\\src\\main.rs:8", "C:\\src\\main.rs", 8));
        assert!(!is("main.rs:7", "src/main.rs", 70));
        assert!(!is("main.rs:7", "src/domain.rs", 7));
        assert!(!is("src/main.rs:7", "main.rs", 7));
    }

    #[test]
    fn a_place_may_have_a_column() {
        assert!(is("main.rs:7:5", "src/main.rs", 7));
        assert!(!is("main.rs:7:6", "src/main.rs", 7));
        assert!(!is("main.rs:8:5", "src/main.rs", 7));
    }

    #[test]
    fn conditions_tell_statements_apart() {
        for fits in [
            "level=warn",
            "level=WARN",
            "target=net",
            "message=filled",
            "message=1=1",
            "level=warn&target=net::tcp&message={id} filled, ",
        ] {
            for place in ["main.rs:7", "main.rs:7:5", "main.rs"] {
                assert!(is(&format!("{place}?{fits}"), "src/main.rs", 7), "{fits}");
                assert!(!is(&format!("{place}?{fits}"), "src/other.rs", 7), "{fits}");
            }
        }
        for other in ["level=info", "target=tcp", "message=Filled", "level=warn&message=sent"] {
            assert!(!is(&format!("main.rs:7?{other}"), "src/main.rs", 7), "{other}");
        }
    }

    #[test]
    fn a_place_prints_as_it_was_written() {
        for text in
            ["a.rs", "a.rs:1", "a.rs:1:2", "a.rs?level=info", "a.rs:1?target=a&message=b c=d"]
        {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_unknown_condition_is_pointed_out() {
        for (text, message) in [
            ("a.rs:1?", "is expected"),
            ("a.rs:1?filled", "is expected"),
            ("a.rs:1?level=info&thread=main", "is expected"),
            ("a.rs:1?level=loud", "a level is"),
        ] {
            let error = text.parse::<Place>().unwrap_err().to_string();
            assert!(error.contains(message) && error.contains('^'), "{error}");
        }
    }
}
