//! A logger's filter: the lasting one, and one that goes back by itself.

use std::sync::MutexGuard;
use std::time::Duration;

use crate::clock::nanoseconds;
use crate::filter::compiled::COMPILED;
use crate::filter::{Filter, ParseFilterError};
use crate::level::Level;
use crate::process::inside::Locked;
use crate::process::own_thread;
use crate::process::statics::{FILTERS, GATE};
use crate::sync::Arc;
use crate::sync::statics::{AtomicU64, Mutex, OnceLock, Ordering, PoisonError};

/// Whose filter is in the gate of the process.
#[derive(Debug)]
pub(crate) struct Filters {
    /// A number of the logger; 0 without one.
    owner: usize,
    /// Filters that were replaced. A call may have the last handle of one, and is not to free it: it may be a signal
    /// handler.
    replaced: Vec<Arc<Filter>>,
    /// The least urgent level that any target is logged of.
    max: Option<Level>,
    /// Is told of each change of `max`.
    follower: Option<fn(Option<Level>)>,
}

impl Filters {
    /// There is no logger.
    pub(crate) const fn new() -> Self {
        Self { owner: 0, replaced: Vec::new(), max: Some(Level::Trace), follower: None }
    }

    fn set(&mut self, filter: Filter) {
        let max = filter.max_level();
        self.replaced.retain(|it| Arc::strong_count(it) > 1);
        self.replaced.extend(GATE.set(filter));
        self.tell(max);
    }

    /// Has `follower` told of the least urgent level that any target is logged of: now, and when it changes.
    #[cfg(feature = "log")]
    pub(crate) fn follow(&mut self, follower: fn(Option<Level>)) {
        self.follower = Some(follower);
        self.tell(self.max);
    }

    fn tell(&mut self, max: Option<Level>) {
        self.max = max;
        if let Some(follower) = self.follower {
            follower(max);
        }
    }

    /// Forgets the parent's logger, in the child of a fork: threads that do not exist there may use its filters.
    pub(crate) fn forget(&mut self) {
        self.owner = 0;
        std::mem::forget(std::mem::take(&mut self.replaced));
        self.tell(Some(Level::Trace));
    }

    /// Lets everything pass, in order to be counted.
    pub(crate) fn open(&mut self) {
        self.owner = 0;
        GATE.open();
        self.tell(Some(Level::Trace));
    }
}

/// What has to be told of each change, when no lock is held any more.
static FOLLOWER: OnceLock<fn()> = OnceLock::new();

/// Has `follower` called after each change of the filter, without a lock of kymo's.
#[cfg(feature = "tracing")]
pub(crate) fn set_follower(follower: fn()) {
    // There is one.
    let _ = FOLLOWER.set(follower);
}

/// To be called after a change of the filter, without a lock.
pub(crate) fn tell_follower() {
    if let Some(follower) = FOLLOWER.get() {
        follower();
    }
}

/// As [`tell_follower`], for the consumer: the follower may run code of others, which may wait for the consumer.
pub(crate) fn tell_follower_elsewhere() {
    if let Some(follower) = FOLLOWER.get() {
        // If there is no thread to be had, the next change tells.
        let _ = own_thread::spawn("kymo-filter", *follower);
    }
}

/// The filter of a logger.
#[derive(Debug)]
pub(crate) struct Setting {
    state: Mutex<State>,
    /// Until when the temporary filter is in force, by the monotonic clock. The greatest number: there is none.
    until_ns: AtomicU64,
}

#[derive(Debug)]
struct State {
    max_level: Level,
    lasting: Filter,
    temporary: Option<Filter>,
    /// What was left out, until somebody is told.
    wrong: Vec<WrongDirective>,
    /// Whether the temporary filter was commanded from outside.
    is_commanded: bool,
    /// What was commanded from outside, and what its end was, until somebody is told.
    commanded: Vec<Commanded>,
}

/// How many changes are kept until somebody is told. Of more, the oldest are not told.
const MOST_COMMANDED: usize = 64;

/// A filter that was commanded from outside the program, or is in force again when such a one has ended.
#[derive(Clone, Debug)]
pub(crate) struct Commanded {
    pub(crate) filter: Filter,
    /// For how long, if that is limited.
    pub(crate) duration: Option<Duration>,
}

/// A directive in the environment that was left out of the filter.
#[derive(Clone, Debug)]
pub(crate) struct WrongDirective {
    /// The name of the variable.
    pub(crate) variable: String,
    pub(crate) error: ParseFilterError,
}

impl State {
    /// What statements are to be asked for.
    fn in_force(&self) -> Filter {
        self.temporary.as_ref().unwrap_or(&self.lasting).clone().capped(self.max_level)
    }

    /// Keeps a change to be told.
    fn note(&mut self, commanded: Commanded) {
        if self.commanded.len() == MOST_COMMANDED {
            self.commanded.remove(0);
        }
        self.commanded.push(commanded);
    }
}

impl Setting {
    pub(crate) fn new(max_level: Level, filter: Filter, wrong: Vec<WrongDirective>) -> Self {
        let state = State {
            max_level,
            lasting: filter,
            temporary: None,
            wrong,
            is_commanded: false,
            commanded: Vec::new(),
        };
        Self { state: Mutex::new(state), until_ns: AtomicU64::new(u64::MAX) }
    }

    fn state(&self) -> Locked<MutexGuard<'_, State>> {
        // Nothing under this lock panics.
        Locked::by(|| self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The state, if no other thread has it: for the consumer, which may run in a signal handler that interrupted the
    /// one who has it.
    fn try_state(&self) -> Option<Locked<MutexGuard<'_, State>>> {
        self.state.try_lock().ok().map(|guard| Locked::by(|| guard))
    }

    /// Returns what is wrong in the environment, once. For the consumer.
    pub(crate) fn take_wrong(&self) -> Vec<WrongDirective> {
        self.try_state().map(|mut state| std::mem::take(&mut state.wrong)).unwrap_or_default()
    }

    /// Returns what was commanded from outside, once. For the consumer.
    pub(crate) fn take_commanded(&self) -> Vec<Commanded> {
        self.try_state().map(|mut state| std::mem::take(&mut state.commanded)).unwrap_or_default()
    }

    /// The filter that is in force.
    pub(crate) fn filter(&self) -> Filter {
        let state = self.state();
        state.temporary.as_ref().unwrap_or(&state.lasting).clone()
    }

    /// How long the filter that is in force is there, if that is limited.
    #[cfg(feature = "control")]
    pub(crate) fn ends_in(&self, now_ns: u64) -> Option<std::time::Duration> {
        // Relaxed: a time to look at.
        let until_ns = self.until_ns.load(Ordering::Relaxed);
        (until_ns != u64::MAX)
            .then(|| std::time::Duration::from_nanos(until_ns.saturating_sub(now_ns)))
    }

    /// Whether this logger logs records of this level and target. For the consumer.
    pub(crate) fn allows(&self, level: Level, target: &str) -> bool {
        let in_force = |state: &State| state.in_force().allows(level, target);
        level as u8 <= COMPILED && self.try_state().is_none_or(|state| in_force(&state))
    }

    /// Sets the filter for good.
    pub(crate) fn set(&self, filter: Filter) {
        let change = |state: &mut State| {
            (state.lasting, state.temporary, state.is_commanded) = (filter, None, false);
        };
        self.change(change, u64::MAX);
    }

    /// Sets the filter for a while.
    pub(crate) fn set_for(&self, filter: Filter, duration: Duration, now_ns: u64) {
        let until_ns = now_ns.saturating_add(nanoseconds(duration));
        let change = |state: &mut State| {
            (state.temporary, state.is_commanded) = (Some(filter), false);
        };
        self.change(change, until_ns);
    }

    /// Sets the filter, for good or for a while, by a command from outside the program. That is to be told.
    #[cfg(feature = "control")]
    pub(crate) fn command(&self, filter: Filter, duration: Option<Duration>, now_ns: u64) {
        let until_ns = duration.map(|duration| now_ns.saturating_add(nanoseconds(duration)));
        let change = |state: &mut State| {
            state.note(Commanded { filter: filter.clone(), duration });
            state.is_commanded = duration.is_some();
            match duration {
                Some(_) => state.temporary = Some(filter),
                None => (state.lasting, state.temporary) = (filter, None),
            }
        };
        self.change(change, until_ns.unwrap_or(u64::MAX));
    }

    /// Sets the least urgent level that is logged, whatever the filter says.
    pub(crate) fn set_max_level(&self, level: Level) {
        // Relaxed: it is changed under the lock only, and read here to be stored again.
        let mut state = self.state();
        state.max_level = level;
        self.apply(&state);
        drop(state);
        tell_follower();
    }

    /// Takes the temporary filter back, if its time is over.
    #[inline]
    pub(crate) fn look(&self, now_ns: u64) {
        // Relaxed: looked at again, under the lock.
        if now_ns >= self.until_ns.load(Ordering::Relaxed) {
            self.end_temporary(now_ns);
        }
    }

    #[cold]
    fn end_temporary(&self, now_ns: u64) {
        // If another thread has it, the next look does this.
        let Some(mut state) = self.try_state() else { return };
        // Relaxed: changed under the lock only.
        if now_ns >= self.until_ns.load(Ordering::Relaxed) {
            self.until_ns.store(u64::MAX, Ordering::Relaxed);
            state.temporary = None;
            if std::mem::take(&mut state.is_commanded) {
                let filter = state.lasting.clone();
                state.note(Commanded { filter, duration: None });
            }
            self.apply(&state);
            drop(state);
            tell_follower_elsewhere();
        }
    }

    fn change(&self, change: impl FnOnce(&mut State), until_ns: u64) {
        let mut state = self.state();
        change(&mut state);
        // Relaxed: changed under the lock only, and looked at again there.
        self.until_ns.store(until_ns, Ordering::Relaxed);
        self.apply(&state);
        drop(state);
        tell_follower();
    }

    /// Has statements ask for this filter, if this logger is the one that runs.
    fn apply(&self, state: &State) {
        let filter = state.in_force();
        let mut filters = FILTERS.lock().unwrap_or_else(PoisonError::into_inner);
        if filters.owner == self.number() {
            filters.set(filter);
        }
    }

    /// Begins: this logger runs.
    pub(crate) fn begin(&self) {
        let state = self.state();
        let mut filters = FILTERS.lock().unwrap_or_else(PoisonError::into_inner);
        filters.owner = self.number();
        filters.set(state.in_force());
    }

    /// Ends: without a logger everything passes, in order to be counted.
    pub(crate) fn end(&self) {
        let mut filters = FILTERS.lock().unwrap_or_else(PoisonError::into_inner);
        if filters.owner == self.number() {
            filters.open();
        }
    }

    /// No other logger that is there has it.
    fn number(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}
