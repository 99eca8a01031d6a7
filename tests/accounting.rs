//! What became of each record, and who is told: policies by level, statistics, notices, critical
//! records, and shutdown with a time limit.

use kymo_testing::logged;

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kymo::{
    Builder, DropReason, Level, Logger, Notice, Overflow, WriteThrough, debug, error, info, warn,
};
use kymo_reader::{Event, Files, Options, Order};
use logged::Turn;

const FOREVER: Overflow = Overflow::Wait { timeout: None };

/// A consumer that its program can hold up: its hook does not return.
struct Held {
    go_on: Sender<()>,
    held: Receiver<()>,
}

impl Held {
    /// Has the consumer stop at the first notice of a ring that is nearly full.
    fn builder(builder: Builder) -> (Builder, Self) {
        let (go_on, wait) = mpsc::channel();
        let (say, held) = mpsc::channel();
        let wait = Mutex::new(wait);
        let builder = builder.ring_capacity(4 << 10).high_water(0.25).on_notice(move |notice| {
            if let Notice::HighWater { .. } = notice {
                say.send(()).unwrap();
                // Also over when the other end has gone.
                let _ = wait.lock().unwrap().recv();
            }
        });
        (builder, Self { go_on, held })
    }

    /// Logs until the consumer is held up; how many records that took.
    fn hold(&self) -> u64 {
        let mut logged = 0;
        loop {
            for _ in 0..60 {
                info!("filling {logged}");
                logged += 1;
            }
            if self.held.recv_timeout(Duration::from_millis(1)).is_ok() {
                return logged;
            }
        }
    }
}

fn rescue_path(turn: &Turn) -> PathBuf {
    let mut path = turn.path.clone().into_os_string();
    path.push(".rescue");
    path.into()
}

/// A level that waits loses nothing while another level drops.
#[test]
fn waiting_levels_lose_nothing() {
    let turn = Turn::take();
    let logger = turn
        .builder()
        .ring_capacity(4 << 10)
        .poll_interval(Duration::from_millis(1))
        .overflow(Overflow::DropNewest)
        .overflow_at(Level::Error, FOREVER)
        .start()
        .unwrap();
    const ROUNDS: u64 = 3_000;
    for round in 0..ROUNDS {
        (0..20).for_each(|_| debug!("noise {round}"));
        error!("{round}");
    }
    assert!(logger.flush());
    let stats = logger.stats();
    assert_eq!(stats.total.written_at(Level::Error), ROUNDS);
    assert_eq!(stats.total.dropped_at(Level::Error), 0);
    assert!(stats.total.dropped_at(Level::Debug) > 0, "the ring is too small for all");
    assert_eq!(stats.total.logged(), 21 * ROUNDS);
    let report = logger.shutdown();
    assert_eq!(report.written + report.dropped, 21 * ROUNDS);

    let log = turn.read();
    let errors = log.records.iter().filter(|record| record.level == Level::Error);
    assert!(errors.map(|record| record.message.parse::<u64>().unwrap()).eq(0..ROUNDS));
    assert_eq!(log.marked_drops, report.dropped);
    assert_eq!(log.warnings.len() as u64, report.warnings);
    let told: u64 = log
        .warnings
        .iter()
        .filter_map(|warning| warning.message.strip_suffix(" records were dropped"))
        .map(|count| count.parse::<u64>().unwrap())
        .sum();
    assert_eq!(told, report.dropped, "{:?}", log.warnings);
}

/// Statistics are exact after a flush and name the threads.
#[test]
fn statistics_are_exact_after_a_flush() {
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    for count in 1..=3_u64 {
        let name = format!("worker {count}");
        let work = move || {
            (0..count * 100).for_each(|record| info!("{record}"));
            warn!("last");
            assert!(kymo::flush());
        };
        thread::Builder::new().name(name).spawn(work).unwrap().join().unwrap();
    }
    info!("{}", 1_u64);
    assert!(logger.flush());
    let stats = logger.stats();
    assert_eq!(stats.total.written(), 604);
    assert_eq!(stats.total.written_at(Level::Warn), 3);
    assert_eq!((stats.total.dropped(), stats.output_errors, stats.rescued), (0, 0, 0));
    // 16 bytes of header, and 8 for a number.
    assert_eq!(stats.total.bytes(), 601 * 24 + 3 * 16);
    let own = rustix_thread_id();
    let this = stats.threads.iter().find(|thread| thread.os_id == own).expect("this thread");
    assert_eq!(this.account.written(), 1);
    assert_eq!(this.ring_capacity, 1 << 20);
    assert!(this.ring_high_water >= 24 && this.ring_high_water <= this.ring_capacity);
    assert!(stats.sweeps > 0 && stats.busy <= stats.running && stats.busy_share() <= 1.0);
    assert!(stats.max_lag >= stats.lag && stats.max_lag > Duration::ZERO);
    let report = logger.shutdown();
    assert_eq!(report.written, 604);
    assert!(stats.file_bytes <= report.file_bytes);
}

fn rustix_thread_id() -> u64 {
    rustix::thread::gettid().as_raw_nonzero().get() as u64
}

/// A critical record is in the file when its call returns.
#[test]
fn critical_records_are_written_on_return() {
    let turn = Turn::take();
    let logger = turn
        .builder()
        .idle_sleep(Duration::from_secs(3_600))
        .poll_interval(Duration::from_secs(3_600))
        .write_through(WriteThrough::at(Level::Error).synced().timeout(Duration::from_secs(3_600)))
        .start()
        .unwrap();
    for round in 0..20 {
        info!("before {round}");
        error!("critical {round}");
        // The writer says how far the file is complete, and this reads no further.
        let mut reader = Options::new().follow(true).open(&turn.path).unwrap();
        let mut last = String::new();
        while let Some(record) = reader.next_record().unwrap() {
            last.clear();
            record.message(&mut last);
        }
        assert_eq!(last, format!("critical {round}"));
    }
    assert_eq!(logger.stats().sync_errors, 0);
    let report = logger.shutdown();
    assert_eq!((report.written, report.rescued), (40, 0));
    assert!(!rescue_path(&turn).exists());
}

/// Critical records of a consumer that does not answer are in the side file.
#[test]
fn side_file_if_the_consumer_hangs() {
    let turn = Turn::take();
    let (builder, held) = Held::builder(turn.builder().overflow(Overflow::DropNewest));
    let policy = WriteThrough::at(Level::Error).timeout(Duration::from_millis(20));
    let logger = builder.write_through(policy).start().unwrap();
    let filling = held.hold();
    let started = Instant::now();
    // More than the ring holds: some wait for room in vain, and are in the side file only.
    const CRITICAL: u64 = 200;
    let long = "x".repeat(40);
    (0..CRITICAL).for_each(|number| error!("critical {number} {long}"));
    assert!(started.elapsed() < Duration::from_secs(3_600));
    assert_eq!(logger.stats().rescued, CRITICAL);
    held.go_on.send(()).unwrap();
    drop(held);
    let report = logger.shutdown();
    assert_eq!(report.rescued, CRITICAL);
    assert_eq!(report.written + report.dropped, filling + CRITICAL);

    let log = turn.read();
    let written = log.records.iter().filter(|record| record.level == Level::Error).count() as u64;
    assert!(0 < written && written < CRITICAL, "some in both: {written}");

    // Read together: each once, in order.
    let mut files = Files::open([&turn.path], || Options::new().order(Order::Time)).unwrap();
    let mut numbers = Vec::new();
    while let Some((_, event)) = files.next_event().unwrap() {
        if let Event::Record(record) = event
            && record.level() == Level::Error
        {
            let mut message = String::new();
            record.message(&mut message);
            let number = message.split(' ').nth(1).unwrap();
            numbers.push(number.parse::<u64>().unwrap());
        }
    }
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..CRITICAL), "{numbers:?}");
    std::fs::remove_file(rescue_path(&turn)).unwrap();
}

/// Critical records of a consumer that is not ready yet are in the side file.
#[test]
fn side_file_before_the_consumer_is_ready() {
    let turn = Turn::take();
    // Once would do, were it not for a system that may suspend this thread for as long.
    let rescued = (0..5).map(|_| {
        let policy = WriteThrough::at(Level::Error).timeout(Duration::ZERO);
        let logger = turn.builder().overwrite(true).write_through(policy).start().unwrap();
        error!("at once");
        logger.shutdown().rescued
    });
    assert!(rescued.sum::<u64>() > 0);
    let _ = std::fs::remove_file(rescue_path(&turn));
}

/// The side file outlives the file that it belongs to.
#[test]
fn the_side_file_outlives_its_log() {
    let turn = Turn::take();
    let (builder, held) = Held::builder(turn.builder().overflow(Overflow::DropNewest));
    let policy = WriteThrough::at(Level::Error).timeout(Duration::from_millis(20));
    let logger = builder.write_through(policy).start().unwrap();
    held.hold();
    error!("critical");
    assert_eq!(logger.stats().rescued, 1);
    std::fs::remove_file(&turn.path).unwrap();
    // It goes on, notices that the file is gone, and makes another.
    drop(held);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !turn.path.exists() {
        assert!(Instant::now() < deadline, "no file");
        info!("more");
        logger.flush();
    }
    logger.shutdown();

    let mut files = Files::open([&turn.path], || Options::new().order(Order::Time)).unwrap();
    let mut critical = 0;
    while let Some((_, event)) = files.next_event().unwrap() {
        critical += u64::from(matches!(event, Event::Record(it) if it.level() == Level::Error));
    }
    assert_eq!(critical, 1);
    std::fs::remove_file(rescue_path(&turn)).unwrap();
}

/// Records for which a shutdown has no time are counted and marked.
#[test]
fn timed_out_shutdown_counts_the_rest() {
    let turn = Turn::take();
    let (builder, held) = Held::builder(turn.builder());
    let logger = builder.overflow(Overflow::DropNewest).start().unwrap();
    let filling = held.hold();
    // Into rings that nobody looks at now.
    let more: u64 = thread::scope(|scope| {
        let work = || (0..50_u64).inspect(|number| info!("{number}")).count() as u64;
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // The consumer goes on when the time is over.
    let releasing = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        held.go_on.send(()).unwrap();
    });
    let report = logger.shutdown_timeout(Duration::ZERO);
    releasing.join().unwrap();
    if report.error.is_none() {
        assert_eq!(report.written + report.dropped + report.unwritten, filling + more);
        let log = turn.read();
        assert_eq!(log.marked_drops, report.dropped + report.unwritten);
        assert_eq!(log.records.len() as u64, report.written);
    }
}

/// A consumer that hangs does not hang a shutdown with a time limit.
#[test]
fn shutdown_timeout_ends_a_hang() {
    let turn = Turn::take();
    let (builder, held) = Held::builder(turn.builder());
    let logger = builder.overflow(Overflow::DropNewest).start().unwrap();
    held.hold();
    let report = logger.shutdown_timeout(Duration::from_millis(1));
    let error = report.error.expect("it has not ended");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    held.go_on.send(()).unwrap();
    // It ends by itself, and gives the file back.
    drop(held);
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) = Logger::builder(&turn.path).overwrite(true).start() {
        assert!(Instant::now() < deadline, "{error}");
        thread::yield_now();
    }
}

/// A full ring is noticed once, and the hook may log and panic.
#[test]
fn full_rings_are_noticed_once() {
    let turn = Turn::take();
    let told = Arc::new(Mutex::new(Vec::new()));
    let logger = turn
        .builder()
        .ring_capacity(4 << 10)
        .high_water(0.5)
        .poll_interval(Duration::from_millis(5))
        .overflow(FOREVER)
        .on_notice({
            let told = told.clone();
            move |notice| {
                let Notice::HighWater { used, capacity, .. } = notice else { return };
                told.lock().unwrap().push((*used, *capacity));
                info!("from the hook: {}", *used);
                panic!("on purpose");
            }
        })
        .start()
        .unwrap();
    (0..2_000_u64).for_each(|number| info!("{number}"));
    let report = logger.shutdown();
    assert_eq!((report.written, report.dropped), (2_001, 0));
    let told = told.lock().unwrap();
    let [(used, capacity)] = told[..] else { panic!("told once: {told:?}") };
    assert_eq!(capacity, 4 << 10);
    assert!(used >= capacity / 2);
    let log = turn.read();
    assert!(log.warnings[0].message.contains(&format!("holds {used} of {capacity} bytes")));
}

/// Notices count the records of the program only.
#[test]
fn notices_count_only_program_records() {
    let turn = Turn::take();
    let (say, said) = mpsc::channel();
    let (fill, filled) = mpsc::channel();
    let builder = turn.builder().ring_capacity(4 << 10).high_water(0.25).overflow(FOREVER);
    let builder = builder.on_notice(move |notice| match notice {
        Notice::HighWater { .. } => fill.send(()).unwrap(),
        Notice::OutputRecovered { lost } => say.send(*lost).unwrap(),
        _ => {}
    });
    let logger = builder.start().unwrap();
    // A warning of kymo's own is in the file, and goes with it.
    while filled.try_recv().is_err() {
        (0..60).for_each(|number| info!("{number}"));
    }
    info!("so that there is a sweep");
    assert!(logger.flush());
    std::fs::remove_file(&turn.path).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let lost = loop {
        assert!(Instant::now() < deadline, "it does not recover");
        info!("more");
        logger.flush();
        if let Ok(lost) = said.try_recv() {
            break lost;
        }
    };
    let report = logger.shutdown();
    assert_eq!(lost, report.dropped);
}

#[test]
fn a_hook_may_end_the_logger() {
    let turn = Turn::take();
    let slot: Arc<Mutex<Option<Logger>>> = Arc::default();
    let (say, said) = mpsc::channel();
    let builder = turn.builder().ring_capacity(4 << 10).high_water(0.25).on_notice({
        let slot = slot.clone();
        move |_| {
            if let Some(logger) = slot.lock().unwrap().take() {
                say.send(logger.shutdown().error.map(|error| error.kind())).unwrap();
            }
        }
    });
    *slot.lock().unwrap() = Some(builder.overflow(Overflow::DropNewest).start().unwrap());
    let unlogged = kymo::unlogged();
    let mut logged = 0;
    let kind = loop {
        (0..60).for_each(|number| info!("{number}"));
        logged += 60;
        if let Ok(kind) = said.recv_timeout(Duration::from_millis(1)) {
            break kind;
        }
    };
    assert_eq!(kind, Some(std::io::ErrorKind::WouldBlock));
    // It ends when the hook has returned, and gives the file back.
    let deadline = Instant::now() + Duration::from_secs(60);
    let lock = std::fs::File::open(&turn.path).unwrap();
    while lock.try_lock().is_err() {
        assert!(Instant::now() < deadline, "somebody has the file");
        thread::yield_now();
    }
    let log = turn.read();
    let accounted = log.records.len() as u64 + log.marked_drops + kymo::unlogged() - unlogged;
    assert_eq!(accounted, logged);
}

#[test]
fn reasons_of_drops_are_told_apart() {
    let turn = Turn::take();
    let (builder, held) = Held::builder(turn.builder());
    let logger = builder
        .overflow(Overflow::DropNewest)
        .overflow_at(Level::Warn, Overflow::Wait { timeout: Some(Duration::from_millis(1)) })
        .start()
        .unwrap();
    held.hold();
    // As short as the warning, so that they leave no room for it.
    (0..300).for_each(|_| info!("there is room"));
    warn!("waits in vain");
    held.go_on.send(()).unwrap();
    drop(held);
    assert!(logger.flush());
    let drops: Vec<_> = logger.stats().total.drops().collect();
    assert!(drops.contains(&(DropReason::TimedOut, Level::Warn, 1)), "{drops:?}");
    assert!(drops.iter().any(|drop| (drop.0, drop.1) == (DropReason::Full, Level::Info)));
    drop(logger);
}
