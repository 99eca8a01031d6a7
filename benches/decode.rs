//! How fast a file is read: to a pure count, to text, to JSON lines, each into nothing.
//!
//! The file is in memory: what the device does is not measured.

mod common;

use std::fmt::Write;
use std::hint::black_box;
use std::time::Duration;

use common::place::Scratch;
use common::values::{name, price};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kymo::reader::{Options, Order, Record, json};
use kymo::{Logger, Overflow};

const MESSAGES: u64 = 500_000;

fn decode(c: &mut Criterion) {
    let bytes = logged();
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
    group.finish();
}

/// A file of `MESSAGES` mixed messages.
fn logged() -> Vec<u8> {
    let file = Scratch::temporary("decode");
    let logger = Logger::builder(file.path())
        .overflow(Overflow::Wait { timeout: None })
        .start()
        .expect("a logger");
    for i in 0..MESSAGES {
        kymo::info!("order {} filled at {} for {}", i, price(i), name(i));
    }
    assert_eq!(logger.shutdown().written, MESSAGES);
    std::fs::read(file.path()).expect("the file that was just written")
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
    let _ = write!(out, "{} {} {}: ", record.time_ns(), record.level(), record.target());
    record.message(out);
    out.push('\n');
}

fn write_json(record: &Record<'_>, out: &mut String) {
    let _ = write!(out, "{{\"time_ns\":{},\"level\":\"{}\",", record.time_ns(), record.level());
    out.push_str("\"target\":");
    json::write_string(record.target(), out);
    for (index, (name, value)) in record.arguments().enumerate() {
        let _ = write!(out, ",\"{index}{name}\":");
        json::write_value(&value, out);
    }
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
