//! Statements with a rate: which of their records are logged, and how many were suppressed.
//!
//! A suppressed call has to be cheaper than a record, and its arguments are not evaluated. Therefore no two threads
//! count in the same place. The basic idea: a statement has a few counters, each in a cache line of its own, and a
//! thread always uses the same one.
//!
//! ```text
//!  the statement: a static word ──> Rate    told: how many suppressed records the log knows of
//!                                    ├ counter 0   ◀── threads 0, 16, 32 …
//!                                    ├ counter 1   ◀── threads 1, 17, 33 …
//!                                    └ …
//! ```
//!
//! - INV-1: a counter only grows, and how many records it suppressed follows from it alone. So the sum over a
//!   statement's counters is the number of its suppressed records.
//! - INV-2: `told` only grows, by compare-and-swap, up to a sum that was read. So each suppressed record is told once:
//!   by a record of the statement that is logged later, or by the consumer ([`outstanding`]).
//! - INV-3: what the consumer walks is on the heap, and is never freed. A statement may be in a library that was
//!   unloaded.
//!
//! Rejected: one counter for each statement and thread, which could be stepped by a plain store. The consumer could not
//! find those of threads that have ended without a list of them, and a signal handler could lose a step.

use std::cell::Cell;
use std::ptr;
use std::time::Duration;

use crate::clock::nanoseconds;
use crate::clock::stopwatch;
use crate::format::Purpose;
use crate::format::types::Type;
use crate::level::Level;
use crate::process::inside::Inside;
use crate::statement::call_site::{CallSite, Location, TypeList};
use crate::statement::run_time::as_format;
use crate::sync::statics::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// How many counters a statement has.
const COUNTERS: usize = 16;

/// How long a statement logs nothing before the consumer says how many records it has suppressed, in nanoseconds.
const SILENCE_NS: u64 = 10_000_000_000;

/// All rates, the newest first.
static RATES: AtomicPtr<Rate> = AtomicPtr::new(ptr::null_mut());

/// How many threads have chosen a counter.
static THREADS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// The number of this thread's counters, plus one; 0 if it has not chosen.
    static COUNTER: Cell<u32> = const { Cell::new(0) };
}

/// The argument of the records that say how many were suppressed.
const COUNT: TypeList = TypeList { first: Type::U64, rest: None };

/// The rate of a statement, which the statement has as a static.
#[derive(Debug)]
pub struct RateSite(AtomicPtr<Rate>);

/// Which records are logged.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// Each so many of those that a counter has counted.
    EveryN(u64),
    /// The first, the second, the fourth and so on of those that a counter has counted.
    EveryPow2,
    /// The counters have those that were suppressed, and no others.
    Counted,
}

#[derive(Debug)]
struct Rate {
    rule: Rule,
    /// Whose records say what is outstanding.
    site: CallSite,
    /// How many records were let through, up to the limit of `first`.
    passed: AtomicU64,
    /// When the last one was, in ticks of the stopwatch; 0 if there was none.
    last: AtomicU64,
    /// How many suppressed records a record has told.
    told: AtomicU64,
    /// The consumer's own: `told` when it last looked, and since when that has been so; 0 if nothing is outstanding.
    seen: AtomicU64,
    since_ns: AtomicU64,
    next: AtomicPtr<Rate>,
    counters: [CacheLine; COUNTERS],
}

#[derive(Debug)]
#[repr(align(64))]
struct CacheLine(AtomicU64);

impl RateSite {
    /// The rate of a statement that was not reached yet.
    #[expect(clippy::new_without_default, reason = "a static is made of it")]
    pub const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    #[inline(always)]
    fn get(&self, rule: Rule, level: Level, location: &Location) -> Option<&'static Rate> {
        // Acquire: pairs with the release in `make`. What it leads to is whole.
        let rate = self.0.load(Ordering::Acquire);
        if rate.is_null() {
            return self.make(rule, level, location);
        }
        // SAFETY: INV-3: made by `Box::leak`.
        Some(unsafe { &*rate })
    }

    /// Makes the rate. `None` if that is not possible here: inside the logger, or the allocator.
    #[cold]
    #[inline(never)]
    fn make(&self, rule: Rule, level: Level, location: &Location) -> Option<&'static Rate> {
        if Inside::is_here() {
            return None;
        }
        let _inside = Inside::enter();
        let made = Box::new(Rate::new(rule, level, location));
        let new = Box::into_raw(made);
        let null = ptr::null_mut();
        // Release: pairs with the acquire in `get`. Acquire on failure: what another thread made is whole.
        match self.0.compare_exchange(null, new, Ordering::Release, Ordering::Acquire) {
            Ok(_) => {
                // SAFETY: it was leaked above, and is never freed from now on.
                let rate = unsafe { &*new };
                rate.enlist();
                Some(rate)
            }
            Err(other) => {
                // SAFETY: made above, and nobody else knows it.
                drop(unsafe { Box::from_raw(new) });
                // SAFETY: INV-3.
                Some(unsafe { &*other })
            }
        }
    }
}

impl Rate {
    fn new(rule: Rule, level: Level, location: &Location) -> Self {
        let leaked = |text: &str| -> &'static str { String::from(text).leak() };
        let location = Location {
            target: leaked(location.target),
            module: leaked(location.module),
            file: leaked(location.file),
            format: leaked(&as_format(location.format)),
            names: &["suppressed"],
            ..*location
        };
        Self {
            rule,
            site: CallSite::new(level, location, Some(&COUNT)).with_purpose(Purpose::Outstanding),
            passed: AtomicU64::new(0),
            last: AtomicU64::new(0),
            told: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            since_ns: AtomicU64::new(0),
            next: AtomicPtr::new(ptr::null_mut()),
            counters: [const { CacheLine(AtomicU64::new(0)) }; COUNTERS],
        }
    }

    fn enlist(&'static self) {
        let mut next = RATES.load(Ordering::Relaxed);
        loop {
            // Relaxed: the exchange publishes it.
            self.next.store(next, Ordering::Relaxed);
            let this = ptr::from_ref(self).cast_mut();
            // Release: pairs with the acquire in `all`.
            match RATES.compare_exchange(next, this, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(newer) => next = newer,
            }
        }
    }

    /// Steps this thread's counter, and returns what it was.
    #[inline(always)]
    fn count(&self) -> u64 {
        let number = match COUNTER.get() {
            0 => choose_counter(),
            number => number,
        };
        // Relaxed: a count, and nothing is read on its account.
        self.counters[number as usize % COUNTERS].0.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns how many records were suppressed so far.
    fn suppressed(&self) -> u64 {
        let of = |counter: &CacheLine| {
            // Relaxed: see `count`. A step that is missed is told later.
            let count = counter.0.load(Ordering::Relaxed);
            match self.rule {
                Rule::EveryN(n) => count - count.div_ceil(n),
                Rule::EveryPow2 => count - u64::from(u64::BITS - count.leading_zeros()),
                Rule::Counted => count,
            }
        };
        self.counters.iter().map(of).fold(0, u64::wrapping_add)
    }

    /// Returns how many records were suppressed that no record has told: the caller's does.
    #[cold]
    fn tell(&self) -> u64 {
        let suppressed = self.suppressed();
        // Relaxed, all: INV-2 is about one number.
        let mut told = self.told.load(Ordering::Relaxed);
        while told < suppressed {
            let swapped =
                self.told.compare_exchange(told, suppressed, Ordering::Relaxed, Ordering::Relaxed);
            match swapped {
                Ok(_) => return suppressed - told,
                Err(newer) => told = newer,
            }
        }
        0
    }
}

#[cold]
fn choose_counter() -> u32 {
    // Relaxed: any number does.
    let number = THREADS.fetch_add(1, Ordering::Relaxed) % COUNTERS as u32 + 1;
    COUNTER.set(number);
    number
}

/// Returns a constant rate.
pub const fn at_least_one(records: u64) -> u64 {
    assert!(records > 0, "a statement with a rate of 0 would log nothing");
    records
}

/// Decides for `every_n`. `Some`: the record is logged, and so many were suppressed before it. (So do those below.)
#[inline(always)]
pub fn every_n(site: &RateSite, n: u64, level: Level, location: &Location) -> Option<u64> {
    let Some(rate) = site.get(Rule::EveryN(n), level, location) else { return Some(0) };
    (rate.count() % n == 0).then(|| rate.tell())
}

/// Decides for `every_pow2`: the first, second, fourth and so on are logged.
#[inline(always)]
pub fn every_pow2(site: &RateSite, level: Level, location: &Location) -> Option<u64> {
    let Some(rate) = site.get(Rule::EveryPow2, level, location) else { return Some(0) };
    (rate.count() + 1).is_power_of_two().then(|| rate.tell())
}

/// Decides for `first` and `once`: the first `limit` are logged.
#[inline(always)]
pub fn first(site: &RateSite, limit: u64, level: Level, location: &Location) -> Option<u64> {
    let Some(rate) = site.get(Rule::Counted, level, location) else { return Some(0) };
    // Relaxed, both: a count. It is written until the limit is reached, and then only read.
    if rate.passed.load(Ordering::Relaxed) < limit
        && rate.passed.fetch_add(1, Ordering::Relaxed) < limit
    {
        return Some(rate.tell());
    }
    rate.count();
    None
}

/// Decides for `at_most`: at most one is logged in so much time.
#[inline]
pub fn at_most(
    site: &RateSite,
    period: Duration,
    level: Level,
    location: &Location,
) -> Option<u64> {
    let Some(rate) = site.get(Rule::Counted, level, location) else { return Some(0) };
    let now = stopwatch::now();
    // Relaxed, both: a time to compare with. It is written when a record is logged.
    let last = rate.last.load(Ordering::Relaxed);
    let is_due = last == 0 || now.ns_since(last).is_none_or(|ns| ns >= nanoseconds(period));
    let ticks = now.ticks.max(1);
    if is_due
        && rate.last.compare_exchange(last, ticks, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    {
        return Some(rate.tell());
    }
    rate.count();
    None
}

/// Calls `tell` for each statement that has suppressed records and has been silent since, with the call site of the
/// record that says so and their number; at most `limit` times. `now_ns`: the monotonic clock, or the greatest number
/// for all that is outstanding. Returns whether there are more.
///
/// Only the consumer calls it.
pub(crate) fn outstanding(
    now_ns: u64,
    limit: usize,
    mut allows: impl FnMut(&CallSite) -> bool,
    mut tell: impl FnMut(&'static CallSite, u64),
) -> bool {
    let mut left = limit;
    for rate in all() {
        // Relaxed, all: INV-2; and the consumer's own.
        let told = rate.told.load(Ordering::Relaxed);
        if rate.suppressed() <= told {
            rate.since_ns.store(0, Ordering::Relaxed);
            continue;
        }
        let since_ns = rate.since_ns.load(Ordering::Relaxed);
        let is_silent = since_ns != 0 && rate.seen.load(Ordering::Relaxed) == told;
        if !is_silent && now_ns != u64::MAX {
            rate.since_ns.store(now_ns.max(1), Ordering::Relaxed);
            rate.seen.store(told, Ordering::Relaxed);
            continue;
        }
        if now_ns.wrapping_sub(since_ns) < SILENCE_NS && now_ns != u64::MAX || !allows(&rate.site) {
            continue;
        }
        if left == 0 {
            return true;
        }
        left -= 1;
        rate.since_ns.store(0, Ordering::Relaxed);
        match rate.tell() {
            0 => {}
            records => tell(&rate.site, records),
        }
    }
    false
}

/// Returns how many records were suppressed in this process.
pub(crate) fn suppressed() -> u64 {
    all().map(Rate::suppressed).fold(0, u64::wrapping_add)
}

/// What the parent has suppressed, the parent tells. In the only thread of a forked child.
pub(crate) fn begin_child() {
    for rate in all() {
        rate.tell();
    }
}

fn all() -> impl Iterator<Item = &'static Rate> {
    // Acquire: pairs with the release in `enlist`.
    let first = RATES.load(Ordering::Acquire);
    // SAFETY: INV-3.
    let first = unsafe { first.as_ref() };
    std::iter::successors(first, |rate| {
        // Acquire: the rate before was enlisted later, so that this one is whole.
        let next = rate.next.load(Ordering::Acquire);
        // SAFETY: INV-3.
        unsafe { next.as_ref() }
    })
}
