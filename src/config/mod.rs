//! Configuration by environment and by file: what an operator may change without the program.
//!
//! In: variables, a file `kymo.toml`, values that serde reads, or keys and values as text. All of them go through the
//! one table of keys (`keys`), so that they have the same names, values and errors. Out: options of a [`Builder`].

mod children;
mod error;
mod file;
mod keys;
mod value;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use error::{ConfigError, ConfigErrorKind};
pub use keys::Key;
use keys::{KEYS, LACKING};

use crate::level::Level;
use crate::logger::builder::Builder;
use crate::ring::WORD_BYTES;
use crate::shared::disk::Durability;
use crate::shared::policy::{DumpAt, Overflow};
use crate::{Filter, Hangup, Keep, Rotation, Zone};

/// The variable that has the filter.
const FILTER_VARIABLE: &str = "KYMO_LOG";

/// The variable that names a file of a configuration.
const FILE_VARIABLE: &str = "KYMO_CONFIG";

/// What an operator may change of a logger: by variables of the environment, by a file, or by values that the program
/// has from elsewhere.
///
/// ```
/// use kymo::{Config, Level, Logger};
///
/// # let dir = tempfile::tempdir()?;
/// # let (path, file) = (dir.path().join("app.kymo"), dir.path().join("kymo.toml"));
/// # std::fs::write(&file, "filter = \"info\"\n[rotate]\nsize = \"256MiB\"\n")?;
/// // The program's choices, then those of a file, then those of the environment: the last one counts.
/// let logger = Logger::builder(&path)
///     .ring_capacity(4 << 20)
///     .configure(&Config::from_file(&file)?)
///     .configure(&Config::from_env()?)
///     .start()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A key that is not there changes nothing. An unknown key is an error that names the nearest one; a wrong value is an
/// error that says what is possible. Both name the variable, or the file and the line. Only the filter of the
/// environment is never an error: a directive that is wrong is left out, and the log has a warning of it.
///
/// [`Config::keys`] lists all keys, as does `docs/operating.md`. A variable is `KYMO_` and the key: `rotate.size` is
/// `KYMO_ROTATE_SIZE`. Two have shorter names: `filter` is `KYMO_LOG`, and `console.format` is `KYMO_CONSOLE`.
///
/// It is read by serde, so that it can be a part of the program's own settings:
///
/// ```
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     port: u16,
///     log: kymo::Config,
/// }
///
/// let settings = r#"{"port": 80, "log": {"filter": "info", "rotate": {"size": "1GiB"}, "recover": true}}"#;
/// let Settings { port, log } = serde_json::from_str(settings)?;
/// # assert_eq!(port, 80);
/// let builder = kymo::Logger::builder("app.kymo").configure(&log);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a configuration changes nothing by itself: use `Builder::configure`"]
pub struct Config {
    filter: Option<Filter>,
    /// The variable that is asked for a filter at the start.
    filter_variable: Option<&'static str>,
    file: Option<PathBuf>,
    dir: Option<PathBuf>,
    join: Option<bool>,
    pid_in_name: Option<bool>,
    mode: Option<u32>,
    console: ConsoleKeys,
    rotate: RotateKeys,
    keep: KeepKeys,
    #[cfg(feature = "compress")]
    compress: Option<bool>,
    #[cfg(feature = "control")]
    control: Option<bool>,
    durability: Option<Durability>,
    write_through: Option<Level>,
    ring_capacity: Option<usize>,
    overflow: Option<Overflow>,
    flight_recorder: FlightRecorderKeys,
    map_window: Option<u64>,
    exit_timeout: Option<Duration>,
    on_hangup: Option<Hangup>,
    consumer_core: Option<usize>,
    poll_interval: Option<Duration>,
    idle_sleep: Option<Duration>,
    crash_proof: Option<PathBuf>,
    recover: Option<bool>,
    drain_on_termination: Option<Duration>,
    drain_on_crash: Option<Duration>,
    /// All that it says, but for the filter of the environment, as variables.
    said: Vec<(&'static str, OsString)>,
}

/// The capacity of a flight recorder of which only the level is said, in bytes.
const FLIGHT_RECORDER_BYTES: usize = 1 << 20;

/// The keys of `console`.
#[derive(Clone, Debug, Default)]
struct ConsoleKeys {
    #[cfg(feature = "console")]
    kind: Option<ConsoleKind>,
    #[cfg(feature = "console")]
    level: Option<Level>,
    #[cfg(feature = "console")]
    stream: Option<crate::console::Stream>,
    #[cfg(feature = "console")]
    color: Option<crate::console::Color>,
    #[cfg(feature = "console")]
    spans: Option<bool>,
    #[cfg(feature = "console")]
    zone: Option<Zone>,
}

/// The keys of `flight_recorder`. A level of `Some(None)` is `off`.
#[derive(Clone, Debug, Default)]
struct FlightRecorderKeys {
    level: Option<Option<Level>>,
    size: Option<usize>,
    dump_at: Option<Option<Level>>,
    dump_interval: Option<Duration>,
}

/// The values of `console.format`.
#[cfg(feature = "console")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConsoleKind {
    Off,
    /// Text, if the stream is a terminal.
    Auto,
    Format(crate::console::Format),
}

/// The keys of `rotate`.
#[derive(Clone, Debug, Default)]
struct RotateKeys {
    size: Option<u64>,
    every: Option<Duration>,
    at: Option<String>,
    zone: Option<Zone>,
}

/// The keys of `keep`.
#[derive(Clone, Debug, Default)]
struct KeepKeys {
    size: Option<u64>,
    files: Option<u64>,
    age: Option<Duration>,
    free: Option<f64>,
}

impl Config {
    /// Returns a configuration that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns what the environment says, with what the file says that `KYMO_CONFIG` names, if it names one.
    ///
    /// The filter is read when the logger starts: from `KYMO_LOG`, or from `RUST_LOG`. An empty variable counts as not
    /// set. A variable `KYMO_…` that is none of these, and not nearly one, belongs to somebody else.
    ///
    /// ```
    /// use kymo::{Config, Logger};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// let logger = Logger::builder(&path).configure(&Config::from_env()?).start()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If a value is wrong, a name is misspelt, or the file cannot be read.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(std::env::vars_os())
    }

    /// Returns what these variables say: see [`Config::from_env`].
    ///
    /// # Errors
    /// As [`Config::from_env`].
    pub fn from_vars(
        vars: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut config = Self::new();
        let mut found: Vec<(String, OsString)> = vars
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, value)| name.starts_with("KYMO_") && !value.is_empty())
            .collect();
        // So that the first error does not depend on chance; and the file first.
        found.sort_by(|a, b| (a.0 != FILE_VARIABLE, &a.0).cmp(&(b.0 != FILE_VARIABLE, &b.0)));
        for (name, value) in found {
            if name == FILE_VARIABLE {
                config = Self::from_file(PathBuf::from(value))?;
                continue;
            }
            if let Some((.., feature)) = LACKING.iter().find(|lacking| lacking.1 == name) {
                keys::lacking(feature, &value).map_err(|wrong| wrong.at(&name))?;
                continue;
            }
            let Some(key) = KEYS.iter().find(|key| key.variable == name) else {
                match keys::nearest(
                    &name,
                    KEYS.iter().map(|key| key.variable).chain([FILE_VARIABLE]),
                ) {
                    Some(nearest) => return Err(ConfigError::unknown(&name, Some(nearest))),
                    None => continue,
                }
            };
            if key.variable == FILTER_VARIABLE {
                continue;
            }
            config.set_key(key, &value).map_err(|wrong| wrong.at(&name))?;
        }
        config.filter_variable = Some(FILTER_VARIABLE);
        Ok(config)
    }

    /// Sets the value of a key.
    ///
    /// ```
    /// let mut config = kymo::Config::new();
    /// config.set("ring_capacity", "4MiB")?;
    /// let error = config.set("rotate.sise", "1GiB").unwrap_err();
    /// assert_eq!(error.to_string(), "rotate.sise: there is no such key: do you mean `rotate.size`?");
    /// let error = config.set("keep.age", "old").unwrap_err();
    /// assert_eq!(error.to_string(), "keep.age: \"old\": choose a time, such as 30d");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such key, or the value is wrong.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        if let Some((.., feature)) = LACKING.iter().find(|lacking| lacking.0 == key) {
            return keys::lacking(feature, value.as_ref()).map_err(|wrong| wrong.at(key));
        }
        match KEYS.iter().find(|known| known.name == key) {
            Some(known) => self.set_key(known, value.as_ref()).map_err(|wrong| wrong.at(key)),
            None => {
                Err(ConfigError::unknown(key, keys::nearest(key, KEYS.iter().map(|it| it.name))))
            }
        }
    }

    fn set_key(&mut self, key: &Key, value: &OsStr) -> Result<(), ConfigErrorKind> {
        (key.set)(self, value).map_err(|possible| ConfigErrorKind::Value {
            text: value.to_string_lossy().into_owned(),
            possible: possible.unwrap_or_else(|| {
                let is_text = value.to_str().is_some();
                let what = if is_text { "" } else { "this is not UTF-8: " };
                format!("{what}choose {}", key.possible)
            }),
        })?;
        self.said.push((key.variable, value.to_owned()));
        Ok(())
    }

    /// Whether it says in which directory the log is.
    #[cfg(feature = "init")]
    pub(crate) fn says_where(&self) -> bool {
        self.dir.is_some() || self.file.is_some()
    }

    /// What to set, if the file at this path cannot be made or opened.
    #[cfg(feature = "init")]
    pub(crate) fn advice(&self, failed: &std::path::Path) -> &'static str {
        match (&self.crash_proof, &self.dir, &self.file) {
            (Some(crash_proof), ..) if failed.starts_with(crash_proof) => {
                "Set KYMO_CRASH_PROOF (`crash_proof`) to a directory in memory that can be written, such as /dev/shm"
            }
            (_, None, Some(_)) => {
                "Set KYMO_FILE (`file`) to the path of a file in a directory that can be written"
            }
            _ => "Set KYMO_DIR to a directory that can be written",
        }
    }

    /// Returns all keys.
    pub fn keys() -> &'static [Key] {
        KEYS
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

impl Builder {
    /// Takes the options that a configuration has, in place of those that were set before this call.
    ///
    /// See [`Config`]. Options of the program that are to count whatever the operator says follow this call.
    pub fn configure(mut self, config: &Config) -> Self {
        let Config { file, dir, said, .. } = config;
        self.configured.extend_from_slice(said);
        if let Some(file) = file {
            self.path.clone_from(file);
        }
        if let Some(dir) = dir {
            self.path = dir.join(self.path.file_name().unwrap_or_default());
        }
        if let Some(join) = config.join {
            self = self.join_others(join);
        }
        if let Some(filter) = &config.filter {
            self = self.filter(filter.clone());
        }
        if let Some(variable) = config.filter_variable {
            self = self.filter_env(variable);
        }
        self.options(config)
            .console_of(&config.console)
            .rotation_of(&config.rotate)
            .limits_of(&config.keep)
            .flight_recorder_of(&config.flight_recorder)
    }

    /// The options that are one key each.
    fn options(mut self, config: &Config) -> Self {
        /// Calls the methods for which there is a value.
        macro_rules! set {
            ($($method:ident)*) => {
                $(if let Some(value) = &config.$method {
                    self = self.$method(value.clone());
                })*
            };
        }
        set!(pid_in_name mode durability write_through ring_capacity overflow consumer_core poll_interval idle_sleep);
        set!(map_window exit_timeout on_hangup crash_proof recover drain_on_termination drain_on_crash);
        #[cfg(feature = "compress")]
        set!(compress);
        #[cfg(feature = "control")]
        set!(control);
        self
    }

    #[cfg(feature = "console")]
    fn console_of(mut self, keys: &ConsoleKeys) -> Self {
        use crate::console::Console;
        let base = || Console::at(Level::Info);
        let was = self.console.take();
        let mut console = match keys.kind {
            Some(ConsoleKind::Off) => None,
            Some(ConsoleKind::Auto) => Some(was.unwrap_or_else(base).only_on_a_terminal(true)),
            Some(ConsoleKind::Format(format)) => {
                Some(was.unwrap_or_else(base).format(format).only_on_a_terminal(false))
            }
            None => was,
        };
        if let Some(level) = keys.level {
            console = console.map(|console| console.level(level));
        }
        if let Some(stream) = keys.stream {
            console = console.map(|console| console.stream(stream));
        }
        if let Some(color) = keys.color {
            console = console.map(|console| console.color(color));
        }
        if let Some(spans) = keys.spans {
            console = console.map(|console| console.spans(spans));
        }
        if let Some(zone) = &keys.zone {
            console = console.map(|console| console.zone(zone.clone()));
        }
        self.console = console;
        self
    }

    #[cfg(not(feature = "console"))]
    fn console_of(self, _: &ConsoleKeys) -> Self {
        self
    }

    fn rotation_of(self, keys: &RotateKeys) -> Self {
        let RotateKeys { size, every, at, zone } = keys;
        if size.is_none() && every.is_none() && at.is_none() {
            return self;
        }
        let mut rotation = size.map_or_else(Rotation::on_request, Rotation::size);
        if let Some(every) = every {
            rotation = rotation.every(*every);
        }
        if let Some(at) = at {
            rotation = rotation.or(Rotation::daily_at(at, zone.clone().unwrap_or(Zone::UTC)));
        }
        self.rotate(rotation)
    }

    /// What is not said stays as the program has it.
    fn flight_recorder_of(mut self, keys: &FlightRecorderKeys) -> Self {
        let FlightRecorderKeys { level, size, dump_at, dump_interval } = *keys;
        let was = self.policies.flight;
        if level == Some(None) {
            self.policies.flight = None;
        } else if let Some(level) = level.flatten().or(was.map(|it| it.level)) {
            let bytes = was.map_or(FLIGHT_RECORDER_BYTES, |it| it.words * WORD_BYTES);
            self = self.flight_recorder(level, size.unwrap_or(bytes));
        }
        let DumpAt { level, interval } = self.policies.dump_at;
        self.dump_at(dump_at.unwrap_or(level), dump_interval.unwrap_or(interval))
    }

    fn limits_of(self, keys: &KeepKeys) -> Self {
        let KeepKeys { size, files, age, free } = keys;
        if size.is_none() && files.is_none() && age.is_none() && free.is_none() {
            return self;
        }
        let mut keep = size.map_or_else(Keep::unlimited, Keep::bytes);
        if let Some(files) = files {
            keep = keep.files(*files);
        }
        if let Some(age) = age {
            keep = keep.age(*age);
        }
        if let Some(free) = free {
            keep = keep.free(*free);
        }
        self.keep(keep)
    }
}
