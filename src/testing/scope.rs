//! Scopes: whose records a thread logs at the time.
//!
//! A thread that enters a scope or leaves it logs a mark, which has the number of the scope from now on. Records of a
//! thread are read in their order, so the marks say of each to which scope it belongs:
//!
//! ```text
//! a thread's log:   record │ mark 7 │ record │ record │ mark 0 │ record
//! scope:            none            │ 7      │ 7               │ none
//! ```
//!
//! - INV-1: no mark is lost. The logger of tests waits for room without a limit, and marks pass no filter.
//! - INV-2: numbers are not used again, so that a mark means one scope.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use crate::argument::{Argument, Arguments};
use crate::call::log_many;
use crate::level::Level;
use crate::statement::call_site::{CallSite, Location};

/// The number of no scope.
pub(super) const NONE: u64 = 0;

/// The target of marks.
pub(super) const TARGET: &str = "kymo::testing::mark";

/// The name of a mark's argument.
pub(super) const SCOPE: &str = "scope";

static MARK: CallSite = CallSite::new(
    Level::Error,
    Location {
        target: TARGET,
        module: module_path!(),
        file: file!(),
        line: line!(),
        column: 0,
        format: "{scope}",
        names: &[SCOPE],
    },
    <(u64, ()) as Arguments>::TYPES,
);

/// In which scope each scope was made, by its number less one.
static PARENTS: Mutex<Vec<u64>> = Mutex::new(Vec::new());

thread_local! {
    static CURRENT: Cell<u64> = const { Cell::new(NONE) };
}

/// The scope in which this thread is.
pub(super) fn current() -> u64 {
    CURRENT.get()
}

/// Goes on in a scope. Returns the one in which the thread was.
pub(super) fn switch(id: u64) -> u64 {
    let previous = CURRENT.replace(id);
    if previous != id {
        log_many::log_to(&MARK, (id.capture(), ()));
    }
    previous
}

/// Whether a scope is another one, or was made within that.
pub(super) fn is_within(mut scope: u64, outer: u64) -> bool {
    let parents = PARENTS.lock().unwrap_or_else(PoisonError::into_inner);
    while scope != NONE && scope != outer {
        // Its parent is older, so this ends.
        scope = parents.get(scope as usize - 1).copied().unwrap_or(NONE);
    }
    scope == outer
}

/// The scope of a capture, made by [`Capture::handle`](super::Capture::handle). It may outlive the capture; what is
/// logged in it then is for nobody.
#[derive(Clone, Debug)]
pub struct Scope {
    id: u64,
}

impl Scope {
    /// A new scope, made in this one.
    pub(super) fn within(parent: u64) -> Self {
        let mut parents = PARENTS.lock().unwrap_or_else(PoisonError::into_inner);
        parents.push(parent);
        Self { id: parents.len() as u64 }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Calls `f`. What it logs is captured.
    pub fn scope<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Back(u64);
        impl Drop for Back {
            fn drop(&mut self) {
                switch(self.0);
            }
        }
        let _back = Back(switch(self.id));
        f()
    }

    /// Returns a function that calls `f` in this scope, for another thread.
    pub fn wrap<R, F: FnOnce() -> R>(&self, f: F) -> impl FnOnce() -> R + use<R, F> {
        let scope = self.clone();
        move || scope.scope(f)
    }

    /// Returns a future that is polled in this scope, wherever that happens.
    pub fn scope_future<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        ScopedFuture { scope: self.clone(), future: Some(Box::pin(future)) }
    }
}

/// A future that is polled, and dropped, in a scope.
struct ScopedFuture<F> {
    scope: Scope,
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for ScopedFuture<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { scope, future } = &mut *self;
        let future = future.as_mut().expect("it is there until this is dropped");
        scope.scope(|| future.as_mut().poll(context))
    }
}

impl<F> Drop for ScopedFuture<F> {
    fn drop(&mut self) {
        let future = self.future.take();
        self.scope.scope(|| drop(future));
    }
}
