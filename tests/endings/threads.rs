//! Threads that end: their rings are used again.

use super::Named;
use super::process::{Dir, assert_code, read, run};

pub const TESTS: &[Named] = &[
    ("ten_thousand_threads_one_after_another", one_after_another),
    ("many_times_64_threads_at_once", at_once),
    ("a_thread_that_the_library_has_forgotten_logs", forgotten),
];

fn one_after_another() {
    let dir = Dir::new();
    let output = run(&dir, "one_after_another");
    assert_code(&output, 0);
    let log = read(&dir.log());
    log.assert_closed();
    assert_eq!((log.threads.len(), log.total()), (10_000, 20_000));
    log.assert_in_order();
}

fn at_once() {
    let dir = Dir::new();
    let output = run(&dir, "at_once");
    assert_code(&output, 0);
    let log = read(&dir.log());
    log.assert_closed();
    assert_eq!((log.threads.len(), log.total()), (640, 64_000));
    log.assert_in_order();
}

/// The destructor of a key, as C libraries have them, runs when the standard library knows nothing of the thread.
fn forgotten() {
    let dir = Dir::new();
    let output = run(&dir, "forgotten");
    assert_code(&output, 0);
    let log = read(&dir.log());
    log.assert_closed();
    // At the end, a thread has the name that it had before, or that the system knows.
    assert_eq!((log.total(), log.threads.len()), (30, 20));
}
