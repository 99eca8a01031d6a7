//! A thread logs while the filter is changed.

use super::{check, must_fail};
use kymo::Level;
use kymo::loom_export::filter::{FilterSite, Gate};
use kymo::loom_export::mutant::Mutant;
use kymo::loom_export::sync::atomic::{AtomicBool, Ordering};
use kymo::loom_export::sync::thread;
use std::sync::Arc;

const TARGET: &str = "net";

/// One thread has a statement decide while another changes the filter twice. Whoever hears that the change is over
/// finds the last answer, and so does a statement that has kept one.
fn change() {
    let gate = Arc::new(Gate::new());
    let site = Arc::new(FilterSite::new(Level::Debug, TARGET));
    let changed = Arc::new(AtomicBool::new(false));
    let mut kept = Vec::from_iter(gate.set("info,net=debug".parse().unwrap()));
    let logging = thread::spawn({
        let (gate, site, changed) = (gate.clone(), site.clone(), changed.clone());
        move || {
            // Either answer is right, unless the change is over.
            let over = changed.load(Ordering::Acquire);
            let passes = gate.passes(&site);
            assert!(!over || !passes, "an answer of an old filter");
        }
    });
    // The filters are kept: a decision must not have the last handle of one.
    kept.extend(gate.set("info,net=off".parse().unwrap()));
    changed.store(true, Ordering::Release);
    logging.join().unwrap();
    assert!(!gate.passes(&site), "an old answer was kept");
}

#[test]
fn a_statement_has_the_answer_of_the_last_filter() {
    check("a_statement_has_the_answer_of_the_last_filter", change);
}

#[test]
fn a_statement_has_the_answer_of_the_last_filter_mutants() {
    let mutants = [(Mutant::FilterNumberLate, "an old answer was kept")];
    must_fail(a_statement_has_the_answer_of_the_last_filter_mutants, change, &mutants);
}
