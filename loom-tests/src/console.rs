//! The console follows what the consumer commits: it is woken, skips, and ends.

use super::{check, must_fail};
use kymo::loom_export::console::Log;
use kymo::loom_export::mutant::Mutant;

/// What is committed is shown, in one segment and in the next, while the consumer goes on.
fn follow() {
    let mut log = Log::new();
    log.log(3);
    assert_eq!(log.catch_up(), (3, 1), "not shown");
    log.rotate();
    log.log(4);
    assert_eq!(log.catch_up(), (7, 2), "not shown");
    assert_eq!(log.end(), (7, 2, 0), "not shown");
}

#[test]
fn what_is_committed_is_shown() {
    check("what_is_committed_is_shown", follow);
}

#[test]
fn what_is_committed_is_shown_mutants() {
    let mutants = [
        (Mutant::ConsoleWokenEarly, "branches"),
        (Mutant::ConsoleCommittedStore, "Causality violation"),
        (Mutant::ConsoleCommittedLoad, "Causality violation"),
        (Mutant::ConsoleShownEarly, "not shown"),
    ];
    must_fail(what_is_committed_is_shown_mutants, follow, &mutants);
}

/// The log ends right after a record.
fn end_at_once() {
    let mut log = Log::new();
    log.log(3);
    assert_eq!(log.end(), (3, 1, 0), "not shown");
}

#[test]
fn the_end_shows_what_is_left() {
    check("the_end_shows_what_is_left", end_at_once);
}

#[test]
fn the_end_shows_what_is_left_mutants() {
    must_fail(
        the_end_shows_what_is_left_mutants,
        end_at_once,
        &[(Mutant::ConsoleEndLate, "not shown")],
    );
}

/// More segments than the queue has places: each record is shown, or counted as skipped. The last one is shown.
fn skip() {
    const SEGMENTS: u64 = 3;
    let mut log = Log::new();
    log.log(1);
    for number in 1..SEGMENTS {
        log.rotate();
        log.log(1 << (4 * number));
    }
    let (sum, shown, skipped) = log.end();
    assert_eq!(shown + skipped, SEGMENTS, "lost");
    assert_eq!(sum >> (4 * (SEGMENTS - 1)), 1, "the last one is not shown");
}

#[test]
fn what_is_not_shown_is_counted() {
    check("what_is_not_shown_is_counted", skip);
}
