//! Fields of log statements: what the file has of them, and what the reader makes of that.

use std::cell::Cell;
use std::fmt;

use kymo::{error, info, log, warn};
use kymo_reader::{Event, Files, Options};
use kymo_testing::logged::Turn;

/// Something that only the program can format.
#[derive(Debug)]
struct Book(u32);

impl fmt::Display for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "book {}", self.0)
    }
}

#[derive(Debug)]
struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it failed")
    }
}

impl std::error::Error for Failed {}

struct Order {
    id: u64,
    leg: (u8, f64),
}

impl Order {
    fn notional(&self) -> f64 {
        101.5
    }
}

/// The message and the fields of each record that `work` logs.
fn logged(work: impl FnOnce()) -> Vec<(String, Vec<(String, String)>)> {
    let turn = Turn::take();
    let path = turn.path.clone();
    let logger = kymo::Logger::builder(&path).overwrite(true).filter("info").start().unwrap();
    work();
    drop(logger);
    let mut files = Files::open([&path], Options::new).unwrap();
    let mut all = Vec::new();
    while let Some((_, event)) = files.next_event().unwrap() {
        let Event::Record(record) = event else { continue };
        let mut message = String::new();
        record.message(&mut message);
        let mut json = String::new();
        kymo_reader::json::write_fields(&record, &mut json);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let fields = value.as_object().into_iter().flatten();
        let fields = fields.map(|(name, value)| (name.clone(), value.to_string()));
        all.push((message, fields.collect()));
    }
    all
}

fn check(work: impl FnOnce(), message: &str, fields: &[(&str, &str)]) {
    let found = logged(work);
    let [(text, its)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(text, message);
    let mut its: Vec<_> = its.iter().map(|(name, value)| (&**name, &**value)).collect();
    its.sort_unstable();
    let mut fields = fields.to_vec();
    fields.sort_unstable();
    assert_eq!(its, fields, "{message}");
}

#[test]
fn fields_precede_the_message() {
    let (id, px, name) = (7_u64, 101.25, "ACME");
    check(
        || info!(order = id, px, account = name; "filled"),
        "filled order=7 px=101.25 account=ACME",
        &[("order", "7"), ("px", "101.25"), ("account", "\"ACME\"")],
    );
    check(|| warn!(id; "at {}", px), "at 101.25 id=7", &[("0", "101.25"), ("id", "7")]);
    check(|| info!(target: "fills", id,; "filled"), "filled id=7", &[("id", "7")]);
    check(|| log!(kymo::Level::Warn, id; "filled"), "filled id=7", &[("id", "7")]);
    check(
        || info!("order id" = id, "{}" = 1; "x"),
        "x order_id=7 {}=1",
        &[("order id", "7"), ("{}", "1")],
    );
    check(|| info!(r#type = 1; "x"), "x type=1", &[("type", "1")]);
}

/// As `tracing` writes them.
#[test]
fn fields_of_tracing() {
    let (px, book) = (101.25, Book(3));
    check(
        || info!(px, ?book, who = %book, n = ?Some(1), "filled {}", 5),
        "filled 5 px=101.25 book=Book(3) who=\"book 3\" n=Some(1)",
        &[
            ("0", "5"),
            ("px", "101.25"),
            ("book", "\"Book(3)\""),
            ("who", "\"book 3\""),
            ("n", "\"Some(1)\""),
        ],
    );
    check(|| error!(%book), "book=\"book 3\"", &[("book", "\"book 3\"")]);
}

#[test]
fn a_statement_may_be_fields_alone() {
    let (id, px) = (7, 101.25);
    check(|| info!(id, px), "id=7 px=101.25", &[("id", "7"), ("px", "101.25")]);
    check(|| info!(order = id + 1;), "order=8", &[("order", "8")]);
}

#[test]
fn formats_may_use_fields() {
    let calls = Cell::new(0);
    let px = || {
        calls.set(calls.get() + 1);
        101.256
    };
    check(
        || info!(px = px(), id = 7; "at {px:.2}"),
        "at 101.26 id=7",
        &[("px", "101.256"), ("id", "7")],
    );
    assert_eq!(calls.get(), 1, "captured once");
    let width = 8;
    check(|| info!(width; "{:>width$}|", 1), "       1|", &[("0", "1"), ("width", "8")]);
}

#[test]
fn kinds_of_values() {
    let (book, failed) = (Book(3), Failed);
    check(
        || info!(book:?, other:% = book, cause:err = failed; "x"),
        "x book=Book(3) other=\"book 3\" cause=\"it failed\"",
        &[("book", "\"Book(3)\""), ("other", "\"book 3\""), ("cause", "\"it failed\"")],
    );
    let (latency, size, flags) = (1_500_u64, 4_096_u64, 255_u8);
    check(
        || info!(latency:ns, size:bytes, flags:hex, wait:us = 3; "x"),
        "x latency=1500ns size=4096B flags=0xff wait=3µs",
        &[("latency", "1500"), ("size", "4096"), ("flags", "255"), ("wait", "3")],
    );
    let (none, list) = (None::<u32>, vec![1, 2]);
    check(
        || info!(none, list; "x"),
        "x none=None list=\"[1, 2]\"",
        &[("none", "null"), ("list", "[1,2]")],
    );
}

#[test]
fn places_and_calls_are_names() {
    let order = Order { id: 7, leg: (1, 0.5) };
    check(
        || info!(order.id, order.leg.0, order.notional(); "x"),
        "x order.id=7 order.leg.0=1 order.notional=101.5",
        &[("order.id", "7"), ("order.leg.0", "1"), ("order.notional", "101.5")],
    );
}

/// As of arguments: nothing is evaluated.
#[test]
fn disabled_statements_evaluate_nothing() {
    fn evaluated() -> u64 {
        panic!("evaluated");
    }
    let found = logged(|| {
        kymo::trace!(x = evaluated(); "x");
        info!("seen");
    });
    assert_eq!(found.len(), 1);
}
