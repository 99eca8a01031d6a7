//! The parser of `--format`: a name, or a pattern, which has braces.

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Arg, Command};

use kymo_lines::NAMED;

use super::FormatChoice;

/// Parses the value of `--format`. clap's own parser of enumerations, which help and completions
/// list, would take no pattern.
#[derive(Clone)]
pub struct FormatParser;

impl TypedValueParser for FormatParser {
    type Value = FormatChoice;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<FormatChoice, Error> {
        let value = value.to_str().ok_or_else(|| Error::new(ErrorKind::InvalidUtf8))?;
        if value.contains(['{', '}']) {
            let parse = |text: &str| text.parse().map(FormatChoice::Pattern);
            return parse.parse_ref(command, arg, value.as_ref());
        }
        if let Some(named) = NAMED.iter().find(|named| named.name == value) {
            return Ok(FormatChoice::Named(named));
        }
        let mut error = Error::new(ErrorKind::InvalidValue).with_cmd(command);
        let option = arg.map_or_else(|| "--format".to_owned(), Arg::to_string);
        let names = NAMED.iter().map(|named| named.name.to_owned());
        let names = names.chain(["a pattern with {fields}".to_owned()]).collect();
        error.insert(ContextKind::InvalidArg, ContextValue::String(option));
        error.insert(ContextKind::InvalidValue, ContextValue::String(value.to_owned()));
        error.insert(ContextKind::ValidValue, ContextValue::Strings(names));
        Err(error)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(NAMED.iter().map(|named| PossibleValue::new(named.name).help(named.help))))
    }
}
