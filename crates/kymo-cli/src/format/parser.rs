//! What `--format` takes: a name, or a pattern, which is told by its braces.

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Arg, Command};

use super::Format;

/// The formats that have names.
const NAMED: [(&str, Format, &str); 4] = [
    ("text", Format::Text, "A line of text"),
    ("json", Format::Json, "A JSON object on a line"),
    ("logfmt", Format::Logfmt, "Pairs of key=value on a line"),
    ("csv", Format::Csv, "Comma-separated values, with a line of names at the top"),
];

/// Parses the value of `--format`. A parser of its own because clap's for enumerations, which help
/// and completions list, takes nothing else.
#[derive(Clone)]
pub struct FormatParser;

impl TypedValueParser for FormatParser {
    type Value = Format;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Format, Error> {
        let value = value.to_str().ok_or_else(|| Error::new(ErrorKind::InvalidUtf8))?;
        if value.contains(['{', '}']) {
            let parse = |text: &str| text.parse().map(Format::Pattern);
            return parse.parse_ref(command, arg, value.as_ref());
        }
        if let Some((_, format, _)) = NAMED.iter().find(|(name, ..)| *name == value) {
            return Ok(format.clone());
        }
        let mut error = Error::new(ErrorKind::InvalidValue).with_cmd(command);
        let option = arg.map_or_else(|| "--format".to_owned(), Arg::to_string);
        let names = NAMED.iter().map(|(name, ..)| (*name).to_owned());
        let names = names.chain(["a pattern with {fields}".to_owned()]).collect();
        error.insert(ContextKind::InvalidArg, ContextValue::String(option));
        error.insert(ContextKind::InvalidValue, ContextValue::String(value.to_owned()));
        error.insert(ContextKind::ValidValue, ContextValue::Strings(names));
        Err(error)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(NAMED.iter().map(|(name, _, help)| PossibleValue::new(*name).help(*help))))
    }
}
