//! A configuration in a file, and from serde.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

use crate::config::Config;
use crate::config::error::{ConfigError, ConfigErrorKind};
use crate::config::keys::{KEYS, nearest};

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
    /// If the file cannot be read, is not TOML, has an unknown key or a wrong value: with the number of the line.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let place = path.display().to_string();
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| ConfigErrorKind::File(error).at(&place))?;
        Self::from_toml(&text, &place)
    }

    /// Reads TOML. `place`: what errors name.
    fn from_toml(text: &str, place: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let line = |Range { start, .. }| 1 + text[..start].matches('\n').count();
            let place = match error.span() {
                Some(span) => format!("{place}:{}", line(span)),
                None => place.to_owned(),
            };
            ConfigErrorKind::Syntax(error.message().to_owned()).at(&place)
        })
    }
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
        if KEYS.iter().any(|key| key.name == name || is_table(key.name)) {
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
        // Permissions as a number are octal, 0o640. A decimal one is out of range, or has other digits.
        let is_mode = self.name == "mode";
        self.set(&if is_mode { format!("{value:o}") } else { value.to_string() })
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
