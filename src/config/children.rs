//! The configuration that the children of a process get.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use crate::logger::Logger;

impl Logger {
    /// Returns variables by which a child process logs as this process does, for
    /// [`Command::envs`](std::process::Command::envs). Needs the feature `config`.
    ///
    /// These are: the place of the log, which a child joins ([`Builder::join`](crate::Builder::join)) even if this
    /// process did not; the filter that is in force now; and all other keys of the configurations that this process
    /// was given ([`Builder::configure`](crate::Builder::configure)), from a file, too. What the program set by
    /// methods of the builder is the matter of the child's own code.
    ///
    /// A child takes them by [`Config::from_env`](crate::Config::from_env), or by `kymo::init`.
    ///
    /// ```
    /// use std::process::Command;
    ///
    /// use kymo::{Config, Logger};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    /// let logger = Logger::builder(dir).join("app").configure(&Config::from_env()?).start()?;
    /// logger.set_filter("debug".parse()?);
    /// // A program that calls `kymo::init`, or `Logger::builder(…).configure(&Config::from_env()?)`.
    /// let mut worker = Command::new("worker");
    /// worker.envs(logger.child_environment());
    /// # let variables: Vec<_> = worker.get_envs().map(|(name, _)| name.to_str().unwrap()).collect();
    /// # assert_eq!(variables, ["KYMO_DIR", "KYMO_FILE", "KYMO_JOIN", "KYMO_LOG"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn child_environment(&self) -> Vec<(&'static str, OsString)> {
        let path = std::path::absolute(&self.joined_path);
        let path = path.unwrap_or_else(|_| self.joined_path.clone());
        let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
        let here: [(_, OsString); 4] = [
            ("KYMO_DIR", directory.into()),
            ("KYMO_FILE", path.into()),
            ("KYMO_JOIN", "true".into()),
            ("KYMO_LOG", self.filter().to_string().into()),
        ];
        // The last value counts.
        let all: BTreeMap<_, _> = self.configured.iter().cloned().chain(here).collect();
        all.into_iter().collect()
    }
}
