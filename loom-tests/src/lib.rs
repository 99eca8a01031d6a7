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
//! mutants, which run it with one line of kymo broken (`kymo::loom_export::mutant::Mutant` says which)
//! and pass only if the model fails, in the way they expect.
//!
//! What loom cannot show: reorderings of relaxed accesses within a thread. It also leaves
//! interleavings out where a thread loads an atomic before it writes it, because it remembers only
//! the last access to each; a story is better told so that such a thread comes first.
#![cfg(kymo_loom)]
#![cfg(test)]

mod control;
mod drops;
mod dump;
mod exit;
mod published;
mod recorder;
mod registry;
mod ring;
mod shutdown;
mod signal;

use kymo::loom_export::mutant::{Mutant, breaking};
use std::any::type_name;
use std::panic;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Runs a story in all its interleavings.
fn check(name: &str, story: impl Fn() + Send + Sync + 'static) {
    let (begin, runs) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    explore(Arc::clone(&runs), story);
    println!("{name}: {} interleavings in {:.1?}", runs.load(Ordering::Relaxed), begin.elapsed());
}

/// Runs a story with one place broken after the other, and insists each time that loom finds an
/// interleaving that panics with the message. `test` is the test that calls this.
///
/// Each mutant is a process of its own, which ends where it panics. To unwind instead is not possible
/// everywhere: loom drops what the model's other threads have on their stacks, and aborts where
/// that has a destructor which is part of the model.
fn must_fail<T: Fn()>(_test: T, story: fn(), mutants: &[(Mutant, &str)]) {
    if let Ok(mutant) = std::env::var(MUTANT) {
        let (place, _) = mutants[mutant.parse::<usize>().expect("the index of a mutant")];
        return fail(place, story);
    }
    let (_, test) = type_name::<T>().split_once("::").expect("a path in this crate");
    for (index, (place, message)) in mutants.iter().enumerate() {
        let mut mutant = Command::new(std::env::current_exe().expect("this program's path"));
        mutant.args([test, "--exact", "--nocapture"]).env(MUTANT, index.to_string());
        let mutant = mutant.output().expect("this program runs");
        let said = String::from_utf8_lossy(&mutant.stdout);
        assert_ne!(mutant.status.code(), Some(0), "{place:?}: the model does not notice\n{said}");
        assert_eq!(mutant.status.code(), Some(PANICKED), "{place:?}: {said}");
        assert!(said.contains(message), "{place:?} fails, but not with {message:?}: {said}");
        let runs = said.lines().find(|line| line.starts_with("noticed"));
        println!("{place:?}: {}", runs.unwrap_or_default());
    }
}

/// The variable that tells a process which mutant it is.
const MUTANT: &str = "KYMO_LOOM_MUTANT";

/// How a mutant ends that panicked.
const PANICKED: i32 = 42;

fn fail(place: Mutant, story: fn()) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    panic::set_hook(Box::new(move |info| {
        let said = info.payload();
        let said = said
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| said.downcast_ref::<&str>().copied())
            .unwrap_or("something that is no text");
        println!("\nnoticed after {} interleavings\n{said}", runs.load(Ordering::Relaxed));
        std::process::exit(PANICKED);
    }));
    breaking(place, || explore(counted, story));
}

fn explore(runs: Arc<AtomicUsize>, story: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    // A sweep looks at 30 counters of drops.
    model.max_branches = 5_000;
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
