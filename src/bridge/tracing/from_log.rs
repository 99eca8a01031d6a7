//! Logs a record of the crate `log` that comes as an event.
//!
//! The crate tracing-log sends the records of `log` to `tracing`; tracing-subscriber does so, too, unless it is told
//! not to. All records of a level have one statement, with the target `log`. What they say of their own statement is in
//! fields: `log.target`, `log.module_path`, `log.file`, `log.line`. Here the record gets back what is its own.
//!
//! - INV-1: no such statement is known to [`sites`](super::sites). So other events pay nothing for these.

use std::fmt;

use ::tracing_core::field::{Field, FieldSet, Visit};
use ::tracing_core::metadata::Kind;
use ::tracing_core::{Event, Metadata};

use crate::argument::Arguments;
use crate::argument::gathered::Gathered;
use crate::bridge::tracing::event::log_crowded;
use crate::bridge::tracing::sites::{MESSAGE, level_of};
use crate::bridge::tracing::span;
use crate::call::gathered;
use crate::format::types::SpanRole;
use crate::process::statics::GATE;
use crate::statement::made::{self, SiteKey};

const TARGET: &str = "log.target";
const MODULE: &str = "log.module_path";
const FILE: &str = "log.file";
const LINE: &str = "log.line";

/// Whether a statement stands for all records of `log` of its level.
pub(super) fn is_from_log(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "log" && metadata.fields().iter().any(|field| field.name() == TARGET)
}

/// Logs such an event. `within`: the span that it is logged in.
pub(super) fn log(event: &Event<'_>, within: Option<u64>) {
    with_text(event, TARGET, |target| {
        let target = target.unwrap_or("log");
        let level = level_of(*event.metadata().level());
        // The answer of the filter is for this target alone.
        if !GATE.allows(level, target) {
            return;
        }
        with_text(event, MODULE, |module| {
            with_text(event, FILE, |file| log_with(event, within, [Some(target), module, file]));
        });
    });
}

fn log_with(event: &Event<'_>, within: Option<u64>, [target, module, file]: [Option<&str>; 3]) {
    let mut gathered = Gathered::new();
    let mut fields = OwnFields { gathered: &mut gathered, line: None };
    event.record(&mut fields);
    let line = fields.line;
    if let Some(id) = within {
        gathered.push_span(SpanRole::In, span::in_file(id));
    }
    let metadata = event.metadata();
    let target = target.unwrap_or_default();
    let key = SiteKey {
        level: level_of(*metadata.level()),
        line: line.unwrap_or(0),
        target,
        module: module.unwrap_or_default(),
        file: file.unwrap_or_default(),
        message: None,
        names: gathered.names(),
        codes: gathered.codes(),
        mixed_codes: gathered.mixed_codes(),
    };
    if let Some(site) = made::find(&key) {
        return gathered::log_to(site, &gathered);
    }
    // Its texts are made anew.
    gathered.values().release();
    let fields = FieldSet::new(&[], metadata.callsite());
    let (name, level) = (metadata.name(), *metadata.level());
    let own = Metadata::new(name, target, level, file, line, module, fields, Kind::EVENT);
    log_crowded(&own, within, &|visit| event.record(&mut WithoutPlace(visit)));
}

/// Calls `then` with the text of a field, if the event has it.
fn with_text(event: &Event<'_>, name: &str, then: impl FnOnce(Option<&str>)) {
    struct Text<'n, F> {
        name: &'n str,
        then: Option<F>,
    }

    impl<F: FnOnce(Option<&str>)> Visit for Text<'_, F> {
        fn record_str(&mut self, field: &Field, value: &str) {
            if field.name() == self.name
                && let Some(then) = self.then.take()
            {
                then(Some(value));
            }
        }

        fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
    }

    let mut text = Text { name, then: Some(then) };
    event.record(&mut text);
    if let Some(then) = text.then {
        then(None);
    }
}

/// Whether a field says where the record is from.
fn is_place(field: &Field) -> bool {
    matches!(field.name(), TARGET | MODULE | FILE | LINE)
}

/// Gathers the message, which comes first, and finds the line.
struct OwnFields<'g> {
    gathered: &'g mut Gathered<&'static str>,
    line: Option<u32>,
}

impl Visit for OwnFields<'_> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == LINE {
            self.line = u32::try_from(value).ok();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            self.gathered.push_text("", |out| write!(out, "{value:?}"));
        }
    }
}

/// Shows the other fields to a visitor.
struct WithoutPlace<'v>(&'v mut dyn Visit);

impl Visit for WithoutPlace<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !is_place(field) {
            self.0.record_debug(field, value);
        }
    }
}
