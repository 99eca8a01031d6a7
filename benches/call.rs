//! What a log call costs, beside one bare read of the counter in the same loop.
//!
//! Batches that fit into the ring are timed; between them, untimed, the ring is drained. The
//! consumer runs on another core all the while.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kymo::{Clock, Level, Logger};
use kymo_bench::batches::bench;
use kymo_bench::place::{PRODUCER_CORE, Scratch, consumer_core, pin};
use kymo_bench::values::{BATCH, name, price, text};

fn calls(c: &mut Criterion) {
    pin(PRODUCER_CORE).expect("the producer's core");
    with_clock(c, "call/counter", Clock::Counter);
    with_clock(c, "call/coarse", Clock::Coarse);
}

fn with_clock(c: &mut Criterion, title: &str, clock: Clock) {
    let file = Scratch::temporary("call");
    let mut builder = Logger::builder(file.path())
        .clock(clock)
        .max_level(Level::Debug)
        // Awake, so that it looks at the ring during each batch.
        .idle_sleep(Duration::ZERO);
    if let Some(core) = consumer_core() {
        builder = builder.consumer_core(core);
    }
    let logger = builder.start().expect("a logger");
    assert!(kymo::prepare_thread());

    let mut group = c.benchmark_group(title);
    group.throughput(Throughput::Elements(1));
    bench(&mut group, &logger, BATCH, "bare counter read", |_| {
        black_box(kymo_bench::counter::read());
    });
    bench(&mut group, &logger, BATCH, "disabled", |i| {
        kymo::trace!("order {} filled at {} for {}", i, price(i), name(i));
    });
    bench(&mut group, &logger, BATCH, "static", |_| kymo::info!("heartbeat"));
    bench(&mut group, &logger, BATCH, "ints", |i| kymo::info!("tick {} {} {}", i, i + 7, i ^ 0x55));
    bench(&mut group, &logger, BATCH, "mixed", |i| {
        kymo::info!("order {} filled at {} for {}", i, price(i), name(i));
    });
    bench(&mut group, &logger, BATCH, "str64", |i| kymo::info!("{}", text(i)));
    group.finish();
    assert_eq!(logger.shutdown().dropped, 0, "a batch fits into the ring");
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = calls
}
criterion_main!(benches);
