//! Tests that look at what they log. Needs the feature `testing`.
//!
//! [`capture`] collects what the calling thread logs, and what threads and tasks log that were given its scope. The
//! assertions are expressions of `kymo cat --where`, over typed values:
//!
//! ```
//! fn check(px: f64) {
//!     if px > 100.0 {
//!         kymo::warn!(target: "risk", "limit exceeded at {px}");
//!     }
//! }
//!
//! let log = kymo::testing::capture();
//! check(101.25);
//! log.assert_contains(r#"level == warn and target == "risk" and px > 100"#);
//! log.assert_not_contains("level == error");
//! log.assert_count(1, r#"message contains "limit""#);
//! ```
//!
//! A test that panics prints its records when the guard is dropped, by `eprint!` and from the test's own thread. So
//! `cargo test` shows them beside that test, and no other test's. A failed assertion shows the records that come
//! nearest to it.
//!
//! Put it into `Cargo.toml` of the program that is tested. Its other builds get nothing of it:
//!
//! ```toml
//! [dev-dependencies]
//! kymo = { version = "0.1", features = ["testing"] }
//! ```
//!
//! # Whose records
//!
//! Tests of a process run in parallel, and share one logger. Each thread says in its log in which scope it is:
//!
//! | what logs | is captured by |
//! | --- | --- |
//! | the thread that called [`capture`] | that capture, until it is dropped |
//! | `log.scope(\|\| …)`, in any thread | `log` |
//! | `thread::spawn(log.wrap(f))`, `pool.spawn(log.wrap(f))` | `log` |
//! | a future, in any thread that polls it: `tokio::spawn(log.scope_future(f))` | `log` |
//! | another thread, which the code under test has made | [`capture_all`] only |
//! | a capture within another one | both |
//!
//! ```
//! use std::thread;
//!
//! let log = kymo::testing::capture();
//! thread::spawn(log.wrap(|| kymo::info!("in a thread"))).join().unwrap();
//! thread::scope(|scope| {
//!     scope.spawn(|| log.scope(|| kymo::info!("in another one")));
//! });
//! log.assert_count(2, r#"message contains "in a""#);
//! ```
//!
//! # What to know
//!
//! - All levels are captured, whatever `KYMO_LOG` says, except those that are compiled out. With the feature `log`, so
//!   is what goes through the crate `log`, unless that has another logger; with `tracing`, what is traced, unless the
//!   process has another subscriber. Events of `tracing` are printed with their spans.
//! - An assertion sees what was logged before it. A thread that may still log is to be joined, or waited for by
//!   [`Capture::wait_for`].
//! - The first capture starts the logger of the process, which then runs until the process ends. It has a file
//!   without a name, in the directory for temporary files. So nothing is left over, however the process ends.
//! - The code under test may start its own logger ([`kymo::Builder::start`](crate::Builder::start), or whatever calls
//!   that). While tests capture, a start makes no file and no thread. It returns a [`Logger`](crate::Logger) that does
//!   nothing, and what is logged goes to the captures. Its options are checked, and have no effect; only
//!   [`panic_hook`](crate::Builder::panic_hook) has.
//! - If a logger of the program runs already, [`capture`] panics and says so. A test that wants a real logger belongs
//!   in another test program than those that capture.
//! - `KYMO_LOG` chooses what is printed of a failing test: `KYMO_LOG=info,hyper=off cargo test`. Default: all of it,
//!   and of more than 1,000 records the last ones.

mod process;
mod query;
mod records;
mod scope;

use std::marker::PhantomData;
use std::sync::MutexGuard;
use std::thread;
use std::time::{Duration, Instant};

use process::Process;
use query::Query;
pub use records::Record;
pub use scope::Scope;

/// How many records a failed assertion shows.
const SHOWN: usize = 3;

/// How often [`Capture::wait_for`] looks.
const PAUSE: Duration = Duration::from_millis(1);

/// What a test logs: made by [`capture`]. Other threads may use it, and only its own may drop it:
///
/// ```compile_fail,E0277
/// let log = kymo::testing::capture();
/// std::thread::spawn(move || drop(log));
/// ```
#[must_use = "what is logged is captured until this is dropped"]
pub struct Capture {
    scope: Scope,
    /// The scope in which the thread was before.
    previous: u64,
    process: &'static Process,
    /// Earlier records are of no interest.
    since_ns: i64,
    /// Whether records of threads that have no scope are taken, too.
    takes_others: bool,
    /// It is dropped in the thread that made it. (A guard is such a type, and may be shared.)
    _same_thread: PhantomData<MutexGuard<'static, ()>>,
}

/// Captures what this thread logs from now on, until the result is dropped: see the [module](self).
///
/// # Panics
/// If a logger of the program runs in this process, or if the directory for temporary files has no room.
#[track_caller]
pub fn capture() -> Capture {
    Capture::new(false)
}

/// Captures as [`capture`] does, and takes also what threads log that are in no scope.
///
/// For code that makes threads of its own. Records of such threads are taken by each test that asks for them: run those
/// tests one at a time, or in programs of their own.
///
/// ```
/// let log = kymo::testing::capture_all();
/// std::thread::spawn(|| kymo::info!("nobody gave me a scope")).join().unwrap();
/// log.assert_contains(r#"message contains "nobody""#);
/// ```
///
/// # Panics
/// As [`capture`] does.
#[track_caller]
pub fn capture_all() -> Capture {
    Capture::new(true)
}

impl Capture {
    #[track_caller]
    fn new(takes_others: bool) -> Self {
        let process = process::get();
        // Before the thread says that it is in the scope.
        let since_ns = process.now_ns();
        let scope = Scope::within(scope::current());
        let previous = scope::switch(scope.id());
        Self { scope, previous, process, since_ns, takes_others, _same_thread: PhantomData }
    }

    /// Calls `f`. What it logs is captured, in whichever thread this is.
    pub fn scope<R>(&self, f: impl FnOnce() -> R) -> R {
        self.scope.scope(f)
    }

    /// Returns a function that calls `f` in this scope, for another thread.
    ///
    /// ```
    /// let log = kymo::testing::capture();
    /// std::thread::spawn(log.wrap(|| kymo::info!("captured"))).join().unwrap();
    /// assert_eq!(log.records().len(), 1);
    /// ```
    pub fn wrap<R, F: FnOnce() -> R>(&self, f: F) -> impl FnOnce() -> R + use<R, F> {
        self.scope.wrap(f)
    }

    /// Returns a future that is polled in this scope, wherever that happens.
    ///
    /// ```
    /// # use std::future::Future;
    /// # fn block_on<F: Future>(future: F) -> F::Output {
    /// #     let mut future = std::pin::pin!(future);
    /// #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// #     loop {
    /// #         if let std::task::Poll::Ready(out) = future.as_mut().poll(&mut context) {
    /// #             return out;
    /// #         }
    /// #     }
    /// # }
    /// let log = kymo::testing::capture();
    /// let task = log.scope_future(async { kymo::info!("in a task") });
    /// std::thread::spawn(|| block_on(task)).join().unwrap();
    /// assert_eq!(log.records().len(), 1);
    /// ```
    pub fn scope_future<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        self.scope.scope_future(future)
    }

    /// Returns the scope, for code that cannot borrow this.
    pub fn handle(&self) -> Scope {
        self.scope.clone()
    }

    /// Returns what was captured so far, in the order of time.
    pub fn records(&self) -> Vec<Record> {
        self.chosen(None)
    }

    /// Returns what was captured so far and fits an expression of `--where`.
    ///
    /// # Panics
    /// If the expression is wrong: the text points at the place.
    #[track_caller]
    pub fn matching(&self, expression: &str) -> Vec<Record> {
        self.chosen(Some(&mut Query::new(expression)))
    }

    fn chosen(&self, mut query: Option<&mut Query>) -> Vec<Record> {
        let mut chosen = Vec::new();
        self.visit(|record| {
            if query.as_mut().is_none_or(|query| query.is_true(record)) {
                chosen.push(Record::new(record));
            }
        });
        chosen
    }

    /// Asserts that a record was captured of which the expression is true.
    ///
    /// # Panics
    /// If there is none: the text has the records that come nearest. If the expression is wrong.
    #[track_caller]
    pub fn assert_contains(&self, expression: &str) {
        let mut query = Query::new(expression);
        if self.chosen(Some(&mut query)).is_empty() {
            self.fail_nearest(expression, &mut query);
        }
    }

    /// Asserts that no record was captured of which the expression is true.
    ///
    /// # Panics
    /// If there is one: the text has it. If the expression is wrong.
    #[track_caller]
    pub fn assert_not_contains(&self, expression: &str) {
        self.assert_count(0, expression);
    }

    /// Asserts how many records were captured of which the expression is true.
    ///
    /// # Panics
    /// If there are more, or fewer: the text has those that there are. If the expression is wrong.
    #[track_caller]
    pub fn assert_count(&self, expected: usize, expression: &str) {
        let mut query = Query::new(expression);
        let found = self.chosen(Some(&mut query));
        if found.is_empty() && expected > 0 {
            self.fail_nearest(expression, &mut query);
        }
        let count = found.len();
        if count != expected {
            let shown = records::list(found.iter().take(SHOWN), count);
            panic!("{count} records fit, and {expected} were expected: {expression}\n{shown}");
        }
    }

    /// Waits until a record was captured of which the expression is true, and returns the first such record.
    ///
    /// For what another thread logs that cannot be joined.
    ///
    /// # Panics
    /// If there is none when the time is over. If the expression is wrong.
    #[track_caller]
    pub fn wait_for(&self, expression: &str, timeout: Duration) -> Record {
        let mut query = Query::new(expression);
        let start = Instant::now();
        loop {
            // Asked before the look, so that there is one after the time is over.
            let is_over = start.elapsed() >= timeout;
            if let Some(first) = self.chosen(Some(&mut query)).into_iter().next() {
                return first;
            }
            if is_over {
                self.fail_nearest(expression, &mut query);
            }
            thread::sleep(PAUSE);
        }
    }

    /// Prints what was captured so far by `eprint!`, as a test that panics does.
    pub fn print(&self) {
        let text = self.with_printed(|text| text.to_owned());
        eprint!("{text}");
    }

    fn with_printed<R>(&self, f: impl FnOnce(&str) -> R) -> R {
        let mut printed = records::Printed::new();
        self.visit(|record| printed.add(record));
        f(&printed.finish())
    }

    /// Visits what was captured so far.
    fn visit(&self, mut visit: impl FnMut(&kymo_reader::Record<'_>)) {
        self.process.visit(self.since_ns, |scope, record| {
            let is_own = match scope {
                scope::NONE => self.takes_others && record.target() != "kymo",
                scope => scope::is_within(scope, self.scope.id()),
            };
            if is_own {
                visit(record);
            }
        });
    }

    /// Panics with the records that come nearest to an expression that is true of none.
    #[track_caller]
    fn fail_nearest(&self, expression: &str, query: &mut Query) -> ! {
        let mut nearest = query::Nearest::default();
        self.visit(|record| nearest.add(query, record));
        panic!("no record fits: {expression}\n{}", nearest.text(query, SHOWN));
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if thread::panicking() {
            self.print();
        }
        scope::switch(self.previous);
    }
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture").field("scope", &self.scope).finish_non_exhaustive()
    }
}
