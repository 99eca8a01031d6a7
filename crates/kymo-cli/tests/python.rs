//! The decoder in Python under `docs/examples`, written from `docs/format.md` alone, prints the
//! JSON that the command prints. So the specification says what a second reader needs.

mod common;
use kymo_testing::segment::{self, Arg, Rec, Segment};

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use common::Turn;
use kymo_format::header::COMMITTED_OFFSET;
use kymo_format::rotated::{Continued, Deleted};
use kymo_format::types::{SpanRole, Type};
use proptest::collection::vec;
use proptest::prelude::*;

/// What the decoder makes of `file`, or nothing if there is no Python.
fn decoded_by_python(file: &Path) -> Option<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/kymo_decode.py");
    let mut python = Command::new("python3");
    let python = python.arg("-B").arg(script).arg(file.file_name().unwrap());
    match python.current_dir(file.parent().unwrap()).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: there is no python3 here");
            None
        }
        output => Some(output.unwrap()),
    }
}

fn decoded_by_the_command(file: &Path) -> common::Ran {
    let name = file.file_name().unwrap();
    let args: [&dyn AsRef<std::ffi::OsStr>; 7] =
        [&"cat", &"--order", &"written", &"--format", &"json", &"--spans", &name];
    let output = common::kymo(&args).current_dir(file.parent().unwrap()).output().unwrap();
    common::finished(output)
}

/// Compares line by line: a difference is then one record, and not a file.
fn compare(file: &Path) -> Result<(), TestCaseError> {
    let Some(output) = decoded_by_python(file) else { return Ok(()) };
    let python = common::finished(output).fine();
    let command = decoded_by_the_command(file).fine();
    for (python, command) in python.lines().zip(command.lines()) {
        prop_assert_eq!(python, command);
    }
    prop_assert_eq!(python.len(), command.len());
    Ok(())
}

#[test]
fn golden_files_decode_alike() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "kymo");
    for file in paths.filter(is_log) {
        // `golden.rs` compares what the command prints with what it always printed.
        compare(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

/// Characters of all kinds, but none that the older of two versions of Unicode might not know.
const TEXT: &str =
    "[ -~\\u{0}-\\u{9f}À-ÿα-ωא-ת一-龥\\u{300}-\\u{36f}\\u{2000}-\\u{206f}\\u{e000}\\u{feff}😀-😿]";

fn text() -> impl Strategy<Value = String> {
    vec(proptest::string::string_regex(TEXT).unwrap(), 0..16)
        .prop_map(|characters| characters.concat())
}

#[test]
fn marks_decode_alike() {
    let turn = Turn::take();
    let mut file = segment::sample();
    file.bytes.truncate(file.frames[file.frames.len() - 4].0);
    file.signal(1000, 11, 90)
        .signal(9, 99, 91)
        .clock_set(91, 7, -8)
        .continued(&Continued { segments: 2, written: 1 << 40, dropped: 1, cut: 2, own: 3 })
        .deleted(&Deleted { ticks: 92, first: 3, last: 500, files: 400, bytes: 1 << 33 })
        .thread(7, "again")
        .watermark(92);
    for reason in 1..=8 {
        // Thread 7, ticks from 93 to 94, one entry: the reason, level error, 300 records.
        let mut mark = vec![15];
        mark.extend_from_slice(&[93_u64.to_le_bytes(), 94_u64.to_le_bytes()].concat());
        mark.extend_from_slice(&[3, reason, 1, 0xB2, 0x04]);
        file.frame(6, &mark);
    }
    file.dump(1, &[&[Rec(0, 7, &[])], &[Rec(0, 9, &[])]]);
    file.commit();
    let path = turn.file("marks.kymo", &file.bytes);
    compare(&path).unwrap();
}

/// Arguments that the format string does not print follow the message.
#[test]
fn fields_decode_alike() {
    const NESTED: Type = Type::Option(&Type::Str);
    let turn = Turn::take();
    let mut file = Segment::new(0xF1E1D);
    let types = [
        ("", Type::U64),
        ("user name", Type::Str),
        ("w", Type::U64),
        ("", NESTED),
        ("é", Type::F64),
    ];
    file.clock(1_000).thread(0, "main");
    let formats = ["plain", "{}", "{1} {{", "{0:2$}", "{:.*}", "{3:?}{4}{w}{1}{}"];
    for (number, format) in (0..).zip(formats) {
        file.site(number, 3, format, &types);
        for text in ["ann", "", "a b", "a=b", "back\\slash", "\"quoted\"", "ä\n", "~!#"] {
            let text = Arg::Str(text.as_bytes());
            let some = [Arg::Byte(1), text];
            let arguments =
                [Arg::Unsigned(7), text, Arg::Unsigned(3), some[0], some[1], Arg::Float(1.5)];
            file.block(0, &[Rec(number, 1, &arguments)]);
        }
    }
    file.close();
    let path = turn.file("fields.kymo", &file.bytes);
    compare(&path).unwrap();
    let text = decoded_by_the_command(&path).out;
    assert!(text.contains(r#""message":"plain 0=7 user_name=ann w=3 3="#), "{text}");
}

/// Spans, also those of which something is missing.
#[test]
fn spans_decode_alike() {
    use SpanRole::{Close, Enter, Exit, Follows, In, New, Record};
    let turn = Turn::take();
    let mut file = Segment::new(0x59A2);
    file.clock(1_000).thread(0, "main").thread(1, "other");
    let span = Type::Span;
    file.site(0, 3, "outer {{}}", &[("a", Type::U64), ("", span(New))]);
    file.site(1, 3, "inner", &[("", span(New)), ("", span(In))]);
    file.site(2, 3, "outer {{}}", &[("a", Type::Str), ("b c", Type::F64), ("", span(Record))]);
    file.site(3, 3, "inner", &[("", span(Enter))]).site(4, 3, "inner", &[("", span(Exit))]);
    file.site(5, 3, "any", &[("", span(Close))]);
    file.site(6, 2, "{1}", &[("n", Type::U64), ("", Type::Str), ("", span(In))]);
    file.site(7, 3, "inner", &[("", span(Follows)), ("", span(In))]);
    file.site(8, 3, "", &[("n", Type::U64), ("m", Type::U64)]);
    // Not allowed: an argument follows.
    file.site(9, 3, "{}", &[("", span(In)), ("n", Type::U64)]);
    let id = Arg::Unsigned;
    let event = |id: u64| [Arg::Unsigned(7), Arg::Str(b"text"), Arg::Unsigned(id)];
    let record = [Arg::Str(b"x"), Arg::Float(1.5), id(5)];
    file.block(
        0,
        &[
            Rec(6, 1, &event(5)),
            Rec(0, 1, &[id(1), id(5)]),
            Rec(1, 1, &[id(6), id(5)]),
            Rec(3, 1, &[id(6)]),
            Rec(6, 1, &event(6)),
            Rec(2, 1, &record),
            Rec(6, 1, &event(6)),
            Rec(7, 1, &[id(6), id(99)]),
        ],
    );
    file.block(1, &[Rec(5, 1, &[id(5)]), Rec(6, 1, &event(6)), Rec(6, 1, &event(5))]);
    file.block(0, &[Rec(4, 1, &[id(6)]), Rec(5, 1, &[id(6)]), Rec(6, 1, &event(6))]);
    file.block(0, &[Rec(6, 1, &event(5)), Rec(6, 1, &event(0)), Rec(8, 1, &[id(1), id(2)])]);
    // A span in itself, and two in each other.
    file.block(1, &[Rec(1, 1, &[id(8), id(8)]), Rec(6, 1, &event(8)), Rec(1, 1, &[id(9), id(10)])]);
    file.block(1, &[Rec(1, 1, &[id(10), id(9)]), Rec(6, 1, &event(9)), Rec(5, 1, &[id(9)])]);
    file.block(1, &[Rec(1, 1, &[id(0), id(9)]), Rec(5, 1, &[id(8)]), Rec(6, 1, &event(8))]);
    file.close();
    let path = turn.file("spans.kymo", &file.bytes);
    let Some(python) = decoded_by_python(&path) else { return };
    // The last entry is damaged, which the decoder says elsewhere.
    let command = decoded_by_the_command(&path).out;
    let (damage, command) = command.split_once('\n').unwrap();
    assert!(damage.starts_with(r#"{"event":"damage""#), "{damage}");
    assert_eq!(common::finished(python).out, command);
    assert_eq!(command.lines().count(), 26, "{command}");
    let outer = r#""spans":[{"id":5,"name":"outer {}","fields":{"a":"x","b c":1.5}},"#;
    assert!(command.contains(outer), "{command}");
    assert!(command.contains(r#""message":"n=1 m=2""#), "{command}");
}

/// Past the committed length both end at the first frame that is not whole, and call nothing damage.
#[test]
fn torn_files_decode_alike() {
    let turn = Turn::take();
    let mut file = segment::sample();
    let last = file.frames.len() - 1;
    file.bytes.truncate(file.frames[last].0);
    for torn in 3..last {
        let mut bytes = file.bytes.clone();
        let (start, end) = file.frames[torn];
        let committed = file.frames[torn - 1].0 as u64;
        bytes[COMMITTED_OFFSET..COMMITTED_OFFSET + 8].copy_from_slice(&committed.to_le_bytes());
        bytes[(start + end) / 2] ^= 0x55;
        let path = turn.file("torn.kymo", &bytes);
        let Some(python) = decoded_by_python(&path) else { return };
        let command = decoded_by_the_command(&path);
        assert!(command.err.contains("its writer died"), "{command:?}");
        assert_eq!(common::finished(python).fine(), command.out, "frame {torn}");
    }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 3,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Logs a value in several ways.
macro_rules! each {
    ($value:expr, $($format:literal)*) => { $( kymo::info!($format, $value); )* };
}

macro_rules! integers {
    ($($ty:ident)*) => {
        #[derive(Clone, Debug)]
        struct Integers { $($ty: $ty,)* }

        fn integers() -> impl Strategy<Value = Integers> {
            $( let $ty = prop_oneof![any::<$ty>(), 0..100 as $ty, Just($ty::MIN), Just($ty::MAX)]; )*
            // Tuples of strategies end at twelve.
            ($($ty,)*).prop_map(|($($ty,)*)| Integers { $($ty,)* })
        }

        impl Integers {
            fn log(&self) {
                $(
                    let value = self.$ty;
                    each!(value, "{}" "{:?}" "{:x}" "{:#X}" "{:o}" "{:#b}" "{:e}" "{:E}" "{:.2e}" "{:09.1e}" "{:+}"
                        "{:>20}" "{:<20}|" "{:^20}|" "{:*^+20}|" "{:020}" "{:#020x}" "{:#?}" "{:x?}" "{:02X?}" "{:#x?}");
                    kymo::debug!("{0} {value:?} {0:1$} {value:>2$} {x:>x$}", value, 7, 30, x = 5);
                    kymo::trace!("{:?} {:?} {:5?}", Some(value), None::<$ty>, [value, value]);
                )*
            }
        }
    };
}

integers! { u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize }

macro_rules! log_float {
    ($value:expr) => {{
        let value = $value;
        each!(value, "{}" "{:?}" "{:e}" "{:E}" "{:+}" "{:.0}" "{:.3}" "{:10.2}|" "{:<10}|" "{:^+12.1}|" "{:010.3}"
            "{:+010}" "{:010?}" "{:#?}" "{:.2e}" "{:.0e}" "{:012.3E}" "{:8.1?}" "{:.40}");
        kymo::warn!("{value:.*} {value:1$.2$} {3:.1?}", 3, 9, 2, (value, [value]));
    }};
}

fn log_text(text: &str, letter: char, truth: bool) {
    each!(text, "{}" "{:?}" "{:>12}|" "{:-<12}|" "{:^12.3}|" "{:.0}" "{:#?}" "<{}> {{behind}}");
    each!(letter, "{}" "{:?}" "{:>5}|" "{:ä^5}|" "{:}>5}|");
    each!(truth, "{}" "{:?}" "{:>8}|" "{:.2}");
    kymo::error!(target: "other", "{:?} {:?} {:?}", Some(text), (text, letter, truth), [text, text]);
    each!(kymo::as_display(text), "{}" "{:>9}|" "{:.2}");
    each!(kymo::as_debug(text), "{:?}" "{:>9?}|" "{:.2?}" "{:#?}");
    kymo::info!("{0:.1} {0:>9} {0} {1:?} {0:+}", kymo::as_display(text), kymo::as_debug(letter));
    each!(std::path::Path::new(text), "{:?}" "{:#?}");
    kymo::info!("{letter}{:?} {unnamed}", text.as_bytes(), unnamed = truth);
}

fn log_compounds(numbers: &[Option<f64>], pairs: &[(i16, String)]) {
    each!(numbers, "{:?}" "{:#?}" "{:06.1?}");
    each!(pairs, "{:?}" "{:#?}" "{:4x?}" "{:#06X?}");
    each!((), "{:?}" "{:#?}" "{:>4?}|");
    each!((1_u8,), "{:?}" "{:#?}" "{:>4?}|");
    each!([[(); 2]; 2], "{:?}" "{:#?}");
    each!(kymo::as_debug((pairs, [kymo::as_display("two\nlines\n\nhere")])), "{:?}" "{:#?}");
    each!(Some(Some(pairs)), "{:?}" "{:#?}");
    let map = pairs.iter().cloned().collect::<BTreeMap<_, _>>();
    each!(map, "{:?}" "{:#?}" "{:5x?}");
    let set = pairs.iter().map(|pair| &pair.1).collect::<BTreeSet<_>>();
    each!(set, "{:?}" "{:#?}");
    each!(BTreeMap::from([(Some(1.5_f32.to_bits()), &set)]), "{:?}" "{:#?}");
    let results = numbers.iter().map(|number| number.ok_or(pairs)).collect::<Vec<_>>();
    each!(results, "{:?}" "{:#?}" "{:.1?}");
    each!((numbers.len()..7, -1..=pairs.len() as i32, Some(1)..None), "{:?}" "{:#?}" "{:+?}" "{:4?}");
    each!([numbers.len().cmp(&2), pairs.len().cmp(&2)], "{:?}" "{:#?}" "{:9?}");
    kymo::info!("{:?}", None::<Option<u8>>);
}

fn log_others(nanos: u64, seconds: u64, ip: Ipv6Addr, port: u16, scope: u32) {
    for value in [Duration::from_nanos(nanos), Duration::new(seconds, nanos as u32 % 1_000_000_000)]
    {
        each!(value, "{:?}" "{:.0?}" "{:.1?}" "{:.3?}" "{:.12?}" "{:>25?}|" "{:025?}|" "{:+^25.2?}|" "{:+?}" "{:#?}");
    }
    each!([Duration::MAX, Duration::ZERO], "{:?}" "{:.0?}");
    let v4 = Ipv4Addr::from(scope);
    each!(v4, "{}" "{:?}" "{:>20}|" "{:.4}");
    for v6 in [
        ip,
        v4.to_ipv6_mapped(),
        v4.to_ipv6_compatible(),
        Ipv6Addr::UNSPECIFIED,
        Ipv6Addr::LOCALHOST,
    ] {
        each!(v6, "{}" "{:?}" "{:>50}|" "{:.4}");
        each!([IpAddr::V6(v6), IpAddr::V4(v4)], "{:?}" "{:#?}");
        for scope in [0, scope] {
            let socket = SocketAddrV6::new(v6, port, 7, scope);
            each!(socket, "{}" "{:?}" "{:>60}|");
            each!((SocketAddr::V6(socket), SocketAddr::V4(SocketAddrV4::new(v4, port))), "{:?}");
        }
    }
    each!(SocketAddrV4::new(v4, port), "{}" "{:<30}|");
    let pointer = std::ptr::without_provenance::<u8>(nanos as usize);
    each!(pointer, "{:p}" "{:#p}" "{:?}" "{:#?}" "{:>20p}|" "{:020p}" "{:#25p}" "{:x?}");
    kymo::info!("{:?} {:#?}", Some(pointer), (pointer, 1));
}

/// What the program's own types can be.
mod own {
    use std::fmt;

    #[derive(Clone, Debug, kymo::Value)]
    pub struct Order<'a, T> {
        pub id: u64,
        #[kymo(unit = "EUR")]
        pub px: f64,
        #[kymo(hex)]
        pub flags: i16,
        #[kymo(unit = "ns")]
        pub took: Option<Option<i8>>,
        pub venue: &'a str,
        pub legs: Vec<T>,
        #[kymo(redact)]
        pub client: String,
        #[kymo(debug)]
        pub other: Foreign,
        #[kymo(rename = "type")]
        pub kind: Option<Side>,
    }

    #[derive(Clone)]
    pub struct Foreign(pub String);

    impl fmt::Debug for Foreign {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&self.0)
        }
    }

    #[derive(Clone, Copy, Debug, kymo::Value)]
    pub enum Side {
        Buy,
        Sell,
    }

    #[derive(Clone, Debug, kymo::Value)]
    pub enum Event {
        Gone,
        #[kymo(rename = "new")]
        New(u32, Side),
        Px(f64),
        Moved {
            from: (u8, char),
            to: Unit,
        },
        Empty(),
        Nothing {},
    }

    #[derive(Clone, Debug, kymo::Value)]
    pub struct Unit;

    #[derive(Debug, kymo::Value)]
    #[kymo(format = "{{{0:>8.2}}} {1:?} {0:e}", rename = "P")]
    pub struct Price(pub f64, pub Side);

    #[derive(Debug, kymo::Value)]
    pub enum State {
        Open,
        #[kymo(format = "at {price} for {name:*>w$} of {client}")]
        Filled {
            price: Price,
            name: String,
            #[kymo(redact)]
            client: u8,
            w: usize,
        },
    }

    #[derive(Clone, Debug, kymo::Value)]
    #[kymo(transparent)]
    pub struct Id(pub u64);
}

fn log_own_types(number: f64, text: &str, flags: i16) {
    use own::{Event, Foreign, Id, Order, Price, Side, State, Unit};
    let events = [
        Event::Gone,
        Event::New(7, Side::Buy),
        Event::Px(number),
        Event::Moved { from: (1, 'x'), to: Unit },
        Event::Empty(),
        Event::Nothing {},
    ];
    for legs in [vec![], vec![Some((Unit, Id(7)))], vec![None; 2]] {
        let order = Order {
            id: 7,
            px: number,
            flags,
            took: [None, Some(None), Some(Some(7))][usize::from(flags.unsigned_abs() % 3)],
            venue: text,
            legs,
            client: "none".to_owned(),
            other: Foreign(text.to_owned()),
            kind: Some(Side::Sell),
        };
        each!(order, "{:?}" "{:#?}" "{:9.1?}" "{:#06X?}");
        kymo::info!(order, id = Id(3); "{:?}", (1, &order));
    }
    for event in &events {
        each!(event, "{:?}" "{:#?}" "{:>20?}");
        kymo::info!(event; "field");
    }
    each!(events, "{:?}" "{:#?}");
    let price = Price(number, Side::Sell);
    each!(price, "{}" "{:>40}" "{:?}" "{:#?}");
    kymo::info!(price; "field");
    let filled = State::Filled { price, name: text.to_owned(), client: 1, w: 12 };
    for state in [State::Open, filled] {
        each!(state, "{}" "{:?}" "{:>40}" "{:#?}" "{:.2}");
        kymo::info!(state; "field");
    }
    each!(std::collections::BTreeMap::from([("key", &events)]), "{:?}" "{:#?}");
}

/// What does not fit into a record.
fn log_too_long() {
    let text = "ä".repeat(20_000);
    each!(&text, "{}" "{:?}" "{:.3}" "{:>20010}|");
    each!((1, Some(&text)), "{:?}" "{:#?}");
    each!([Some(1_u8); 20_000], "{:?}" "{:#?}");
    each!((0..20_000).map(|key| (key, "value")).collect::<BTreeMap<_, _>>(), "{:?}" "{:#?}");
    each!((0..20_000).collect::<BTreeSet<_>>(), "{:?}" "{:#?}");
    each!(Err::<(), _>(&text), "{:?}");
    kymo::info!("{0:.3} {0:>9} {0}", kymo::as_display(&text));
    each!((&text, [1_u64; 9], 7_u8, [text.as_str()]), "{:?}" "{:#?}");
}

#[test]
fn random_logs_decode_alike() {
    let others = (any::<u64>(), any::<u64>(), any::<u128>(), any::<u16>(), any::<u32>());
    let pairs = vec((any::<i16>(), text()), 0..4);
    let values = (
        vec(integers(), 1..4),
        vec((proptest::num::f64::ANY, -1000.0..1000.0_f64), 1..30),
        vec((proptest::num::f32::ANY, -1000.0..1000.0_f32), 1..30),
        vec(
            (text(), text().prop_map(|text| text.chars().next().unwrap_or('\0')), any::<bool>()),
            1..10,
        ),
        vec((vec(any::<Option<f64>>(), 0..4), pairs), 1..6),
        vec(others, 1..8),
    );
    proptest!(config(), |((integers, doubles, singles, texts, compounds, others) in values)| {
        let turn = Turn::take();
        let file = turn.logged("random.kymo", || {
            log_too_long();
            integers.iter().for_each(Integers::log);
            let edges = [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, f64::MAX,
                f64::EPSILON, 0.1, 1e-4, 1e-5, 9.9e-6, 1e7, 1e15, 1e16, 1e17, 123456789012345680.0, 5e-324];
            for value in doubles.iter().flat_map(|pair| [pair.0, pair.1]).chain(edges) {
                log_float!(value);
            }
            let edges = [0.0, -0.0, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE, f32::MAX, 0.1, 1e-4, 1e-5, 1e17, 1e16, 1e15, 1e14, 1e13, 1e12, 1e-6];
            for value in singles.iter().flat_map(|pair| [pair.0, pair.1]).chain(edges) {
                log_float!(value);
            }
            for ((text, _, _), number) in texts.iter().zip(&doubles) {
                log_own_types(number.0, text, number.1 as i16);
            }
            for (text, letter, truth) in &texts {
                log_text(text, *letter, *truth);
            }
            for (numbers, pairs) in &compounds {
                log_compounds(numbers, pairs);
            }
            for &(nanos, seconds, ip, port, scope) in &others {
                log_others(nanos >> (seconds % 64), seconds, ip.into(), port, scope);
            }
        });
        compare(&file)?;
    });
}
