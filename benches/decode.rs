//! How fast a file is read: to a pure count, to text, to JSON lines, each into nothing.
//!
//! The file is in memory: what the device does is not measured.

use std::hint::black_box;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kymo::{Level, Logger, Overflow};
use kymo_bench::place::Scratch;
use kymo_bench::values::{name, price};
use kymo_reader::{Event, Files, Options, Order, Record, json};

const MESSAGES: u64 = 500_000;

fn decode(c: &mut Criterion) {
    let bytes = logged(0);
    println!(
        "decode: {} bytes, {:.1} a message",
        bytes.len(),
        bytes.len() as f64 / MESSAGES as f64
    );
    let mut group = c.benchmark_group("decode");
    group
        .throughput(Throughput::ElementsAndBytes { elements: MESSAGES, bytes: bytes.len() as u64 });
    group.sample_size(10);
    group.bench_function("count", |b| {
        b.iter(|| each(&bytes, Order::Written, |_, _| ()));
    });
    group.bench_function("count, by time", |b| {
        b.iter(|| each(&bytes, Order::Time, |_, _| ()));
    });
    group.bench_function("text", |b| {
        b.iter(|| each(&bytes, Order::Written, write_text));
    });
    group.bench_function("json", |b| {
        b.iter(|| each(&bytes, Order::Written, write_json));
    });
    // One in ten is wanted: the others are told by their call site.
    let leveled = logged(10);
    group.bench_function("count, one level of two", |b| {
        b.iter(|| count_level(&leveled));
    });
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut threads = vec![0, 1, cores];
    threads.dedup();
    for threads in threads {
        group.bench_function(format!("text, {threads} threads besides"), |b| {
            b.iter(|| render(&bytes, threads, write_text));
        });
        group.bench_function(format!("json, {threads} threads besides"), |b| {
            b.iter(|| render(&bytes, threads, write_json));
        });
    }
    group.finish();
}

/// A file of `MESSAGES` mixed messages; if `warnings` is not zero, one in so many is a warning.
fn logged(warnings: u64) -> Vec<u8> {
    let file = Scratch::temporary("decode");
    let logger = Logger::builder(file.path())
        .overflow(Overflow::Wait { timeout: None })
        // No warning of kymo's own among the records.
        .high_water(2.0)
        .start()
        .expect("a logger");
    for i in 0..MESSAGES {
        if warnings > 0 && i % warnings == 0 {
            kymo::warn!("order {} filled at {} for {}", i, price(i), name(i));
        } else {
            kymo::info!("order {} filled at {} for {}", i, price(i), name(i));
        }
    }
    assert_eq!(logger.shutdown().written, MESSAGES);
    std::fs::read(file.path()).expect("the file that was just written")
}

/// Counts the records that are warnings.
fn count_level(bytes: &[u8]) {
    let options = Options::new().filter(|site| site.level() == Level::Warn);
    let mut reader = options.from_slice(bytes).expect("a file of kymo's");
    let mut records = 0;
    while reader.next_record().expect("a file in memory can be read").is_some() {
        records += 1;
    }
    assert_eq!((records, reader.report().records), (MESSAGES / 10, MESSAGES));
}

/// Passes each record to `write`, on some threads, and its text to nobody.
fn render(bytes: &[u8], threads: usize, write: fn(&Record<'_>, &mut String)) {
    let mut files = Files::new([Options::new().from_slice(bytes).expect("a file of kymo's")]);
    let renderer = || {
        move |_: usize, event: &Event<'_>, out: &mut String| {
            if let Event::Record(record) = event {
                write(record, out);
            }
        }
    };
    let _: ControlFlow<()> = files
        .render(threads, renderer, |piece| {
            black_box(piece);
            ControlFlow::Continue(())
        })
        .expect("a file in memory can be read");
    assert_eq!(files.readers()[0].report().records, MESSAGES);
}

/// Passes each record to `render`, with an empty buffer.
fn each(bytes: &[u8], order: Order, render: impl Fn(&Record<'_>, &mut String)) {
    let mut reader = Options::new().order(order).from_slice(bytes).expect("a file of kymo's");
    let mut out = String::with_capacity(1 << 10);
    let mut records = 0;
    while let Some(record) = reader.next_record().expect("a file in memory can be read") {
        out.clear();
        render(&record, &mut out);
        black_box(&out);
        records += 1;
    }
    assert_eq!(records, MESSAGES);
}

fn write_text(record: &Record<'_>, out: &mut String) {
    out.push_str(itoa::Buffer::new().format(record.time_ns()));
    out.push(' ');
    out.push_str(record.level().name());
    out.push(' ');
    out.push_str(record.target());
    out.push_str(": ");
    record.message(out);
    out.push('\n');
}

fn write_json(record: &Record<'_>, out: &mut String) {
    out.push_str("{\"time_ns\":");
    out.push_str(itoa::Buffer::new().format(record.time_ns()));
    out.push_str(",\"level\":\"");
    out.push_str(record.level().name());
    out.push_str("\",\"target\":");
    json::write_string(record.target(), out);
    out.push_str(",\"fields\":");
    json::write_fields(record, out);
    out.push_str("}\n");
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = decode
}
criterion_main!(benches);
