//! Tells `tracing` what the filter lets through, so that it does not ask for each record.
//!
//! `tracing` keeps an answer for each statement, and one greatest level. Both are made anew after each change of the
//! filter. That runs code of other subscribers, under locks of `tracing`. So no lock of kymo's is held meanwhile, and
//! what `tracing` asks is answered without one. The consumer leaves it to another thread.

use std::sync::OnceLock;

use ::tracing_core::callsite::rebuild_interest_cache;
use ::tracing_core::subscriber::Interest;
use ::tracing_core::{Dispatch, Event, LevelFilter, Metadata, span};

use crate::bridge::tracing::from_log;
use crate::bridge::tracing::sites::level_of;
use crate::filter::setting::set_follower;
use crate::level::Level;
use crate::process::statics::GATE;
use crate::sync::statics::{AtomicBool, AtomicU64, Ordering};

/// How often the filter has changed.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// Whether a thread makes the answers anew.
static REBUILDING: AtomicBool = AtomicBool::new(false);

/// Follows the changes of the filter from now on.
pub(super) fn follow() {
    static FOLLOWING: OnceLock<Dispatch> = OnceLock::new();
    FOLLOWING.get_or_init(|| {
        set_follower(changed);
        Dispatch::new(Anchor)
    });
}

/// The answers are old.
fn changed() {
    /// Also if another subscriber panics.
    struct Rebuilding;
    impl Drop for Rebuilding {
        fn drop(&mut self) {
            // Acquire: pairs with the release of a thread that has left its change to this one. Release: below.
            REBUILDING.swap(false, Ordering::AcqRel);
        }
    }
    // Relaxed: ordered by the swaps.
    CHANGES.fetch_add(1, Ordering::Relaxed);
    loop {
        // Acquire, release: a thread that finds it true leaves its change to that one, which looks again after its own
        // swap. No thread waits: it may be that very thread, in another subscriber's code.
        if REBUILDING.swap(true, Ordering::AcqRel) {
            return;
        }
        let rebuilding = Rebuilding;
        let seen = CHANGES.load(Ordering::Relaxed);
        rebuild_interest_cache();
        drop(rebuilding);
        if CHANGES.load(Ordering::Relaxed) == seen {
            return;
        }
    }
}

/// Whether the filter lets such records through.
pub(super) fn is_logged(metadata: &Metadata<'_>) -> bool {
    let level = level_of(*metadata.level());
    GATE.allows(level, metadata.target()) || is_any_logged(metadata, level)
}

/// Whether the filter lets through such records of some target, if the statement stands for those of all targets.
fn is_any_logged(metadata: &Metadata<'_>, level: Level) -> bool {
    from_log::is_from_log(metadata) && GATE.max_level() >= Some(level)
}

/// The answer for a statement, until the filter changes.
pub(super) fn interest(metadata: &Metadata<'_>) -> Interest {
    if is_logged(metadata) { Interest::always() } else { Interest::never() }
}

/// The least urgent level that any target is logged of.
pub(super) fn max_level() -> LevelFilter {
    match GATE.max_level() {
        None => LevelFilter::OFF,
        Some(Level::Error) => LevelFilter::ERROR,
        Some(Level::Warn) => LevelFilter::WARN,
        Some(Level::Info) => LevelFilter::INFO,
        Some(Level::Debug) => LevelFilter::DEBUG,
        Some(Level::Trace) => LevelFilter::TRACE,
    }
}

/// A subscriber that takes nothing, and answers as the bridge does.
///
/// While there is only one subscriber, `tracing` asks the one of the thread that makes the answers anew. That thread
/// may have none, if the only one is a scoped one of another thread. With two it asks all of them.
struct Anchor;

impl ::tracing_core::Subscriber for Anchor {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        interest(metadata)
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(max_level())
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
