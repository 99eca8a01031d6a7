//! The ways in which a process ends: what it had logged is in the file, exactly.
//!
//! Each test runs this program again, as a process that ends in one way, looks at how it ended, and
//! reads its file. So the program has a `main` of its own: a return from `main` is one of the ways.

mod allocator;
mod children;
mod crash;
mod exit;
mod fork;
mod panics;
mod paths;
mod process;
mod recorded;
mod termination;
mod threads;

use std::sync::atomic::Ordering;

/// A test, or what the process of one does, by its name.
type Named = (&'static str, fn());

/// Processes that end while their log is rotated: each of these tests once more.
const ROTATED_TOO: &[&str] = &[
    "exit_drains",
    "a_return_from_main_with_a_leaked_logger_drains",
    "a_panic_in_main_that_unwinds_drains",
    "exit_on_the_consumer_thread_drains",
    "exit_waits_for_a_shutdown_under_way",
    "what_is_logged_while_the_process_exits_is_written_or_counted",
    "sigterm_drains_and_kills",
    "a_signal_in_the_middle_of_logging_loses_nothing_before_it",
    "the_signal_decides_over_exit",
    "a_null_pointer_in_a_worker",
    "abort",
    "while_others_log",
    "the_consumer_itself_while_others_log",
    "the_consumer_itself",
    "large_rings",
    "a_recorder_at_abort",
    "a_recorder_when_the_consumer_crashes",
    "a_recorder_at_termination",
    "a_recorder_while_others_log",
    "a_recorder_at_exit_is_forgotten",
    "parent_and_children_keep_their_records_apart",
    "ten_thousand_threads_one_after_another",
];

fn main() {
    if let Ok(name) = std::env::var(process::CHILD) {
        let mut all = children::ALL.iter().chain(panics::CHILDREN);
        let (_, child) = *all.find(|(known, _)| *known == name).expect("a child");
        return child();
    }
    let tests = [
        exit::TESTS,
        termination::TESTS,
        crash::TESTS,
        recorded::TESTS,
        fork::TESTS,
        paths::TESTS,
        threads::TESTS,
        panics::TESTS,
    ];
    let chosen = Chosen::from_command_line();
    let mut failed = Vec::new();
    let tests = tests.concat();
    let again = tests.iter().filter(|(name, _)| ROTATED_TOO.contains(name));
    let again = again.map(|&(name, test)| (format!("rotated_{name}"), test, true));
    let once = tests.iter().map(|&(name, test)| (name.to_owned(), test, false));
    for (name, test, is_rotated) in once.chain(again) {
        let name = &*name;
        process::ROTATED.store(is_rotated, Ordering::Relaxed);
        if !chosen.includes(name) {
            continue;
        }
        if chosen.listing {
            println!("{name}: test");
            continue;
        }
        let passed = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(name.to_owned());
        }
    }
    let [logs, segments] =
        [&process::LOGS, &process::SEGMENTS].map(|it| it.load(Ordering::Relaxed));
    assert!(segments >= 2 * logs, "{segments} segments of {logs} rotated logs");
    assert!(failed.is_empty(), "failed: {failed:?}");
}

/// The part of libtest's command line that chooses tests.
#[derive(Default)]
struct Chosen {
    /// Parts of names; empty: all tests.
    wanted: Vec<String>,
    skipped: Vec<String>,
    exact: bool,
    listing: bool,
}

impl Chosen {
    fn from_command_line() -> Self {
        let mut chosen = Self::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--skip" => chosen.skipped.extend(arguments.next()),
                "--test-threads" => drop(arguments.next()),
                "--exact" => chosen.exact = true,
                "--list" => chosen.listing = true,
                option if option.starts_with('-') => {}
                _ => chosen.wanted.push(argument),
            }
        }
        chosen
    }

    fn includes(&self, name: &str) -> bool {
        let fits = |part: &String| if self.exact { name == part } else { name.contains(part) };
        let wanted = self.wanted.is_empty() || self.wanted.iter().any(fits);
        wanted && !self.skipped.iter().any(fits)
    }
}
