//! Log statements, threads, and the life of a logger: what is logged is what is read.

use kymo_testing::logged;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kymo::{Clock, Level, Overflow, StartErrorKind, debug, error, info, log, trace, warn};
use logged::Turn;

#[test]
fn each_macro_logs_at_its_level() {
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    error!("a {}", 1);
    warn!("b {}", 2);
    info!("c {}", 3);
    debug!("d {}", 4);
    trace!("e {}", 5);
    for level in Level::ALL {
        log!(level, "f {level}", level = kymo::as_display(level));
    }
    log!(Level::Warn, "g");
    info!(target: "elsewhere", "h");
    assert_eq!(logger.shutdown().written, 12);

    let log = turn.read();
    let levels: Vec<Level> = log.records.iter().map(|entry| entry.level).collect();
    let expected = [&Level::ALL[..], &Level::ALL, &[Level::Warn, Level::Info]].concat();
    assert_eq!(levels, expected);
    assert_eq!(
        log.messages(),
        [
            "a 1", "b 2", "c 3", "d 4", "e 5", "f error", "f warn", "f info", "f debug", "f trace",
            "g", "h"
        ]
    );
    assert_eq!(log.records[10].target, "logging");
    assert_eq!(log.records[11].target, "elsewhere");
    assert_eq!(log.records[0].line + 1, log.records[1].line);
    assert!(log.report.is_whole());
}

/// Arguments of a disabled statement are not evaluated.
#[test]
fn disabled_statements_evaluate_nothing() {
    let turn = Turn::take();
    let logger = turn.builder().max_level(Level::Info).start().unwrap();
    let evaluated = Cell::new(0);
    let argument = || evaluated.replace(evaluated.get() + 1);
    debug!("{}", argument());
    info!("{}", argument());
    logger.set_max_level(Level::Debug);
    debug!("{}", argument());
    log!(Level::Trace, "{}", argument());
    assert_eq!(logger.shutdown().written, 2);
    assert_eq!(evaluated.get(), 2);
}

#[test]
fn what_threads_log_is_whole_and_in_order() {
    const THREADS: u64 = 8;
    const RECORDS: u64 = 5_000;
    let turn = Turn::take();
    let logger = turn.builder().ring_capacity(16 << 10).start().unwrap();
    thread::scope(|scope| {
        for number in 0..THREADS {
            let builder = thread::Builder::new().name(format!("worker-{number}"));
            let work = move || (0..RECORDS).for_each(|record| info!("{number}:{record}"));
            builder.spawn_scoped(scope, work).unwrap();
        }
    });
    let report = logger.shutdown();
    assert_eq!((report.written, report.dropped), (THREADS * RECORDS, 0));

    let log = turn.read();
    assert!(log.report.is_whole());
    for number in 0..THREADS {
        let of_thread =
            log.records.iter().filter(|entry| entry.thread == format!("worker-{number}"));
        let messages: Vec<&str> = of_thread.map(|entry| entry.message.as_str()).collect();
        let expected: Vec<String> =
            (0..RECORDS).map(|record| format!("{number}:{record}")).collect();
        assert_eq!(messages, expected);
    }
}

#[test]
fn short_lived_threads_lose_nothing() {
    let turn = Turn::take();
    let logger = turn.builder().ring_capacity(4 << 10).start().unwrap();
    for number in 0..500 {
        thread::spawn(move || info!("thread {number}")).join().unwrap();
    }
    assert_eq!(logger.shutdown().written, 500);
    let expected: Vec<String> = (0..500).map(|number| format!("thread {number}")).collect();
    let mut records = turn.read().records;
    records.sort_by_key(|entry| entry.thread_number);
    let messages: Vec<&str> = records.iter().map(|entry| entry.message.as_str()).collect();
    assert_eq!(messages, expected);
}

/// A flush shows everything to readers of the open file.
#[test]
fn a_flush_shows_all_to_readers() {
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    for round in 1..=20 {
        (0..100).for_each(|record| info!("{round} {record}"));
        assert!(logger.flush());
        assert_eq!(turn.read().records.len(), round * 100);
    }
    assert!(logger.flush_timeout(Duration::from_secs(10)), "nothing to wait for");
    logger.shutdown();
}

/// A logger can be started again and threads follow.
#[test]
fn threads_follow_a_new_logger() {
    let turn = Turn::take();
    let path = turn.path.clone();
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..5 {
                barrier.wait();
                info!("worker {round}");
                barrier.wait();
            }
        });
        for round in 0..5 {
            let before = kymo::unlogged();
            info!("between loggers");
            assert_eq!(kymo::unlogged(), before + 1);
            let logger = kymo::Logger::builder(&path).overwrite(true).start().unwrap();
            barrier.wait();
            info!("main {round}");
            barrier.wait();
            assert_eq!(logger.shutdown().written, 2);
            let mut messages: Vec<String> =
                turn.read().records.into_iter().map(|entry| entry.message).collect();
            messages.sort();
            assert_eq!(messages, [format!("main {round}"), format!("worker {round}")]);
        }
    });
}

/// Records that are logged while the logger ends are written or counted.
#[test]
fn records_at_shutdown_are_accounted_for() {
    const THREADS: u64 = 3;
    let turn = Turn::take();
    for _ in 0..20 {
        let unlogged = kymo::unlogged();
        let logger = turn.builder().overwrite(true).ring_capacity(4 << 10).start().unwrap();
        let barrier = Barrier::new(THREADS as usize + 1);
        let (logged, report) = thread::scope(|scope| {
            let work = || {
                barrier.wait();
                (0..3_000_u64).inspect(|record| info!("{record}")).count() as u64
            };
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
            barrier.wait();
            let report = logger.shutdown();
            (threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>(), report)
        });
        let unlogged = kymo::unlogged() - unlogged;
        assert_eq!(logged, report.written + report.dropped + unlogged, "{report:?}");
        let log = turn.read();
        assert_eq!(log.records.len() as u64, report.written);
        assert_eq!(log.marked_drops, report.dropped);
    }
}

/// A full ring drops the newest and says so in the file.
#[test]
fn a_full_ring_marks_its_drops() {
    const RECORDS: u64 = 200_000;
    let turn = Turn::take();
    let logger = turn
        .builder()
        .ring_capacity(4 << 10)
        .overflow(Overflow::DropNewest)
        .poll_interval(Duration::from_millis(2))
        .start()
        .unwrap();
    (0..RECORDS).for_each(|record| info!("{record}"));
    let report = logger.shutdown();
    assert!(report.dropped > 0, "the ring is too small for all");
    assert_eq!(report.written + report.dropped, RECORDS);

    let log = turn.read();
    assert_eq!(log.records.len() as u64, report.written);
    assert_eq!(log.marked_drops, report.dropped);
    let numbers: Vec<u64> = log.messages().iter().map(|message| message.parse().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b));
    assert_eq!(numbers[0], 0);
}

/// Logs when its thread's locals are destroyed.
struct LogsWhenDropped(&'static str);

impl Drop for LogsWhenDropped {
    fn drop(&mut self) {
        info!("dropped {} {}", self.0, kymo::as_display(self.0.len()));
    }
}

thread_local! {
    static EARLY: RefCell<Option<LogsWhenDropped>> = const { RefCell::new(None) };
    static LATE: RefCell<Option<LogsWhenDropped>> = const { RefCell::new(None) };
}

#[test]
fn destructors_of_thread_locals_may_log() {
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    thread::spawn(|| {
        // Registered before and after the thread's own ring: one is destroyed before it, the other
        // after.
        EARLY.set(Some(LogsWhenDropped("early")));
        info!("in between");
        LATE.set(Some(LogsWhenDropped("late")));
    })
    .join()
    .unwrap();
    thread::spawn(|| EARLY.set(Some(LogsWhenDropped("alone")))).join().unwrap();
    assert_eq!(logger.shutdown().written, 4);
    let log = turn.read();
    let mut messages = log.messages();
    messages.sort_unstable();
    assert_eq!(messages, ["dropped alone 5", "dropped early 5", "dropped late 4", "in between"]);
}

/// Logs while it is formatted.
struct Chatty(u32);

impl fmt::Display for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!("formatting {}, {}", self.0, kymo::as_display("nested"));
        if self.0 > 0 {
            write!(f, "{}<", kymo::as_display(Chatty(self.0 - 1)))?;
        }
        write!(f, "chatty {}", self.0)
    }
}

/// A display that logs leaves whole records in order.
#[test]
fn a_display_that_logs_keeps_order() {
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    info!("{} and {}", kymo::as_display(Chatty(2)), kymo::as_debug("quoted"));
    logger.shutdown();
    let log = turn.read();
    assert_eq!(
        log.messages(),
        [
            "formatting 2, nested",
            "formatting 1, nested",
            "formatting 0, nested",
            "chatty 0<chatty 1<chatty 2 and \"quoted\"",
        ]
    );
}

/// A long argument is cut at a character, marked and counted.
#[test]
fn long_arguments_are_cut_at_a_character() {
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    let long = "ä".repeat(40_000);
    info!("{long}");
    info!("{long} {}", 7);
    info!("{} {:?}", kymo::as_display(&long), Some("behind"));
    info!("{:?}", vec![1_u64; 10_000]);
    info!("{:?}", vec![(); 100_000]);
    info!("{}", "x".repeat(30_000));
    let report = logger.shutdown();
    assert_eq!((report.written, report.dropped, report.cut), (6, 0, 5));

    let log = turn.read();
    let cut: Vec<bool> = log.records.iter().map(|entry| entry.cut).collect();
    assert_eq!(cut, [true, true, true, true, true, false]);
    let messages = log.messages();
    assert!(long.starts_with(messages[0].trim_end_matches('…')));
    assert!(messages[0].len() > 32_000);
    assert!(messages[1].starts_with("äää") && messages[1].ends_with("… 7"));
    assert!(messages[2].starts_with("äää"));
    assert!(messages[3].ends_with("1, …]"));
    assert_eq!(messages[5].len(), 30_000);
}

/// A value after a string that is cut is whole.
#[test]
fn a_value_after_a_cut_string_is_whole() {
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    let long = "x".repeat(40_000);
    info!("{} {:?} {:?} {:?}", long, Some(17_u64), None::<u64>, Some(Some("y")));
    logger.shutdown();
    let log = turn.read();
    assert!(
        log.messages()[0].ends_with("… Some(17) None Some(Some(\"\"…))"),
        "{:?}",
        &log.messages()[0][32_000..]
    );
}

/// A wrapped value once held its text, and with it the thread, across an `await` in the statement.
#[test]
fn wrapped_values_leave_a_future_send() {
    async fn wait() -> u32 {
        std::future::ready(7).await
    }
    async fn log(name: &str) {
        let kept = kymo::as_display(name);
        info!("{:>6} {}", kymo::as_display(name), wait().await);
        wait().await;
        info!("{kept:.1} {:?}", kymo::as_debug(wait().await));
    }
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    let future = Box::pin(log("name"));
    // A thread of its own polls it: it is `Send`.
    let polled = thread::scope(|scope| {
        let poll = move || {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let mut future = future;
            future.as_mut().poll(&mut context).is_ready()
        };
        scope.spawn(poll).join().unwrap()
    });
    assert!(polled);
    logger.shutdown();
    assert_eq!(turn.read().messages(), ["  name 7", "n 7"]);
}

#[test]
fn wrapped_values_may_be_empty_and_kept() {
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    let (first, empty) = (kymo::as_display("first"), kymo::as_display(""));
    info!("<{empty}> {first}");
    info!("and {first:.2}");
    logger.shutdown();
    assert_eq!(turn.read().messages(), ["<> first", "and fi"]);
}

/// After a panic of the consumer, nobody waits and every record is counted.
#[test]
fn a_consumer_panic_is_accounted_for() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static BROKEN: AtomicBool = AtomicBool::new(false);
    fn clock() -> u64 {
        let on_consumer = thread::current().name() == Some("kymo-consumer");
        assert!(
            !(on_consumer && BROKEN.load(Ordering::Relaxed)),
            "the clock is broken, as it should be"
        );
        1
    }
    let turn = Turn::take();
    let unlogged = kymo::unlogged();
    let logger = turn.builder().clock(Clock::Custom(clock)).ring_capacity(4 << 10).start().unwrap();
    (0..10).for_each(|record| info!("{record}"));
    assert!(logger.flush());
    BROKEN.store(true, Ordering::Relaxed);
    // More than the ring holds: those that wait for room are let go.
    (0..1_000).for_each(|record| info!("{record}"));
    assert!(!logger.flush());
    thread::spawn(|| info!("a thread that comes later")).join().unwrap();
    let report = logger.shutdown();
    assert!(report.error.is_some());
    assert_eq!(report.written, 10);
    assert_eq!(report.written + report.dropped + kymo::unlogged() - unlogged, 1_011);

    BROKEN.store(false, Ordering::Relaxed);
    let logger = turn.builder().overwrite(true).start().unwrap();
    info!("the next logger");
    assert!(logger.flush());
    logger.shutdown();
    assert_eq!(turn.read().messages(), ["the next logger"]);
}

/// After a panic of the consumer at its start, nobody waits.
#[test]
fn an_early_consumer_panic_blocks_nobody() {
    fn clock() -> u64 {
        assert!(thread::current().name() != Some("kymo-consumer"), "broken, as it should be");
        1
    }
    let turn = Turn::take();
    let unlogged = kymo::unlogged();
    let builder = turn.builder().clock(Clock::Custom(clock)).ring_capacity(4 << 10);
    let logger = builder.overflow(Overflow::Wait { timeout: None }).start().unwrap();
    // More than a ring holds.
    (0..1_000).for_each(|record| info!("{record}"));
    assert!(!logger.flush());
    // For calls that nobody will hear no rings are made.
    assert!(logger.stats().threads.len() <= 1);
    let report = logger.shutdown();
    assert!(report.error.is_some());
    assert_eq!((report.written, kymo::unlogged() - unlogged), (0, 1_000));
}

/// A consumer that panics anywhere counts each record once.
#[test]
fn a_consumer_panic_anywhere_counts_once() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static LEFT: AtomicU64 = AtomicU64::new(0);
    fn clock() -> u64 {
        let on_consumer = thread::current().name() == Some("kymo-consumer");
        let last = on_consumer && LEFT.fetch_sub(1, Ordering::Relaxed) == 1;
        assert!(!last, "broken, as it should be");
        1
    }
    // From the first look at the clock to those of some sweeps that write.
    for looks in 30..60 {
        let turn = Turn::take();
        let unlogged = kymo::unlogged();
        LEFT.store(looks, Ordering::Relaxed);
        let builder = turn.builder().clock(Clock::Custom(clock)).map_window(1);
        let logger = builder.start().unwrap();
        for record in 0..100 {
            info!("{record}");
            logger.flush();
        }
        let report = logger.shutdown();
        assert!(report.error.is_some(), "{looks}");
        assert_eq!(turn.read().records.len() as u64, report.written, "{looks}");
        assert_eq!(report.written + kymo::unlogged() - unlogged, 100, "{looks}");
    }
}

fn generic<T: kymo::Argument + fmt::Debug>(value: T) {
    info!("generic {value:?}");
}

/// A statement in a generic function has the types of each instance.
#[test]
fn generic_statements_have_their_types() {
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    generic(-1_i8);
    generic("text");
    generic([Some(1.5), None]);
    generic(u128::MAX);
    generic((1, 'x', [true]));
    logger.shutdown();
    let expected = format!("generic {:?}", u128::MAX);
    assert_eq!(
        turn.read().messages(),
        [
            "generic -1",
            "generic \"text\"",
            "generic [Some(1.5), None]",
            &expected,
            "generic (1, 'x', [true])"
        ]
    );
}

/// Each clock gives the time at which it was logged.
#[test]
fn each_clock_gives_the_time_of_the_call() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64;
    for clock in [Clock::Counter, Clock::Monotonic, Clock::Coarse] {
        let turn = Turn::take();
        let logger = turn.builder().clock(clock).start().unwrap();
        info!("first");
        assert!(logger.flush());
        let before = now();
        // The coarse clock may lag by its idle sleep, the others by rounding.
        thread::sleep(Duration::from_millis(100));
        info!("second");
        let after = now();
        logger.shutdown();
        let times: Vec<i64> = turn.read().records.iter().map(|entry| entry.time_ns).collect();
        // The clocks are compared now and then, not at each record.
        let (before, after) = (before + 1_000_000, after + 1_000_000);
        assert!(times[0] <= before && before <= times[1], "{clock:?}: {before} {times:?}");
        assert!(times[1] <= after, "{clock:?}: {after} {times:?}");
    }
}

#[test]
fn a_custom_clock_is_taken_as_it_is() {
    let turn = Turn::take();
    let logger = turn.builder().clock(Clock::Custom(|| 1_234_567_890_123_456_789)).start().unwrap();
    info!("then");
    logger.shutdown();
    assert_eq!(turn.read().records[0].time_ns, 1_234_567_890_123_456_789);
}

#[test]
fn a_second_logger_is_refused() {
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    let refused = kymo::Logger::builder(turn.path.with_extension("other")).start().unwrap_err();
    assert!(matches!(refused.kind(), StartErrorKind::AlreadyRunning), "{refused}");
    assert!(!turn.path.with_extension("other").exists());
    drop(logger);
    turn.builder().overwrite(true).start().unwrap().shutdown();
}

#[test]
fn an_old_file_is_kept_under_another_name() {
    let turn = Turn::take();
    let kept = turn.path.with_extension("1.kymo");
    for message in ["old", "new"] {
        let logger = turn.builder().start().unwrap();
        info!("{message}");
        logger.shutdown();
    }
    assert_eq!(turn.read().messages(), ["new"]);
    std::fs::rename(&kept, &turn.path).unwrap();
    assert_eq!(turn.read().messages(), ["old"]);
}

#[test]
fn what_prevents_a_start_is_said() {
    let turn = Turn::take();
    let missing = turn.path.join("no such directory").join("log.kymo");
    let refused = kymo::Logger::builder(&missing).start().unwrap_err();
    assert!(
        matches!(refused.kind(), StartErrorKind::File(path, _) if *path == missing),
        "{refused}"
    );

    let refused = turn.builder().consumer_core(100_000).start().unwrap_err();
    assert!(matches!(refused.kind(), StartErrorKind::Pin { core: 100_000, .. }), "{refused}");
    assert!(!turn.path.exists(), "a refused start leaves no file");

    turn.builder().overwrite(true).consumer_core(0).start().unwrap().shutdown();
}
