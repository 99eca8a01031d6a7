//! Calls in batches that fit into the ring; between them, untimed, the ring is drained.

use std::time::{Duration, Instant};

use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;
use kymo::Logger;

pub type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// Measures `call`, which is given a running number, in batches of `batch` calls.
pub fn bench(group: &mut Group<'_>, logger: &Logger, batch: u64, name: &str, call: impl Fn(u64)) {
    group.bench_function(name, |b| {
        b.iter_custom(|calls| {
            let mut passed = Duration::ZERO;
            let mut done = 0;
            while done < calls {
                let until = (done + batch).min(calls);
                let start = Instant::now();
                (done..until).for_each(&call);
                passed += start.elapsed();
                assert!(logger.flush());
                done = until;
            }
            passed
        });
    });
}
