//! The options of a filter, before the start and while the logger runs.

use std::convert::Infallible;
use std::time::Duration;

use crate::clock::monotonic_ns;
use crate::filter::setting::{Setting, WrongDirective};
use crate::filter::{Filter, ParseFilterError};
use crate::level::Level;
use crate::logger::Logger;
use crate::logger::builder::Builder;
use crate::logger::error::{StartError, StartErrorKind};

/// The variable that is read if the one that [`Builder::filter_env`] names is not set.
const FALLBACK: &str = "RUST_LOG";

/// What a program says of its filter.
#[derive(Clone, Debug)]
pub(crate) struct FilterOptions {
    pub(crate) max_level: Level,
    filter: Result<Filter, ParseFilterError>,
    variable: Option<String>,
}

impl Default for FilterOptions {
    fn default() -> Self {
        Self { max_level: Level::Trace, filter: Ok(Filter::all()), variable: None }
    }
}

impl FilterOptions {
    /// The filter, and what is wrong in the environment.
    pub(crate) fn setting(&self) -> Result<Setting, StartError> {
        let filter = self.filter.clone().map_err(StartErrorKind::Filter)?;
        let (found, wrong) = self.read_environment();
        Ok(Setting::new(self.max_level, found.unwrap_or(filter), wrong))
    }

    fn read_environment(&self) -> (Option<Filter>, Vec<WrongDirective>) {
        let Some(variable) = &self.variable else { return (None, Vec::new()) };
        for variable in [variable, FALLBACK] {
            let Some(text) = std::env::var_os(variable).filter(|text| !text.is_empty()) else {
                continue;
            };
            let (filter, errors) = match text.to_str() {
                Some(text) => Filter::parse_lossy(text),
                // Which target is meant is unknown, so the program's own filter counts.
                None => (None, vec![ParseFilterError::not_utf8(&text.to_string_lossy())]),
            };
            let variable = variable.to_owned();
            let wrong = errors
                .into_iter()
                .map(|error| WrongDirective { variable: variable.clone(), error });
            return (filter, wrong.collect());
        }
        (None, Vec::new())
    }
}

impl Builder {
    /// Sets which levels are logged of which targets. Default: everything.
    ///
    /// It takes a [`Filter`], or its directives as text.
    ///
    /// A statement that no directive lets through does not evaluate its arguments. While no directive names a target,
    /// it costs one load and one branch, and others cost nothing for it. With directives by target, a
    /// statement also looks at a word of its own: three instructions. [`Logger::set_filter`] changes the filter while
    /// the logger runs.
    ///
    /// [`Builder::max_level`] bounds what the filter says.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// let logger = kymo::Logger::builder(&path).filter("info,my_crate::engine=trace,net=off").start()?;
    /// kymo::debug!("this is not logged");
    /// kymo::debug!(target: "my_crate::engine", "this is");
    /// assert_eq!(logger.shutdown().written, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Builder::start`] fails with [`StartErrorKind::Filter`] if a directive is wrong.
    pub fn filter<F>(mut self, filter: F) -> Self
    where
        F: TryInto<Filter>,
        ParseFilterError: From<F::Error>,
    {
        self.filter.filter = filter.try_into().map_err(ParseFilterError::from);
        self
    }

    /// Takes the filter from an environment variable, or from `RUST_LOG` if that is not set or empty.
    ///
    /// If neither is set, the filter is that of [`Builder::filter`]. A directive that is wrong is left out, and the log
    /// has a warning of it.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// // MY_APP_LOG=info,my_crate=trace
    /// let logger = kymo::Logger::builder(&path).filter("info").filter_env("MY_APP_LOG").start()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter_env(mut self, variable: impl Into<String>) -> Self {
        self.filter.variable = Some(variable.into());
        self
    }
}

impl Logger {
    /// Returns the filter that is in force.
    pub fn filter(&self) -> Filter {
        self.shared.filter.filter()
    }

    /// Sets which levels are logged of which targets, while the logger runs.
    ///
    /// No thread that logs waits for this. Each statement decides at its next call.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// let logger = kymo::Logger::builder(&path).filter("info").start()?;
    /// logger.set_filter("warn,net=trace".parse()?);
    /// assert_eq!(logger.filter().to_string(), "warn,net=trace");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_filter(&self, filter: Filter) {
        self.shared.filter.set(filter);
    }

    /// Sets the filter for a while. When that is over, the one that was there before is in force again.
    ///
    /// A later call takes the place of this one, and so does [`Logger::set_filter`]. The filter is taken back by the
    /// consumer, some ten milliseconds late; later if it waits for the disk.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// let logger = kymo::Logger::builder(&path).filter("info").start()?;
    /// logger.set_filter_for("info,net=trace".parse()?, Duration::from_secs(300));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_filter_for(&self, filter: Filter, duration: Duration) {
        self.shared.filter.set_for(filter, duration, monotonic_ns());
    }

    /// Sets the least urgent level that is logged, as [`Builder::max_level`] does, while the logger
    /// runs.
    pub fn set_max_level(&self, level: Level) {
        self.shared.filter.set_max_level(level);
    }
}

/// So that a [`Filter`] can be given wherever its directives can.
impl From<Infallible> for ParseFilterError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
