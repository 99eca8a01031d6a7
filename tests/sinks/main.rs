//! Hooks for records, and sinks: each record once, in order, with its types. A sink that is slow, blocked or broken
//! costs counted records of its own, and nothing else.

mod children;
mod services;
#[path = "../terminal/mod.rs"]
mod terminal;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use kymo::reader::{Event, Value};
use kymo::sink::{Mark, Options, Outcome, Record};
use kymo::{
    Keep, Level, Logger, Overflow, Report, Rotation, Sink, SinkStats, debug, error, info, warn,
};
use kymo_testing::logged::Turn;
use terminal::{LOG, NAME, Program};

/// What a test waits for is not limited by time.
const ENOUGH: Duration = Duration::from_secs(600);

/// Not a test: the program that tests run.
#[test]
#[ignore = "run by the other tests"]
fn child() {
    if let Ok(name) = std::env::var(NAME) {
        children::run(&name, Path::new(&std::env::var(LOG).unwrap()));
    }
}

/// For these levels, and waited for at the end.
fn at(level: Level) -> Options {
    Options::at(level).end_timeout(ENOUGH)
}

/// What was called, with the text of the record.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn add(&self, call: impl Into<String>) {
        self.0.lock().unwrap().push(call.into());
    }

    fn taken(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Sink for Calls {
    fn record(&mut self, record: &Record<'_>) -> Outcome {
        self.add(record.text());
        Ok(())
    }

    fn mark(&mut self, mark: &Mark<'_>) -> Outcome {
        match mark {
            Mark::Event(Event::Drops(drops)) => self.add(format!("<drops {}>", drops.total())),
            Mark::Event(Event::End(_)) => self.add("<end>"),
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> Outcome {
        self.add("<flush>");
        Ok(())
    }

    fn close(&mut self) -> Outcome {
        self.add("<close>");
        Ok(())
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        if Arc::strong_count(&self.0) > 1 {
            self.add("<dropped>");
        }
    }
}

/// All that was logged at the sink's levels is accounted for.
#[track_caller]
fn assert_settled(sink: &SinkStats, report: &Report) {
    let all = sink.settled() + sink.unseen;
    assert_eq!(all, report.written + report.warnings, "{sink:?} {report:?}");
}

/// A hook gets the records of its levels, each once, in order, with all that they have.
#[test]
fn a_hook_gets_whole_records() {
    let turn = Turn::take();
    let (say, said) = mpsc::channel();
    let logger = turn
        .builder()
        .on_record(at(Level::Warn), move |record| {
            let price = record.get::<f64>("px").unwrap();
            assert!(matches!(record.argument("id"), Some(Value::U64(7))));
            let thread = record.thread().name().to_owned();
            let place = (record.file().to_owned(), record.line(), record.target().to_owned());
            say.send((record.level(), record.text(), price, thread, place, record.time_ns()))
                .unwrap();
        })
        .start()
        .unwrap();
    let before = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as i64;
    let work = || {
        info!("not this: {id} {px}", id = 7_u64, px = 1.5);
        error!(target: "risk", "order {id} at {px:.2}", id = 7_u64, px = 101.256);
        warn!("{id} {px}", id = 7_u64, px = -1.0);
    };
    thread::Builder::new().name("desk".into()).spawn(work).unwrap().join().unwrap();
    let (level, text, price, thread, (file, line, target), time_ns) = said.recv().unwrap();
    assert_eq!((level, &*text, price), (Level::Error, "order 7 at 101.26", 101.256));
    assert_eq!((&*thread, &*target), ("desk", "risk"));
    assert!(file.ends_with("tests/sinks/main.rs") && line > 100, "{file}:{line}");
    assert!((time_ns - before).abs() < 3_600_000_000_000, "{time_ns} {before}");
    assert_eq!(said.recv().unwrap().0, Level::Warn);
    let report = logger.shutdown();
    let [sink] = &report.sinks[..] else { panic!("{report:?}") };
    assert_eq!((&*sink.name, sink.level, sink.delivered), ("sink-1", Level::Warn, 2));
    assert_eq!((sink.errors, sink.settled(), sink.unseen), (0, 2, 0));
    assert!(said.recv().is_err(), "one record twice");
}

/// Records, marks, a flush after them, and the close at last, in the sink's own thread.
#[test]
fn the_methods_of_a_sink_are_called_in_order() {
    let turn = Turn::take();
    let calls = Calls::default();
    let logger = turn.builder().sink(at(Level::Info), calls.clone()).start().unwrap();
    (0..10).for_each(|number| info!("{number}"));
    debug!("not this");
    let report = logger.shutdown();
    let mut taken = calls.taken();
    assert_eq!(taken.pop().unwrap(), "<dropped>");
    assert_eq!(taken.pop().unwrap(), "<close>");
    assert_eq!(taken.pop().unwrap(), "<flush>");
    taken.retain(|call| call != "<flush>");
    assert_eq!(taken.pop().unwrap(), "<end>");
    assert_eq!(taken, (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(report.sinks[0].delivered, 10);
}

/// Drops of the log are told.
#[test]
fn a_sink_is_told_of_drops() {
    let turn = Turn::take();
    let calls = Calls::default();
    let builder = turn.builder().ring_capacity(4 << 10).overflow(Overflow::DropNewest);
    let logger = builder.sink(at(Level::Info), calls.clone()).start().unwrap();
    (0..100_000).for_each(|number| info!("{number}"));
    let report = logger.shutdown();
    let drops = calls
        .taken()
        .into_iter()
        .filter_map(|call| call.strip_prefix("<drops ")?.strip_suffix('>')?.parse::<u64>().ok());
    assert_eq!(drops.sum::<u64>(), report.dropped);
    assert!(report.dropped > 0);
    assert_settled(&report.sinks[0], &report);
    assert_eq!(report.sinks[0].unseen + report.sinks[0].skipped, 0);
}

/// A sink that fails for some records and one that panics lose these, and nothing else. Others get everything.
#[test]
fn failures_and_panics_cost_their_own_records() {
    let turn = Turn::take();
    struct Fails;
    impl Sink for Fails {
        fn record(&mut self, record: &Record<'_>) -> Outcome {
            let number: u64 = record.text().parse()?;
            if number.is_multiple_of(3) {
                Err(format!("no room for {number}").into())
            } else {
                Ok(())
            }
        }
        fn close(&mut self) -> Outcome {
            Err("cannot close".into())
        }
    }
    struct Panics(Calls);
    impl Sink for Panics {
        fn record(&mut self, record: &Record<'_>) -> Outcome {
            let number: u64 = record.text().parse()?;
            assert!(!number.is_multiple_of(10), "on purpose");
            self.0.record(record)
        }
        fn close(&mut self) -> Outcome {
            panic!("while closing")
        }
    }
    let (calls, all) = (Calls::default(), Calls::default());
    let logger = turn
        .builder()
        .sink(at(Level::Info).name("fails"), Fails)
        .sink(at(Level::Info).name("panics"), Panics(calls.clone()))
        .sink(at(Level::Info).name("all"), all.clone())
        .start()
        .unwrap();
    (0..300).for_each(|number| info!("{number}"));
    let report = logger.shutdown();
    assert_eq!((report.written, report.dropped), (300, 0));
    let [fails, panics, rest] = &report.sinks[..] else { panic!("{report:?}") };
    assert_eq!((fails.delivered, fails.failed, fails.errors, fails.panics), (200, 100, 101, 0));
    assert_eq!(fails.error.as_deref(), Some("cannot close"));
    assert_eq!((panics.delivered, panics.failed), (270, 30));
    assert_eq!((panics.panics, panics.errors), (31, 31), "{panics:?}");
    assert_eq!(panics.error.as_deref(), Some("it panicked: while closing"));
    assert_eq!((rest.delivered, rest.errors), (300, 0));
    report.sinks.iter().for_each(|sink| assert_settled(sink, &report));
    let numbers = |calls: &Calls| {
        calls.taken().iter().filter_map(|call| call.parse().ok()).collect::<Vec<u64>>()
    };
    assert_eq!(numbers(&all), (0..300).collect::<Vec<_>>());
    assert_eq!(numbers(&calls), (0..300).filter(|it| it % 10 != 0).collect::<Vec<_>>());
}

/// Records that a sink has taken and cannot send have failed.
#[test]
fn a_flush_that_fails_costs_what_was_held_back() {
    let turn = Turn::take();
    struct Holds(u64);
    impl Sink for Holds {
        fn record(&mut self, _: &Record<'_>) -> Outcome {
            self.0 += 1;
            Ok(())
        }
        fn flush(&mut self) -> Outcome {
            if self.0 > 10 { Err("the connection is gone".into()) } else { Ok(()) }
        }
    }
    let logger = turn.builder().sink(at(Level::Info), Holds(0)).start().unwrap();
    for number in 0..10 {
        info!("{number}");
        while logger.stats().sinks[0].settled() <= number {
            thread::yield_now();
        }
    }
    (0..90).for_each(|number| info!("{number}"));
    let report = logger.shutdown();
    let sink = &report.sinks[0];
    assert_eq!((sink.delivered, sink.failed, sink.panics), (10, 90, 0), "{sink:?}");
    assert_eq!(sink.error.as_deref(), Some("the connection is gone"));
    assert_settled(sink, &report);
}

/// Waits in each record, until it may go on.
struct Held {
    say: Sender<()>,
    go_on: Receiver<()>,
    texts: Sender<(String, u64)>,
    told: Arc<Mutex<u64>>,
}

impl Sink for Held {
    fn record(&mut self, record: &Record<'_>) -> Outcome {
        let _ = self.say.send(());
        // Also over when the other end has gone.
        let _ = self.go_on.recv();
        let _ = self.texts.send((record.text(), record.missed()));
        Ok(())
    }

    fn mark(&mut self, mark: &Mark<'_>) -> Outcome {
        if let Mark::Skipped(records) = mark {
            *self.told.lock().unwrap() += records;
        }
        Ok(())
    }
}

struct Holder {
    held: Receiver<()>,
    go_on: Sender<()>,
    texts: Receiver<(String, u64)>,
    told: Arc<Mutex<u64>>,
}

fn held() -> (Held, Holder) {
    let (say, held) = mpsc::channel();
    let (go_on, wait) = mpsc::channel();
    let (texts, heard) = mpsc::channel();
    let told = Arc::<Mutex<u64>>::default();
    let holder = Holder { held, go_on, texts: heard, told: told.clone() };
    (Held { say, go_on: wait, texts, told }, holder)
}

/// A sink that is blocked, for more bytes and segments than are kept for later: nobody waits, others get everything.
/// What it skipped is counted, and told when it goes on.
#[test]
fn a_blocked_sink_skips_and_says_so() {
    let _turn = Turn::take();
    const MANY: u64 = 40_000;
    let dir = tempfile::tempdir().unwrap();
    let (sink, holder) = held();
    let seen = Arc::new(Mutex::new(0));
    let logger = Logger::builder(dir.path().join("app.kymo"))
        .rotate(Rotation::on_request())
        .keep(Keep::unlimited())
        .overflow(Overflow::Wait { timeout: None })
        .sink(at(Level::Info).name("held").backlog(100_000), sink)
        .on_record(at(Level::Info).backlog(u64::MAX), {
            let seen = seen.clone();
            move |_| *seen.lock().unwrap() += 1
        })
        .start()
        .unwrap();
    for number in 0..MANY {
        if number % (MANY / 8) == 1 {
            // More segments than it can have open. Each has records.
            logger.rotate().unwrap();
        }
        info!("{number}");
    }
    assert!(kymo::flush());
    holder.held.recv().unwrap();
    let stats = logger.stats();
    assert_eq!(stats.total.written(), MANY);
    assert_eq!((&*stats.sinks[0].name, stats.sinks[0].delivered), ("held", 0));
    // Now it goes on.
    drop(holder.go_on);
    while logger.stats().sinks[0].settled() < MANY {
        thread::yield_now();
    }
    info!("at last");
    let report = logger.shutdown();
    let [held, other] = &report.sinks[..] else { panic!("{report:?}") };
    assert!(held.skipped > 0 && held.delivered > 0, "{held:?}");
    assert_eq!((held.unseen, held.errors), (0, 0));
    assert_settled(held, &report);
    assert_settled(other, &report);
    let texts: Vec<_> = holder.texts.iter().collect();
    assert_eq!(texts.len() as u64, held.delivered);
    assert_eq!(texts.iter().map(|(_, missed)| missed).sum::<u64>(), held.skipped);
    assert_eq!(*holder.told.lock().unwrap(), held.skipped);
    assert!(texts.iter().any(|(text, _)| text == "at last"));
    let mut numbers = texts.iter().filter_map(|(text, _)| text.parse::<u64>().ok());
    assert!(numbers.by_ref().is_sorted());
    // The second one is as late as its thread is: it may have lost segments, and says so.
    assert_eq!(*seen.lock().unwrap(), other.delivered);
}

/// A sink that never comes back does not hold the end, and the report says what it has not seen.
#[test]
fn a_stuck_sink_does_not_hold_the_end() {
    let turn = Turn::take();
    let (sink, holder) = held();
    let all = Calls::default();
    let logger = turn
        .builder()
        .sink(Options::at(Level::Info).name("stuck").end_timeout(Duration::from_millis(10)), sink)
        .sink(at(Level::Info), all.clone())
        .start()
        .unwrap();
    (0..1_000).for_each(|number| info!("{number}"));
    holder.held.recv().unwrap();
    let report = logger.shutdown();
    assert_eq!(report.written, 1_000);
    let [stuck, other] = &report.sinks[..] else { panic!("{report:?}") };
    assert_eq!((stuck.delivered, stuck.unseen), (0, 1_000));
    assert_settled(stuck, &report);
    assert_eq!((other.delivered, other.unseen), (1_000, 0));
    assert!(all.taken().iter().any(|call| call == "<close>"));
    drop(holder);
}

/// A hook that logs calls neither itself nor another one, and what it logs is in the log.
#[test]
fn a_hook_that_logs_does_not_call_itself() {
    let turn = Turn::take();
    let (first, second) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let count = |counter: &Arc<Mutex<u64>>| {
        let counter = counter.clone();
        move |record: &Record<'_>| {
            *counter.lock().unwrap() += 1;
            info!("seen: {}", record.text());
        }
    };
    let logger = turn
        .builder()
        .on_record(at(Level::Info), count(&first))
        .on_record(at(Level::Info), count(&second))
        .start()
        .unwrap();
    (0..100).for_each(|number| info!("{number}"));
    while logger.stats().sinks.iter().any(|sink| sink.delivered < 100) {
        thread::yield_now();
    }
    let report = logger.shutdown();
    assert_eq!((*first.lock().unwrap(), *second.lock().unwrap()), (100, 100));
    assert_eq!((report.written, report.dropped), (300, 0));
    for sink in &report.sinks {
        assert_eq!((sink.delivered, sink.left_out, sink.unseen), (100, 200, 0), "{sink:?}");
    }
    assert_eq!(turn.read().records.len(), 300);
}

/// A hook that ends the logger: the end does not wait for the hook for ever, which it would if it were not limited.
#[test]
fn a_hook_may_end_the_logger() {
    let turn = Turn::take();
    let slot = Arc::new(Mutex::new(None::<Logger>));
    let (say, said) = mpsc::channel();
    let logger = turn
        .builder()
        .on_record(Options::at(Level::Error).end_timeout(Duration::from_millis(10)), {
            let slot = slot.clone();
            move |_| {
                if let Some(logger) = slot.lock().unwrap().take() {
                    say.send(logger.shutdown()).unwrap();
                }
            }
        })
        .start()
        .unwrap();
    *slot.lock().unwrap() = Some(logger);
    error!("the end");
    let report = said.recv().unwrap();
    assert_eq!((report.written, report.sinks[0].delivered, report.sinks[0].unseen), (1, 0, 1));
}

/// All segments of a log that is rotated, one after the other.
#[test]
fn a_rotated_log_is_followed() {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let calls = Calls::default();
    let logger = Logger::builder(dir.path().join("app.kymo"))
        .rotate(Rotation::on_request())
        .keep(Keep::unlimited())
        .sink(at(Level::Info), calls.clone())
        .start()
        .unwrap();
    for number in 0..20 {
        info!("{number}");
        while logger.stats().sinks[0].settled() <= number {
            thread::yield_now();
        }
        logger.rotate().unwrap();
    }
    let report = logger.shutdown();
    let numbers = calls.taken().iter().filter_map(|call| call.parse().ok()).collect::<Vec<u64>>();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    assert_eq!(report.sinks[0].delivered, 20);
}

/// What is wrong is said by `start`, in words.
#[test]
fn wrong_sinks_are_errors() {
    let turn = Turn::take();
    let builder = turn.builder().on_record(Level::Info, |_| {});
    let error = builder.clone().on_record(Options::at(Level::Warn).name("sink-1"), |_| {}).start();
    let error = error.unwrap_err().to_string();
    assert!(error.contains("two sinks have one name"), "{error}");
    drop(builder.clone().start().unwrap());
    let error = builder.start().unwrap_err().to_string();
    assert!(error.contains("another logger has this sink"), "{error}");
}

/// `exit` without a shutdown waits for a sink.
#[test]
fn exit_delivers_the_last_record() {
    let done = Program::new("exit").run();
    assert!(done.check().stderr.contains("hook: the last words\n"), "{}", done.stderr);
}

/// So does a termination signal that is handled.
#[test]
fn a_termination_signal_delivers_the_last_record() {
    let done = Program::new("term").run();
    assert_eq!(done.status.signal(), Some(libc::SIGTERM), "{}", done.stderr);
    assert!(done.stderr.contains("hook: the last words\n"), "{}", done.stderr);
}

/// The child of a fork calls no hook, and the parent goes on with its own.
#[test]
fn a_fork_delivers_nothing_twice() {
    let done = Program::new("fork").run();
    let heard: Vec<_> =
        done.check().stderr.lines().filter(|line| line.starts_with("hook: ")).collect();
    assert_eq!(heard, ["hook: before", "hook: after"], "{}", done.stderr);
}
