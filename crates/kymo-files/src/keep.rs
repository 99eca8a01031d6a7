//! Limits of what a log keeps on the disk.

use std::fmt;
use std::io;
use std::mem::replace;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// How much of a rotated log is kept. When a limit is exceeded, the oldest segments are deleted.
///
/// All limits hold at once. The current segment is never deleted.
///
/// ```
/// use std::time::Duration;
/// use kymo::Keep;
///
/// // At most 8 GiB and 100 segments, none that is older than 30 days; and 5 % of the file system stay free.
/// let keep = Keep::bytes(8 << 30)
///     .files(100)
///     .age(Duration::from_secs(30 * 24 * 3600))
///     .free(0.05);
/// assert_eq!(keep, "bytes=8G,files=100,age=30d,free=5%".parse()?);
/// # Ok::<(), kymo::KeepError>(())
/// ```
///
/// The limit on bytes counts everything that the log has on the disk: all segments with the files beside them, the
/// current segment at its full size, the one that is prepared, and the temporary file of a compression.
///
/// By default a log takes the lesser of 8 GiB and 10 % of the file system, and leaves 5 % of it free.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an option of a logger does nothing by itself"]
pub struct Keep {
    bytes: Bytes,
    files: Option<u64>,
    age: Option<Duration>,
    free: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bytes {
    Unlimited,
    /// The lesser of `DEFAULT_BYTES` and `DEFAULT_SHARE` of the file system.
    Default,
    Most(u64),
}

/// The default limit in bytes, on a large file system.
const DEFAULT_BYTES: u64 = 8 << 30;

/// The default limit on a small file system: this part of it.
const DEFAULT_PART: u64 = 10;

/// The share of the file system that stays free by default.
const DEFAULT_FREE: f64 = 0.05;

/// The error of a [`Keep`] that cannot be.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum KeepError {
    /// The limit on bytes is less than the log takes without any closed segment.
    Bytes {
        /// The limit.
        limit: u64,
        /// The least limit that is possible.
        needed: u64,
    },
    /// The limit on segments is less than the log has before any is closed: the current one, and for a logger the
    /// one that is prepared.
    Files {
        /// The limit.
        limit: u64,
        /// The least limit that is possible.
        needed: u64,
    },
    /// This is no share of a file system: it is not a number from 0 to less than 1.
    Free(f64),
    /// This part of a text is no limit.
    Text(String),
}

/// How large a file system is. Zeros if it does not say so: limits that depend on it do not hold then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// How many bytes it has.
    pub total_bytes: u64,
    /// How many of them are free for a user without privileges.
    pub free_bytes: u64,
}

impl Space {
    /// Asks the file system of a directory.
    ///
    /// # Errors
    /// What the system says.
    #[cfg(unix)]
    pub fn of(directory: &Path) -> io::Result<Self> {
        let it = rustix::fs::statvfs(directory)?;
        let bytes = |blocks: u64| blocks.saturating_mul(it.f_frsize);
        Ok(Self { total_bytes: bytes(it.f_blocks), free_bytes: bytes(it.f_bavail) })
    }

    /// Asks the file system of a directory, which does not answer on this system: limits that depend on it do not hold.
    ///
    /// # Errors
    /// What the system says.
    #[cfg(not(unix))]
    pub fn of(directory: &Path) -> io::Result<Self> {
        std::fs::symlink_metadata(directory).map(|_| Self::default())
    }
}

impl Default for Keep {
    /// The lesser of 8 GiB and 10 % of the file system; and 5 % of it stay free.
    fn default() -> Self {
        Self { bytes: Bytes::Default, free: Some(DEFAULT_FREE), ..Self::unlimited() }
    }
}

impl Keep {
    /// Keeps everything, until another limit is added.
    pub fn unlimited() -> Self {
        Self { bytes: Bytes::Unlimited, files: None, age: None, free: None }
    }

    /// Keeps the log from taking more than so many bytes of the disk.
    pub fn bytes(most: u64) -> Self {
        Self { bytes: Bytes::Most(most), ..Self::unlimited() }
    }

    /// Keeps at most so many segments. The current one counts, and so does the next, which is prepared under a hidden
    /// name. So a logger needs 2 at least.
    pub fn files(mut self, most: u64) -> Self {
        self.files = Some(most);
        self
    }

    /// Deletes a segment when its last record is older than this, by the time at which the next segment began.
    ///
    /// A clock that is set far forward by mistake makes all closed segments too old.
    pub fn age(mut self, most: Duration) -> Self {
        self.age = Some(most);
        self
    }

    /// Keeps a share of the file system free, from 0 to less than 1.
    ///
    /// If other programs fill the file system, this deletes all closed segments of the log.
    pub fn free(mut self, least: f64) -> Self {
        self.free = Some(least);
        self
    }

    /// Returns the first limit that cannot be as an error.
    ///
    /// # Errors
    /// If no file is to be kept, or the free share is not less than 1.
    pub fn check(&self) -> Result<(), KeepError> {
        match (self.files, self.free) {
            (Some(0), _) => Err(KeepError::Files { limit: 0, needed: 1 }),
            (_, Some(share)) if !(0.0..1.0).contains(&share) => Err(KeepError::Free(share)),
            _ => Ok(()),
        }
    }

    /// Returns an error if the limit on bytes is less than `needed`: what the log takes without any closed segment.
    ///
    /// # Errors
    /// That error; or that of [`Keep::check`].
    pub fn check_room(&self, needed: u64, space: Space) -> Result<(), KeepError> {
        self.check()?;
        match self.most_bytes(space) {
            Some(limit) if limit < needed => Err(KeepError::Bytes { limit, needed }),
            _ => Ok(()),
        }
    }

    /// Returns an error if the limit on segments is less than `needed`: those that are there without any closed one.
    ///
    /// # Errors
    /// That error.
    pub fn check_files(&self, needed: u64) -> Result<(), KeepError> {
        match self.files {
            Some(limit) if limit < needed => Err(KeepError::Files { limit, needed }),
            _ => Ok(()),
        }
    }

    /// Returns how many bytes the log may take on this file system. `None`: there is no limit.
    pub fn most_bytes(&self, space: Space) -> Option<u64> {
        match self.bytes {
            Bytes::Unlimited => None,
            Bytes::Most(bytes) => Some(bytes),
            // Of a file system that does not say how large it is.
            Bytes::Default if space.total_bytes == 0 => Some(DEFAULT_BYTES),
            Bytes::Default => Some(DEFAULT_BYTES.min(space.total_bytes / DEFAULT_PART)),
        }
    }

    /// Returns how many segments may be there.
    pub fn most_files(&self) -> Option<u64> {
        self.files
    }

    /// Returns how old a record may be.
    pub fn most_age(&self) -> Option<Duration> {
        self.age
    }

    /// Returns how many bytes are to become free on this file system, beyond those that are.
    pub fn missing_bytes(&self, space: Space) -> u64 {
        let wanted = self.free.map_or(0.0, |share| share * space.total_bytes as f64) as u64;
        wanted.saturating_sub(space.free_bytes)
    }
}

/// As a text that can be parsed: `bytes=8G,files=100,age=30d,free=5%`.
impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut put = |f: &mut fmt::Formatter<'_>, name: &str, value: &dyn fmt::Display| {
            write!(f, "{}{name}={value}", replace(&mut separator, ","))
        };
        match self.bytes {
            Bytes::Unlimited => {}
            Bytes::Default => put(f, "bytes", &"default")?,
            Bytes::Most(bytes) => put(f, "bytes", &with_unit(bytes, &SIZES))?,
        }
        if let Some(files) = self.files {
            put(f, "files", &files)?;
        }
        if let Some(age) = self.age {
            put(f, "age", &with_unit(age.as_secs(), &TIMES))?;
        }
        if let Some(share) = self.free {
            let percent = (share * 1e4).round() / 1e2;
            match percent / 100.0 == share {
                true => put(f, "free", &format_args!("{percent}%"))?,
                false => put(f, "free", &share)?,
            }
        }
        if separator.is_empty() { f.write_str("unlimited") } else { Ok(()) }
    }
}

/// The units of bytes, from large to small.
const SIZES: [(&str, u64); 5] =
    [("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10), ("", 1)];

/// The units of times in seconds, from long to short.
const TIMES: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// A number with the largest unit of which it is a multiple.
fn with_unit(number: u64, units: &[(&str, u64)]) -> String {
    let fits = |unit: &&(&str, u64)| number != 0 && number.is_multiple_of(unit.1);
    let (unit, size) = units.iter().find(fits).or(units.last()).copied().unwrap_or(("", 1));
    format!("{}{unit}", number / size)
}

fn parse_with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, size) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*size)
}

/// `5%`, `0.05`
fn parse_share(text: &str) -> Option<f64> {
    let (number, whole) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    Some(number.parse::<f64>().ok()? / whole)
}

impl FromStr for Keep {
    type Err = KeepError;

    /// Reads limits between commas, each at most once: `bytes=8G` (also `K`, `M`, `T`, of 1024; `bytes=default`),
    /// `files=100`, `age=30d` (also `s`, `m`, `h`, `w`), `free=5%` (or `free=0.05`). Or `unlimited`.
    fn from_str(text: &str) -> Result<Self, KeepError> {
        let mut keep = Self::unlimited();
        if text == "unlimited" {
            return Ok(keep);
        }
        for part in text.split(',') {
            let wrong = || KeepError::Text(part.to_owned());
            let (name, value) = part.split_once('=').ok_or_else(wrong)?;
            let is_new = match name {
                "bytes" if value == "default" => {
                    replace(&mut keep.bytes, Bytes::Default) == Bytes::Unlimited
                }
                "bytes" => {
                    let bytes = parse_with_unit(value, &SIZES).ok_or_else(wrong)?;
                    replace(&mut keep.bytes, Bytes::Most(bytes)) == Bytes::Unlimited
                }
                "files" => keep.files.replace(value.parse().map_err(|_| wrong())?).is_none(),
                "age" => {
                    let seconds = parse_with_unit(value, &TIMES).ok_or_else(wrong)?;
                    keep.age.replace(Duration::from_secs(seconds)).is_none()
                }
                "free" => keep.free.replace(parse_share(value).ok_or_else(wrong)?).is_none(),
                _ => false,
            };
            if !is_new {
                return Err(wrong());
            }
        }
        keep.check()?;
        Ok(keep)
    }
}

impl fmt::Display for KeepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes { limit, needed } => write!(
                f,
                "the log may take {limit} bytes, and takes {needed} before it has a closed segment: \
                 keep at least {needed} bytes, or rotate at a smaller size"
            ),
            Self::Files { limit, needed } => write!(
                f,
                "the log may have {limit} segments, and has {needed} before any is closed: keep at least {needed} files"
            ),
            Self::Free(share) => {
                write!(f, "{share} of the file system cannot be kept free: choose 0 to less than 1")
            }
            Self::Text(part) => write!(
                f,
                "{part:?} is no limit, or is there twice: choose of bytes=8G, files=100, age=30d, free=5%"
            ),
        }
    }
}

impl std::error::Error for KeepError {}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;

    #[test]
    fn texts_are_limits() {
        let day = Duration::from_secs(86_400);
        for (text, keep) in [
            ("unlimited", Keep::unlimited()),
            ("bytes=8G", Keep::bytes(8 << 30)),
            ("bytes=default,free=5%", Keep::default()),
            ("bytes=1025,files=1", Keep::bytes(1025).files(1)),
            ("files=100,age=30d", Keep::unlimited().files(100).age(30 * day)),
            ("bytes=0,age=2w,free=12.5%", Keep::bytes(0).age(14 * day).free(0.125)),
            ("age=0s,free=0%", Keep::unlimited().age(Duration::ZERO).free(0.0)),
            ("free=0.333333", Keep::unlimited().free(0.333333)),
        ] {
            assert_eq!(text.parse(), Ok(keep.clone()), "{text}");
            assert_eq!(keep.to_string(), text);
        }
        assert_eq!("free=0.05,bytes=2T".parse(), Ok(Keep::bytes(2 << 40).free(0.05)));
    }

    #[test]
    fn other_texts_are_errors() {
        for (text, part) in [
            ("", ""),
            ("bytes", "bytes"),
            ("bytes=8g", "bytes=8g"),
            ("bytes=8GB", "bytes=8GB"),
            ("bytes=-1", "bytes=-1"),
            ("bytes=99999999T", "bytes=99999999T"),
            ("files=1,files=2", "files=2"),
            ("bytes=default,bytes=1", "bytes=1"),
            ("age=30", "age=30"),
            ("age=1y", "age=1y"),
            ("files=1,", ""),
            ("free=five", "free=five"),
            ("unlimited,files=1", "unlimited"),
        ] {
            assert_eq!(text.parse::<Keep>(), Err(KeepError::Text(part.to_owned())), "{text}");
        }
        assert_eq!("files=0".parse::<Keep>(), Err(KeepError::Files { limit: 0, needed: 1 }));
        assert_eq!("free=100%".parse::<Keep>(), Err(KeepError::Free(1.0)));
        assert!(matches!("free=NaN".parse::<Keep>(), Err(KeepError::Free(_))));
    }

    #[test]
    fn limits_depend_on_the_file_system() {
        let small = Space { total_bytes: 1_000, free_bytes: 30 };
        let large = Space { total_bytes: 1 << 40, free_bytes: 1 << 39 };
        assert_eq!(Keep::default().most_bytes(small), Some(100));
        assert_eq!(Keep::default().most_bytes(large), Some(8 << 30));
        assert_eq!(Keep::default().missing_bytes(small), 20);
        assert_eq!(Keep::default().missing_bytes(large), 0);
        assert_eq!(Keep::unlimited().most_bytes(small), None);
        assert_eq!(Keep::unlimited().missing_bytes(small), 0);
        // A file system that does not say.
        assert_eq!(Keep::default().most_bytes(Space::default()), Some(8 << 30));
        assert_eq!(Keep::default().missing_bytes(Space::default()), 0);
    }

    #[test]
    fn a_limit_says_what_it_needs() {
        let space = Space::default();
        assert_eq!(Keep::bytes(100).check_room(100, space), Ok(()));
        let error = Keep::bytes(99).check_room(100, space).unwrap_err();
        assert_eq!(error, KeepError::Bytes { limit: 99, needed: 100 });
        assert!(error.to_string().contains("keep at least 100 bytes"), "{error}");
        assert_eq!(Keep::unlimited().check_room(u64::MAX, space), Ok(()));
        assert_eq!(
            Keep::unlimited().files(0).check_room(0, space),
            Err(KeepError::Files { limit: 0, needed: 1 })
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_system_says_how_large_it_is() {
        let space = Space::of(Path::new(".")).unwrap();
        assert!(space.total_bytes >= space.free_bytes && space.total_bytes > 0, "{space:?}");
    }
}
