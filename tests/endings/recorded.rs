//! What a flight recorder holds when the process ends: a fatal signal brings it into the file.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use kymo_reader::{DumpReason, Event, Options, Order};

use super::Named;
use super::process::{Dir, Log, open, read_by, send, spawn, until_ready, wait};

pub const TESTS: &[Named] = &[
    ("a_recorder_at_abort", || crashes("recorded_abort", libc::SIGABRT)),
    ("a_recorder_at_a_null_pointer", || crashes("recorded_null", libc::SIGSEGV)),
    ("a_recorder_when_the_consumer_crashes", || crashes("recorded_consumer", libc::SIGSEGV)),
    ("a_recorder_at_termination", || {
        let dir = Dir::new();
        let mut child = spawn(&dir, "recorded_idle", false);
        until_ready(&mut child);
        send(&child, libc::SIGTERM);
        assert_eq!(wait(child).status.signal(), Some(libc::SIGTERM));
        let log = complete(&dir.log(), libc::SIGTERM);
        log.assert_closed();
    }),
    ("a_recorder_while_others_log", while_others_log),
    ("a_recorder_at_exit_is_forgotten", || {
        let dir = Dir::new();
        wait(spawn(&dir, "recorded_exit", false));
        let log = read_by(&dir.log(), Order::Exact);
        assert_eq!(log.total(), 10_000, "a third of it was not recorded");
        log.assert_closed();
    }),
];

fn crashes(name: &str, signal: i32) {
    for _ in 0..3 {
        let dir = Dir::new();
        let output = wait(spawn(&dir, name, false));
        assert_eq!(output.status.signal(), Some(signal), "{output:?}");
        let log = complete(&dir.log(), signal);
        assert_eq!(log.signals.len(), 1);
    }
}

/// Each of three threads logged 10,000 records. Two thirds of them were recorded. All are there, in
/// order, and the recorded ones because of the signal.
fn complete(path: &Path, signal: i32) -> Log {
    let log = read_by(path, Order::Exact);
    log.assert_counts(&[("main", 10_000), ("worker-0", 10_000), ("worker-1", 10_000)]);
    assert_eq!(reasons(path), vec![DumpReason::Signal(signal as u8); 3]);
    log
}

fn reasons(path: &Path) -> Vec<DumpReason> {
    let mut reader = open(path, Options::new());
    let mut reasons = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        if let Event::Dump(dump) = event {
            reasons.push(dump.reason);
        }
    }
    reasons
}

/// Recorders that go round and round while they are copied.
fn while_others_log() {
    for _ in 0..3 {
        let dir = Dir::new();
        let output = wait(spawn(&dir, "recorded_busy", false));
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{output:?}");
        let log = read_by(&dir.log(), Order::Exact);
        assert_eq!(log.threads["main"].len(), 10_000, "what the crashing thread logged");
        // Of the others the newest are there, in order.
        for (name, found) in &log.threads {
            assert!(found.is_sorted(), "{name}");
            let recorded: Vec<_> = found.iter().filter(|number| *number % 3 != 0).collect();
            let gaps = recorded.windows(2).filter(|pair| *pair[1] > *pair[0] + 2).count();
            assert_eq!(gaps, 0, "{name}: what is dumped is in one piece");
        }
    }
}
