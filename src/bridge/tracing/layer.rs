//! The layer, for programs that have other ones, too.

use ::tracing_core::span::{Attributes, Id, Record};
use ::tracing_core::subscriber::Interest;
use ::tracing_core::{Event, LevelFilter, Metadata, Subscriber};
use ::tracing_subscriber::filter::Filtered;
use ::tracing_subscriber::layer::{self, Context};
use ::tracing_subscriber::registry::LookupSpan;

use crate::bridge::tracing::event::log_event_in;
use crate::bridge::tracing::interest::{follow, interest, is_logged, max_level};
use crate::bridge::tracing::span;

/// Makes a layer that sends what is traced to the logger that runs, beside what other layers do with it. It needs the
/// feature `tracing-layer`.
///
/// It takes what the logger's filter lets through, and leaves others what it does not. A filter of the layer alone
/// narrows that ([`with_filter`](::tracing_subscriber::Layer::with_filter)).
///
/// ```
/// use tracing_subscriber::filter::LevelFilter;
/// use tracing_subscriber::prelude::*;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("app.kymo");
/// let logger = kymo::Logger::builder(&path).filter("debug").start()?;
/// let own = kymo::bridge::tracing::layer().with_filter(LevelFilter::INFO);
/// let _default = tracing_subscriber::registry().with(own).set_default();
///
/// tracing::info_span!("request", id = 7).in_scope(|| tracing::info!("in the log"));
/// tracing::debug!("left out by the layer's filter");
/// // The beginning of the span, its entry, the event, its exit, its end.
/// assert_eq!(logger.shutdown().written, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The registry of tracing-subscriber gives spans their ids, and takes its own time for them. The subscriber of this
/// crate costs a fraction of that.
pub fn layer<S>() -> Filtered<Layer, LoggerFilter, S>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    follow();
    Filtered::new(Layer(()), LoggerFilter(()))
}

/// The layer that [`layer()`] makes.
#[derive(Debug)]
pub struct Layer(());

/// What the logger's filter says, as the filter of a layer.
#[derive(Debug)]
pub struct LoggerFilter(());

impl<S> layer::Filter<S> for LoggerFilter {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        is_logged(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        interest(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(max_level())
    }
}

/// The id that a span has in the log.
struct LoggedId(u64);

fn logged_id<S>(id: &Id, context: &Context<'_, S>) -> Option<u64>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    Some(context.span(id)?.extensions().get::<LoggedId>()?.0)
}

impl<S> ::tracing_subscriber::Layer<S> for Layer
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let parent = match attributes.is_contextual() {
            true => span::current(),
            false => attributes.parent().and_then(|parent| logged_id(parent, &context)),
        };
        let logged = span::begin(attributes, parent);
        if let Some(span) = context.span(id) {
            span.extensions_mut().replace(LoggedId(logged));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(id) = logged_id(id, &context) {
            span::record(id, values);
        }
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        if let (Some(id), Some(from)) = (logged_id(id, &context), logged_id(follows, &context)) {
            span::follow(id, from);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        log_event_in(event, || match event.is_contextual() {
            true => span::current(),
            false => event.parent().and_then(|parent| logged_id(parent, &context)),
        });
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(id) = logged_id(id, &context) {
            span::enter(id);
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        if let Some(id) = logged_id(id, &context) {
            span::exit(id);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Some(id) = logged_id(&id, &context) {
            span::remove_handle(id);
        }
    }
}
