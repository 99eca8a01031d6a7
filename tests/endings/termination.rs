//! `SIGTERM`, `SIGINT`, `SIGHUP`.

use super::Named;
use super::process::{Dir, assert_code, assert_signal, read, send, spawn, until_ready, wait};

pub const TESTS: &[Named] = &[
    ("sigterm_drains_and_kills", || kills("idle", libc::SIGTERM)),
    ("sigint_drains_and_kills", || kills("idle", libc::SIGINT)),
    ("sighup_drains_and_kills", || kills("idle", libc::SIGHUP)),
    ("a_signal_in_the_middle_of_logging_loses_nothing_before_it", in_the_middle),
    ("a_handler_of_the_program_is_called_and_the_program_goes_on", own_handler),
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
