//! `SIGTERM`, `SIGINT`, `SIGHUP`.

use super::Named;
use super::process::{
    Dir, assert_code, assert_signal, read, run, send, spawn, spawn_at, until_ready, wait,
};

pub const TESTS: &[Named] = &[
    ("sigterm_drains_and_kills", || kills("idle", libc::SIGTERM)),
    ("sigint_drains_and_kills", || kills("idle", libc::SIGINT)),
    ("sighup_drains_and_kills", || kills("idle", libc::SIGHUP)),
    ("a_signal_in_the_middle_of_logging_loses_nothing_before_it", in_the_middle),
    ("a_handler_of_the_program_is_called_and_the_program_goes_on", own_handler),
    ("raise_returns_after_drain_and_handler", handler_raised),
    ("raise_does_not_return", || ends("raise_term")),
    ("a_handler_that_calls_ours_decides", chained),
    ("a_signal_wherever_the_logger_allocates", interrupted),
    ("own_handler_wherever_the_logger_allocates", interrupted_with_handler),
    ("the_signal_decides_over_main", || ends("returns_meanwhile")),
    ("the_signal_decides_over_exit", || ends("exits_meanwhile")),
    ("the_signal_decides_over_another_start", over_another_start),
    ("the_first_process_of_a_container", first_of_namespace),
    ("an_ignored_signal_stays_ignored", ignored),
    ("without_a_logger_signals_have_their_effect", after_shutdown),
];

fn kills(name: &str, signal: i32) {
    let dir = Dir::new();
    let mut child = spawn(&dir, name, false);
    until_ready(&mut child);
    send(&child, signal);
    assert_signal(&wait(child), signal);
    let log = read(&dir.log());
    log.assert_counts(&[("main", 10_000), ("worker-0", 10_000), ("worker-1", 10_000)]);
    log.assert_closed();
    assert_eq!(log.signals, [(signal as u8, "main".to_owned())]);
}

fn in_the_middle() {
    for _ in 0..5 {
        let dir = Dir::new();
        let mut child = spawn(&dir, "busy", false);
        until_ready(&mut child);
        send(&child, libc::SIGTERM);
        assert_signal(&wait(child), libc::SIGTERM);
        let log = read(&dir.log());
        log.assert_in_order();
        log.assert_closed();
        assert_eq!(log.threads.len(), 3);
        assert!(log.threads.values().all(|found| found.len() >= 10_000));
        assert_eq!(log.signals.len(), 1);
    }
}

fn own_handler() {
    let dir = Dir::new();
    let mut child = spawn(&dir, "own_handler", false);
    for _ in 0..3 {
        until_ready(&mut child);
        send(&child, libc::SIGTERM);
    }
    assert_code(&wait(child), 3);
    let log = read(&dir.log());
    log.assert_counts(&[("main", 4_000)]);
    log.assert_closed();
    assert_eq!(log.signals, [], "the process did not die of them");
}

/// A process that gets SIGTERM dies of it, with all that it had logged in its file, whatever it does
/// meanwhile.
fn ends(name: &str) {
    for _ in 0..10 {
        let dir = Dir::new();
        assert_signal(&run(&dir, name), libc::SIGTERM);
        let log = read(&dir.log());
        log.assert_counts(&[("main", 10_000), ("worker-0", 10_000), ("worker-1", 10_000)]);
        log.assert_closed();
        assert_eq!(log.signals, [(libc::SIGTERM as u8, "main".to_owned())]);
    }
}

/// Between the drain and its effect, a signal let the program start another logger, whose log it then
/// left open, without a mark and without the last records.
fn over_another_start() {
    let dir = Dir::new();
    assert_signal(&run(&dir, "starts_meanwhile"), libc::SIGTERM);
    let log = read(&dir.log());
    log.assert_counts(&[("main", 10_000), ("worker-0", 10_000), ("worker-1", 10_000)]);
    log.assert_closed();
    assert_eq!(log.signals, [(libc::SIGTERM as u8, "main".to_owned())]);
    assert!(!dir.0.join("next.kymo").exists());
}

/// A signal that came while its thread held one of the logger's locks was not drained, and had no
/// mark: the handler waited in that thread for a consumer that waited for the lock.
fn interrupted() {
    for at in 1.. {
        let dir = Dir::new();
        let output = wait(spawn_at(&dir, "interrupted", false, at));
        if output.status.code() == Some(9) {
            assert!(at > 2, "it allocates");
            break;
        }
        assert_signal(&output, libc::SIGTERM);
        let log = read(&dir.log());
        log.assert_in_order();
        log.assert_closed();
        assert_eq!(log.threads["worker"].len(), 1_000, "{at}");
        assert_eq!(log.signals.len(), 1, "{at}");
    }
}

/// A termination signal with a handler of the program's own, for which the logger goes on.
fn interrupted_with_handler() {
    for at in 1.. {
        let dir = Dir::new();
        let output = wait(spawn_at(&dir, "interrupted_with_handler", false, at));
        if output.status.code() == Some(9) {
            break;
        }
        assert_code(&output, 3);
        let log = read(&dir.log());
        log.assert_counts(&[("main", 1), ("worker", 1_000)]);
        log.assert_closed();
    }
}

fn handler_raised() {
    let dir = Dir::new();
    assert_code(&run(&dir, "own_handler_raised"), 3);
    read(&dir.log()).assert_counts(&[("main", 3_000)]);
}

/// A handler that the program installed after the logger's start, and that calls the logger's, was
/// not followed by anything: the process died of the signal.
fn chained() {
    let dir = Dir::new();
    let mut child = spawn(&dir, "chained", false);
    until_ready(&mut child);
    send(&child, libc::SIGTERM);
    assert_code(&wait(child), 3);
    let log = read(&dir.log());
    log.assert_counts(&[("main", 2_000)]);
    assert_eq!(log.signals, []);
}

/// The first process of a PID namespace has no default effects of signals: it lived on without its
/// log.
fn first_of_namespace() {
    let dir = Dir::new();
    let output = run(&dir, "in_namespace");
    if output.status.code() == Some(77) {
        println!("skipped: the system allows no PID namespace");
        return;
    }
    assert_code(&output, 128 + libc::SIGTERM);
    let log = read(&dir.log());
    log.assert_counts(&[("main", 10_000), ("worker-0", 10_000), ("worker-1", 10_000)]);
    log.assert_closed();
    assert_eq!(log.signals.len(), 1);
}

fn ignored() {
    let dir = Dir::new();
    let mut child = spawn(&dir, "ignored", false);
    until_ready(&mut child);
    send(&child, libc::SIGTERM);
    drop(child.stdin.take());
    assert_code(&wait(child), 0);
    read(&dir.log()).assert_counts(&[("main", 10)]);
}

fn after_shutdown() {
    let dir = Dir::new();
    let mut child = spawn(&dir, "after_shutdown", false);
    until_ready(&mut child);
    send(&child, libc::SIGTERM);
    assert_signal(&wait(child), libc::SIGTERM);
    read(&dir.log()).assert_closed();
}
