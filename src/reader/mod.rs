//! Reading what was logged: values, templates, text and JSON.
#![forbid(unsafe_code)]

pub mod json;
mod template;
mod text;
mod types;
mod value;

pub use json::write_escaped;
pub use template::{Template, TemplateError};
pub use types::Type;
pub use value::{Lazy, Malformed, Sequence, Text, Tuple, Value, Values};
