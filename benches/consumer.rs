//! How many records a second go from the threads that log them into the file.
//!
//! The producers log as fast as the waiting policy lets them, and flush: the consumer is what is
//! measured.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kymo::{Logger, Overflow};
use kymo_bench::place::{Scratch, consumer_core};
use kymo_bench::values::{name, price};

/// Messages in one measurement, of all producers together.
const MESSAGES: u64 = 400_000;

fn drain(c: &mut Criterion) {
    let mut group = c.benchmark_group("consumer");
    group.throughput(Throughput::Elements(MESSAGES)).sample_size(10);
    for producers in [1, 2] {
        let file = Scratch::temporary("consumer");
        group.bench_function(format!("mixed, {producers} producers"), |b| {
            b.iter_custom(|iterations| {
                (0..iterations).map(|_| log_and_flush(&file, producers)).sum::<Duration>()
            });
        });
    }
    group.finish();
}

/// One logger, one file: the time from the first call until everything is in the file.
fn log_and_flush(file: &Scratch, producers: u64) -> Duration {
    let mut builder = Logger::builder(file.path())
        .overwrite(true)
        .map_window(256 << 20)
        .overflow(Overflow::Wait { timeout: None });
    if let Some(core) = consumer_core() {
        builder = builder.consumer_core(core);
    }
    let logger = builder.start().expect("a logger");
    let begin = Barrier::new(producers as usize);
    let produce = || {
        assert!(kymo::prepare_thread());
        begin.wait();
        let start = Instant::now();
        for i in 0..MESSAGES / producers {
            kymo::info!("order {} filled at {} for {}", i, price(i), name(i));
        }
        assert!(logger.flush());
        (start, Instant::now())
    };
    let times = std::thread::scope(|scope| {
        let threads = (0..producers).map(|_| scope.spawn(produce)).collect::<Vec<_>>();
        threads.into_iter().map(|thread| thread.join().expect("a producer")).collect::<Vec<_>>()
    });
    let first = times.iter().map(|(start, _)| *start).min();
    let last = times.iter().map(|(_, end)| *end).max();
    let passed = last.zip(first).map(|(last, first)| last - first).unwrap_or_default();
    let report = logger.shutdown();
    assert_eq!((report.written, report.dropped), (MESSAGES, 0));
    passed
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = drain
}
criterion_main!(benches);
