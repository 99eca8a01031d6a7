//! Files that earlier versions wrote decode for ever, to what they decoded to when they were made.
//!
//! A file in `tests/golden` is never made anew. A new one (for a new version of the format, or a
//! new kind of value) is made by `KYMO_GOLDEN=NAME cargo test -p kymo-cli --test golden --
//! --ignored`.

mod common;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The formats, by the extension of the file with what is expected.
const FORMATS: [(&str, &str); 5] = [
    ("json", "json"),
    ("text", "text"),
    ("logfmt", "logfmt"),
    ("csv", "csv"),
    (
        "pattern",
        "{time:%H:%M:%S%.6f} {level:5} [{thread:^6}] {target:>8} {file}:{line} {{{message:.60}}} \
         px={arg.px:>8} {arg0:.40} {relative:>12} {delta} {fields:.80}",
    ),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

/// What the command prints for a file of the folder, called from within it.
fn decoded(file: &Path, format: &str) -> Vec<u8> {
    let name = file.file_name().unwrap();
    let args: [&dyn AsRef<std::ffi::OsStr>; 6] =
        [&"cat", &"--order", &"written", &"--format", &format, &name];
    let output = common::kymo(&args).current_dir(folder()).output().unwrap();
    assert!(output.status.success(), "{}: {output:?}", file.display());
    output.stdout
}

#[test]
fn golden_files_decode_as_ever() {
    let mut files = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "kymo") {
            continue;
        }
        files += 1;
        for (extension, format) in FORMATS {
            let expected = std::fs::read(file.with_extension(extension)).unwrap();
            let found = decoded(&file, format);
            let [found, expected] = [found, expected].map(|text| String::from_utf8(text).unwrap());
            assert_eq!(found, expected, "{} as {format}", file.display());
        }
    }
    assert!(files > 0);
}

/// A clock that goes a microsecond further each time that it is read.
fn clock() -> u64 {
    static NOW: AtomicU64 = AtomicU64::new(1_700_000_000_000_000_000);
    NOW.fetch_add(1_000, Ordering::Relaxed)
}

#[test]
#[ignore = "makes a golden file"]
fn make() {
    let Ok(name) = std::env::var("KYMO_GOLDEN") else { return };
    let file = folder().join(&name).with_extension("kymo");
    assert!(!file.exists(), "a golden file is never made anew");
    let builder = kymo::Logger::builder(&file).clock(kymo::Clock::Custom(clock));
    let logger =
        builder.overflow(kymo::Overflow::DropNewest).ring_capacity(4 << 10).start().unwrap();
    let (log, drops): (fn(), _) = match &*name {
        "purposes" => (log_purposes, false),
        "v2-bridges" => (log_through_bridges, false),
        _ => (log_everything, true),
    };
    let thread = std::thread::Builder::new().name("feed".to_owned());
    thread.spawn(log).unwrap().join().unwrap();
    std::thread::spawn(|| kymo::error!(target: "main", "a thread without a name")).join().unwrap();
    assert_eq!(logger.shutdown().dropped > 0, drops);
    for (extension, format) in FORMATS {
        std::fs::write(file.with_extension(extension), decoded(&file, format)).unwrap();
    }
}

/// What comes through the crates `log` and `tracing`: spans, and types that alternate.
fn log_through_bridges() {
    kymo::bridge::log::init().unwrap();
    kymo::bridge::tracing::init().unwrap();
    let (px, who) = (101.25, "ACME");
    log::info!(target: "lib", order = 7, px, who; "filled for {who}");
    log::warn!(target: "lib", none = log::kv::Value::null(), c = 'ä'; "by log");
    let request = tracing::info_span!(
        target: "web", "request", id = 7_u64, user = tracing::field::Empty, evil = "\u{1b}[2J \u{202e}"
    );
    request.in_scope(|| {
        request.record("user", "ann");
        tracing::info!(target: "web", rows = 3_i64, ratio = 0.5, "begun");
        tracing::info_span!(target: "web", "query").in_scope(|| {
            log::debug!(target: "lib", "by log, in a span");
            for a in [&-7_i64 as &dyn tracing::Value, &"a b", &0.5, &true, &u128::MAX] {
                for b in [&1_u64 as &dyn tracing::Value, &"", &f64::NAN, &false, &i128::MIN] {
                    tracing::trace!(target: "web", a, b, bytes = &[0_u8, 255][..], "by turns");
                    assert!(kymo::flush());
                }
            }
            tracing::debug!(target: "web", a = ?Some(1), b = %who, "by turns, as texts");
        });
        tracing::error!(target: "web", parent: None, span = 1, "outside");
    });
    let next = tracing::info_span!(target: "web", parent: &request, "next", id = 8_u64);
    next.follows_from(&request);
    drop(request);
    next.in_scope(|| tracing::info!(target: "web", "after the end of the one around it"));
    assert!(kymo::flush());
}

fn log_everything() {
    let flush = || assert!(kymo::flush());
    let (id, px, who) = (7_u64, 101.25, "ACME");
    kymo::info!("order {id} filled at {px:.3} for {who:>8}");
    kymo::trace!("{} {} {} {} {}", 1_u8, 2_u16, 3_u32, u64::MAX, u128::MAX);
    kymo::debug!("{} {} {} {} {} {}", -1_i8, -2_i16, -3_i32, i64::MIN, i128::MIN, 4_usize);
    kymo::warn!("{} {} {:?} {}", f64::NAN, f64::NEG_INFINITY, -0.0, 1e300);
    kymo::info!("{} {:?} {:e}", 0.1_f32, f32::MIN_POSITIVE, 12345.678_f32);
    flush();
    kymo::info!("{} {:?} {}", true, 'ä', '\u{1F980}');
    kymo::info!("{0} {0:?}", "a \"string\" with \u{1b}[31m and \u{202e} and\nlines");
    kymo::info!("{:?} {:?} {:#?}", Some(id), None::<&str>, [Some(1), None]);
    kymo::info!("{:?} {:02x?}", (1, "two", [3.5]), [0_u8, 10, 255]);
    kymo::info!(
        "{:?} {:?}",
        Duration::from_nanos(1_234_567),
        std::ptr::without_provenance::<u8>(0xDEAD)
    );
    flush();
    kymo::info!("{} {}", std::net::Ipv4Addr::LOCALHOST, std::net::Ipv6Addr::LOCALHOST);
    let sockets =
        ["127.0.0.1:80", "[::1%3]:443"].map(|text| text.parse::<std::net::SocketAddr>().unwrap());
    kymo::info!("{} {:?}", sockets[0], sockets);
    kymo::info!("{} {:?}", kymo::as_display(who), kymo::as_debug(Some(px)));
    flush();
    kymo::info!("{}", "cut ".repeat(1_000));
    flush();
    kymo::info!("{:?}", [1_u16; 2_000]);
    flush();
    log_types_of_version_2();
    flush();
    // More than the ring holds.
    for record in 0..1_000 {
        kymo::log!(kymo_reader::Level::ALL[record % 5], "record {record}");
    }
    flush();
}

/// Records of all purposes.
fn log_purposes() {
    use kymo::{Level, count, gauge, histogram, scope, warn};
    let flush = || assert!(kymo::flush());
    for tick in 0..8 {
        warn!(every_n: 3, tick; "late by {:?}", Duration::from_nanos(1_250));
        warn!(target: "net", once; "a {{brace}}");
        flush();
    }
    let _outer = scope!("match {all}", book = "ACME");
    drop(scope!(target: "engine", Level::Debug, begin_end: "match one", id = 7_u64, px = 101.25));
    std::mem::forget(scope!(begin_end: "never ends"));
    flush();
    count!("orders", 3, venue = "XETRA", side = 'b');
    count!("bytes", -(1_i64 << 40));
    gauge!("pri{ce}", 101.25_f32);
    gauge!("depth", f64::NAN);
    histogram!("round trip", Duration::from_micros(1_250), leg = Some(1));
}

fn log_types_of_version_2() {
    use std::collections::{BTreeMap, BTreeSet, VecDeque};
    use std::os::unix::ffi::OsStrExt;
    let px = kymo::as_display(1012.345678);
    kymo::info!("{px:.2}|{px:8.1}|{px:+}|{:#?}|{:9.1}|", kymo::as_debug(Some(1.25)), px);
    kymo::info!("{:?} {:?}", 1.cmp(&2), "b".cmp("a"));
    let path = std::ffi::OsStr::from_bytes(b"/tmp/\"\xFF'\n");
    kymo::info!("{:?} {:?}", std::path::Path::new("/etc/hosts"), [path]);
    kymo::info!("{:?} {:?}", VecDeque::from([1, 2]), BTreeSet::from(["a", "b"]));
    let map = BTreeMap::from([(1, Some("one")), (2, None)]);
    kymo::info!("{map:?} {map:#?} {:?}", BTreeMap::from([("key", 1.5)]));
    let parsed = "17".parse::<u8>().map_err(|_| "no number");
    kymo::info!("{parsed:?} {:?} {:#?}", Err::<(), _>("failed"), [Ok(1), Err('x')]);
    let mut run = 1..=3;
    run.by_ref().for_each(drop);
    kymo::info!("{:?} {:?} {run:?}", -1..1, 'a'..='z');
    assert!(kymo::flush());
    kymo::info!("{:?}", BTreeSet::from_iter(0..2_000_u16));
    assert!(kymo::flush());
    log_own_types();
}

#[derive(Debug, kymo::Value)]
struct Order<'a> {
    id: u64,
    #[kymo(unit = "EUR")]
    px: f64,
    #[kymo(hex)]
    flags: u16,
    venue: &'a str,
    side: Side,
    #[kymo(redact)]
    client: &'a str,
    #[kymo(debug)]
    placed: std::ops::Bound<u8>,
}

#[derive(Debug, kymo::Value)]
enum Side {
    Buy,
    Sell { short: bool },
}

#[derive(Debug, kymo::Value)]
enum Event<T> {
    Gone,
    New(T),
    #[kymo(rename = "moved")]
    Moved(T, Side),
}

#[derive(Debug, kymo::Value)]
#[kymo(format = "{0:.2}/{1:?}")]
struct Price(f64, Option<Unit>);

#[derive(Debug, kymo::Value)]
struct Unit;

fn log_own_types() {
    let placed = std::ops::Bound::Included(3);
    let side = Side::Sell { short: true };
    let order =
        Order { id: 7, px: 101.25, flags: 0xBEEF, venue: "XETR", side, client: "ann", placed };
    kymo::info!("{order:?} {order:#?}");
    kymo::info!(order, side = Side::Buy; "filled");
    let price = Price(101.256, Some(Unit));
    kymo::info!(
        "{price} {price:?} {:?}",
        [Event::Gone, Event::New("x"), Event::Moved("y", Side::Buy)]
    );
    kymo::info!("{:?} {Unit:?}", Event::New(Price(1.5, None)));
    kymo::info!(order = Order { venue: &"x".repeat(2_000), ..order }, price; "cut");
}
