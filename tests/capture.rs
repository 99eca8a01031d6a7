//! `kymo::testing`: each test sees what it logged itself, whatever runs beside it, and shows it if it fails.
//!
//! Tests that are ignored here fail, or end the process. Others run this program again, as `cargo test` does, with some
//! of those, and look at its output.

use std::fs;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::Pin;
use std::process::{Command, Output};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use kymo::testing::{Capture, capture, capture_all};
use kymo::{Level, Logger, info, trace, warn};

/// Asserts that a call panics, and returns the text.
fn panic_of(call: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(call)).expect_err("it panics");
    *payload.downcast::<String>().expect("a text")
}

#[test]
fn assertions_see_typed_values() {
    let log = capture();
    let (id, px) = (7, 101.25);
    warn!(target: "risk", "order {id} beyond limit: {px}");
    trace!("all levels are captured");
    log.assert_contains(r#"level == warn and target == "risk" and px > 100"#);
    log.assert_contains(r#"message contains "beyond" and id == 7"#);
    log.assert_not_contains("px > 102 or level == error");
    log.assert_count(2, "level <= warn");
    log.assert_count(1, "level == trace");
    let records = log.records();
    assert_eq!(records.len(), 2);
    let first = &records[0];
    assert_eq!((first.level(), first.target(), first.file()), (Level::Warn, "risk", file!()));
    assert_eq!(first.message(), "order 7 beyond limit: 101.25");
    assert_eq!((first.field("px"), first.field("venue")), (Some("101.25"), None));
    assert_eq!(log.matching("id == 7").len(), 1);
}

#[test]
fn a_failed_assertion_says_what_is_nearest() {
    let log = capture();
    assert!(panic_of(|| log.assert_contains("level == info")).ends_with("nothing was captured"));
    info!(target: "near", "px {px}", px = 99);
    info!(target: "far", "px {px}", px = 99);
    let text =
        panic_of(|| log.assert_contains(r#"level == info and target == "near" and px > 100"#));
    assert!(text.contains("the nearest of 2 records:"), "{text}");
    assert!(text.contains("near: px 99\n      not true: px > 100"), "{text}");
    assert!(!text.contains("far: "), "{text}");
    let text = panic_of(|| log.assert_contains("level == error"));
    assert!(text.ends_with("none of 2 records comes near it"), "{text}");
    let text = panic_of(|| log.assert_not_contains("px == 99"));
    assert!(text.starts_with("2 records fit, and 0 were expected: px == 99"), "{text}");
    assert!(text.contains("near: px 99") && text.contains("far: px 99"), "{text}");
    let text = panic_of(|| log.assert_count(5, "px == 99"));
    assert!(text.starts_with("2 records fit, and 5 were expected"), "{text}");
    let text = panic_of(|| log.assert_contains("px >"));
    assert!(text.contains('^'), "{text}");
}

/// Threads that run what tests send, each for all of them.
struct Pool(Mutex<Sender<Box<dyn FnOnce() + Send>>>);

impl Pool {
    fn new(threads: usize) -> Self {
        let (jobs, receiver) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..threads {
            let receiver: Arc<Mutex<Receiver<_>>> = receiver.clone();
            thread::spawn(move || {
                loop {
                    let Ok(job) = receiver.lock().unwrap().recv() else { break };
                    job();
                }
            });
        }
        Self(Mutex::new(jobs))
    }

    fn run(&self, job: impl FnOnce() + Send + 'static) {
        self.0.lock().unwrap().send(Box::new(job)).unwrap();
    }
}

/// Many tests at once, with threads of their own and threads of all.
#[test]
fn each_test_sees_its_own_records() {
    const TESTS: usize = 100;
    const ROUNDS: usize = 20;
    let pool = Pool::new(3);
    let barrier = Barrier::new(TESTS);
    thread::scope(|scope| {
        for test in 0..TESTS {
            let (pool, barrier) = (&pool, &barrier);
            scope.spawn(move || {
                let log = capture();
                barrier.wait();
                let done = Arc::new(Barrier::new(2));
                for round in 0..ROUNDS {
                    info!("{test} {round}");
                    pool.run(log.wrap(move || warn!("{test} {round}")));
                    pool.run(move || warn!("nobody's {test}"));
                }
                thread::scope(|scope| {
                    scope.spawn(|| log.scope(|| trace!("{test} {}", ROUNDS)));
                });
                let last = done.clone();
                pool.run(log.wrap(move || _ = last.wait()));
                done.wait();
                log.wait_for(&format!("level == warn and round == {}", ROUNDS - 1), LONG);
                log.assert_count(ROUNDS, &format!("level == info and test == {test}"));
                log.assert_count(1, &format!("level == trace and test == {test}"));
                log.assert_count(0, &format!("test != {test}"));
                log.assert_count(0, r#"message contains "nobody""#);
            });
        }
    });
}

/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(300);

/// Returns `Pending` so many times.
struct Yields(u32);

impl Future for Yields {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        Poll::Pending
    }
}

/// Polls each time in another thread, in which another test's task is polled in between.
#[test]
fn a_task_takes_its_scope_along() {
    type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
    struct Says(&'static str);
    impl Drop for Says {
        fn drop(&mut self) {
            info!("dropped {}", self.0);
        }
    }
    let task = |log: &Capture, name: &'static str, polls: u32| -> Task {
        Box::pin(log.scope_future(async move {
            let _says = Says(name);
            for poll in 0..polls {
                info!("{name} {poll}");
                Yields(1).await;
            }
        }))
    };
    let (tasks, barrier) = (Mutex::new(Vec::new()), Barrier::new(3));
    thread::scope(|scope| {
        for name in ["one", "two"] {
            let (tasks, barrier) = (&tasks, &barrier);
            scope.spawn(move || {
                let log = capture();
                tasks.lock().unwrap().push(task(&log, name, 20));
                // One that is never polled to its end.
                tasks.lock().unwrap().push(task(&log, "left", 50));
                barrier.wait();
                barrier.wait();
                log.assert_count(20, &format!("name == {name:?}"));
                log.assert_count(1, &format!("message == \"dropped {name}\""));
                log.assert_contains(r#"message == "dropped left""#);
                // Those of the task that was left, and its end.
                log.assert_count(30 + 21 + 1, "true");
            });
        }
        barrier.wait();
        for _ in 0..30 {
            let poll = || {
                tasks.lock().unwrap().retain_mut(|task| {
                    info!("between");
                    task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
                });
            };
            thread::scope(|scope| drop(scope.spawn(poll)));
        }
        tasks.lock().unwrap().clear();
        barrier.wait();
    });
}

#[test]
fn a_capture_within_another_is_for_both() {
    let outer = capture();
    info!("one");
    {
        let inner = capture();
        info!("two");
        inner.assert_count(1, "true");
        let handle = inner.handle();
        drop(inner);
        handle.scope(|| info!("three"));
    }
    info!("four");
    let messages: Vec<_> = outer.records().iter().map(|it| it.message().to_owned()).collect();
    assert_eq!(messages, ["one", "two", "three", "four"]);
}

#[test]
fn the_crate_log_is_captured() {
    let log = capture();
    log::warn!(target: "lib", order = 7; "a library");
    log.assert_contains(r#"level == warn and target == "lib" and order == 7"#);
}

/// Events, without the records of spans; each has its spans in its text.
#[test]
fn what_is_traced_is_captured() {
    let log = capture();
    let span = tracing::info_span!("request", id = 7);
    span.in_scope(|| tracing::warn!(target: "lib", order = 8_u64, "late"));
    let work = log.wrap(move || span.in_scope(|| tracing::info!("in a thread")));
    thread::spawn(work).join().unwrap();
    log.assert_contains(r#"level == warn and target == "lib" and order == 8"#);
    let records = log.records();
    assert_eq!(records.len(), 2, "{records:?}");
    assert!(records[0].to_string().contains("request{id=7}: late"), "{}", records[0]);
    assert!(records[1].to_string().contains("request{id=7}: in a thread"), "{}", records[1]);
}

/// More than a ring holds, from threads that have ended.
#[test]
fn what_a_thread_logged_before_its_end_is_seen() {
    let log = capture();
    let work = log.wrap(|| (0..20_000).for_each(|number| info!("{number}")));
    thread::spawn(work).join().unwrap();
    log.assert_count(20_000, "number >= 0");
}

#[test]
fn threads_without_a_scope_are_taken_on_request() {
    let log = capture_all();
    thread::spawn(|| info!("unique to nobody")).join().unwrap();
    log.assert_count(1, r#"message == "unique to nobody""#);
    let other = capture();
    thread::spawn(|| info!("unique to nobody")).join().unwrap();
    other.assert_count(0, "true");
}

#[test]
fn waiting_ends() {
    let log = capture();
    let work = log.wrap(|| info!("late"));
    let thread = thread::spawn(work);
    assert_eq!(log.wait_for(r#"message == "late""#, LONG).message(), "late");
    thread.join().unwrap();
    let text = panic_of(|| drop(log.wait_for("level == error", Duration::ZERO)));
    assert!(text.starts_with("no record fits: level == error"), "{text}");
}

/// The program's own start makes nothing, and changes nothing of what is captured.
#[test]
fn a_logger_of_the_program_stands_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = capture();
    let path = dir.path().join("app.kymo");
    let logger = Logger::builder(&path).filter("error").bridge_log(true).start().unwrap();
    info!("captured all the same");
    logger.set_filter("off".parse().unwrap());
    info!("and now");
    assert!(logger.flush());
    assert!(logger.rotate().is_err() && logger.reopen().is_err());
    logger.stats();
    assert_eq!(logger.shutdown().written, 0);
    info!("and after its end");
    log.assert_count(3, r#"message contains "and" or message contains "captured""#);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let wrong = Logger::builder(&path).filter("a==b").start().unwrap_err();
    assert!(wrong.to_string().starts_with("filter: "), "{wrong}");
}

/// The one line of `main` is no other start.
#[test]
#[ignore = "sets a hook"]
fn initialized() {
    let (log, dir) = (capture(), tempfile::tempdir().unwrap());
    // SAFETY: no other test runs, and code in C does not read the environment.
    unsafe { std::env::set_var("KYMO_DIR", dir.path()) };
    let logger = kymo::init().unwrap();
    info!("in a program");
    drop(logger);
    log.assert_count(1, "true");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_program_may_call_init() {
    let output = run("initialized", &[]);
    assert!(output.status.success(), "{output:?}");
}

/// Runs ignored tests of this program whose names contain `name`.
fn run(name: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", name, "--test-threads", "4"]).env("RUST_BACKTRACE", "0");
    command.env_remove("KYMO_LOG").envs(variables.iter().copied());
    command.output().unwrap()
}

/// The part of the output that is a test's.
fn part<'o>(output: &'o str, test: &str) -> &'o str {
    let begin = format!("---- {test} stdout ----\n");
    let (_, rest) = output.split_once(&begin).unwrap_or_else(|| panic!("no {test} in {output}"));
    rest.split("\n\n---- ").next().unwrap().split("\n\nfailures:").next().unwrap()
}

#[test]
fn a_failing_test_shows_its_own_records() {
    let output = run("failing_", &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(101), "{text}");
    for test in ["failing_one", "failing_two", "failing_three"] {
        let own = part(&text, test);
        assert!(own.contains("---- kymo: what this test logged ----\n"), "{own}");
        assert_eq!(own.matches("INFO").count(), 20, "{own}");
        assert_eq!(own.matches(&format!("{test} says ")).count(), 20, "{own}");
        assert_eq!(own.matches(" says ").count(), 20, "{own}");
        assert!(own.contains("with \\u{1b}[31m") || own.contains("with \\x1b[31m"), "{own}");
    }
    let own = part(&text, "failing_assertion");
    assert!(own.contains("no record fits: level == error"), "{own}");
    // Those that pass say nothing.
    assert!(!text.contains("passing says"), "{text}");
    assert!(text.contains("test failing_beside_passing ... ok"), "{text}");
}

fn fails(test: &str) {
    let log = capture();
    for number in 0..10 {
        info!("{test} says {number} with \x1b[31m");
        let test = test.to_owned();
        thread::spawn(log.wrap(move || info!("{test} says {number} in a thread"))).join().unwrap();
    }
    panic!("as it should be");
}

#[test]
#[ignore = "fails"]
fn failing_one() {
    fails("failing_one");
}

#[test]
#[ignore = "fails"]
fn failing_two() {
    fails("failing_two");
}

#[test]
#[ignore = "fails"]
fn failing_three() {
    fails("failing_three");
}

#[test]
#[ignore = "fails"]
fn failing_assertion() {
    let log = capture();
    info!("not an error");
    log.assert_contains("level == error");
}

#[test]
#[ignore = "beside those that fail"]
fn failing_beside_passing() {
    let log = capture();
    (0..100).for_each(|number| info!("passing says {number}"));
    log.assert_count(100, "true");
}

#[test]
fn what_is_printed_is_bounded_and_chosen() {
    let text = String::from_utf8(run("verbose", &[]).stdout).unwrap();
    assert!(text.contains("(1001 records before these)"), "{text}");
    assert_eq!(text.matches(" number ").count(), 1_000);
    let text =
        String::from_utf8(run("verbose", &[("KYMO_LOG", "warn,chosen=trace")]).stdout).unwrap();
    assert!(text.contains("(2000 records left out by KYMO_LOG)"), "{text}");
    assert_eq!((text.matches(" number ").count(), text.matches("chosen: this").count()), (0, 1));
}

#[test]
#[ignore = "fails"]
fn verbose() {
    let _log = capture();
    trace!(target: "chosen", "this");
    (0..2_000).for_each(|number| trace!("number {number}"));
    panic!("as it should be");
}

/// Whatever ends the process.
#[test]
fn no_file_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let files = |dir: &Path| fs::read_dir(dir).unwrap().count();
    for name in ["failing_one", "ends_by_abort"] {
        run(name, &[("TMPDIR", dir.path().to_str().unwrap())]);
        assert_eq!(files(dir.path()), 0, "{name}");
    }
}

#[test]
#[ignore = "ends the process"]
fn ends_by_abort() {
    let log = capture();
    info!("before");
    log.assert_count(1, "true");
    std::process::abort();
}

/// A logger of the program comes first.
#[test]
fn a_capture_beside_a_real_logger_is_refused() {
    let output = run("starts_its_own", &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
}

#[test]
#[ignore = "has a logger of its own"]
fn starts_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let logger = Logger::builder(dir.path().join("app.kymo")).start().unwrap();
    let text = panic_of(|| drop(capture()));
    assert!(text.contains("a logger of the program runs in this process"), "{text}");
    info!("goes on");
    assert_eq!(logger.shutdown().written, 1);
    let log = capture();
    info!("now it can");
    log.assert_count(1, "true");
}

/// A panic is a record, too, if the program under test has the hook.
#[test]
#[ignore = "sets a hook"]
fn hooked() {
    let log = capture();
    let _logger = Logger::builder("never.kymo").panic_hook(true).start().unwrap();
    assert!(catch_unwind(|| panic!("in the program")).is_err());
    log.assert_contains(r#"target == "panic" and message contains "in the program""#);
}

#[test]
fn a_panic_is_captured() {
    let output = run("hooked", &[]);
    assert!(output.status.success(), "{output:?}");
}
