//! Loom models of kymo: all interleavings of small stories, on the code that ships.
//!
//! ```text
//! RUSTFLAGS="--cfg kymo_loom" cargo test -p kymo-loom-tests --release --target-dir target/loom
//! ```
//!
//! Without the cfg the crate is empty. The target directory of their own keeps the models from
//! rebuilding everything else each time.
//!
//! `KYMO_LOOM_PREEMPTIONS` is how often in a story a thread may be stopped where it does not wait:
//! 3 unless set; `unbounded` explores everything. With `--nocapture` each model says how many
//! interleavings it took.
//!
//! One file for each part of kymo, one function for each story. A story is followed by its negative
//! twins, which run it with one line of kymo broken (`kymo::loom_export::twin::Twin` says which)
//! and pass only if the model fails, in the way they expect.
//!
//! What loom cannot show: what rtrb itself does (see `ring::model`, and the property tests that
//! hold it against rtrb), and reorderings of relaxed accesses within a thread.
#![cfg(kymo_loom)]
#![cfg(test)]

mod ring;
// To come with the code they model: registration during a sweep (`registry`), flush, shutdown,
// sleep and wake.

use kymo::loom_export::twin::{Twin, breaking};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Runs a story in all its interleavings.
fn check(name: &str, story: impl Fn() + Send + Sync + 'static) {
    let (begin, runs) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    explore(Arc::clone(&runs), story);
    println!("{name}: {} interleavings in {:.1?}", runs.load(Ordering::Relaxed), begin.elapsed());
}

/// Runs a story with one place broken, and insists that loom finds an interleaving that panics with
/// `message`.
fn must_fail(place: Twin, message: &str, story: impl Fn() + Send + Sync + 'static) {
    let runs = Arc::new(AtomicUsize::new(0));
    let attempt = AssertUnwindSafe(|| explore(Arc::clone(&runs), story));
    let Err(panic) = breaking(place, || catch_unwind(attempt)) else {
        panic!("{place:?} is broken, and the model does not notice");
    };
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("something that is no text");
    assert!(said.contains(message), "{place:?} fails, but not with {message:?}: {said}");
    println!("{place:?}: noticed after {} interleavings", runs.load(Ordering::Relaxed));
}

fn explore(runs: Arc<AtomicUsize>, story: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = match std::env::var("KYMO_LOOM_PREEMPTIONS").as_deref() {
        Ok("unbounded") => None,
        Ok(bound) => Some(bound.parse().expect("KYMO_LOOM_PREEMPTIONS: a number or `unbounded`")),
        Err(_) => Some(3),
    };
    model.check(move || {
        runs.fetch_add(1, Ordering::Relaxed);
        story();
    });
}
