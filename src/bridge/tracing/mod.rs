//! Takes what is traced through [`tracing`](https://docs.rs/tracing).
//!
//! [`Builder::bridge_tracing`](crate::Builder::bridge_tracing) does it when a logger starts, [`init`] without a builder.
//! From then on each event that the logger's filter lets through is in its file:
//!
//! - Level, target, module, file and line are those of the statement.
//! - Fields are arguments with names. Integers of up to 128 bits, floats, `bool`, strings and bytes keep their types.
//!   Others are formatted, as the statement asks (`?x`, `%x`). An error is followed by what caused it.
//! - The message is formatted in the calling thread, before anything is reserved in the ring.
//! - Text is the message and then ` name=value` for each field; JSON has them in `fields`.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("app.kymo");
//! let logger = kymo::Logger::builder(&path).filter("info,noisy=off").bridge_tracing(true).start()?;
//!
//! tracing::info!(target: "shop", order = 7_u64, px = 101.25, "filled for {}", "ACME");
//! tracing::error!(target: "noisy", "left out");
//!
//! logger.shutdown();
//! let mut reader = kymo_reader::Reader::open(&path)?;
//! let record = reader.next_record()?.expect("a record");
//! let mut text = String::new();
//! record.message(&mut text);
//! assert_eq!(text, "filled for ACME order=7 px=101.25");
//! assert_eq!((record.target(), record.get::<f64>("px")?), ("shop", 101.25));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Spans
//!
//! A span has records of its own: when it begins, with its fields; when it gets more of them; each time that a thread
//! enters and leaves it; when it is closed. A record that is logged in a span has its id. So the reader shows the spans
//! of each event, from the outermost to the innermost, on whatever threads they were entered:
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("app.kymo");
//! let logger = kymo::Logger::builder(&path).bridge_tracing(true).start()?;
//! tracing::info_span!("request", id = 7).in_scope(|| {
//!     tracing::info_span!("query").in_scope(|| tracing::info!(rows = 3, "done"));
//! });
//! logger.shutdown();
//!
//! let mut reader = kymo_reader::Reader::open(&path)?;
//! let mut text = String::new();
//! while let Some(record) = reader.next_record()? {
//!     if record.span_role().is_none() {
//!         record.write_spans(&mut text);
//!         record.message(&mut text);
//!     }
//! }
//! assert_eq!(text, "request{id=7}: query: done rows=3");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - `kymo cat` prints the spans before the message, and in JSON as `spans`. `--spans` also prints the records of
//!   spans.
//! - If the record of a span's beginning was dropped, or is in a segment that is not read, its events have its id
//!   alone.
//! - A span that has begun is logged to its end, whatever the filter says then.
//! - At most 1,048,576 spans are open at a time, of 32 bytes each. Those beyond that have no id; [`untracked`] counts
//!   them.
//!
//! # Beside other subscribers
//!
//! A process has one subscriber. If another one is wanted, too, both are layers of tracing-subscriber: with the feature
//! `tracing-layer`, `bridge::tracing::layer()` makes kymo's.
//!
//! The `init` of tracing-subscriber also sends the records of the crate `log` to `tracing`, by its default feature
//! `tracing-log`. They are in the log with their own level, target, module, file and line, and in their spans. The
//! filter is that of their target. Two things are lost on that way, before kymo sees a record:
//!
//! - Its key-values.
//! - What the filter did not let through at `init`: `log::max_level` stays as it was then.
//!
//! `Builder::bridge_log` (feature `log`) has both. There is one logger of `log`, so the `init` of
//! tracing-subscriber fails beside it. Leave out its feature `tracing-log`, or call
//! `tracing::subscriber::set_global_default` in place of `init`.
//!
//! # What to know
//!
//! - If `log` is bridged, too, nothing is in the log twice with the feature `log` of `tracing`: it sends to `log` only
//!   until a subscriber is set for the first time. Its feature `log-always` always sends events and spans to `log`.
//!   They are then in the log twice: turn that feature off, or leave out this bridge.
//! - `tracing` keeps what the filter says of a statement, and asks again when the filter changes. A statement that is
//!   not logged costs what `tracing` takes for it: one load, mostly. What
//!   [`Logger::set_filter`](crate::Logger::set_filter) lets through is logged when that call has returned, unless other
//!   threads change the filter at that moment. The end of [`Logger::set_filter_for`](crate::Logger::set_filter_for) is
//!   told by a thread that lives as long as that takes.
//! - Without a logger, records are counted by [`unlogged`](crate::unlogged).
//! - A record that is too long for the ring is cut and marked. Its message is cut before its values are.
//! - Nothing is allocated for an event. The first one of a statement makes its call site, some hundred bytes; so does
//!   the first one with other fields or types. There is room for 4,096 statements of up to 254 fields, with 16 call
//!   sites each for types that are known beforehand. Further records of a statement state the types of their fields
//!   themselves, a byte each, and cost more: their values are copied twice. There are 16 call sites more for those, one
//!   for each sequence of fields. A record beyond that has the target `tracing`, and all that it says as arguments;
//!   [`crowded`] counts them.
//! - A record has at most 61 fields with their types; those after them are in one text, `more`.

mod event;
mod fields;
mod from_log;
mod interest;
#[cfg(feature = "tracing-layer")]
mod layer;
mod sites;
mod span;
mod subscriber;

use std::error::Error;
use std::fmt;
use std::sync::OnceLock;

use ::tracing_core::Dispatch;
use ::tracing_core::dispatcher::set_global_default;

#[cfg(feature = "log")]
pub(crate) use event::InSpan;
#[cfg(feature = "tracing-layer")]
pub use layer::{Layer, LoggerFilter, layer};
pub use subscriber::Subscriber;

/// Sends what is traced to the logger that runs, now and later. More calls do nothing.
///
/// [`Builder::bridge_tracing`](crate::Builder::bridge_tracing) calls it.
///
/// ```
/// kymo::bridge::tracing::init()?;
/// let before = kymo::unlogged();
/// tracing::info!("nobody listens yet");
/// assert_eq!(kymo::unlogged(), before + 1);
/// # Ok::<(), kymo::bridge::tracing::InitError>(())
/// ```
///
/// # Errors
/// If the process already has another subscriber (of tracing-subscriber, for instance). It has one for ever.
pub fn init() -> Result<(), InitError> {
    static IS_SET: OnceLock<bool> = OnceLock::new();
    let is_set = || set_global_default(Dispatch::new(Subscriber::new())).is_ok();
    if !*IS_SET.get_or_init(is_set) {
        return Err(InitError(()));
    }
    Ok(())
}

/// Returns how many records had no call site of their own, because there are too many already. They are in the log,
/// with the target `tracing`.
pub fn crowded() -> u64 {
    event::crowded()
}

/// Returns how many spans had no id of their own: 1,048,576 were open, or their statements are too many. They are in
/// the log with the id 0, and so are the records in them.
pub fn untracked() -> u64 {
    span::untracked()
}

/// The error of [`init`]: another subscriber already takes what is traced.
#[derive(Debug)]
pub struct InitError(());

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "tracing already has a subscriber: leave out its `init` (tracing_subscriber::fmt::init, for instance), \
             or the bridge",
        )
    }
}

impl Error for InitError {}
