//! What each guarantee costs a log call: `cargo bench --bench guarantees`.
//!
//! Calls of the message ints. In the first table they are made in batches that fit the ring, which
//! is drained in between; the options take turns, so that the machine's moods strike all alike. In
//! the second each call is timed by itself, because each waits for the consumer.

use std::error::Error;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use kymo::{Builder, Durability, Level, Logger, Overflow, WriteThrough, error, info};

use kymo_bench::place::{PRODUCER_CORE, Scratch, consumer_core, pin};

/// Calls of a batch: they fit into a ring of 1 MiB.
const BATCH: u64 = 4_096;

const ROUNDS: usize = 9;

const BATCHES: usize = 100;

/// Calls that wait for the consumer, of each kind.
const WAITING: u64 = 2_000;

/// The recorder that is dumped.
const RECORDER_BYTES: usize = 1 << 20;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is measured: its name, and how it is asked for.
type Choice = (&'static str, fn(Builder) -> Builder);

const UNAFFECTED: [Choice; 9] = [
    ("waiting for room (the default)", |builder| builder),
    ("dropping the newest", |builder| builder.overflow(Overflow::DropNewest)),
    ("other levels written through", |builder| builder.write_through(Level::Error)),
    ("notices", |builder| builder.on_notice(|_| ())),
    ("handlers for signals and crashes", |builder| {
        let limit = Duration::from_secs(1);
        builder.drain_on_termination(limit).drain_on_crash(limit)
    }),
    ("other levels recorded", |builder| builder.flight_recorder(Level::Debug, 1 << 20)),
    ("overwriting the oldest", |builder| builder.overflow(Overflow::OverwriteOldest)),
    ("recorded: the flight recorder's levels", |builder| {
        builder.flight_recorder(Level::Info, 1 << 20)
    }),
    ("the coarse clock", |builder| builder.clock(kymo::Clock::Coarse)),
];

const CRITICAL: [Choice; 2] = [
    ("written through", |builder| builder.write_through(Level::Error)),
    ("written through, synced", |builder| {
        builder.write_through(WriteThrough::at(Level::Error).synced())
    }),
];

/// How often calls come while durabilities are measured, in nanoseconds.
const PACE_NS: u64 = 1_000;

/// For how long.
const PACED: Duration = Duration::from_secs(4);

const DURABILITIES: [Choice; 5] = [
    ("`Kernel` (the default)", |builder| builder),
    ("`Every(1 s)`", |builder| builder.durability(Durability::Every(Duration::from_secs(1)))),
    ("`Every(100 ms)`", |builder| {
        builder.durability(Durability::Every(Duration::from_millis(100)))
    }),
    ("`Every(10 ms)`", |builder| builder.durability(Durability::Every(Duration::from_millis(10)))),
    ("`AtClose`", |builder| builder.durability(Durability::AtClose)),
];

fn main() -> Result<()> {
    pin(PRODUCER_CORE)?;
    println!("| a call that does not wait | ns, median of {ROUNDS} rounds |\n| --- | --- |");
    let mut figures = vec![Vec::new(); UNAFFECTED.len()];
    for _ in 0..ROUNDS {
        for ((_, choose), figures) in UNAFFECTED.iter().zip(&mut figures) {
            figures.push(batches(choose)?);
        }
    }
    for ((name, _), mut figures) in UNAFFECTED.iter().zip(figures) {
        figures.sort_by(f64::total_cmp);
        println!("| {name} | {:.1} |", figures[ROUNDS / 2]);
    }
    println!("\n| a call that waits | µs: p50 / p99 / max |\n| --- | --- |");
    for (name, choose) in CRITICAL {
        waiting(name, choose, |_| error!("tick {} {} {}", black_box(1_u64), 2_u64, 3_u64))?;
    }
    waiting(
        "info, then flush",
        |builder| builder,
        |_| {
            info!("tick {} {} {}", black_box(1_u64), 2_u64, 3_u64);
            kymo::flush();
        },
    )?;
    waiting(
        "info, then sync",
        |builder| builder,
        |logger| {
            info!("tick {} {} {}", black_box(1_u64), 2_u64, 3_u64);
            // What it takes is measured, also if it fails.
            let _ = logger.sync();
        },
    )?;
    dumps()?;
    println!(
        "\n| a million records a second | ns a call: p50 / p99.9 | late at most, ms | ring at most, KiB | \
         shutdown, ms |\n| --- | --- | --- | --- | --- |"
    );
    DURABILITIES.iter().try_for_each(|(name, choose)| paced(name, *choose))
}

/// Prints what records that come at a steady pace see of syncs.
fn paced(name: &str, choose: fn(Builder) -> Builder) -> Result<()> {
    let scratch = Scratch::temporary("guarantees");
    let logger = start(choose, &scratch)?;
    let mut times = Histogram::<u64>::new(3)?;
    let begin = Instant::now();
    let mut next_ns = 0;
    while begin.elapsed() < PACED {
        while (begin.elapsed().as_nanos() as u64) < next_ns {
            std::hint::spin_loop();
        }
        next_ns += PACE_NS;
        let call = Instant::now();
        info!("tick {} {} {}", black_box(next_ns), 2_u64, 3_u64);
        times.record(call.elapsed().as_nanos() as u64)?;
    }
    let stats = logger.stats();
    let used = stats.threads.iter().map(|thread| thread.ring_high_water).max().unwrap_or(0);
    let ending = Instant::now();
    let report = logger.shutdown();
    let ending = ending.elapsed().as_secs_f64() * 1e3;
    assert_eq!((report.dropped, stats.sync_errors), (0, 0));
    let [p50, p999] = [0.5, 0.999].map(|share| times.value_at_quantile(share));
    let lag = stats.max_lag.as_secs_f64() * 1e3;
    println!("| {name} | {p50} / {p999} | {lag:.1} | {} | {ending:.1} |", used >> 10);
    let bytes = report.file_bytes as f64 / report.written as f64;
    eprintln!("{} records of {bytes:.1} bytes in the file", report.written);
    Ok(())
}

/// Prints what a dump of a full recorder takes.
fn dumps() -> Result<()> {
    let scratch = Scratch::temporary("guarantees");
    let logger = start(|builder| builder.flight_recorder(Level::Info, RECORDER_BYTES), &scratch)?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        for number in 0..RECORDER_BYTES as u64 / 40 {
            info!("tick {} {} {}", black_box(number), black_box(number), black_box(number));
        }
        let begin = Instant::now();
        let records = logger.dump_flight_recorder();
        times.push((begin.elapsed().as_micros(), records));
    }
    times.sort_unstable();
    let (time_us, records) = times[ROUNDS / 2];
    println!("| a dump of {records} records | median of {ROUNDS}: {time_us} |");
    Ok(())
}

fn start(choose: fn(Builder) -> Builder, scratch: &Scratch) -> Result<Logger> {
    let mut builder = Logger::builder(scratch.path());
    if let Some(core) = consumer_core() {
        builder = builder.consumer_core(core);
    }
    let logger = choose(builder).start()?;
    kymo::prepare_thread();
    Ok(logger)
}

/// Nanoseconds of a call.
fn batches(choose: &fn(Builder) -> Builder) -> Result<f64> {
    let scratch = Scratch::temporary("guarantees");
    let logger = start(*choose, &scratch)?;
    let mut spent = Duration::ZERO;
    for _ in 0..BATCHES {
        logger.flush();
        let begin = Instant::now();
        for number in 0..BATCH {
            info!("tick {} {} {}", black_box(number), black_box(number), black_box(number));
        }
        spent += begin.elapsed();
    }
    drop(logger);
    Ok(spent.as_nanos() as f64 / (BATCH as f64 * BATCHES as f64))
}

/// Prints how long calls take that come a tenth of a millisecond after each other.
fn waiting(name: &str, choose: fn(Builder) -> Builder, call: impl Fn(&Logger)) -> Result<()> {
    let scratch = Scratch::temporary("guarantees");
    let logger = start(choose, &scratch)?;
    let mut times = Histogram::<u64>::new(3)?;
    for _ in 0..WAITING {
        thread::sleep(Duration::from_micros(100));
        let begin = Instant::now();
        call(&logger);
        times.record(begin.elapsed().as_nanos() as u64)?;
    }
    drop(logger);
    let [p50, p99] = [0.5, 0.99].map(|share| times.value_at_quantile(share) as f64 / 1e3);
    println!("| {name} | {p50:.0} / {p99:.0} / {:.0} |", times.max() as f64 / 1e3);
    Ok(())
}
