//! The table of all keys: their names, variables, values, and what each sets.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use crate::config::Config;
use crate::config::error::ConfigErrorKind;
use crate::config::value::{mode, share, size, time, yes};
use crate::logger::builder::{MAX_RING_BYTES, MAX_WINDOW_BYTES, MIN_RING_BYTES};
use crate::shared::disk::Durability;
use crate::shared::policy::Overflow;
use crate::{Filter, Hangup, Zone};

/// A key of a [`Config`].
pub struct Key {
    pub(super) name: &'static str,
    pub(super) variable: &'static str,
    /// The values that are possible, after "choose".
    pub(super) possible: &'static str,
    pub(super) set: fn(&mut Config, &OsStr) -> Result<(), Wrong>,
}

/// A value is wrong: what to do, if that is not what the table says.
pub(super) type Wrong = Option<String>;

impl Key {
    /// Returns its name, as in a file: `rotate.size`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the name of its variable: `KYMO_ROTATE_SIZE`.
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// Returns which values are possible, in words.
    pub fn possible(&self) -> &'static str {
        self.possible
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.name).finish()
    }
}

/// The table: name, variable, possible values, what makes the value of the text, where it goes. In brackets, the
/// feature without which the program lacks the key.
macro_rules! keys {
    ($($([$feature:tt])? $name:literal $variable:literal $possible:literal $($field:ident).+ = $parse:expr;)*) => {
        /// All keys.
        pub(super) const KEYS: &[Key] = &[
            $($(#[cfg(feature = $feature)])? Key {
                name: $name,
                variable: $variable,
                possible: $possible,
                set: |config, text| {
                    config.$($field).+ = Some(parsed($parse, text)?);
                    Ok(())
                },
            },)*
        ];

        /// Keys that this build lacks: name, variable, and the feature that has them.
        pub(super) const LACKING: &[(&str, &str, &str)] = &[
            $($(#[cfg(not(feature = $feature))] ($name, $variable, $feature),)?)*
        ];
    };
}

/// The value of a text, by a function that says what is wrong, or only that something is.
fn parsed<T: Given + ?Sized, V, R: Parsed<V>>(
    parse: fn(&T) -> R,
    text: &OsStr,
) -> Result<V, Wrong> {
    parse(T::given(text).ok_or(None)?).parsed()
}

/// What a value is made of: UTF-8, or for paths whatever the system takes.
trait Given {
    fn given(text: &OsStr) -> Option<&Self>;
}

impl Given for str {
    fn given(text: &OsStr) -> Option<&str> {
        text.to_str()
    }
}

impl Given for OsStr {
    fn given(text: &OsStr) -> Option<&OsStr> {
        Some(text)
    }
}

trait Parsed<V> {
    fn parsed(self) -> Result<V, Wrong>;
}

impl<V> Parsed<V> for Option<V> {
    fn parsed(self) -> Result<V, Wrong> {
        self.ok_or(None)
    }
}

impl<V> Parsed<V> for Result<V, String> {
    fn parsed(self) -> Result<V, Wrong> {
        self.map_err(Some)
    }
}

keys! {
    "filter" "KYMO_LOG" "directives, such as info,net=debug" filter = filter;
    "file" "KYMO_FILE" "the path of the log, with its name" file = file;
    "dir" "KYMO_DIR" "a directory for the log, which keeps its name" dir = path;
    "join" "KYMO_JOIN" "true or false, yes or no, on or off, 1 or 0" join = yes;
    "pid_in_name" "KYMO_PID_IN_NAME" "true or false, yes or no, on or off, 1 or 0" pid_in_name = yes;
    "mode" "KYMO_MODE" "permissions from 0000 to 0777, such as 0640" mode = mode;
    ["console"] "console.format" "KYMO_CONSOLE" "off, auto, text, json or logfmt" console.kind = console;
    ["console"] "console.level" "KYMO_CONSOLE_LEVEL" "error, warn, info, debug or trace" console.level = level;
    ["console"] "console.stream" "KYMO_CONSOLE_STREAM" "stderr or stdout" console.stream = |text: &str| text.parse().ok();
    ["console"] "console.color" "KYMO_CONSOLE_COLOR" "auto, always or never" console.color = |text: &str| text.parse().ok();
    ["console"] "console.spans" "KYMO_CONSOLE_SPANS" "true or false, yes or no, on or off, 1 or 0" console.spans = yes;
    ["console"] "console.zone" "KYMO_CONSOLE_ZONE" "UTC, an offset such as +05:30, local, or a name such as Europe/Berlin" console.zone = zone;
    "rotate.size" "KYMO_ROTATE_SIZE" "a size of at least 64KiB, such as 256MiB" rotate.size = rotate_size;
    "rotate.every" "KYMO_ROTATE_EVERY" "a time of at least 1ms, such as 1h or 1d" rotate.every = rotate_every;
    "rotate.at" "KYMO_ROTATE_AT" "a time of day, such as 00:00" rotate.at = time_of_day;
    "rotate.zone" "KYMO_ROTATE_ZONE" "UTC, an offset such as +05:30, local, or a name such as Europe/Berlin" rotate.zone = zone;
    "keep.size" "KYMO_KEEP_SIZE" "a size, such as 8GiB" keep.size = size;
    "keep.files" "KYMO_KEEP_FILES" "a number of segments, at least 2" keep.files = at_least_two;
    "keep.age" "KYMO_KEEP_AGE" "a time, such as 30d" keep.age = time;
    "keep.free" "KYMO_KEEP_FREE" "a share of the file system, from 0% to less than 100%" keep.free = share;
    ["compress"] "compress" "KYMO_COMPRESS" "true or false, yes or no, on or off, 1 or 0" compress = yes;
    ["control"] "control" "KYMO_CONTROL" "true or false, yes or no, on or off, 1 or 0" control = yes;
    "durability" "KYMO_DURABILITY" "kernel, close, or a time of at least 1ms, such as 1s" durability = durability;
    "write_through" "KYMO_WRITE_THROUGH" "error, warn, info, debug or trace" write_through = level;
    "ring_capacity" "KYMO_RING_CAPACITY" "a size from 4KiB to 4GiB, such as 1MiB" ring_capacity = ring_capacity;
    "overflow" "KYMO_OVERFLOW" "wait, a time to wait such as 1s, drop, or overwrite" overflow = overflow;
    "flight_recorder.level" "KYMO_FLIGHT_RECORDER_LEVEL" "off, error, warn, info, debug or trace" flight_recorder.level = level_or_off;
    "flight_recorder.size" "KYMO_FLIGHT_RECORDER_SIZE" "a size from 4KiB to 4GiB, such as 1MiB" flight_recorder.size = ring_capacity;
    "flight_recorder.dump_at" "KYMO_FLIGHT_RECORDER_DUMP_AT" "off, error, warn, info, debug or trace" flight_recorder.dump_at = level_or_off;
    "flight_recorder.dump_interval" "KYMO_FLIGHT_RECORDER_DUMP_INTERVAL" "a time, such as 1s" flight_recorder.dump_interval = time;
    "map_window" "KYMO_MAP_WINDOW" "a size up to 256GiB, such as 64MiB" map_window = map_window;
    "exit_timeout" "KYMO_EXIT_TIMEOUT" "a time, such as 5s" exit_timeout = time;
    "on_hangup" "KYMO_ON_HANGUP" "reopen, rotate, or a time to drain, such as 1s" on_hangup = hangup;
    "consumer_core" "KYMO_CONSUMER_CORE" "the number of a core, from 0" consumer_core = |text: &str| text.parse().ok();
    "poll_interval" "KYMO_POLL_INTERVAL" "a time, such as 5us" poll_interval = time;
    "idle_sleep" "KYMO_IDLE_SLEEP" "a time, such as 5ms" idle_sleep = time;
    "crash_proof" "KYMO_CRASH_PROOF" "a directory in memory, such as /dev/shm" crash_proof = path;
    "recover" "KYMO_RECOVER" "true or false, yes or no, on or off, 1 or 0" recover = yes;
    "drain_on_termination" "KYMO_DRAIN_ON_TERMINATION" "a time, such as 5s" drain_on_termination = time;
    "drain_on_crash" "KYMO_DRAIN_ON_CRASH" "a time, such as 1s" drain_on_crash = time;
}

/// What is wrong with a value of a key that this build lacks: anything but `false` and `off`, which it does anyway.
pub(super) fn lacking(feature: &str, value: &OsStr) -> Result<(), ConfigErrorKind> {
    match value.to_str().and_then(yes) {
        Some(false) => Ok(()),
        _ => Err(ConfigErrorKind::Value {
            text: value.to_string_lossy().into_owned(),
            possible: format!(
                "build the program with kymo's feature `{feature}`, or leave this out"
            ),
        }),
    }
}

fn filter(text: &str) -> Result<Filter, String> {
    text.parse::<Filter>().map_err(|error| error.to_string())
}

fn path(text: &OsStr) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into())
}

fn file(text: &OsStr) -> Option<PathBuf> {
    path(text).filter(|path| path.file_name().is_some())
}

fn level(text: &str) -> Option<crate::Level> {
    text.parse().ok()
}

/// `Some(None)`: no level.
fn level_or_off(text: &str) -> Option<Option<crate::Level>> {
    if text == "off" { Some(None) } else { level(text).map(Some) }
}

fn hangup(text: &str) -> Option<Hangup> {
    match text {
        "reopen" => Some(Hangup::Reopen),
        "rotate" => Some(Hangup::Rotate),
        _ => time(text).map(Hangup::Drain),
    }
}

fn map_window(text: &str) -> Option<u64> {
    size(text).filter(|bytes| (1..=MAX_WINDOW_BYTES).contains(bytes))
}

#[cfg(feature = "console")]
fn console(text: &str) -> Option<crate::config::ConsoleKind> {
    use crate::config::ConsoleKind;
    match text {
        "off" => Some(ConsoleKind::Off),
        "auto" => Some(ConsoleKind::Auto),
        _ => text.parse().ok().map(ConsoleKind::Format),
    }
}

fn rotate_size(text: &str) -> Option<u64> {
    size(text).filter(|bytes| crate::Rotation::size(*bytes).check().is_ok())
}

fn rotate_every(text: &str) -> Option<std::time::Duration> {
    let is_possible = |every| crate::Rotation::on_request().every(every).check().is_ok();
    time(text).filter(|every| is_possible(*every))
}

fn time_of_day(text: &str) -> Option<String> {
    crate::Rotation::daily_at(text, Zone::UTC).check().is_ok().then(|| text.to_owned())
}

#[cfg(feature = "zones")]
fn zone(text: &str) -> Result<Zone, String> {
    let zone = match text {
        "UTC" => Ok(Zone::UTC),
        "local" => Zone::local(),
        _ if text.starts_with(['+', '-']) => Zone::offset(text),
        _ => Zone::named(text),
    };
    zone.map_err(|error| error.to_string())
}

#[cfg(not(feature = "zones"))]
fn zone(text: &str) -> Result<Zone, String> {
    match text {
        "UTC" => Ok(Zone::UTC),
        _ if text.starts_with(['+', '-']) => Zone::offset(text).map_err(|error| error.to_string()),
        _ => {
            Err("choose UTC or an offset such as +05:30: names need kymo's feature `zones`".into())
        }
    }
}

/// The current segment, and the one that is prepared.
fn at_least_two(text: &str) -> Option<u64> {
    text.parse().ok().filter(|files| *files > 1)
}

fn durability(text: &str) -> Option<Durability> {
    match text {
        "kernel" => Some(Durability::Kernel),
        "close" => Some(Durability::AtClose),
        _ => {
            let every = time(text).filter(|every| *every >= std::time::Duration::from_millis(1));
            every.map(Durability::Every)
        }
    }
}

fn ring_capacity(text: &str) -> Option<usize> {
    let bytes = usize::try_from(size(text)?).ok()?;
    (MIN_RING_BYTES..=MAX_RING_BYTES).contains(&bytes).then_some(bytes)
}

fn overflow(text: &str) -> Option<Overflow> {
    match text {
        "wait" => Some(Overflow::Wait { timeout: None }),
        "drop" => Some(Overflow::DropNewest),
        "overwrite" => Some(Overflow::OverwriteOldest),
        _ => time(text).map(|timeout| Overflow::Wait { timeout: Some(timeout) }),
    }
}

/// The name that is most like a misspelt one; `None` if none is.
pub(super) fn nearest<'n>(
    wrong: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    // Nobody means a key by a whole text.
    let begins: String = wrong.chars().take(64).collect();
    // Inserted, removed, replaced, or swapped with their neighbour: so many letters.
    let distance = |name: &str| strsim::osa_distance(&begins, name);
    let nearest = names.into_iter().map(|name| (distance(name), name)).min()?;
    // A letter more, less or other in four.
    (nearest.0 <= 1 + wrong.len() / 8).then_some(nearest.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_the_key_in_capitals() {
        for key in KEYS {
            let plain = format!("KYMO_{}", key.name.replace('.', "_").to_uppercase());
            let expected = match key.name {
                "filter" => "KYMO_LOG",
                "console.format" => "KYMO_CONSOLE",
                _ => &plain,
            };
            assert_eq!(key.variable, expected);
        }
    }

    #[test]
    fn the_nearest_name_is_near() {
        let names = || KEYS.iter().map(|key| key.name);
        let near = ["filtre", "rotat.size", "keepage", "compres", "ring_capacty"];
        let near = near.map(|wrong| nearest(wrong, names()));
        let found = ["filter", "rotate.size", "keep.age", "compress", "ring_capacity"];
        assert_eq!(near, found.map(Some));
        for far in ["", "x", "home", "database.url"] {
            assert_eq!(nearest(far, names()), None, "{far}");
        }
    }
}
