//! A program whose machine code is looked at, and whose instructions are counted. It measures
//! nothing.
//!
//! `calls MESSAGE COUNT` logs, or decodes, so many messages; `benches/instructions.sh` runs it
//! twice and divides the difference. Each function below is one call as a user writes it. They are
//! not inlined so that a tool can find them; that costs a `ret`.

mod floor;

use std::hint::black_box;

use floor::{FloorLogger, FloorSubscriber};
use kymo::{Clock, Level, Logger, NamedLog, Overflow, Route};
use kymo_bench::place::Scratch;
use kymo_bench::values::{name, price, text};
use kymo_reader::{Reader, Record, json};

const AUDIT: NamedLog = NamedLog::new("audit");

#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_disabled(id: u64, px: f64, who: &str) {
    kymo::trace!("order {} filled at {} for {}", id, px, who);
}

#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_static() {
    kymo::info!("heartbeat");
}

#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_ints(a: u64, b: u64, c: u64) {
    kymo::info!("tick {} {} {}", a, b, c);
}

#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_mixed(id: u64, px: f64, who: &str) {
    kymo::info!("order {} filled at {} for {}", id, px, who);
}

/// `mixed` with the name of a log, which a route leads elsewhere.
#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_named(id: u64, px: f64, who: &str) {
    kymo::info!(logger: AUDIT, "order {} filled at {} for {}", id, px, who);
}

/// The fields of `mixed`, before the message.
#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_fields(id: u64, px: f64, who: &str) {
    kymo::info!(order = id, px, who; "filled");
}

/// With a rate, which lets every record through.
#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_limited(id: u64, px: f64, who: &str) {
    kymo::info!(every_n: 1; "order {} filled at {} for {}", id, px, who);
}

/// With a rate, which suppresses every record but the first.
#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_suppressed_n(id: u64, px: f64, who: &str) {
    kymo::info!(every_n: 1 << 40; "order {} filled at {} for {}", id, px, who);
}

/// Likewise, once its limit was reached.
#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_suppressed_once(id: u64, px: f64, who: &str) {
    kymo::info!(once; "order {} filled at {} for {}", id, px, who);
}

/// Likewise, by time.
#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_suppressed_time(id: u64, px: f64, who: &str) {
    const HOUR: std::time::Duration = std::time::Duration::from_secs(3_600);
    kymo::info!(at_most: HOUR; "order {} filled at {} for {}", id, px, who);
}

#[derive(kymo_derive::Value)]
struct Order {
    id: u64,
    px: u64,
    qty: u32,
    venue: u32,
}

/// A struct of four integers.
#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_struct(order: &Order) {
    kymo::info!(order; "filled");
}

#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_str64(text: &str) {
    kymo::info!("{}", text);
}

/// Through the crate `log`, with three key-values.
#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_log_kv(id: u64, px: f64, who: &str) {
    log::info!(id, px, who; "order filled");
}

/// Through the crate `log`, formatted.
#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_log_text(id: u64, px: f64, who: &str) {
    log::info!("order {} filled at {} for {}", id, px, who);
}

#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_log_disabled(id: u64, px: f64, who: &str) {
    log::trace!(id, px, who; "order filled");
}

/// Through `tracing`, with three fields.
#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_tracing_fields(id: u64, px: f64, who: &str) {
    tracing::info!(id, px, who);
}

/// Through `tracing`, a message alone.
#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_tracing_static() {
    tracing::info!("heartbeat");
}

/// Through `tracing`, formatted.
#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_tracing_text(id: u64, px: f64, who: &str) {
    tracing::info!("order {} filled at {} for {}", id, px, who);
}

/// A span of `tracing`: it begins with one field, is entered, left and closed.
#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_tracing_span(id: u64) {
    tracing::info_span!("order", id).in_scope(|| black_box(()));
}

#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_call_tracing_disabled(id: u64, px: f64, who: &str) {
    tracing::trace!(id, px, who, "order filled");
}

#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_decode_count(bytes: &[u8]) -> u64 {
    each(bytes, |_, _| ())
}

#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_decode_text(bytes: &[u8]) -> u64 {
    each(bytes, |record, out| record.message(out))
}

#[inline(never)]
#[unsafe(no_mangle)]
fn kymo_decode_json(bytes: &[u8]) -> u64 {
    each(bytes, |record, out| {
        out.push_str("{\"time_ns\":");
        out.push_str(itoa::Buffer::new().format(record.time_ns()));
        out.push_str(",\"fields\":");
        json::write_fields(record, out);
        out.push('}');
    })
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let message = arguments.next().unwrap_or_default();
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(0);
    let choice = arguments.next();
    if choice.as_deref() == Some("capture") {
        let log = kymo::testing::capture();
        call_each(&message, count);
        assert!(!log.records().is_empty());
        return;
    }
    let file = Scratch::temporary("calls");
    let builder = Logger::builder(file.path()).max_level(Level::Debug);
    let is_floor = choice.as_deref() == Some("floor");
    let builder = builder.bridge_log(message.starts_with("log_") && !is_floor);
    let builder = builder.bridge_tracing(message.starts_with("tracing_") && !is_floor);
    let builder = match choice.as_deref() {
        Some("coarse") => builder.clock(Clock::Coarse),
        Some("overwriting") => builder.overflow(Overflow::OverwriteOldest),
        Some("filtered") => builder.filter("debug,elsewhere=trace"),
        Some("console") => builder.console(Level::Info),
        Some("panic_hook") => builder.panic_hook(true),
        Some("routed") => {
            let to = |name: &str| file.path().with_extension(name);
            let builder = builder.route(Route::logger(AUDIT).to(to("audit")));
            builder
                .route(Route::level(Level::Info).to(to("info")))
                .route(Route::target("x").to(to("x")))
        }
        Some("flight") => builder.flight_recorder(Level::Info, 1 << 20),
        _ => builder,
    };
    let logger = builder.start().expect("a logger");
    if is_floor {
        tracing::subscriber::set_global_default(FloorSubscriber).expect("it is the first");
        log::set_logger(&FloorLogger).expect("it is the first");
        log::set_max_level(log::LevelFilter::Debug);
    }
    call_each(&message, count);
    logger.dump_flight_recorder();
    let report = logger.shutdown();
    let bytes = std::fs::read(file.path()).expect("the file that was just written");
    let decoded = match message.as_str() {
        "decode_count" => kymo_decode_count(&bytes),
        "decode_text" => kymo_decode_text(&bytes),
        "decode_json" => kymo_decode_json(&bytes),
        _ => report.written,
    };
    assert_eq!(decoded, report.written);
}

/// Calls the statement for this message, so often.
fn call_each(message: &str, count: u64) {
    assert!(kymo::prepare_thread());
    // The first record asks how much room there is. As many as fit into the ring do not ask again.
    kymo_call_static();
    if message.starts_with("limited") || message.starts_with("suppressed") {
        // The first call of a statement makes what counts, and its record is logged.
        kymo_call_limited(0, price(0), name(0));
        kymo_call_suppressed_n(0, price(0), name(0));
        kymo_call_suppressed_once(0, price(0), name(0));
        kymo_call_suppressed_time(0, price(0), name(0));
        // The consumer has begun, so that what it publishes is there: how long a tick is.
        assert!(kymo::flush());
    }
    if message.starts_with("log_") {
        // The first record of a statement makes its call site.
        kymo_call_log_kv(0, price(0), name(0));
        kymo_call_log_text(0, price(0), name(0));
    }
    if message.starts_with("tracing_") {
        kymo_call_tracing_fields(0, price(0), name(0));
        kymo_call_tracing_static();
        kymo_call_tracing_text(0, price(0), name(0));
        kymo_call_tracing_span(0);
        kymo_call_tracing_disabled(0, price(0), name(0));
    }

    for i in 0..count {
        match message {
            "disabled" => kymo_call_disabled(i, price(i), name(i)),
            "static" => kymo_call_static(),
            "ints" => kymo_call_ints(i, i + 7, i ^ 0x55),
            "mixed" | "decode_count" | "decode_text" | "decode_json" => {
                kymo_call_mixed(i, price(i), name(i));
            }
            "named" => kymo_call_named(i, price(i), name(i)),
            "fields" => kymo_call_fields(i, price(i), name(i)),
            "limited" => kymo_call_limited(i, price(i), name(i)),
            "suppressed_n" => kymo_call_suppressed_n(i, price(i), name(i)),
            "suppressed_once" => kymo_call_suppressed_once(i, price(i), name(i)),
            "suppressed_time" => kymo_call_suppressed_time(i, price(i), name(i)),
            "struct" => {
                kymo_call_struct(&Order { id: i, px: i + 7, qty: i as u32, venue: 5 });
            }
            "str64" => kymo_call_str64(text(i)),
            "log_kv" => kymo_call_log_kv(i, price(i), name(i)),
            "log_text" => kymo_call_log_text(i, price(i), name(i)),
            "log_disabled" => kymo_call_log_disabled(i, price(i), name(i)),
            "tracing_fields" => kymo_call_tracing_fields(i, price(i), name(i)),
            "tracing_static" => kymo_call_tracing_static(),
            "tracing_text" => kymo_call_tracing_text(i, price(i), name(i)),
            "tracing_span" => kymo_call_tracing_span(i),
            "tracing_disabled" => kymo_call_tracing_disabled(i, price(i), name(i)),
            other => panic!("there is no message {other:?}"),
        }
    }
}

/// Passes each record to `render`, with an empty buffer; how many there were.
fn each(bytes: &[u8], render: impl Fn(&Record<'_>, &mut String)) -> u64 {
    let mut reader = Reader::from_slice(bytes).expect("a file of kymo's");
    let mut out = String::with_capacity(1 << 10);
    let mut records = 0;
    while let Some(record) = reader.next_record().expect("a file in memory can be read") {
        out.clear();
        render(&record, &mut out);
        black_box(&out);
        records += 1;
    }
    records
}
