//! Lists the side files and recovered files in a directory, and the segment to which each belongs.
//!
//! A side file (`NAME.rescue`) and a recovered file (`NAME.recovered`) name their segment in the
//! header. Their own names only say where to look: the log may have been renamed since, alone or by
//! a start that was killed before it had renamed them too. So the
//! files of a log are found by the headers of all files with such names. Nobody replaces or removes a
//! file of another log.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use crate::derived::{self, Owner};
use kymo_format::HEADER_BYTES;
use kymo_format::compressed;
use kymo_format::header::{COPY_OFFSETS, Header};

/// The kind of a file beside a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Records that their threads wrote themselves.
    Rescue,
    /// Records that were recovered from rings.
    Recovered,
}

/// A file beside a log.
#[derive(Clone, Debug)]
pub struct Beside {
    /// Its path.
    pub path: PathBuf,
    /// Its kind.
    pub kind: Kind,
    /// Its header, which names its log: see [`Header::side_of`].
    pub header: Header,
}

impl Kind {
    fn ending(self) -> &'static str {
        match self {
            Self::Rescue => ".rescue",
            Self::Recovered => ".recovered",
        }
    }

    /// The kind that a file of this name may have: `app.kymo.rescue`, or `app.kymo.rescue.1`.
    pub fn of(name: &OsStr) -> Option<Self> {
        let name = name.as_encoded_bytes();
        let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let unnumbered = match name[..name.len() - digits].strip_suffix(b".") {
            Some(rest) if digits > 0 => rest,
            _ => name,
        };
        [Self::Rescue, Self::Recovered]
            .into_iter()
            .find(|kind| unnumbered.ends_with(kind.ending().as_bytes()))
    }

    /// The name of such a file beside the log at `log`.
    pub fn path(self, log: &Path) -> PathBuf {
        with_ending(log, self.ending())
    }

    /// The names that such a file beside the log at `log` may get: the first that is free.
    pub fn paths(self, log: &Path) -> impl Iterator<Item = PathBuf> {
        let first = self.path(log);
        let numbered = first.clone();
        let numbered = (1_u32..).map(move |number| with_ending(&numbered, &format!(".{number}")));
        std::iter::once(first).chain(numbered)
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.to_owned();
    path.as_mut_os_string().push(ending);
    path
}

/// The directory of a file.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The header of a segment file, compressed or not, if one of its copies is right. Reading goes on at the file's
/// beginning.
pub fn header_of(file: &mut File) -> Option<Header> {
    let mut page = Vec::with_capacity(HEADER_BYTES);
    file.rewind().ok()?;
    file.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut page).ok()?;
    file.rewind().ok()?;
    if let Some(copy) = compressed::header_copy(&page) {
        return Header::from_copy(copy);
    }
    COPY_OFFSETS.iter().find_map(|at| Header::from_copy(page.get(*at..)?))
}

/// All side files and recovered files of this owner in a directory whose headers can be read, sorted
/// by name.
///
/// # Errors
/// If the directory cannot be read, or a file cannot be opened because too many are open.
pub fn in_directory(directory: &Path, owner: Owner) -> io::Result<Vec<Beside>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Some(kind) = Kind::of(&entry.file_name()) else { continue };
        let path = entry.path();
        let header = match derived::open(&path, owner) {
            Ok(mut file) => header_of(&mut file),
            // What cannot be opened, or has no header, is no such file, or is gone.
            Err(error) => match error.into_shortage() {
                Some(error) => return Err(error),
                None => None,
            },
        };
        found.extend(header.map(|header| Beside { path, kind, header }));
    }
    found.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_file_may_be() {
        let of = |name: &str| Kind::of(OsStr::new(name));
        assert_eq!(of("app.kymo.rescue"), Some(Kind::Rescue));
        assert_eq!(of("app.kymo.rescue.12"), Some(Kind::Rescue));
        assert_eq!(of("app.1.kymo.recovered"), Some(Kind::Recovered));
        for name in ["app.kymo", "app.1", "rescue", "app.rescue1", "app.rescue.", "1", ".", ""] {
            assert_eq!(of(name), None, "{name}");
        }
        for kind in [Kind::Rescue, Kind::Recovered] {
            for path in kind.paths(Path::new("a/app.kymo")).take(12) {
                assert_eq!(Kind::of(path.file_name().unwrap()), Some(kind), "{}", path.display());
            }
        }
    }
}
