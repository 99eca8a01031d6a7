//! Loom models of kymo: all interleavings of small stories, on the code that ships.
//!
//! ```text
//! RUSTFLAGS="--cfg kymo_loom" cargo test -p kymo-loom-tests --release --target-dir target/loom
//! ```
//!
//! Without the cfg the crate is empty. The models have a target directory of their own, because the
//! cfg would rebuild everything else each time.
//!
//! `KYMO_LOOM_PREEMPTIONS` limits how often a story may stop a thread that does not wait. The
//! default is 3; `unbounded` explores everything. With `--nocapture` each model prints the number
//! of its interleavings.
//!
//! There is one file for each part of kymo, and one function for each story. A story is followed by
//! its mutants. They run it with one line of kymo broken (`kymo::loom_export::mutant::Mutant` says
//! which), and pass only if the model fails with the expected message.
//!
//! loom has two limits. It does not reorder relaxed accesses within a thread. And it remembers only
//! the last access to each atomic, so it omits interleavings in which a thread loads an atomic
//! before it writes it. A story should let such a thread come first.
#![cfg(kymo_loom)]
#![cfg(test)]

mod console;
mod control;
mod drops;
mod dump;
mod exit;
mod filter;
mod housekeeper;
mod published;
mod recorder;
mod registry;
mod ring;
mod shutdown;
mod signal;
mod slab;
mod table;

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

/// Runs a story once for each mutant. Each time loom must find an interleaving that panics with the
/// message.
///
/// `test` is the test that calls this. Each mutant is a process of its own, which ends when it
/// panics. Unwinding is not possible everywhere: loom drops the stacks of the other threads of the
/// model, and aborts if they hold a destructor that is part of the model.
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

/// The environment variable that names the mutant.
const MUTANT: &str = "KYMO_LOOM_MUTANT";

/// The exit status of a mutant that panicked.
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
