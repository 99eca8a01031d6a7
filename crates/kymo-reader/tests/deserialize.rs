//! Records and values become types of the program by serde: what was logged comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use kymo_reader::{DeserializeError, Reader, Record};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Deserialize, kymo::Value)]
struct Order {
    id: u64,
    px: f64,
    #[kymo(hex)]
    flags: i8,
    side: Side,
    event: Event,
    legs: Vec<(u8, Option<Pair>)>,
    by: BTreeMap<String, New>,
    letter: char,
    took: Duration,
    wide: u128,
    result: Result<Unit, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, kymo::Value)]
enum Side {
    Buy,
    Sell,
}

#[derive(Clone, Debug, PartialEq, Deserialize, kymo::Value)]
enum Event {
    Gone,
    Px(f32),
    Both(u8, Side),
    Moved { from: New, to: Unit },
}

#[derive(Clone, Debug, PartialEq, Deserialize, kymo::Value)]
struct Pair(i16, String);

#[derive(Clone, Debug, PartialEq, Deserialize, kymo::Value)]
struct New(i64);

#[derive(Clone, Debug, PartialEq, Deserialize, kymo::Value)]
struct Unit;

fn order() -> impl Strategy<Value = Order> {
    let side = || prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let event = prop_oneof![
        Just(Event::Gone),
        (-9.0..9.0_f32).prop_map(Event::Px),
        (any::<u8>(), side()).prop_map(|(number, side)| Event::Both(number, side)),
        any::<i64>().prop_map(|from| Event::Moved { from: New(from), to: Unit }),
    ];
    let pair = (any::<i16>(), ".{0,5}").prop_map(|(number, text)| Pair(number, text));
    let lists = (
        vec((any::<u8>(), proptest::option::of(pair)), 0..4),
        btree_map(".{0,4}", any::<i64>().prop_map(New), 0..3),
    );
    let scalars = (any::<u64>(), -1e9..1e9_f64, any::<i8>(), any::<char>(), any::<u128>());
    (scalars, side(), event, lists, any::<Duration>(), any::<bool>()).prop_map(
        |((id, px, flags, letter, wide), side, event, (legs, by), took, ok)| Order {
            id,
            px,
            flags,
            side,
            event,
            legs,
            by,
            letter,
            took,
            wide,
            result: if ok { Ok(Unit) } else { Err("failed".to_owned()) },
        },
    )
}

/// Logs with `log`, and looks at each record.
fn read(log: impl FnOnce(), mut look: impl FnMut(&Record<'_>)) {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let logger = kymo::Logger::builder(&path).start().unwrap();
    log();
    logger.shutdown();
    let mut reader = Reader::open(&path).unwrap();
    while let Some(record) = reader.next_record().unwrap() {
        look(&record);
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct Arguments<'a> {
    order: Order,
    venue: &'a str,
    some: Option<Side>,
    none: Option<u8>,
    #[serde(default)]
    missing: u8,
}

#[test]
fn what_was_logged_comes_back() {
    let config =
        ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(orders in vec(order(), 1..20))| {
        let mut expected = orders.iter();
        let log = || for order in &orders {
            kymo::info!(order, venue = "XETR", some = order.side, none = None::<u8>; "filled {}", 1.5);
        };
        read(log, |record| {
            let order = expected.next().expect("as many records").clone();
            let some = Some(order.side);
            let found: Arguments<'_> = record.deserialize().unwrap();
            assert_eq!(found, Arguments { order: order.clone(), venue: "XETR", some, none: None, missing: 0 });
            let value = record.argument("order").unwrap();
            assert_eq!(Order::deserialize(value).unwrap(), order);
        });
        prop_assert!(expected.next().is_none());
    });
}

#[test]
fn what_does_not_fit_is_an_error() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "read by `Debug`")]
    struct Wrong {
        order: String,
    }
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "read by `Debug`")]
    struct Missing {
        price: f64,
    }
    let error = |error: DeserializeError| error.to_string();
    read(
        || kymo::info!(order = Pair(1, "x".to_owned()), long = "x".repeat(40_000); "filled"),
        |record| {
            let found = error(record.deserialize::<Wrong>().unwrap_err());
            assert!(found.contains("expected a string"), "{found}");
            let found = error(record.deserialize::<Missing>().unwrap_err());
            assert!(found.contains("missing field `price`"), "{found}");
            let long = record.argument("long").unwrap();
            let found = error(String::deserialize(long).unwrap_err());
            assert!(found.contains("cut"), "{found}");
            let pair = record.argument("order").unwrap();
            assert!(Side::deserialize(pair).is_err() && u8::deserialize(pair).is_err());
        },
    );
}
