//! A place in the source code.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A source file by the end of its path, and perhaps a line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    file: String,
    line: Option<u64>,
}

impl Place {
    /// Whether this is the line of that file. The end of a path begins at a component of it.
    pub fn is(&self, file: &str, line: u64) -> bool {
        self.line.is_none_or(|wanted| wanted == line)
            && file.strip_suffix(&self.file).is_some_and(|rest| {
                rest.is_empty() || rest.ends_with(['/', '\\']) || self.file.starts_with(['/', '\\'])
            })
    }
}

/// As it was written.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

impl FromStr for Place {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let split = text.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?)));
        Ok(match split {
            Some((file, line)) => Self { file: file.to_owned(), line: Some(line) },
            None => Self { file: text.to_owned(), line: None },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_end_of_a_path_and_a_line() {
        let is = |place: &str, file: &str, line| place.parse::<Place>().unwrap().is(file, line);
        assert!(is("main.rs:7", "src/main.rs", 7));
        assert!(is("src/main.rs:7", "src/main.rs", 7));
        assert!(is("main.rs", "src/main.rs", 8));
        assert!(is("main.rs", "C:\\src\\main.rs", 8));
        assert!(is("C:\\src\\main.rs:8", "C:\\src\\main.rs", 8));
        assert!(!is("main.rs:7", "src/main.rs", 70));
        assert!(!is("main.rs:7", "src/domain.rs", 7));
        assert!(!is("src/main.rs", "main.rs", 7));
    }
}
