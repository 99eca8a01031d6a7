//! Crashes: drained, marked, and with the exit status of the same program without kymo.

use super::Named;
use super::children::{LARGE_RING_RECORDS, LARGE_RINGS, NOON_NS};
use super::process::{Dir, assert_code, assert_signal, open, read, run, spawn, wait};

use kymo_reader::{Ending, Event, Options};
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

pub const TESTS: &[Named] = &[
    ("a_null_pointer", || drop(crashes("null", libc::SIGSEGV, "main"))),
    ("a_null_pointer_in_a_worker", || drop(crashes("null_in_worker", libc::SIGSEGV, "worker"))),
    ("a_segmentation_fault_that_was_sent", || drop(crashes("raise_segv", libc::SIGSEGV, "main"))),
    ("memory_behind_the_end_of_a_file", || drop(crashes("bus", libc::SIGBUS, "main"))),
    ("an_illegal_instruction", || drop(crashes("illegal", libc::SIGILL, "main"))),
    ("a_floating_point_exception", || drop(crashes("raise_fpe", libc::SIGFPE, "main"))),
    ("abort", || drop(crashes("abort", libc::SIGABRT, "main"))),
    ("a_panic_that_aborts", || drop(crashes("panic_abort", libc::SIGABRT, "main"))),
    ("a_stack_overflow", stack_overflow),
    ("two_threads_at_once", two_at_once),
    ("while_others_log", while_others_log),
    ("the_program_s_own_handler_is_called", own_handler),
    ("the_consumer_itself_while_others_log", consumer_while_busy),
    ("the_consumer_itself", || consumer("consumer_clock")),
    ("the_consumer_at_its_start", consumer_at_its_start),
    ("large_rings", || large_rings("large_rings")),
    ("large_rings_of_a_dead_consumer", || large_rings("large_rings_of_consumer")),
];

/// A process crashes as it would without kymo. In its file is what it had logged.
fn crashes(name: &str, signal: i32, thread: &str) -> Output {
    let dir = Dir::new();
    let (logged, plain) = (wait(spawn(&dir, name, false)), wait(spawn(&dir, name, true)));
    // Whether there is a core is part of it.
    assert_eq!(logged.status.into_raw(), plain.status.into_raw(), "{logged:?} {plain:?}");
    assert_eq!(logged.status.signal(), Some(signal));
    let log = read(&dir.log());
    let mut expected = vec![("main", 10_000), ("worker-0", 10_000), ("worker-1", 10_000)];
    if thread == "worker" {
        expected.insert(1, ("worker", 10));
    }
    log.assert_counts(&expected);
    let mut expected = vec![(signal as u8, thread.to_owned())];
    if name == "stack_overflow" {
        // `std` reports it and aborts.
        expected.insert(0, (libc::SIGSEGV as u8, thread.to_owned()));
    }
    assert_eq!(log.signals, expected);
    assert_eq!(log.report.ending, Ending::Open);
    logged
}

fn stack_overflow() {
    let output = crashes("stack_overflow", libc::SIGABRT, "main");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("has overflowed its stack"), "{said}");
}

fn two_at_once() {
    for _ in 0..10 {
        let dir = Dir::new();
        let output = wait(spawn(&dir, "two_at_once", false));
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{output:?}");
        let log = read(&dir.log());
        log.assert_counts(&[("main", 10), ("one", 1_000), ("two", 1_000)]);
        assert_eq!(log.signals.len(), 1, "one crash");
    }
}

fn while_others_log() {
    for _ in 0..5 {
        let dir = Dir::new();
        let output = wait(spawn(&dir, "crash_while_busy", false));
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{output:?}");
        let log = read(&dir.log());
        log.assert_in_order();
        assert_eq!(log.threads["main"].len(), 10_000, "what the crashing thread logged");
        assert!(log.threads.values().all(|found| found.len() >= 10_000));
        assert_eq!(log.signals, [(libc::SIGSEGV as u8, "main".to_owned())]);
    }
}

fn own_handler() {
    let dir = Dir::new();
    assert_code(&wait(spawn(&dir, "crash_own_handler", false)), 3);
    read(&dir.log()).assert_counts(&[("main", 10)]);
}

fn consumer_while_busy() {
    for _ in 0..10 {
        let dir = Dir::new();
        let output = wait(spawn(&dir, "consumer_while_busy", false));
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{output:?}");
        let log = read(&dir.log());
        // Nothing is missing in between, and nothing is there twice.
        log.assert_in_order();
        assert_eq!(log.threads.len(), 3);
        assert!(log.threads.values().all(|found| found.len() >= 10_000));
        assert_eq!(log.signals.len(), 1);
    }
}

/// The consumer crashes; the thread that stands by writes what is in the rings.
fn consumer(name: &str) {
    for _ in 0..5 {
        let dir = Dir::new();
        let (logged, plain) = (wait(spawn(&dir, name, false)), wait(spawn(&dir, "null", true)));
        assert_eq!(logged.status.into_raw(), plain.status.into_raw(), "{logged:?} {plain:?}");
        let log = read(&dir.log());
        log.assert_counts(&[("main", 10_000), ("worker-0", 10_000), ("worker-1", 10_000)]);
        assert_eq!(log.signals.len(), 1);
    }
}

/// The consumer crashes in a custom clock before its first sweep: the mark has the time of the start.
fn consumer_at_its_start() {
    let dir = Dir::new();
    assert_signal(&run(&dir, "consumer_at_its_start"), libc::SIGSEGV);
    let mut reader = open(&dir.log(), Options::new());
    let mut times = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        if let Event::Signal(signal) = event {
            times.push(signal.time_ns);
        }
    }
    assert_eq!(times, [NOON_NS.cast_signed()]);
}

/// Rings that take long to drain: each record is in the file, or is counted by a mark.
///
/// A crash drain ended after half a second, whatever its limit. It left a million records in the
/// rings, without a mark.
fn large_rings(name: &str) {
    let dir = Dir::new();
    assert_signal(&run(&dir, name), libc::SIGABRT);
    let log = read(&dir.log());
    // Each thread's records from the first on. What is left at the limit is the last ones.
    log.assert_in_order();
    assert_eq!(log.total() + log.report.dropped, LARGE_RINGS * LARGE_RING_RECORDS);
    assert_eq!(log.signals.len(), 1, "one crash");
    assert_eq!(log.signals[0].0, libc::SIGABRT as u8);
}
