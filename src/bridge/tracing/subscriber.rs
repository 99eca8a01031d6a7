//! The subscriber, for programs that have no other.

use ::tracing_core::span::{Attributes, Current, Id, Record};
use ::tracing_core::subscriber::Interest;
use ::tracing_core::{Event, LevelFilter, Metadata};

use crate::bridge::tracing::event::log_event;
use crate::bridge::tracing::interest::{follow, interest, is_logged, max_level};
use crate::bridge::tracing::span;

/// Sends what is traced to the logger that runs.
///
/// [`init`](super::init) makes it the subscriber of the process. It can also be the subscriber of a scope:
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("app.kymo");
/// let logger = kymo::Logger::builder(&path).start()?;
/// tracing::subscriber::with_default(kymo::bridge::tracing::Subscriber::new(), || {
///     tracing::info!("in the log");
/// });
/// tracing::info!("nowhere");
/// assert_eq!(logger.shutdown().written, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Subscriber(());

impl Subscriber {
    /// Makes a subscriber. All of them write to the same log.
    pub fn new() -> Self {
        follow();
        Self(())
    }
}

impl Default for Subscriber {
    fn default() -> Self {
        Self::new()
    }
}

impl ::tracing_core::Subscriber for Subscriber {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        interest(metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_logged(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(max_level())
    }

    fn event(&self, event: &Event<'_>) {
        log_event(event);
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let parent = match attributes.is_contextual() {
            true => span::current(),
            false => attributes.parent().map(Id::into_u64),
        };
        Id::from_u64(span::begin(attributes, parent))
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        span::record(id.into_u64(), values);
    }

    fn record_follows_from(&self, id: &Id, follows: &Id) {
        span::follow(id.into_u64(), follows.into_u64());
    }

    fn enter(&self, id: &Id) {
        span::enter(id.into_u64());
    }

    fn exit(&self, id: &Id) {
        span::exit(id.into_u64());
    }

    fn clone_span(&self, id: &Id) -> Id {
        span::add_handle(id.into_u64());
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        span::remove_handle(id.into_u64())
    }

    fn current_span(&self) -> Current {
        span::current_with_metadata()
            .map_or(Current::none(), |(id, metadata)| Current::new(Id::from_u64(id), metadata))
    }
}
