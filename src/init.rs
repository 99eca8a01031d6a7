//! One line for `main`: where the log is, and what the builder is told, for a program that chooses nothing.

use std::env;
use std::ffi::OsStr;
use std::fmt::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Config, ConfigError};
use crate::console::Console;
use crate::format::escaped::Escaped;
use crate::keep::Keep;
use crate::level::Level;
use crate::logger::Logger;
use crate::logger::builder::Builder;
use crate::logger::error::{StartError, StartErrorKind};
use crate::rotation::Rotation;

/// From how many bytes on a segment is rotated. Few enough that a small disk has room for some.
const SEGMENT_BYTES: u64 = 32 << 20;

/// How much of a segment is mapped at a time, in bytes.
const WINDOW_BYTES: u64 = 8 << 20;

/// How long a termination signal waits for the last records.
const TERMINATION: Duration = Duration::from_secs(5);

/// How much of a log is kept, in bytes, and which share of the file system is kept free. They are chosen here,
/// because the builder's own are told by a warning in the log at each start.
const KEPT_BYTES: u64 = 1 << 30;
const FREE: f64 = 0.05;

/// Starts a logger with what most programs want. The logger ends, and everything is in its file, when the value that
/// this returns is dropped. Needs the feature `init`.
///
/// ```
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
/// #   let dir = tempfile::tempdir()?;
/// #   unsafe { std::env::set_var("KYMO_DIR", dir.path()) };
///     let _kymo = kymo::init()?;
///     kymo::info!("ready");
///     Ok(())
/// }
/// ```
///
/// - *The log* is `NAME.kymo`, with the name of the executable. It is in the first of these directories that is set:
///   `$KYMO_DIR`, `$LOGS_DIRECTORY` and `$STATE_DIRECTORY` (systemd's), `$XDG_STATE_HOME/NAME`,
///   `$HOME/.local/state/NAME`. The directory is made if need be. [`Logger::path`] returns the path.
/// - *Several processes* of one program log at a time, each into a log of its own: `NAME.kymo`, `NAME-2.kymo`, and so
///   on, the first that is free. `kymo cat` of the directory reads all of them, in the order of time.
/// - *Segments* of 32 MiB ([`Builder::rotate`]). The oldest are deleted when the log has 1 GiB or 100 segments, or when
///   less than 5 % of the file system is free ([`Builder::keep`]).
/// - *The filter* is that of `KYMO_LOG`, or of `RUST_LOG`, or `info`.
/// - *The terminal* shows what is logged, in colours, if standard error is one ([`Builder::console`]).
///   `KYMO_CONSOLE=json` writes JSON to standard output, for containers; `off` shows nothing.
/// - *A panic* is logged ([`Builder::panic_hook`]).
/// - `SIGTERM` and `SIGINT` wait until everything is in the file, 5 s at most ([`Builder::drain_on_termination`]).
/// - What libraries log through the crates `log` and `tracing` is logged, if kymo has these features
///   (`Builder::bridge_log`, `Builder::bridge_tracing`). Then this is their only logger and their only subscriber: a
///   program that has others takes [`Logger::builder`], and `bridge::tracing::layer`.
///
/// An operator changes all of this, and more, by variables or by a file: see [`Config::from_env`]. A program that wants
/// to choose takes [`Logger::builder`].
///
/// # Errors
/// - If a logger runs in this process, which a second call of this finds.
/// - If there is no directory for the log, or it cannot be written: the error says what to set.
/// - If a variable has a wrong value, or its name is misspelt.
/// - If the process has another logger of `log`, or another subscriber of `tracing`.
pub fn init() -> Result<Logger, InitError> {
    let config = Config::from_env().map_err(InitErrorKind::Config)?;
    let name = program_name();
    let builder = builder(PathBuf::from(format!("{name}.kymo"))).configure(&config);
    let builder = match config.says_where() {
        true => builder,
        false => {
            let directory = directory(&name, |name| env::var_os(name).map(PathBuf::from));
            builder.in_directory(directory.ok_or(InitErrorKind::NoDirectory)?)
        }
    };
    builder.start().map_err(|error| {
        let advice = match error.kind() {
            StartErrorKind::File(path, _) => Some(config.advice(path)),
            StartErrorKind::Keep(_) => Some(
                "Set KYMO_ROTATE_SIZE to less, KYMO_KEEP_SIZE to more, or KYMO_DIR to a larger disk",
            ),
            _ => None,
        };
        InitError { kind: InitErrorKind::Start(error), advice }
    })
}

/// What a program has that chooses nothing.
fn builder(path: PathBuf) -> Builder {
    let builder = Logger::builder(path)
        .make_directory(true)
        .join_others(true)
        .rotate(Rotation::size(SEGMENT_BYTES))
        .keep(Keep::bytes(KEPT_BYTES).free(FREE))
        .map_window(WINDOW_BYTES)
        .filter("info")
        .console(Console::at(Level::Trace).only_on_a_terminal(true))
        .panic_hook(true)
        .drain_on_termination(TERMINATION);
    #[cfg(feature = "log")]
    let builder = builder.bridge_log(true);
    #[cfg(feature = "tracing")]
    let builder = builder.bridge_tracing(true);
    builder
}

impl Builder {
    /// Puts the log into another directory.
    fn in_directory(mut self, directory: PathBuf) -> Self {
        self.path = directory.join(self.path.file_name().unwrap_or_default());
        self
    }
}

/// The name of the executable, without an extension.
fn program_name() -> String {
    let path = env::current_exe().ok().or_else(|| env::args_os().next().map(PathBuf::from));
    let stem = path.as_ref().and_then(|path| path.file_stem());
    let name = stem.map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    // The system says so of an executable that was replaced meanwhile: `app (deleted)`.
    let name = name.trim_end_matches(" (deleted)");
    if name.is_empty() { "program".to_owned() } else { name.to_owned() }
}

/// The directory of the log of a program, by what variables say.
fn directory(name: &str, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    // Relative ones are to be ignored, says the specification of XDG. systemd's are lists.
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    let first = |name: &str| {
        let list = variable(name)?;
        let first = list.as_os_str().as_bytes().split(|byte| *byte == b':').next()?;
        Some(PathBuf::from(OsStr::from_bytes(first))).filter(|path| path.is_absolute())
    };
    first("LOGS_DIRECTORY")
        .or_else(|| first("STATE_DIRECTORY"))
        .or_else(|| Some(absolute("XDG_STATE_HOME")?.join(name)))
        .or_else(|| Some(absolute("HOME")?.join(".local/state").join(name)))
}

/// The error of [`init`]: why there is no logger, and what to do.
pub struct InitError {
    kind: InitErrorKind,
    /// What to do.
    advice: Option<&'static str>,
}

/// The kinds of [`InitError`].
#[derive(Debug)]
#[non_exhaustive]
pub enum InitErrorKind {
    /// A variable, or the file that `KYMO_CONFIG` names, is wrong.
    Config(ConfigError),
    /// No variable says where the log is to be.
    NoDirectory,
    /// The logger could not be started.
    Start(StartError),
}

impl InitError {
    /// Returns the kind of error, with its details.
    pub fn kind(&self) -> &InitErrorKind {
        &self.kind
    }
}

impl From<InitErrorKind> for InitError {
    fn from(kind: InitErrorKind) -> Self {
        Self { kind, advice: None }
    }
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = Escaped(f);
        match &self.kind {
            InitErrorKind::Config(error) => write!(f, "{error}"),
            InitErrorKind::NoDirectory => f.write_str(
                "there is no directory for the log: neither HOME nor XDG_STATE_HOME is set. Set KYMO_DIR to a \
                 directory that can be written",
            ),
            InitErrorKind::Start(error) => match self.advice {
                Some(advice) => write!(f, "{error}. {advice}"),
                None => write!(f, "{error}"),
            },
        }
    }
}

/// Writes the text: `main` prints an error so that it returns.
impl fmt::Debug for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for InitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            InitErrorKind::Config(error) => Some(error),
            InitErrorKind::NoDirectory => None,
            InitErrorKind::Start(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Option<String> {
        let value = |name: &str| variables.iter().find(|it| it.0 == name).map(|it| it.1.into());
        directory("shop", value).map(|path| path.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_directory_is_the_first_that_is_set() {
        let all = [
            ("LOGS_DIRECTORY", "/var/log/shop:/var/log/other"),
            ("STATE_DIRECTORY", "/var/lib/shop"),
            ("XDG_STATE_HOME", "/state"),
            ("HOME", "/home/ann"),
        ];
        let expected =
            ["/var/log/shop", "/var/lib/shop", "/state/shop", "/home/ann/.local/state/shop"];
        for (index, expected) in expected.into_iter().enumerate() {
            assert_eq!(found(&all[index..]).as_deref(), Some(expected));
        }
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[("XDG_STATE_HOME", "state"), ("HOME", "")]), None);
    }
}
