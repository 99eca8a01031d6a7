//! The segments of a rotated log: how they are called, and which files are segments of which log.
//!
//! The log `app.kymo` has the segments `app.20261130T055700Z.000042.kymo`, and compressed ones that end in `.kymo.zst`:
//! when the segment began, in UTC, and its number in the log. A name only says where to look. Which log a file belongs
//! to is in its header: [`Header::log`].

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::beside::{directory_of, header_of};
use crate::derived::{self, OpenError, Owner};
use kymo_format::header::Header;

/// The ending of a compressed segment.
const COMPRESSED: &str = ".zst";

/// The ending of a file that is to become a compressed segment.
const NEW: &str = ".new";

/// The names of a log's segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogName {
    directory: PathBuf,
    stem: OsString,
    extension: OsString,
}

/// What the name of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentName {
    /// When it began, in seconds since 1970-01-01T00:00:00Z.
    pub began_s: i64,
    /// Its number in the log.
    pub sequence: u64,
    /// Whether it is compressed.
    pub is_compressed: bool,
}

/// A file with the name of a segment.
#[derive(Clone, Debug)]
pub struct SegmentFile {
    /// Its path.
    pub path: PathBuf,
    /// What its name says.
    pub name: SegmentName,
    /// Its header. `None` if it cannot be read: then nobody knows whose segment it is.
    pub header: Option<Header>,
    /// Its length in bytes.
    pub bytes: u64,
    /// The bytes that it takes on the disk.
    pub disk_bytes: u64,
}

impl LogName {
    /// The names of the segments of the log at `path`.
    pub fn new(path: &Path) -> Self {
        Self {
            directory: directory_of(path).to_owned(),
            stem: path.file_stem().unwrap_or_default().to_owned(),
            extension: path.extension().unwrap_or_default().to_owned(),
        }
    }

    /// The log of which the file at `path` is a segment, by its name; `None` if it is not so called.
    pub fn of_segment(path: &Path) -> Option<Self> {
        let name = path.file_name()?.as_encoded_bytes();
        let name = name.strip_suffix(COMPRESSED.as_bytes()).unwrap_or(name);
        // From the right: the extension may be missing.
        let parts: Vec<&[u8]> = name.rsplitn(4, |byte| *byte == b'.').collect();
        let is_place = |time: &[u8], sequence: &[u8]| {
            parse_time(time).is_some() && parse_sequence(sequence).is_some()
        };
        let (stem, extension) = match parts[..] {
            [extension, sequence, time, stem] if is_place(time, sequence) => (stem, extension),
            [sequence, time, ..] if is_place(time, sequence) => {
                (&name[..name.len() - sequence.len() - time.len() - 2], &b""[..])
            }
            _ => return None,
        };
        let text = os_string;
        let this = Self {
            directory: directory_of(path).to_owned(),
            stem: text(stem)?,
            extension: text(extension)?,
        };
        this.parse(path.file_name()?).map(|_| this)
    }

    /// The path of the log: that of the link to its current segment.
    pub fn path(&self) -> PathBuf {
        self.with("")
    }

    /// The directory of the log.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path of a segment that begins at this time, in seconds since the epoch.
    pub fn segment(&self, began_s: i64, sequence: u64) -> PathBuf {
        self.with(&format!(".{}.{sequence:06}", format_time(began_s)))
    }

    /// The path of a compressed segment.
    pub fn compressed(segment: &Path) -> PathBuf {
        let mut path = segment.to_owned();
        path.as_mut_os_string().push(COMPRESSED);
        path
    }

    /// The hidden path of a file that is to become this compressed segment. Its writer has it locked.
    pub fn compressing(compressed: &Path) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(compressed.file_name().unwrap_or_default());
        name.push(NEW);
        compressed.with_file_name(name)
    }

    /// What the name of a file says that is to become a compressed segment of this log; `None` if it is none.
    pub fn parse_compressing(&self, name: &OsStr) -> Option<SegmentName> {
        let name = name.as_encoded_bytes().strip_prefix(b".")?.strip_suffix(NEW.as_bytes())?;
        self.parse(&os_string(name)?).filter(|name| name.is_compressed)
    }

    fn with(&self, infix: &str) -> PathBuf {
        let mut name = self.stem.clone();
        name.push(infix);
        if !self.extension.is_empty() {
            name.push(".");
            name.push(&self.extension);
        }
        self.directory.join(name)
    }

    /// What the name of a file in the directory says, if it is that of a segment of this log.
    pub fn parse(&self, name: &OsStr) -> Option<SegmentName> {
        let name = name.as_encoded_bytes();
        let name = name.strip_prefix(self.stem.as_encoded_bytes())?.strip_prefix(b".")?;
        let uncompressed = name.strip_suffix(COMPRESSED.as_bytes());
        let is_compressed = uncompressed.is_some();
        let mut name = uncompressed.unwrap_or(name);
        if !self.extension.is_empty() {
            name = name.strip_suffix(self.extension.as_encoded_bytes())?.strip_suffix(b".")?;
        }
        let dot = name.iter().position(|byte| *byte == b'.')?;
        let began_s = parse_time(&name[..dot])?;
        let sequence = parse_sequence(&name[dot + 1..])?;
        Some(SegmentName { began_s, sequence, is_compressed })
    }

    /// Whether a file in the directory has the name of a temporary file of this log: a dot, the name of the log or of a
    /// segment, another dot, and whatever follows.
    pub fn is_temporary(&self, name: &OsStr) -> bool {
        let Some(name) = name.as_encoded_bytes().strip_prefix(b".") else { return false };
        let log = self.path();
        let log = log.file_name().unwrap_or_default().as_encoded_bytes();
        let dots = name.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
        let mut starts = dots.map(|at| &name[..at]);
        starts.any(|start| {
            start == log || os_string(start).is_some_and(|start| self.parse(&start).is_some())
        })
    }

    /// All regular files of this owner with names of segments, by number.
    ///
    /// A file may be of another log with this name: see [`Header::log`]. A segment may be there twice while it is
    /// being compressed.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn list(&self, owner: Owner) -> io::Result<Vec<SegmentFile>> {
        self.list_with(owner, |_, _| {})
    }

    /// As [`LogName::list`]; `refused` is told of the paths with such names that are not opened.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn list_with(
        &self,
        owner: Owner,
        mut refused: impl FnMut(PathBuf, OpenError),
    ) -> io::Result<Vec<SegmentFile>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let Some(name) = self.parse(&entry.file_name()) else { continue };
            let path = entry.path();
            let opened = derived::open(&path, owner);
            let mut file = match opened {
                Ok(file) => file,
                Err(error) if error.is_missing() => continue,
                Err(error) => {
                    refused(path, error);
                    continue;
                }
            };
            let Ok(metadata) = file.metadata() else { continue };
            found.push(SegmentFile {
                name,
                header: header_of(&mut file),
                bytes: metadata.len(),
                disk_bytes: disk_bytes(&metadata),
                path,
            });
        }
        found.sort_unstable_by_key(|file| (file.name.sequence, file.name));
        Ok(found)
    }

    /// The path with the name of a segment that has the greatest number, whatever it is.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn newest(&self) -> io::Result<Option<PathBuf>> {
        let mut newest = None;
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = self.parse(&entry.file_name()).map(|name| (name.sequence, name));
            if name.is_some() && newest.as_ref().is_none_or(|(known, _)| *known < name) {
                newest = Some((name, entry.path()));
            }
        }
        Ok(newest.map(|(_, path)| path))
    }
}

/// The bytes that a file takes on the disk.
#[cfg(unix)]
pub fn disk_bytes(metadata: &fs::Metadata) -> u64 {
    /// What the number of blocks counts, whatever the file system's blocks are.
    const BLOCK_BYTES: u64 = 512;
    std::os::unix::fs::MetadataExt::blocks(metadata) * BLOCK_BYTES
}

/// The bytes that a file takes on the disk, as far as is known.
#[cfg(not(unix))]
pub fn disk_bytes(metadata: &fs::Metadata) -> u64 {
    metadata.len()
}

/// A part of a path as a name. `None` if the system's names are no bytes and the part is not Unicode.
fn os_string(part: &[u8]) -> Option<OsString> {
    #[cfg(unix)]
    return Some(std::os::unix::ffi::OsStringExt::from_vec(part.to_owned()));
    #[cfg(not(unix))]
    std::str::from_utf8(part).ok().map(OsString::from)
}

/// `20261130T055700Z`
fn format_time(s: i64) -> String {
    let (days, s) = (s.div_euclid(86_400), s.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (s / 3_600, s / 60 % 60, s % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

fn parse_time(text: &[u8]) -> Option<i64> {
    if text.len() != 16 || text[8] != b'T' || text[15] != b'Z' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| parse_digits(&text[range]).map(u64::cast_signed);
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(9..11)?, number(11..13)?, number(13..15)?);
    let is_time = hour < 24 && minute < 60 && second < 60;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !is_time {
        return None;
    }
    let days = days_from_civil(year, month, day);
    // The 31st of a month that has none.
    let is_day = civil_from_days(days) == (year, month, day);
    is_day.then_some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

fn parse_sequence(text: &[u8]) -> Option<u64> {
    (text.len() >= 6 && (text.len() == 6 || text[0] != b'0')).then(|| parse_digits(text)).flatten()
}

fn parse_digits(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok()?;
    is_number.then(|| text.parse().ok()).flatten()
}

/// The year, month and day of a number of days since 1970-01-01. Howard Hinnant's algorithm:
/// <https://howardhinnant.github.io/date_algorithms.html>.
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The number of days from 1970-01-01 to a day: the inverse, from the same place.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;

    #[test]
    fn names_of_segments_say_when_and_which() {
        for path in ["/log/app.kymo", "app", "a.b.kymo", "/x/app.1.log"] {
            let log = LogName::new(Path::new(path));
            assert_eq!(LogName::new(&log.path()), log);
            for (began_s, sequence) in [(0, 1), (1_796_018_220, 42), (4_102_444_799, 12_345_678)] {
                let segment = log.segment(began_s, sequence);
                for (path, is_compressed) in
                    [(segment.clone(), false), (LogName::compressed(&segment), true)]
                {
                    let expected = Some(SegmentName { began_s, sequence, is_compressed });
                    assert_eq!(
                        log.parse(path.file_name().unwrap()),
                        expected,
                        "{}",
                        path.display()
                    );
                    assert_eq!(LogName::of_segment(&path), Some(log.clone()), "{}", path.display());
                    let temporary = LogName::compressing(&path);
                    let name = temporary.file_name().unwrap();
                    assert_eq!(log.parse(name), None);
                    assert_eq!(log.parse_compressing(name), expected.filter(|_| is_compressed));
                }
            }
        }
        let log = LogName::new(Path::new("/log/app.kymo"));
        let path = log.segment(1_796_018_220, 42);
        assert_eq!(path, Path::new("/log/app.20261130T055700Z.000042.kymo"));
    }

    #[test]
    fn other_names_are_not_those_of_segments() {
        let log = LogName::new(Path::new("app.kymo"));
        for name in [
            "app.kymo",
            "app.1.kymo",
            "app.20261130T055700Z.kymo",
            "app.20261130T055700Z.42.kymo",
            "app.20261130T055700Z.0000042.kymo",
            "app.20261131T055700Z.000042.kymo",
            "app.20261130T245700Z.000042.kymo",
            "app.20261130T055700Z.000042.kymo.gz",
            "app.20261130T055700Z.00004x.kymo",
            "app.20261130T055700Z.99999999999999999999.kymo",
            "other.20261130T055700Z.000042.kymo",
            "app.20261130T055700Z.000042.kymo.rescue",
        ] {
            assert_eq!(log.parse(OsStr::new(name)), None, "{name}");
        }
    }

    #[test]
    fn temporary_files_are_known_by_their_names() {
        let log = LogName::new(Path::new("app.kymo"));
        let is = |name: &str| log.is_temporary(OsStr::new(name));
        for name in [
            ".app.kymo.7.next",
            ".app.kymo.7.next.0123456789abcdef",
            ".app.20261130T055700Z.000042.kymo.zst.new",
            ".app.20261130T055700Z.000042.kymo.zst.7.new",
        ] {
            assert!(is(name), "{name}");
        }
        for name in ["app.kymo.7.next", ".app.kymo", ".app.web.kymo.7.next", ".app.7.kymo.new", "."]
        {
            assert!(!is(name), "{name}");
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let mut expected = (1969, 12, 31);
        for days in -1..100_000 {
            assert_eq!(civil_from_days(days), expected);
            assert_eq!(days_from_civil(expected.0, expected.1, expected.2), days);
            let (year, month, day) = expected;
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 if is_leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match (day == last, month) {
                (false, _) => (year, month, day + 1),
                (true, 12) => (year + 1, 1, 1),
                (true, _) => (year, month + 1, 1),
            };
        }
    }
}
