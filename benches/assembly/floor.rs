//! What the crates `log` and `tracing` cost by themselves: receivers that only look at each value.

use std::fmt::{self, Debug, Write};
use std::hint::black_box;

use log::kv::{self, Key, VisitSource, VisitValue};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata};

/// Takes text, and keeps its length.
struct Sink(usize);

impl Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

fn look(value: impl fmt::Debug) {
    let mut sink = Sink(0);
    let _ = write!(sink, "{value:?}");
    black_box(sink.0);
}

struct Visitor;

impl Visit for Visitor {
    fn record_f64(&mut self, _: &Field, value: f64) {
        black_box(value);
    }

    fn record_u64(&mut self, _: &Field, value: u64) {
        black_box(value);
    }

    fn record_str(&mut self, _: &Field, value: &str) {
        black_box(value);
    }

    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        look(value);
    }
}

/// A subscriber that only visits the values.
pub struct FloorSubscriber;

impl tracing::Subscriber for FloorSubscriber {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        let is_logged = *metadata.level() <= tracing::Level::DEBUG;
        if is_logged { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut Visitor);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Visitor);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Visitor);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    fn try_close(&self, _: Id) -> bool {
        true
    }
}

/// A logger that only visits the values.
pub struct FloorLogger;

impl log::Log for FloorLogger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.args().as_str().is_none() {
            look(record.args());
        }
        let _ = record.key_values().visit(&mut Pairs);
    }

    fn flush(&self) {}
}

struct Pairs;

impl<'a> VisitSource<'a> for Pairs {
    fn visit_pair(&mut self, _: Key<'a>, value: kv::Value<'a>) -> Result<(), kv::Error> {
        value.visit(Self)
    }
}

impl<'a> VisitValue<'a> for Pairs {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        look(value);
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        black_box(value);
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        black_box(value);
        Ok(())
    }

    fn visit_borrowed_str(&mut self, value: &'a str) -> Result<(), kv::Error> {
        black_box(value);
        Ok(())
    }
}
