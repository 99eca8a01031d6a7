//! What the arguments of a log call cost, by their types.
//!
//! A whole call is measured, with the coarse clock, so that the time stamp (15 ns) does not hide
//! what is looked for: the difference to `nothing`.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use kymo::{Clock, Logger};
use kymo_bench::batches::{Group, bench};
use kymo_bench::place::{PRODUCER_CORE, Scratch, consumer_core, pin};
use kymo_bench::values::{name, price, text};

/// Calls in a batch: the longest record here takes 550 bytes.
const BATCH: u64 = 1_024;

fn arguments(c: &mut Criterion) {
    pin(PRODUCER_CORE).expect("the producer's core");
    let file = Scratch::temporary("encode");
    let mut builder = Logger::builder(file.path())
        .clock(Clock::Coarse)
        // Awake, so that it looks at the ring during each batch.
        .idle_sleep(Duration::ZERO);
    if let Some(core) = consumer_core() {
        builder = builder.consumer_core(core);
    }
    let logger = builder.start().expect("a logger");
    assert!(kymo::prepare_thread());

    let mut group = c.benchmark_group("encode");
    scalars(&mut group, &logger);
    texts(&mut group, &logger);
    compounds(&mut group, &logger);
    many(&mut group, &logger);
    group.finish();
    assert_eq!(logger.shutdown().dropped, 0, "a batch fits into the ring");
}

fn scalars(group: &mut Group<'_>, logger: &Logger) {
    bench(group, logger, BATCH, "nothing", |_| kymo::info!("heartbeat"));
    bench(group, logger, BATCH, "u8", |i| kymo::info!("{}", i as u8));
    bench(group, logger, BATCH, "u64", |i| kymo::info!("{}", i));
    bench(group, logger, BATCH, "f64", |i| kymo::info!("{}", price(i)));
    bench(group, logger, BATCH, "duration", |i| kymo::info!("{:?}", Duration::from_nanos(i)));
}

fn texts(group: &mut Group<'_>, logger: &Logger) {
    bench(group, logger, BATCH, "str of 8, last", |i| kymo::info!("{}", name(i)));
    bench(group, logger, BATCH, "str of 8, then u8", |i| kymo::info!("{} {}", name(i), i as u8));
    bench(group, logger, BATCH, "str of 64", |i| kymo::info!("{}", text(i)));
    bench(group, logger, BATCH, "display(u64)", |i| kymo::info!("{}", kymo::as_display(i)));
    bench(group, logger, BATCH, "debug(Option<f64>)", |i| {
        kymo::info!("{}", kymo::as_debug(Some(price(i))))
    });
}

fn compounds(group: &mut Group<'_>, logger: &Logger) {
    bench(group, logger, BATCH, "Option<f64>", |i| {
        kymo::info!("{:?}", (!i.is_multiple_of(4)).then_some(price(i)));
    });
    bench(group, logger, BATCH, "(u64, f64)", |i| kymo::info!("{:?}", (i, price(i))));
    for len in [4, 64] {
        let values = (0..len).collect::<Vec<u64>>();
        bench(group, logger, BATCH, &format!("Vec<u64> of {len}"), |_| kymo::info!("{:?}", values));
    }
    let names = (0..8).map(|i| name(i).to_owned()).collect::<Vec<_>>();
    bench(group, logger, BATCH, "Vec<String> of 8", |_| kymo::info!("{:?}", names));
}

fn many(group: &mut Group<'_>, logger: &Logger) {
    bench(group, logger, BATCH, "6 u64", |a| {
        kymo::info!("{} {} {} {} {} {}", a, a + 1, a + 2, a + 3, a + 4, a + 5);
    });
    bench(group, logger, BATCH, "12 named fields", |id| {
        let (px, who) = (price(id), name(id));
        kymo::info!(
            "{id} {px} {who} {qty} {side} {venue} {leg} {bid} {ask} {mid} {hops} {last}",
            qty = id + 100,
            side = id as u8,
            venue = name(id + 1),
            leg = id as u32,
            bid = price(id + 1),
            ask = price(id + 2),
            mid = price(id + 3),
            hops = id as u16,
            last = id.is_multiple_of(2),
        );
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = arguments
}
criterion_main!(benches);
