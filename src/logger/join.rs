//! Several processes of a program that log side by side, each into a log of its own.
//!
//! A log belongs to one process, which has it locked. Processes that join take the first log that nobody has locked:
//! `app.kymo`, `app-2.kymo`, and so on. So a process that is started in place of a dead one goes on with its log, there
//! are never more logs than there were processes at a time, and no two collide, whatever their process ids are.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use crate::logger::Logger;
use crate::logger::builder::Builder;
use crate::logger::error::{StartError, StartErrorKind};
use crate::segment::with_stem_end;

/// How many processes may log side by side.
const PROCESSES: u32 = 1_000;

impl Builder {
    /// Gives each process of a program a log of its own, beside those of the others: `app.kymo`, `app-2.kymo`,
    /// `app-3.kymo`, and so on, in the directory that the builder has as its path.
    ///
    /// A process takes the first log that no running process has. So the one that takes the place of a dead process
    /// goes on with its log, and there are as many logs as there were processes at a time.
    /// [`Logger::path`](crate::Logger::path) returns which it is. Use it for workers, for programs that are started
    /// many times, and for children of a `fork`, each of which starts a logger for itself. `kymo cat DIRECTORY` shows
    /// all of them as one log, by time; `kymo ls DIRECTORY` lists them.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path().join("logs");
    /// use kymo::{Logger, Rotation};
    ///
    /// // In each worker; `recover` saves what a killed one had in its rings.
    /// let logger = Logger::builder(&dir)
    ///     .join("app")
    ///     .make_directory(true)
    ///     .rotate(Rotation::size(32 << 20))
    ///     .recover(true)
    ///     .start()?;
    /// assert_eq!(logger.path(), dir.join("app.kymo"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// - *Rotate the logs* ([`Builder::rotate`]). [`Builder::keep`] is a limit for each: eight workers with 1 GiB
    ///   keep 8 GiB. Without rotation a log that a dead process left is renamed, and never deleted.
    /// - *Crash-proof rings* of a dead process are recovered by the next one with [`Builder::recover`], or by `kymo
    ///   recover`. Without either, the next one removes them.
    /// - *Children* get the settings of their parent by `Logger::child_environment` (feature `config`).
    ///
    /// # Errors
    /// [`Builder::start`] fails if `name` is empty or has a `/`, or if 1,000 processes log there.
    pub fn join(mut self, name: impl AsRef<Path>) -> Self {
        let name = name.as_ref();
        let is_plain = matches!(name.components().next(), Some(Component::Normal(one)) if one == name.as_os_str());
        let mut name = name.as_os_str().to_owned();
        if Path::new(&name).extension() != Some(OsStr::new("kymo")) {
            name.push(".kymo");
        }
        self.path.push(name);
        self.joins = Some(if is_plain { Joins::Yes } else { Joins::ByAWrongName });
        self
    }

    /// Whether to take another log than that of the path if a running process has that.
    #[cfg(feature = "config")]
    pub(crate) fn join_others(mut self, wanted: bool) -> Self {
        self.joins = wanted.then_some(Joins::Yes);
        self
    }

    /// Starts a logger with the first log that no other process has.
    pub(crate) fn start_joined(self, joins: Joins) -> Result<Logger, StartError> {
        if let Joins::ByAWrongName = joins {
            let reason = "the name of a log is neither empty nor a path: give the directory to `Logger::builder`";
            return Err(StartErrorKind::Option { name: "join", reason }.into());
        }
        let mut number = 1;
        loop {
            match self.clone().start_alone(number) {
                Err(error)
                    if matches!(error.kind(), StartErrorKind::InUse(_)) && number < PROCESSES =>
                {
                    number += 1;
                }
                started => return started,
            }
        }
    }
}

/// Whether a logger takes another log if a running process has the first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Joins {
    Yes,
    /// The name that was given to `join` is none.
    ByAWrongName,
}

/// The log of the process with this number: `app-2.kymo`. The first has the plain name.
pub(crate) fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 1 {
        return path.to_owned();
    }
    with_stem_end(path, format_args!("-{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_processes_have_a_number() {
        let name = |number| numbered(Path::new("/log/shop.kymo"), number);
        assert_eq!(name(1), Path::new("/log/shop.kymo"));
        assert_eq!(name(2), Path::new("/log/shop-2.kymo"));
        assert_eq!(numbered(Path::new("shop"), 3), Path::new("shop-3"));
    }
}
