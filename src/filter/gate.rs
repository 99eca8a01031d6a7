//! What a statement looks at before it evaluates its arguments.
//!
//! ```text
//!  gate: one level for all targets?
//!    │ yes                             │ no, there are directives by target
//!    level in force? ── no ──> nothing  the statement's answer is of this filter?
//!    │ yes                              │ yes                    │ no
//!    the call                           logged? ── no ──> nothing  decide, keep the answer
//!                                       │ yes
//!                                       the call
//! ```
//!
//! The answer is kept in a word of the statement: the number of the filter for "logged", that number and 1 for "not
//! logged". Each filter has an even number of its own. So a change of the filter touches no statement, and stops no
//! thread: the first call after it decides.
//!
//! A change stores the filter, then its number. A decision reads the number, then the filter. So it may keep the answer
//! of a newer filter under an older number, which the next call finds to be old; never the other way round.

use crate::filter::Filter;
use crate::filter::compiled::COMPILED;
#[cfg(all(target_arch = "x86_64", not(kymo_loom), not(miri)))]
use crate::filter::gate_x86_64::passes_gate;
use crate::level::Level;
use crate::mutant::{self, Mutant};
use crate::process::published::Published;
use crate::process::statics::GATE;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// The level of a gate that does not decide alone: a level that a statement may have is not more, and the difference is
/// negative as a signed byte. See [`passes`].
const BY_TARGET: u8 = 0xC0;

/// What all statements look at.
#[derive(Debug)]
pub struct Gate {
    pub(super) line: Line,
    /// The filter that has the number; only where there are directives by target.
    filter: Published<Filter>,
}

/// What is read by each call, in a cache line of its own.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Line {
    /// The least urgent level that is logged: 0 for none, or [`BY_TARGET`].
    pub(super) level: AtomicU8,
    /// The number of the filter: even.
    pub(super) number: AtomicU64,
}

/// What is asked about a statement, and the answer.
#[derive(Debug)]
pub struct FilterSite {
    pub(super) answer: AtomicU64,
    level: Level,
    target: &'static str,
}

impl FilterSite {
    /// A statement about which nothing is known.
    #[cfg(not(kymo_loom))]
    pub const fn new(level: Level, target: &'static str) -> Self {
        Self { answer: AtomicU64::new(UNKNOWN), level, target }
    }

    /// A statement about which nothing is known.
    #[cfg(kymo_loom)]
    pub fn new(level: Level, target: &'static str) -> Self {
        Self { answer: AtomicU64::new(UNKNOWN), level, target }
    }
}

/// A statement at each level.
pub type FilterSites = [FilterSite; 5];

/// A statement about which nothing is known, at each level.
#[cfg(not(kymo_loom))]
pub const fn filter_sites(target: &'static str) -> FilterSites {
    let [error, warn, info, debug, trace] = Level::ALL;
    [
        FilterSite::new(error, target),
        FilterSite::new(warn, target),
        FilterSite::new(info, target),
        FilterSite::new(debug, target),
        FilterSite::new(trace, target),
    ]
}

/// A statement about which nothing is known, at each level.
#[cfg(kymo_loom)]
pub fn filter_sites(target: &'static str) -> FilterSites {
    Level::ALL.map(|level| FilterSite::new(level, target))
}

/// An answer of no filter: their numbers are greater.
const UNKNOWN: u64 = 0;

/// The number of the first filter.
const FIRST: u64 = 2;

impl Gate {
    /// A gate without a logger: everything passes, to be counted.
    #[cfg(not(kymo_loom))]
    pub const fn new() -> Self {
        let line = Line { level: AtomicU8::new(Level::Trace as u8), number: AtomicU64::new(FIRST) };
        Self { line, filter: Published::new() }
    }

    /// A gate without a logger: everything passes, to be counted.
    #[cfg(kymo_loom)]
    pub fn new() -> Self {
        let line = Line { level: AtomicU8::new(Level::Trace as u8), number: AtomicU64::new(FIRST) };
        Self { line, filter: Published::new() }
    }

    /// Lets everything pass, to be counted: there is no logger.
    pub fn open(&self) {
        // Relaxed: the level orders nothing. A call that just misses a change of it counts as an earlier one.
        self.line.level.store(Level::Trace as u8, Ordering::Relaxed);
    }

    /// Sets the filter. Returns the one that it replaces, of which calls may still have handles. To be called by one
    /// thread at a time.
    pub fn set(&self, filter: Filter) -> Option<Arc<Filter>> {
        if let Some(max) = filter.for_all() {
            // Relaxed: as in `open`.
            self.line.level.store(max.map_or(0, |level| level as u8), Ordering::Relaxed);
            return None;
        }
        let replaced = self.filter.replace(Arc::new(filter));
        // Relaxed: only this thread changes it.
        let number = self.line.number.load(Ordering::Relaxed) + 2;
        // Release: pairs with the acquire in `decide`. Who reads this number finds this filter, or a newer one.
        self.line.number.store(number, Ordering::Release);
        // Relaxed: as in `open`.
        self.line.level.store(BY_TARGET, Ordering::Relaxed);
        replaced
    }

    /// Forgets the filter in the child of a fork.
    pub fn begin_child(&self) {
        self.filter.forget();
        self.open();
    }

    /// Returns whether a statement is logged.
    #[inline(always)]
    pub fn passes(&self, site: &FilterSite) -> bool {
        // Relaxed: as in `open`.
        match self.line.level.load(Ordering::Relaxed) {
            BY_TARGET => self.passes_by_target(site),
            level => site.level as u8 <= level,
        }
    }

    /// Returns whether a record of this level and target is logged, for callers that have no word to keep the answer.
    /// Never one of a level that is compiled out.
    pub fn allows(&self, level: Level, target: &str) -> bool {
        // Relaxed: as in `open`.
        level as u8 <= COMPILED
            && match self.line.level.load(Ordering::Relaxed) {
                BY_TARGET => self.filter.get().is_none_or(|filter| filter.allows(level, target)),
                most => level as u8 <= most,
            }
    }

    /// Returns the least urgent level that any target is logged of, and that is compiled in.
    #[cfg(feature = "tracing")]
    pub fn max_level(&self) -> Option<Level> {
        let of = |filter: &Filter| filter.max_level().map_or(0, |level| level as u8);
        // Relaxed: as in `open`.
        let level = match self.line.level.load(Ordering::Relaxed) {
            BY_TARGET => self.filter.get().map_or(COMPILED, |filter| of(&filter)),
            level => level,
        };
        Level::ALL.get(usize::from(level.min(COMPILED)).wrapping_sub(1)).copied()
    }

    #[inline(always)]
    fn passes_by_target(&self, site: &FilterSite) -> bool {
        // Relaxed, both: the words say all that is read on their account.
        let number = self.line.number.load(Ordering::Relaxed);
        let answer = site.answer.load(Ordering::Relaxed);
        answer == number || self.passes_otherwise(site, answer)
    }

    /// Whether it is logged, given that its answer is not "logged".
    #[inline(always)]
    fn passes_otherwise(&self, site: &FilterSite, answer: u64) -> bool {
        // Relaxed: as in `passes_by_target`.
        answer != self.line.number.load(Ordering::Relaxed) + 1 && self.decide(site)
    }

    /// Decides, and keeps the answer.
    #[cold]
    #[inline(never)]
    pub(super) fn decide(&self, site: &FilterSite) -> bool {
        // Acquire: pairs with the release in `set`.
        let mut number = self.line.number.load(Ordering::Acquire);
        // There is one since the gate asked for it first.
        let Some(filter) = self.filter.get() else { return true };
        if mutant::broken(Mutant::FilterNumberLate) {
            number = self.line.number.load(Ordering::Acquire);
        }
        let is_logged = filter.allows(site.level, site.target);
        // Relaxed: the word says all that is read on its account.
        site.answer.store(number + u64::from(!is_logged), Ordering::Relaxed);
        is_logged
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns whether a statement of this level is logged.
#[inline(always)]
pub fn passes<const LEVEL: u8>(site: &'static FilterSite) -> bool {
    LEVEL <= COMPILED && passes_gate::<LEVEL>(site)
}

/// Returns whether a statement whose level is known only now is logged. `sites`: one for each level.
#[inline(always)]
pub fn passes_at(level: Level, sites: &'static FilterSites) -> bool {
    level as u8 <= COMPILED && GATE.passes(&sites[level.index()])
}

/// On other processors, two comparisons.
#[cfg(not(all(target_arch = "x86_64", not(kymo_loom), not(miri))))]
#[inline(always)]
fn passes_gate<const LEVEL: u8>(site: &'static FilterSite) -> bool {
    GATE.passes(site)
}
