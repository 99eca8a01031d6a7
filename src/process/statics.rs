//! The state of the process and of each thread: all of kymo's statics and thread-locals that
//! change, in one place.
//!
//! | static | what it is | written by | read by |
//! | --- | --- | --- | --- |
//! | [`GATE`] | the levels and targets that are logged | start, shutdown, a change of the filter, exit | each statement |
//! | [`FILTERS`] | whose filter that is | the same | |
//! | [`RUNNING`] | the running logger | start, shutdown, exit, fork | a thread's first call |
//! | [`TURN`] | the lock that start and shutdown hold | start, shutdown, exit, fork | |
//! | [`LATEST`] | the logger that `exit` ends | start | exit |
//! | [`ORPHANS`] | rings that outlived their logger | shutdown | `unlogged` |
//! | [`UNLOGGED`] | calls that found no logger | calls | `unlogged` |
//! | [`SIGNALS`], [`HANGUP`] | what signal handlers have to know | start | signal handlers |
//! | [`GENERATION`] | forks between this process and the first | a forked child | owners of memory |
//! | [`PRIVATE`] | descriptors that a forked child closes | files | a forked child |
//! | [`CURSOR`] | where the thread's next record goes | the thread | its calls |
//! | [`OWNED`], [`STATE`] | the thread's producer, and what it shares | the thread | its calls |
//! | [`INSIDE`] | how deep the thread is inside the logger | the thread | its calls |
//!
//! Some more are private to one file, and no lock is ever held on them: `clock::COARSE`, the table of mappings of
//! `segment::guard`, the scratch buffer of `argument::eager`, the tables of `statement::made` (4,096 call sites, found
//! without a lock; what a thread has found lately), the list of rates of `statement::rate` and which counter a thread
//! uses there, the rate of ticks of `clock::stopwatch`, and the word of `logger::panics` that says whether the hook is
//! set. With the feature `log`, these are the logger and the counter of `bridge::log`, too. With the feature `tracing`,
//! these are the table of `bridge::tracing::sites`, the slots of open spans and the spans that a thread has entered
//! (`span`), and what `interest` has to remember. `filter::setting` has the function that follows changes of the
//! filter, which is called without a lock.
//!
//! # Order of locks
//!
//! A thread that holds one of these takes only those that follow it:
//!
//! 1. `TURN`
//! 2. `LATEST`
//! 3. `ORPHANS`
//! 4. a logger's own: its registry, its log, its side file, its files of crash-proof rings, its filter
//! 5. `FILTERS`
//!
//! A fork takes the first three and the last in this order (`logger::fork`). A log call takes none of them; its
//! slow path takes those of 4, one at a time. A signal handler takes none.
//!
//! This file names types of folders above it and calls nothing of them: that is the price of one
//! place.

use std::cell::Cell;
use std::ptr;
use std::time::Duration;

use crate::crash::signals::SignalTarget;
use crate::crash::signals::hangup::HangupTarget;
use crate::filter::gate::Gate;
use crate::filter::setting::Filters;
use crate::process::published::Published;
use crate::ring::cursor::Cursor;
#[cfg(not(kymo_loom))]
use crate::ring::cursor::NOWHERE;
use crate::shared::Shared;
use crate::shared::orphans::Orphan;
use crate::shared::state::RingState;
use crate::sync::Arc;
use crate::sync::statics::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Mutex};
use crate::thread::producer::Producer;

/// What each log statement looks at first. Everything passes while there is no logger, in order to be counted.
#[cfg(not(kymo_loom))]
pub(crate) static GATE: Gate = Gate::new();
/// What each log statement looks at first, in which models have no part.
#[cfg(kymo_loom)]
pub(crate) static GATE: std::sync::LazyLock<Gate> = std::sync::LazyLock::new(Gate::new);

/// Whose filter is in the gate, and filters that calls may still use.
pub(crate) static FILTERS: Mutex<Filters> = Mutex::new(Filters::new());

/// The logger that runs in this process.
#[cfg(not(kymo_loom))]
pub(crate) static RUNNING: Published<Shared> = Published::new();
/// The logger that runs in this process, in which models have no part.
#[cfg(kymo_loom)]
pub(crate) static RUNNING: std::sync::LazyLock<Published<Shared>> =
    std::sync::LazyLock::new(Published::new);

/// Held through all that starting or ending a logger takes: other loggers wait. Log calls never do.
pub(crate) static TURN: Mutex<()> = Mutex::new(());

/// The logger that was started last, and for how long `exit` may be delayed by it.
pub(crate) static LATEST: Mutex<Option<(Arc<Shared>, Duration)>> = Mutex::new(None);

/// The rings that are left of loggers that were shut down.
pub(crate) static ORPHANS: Mutex<Vec<Orphan>> = Mutex::new(Vec::new());

/// How many calls there were while no logger ran.
pub(crate) static UNLOGGED: AtomicU64 = AtomicU64::new(0);

/// The last logger with handlers of signals, whether it runs or not; null before the first.
pub(crate) static SIGNALS: AtomicPtr<SignalTarget> = AtomicPtr::new(ptr::null_mut());

/// The last logger that reopens its log on `SIGHUP`; null before the first.
pub(crate) static HANGUP: AtomicPtr<HangupTarget> = AtomicPtr::new(ptr::null_mut());

/// How many forks lie between this process and the one that started first.
pub(crate) static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The descriptors of `Private` files, or -1. (A log has three, and a logger up to 64 logs.)
pub(crate) static PRIVATE: [AtomicI32; 256] = [const { AtomicI32::new(-1) }; 256];

/// Where the cursor of a thread without a ring points. (loom has no statics.)
#[cfg(kymo_loom)]
pub(crate) const NO_CURSOR: *const Cursor = ptr::null();
/// Where the cursor of a thread without a ring points.
#[cfg(not(kymo_loom))]
pub(crate) const NO_CURSOR: *const Cursor = &raw const NOWHERE;

thread_local! {
    /// This thread's cursor, which lives until the thread makes another ring, or ends: longer than
    /// it is set here, if a signal handler finds out that the logger has ended.
    pub(crate) static CURSOR: Cell<*const Cursor> = const { Cell::new(NO_CURSOR) };

    /// This thread's producer, used by a call or not; null where there is none.
    pub(crate) static OWNED: Cell<*mut Producer> = const { Cell::new(ptr::null_mut()) };

    /// What it shares with the consumer, which may be looked at while a call uses the producer.
    pub(crate) static STATE: Cell<*const RingState> = const { Cell::new(ptr::null()) };

    /// How deep this thread is inside the logger: see `process::inside`.
    pub(crate) static INSIDE: Cell<u32> = const { Cell::new(0) };
}
