//! Other loggers, measured as kymo is: what their programs share.

pub mod catalogue;
pub mod driver;
pub mod peer;

/// Anything may go wrong, and then the program ends and says so.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
