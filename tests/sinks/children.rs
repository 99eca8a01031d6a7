//! The programs whose hooks are looked at. Each is run by [`run`] in a process of its own.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use kymo::sink::Options;
use kymo::{Level, Logger};

use crate::terminal::log_around_fork;

/// What the parent waits for is not limited by time.
const ENOUGH: Duration = Duration::from_secs(600);

/// Runs the child of this name, with its log at this path.
pub fn run(name: &str, path: &Path) {
    let options = Options::at(Level::Info).end_timeout(ENOUGH);
    let builder = Logger::builder(path).on_record(options, |record| {
        // Not `eprintln!`, which the test harness captures.
        let _ = writeln!(std::io::stderr(), "hook: {}", record.text());
    });
    match name {
        "exit" => {
            std::mem::forget(builder.exit_timeout(ENOUGH).start().unwrap());
            kymo::info!("the last words");
            std::process::exit(0);
        }
        "term" => {
            std::mem::forget(builder.drain_on_termination(ENOUGH).start().unwrap());
            kymo::info!("the last words");
            // SAFETY: a call without pointers.
            unsafe { libc::raise(libc::SIGTERM) };
            loop {
                std::thread::park();
            }
        }
        "fork" => {
            let logger = builder.start().unwrap();
            assert_eq!(log_around_fork(logger).sinks[0].unseen, 0);
        }
        other => panic!("no child {other}"),
    }
}
