//! Arguments as Rust types, and what `next_record` says of what it passes over.

use kymo_testing::segment;

use std::net::IpAddr;
use std::time::Duration;

use kymo_format::types::Type;
use kymo_reader::{ArgumentError, Column, Options, Order, PassedOver, Reader, Value, ValueError};
use segment::{Arg, Rec, Segment};

fn logged(log: impl FnOnce()) -> Vec<u8> {
    // One logger in a process.
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.kymo");
    let logger = kymo::Logger::builder(&path).start().unwrap();
    log();
    logger.shutdown();
    std::fs::read(path).unwrap()
}

/// `argument("x").and_then(|v| v.as_f64())` was `None` for every `Option`, and there was no way from
/// a value to a Rust type that says why it fails.
#[test]
fn options_and_typed_arguments() {
    let bytes = logged(|| {
        let (some, none) = (Some(2.5), None::<f64>);
        let nested = Some(Some(7_u8));
        kymo::info!("{some:?} {none:?} {nested:?}", nested = nested);
        kymo::info!(
            "{n} {big} {s} {c} {took:?} {list:?} {ip} {yes}",
            n = -3_i32,
            big = u64::MAX,
            s = "text",
            c = 'x',
            took = Duration::from_millis(5),
            list = [1_u8, 2],
            ip = IpAddr::from([127, 0, 0, 1]),
            yes = true
        );
    });
    let mut reader = Reader::from_slice(&bytes).unwrap();
    let record = reader.next_record().unwrap().unwrap();
    assert_eq!(record.argument("some").and_then(|value| value.as_f64()), Some(2.5));
    assert_eq!(record.argument("nested").and_then(|value| value.as_u128()), Some(7));
    assert_eq!(record.argument("none").and_then(|value| value.as_f64()), None);
    assert!(record.argument("none").unwrap().is_none());
    assert_eq!(record.get::<Option<f64>>("some"), Ok(Some(2.5)));
    assert_eq!(record.get::<Option<f64>>("none"), Ok(None));
    assert_eq!(record.get::<f64>("some"), Ok(2.5));
    assert_eq!(record.get::<Option<u64>>("nested"), Ok(Some(7)));
    let error = |error: ArgumentError| error.to_string();
    assert_eq!(
        record.get::<f64>("none").map_err(error).unwrap_err(),
        "argument none: expected a number, found None"
    );
    let missing = record.get::<Option<f64>>("price").unwrap_err();
    assert!(matches!(&missing, ArgumentError::Missing { name, .. } if &**name == "price"));
    assert!(missing.to_string().contains("reader_arguments.rs:"), "{missing}");
    assert_eq!(Option::<f64>::try_from(record.argument("none").unwrap()), Ok(None));
    assert_eq!(f64::try_from(record.argument("some").unwrap()), Ok(2.5));

    let record = reader.next_record().unwrap().unwrap();
    assert_eq!(record.get::<i8>("n"), Ok(-3));
    assert_eq!(record.get::<f64>("n"), Ok(-3.0));
    assert_eq!(record.get::<u64>("big"), Ok(u64::MAX));
    assert_eq!(record.get::<&str>("s"), Ok("text"));
    assert_eq!(record.get::<String>("s"), Ok("text".to_owned()));
    assert_eq!(record.get::<char>("c"), Ok('x'));
    assert_eq!(record.get::<Duration>("took"), Ok(Duration::from_millis(5)));
    assert_eq!(record.get::<Vec<u32>>("list"), Ok(vec![1, 2]));
    assert_eq!(record.get::<IpAddr>("ip"), Ok(IpAddr::from([127, 0, 0, 1])));
    assert_eq!(record.get::<bool>("yes"), Ok(true));
    assert_eq!(record.get::<Value<'_>>("yes"), Ok(Value::Bool(true)));
    for (error, expected) in [
        (record.get::<u8>("n").unwrap_err(), "argument n: expected u8, found -3"),
        (
            record.get::<i64>("big").unwrap_err(),
            "argument big: expected i64, found 18446744073709551615",
        ),
        (record.get::<u8>("s").unwrap_err(), "argument s: expected u8, found a string"),
        (
            record.get::<&str>("list").unwrap_err(),
            "argument list: expected a string, found a sequence",
        ),
        (record.get::<Vec<bool>>("list").unwrap_err(), "argument list: expected bool, found 1"),
    ] {
        assert_eq!(error.to_string(), expected);
    }
    let error: ValueError = u8::try_from(record.argument("n").unwrap()).unwrap_err();
    assert_eq!((error.expected(), error.found()), ("u8", "-3"));
}

/// A position that was found at a call site is not taken for another one's, whichever file it is from.
#[test]
fn a_column_is_found_at_each_call_site() {
    let file = |names: [&str; 2]| {
        let mut file = Segment::new(1);
        let args = names.map(|name| (name, Type::U64));
        file.clock(1_000).site(0, 3, "{a} {b}", &args).site(1, 3, "{c}", &[("c", Type::U64)]);
        file.thread(0, "main");
        let args = [Arg::Unsigned(1), Arg::Unsigned(2)];
        file.block(0, &[Rec(0, 10, &args), Rec(1, 11, &args[..1]), Rec(0, 12, &args)]).close();
        file.bytes
    };
    let mut column = Column::new("b");
    for (names, expected) in [(["a", "b"], 2), (["b", "a"], 1)] {
        let bytes = file(names);
        let mut reader = Reader::from_slice(&bytes).unwrap();
        let mut found = Vec::new();
        while let Some(record) = reader.next_record().unwrap() {
            assert_eq!(column.is_in(&record), record.argument("b").is_some());
            found.push(column.get::<u64>(&record).ok());
        }
        assert_eq!(found, [Some(expected), None, Some(expected)]);
    }
}

/// `next_record` passed over drops, gaps and damage without a word.
#[test]
fn next_record_says_what_it_passed_over() {
    let mut file = Segment::new(1);
    file.clock(1_000).site(0, 3, "x", &[]).thread(0, "main");
    file.block(0, &[Rec(0, 10, &[])]).drops(0, 11, 12, 4).drops(0, 13, 14, 5);
    file.block(0, &[Rec(0, 20, &[]), Rec(0, 21, &[])]);
    file.block(0, &[Rec(0, 30, &[]), Rec(0, 31, &[]), Rec(0, 32, &[])]);
    let (start, end) = file.frames[file.frames.len() - 1];
    file.block(0, &[Rec(0, 40, &[])]).drops(0, 50, 51, 6).close();
    file.bytes[start + 9] ^= 1;
    for order in [Order::Written, Order::Time, Order::Exact] {
        let mut reader = Options::new().order(order).from_slice(&file.bytes).unwrap();
        let mut passed = Vec::new();
        while let Some(record) = reader.next_record().unwrap() {
            let PassedOver { dropped, missing, damaged_bytes, .. } = record.passed_over();
            passed.push((dropped, missing, damaged_bytes));
        }
        let damaged = (end - start).next_multiple_of(8) as u64;
        assert_eq!(passed, [(0, 0, 0), (9, 0, 0), (0, 0, 0), (0, 3, damaged)], "{order:?}");
        assert_eq!(reader.passed_over().dropped, 6);
        let sum: u64 = passed.iter().map(|it| it.0).sum();
        assert_eq!(sum + reader.passed_over().dropped, reader.report().dropped);
    }
}
