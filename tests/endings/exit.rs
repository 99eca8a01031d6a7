//! `exit`, a return from `main`, panics.

use super::Named;
use super::process::{Dir, assert_code, read, run};

pub const TESTS: &[Named] = &[
    ("exit_drains", || ends_with("exit", 7)),
    ("a_return_from_main_with_a_leaked_logger_drains", || ends_with("leak", 0)),
    ("a_return_from_main_with_the_logger_in_a_static_drains", || ends_with("in_static", 0)),
    ("a_panic_in_main_that_unwinds_drains", || ends_with("panic_main", 101)),
    ("a_panic_in_a_worker_drains", || ends_with("panic_worker", 0)),
    ("exit_in_a_signal_handler_drains", || ends_with("exit_in_handler", 7)),
    ("exit_by_two_threads_at_once_drains", || ends_with("exit_twice", 7)),
    ("exit_on_the_consumer_thread_drains", || ends_with("exit_on_consumer", 7)),
    ("exit_waits_for_a_shutdown_under_way", || ends_with("exit_in_shutdown", 7)),
    ("what_is_logged_while_the_process_exits_is_written_or_counted", exit_while_logging),
    ("exit_does_not_wait_longer_than_it_may", exit_timeout),
];

/// The process logs 10,000 records in `main` and in two workers, and ends so.
fn ends_with(name: &str, code: i32) {
    let dir = Dir::new();
    assert_code(&run(&dir, name), code);
    let log = read(&dir.log());
    log.assert_counts(&[("main", 10_000), ("worker-0", 10_000), ("worker-1", 10_000)]);
    log.assert_closed();
}

fn exit_while_logging() {
    for _ in 0..5 {
        let dir = Dir::new();
        let output = run(&dir, "exit_while_logging");
        assert_code(&output, 7);
        let log = read(&dir.log());
        log.assert_in_order();
        log.assert_closed();
        // A last handler of `atexit` says how many were logged, and how many of them too late.
        let text = String::from_utf8(output.stdout).unwrap();
        let counts: Vec<u64> = text.split_whitespace().map(|it| it.parse().unwrap()).collect();
        let accounted = log.total() + log.report.dropped + counts[1];
        assert_eq!(accounted, counts[0], "{text}");
    }
}

fn exit_timeout() {
    let dir = Dir::new();
    assert_code(&run(&dir, "exit_timeout"), 7);
}
