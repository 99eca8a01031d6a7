//! Levels that overwrite their oldest records: nobody waits, what is overwritten is counted exactly,
//! and what is left is in order.

use kymo_testing::logged;

use std::thread;
use std::time::Duration;

use kymo::{DropReason, Level, Overflow, debug, info, trace, warn};
use kymo_reader::{Event, Options};
use logged::Turn;

const FOREVER: Overflow = Overflow::Wait { timeout: None };

/// Of a level's records: how many were logged.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
struct Counts([u64; 5]);

impl Counts {
    fn add(&mut self, level: Level, count: u64) {
        self.0[level as usize - 1] += count;
    }
}

/// What a file says: the numbers in its records, in its order, thread by thread; what it has and
/// what it marks as overwritten, by level.
fn read(turn: &Turn) -> (Vec<(String, u64, Level)>, Counts, Counts) {
    let mut reader = Options::new().open(&turn.path).unwrap();
    let (mut records, mut written, mut overwritten) = Default::default();
    while let Some(event) = reader.next_event().unwrap() {
        match event {
            // kymo's own say that records were dropped.
            Event::Record(record) if record.target() == "kymo" => {}
            Event::Record(record) => {
                let records: &mut Vec<_> = &mut records;
                let number = record.argument("number").unwrap().as_u128().unwrap() as u64;
                records.push((record.thread().name().to_owned(), number, record.level()));
                Counts::add(&mut written, record.level(), 1);
            }
            Event::Drops(drops) => {
                assert!(drops.first_ns <= drops.last_ns);
                for count in drops.counts {
                    assert_eq!(count.reason, DropReason::Overwritten);
                    Counts::add(&mut overwritten, count.level.unwrap(), count.count);
                }
            }
            Event::Gap(gap) => panic!("{} records are missing", gap.records),
            _ => {}
        }
    }
    assert!(reader.report().is_whole());
    (records, written, overwritten)
}

/// Overwritten records are counted by level, and the rest is in order.
#[test]
fn overwritten_records_are_counted() {
    let turn = Turn::take();
    let logger = turn
        .builder()
        .ring_capacity(4 << 10)
        .poll_interval(Duration::from_millis(1))
        .overflow(Overflow::OverwriteOldest)
        .start()
        .unwrap();
    let mut logged = Counts::default();
    const RECORDS: u64 = 60_000;
    for number in 0..RECORDS {
        let level = match number * 7 % 5 {
            0 => {
                warn!("{number}");
                Level::Warn
            }
            1 | 2 => {
                info!(
                    "{number} {}",
                    "a text of some length that is copied by a loop, too long for the stack"
                        .repeat(4)
                );
                Level::Info
            }
            _ => {
                trace!("{number} {}", "short");
                Level::Trace
            }
        };
        logged.add(level, 1);
    }
    assert!(logger.flush());
    let account = logger.stats().total;
    assert_eq!(account.logged(), RECORDS);
    let report = logger.shutdown();
    assert_eq!(report.written + report.dropped, RECORDS);
    assert!(report.dropped > 0, "nothing was overwritten: the test shows nothing");
    let (records, written, overwritten) = read(&turn);
    for level in Level::ALL {
        let index = level as usize - 1;
        assert_eq!(written.0[index] + overwritten.0[index], logged.0[index], "{level}");
        assert_eq!(account.written_at(level), written.0[index], "{level}");
        assert_eq!(account.dropped_at(level), overwritten.0[index], "{level}");
    }
    assert!(records.is_sorted_by_key(|(_, number, _)| *number));
    assert_eq!(records.last().unwrap().1, RECORDS - 1, "the newest is never overwritten");
}

/// Levels that wait lose nothing and keep their place.
#[test]
fn waiting_levels_keep_their_place() {
    let turn = Turn::take();
    let logger = turn
        .builder()
        .ring_capacity(4 << 10)
        .overflow(FOREVER)
        .overflow_at(Level::Debug, Overflow::OverwriteOldest)
        .overflow_at(Level::Trace, Overflow::OverwriteOldest)
        .start()
        .unwrap();
    const RECORDS: u64 = 30_000;
    const THREADS: u64 = 4;
    let threads = (0..THREADS).map(|thread| {
        let run = move || {
            for number in 0..RECORDS {
                match (number / 3) % 4 {
                    0 => info!("{number}"),
                    1 => trace!("{number}"),
                    _ => debug!("{number}"),
                }
            }
        };
        thread::Builder::new().name(thread.to_string()).spawn(run).unwrap()
    });
    threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    let report = logger.shutdown();
    assert_eq!(report.written + report.dropped, THREADS * RECORDS);
    let (records, written, overwritten) = read(&turn);
    assert_eq!(written.0[2], THREADS * RECORDS / 4, "all of those that wait");
    assert_eq!(written.0[3] + overwritten.0[3], THREADS * RECORDS / 2);
    assert_eq!(written.0[4] + overwritten.0[4], THREADS * RECORDS / 4);
    for thread in 0..THREADS {
        let of = records.iter().filter(|(name, ..)| *name == thread.to_string());
        assert!(of.is_sorted_by_key(|(_, number, _)| *number), "thread {thread}");
    }
}

/// A flush waits for records that may be overwritten.
#[test]
fn a_flush_waits_for_overwritable_records() {
    let turn = Turn::take();
    let builder = turn.builder().poll_interval(Duration::from_millis(1));
    let logger = builder.overflow_at(Level::Debug, Overflow::OverwriteOldest).start().unwrap();
    for number in 0..50_u64 {
        debug!("{number}");
        assert!(logger.flush());
        assert_eq!(logger.stats().total.written(), number + 1);
    }
    logger.shutdown();
}

/// More than the consumer takes at once goes round in a ring while an older copy of it is still being
/// written to the file, and then the thread ends.
#[test]
fn records_at_thread_end_are_counted() {
    let turn = Turn::take();
    let logger = turn.builder().overflow(Overflow::OverwriteOldest).start().unwrap();
    const ROUNDS: u64 = 40;
    let mut logged = 0;
    for round in 0..ROUNDS {
        let records = 5_000 + round * 997;
        logged += records;
        let run = move || (0..records).for_each(|number| info!("{number}"));
        thread::spawn(run).join().unwrap();
    }
    let report = logger.shutdown();
    assert_eq!(report.written + report.dropped, logged);
    let (records, written, overwritten) = read(&turn);
    assert_eq!(records.len() as u64, report.written);
    assert_eq!(written.0[2] + overwritten.0[2], logged);
}
