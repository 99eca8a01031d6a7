//! Logs an event of `tracing`.

use std::fmt::{self, Write};

use ::tracing_core::field::Visit;
use ::tracing_core::{Event, Metadata};

use crate::argument::gathered::Gathered;
use crate::argument::{Arguments, Capture, Encode, as_display};
use crate::bridge::tracing::fields::{Fields, FieldsText, MessageText};
use crate::bridge::tracing::sites::{self, level_of};
use crate::bridge::tracing::{from_log, span};
use crate::call::log_many;
use crate::filter::compiled::COMPILED;
use crate::format::types::{SpanRole, Type};
use crate::level::Level;
use crate::process::inside::Inside;
use crate::process::statics::GATE;
use crate::shared::running;
use crate::statement::call_site::{CallSite, Location};
use crate::sync::statics::{AtomicU64, Ordering};

/// How many records had no call site of their own.
static CROWDED: AtomicU64 = AtomicU64::new(0);

/// Returns how many records had no call site of their own. See [`crowded`](super::crowded).
pub(super) fn crowded() -> u64 {
    // Relaxed: a number to look at; nothing is read on its account.
    CROWDED.load(Ordering::Relaxed)
}

pub(super) fn log_event(event: &Event<'_>) {
    let within = || match event.is_contextual() {
        true => span::current(),
        false => event.parent().map(|id| id.into_u64()),
    };
    log_event_in(event, within)
}

/// Logs an event. `within`: the span that it is logged in.
#[inline(always)]
pub(super) fn log_event_in(event: &Event<'_>, within: impl Fn() -> Option<u64>) {
    let metadata = event.metadata();
    let Some(known) = sites::known(metadata) else {
        return log_unknown(event, within());
    };
    // `tracing` may not know of the last change yet.
    let is_compiled =
        COMPILED >= Level::Trace as u8 || level_of(*metadata.level()) as u8 <= COMPILED;
    if !is_compiled || !GATE.passes(&known.filter) {
        return;
    }
    let mut gathered = Gathered::new();
    let mut fields = Fields::new(&mut gathered);
    event.record(&mut fields);
    let indices = fields.finish(&|visit| event.record(visit));
    let within = within();
    if let Some(id) = within {
        gathered.push_span(SpanRole::In, span::in_file(id));
    }
    if !known.log(indices, &gathered) {
        log_crowded(metadata, within, &|visit| event.record(visit));
    }
}

/// Logs an event of a statement that is not known.
#[cold]
#[inline(never)]
fn log_unknown(event: &Event<'_>, within: Option<u64>) {
    match from_log::is_from_log(event.metadata()) {
        true => from_log::log(event, within),
        false => log_crowded(event.metadata(), within, &|visit| event.record(visit)),
    }
}

/// Shows all fields to a visitor.
pub(super) type ShowFields<'s> = &'s dyn Fn(&mut dyn Visit);

/// Logs a record that has no call site of its own, with all that it says as arguments.
#[cold]
#[inline(never)]
pub(super) fn log_crowded(metadata: &Metadata<'_>, within: Option<u64>, show: ShowFields<'_>) {
    if Inside::is_here() {
        // An allocator that logs, for instance: see `process::inside`.
        running::count_unlogged(1);
        return;
    }
    // Relaxed: a number to look at; nothing is read on its account.
    CROWDED.fetch_add(1, Ordering::Relaxed);
    let message = as_display(Shown(|out: &mut dyn Write| match metadata.is_span() {
        true => _ = out.write_str(metadata.name()),
        false => show(&mut MessageText(out)),
    }));
    let fields = as_display(Shown(|out: &mut dyn Write| {
        show(&mut FieldsText { out, skipped: 0, separator: "", with_message: metadata.is_span() });
    }));
    let line = u64::from(metadata.line().unwrap_or(0));
    let file = metadata.file().unwrap_or_default();
    let (target, module) = (metadata.target(), metadata.module_path().unwrap_or_default());
    let within = InSpan(within.map_or(0, span::in_file));
    let (message, fields) = (message.capture(), fields.capture());
    let arguments = (message, (target, (module, (file, (line, (fields, (within, ())))))));
    let site = &crowded_sites(arguments)[level_of(*metadata.level()).index()];
    log_many::log_to(site, arguments);
}

/// The id of the span that a record is logged in, as an argument.
#[derive(Clone, Copy)]
pub(crate) struct InSpan(pub(crate) u64);

#[cfg(feature = "log")]
impl InSpan {
    /// The span that the calling thread has entered last.
    #[inline(always)]
    pub(crate) fn current() -> Option<Self> {
        span::current().map(|id| Self(span::in_file(id)))
    }
}

// SAFETY: eight bytes, as the types of spans' ids have.
unsafe impl Encode for InSpan {
    const TYPE: Type = Type::Span(SpanRole::In);
    const BASE_BYTES: usize = 8;
    const FIXED: bool = true;

    fn bytes(self) -> usize {
        8
    }

    unsafe fn write(self, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.0.write(to) }
    }
}

/// What a function writes.
struct Shown<F>(F);

impl<F: Fn(&mut dyn Write)> fmt::Display for Shown<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f);
        Ok(())
    }
}

/// The call sites of such records, by level.
fn crowded_sites<L: Arguments>(_: L) -> &'static [CallSite; 5] {
    struct Sites<L>(L);

    impl<L: Arguments> Sites<L> {
        const SITES: &'static [CallSite; 5] = &CallSite::at_each_level(CROWDED_LOCATION, L::TYPES);
    }

    Sites::<L>::SITES
}

const CROWDED_LOCATION: Location = Location {
    target: "tracing",
    module: module_path!(),
    file: file!(),
    line: line!(),
    column: 0,
    format: "{}",
    names: &["", "target", "module", "file", "line", "fields", ""],
};
