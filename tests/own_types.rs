//! Structs and enums of the program, through the whole way of a record: the reader prints what `#[derive(Debug)]` and
//! serde print.
#![cfg(feature = "derive")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::marker::PhantomData;

use kymo_reader::json;
use kymo_testing::logged::Turn;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde::Serialize;

#[derive(Clone, Debug, Serialize, kymo::Value)]
struct Order {
    id: u64,
    px: f64,
    qty: i32,
    venue: String,
}

#[derive(Clone, Debug, Serialize, kymo::Value)]
struct Pair<A, B>(A, B);

#[derive(Clone, Copy, Debug, Serialize, kymo::Value)]
struct Unit;

#[derive(Clone, Debug, Serialize, kymo::Value)]
struct Braces {}

#[derive(Clone, Debug, Serialize, kymo::Value)]
struct Parentheses();

#[derive(Clone, Debug, Serialize, kymo::Value)]
struct New<T>(T);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, kymo::Value)]
enum Side {
    Buy,
    Sell,
    r#Type,
}

#[derive(Clone, Debug, Serialize, kymo::Value)]
enum Event<T> {
    Gone,
    New(Order),
    Both(T, Option<Side>),
    Moved { to: Pair<i8, T>, r#type: Vec<T> },
    Empty(),
    Nothing {},
}

/// All kinds of fields, and types within types.
#[derive(Clone, Debug, Serialize, kymo::Value)]
struct Everything {
    order: Order,
    side: Side,
    unit: Unit,
    braces: Braces,
    parentheses: Parentheses,
    new: New<New<u8>>,
    pair: Pair<Option<Order>, char>,
    events: Vec<Event<u16>>,
    boxed: Box<str>,
    tuple: (Side, (u8, bool), Option<Unit>),
    result: Result<Side, Pair<u8, String>>,
    sides: BTreeSet<Side>,
    map: BTreeMap<String, New<i64>>,
    units: Vec<Unit>,
    wide: (u128, i128),
    array: [f32; 3],
}

/// More fields than a tuple can have, and than types may nest if they were a list.
macro_rules! wide {
    ($($field:ident)*) => {
        #[derive(Clone, Debug, Default, Serialize, kymo::Value)]
        struct Wide { $($field: u16,)* }

        impl Wide {
            fn filled(mut self) -> Self {
                let mut next = 0;
                $( next += 1; self.$field = next; )*
                self
            }
        }

        #[allow(non_camel_case_types)]
        #[derive(Clone, Debug, Serialize, kymo::Value)]
        enum Many { $($field { value: u16 },)* Last(u8) }

        impl Many {
            fn all() -> Vec<Self> {
                let mut all = vec![Self::Last(7)];
                $( all.push(Self::$field { value: 3 }); )*
                all
            }
        }
    };
}

wide! {
    a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 b0 b1 b2 b3 b4 b5 b6 b7 b8 b9 c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 d0 d1 d2 d3 d4 d5 d6 d7
    e0 e1 e2 e3 e4 e5 e6 e7 e8 e9 f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 g0 g1 g2 g3 g4 g5 g6 g7 g8 g9 h0 h1 h2 h3 h4 h5 h6 h7
    i0 i1 i2 i3 i4 i5 i6 i7 i8 i9 j0 j1 j2 j3 j4 j5 j6 j7 j8 j9 k0 k1 k2 k3 k4 k5 k6 k7 k8 k9 l0 l1 l2 l3 l4 l5 l6 l7
    m0 m1 m2 m3 m4 m5 m6 m7 m8 m9 n0 n1 n2 n3 n4 n5 n6 n7 n8 n9 o0 o1 o2 o3 o4 o5 o6 o7 o8 o9 p0 p1 p2 p3 p4 p5 p6 p7
}

fn floats() -> impl Strategy<Value = f64> {
    // JSON has no others.
    any::<f64>().prop_filter("finite", |px| px.is_finite())
}

fn order() -> impl Strategy<Value = Order> {
    (any::<u64>(), floats(), any::<i32>(), ".{0,12}").prop_map(|(id, px, qty, venue)| Order {
        id,
        px,
        qty,
        venue,
    })
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell), Just(Side::Type)]
}

fn event<T: Clone + Debug + 'static>(value: BoxedStrategy<T>) -> impl Strategy<Value = Event<T>> {
    prop_oneof![
        Just(Event::Gone),
        Just(Event::Empty()),
        Just(Event::Nothing {}),
        order().prop_map(Event::New),
        (value.clone(), proptest::option::of(side()))
            .prop_map(|(value, side)| Event::Both(value, side)),
        (any::<i8>(), value.clone(), vec(value, 0..4))
            .prop_map(|(first, second, r#type)| Event::Moved { to: Pair(first, second), r#type }),
    ]
}

fn everything() -> impl Strategy<Value = Everything> {
    let simple = (order(), side(), any::<u8>(), proptest::option::of(order()), any::<char>());
    let lists = (
        vec(event(any::<u16>().boxed()), 0..4),
        btree_set(side(), 0..4),
        btree_map("[a-z]{0,3}", any::<i64>().prop_map(New), 0..3),
        vec(Just(Unit), 0..3),
    );
    let rest =
        (".{0,8}", any::<bool>(), any::<bool>(), any::<u128>(), any::<i128>(), any::<[i16; 3]>());
    (simple, lists, rest).prop_map(|(simple, lists, rest)| {
        let (order, side, byte, other, letter) = simple;
        let (events, sides, map, units) = lists;
        let (text, flag, ok, unsigned, signed, array) = rest;
        Everything {
            order,
            side,
            unit: Unit,
            braces: Braces {},
            parentheses: Parentheses(),
            new: New(New(byte)),
            pair: Pair(other, letter),
            events,
            boxed: text.clone().into(),
            tuple: (side, (byte, flag), flag.then_some(Unit)),
            result: if ok { Ok(side) } else { Err(Pair(byte, text)) },
            sides,
            map,
            units,
            wide: (unsigned, signed),
            array: array.map(|value| f32::from(value) / 4.0),
        }
    })
}

/// Arbitrary values.
fn some<T: Debug>(strategy: impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("a value").current()).collect()
}

/// Logs the values, and compares each with what std and serde make of it.
fn check<T: kymo::Argument + Debug + Serialize>(values: &[T]) {
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    for value in values {
        kymo::info!("{value:?} {value:#?} {value:x?} {value:6.2?}");
        kymo::info!(value; "");
    }
    let report = logger.shutdown();
    assert_eq!((report.written, report.dropped, report.cut), (2 * values.len() as u64, 0, 0));
    let mut reader = kymo_reader::Reader::open(&turn.path).unwrap();
    for value in values {
        let record = reader.next_record().unwrap().expect("a record");
        let mut message = String::new();
        record.message(&mut message);
        assert_eq!(message, format!("{value:?} {value:#?} {value:x?} {value:6.2?}"));
        let record = reader.next_record().unwrap().expect("a record");
        let mut found = String::new();
        json::write_value(&record.argument("value").expect("the argument"), &mut found);
        // Parsed, for what is escaped differs.
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(
            parsed(&found),
            parsed(&serde_json::to_string(value).expect("JSON")),
            "{value:?}"
        );
    }
    assert!(reader.next_record().unwrap().is_none());
    assert!(reader.report().is_whole());
}

#[test]
fn text_and_json_are_those_of_std_and_serde() {
    check(&some(everything(), 300));
}

#[test]
fn enums_are_logged_by_variant() {
    check(&some(event(any::<u16>().boxed()), 300));
    check(&some(event(".{0,5}".boxed()), 300));
    check(&some(side(), 30));
}

#[test]
fn small_types_are_logged() {
    check(&[Unit]);
    check(&[Braces {}]);
    check(&[Parentheses()]);
    check(&[Some(Unit), None]);
    check(&[vec![Unit; 3], vec![]]);
    check(&[Pair(Unit, Unit)]);
    check(&[New(Braces {})]);
    check(&some(order().prop_map(|order| vec![Some(Box::new(order))]), 30));
}

#[test]
fn many_fields_and_variants_are_possible() {
    check(&[Wide::default().filled()]);
    check(&Many::all());
}

/// Borrowed fields, with lifetimes, constants and bounds of all kinds.
#[test]
fn generics_of_all_kinds_are_possible() {
    #[derive(Debug, Serialize, kymo::Value)]
    struct Borrowed<'a, 'b: 'a, T: ?Sized, const N: usize>
    where
        T: Debug,
    {
        name: &'a str,
        other: &'b T,
        #[serde(skip)]
        #[kymo(skip)]
        marker: PhantomData<fn(T)>,
        text: std::borrow::Cow<'a, str>,
        #[serde(skip)]
        #[kymo(skip)]
        array: [u8; N],
    }
    trait Venue {
        type Price;
    }
    struct Xetra;
    impl Venue for Xetra {
        type Price = f64;
    }
    #[derive(kymo::Value)]
    struct Quote<V: Venue> {
        price: V::Price,
    }
    let name = String::from("XETR");
    let value = Borrowed::<str, 2> {
        name: &name,
        other: "x",
        marker: PhantomData,
        text: "y".into(),
        array: [1; 2],
    };
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    let quote = Quote::<Xetra> { price: 1.5 };
    kymo::info!(quote, value; "");
    logger.shutdown();
    let found = turn.read();
    let message = &found.messages()[0];
    assert!(message.contains("Quote { price: 1.5 }"), "{message}");
    assert!(
        message.contains(r#"Borrowed { name: \"XETR\", other: \"x\", text: \"y\" }"#),
        "{message}"
    );
    // The fields that are not logged are of no other use.
    assert_eq!(value.array, [1; 2]);
}

/// What does not fit is cut, and says so.
#[test]
fn long_values_are_cut() {
    let long = Order { id: 1, px: 2.0, qty: 3, venue: "x".repeat(40_000) };
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    kymo::info!("{:?}", long);
    kymo::info!(
        "{:?} {}",
        Event::Moved { to: Pair(1, long.venue.clone()), r#type: vec![long.venue.clone(); 3] },
        7
    );
    let report = logger.shutdown();
    assert_eq!((report.written, report.cut), (2, 2));
    let found = turn.read();
    let [one, two] = [&found.messages()[0], &found.messages()[1]];
    assert!(one.starts_with("Order { id: 1, px: 2.0, qty: 3, venue: \"xxx"), "{}", &one[..80]);
    assert!(one.ends_with("x\"… }") && two.ends_with("] } 7"), "{}", &two[two.len() - 80..]);
}

/// Fields of other types, which the call formats.
#[derive(Clone)]
struct Foreign(&'static str);

impl Debug for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "debug of {}", self.0)
    }
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.0)
    }
}

#[derive(kymo::Value)]
struct Attributes<T: Debug> {
    #[kymo(skip)]
    _skipped: Foreign,
    #[kymo(redact)]
    secret: Foreign,
    #[kymo(redact, rename = "other secret")]
    _secret: String,
    #[kymo(debug)]
    debugged: T,
    #[kymo(display)]
    displayed: Foreign,
    #[kymo(hex)]
    flags: i8,
    #[kymo(unit = "ns")]
    took: Option<u64>,
    #[kymo(rename = "type")]
    kind: Tagged,
    id: Id,
    price: Price,
}

#[derive(kymo::Value)]
#[kymo(rename = "Kind")]
enum Tagged {
    #[kymo(rename = "one")]
    One,
}

#[derive(Clone, Copy, kymo::Value)]
#[kymo(transparent)]
struct Id(u64);

/// Logged as the text of its field.
#[derive(Clone, kymo::Value)]
#[kymo(transparent)]
struct Price {
    #[kymo(display)]
    price: Foreign,
}

fn attributes() -> Attributes<Foreign> {
    Attributes {
        _skipped: Foreign("skipped"),
        secret: Foreign("secret"),
        _secret: String::from("secret"),
        debugged: Foreign("one"),
        displayed: Foreign("two"),
        flags: -1,
        took: Some(7),
        kind: Tagged::One,
        id: Id(3),
        price: Price { price: Foreign("1.50") },
    }
}

/// Logs with `log`, and returns what the messages and the JSON of the fields are.
fn read(log: impl FnOnce()) -> Vec<(String, String)> {
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    log();
    assert_eq!(logger.shutdown().dropped, 0);
    let mut reader = kymo_reader::Reader::open(&turn.path).unwrap();
    let mut found = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        let (mut message, mut fields) = (String::new(), String::new());
        record.message(&mut message);
        json::write_fields(&record, &mut fields);
        found.push((message, fields));
    }
    found
}

#[test]
fn attributes_say_what_is_logged() {
    let value = attributes();
    let found = read(|| {
        kymo::info!(value, id = Id(9); "");
        // Within others, the texts that the call made are there as well.
        kymo::info!(some = Some((1, &value)), price = Some(value.price.clone()); "");
        kymo::info!("{:?}", kymo::as_debug(&value.secret));
    });
    let text = "Attributes { secret: ***, other secret: ***, debugged: debug of one, displayed: two, flags: 0xff, \
                took: Some(7ns), type: one, id: 3, price: 1.50 }";
    assert_eq!(found[0].0, format!("value={text:?} id=9"));
    assert_eq!(
        found[0].1,
        r#"{"value":{"secret":"***","other secret":"***","debugged":"debug of one","displayed":"two","flags":-1,"#
            .to_owned()
            + r#""took":7,"type":"one","id":3,"price":"1.50"},"id":9}"#
    );
    assert_eq!(found[1].0, format!("some={:?} price=Some(1.50)", format!("Some((1, {text}))")));
    assert_eq!(found[2].0, "debug of secret");
    assert!(!found[0].0.contains("skipped"));
}

/// `format` is what `{}` prints, here and in the program.
#[test]
fn formats_print_what_format_prints() {
    #[derive(Debug, kymo::Value)]
    #[kymo(format = "{{{id:>5}}} {px:*<w$.2} {other:?} {client} {text:>6}")]
    struct Order<'a, T> {
        id: u64,
        px: f64,
        #[kymo(rename = "width")]
        w: usize,
        other: T,
        #[kymo(redact)]
        client: &'a str,
        #[kymo(display)]
        text: Foreign,
    }
    #[derive(Debug, kymo::Value)]
    #[kymo(format = "{1}/{0:?}/{0:#?}")]
    struct Pair<T>(T, #[kymo(debug)] Foreign);
    #[derive(Debug, kymo::Value)]
    enum State<'a> {
        Open,
        #[kymo(format = "{by} {order}", rename = "filled")]
        Filled {
            by: &'a str,
            order: Order<'a, Option<u8>>,
        },
        #[kymo(format = "nothing")]
        Nothing,
    }
    let order =
        |id| Order { id, px: 1.256, w: 7, other: Some(3), client: "ann", text: Foreign("x") };
    let pair = Pair(Some("\n"), Foreign("y"));
    let states = [State::Open, State::Filled { by: "me", order: order(2) }, State::Nothing];
    let mut expected = vec![format!("{0} {0:>40} {1} {1:4}", order(1), pair)];
    expected.extend(states.iter().map(|state| format!("{state} {state:>9} {state:<12}|")));
    let found = read(|| {
        kymo::info!("{0} {0:>40} {1} {1:4}", order(1), pair);
        states.iter().for_each(|state| kymo::info!("{state} {state:>9} {state:<12}|"));
    });
    assert_eq!(found.into_iter().map(|(message, _)| message).collect::<Vec<_>>(), expected);
    assert!(expected[0].starts_with("{    1} 1.26*** Some(3) *** "), "{}", expected[0]);
}

/// Fields are reached by their paths.
#[test]
fn fields_are_reached_by_path() {
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    let order = Order { id: 7, px: 1.5, qty: -3, venue: "XETR".to_owned() };
    let moved = Event::Moved { to: Pair(-1, 5_u16), r#type: vec![] };
    kymo::info!(order = Some(&order), event = &moved, order.id = 8; "");
    kymo::info!(order, event = Event::<u8>::New(order.clone()); "");
    logger.shutdown();
    let mut reader = kymo_reader::Reader::open(&turn.path).unwrap();
    let mut column = kymo_reader::Column::new("order.qty");
    let record = reader.next_record().unwrap().expect("a record");
    assert_eq!(record.get::<&str>("order.venue").unwrap(), "XETR");
    // There is an argument of the whole name.
    assert_eq!(record.get::<u64>("order.id").unwrap(), 8);
    assert_eq!(record.get::<i32>("event.to.1").unwrap(), 5);
    assert_eq!(record.get::<i32>("event.Moved.to.0").unwrap(), -1);
    assert_eq!(column.get::<i32>(&record).unwrap(), -3);
    assert!(
        record.get::<u64>("event.New.0.id").is_err() && record.get::<u64>("order.none").is_err()
    );
    let record = reader.next_record().unwrap().expect("a record");
    assert_eq!(record.get::<u64>("order.id").unwrap(), 7);
    assert_eq!(record.get::<u64>("event.New.0.id").unwrap(), 7);
    assert_eq!(column.get::<i32>(&record).unwrap(), -3);
}

/// What a process logged that was killed is recovered from its rings, whatever its types.
#[test]
fn own_types_are_recovered_from_rings() {
    const CHILD: &str = "KYMO_TEST_OWN_TYPES";
    fn value(number: u64) -> (Order, Event<u64>) {
        let order = Order { id: number, px: 0.5, qty: -3, venue: format!("venue {number}") };
        let event = match number % 4 {
            0 => Event::Gone,
            1 => Event::New(order.clone()),
            2 => Event::Both(number, Some(Side::Sell)),
            _ => Event::Moved { to: Pair(1, number), r#type: vec![number; 3] },
        };
        (order, event)
    }
    if let Some(dir) = std::env::var_os(CHILD) {
        let dir = std::path::Path::new(&dir);
        let log = kymo::Logger::builder(dir.join("app.kymo")).crash_proof(dir);
        let _logger = log.start().unwrap();
        for number in 0..2_000 {
            let (order, event) = value(number);
            kymo::info!("{order:?} {event:?}");
        }
        let own = rustix::process::getpid();
        rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
        unreachable!();
    }
    let dir = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let child = child.args(["--exact", "own_types_are_recovered_from_rings", "--nocapture"]);
    let ended = child.env(CHILD, dir.path()).output().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended.status), Some(9), "{ended:?}");
    let log = dir.path().join("app.kymo");
    kymo::recover(&log).unwrap();
    let options = || kymo_reader::Options::new().order(kymo_reader::Order::Time);
    let mut files = kymo_reader::Files::open([&log], options).unwrap();
    let mut number = 0;
    while let Some((_, event)) = files.next_event().unwrap() {
        let kymo_reader::Event::Record(record) = event else { continue };
        // kymo's own warnings have another target.
        if record.target() == module_path!() {
            let ((order, event), mut found) = (value(number), String::new());
            record.message(&mut found);
            assert_eq!(found, format!("{order:?} {event:?}"));
            number += 1;
        }
    }
    assert_eq!(number, 2_000);
}
