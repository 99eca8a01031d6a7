//! A configuration in a file, and from serde.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use toml::de::{DeTable, DeValue};

use crate::config::error::{ConfigError, ConfigErrorKind};
use crate::config::keys::{KEYS, LACKING, nearest};
use crate::config::{Config, value};

/// How many bytes a file may have.
const MOST_BYTES: u64 = 1 << 20;

impl Config {
    /// Reads a file of TOML, by custom `kymo.toml`.
    ///
    /// ```toml
    /// filter = "info,net=debug"
    /// ring_capacity = "4MiB"
    ///
    /// [rotate]
    /// size = "256MiB"
    /// every = "1d"
    ///
    /// [keep]
    /// age = "30d"
    /// ```
    ///
    /// Values are text, as in the environment; numbers and truth values need no quotes.
    ///
    /// # Errors
    /// If the file is no regular one, has more than 1 MiB, or cannot be read; if it is not TOML, has an unknown
    /// key or a wrong value: with the number of the line.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let place = path.display().to_string();
        let text = read(path).map_err(|error| ConfigErrorKind::File(error).at(&place))?;
        check_mode(&text, &place)?;
        Self::from_toml(&text, &place)
    }

    /// Reads TOML. `place`: what errors name.
    fn from_toml(text: &str, place: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let place = match error.span() {
                Some(span) => line_of(text, &span, place),
                None => place.to_owned(),
            };
            ConfigErrorKind::Syntax(error.message().to_owned()).at(&place)
        })
    }
}

/// Reads a file that the user named: links are followed. Nothing is waited for, and no device is opened.
fn read(path: &Path) -> io::Result<String> {
    let is_regular = |it: Metadata| match it.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(ErrorKind::InvalidInput, "this is not a regular file")),
    };
    is_regular(std::fs::metadata(path)?)?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    // Another one may have taken its place meanwhile.
    is_regular(file.metadata()?)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        let text = "this has more than 1 MiB, which no configuration has";
        return Err(io::Error::new(ErrorKind::FileTooLarge, text));
    }
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "this is not UTF-8"))
}

/// Permissions that are a number have to be written in octal: of serde, 400 and 0o620 are one number.
fn check_mode(text: &str, place: &str) -> Result<(), ConfigError> {
    // What is no TOML gets its error later.
    let Ok(table) = DeTable::parse(text) else { return Ok(()) };
    let Some(mode) = table.get_ref().get("mode") else { return Ok(()) };
    let DeValue::Integer(number) = mode.get_ref() else { return Ok(()) };
    let written = &text[mode.span()];
    if number.radix() == 8 && value::mode(number.as_str()).is_some() {
        return Ok(());
    }
    let text_and_advice = ConfigErrorKind::Value {
        text: written.to_owned(),
        possible: "choose octal permissions from 0o000 to 0o777, such as 0o640".to_owned(),
    };
    Err(text_and_advice.at(&format!("{}: mode", line_of(text, &mode.span(), place))))
}

/// A place in a text: the file and the line.
fn line_of(text: &str, span: &Range<usize>, file: &str) -> String {
    format!("{file}:{}", 1 + text[..span.start].matches('\n').count())
}

/// From a map of keys, in which `rotate.size` may also be `size` in a map `rotate`. Values are text, numbers or truth
/// values.
impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut config = Self::new();
        deserializer.deserialize_map(Table { config: &mut config, within: "" })?;
        Ok(config)
    }
}

/// A map of keys, or the map that is the value of one.
struct Table<'c> {
    config: &'c mut Config,
    /// The key of the map, with a dot.
    within: &'c str,
}

impl<'de> Visitor<'de> for Table<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Name { within: self.within })? {
            map.next_value_seed(Entry { config: self.config, name })?;
        }
        Ok(())
    }
}

/// The name of a key.
struct Name<'n> {
    within: &'n str,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        let name = format!("{}{}", self.within, String::deserialize(deserializer)?);
        let is_table = |key: &str| key.split_once('.').is_some_and(|(table, _)| table == name);
        let is_known = |key: &str| key == name || is_table(key);
        if KEYS.iter().any(|key| is_known(key.name)) || LACKING.iter().any(|it| is_known(it.0)) {
            return Ok(name);
        }
        let tables = KEYS.iter().filter_map(|key| Some(key.name.split_once('.')?.0));
        let names = KEYS.iter().map(|key| key.name).chain(tables);
        Err(de::Error::custom(ConfigError::unknown(&name, nearest(&name, names))))
    }
}

/// The value of a key.
struct Entry<'c> {
    config: &'c mut Config,
    name: String,
}

impl Entry<'_> {
    fn set<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.config.set(&self.name, value).map_err(E::custom)
    }
}

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entry<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of `{}`: text, a number, true or false", self.name)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.set(value)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.set(&value.to_string())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        match u64::try_from(value) {
            Ok(value) => self.visit_u64(value),
            Err(_) => self.set(&value.to_string()),
        }
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        match &*self.name {
            // Octal, as text is.
            "mode" if value <= 0o777 => self.set(&format!("{value:o}")),
            "mode" => {
                let possible = format!("this is 0o{value:o}: choose permissions up to 0o777");
                let text = value.to_string();
                Err(E::custom(ConfigErrorKind::Value { text, possible }.at("mode")))
            }
            _ => self.set(&value.to_string()),
        }
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.set(&value.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        if KEYS.iter().any(|key| key.name == self.name) {
            return Err(de::Error::invalid_type(de::Unexpected::Map, &self));
        }
        let within = format!("{}.", self.name);
        Table { config: self.config, within: &within }.visit_map(map)
    }
}
