//! Which statements are logged, by level and by target, before the start and while the logger runs.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use kymo::{Filter, Level, Logger, Notice, StartErrorKind};

/// One logger at a time.
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

struct Log {
    _turn: std::sync::MutexGuard<'static, ()>,
    dir: tempfile::TempDir,
}

impl Log {
    fn new() -> Self {
        let _turn = TURN.lock().unwrap_or_else(|it| it.into_inner());
        Self { _turn, dir: tempfile::tempdir().unwrap() }
    }

    fn builder(&self) -> kymo::Builder {
        Logger::builder(self.path())
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("app.kymo")
    }

    /// What the program logged.
    fn messages(&self) -> Vec<String> {
        let own = |(target, text)| (target != "kymo").then_some(text);
        records(&self.path()).into_iter().filter_map(own).collect()
    }
}

/// The records, with their targets.
fn records(path: &Path) -> Vec<(String, String)> {
    let mut reader = kymo_reader::Reader::open(path).unwrap();
    let mut found = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        let mut text = String::new();
        record.message(&mut text);
        found.push((record.call_site().target().to_owned(), text));
    }
    found
}

/// All of these, at one place each, so that what they decided is kept.
fn log_all(n: u64) {
    kymo::error!("error {n}");
    kymo::info!("info {n}");
    kymo::debug!("debug {n}");
    kymo::info!(target: "net", "net info {n}");
    kymo::trace!(target: "net::http", "net trace {n}");
    kymo::error!(target: "network", "network error {n}");
    for level in [Level::Warn, Level::Trace] {
        kymo::log!(target: "dynamic", level, "dynamic {} {n}", level.name());
    }
}

#[test]
fn levels_and_targets_are_chosen() {
    let log = Log::new();
    let logger = log.builder().filter("info,net=off,net::http=trace,dynamic=warn").start().unwrap();
    log_all(1);
    logger.shutdown();
    let expected = ["error 1", "info 1", "net trace 1", "network error 1", "dynamic warn 1"];
    assert_eq!(log.messages(), expected);
}

#[test]
fn a_filter_is_changed_while_the_logger_runs() {
    let log = Log::new();
    let logger = log.builder().filter("info").start().unwrap();
    for (n, filter) in
        ["error,net=info", "off", "off,net::http=trace", "error"].into_iter().enumerate()
    {
        logger.set_filter(filter.parse().unwrap());
        assert_eq!(logger.filter().to_string(), filter);
        // Twice: the second time the statements have an answer.
        log_all(n as u64);
        log_all(n as u64);
    }
    logger.set_max_level(Level::Error);
    logger.set_filter(Filter::from(Level::Info).with("net", Level::Trace));
    log_all(9);
    logger.shutdown();
    let mut expected = Vec::new();
    for round in [
        &["error 0", "net info 0", "network error 0"][..],
        &[],
        &["net trace 2"],
        &["error 3", "network error 3"],
    ] {
        expected.extend([round, round].concat());
    }
    expected.extend(["error 9", "network error 9"]);
    assert_eq!(log.messages(), expected);
}

/// Arguments of what is not logged are not evaluated, nor is what `enabled!` keeps from being prepared.
#[test]
fn nothing_is_evaluated_in_vain() {
    let log = Log::new();
    let logger = log.builder().filter("info,net=off").start().unwrap();
    kymo::error!(target: "net", "{}", unreachable_number());
    kymo::debug!("{}", unreachable_number());
    assert!(!kymo::enabled!(Debug));
    assert!(kymo::enabled!(Info));
    assert!(!kymo::enabled!(target: "net::http", Error));
    logger.set_filter("debug".parse().unwrap());
    assert!(kymo::enabled!(Debug));
    logger.shutdown();
    assert!(log.messages().is_empty());
    // Without a logger all calls are counted.
    let before = kymo::unlogged();
    log_all(1);
    assert_eq!(kymo::unlogged(), before + 8);
}

fn unreachable_number() -> u64 {
    panic!("an argument of a statement that is not logged was evaluated")
}

/// The filter goes back by itself, and a filter that is set for good ends the temporary one.
#[test]
fn a_filter_for_a_while_goes_back() {
    let log = Log::new();
    let logger = log.builder().filter("warn").start().unwrap();
    let net = || kymo::enabled!(target: "net", Trace);
    let long = Duration::from_secs(10_000);
    logger.set_filter_for("warn,net=trace".parse().unwrap(), long);
    assert!(net());
    logger.set_filter("warn,net=info".parse().unwrap());
    assert!(!net());
    logger.set_filter_for("warn,net=trace".parse().unwrap(), long);
    assert!(net());
    // In place of the one that would last longer.
    logger.set_filter_for("net=trace".parse().unwrap(), Duration::ZERO);
    while net() {
        thread::yield_now();
    }
    assert_eq!(logger.filter().to_string(), "warn,net=info");
}

/// Threads log at full rate while the filter changes: each record that was logged was let through by one of the
/// filters, and after the last change nothing else is logged.
#[test]
fn threads_log_while_the_filter_changes() {
    let log = Log::new();
    let logger = log.builder().filter("info").start().unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    kymo::info!(target: "net", "net");
                    kymo::info!(target: "io", "io");
                    kymo::trace!(target: "io", "never");
                }
            });
        }
        for n in 0..2_000 {
            let filter = ["info,net=off", "off,net=info", "info", "off"][n % 4];
            logger.set_filter(filter.parse().unwrap());
        }
        logger.set_filter("info,net=off".parse().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    kymo::info!(target: "net", "late");
    logger.shutdown();
    assert!(log.messages().iter().all(|message| ["net", "io"].contains(&&**message)));
}

#[test]
fn a_wrong_directive_is_an_error_in_code_and_a_warning_from_the_environment() {
    let log = Log::new();
    let error = log.builder().filter("info,net=loud").start().unwrap_err();
    assert!(matches!(error.kind(), StartErrorKind::Filter(_)), "{error:?}");
    assert_eq!(
        error.to_string(),
        "filter: `net=loud`: after `=` comes a level: off, error, warn, info, debug or trace"
    );
    assert!(!log.path().exists());
    for (own, fallback, expected) in [
        (Some("debug,net=loud"), Some("off"), "debug"),
        (None, Some("error,net=loud"), "error"),
        (Some(""), Some("error,net=loud"), "error"),
        (Some("net=loud"), None, "info"),
    ] {
        for (variable, text) in [("KYMO_TEST_LOG", own), ("RUST_LOG", fallback)] {
            match text {
                // SAFETY: the tests of this program take turns, and no other thread of it reads the environment.
                Some(text) => unsafe { std::env::set_var(variable, text) },
                // SAFETY: as above.
                None => unsafe { std::env::remove_var(variable) },
            }
        }
        let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let logger = log.builder().overwrite(true).filter("info").filter_env("KYMO_TEST_LOG");
        let logger = logger
            .on_notice({
                let told = told.clone();
                move |notice| {
                    if let Notice::DirectiveIgnored { .. } = notice {
                        told.lock().unwrap().push(notice.to_string());
                    }
                }
            })
            .start()
            .unwrap();
        assert_eq!(logger.filter().to_string(), expected);
        logger.shutdown();
        let variable =
            if own.is_some_and(|it| !it.is_empty()) { "KYMO_TEST_LOG" } else { "RUST_LOG" };
        let text = format!(
            "{variable}: a directive was left out: `net=loud`: after `=` comes a level: off, error, warn, info, \
             debug or trace"
        );
        assert_eq!(*told.lock().unwrap(), std::slice::from_ref(&text));
        let in_log = expected != "error";
        assert_eq!(records(&log.path()).contains(&("kymo".to_owned(), text)), in_log, "{expected}");
    }
}
