//! Logs what happens to spans of `tracing`: they begin, get fields, are entered, left and closed.
//!
//! A span's id is in each record of it, and in those of the events in it. So a reader nests them, whatever is missing.
//!
//! - INV-1: the id of an event is that of the last span that its thread has entered and not left. No allocation is made
//!   for that unless a thread is deeper in spans than ever.

use std::cell::{Cell, RefCell};

use ::tracing_core::Metadata;
use ::tracing_core::span::{Attributes, Record};

use crate::argument::gathered::Gathered;
use crate::bridge::slab::Slab;
use crate::bridge::tracing::event::log_crowded;
use crate::bridge::tracing::fields::Fields;
use crate::bridge::tracing::sites::{self, Known, Moment};
use crate::call::{log_many, log1};
use crate::format::types::SpanRole;
use crate::process::inside::Inside;
use crate::sync::statics::{AtomicU64, Ordering};

/// The id of a span that has no slot. No slot has it.
pub(super) const UNTRACKED: u64 = u64::MAX;

/// The spans of the process that are open: at most 2²⁰.
#[cfg(not(kymo_loom))]
static SPANS: Slab<Known, 1024, 1024> = Slab::new();
/// In which models have no part.
#[cfg(kymo_loom)]
static SPANS: std::sync::LazyLock<Slab<Known, 1024, 1024>> = std::sync::LazyLock::new(Slab::new);

/// How many spans had no id of their own.
static COUNT_UNTRACKED: AtomicU64 = AtomicU64::new(0);

/// A span that a thread has entered.
#[derive(Clone, Copy)]
struct Entered {
    id: u64,
    metadata: Option<&'static Metadata<'static>>,
}

thread_local! {
    static ENTERED: RefCell<Vec<Entered>> = const { RefCell::new(Vec::new()) };

    /// The id of the last of them, or 0. Without a destructor, so that records ask for no more than this word.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

/// Returns how many spans had no id of their own. See [`untracked`](super::untracked).
pub(super) fn untracked() -> u64 {
    // Relaxed: a number to look at; nothing is read on its account.
    COUNT_UNTRACKED.load(Ordering::Relaxed)
}

/// The id of the span that the calling thread has entered last.
#[inline(always)]
pub(super) fn current() -> Option<u64> {
    Some(CURRENT.get()).filter(|id| *id != 0)
}

/// The id and the statement of the span that the calling thread has entered last.
pub(super) fn current_with_metadata() -> Option<(u64, &'static Metadata<'static>)> {
    // A thread whose locals have been destroyed is in no span; nor is what interrupts a change of the list.
    let last = ENTERED.try_with(|entered| entered.try_borrow().ok()?.last().copied());
    last.ok().flatten().and_then(|last| Some((last.id, last.metadata?)))
}

/// What records call a span: 0 if it has no id of its own.
#[inline(always)]
pub(super) fn in_file(id: u64) -> u64 {
    if id == UNTRACKED { 0 } else { id }
}

/// A span begins, in the span `parent`. Returns its id; it has one handle.
pub(super) fn begin(attributes: &Attributes<'_>, parent: Option<u64>) -> u64 {
    let metadata = attributes.metadata();
    let Some(known) = sites::known(metadata) else {
        log_crowded(metadata, parent, &|visit| attributes.record(visit));
        // Relaxed: as in `untracked`.
        COUNT_UNTRACKED.fetch_add(1, Ordering::Relaxed);
        return UNTRACKED;
    };
    let id = SPANS.open(known).unwrap_or_else(|| open_first(known));
    let mut gathered = Gathered::new();
    let mut fields = Fields::new(&mut gathered);
    attributes.record(&mut fields);
    let indices = fields.finish(&|visit| attributes.record(visit));
    gathered.push_span(SpanRole::New, in_file(id));
    if let Some(parent) = parent {
        gathered.push_span(SpanRole::In, in_file(parent));
    }
    if !known.log(indices, &gathered) {
        log1::log_to(known.moment(Moment::Begun), in_file(id));
        log_crowded(metadata, Some(id), &|visit| attributes.record(visit));
    }
    id
}

/// Gives a span a slot that was not used before. There is none if too many are open, or if the calling thread is inside
/// the logger.
#[cold]
#[inline(never)]
fn open_first(known: &'static Known) -> u64 {
    let id = if Inside::is_here() {
        None
    } else {
        let _inside = Inside::enter();
        SPANS.open_first(known)
    };
    id.unwrap_or_else(|| {
        // Relaxed: as in `untracked`.
        COUNT_UNTRACKED.fetch_add(1, Ordering::Relaxed);
        UNTRACKED
    })
}

/// A span has further fields.
pub(super) fn record(id: u64, values: &Record<'_>) {
    let Some(known) = SPANS.slot(id).and_then(|slot| slot.known()) else { return };
    let mut gathered = Gathered::new();
    let mut fields = Fields::new(&mut gathered);
    values.record(&mut fields);
    let indices = fields.finish(&|visit| values.record(visit));
    gathered.push_span(SpanRole::Record, id);
    if !known.log(indices, &gathered) {
        log_crowded(known.metadata, Some(id), &|visit| values.record(visit));
    }
}

/// A span follows from another one.
pub(super) fn follow(id: u64, from: u64) {
    if let Some(known) = SPANS.slot(id).and_then(|slot| slot.known()) {
        log_many::log_to(known.moment(Moment::Follows), (id, (in_file(from), ())));
    }
}

/// The calling thread enters a span.
#[inline]
pub(super) fn enter(id: u64) {
    let known = SPANS.slot(id).and_then(|slot| slot.known());
    let metadata = known.map(|known| known.metadata);
    let _ = ENTERED.try_with(|entered| {
        if let Ok(mut entered) = entered.try_borrow_mut() {
            entered.push(Entered { id, metadata });
            CURRENT.set(id);
        }
    });
    if let Some(known) = known {
        log1::log_to(known.moment(Moment::Entered), id);
    }
}

/// The calling thread leaves a span, which need not be the one that it entered last.
#[inline]
pub(super) fn exit(id: u64) {
    if let Some(known) = SPANS.slot(id).and_then(|slot| slot.known()) {
        log1::log_to(known.moment(Moment::Left), id);
    }
    let left = ENTERED.try_with(|entered| {
        let Ok(mut entered) = entered.try_borrow_mut() else { return };
        match entered.last() {
            Some(last) if last.id == id => _ = entered.pop(),
            _ => leave_earlier(&mut entered, id),
        }
        CURRENT.set(entered.last().map_or(0, |last| last.id));
    });
    if left.is_err() {
        // The list of a thread that ends has been destroyed.
        CURRENT.set(0);
    }
}

/// Leaves a span that is not the last one.
#[cold]
#[inline(never)]
fn leave_earlier(entered: &mut Vec<Entered>, id: u64) {
    if let Some(at) = entered.iter().rposition(|entered| entered.id == id) {
        entered.remove(at);
    }
}

/// A span has one handle more.
pub(super) fn add_handle(id: u64) {
    if let Some(slot) = SPANS.slot(id) {
        slot.add_handle();
    }
}

/// A span has one handle less. Returns whether it was the last: then the span is closed.
#[inline]
pub(super) fn remove_handle(id: u64) -> bool {
    let Some(slot) = SPANS.slot(id) else { return false };
    if !slot.remove_handle() {
        return false;
    }
    if let Some(known) = slot.known() {
        log1::log_to(known.moment(Moment::Closed), id);
    }
    SPANS.close(slot);
    true
}
