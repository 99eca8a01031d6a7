//! What the reader prints is what `format!` prints: for every type, through the whole way of a
//! record.

use kymo_testing::logged;

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use logged::Turn;
use proptest::collection::vec;
use proptest::prelude::*;

/// Logs a statement, and notes what it should read.
macro_rules! say {
    ($expected:ident, $($statement:tt)*) => {{
        kymo::info!($($statement)*);
        $expected.push(format!($($statement)*));
    }};
}

/// Says one value in many ways.
macro_rules! say_each {
    ($expected:ident, $value:expr, $($format:literal)*) => {
        $( say!($expected, $format, $value); )*
    };
}

/// Logs with `log` in a logger of its own, and compares what is read with what it returns.
fn check(log: impl FnOnce() -> Vec<String>) -> Result<(), TestCaseError> {
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    let expected = log();
    let report = logger.shutdown();
    prop_assert_eq!((report.written, report.dropped, report.cut), (expected.len() as u64, 0, 0));
    let found = turn.read();
    for (found, expected) in found.messages().iter().zip(&expected) {
        prop_assert_eq!(found, expected);
    }
    prop_assert_eq!(found.marked_drops, 0);
    prop_assert!(found.report.is_whole());
    Ok(())
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() }
}

macro_rules! integers {
    ($($name:ident: $ty:ty;)*) => {$(
        #[test]
        fn $name() {
            proptest!(config(), |(values in vec(prop_oneof![any::<$ty>(), 0..100 as $ty], 1..50))| {
                check(|| {
                    let mut expected = Vec::new();
                    for value in [values.clone(), vec![<$ty>::MIN, <$ty>::MAX]].concat() {
                        say_each!(expected, value, "{}" "{:?}" "{:x}" "{:#X}" "{:o}" "{:#b}" "{:e}" "{:E}" "{:+}"
                            "{:>20}" "{:<20}|" "{:^20}|" "{:*^+20}|" "{:020}" "{:#020x}" "{:#?}" "{:x?}" "{:02X?}");
                        say!(expected, "{0} {value:?} {0:1$} {value:>2$}", value, 7, 30);
                        say!(expected, "{:?} {:?}", Some(value), None::<$ty>);
                        say!(expected, "{:?} {:5?}", [value, value], &[value][..]);
                        if let Some(value) = NonZero::new(value) {
                            say!(expected, "{value} {value:?}");
                        }
                    }
                    say!(expected, "{values:?}");
                    expected
                })?;
            });
        }
    )*};
}

integers! {
    u8_is_printed_as_format_does: u8;
    u16_is_printed_as_format_does: u16;
    u32_is_printed_as_format_does: u32;
    u64_is_printed_as_format_does: u64;
    u128_is_printed_as_format_does: u128;
    usize_is_printed_as_format_does: usize;
    i8_is_printed_as_format_does: i8;
    i16_is_printed_as_format_does: i16;
    i32_is_printed_as_format_does: i32;
    i64_is_printed_as_format_does: i64;
    i128_is_printed_as_format_does: i128;
    isize_is_printed_as_format_does: isize;
}

macro_rules! floats {
    ($($name:ident: $ty:ident;)*) => {$(
        #[test]
        fn $name() {
            let values = vec(prop_oneof![proptest::num::$ty::ANY, -1000.0..1000.0 as $ty], 1..50);
            proptest!(config(), |(values in values)| {
                let edges = [0.0, -0.0, $ty::NAN, $ty::INFINITY, $ty::NEG_INFINITY, $ty::MIN_POSITIVE,
                    $ty::MIN_POSITIVE / 8.0, $ty::MAX, $ty::EPSILON, 0.1, 1e7, 1e16, 1e-7];
                check(|| {
                    let mut expected = Vec::new();
                    for value in values.iter().copied().chain(edges) {
                        say_each!(expected, value, "{}" "{:?}" "{:e}" "{:E}" "{:+}" "{:.0}" "{:.3}" "{:10.2}|" "{:<10}|"
                            "{:^+12.1}|" "{:010.3}" "{:+010}" "{:#?}" "{:.2e}" "{:8.1?}");
                        say!(expected, "{value:.*} {value:1$.2$}", 3, 9, 2);
                        say!(expected, "{:?} {:.1?}", Some(value), (value, [value]));
                    }
                    say!(expected, "{values:?} {values:.2?}");
                    expected
                })?;
            });
        }
    )*};
}

floats! {
    f32_is_printed_as_format_does: f32;
    f64_is_printed_as_format_does: f64;
}

#[test]
fn text_is_printed_as_format_does() {
    proptest!(config(), |(values in vec((any::<String>(), any::<char>(), any::<bool>()), 1..50))| {
        check(|| {
            let mut expected = Vec::new();
            for (text, letter, truth) in &values {
                say_each!(expected, text, "{}" "{:?}" "{:>12}|" "{:-<12}|" "{:^12.3}|" "{:.0}" "{:#?}" "<{}> behind");
                say_each!(expected, letter, "{}" "{:?}" "{:>5}|" "{:ä^5}|");
                say_each!(expected, truth, "{}" "{:?}" "{:>8}|" "{:.2}");
                say!(expected, "{} {:?} {}", &**text, Cow::Borrowed(text.as_str()), Box::<str>::from(text.as_str()));
                say!(expected, "{text} {letter} {truth} {text:?}");
                say!(expected, "{:?} {:?} {:?}", Some(text), (text, letter, truth), [text, text]);
                say!(expected, "{:?} {:?}", text.as_bytes(), Vec::from(text.as_str()));
                say!(expected, "{} {:?}", kymo::as_display(text), kymo::as_debug(text));
                say!(expected, "{:>9}| {}", kymo::as_display(letter), text);
                say_each!(expected, kymo::as_debug(text), "{}" "{:?}" "{:#?}" "{:>12}|" "{:.2?}");
                say_each!(expected, kymo::as_display(text), "{:?}" "{:>12.3}|" "{:ä^9?}|");
            }
            expected
        })?;
    });
}

/// Compound values are printed as by `format!`.
#[test]
fn compound_values_match_format() {
    let strategy = vec(
        (any::<Option<f64>>(), vec(any::<Option<(i16, String)>>(), 0..5), any::<[u8; 4]>()),
        1..30,
    );
    proptest!(config(), |(values in strategy)| {
        check(|| {
            let mut expected = Vec::new();
            for (number, list, bytes) in &values {
                say_each!(expected, number, "{:?}" "{:#?}" "{:8.2?}");
                say_each!(expected, list, "{:?}" "{:#?}" "{:3?}");
                say_each!(expected, bytes, "{:?}" "{:x?}" "{:#04X?}");
                say!(expected, "{:?} {:#?}", (number, list, bytes), ((), (number,), [[bytes; 2]; 2]));
                say!(expected, "{:?} {:?} {:?}", Rc::new(list), Arc::new(number), Box::new(bytes));
                say!(expected, "{:?} {:?}", Some(Some(bytes)), None::<Option<()>>);
            }
            say!(expected, "{values:?}");
            expected
        })?;
    });
}

/// Durations and addresses are printed as by `format!`.
#[test]
fn durations_and_addresses_match_format() {
    let duration = (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(s, ns)| Duration::new(s, ns));
    let small = any::<u32>().prop_map(|ns| Duration::from_nanos(ns.into()));
    let strategy = (
        prop_oneof![duration, small],
        any::<Ipv4Addr>(),
        any::<Ipv6Addr>(),
        any::<(u16, u32, u32)>(),
    );
    proptest!(config(), |(values in vec(strategy, 1..30))| {
        check(|| {
            let mut expected = Vec::new();
            for (duration, v4, v6, (port, flow, scope)) in &values {
                say_each!(expected, duration, "{:?}" "{:.2?}" "{:>20?}|" "{:+.0?}");
                let socket_v4 = SocketAddrV4::new(*v4, *port);
                let socket_v6 = SocketAddrV6::new(*v6, *port, *flow, *scope);
                say_each!(expected, v4, "{}" "{:?}" "{:>20}|");
                say_each!(expected, v6, "{}" "{:?}" "{:<50}|");
                say!(expected, "{} {:?} {socket_v4:>30} {socket_v6:^60}", socket_v4, socket_v6);
                say!(expected, "{} {}", IpAddr::V4(*v4), IpAddr::V6(*v6));
                say!(expected, "{} {}", SocketAddr::V4(socket_v4), SocketAddr::V6(socket_v6));
                say!(expected, "{:?}", [IpAddr::V4(*v4), IpAddr::V6(*v6)]);
                say!(expected, "{:?}", Some(SocketAddr::V6(socket_v6)));
            }
            expected
        })?;
    });
}

/// Only its address can be logged.
struct Unloggable;

#[test]
fn pointers_are_printed_as_format_does() {
    proptest!(config(), |(values in vec(any::<usize>(), 1..30))| {
        check(|| {
            let mut expected = Vec::new();
            for value in &values {
                let pointer = std::ptr::without_provenance::<u8>(*value);
                say_each!(expected, pointer, "{:p}" "{:#p}" "{:>30p}|" "{:030p}" "{:?}");
                let boxed = Box::new(Unloggable);
                say!(expected, "{:p} {:p} {boxed:p}", value, &&"text");
                say!(expected, "{:?} {:?}", Some(pointer), pointer.cast_mut());
            }
            expected
        })?;
    });
}

#[test]
fn statements_may_have_many_arguments() {
    let (a, b, c, d, e, f) = (1_u8, -2_i64, "three", 4.5, Some('6'), [7, 8]);
    check(|| {
        let mut expected = Vec::new();
        say!(
            expected,
            "{a} {b} {c} {d} {e:?} {f:?} {a} {b:>5} {:?} {name} {{}} {1}",
            a,
            b,
            name = c
        );
        say!(expected, "{} {} {} {} {} {} {} {} {} {}", 1, 2, 3, 4, 5, 6, 7, 8, 9, "ten");
        say!(expected, "{c}{c}{c}{d}{e:?}{f:?}{} {:w$.p$}", c, d, w = 12, p = 3);
        say!(expected, "{}", c);
        say!(expected, "");
        say!(
            expected,
            "{{}} \u{1F980} \n\t\"quoted\" \
            continued"
        );
        say!(expected, r#"raw {a} "quoted""#);
        expected
    })
    .unwrap();
}

/// Gives what its placeholder asks for to the `f64` in it, as most `Display`s do.
#[derive(Clone, Copy, Debug)]
struct Price(f64);

impl std::fmt::Display for Price {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A precision on `display()` once cut the finished text: `10` for 1012.35.
#[test]
fn wrapped_values_are_given_the_flags() {
    let value = prop_oneof![any::<f64>(), -2000.0..2000.0];
    proptest!(config(), |(values in vec((value, 0..20_usize, 0..9_usize), 1..20))| {
        check(|| {
            let mut expected = Vec::new();
            for &(number, width, precision) in &values {
                let price = Price(number);
                say_each!(expected, kymo::as_display(price), "{}" "{:?}" "{:.2}" "{:8.1}|" "{:+}" "{:#}" "{:*^+20.3}|" "{:012}"
                    "{:.0?}" "{:{>9.1}|" "{:-<9.1?}|");
                say_each!(expected, kymo::as_debug(&price), "{}" "{:#?}" "{:.1?}" "{:+.3}" "{:9.2?}|");
                say_each!(expected, kymo::as_debug(Some(number as i32)), "{:#?}" "{:x?}" "{:#X?}" "{:08?}" "{:+?}");
                say!(expected, "{:.*} {:w$}| {:w$.p$}|", precision, kymo::as_display(price), kymo::as_display(price),
                    kymo::as_display(price), w = width, p = precision);
                say!(expected, "{:0$} {1:2$.0$}| {0}", width, kymo::as_display(price), precision);
                let wrapped = kymo::as_display(&price);
                say!(expected, "{wrapped:.1} {wrapped:.1?} {wrapped:.1}");
                say!(expected, "{wrapped} {wrapped:.1} {wrapped:>width$}| {wrapped:+} {number:.3} {number}");
                say!(expected, "{0} {1:.2} {1} {0:.3} {2}", wrapped, kymo::as_debug(price), number);
                say!(expected, "{:.1} {} {} {} {} {:?} {wrapped:.2} {wrapped}", &wrapped, 1, 2, 3, 4, 5);
                say!(expected, "{:?} {:#?}", kymo::as_debug(Some(wrapped)), kymo::as_debug([wrapped, wrapped]));
            }
            expected
        })?;
    });
}

/// A value that is formatted in two ways may log, too: each record is whole and in its place.
#[test]
fn flags_reach_wrapped_values() {
    struct Chatty;
    impl std::fmt::Display for Chatty {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            kymo::info!("{:.1} {:>3}", kymo::as_display(1.25), kymo::as_display(7));
            write!(f, "<{:?}>", f.precision())
        }
    }
    check(|| {
        kymo::info!("{0:.1} {0:.2} {1:5.1}|", kymo::as_display(Chatty), kymo::as_display(2.25));
        ["1.2   7", "1.2   7", "<Some(1)> <Some(2)>   2.2|"].map(str::to_owned).to_vec()
    })
    .unwrap();
}

/// They could once not be logged as they are.
#[test]
fn standard_types_are_printed() {
    use std::cell::RefCell;
    use std::cmp::Ordering;
    use std::collections::*;
    use std::num::{Saturating, Wrapping};
    use std::path::Path;
    use std::sync::atomic::*;
    use std::sync::{Mutex, RwLock};

    let strategy = (vec((any::<i16>(), any::<String>()), 0..6), any::<Option<u64>>());
    proptest!(config(), |(cases in vec(strategy, 1..12))| {
        check(|| {
            let mut expected = Vec::new();
            for (pairs, number) in &cases {
                let numbers = || pairs.iter().map(|pair| pair.0);
                say_each!(expected, numbers().collect::<VecDeque<_>>(), "{:?}" "{:#?}" "{:5x?}");
                say_each!(expected, numbers().collect::<LinkedList<_>>(), "{:?}" "{:#?}");
                let heap = numbers().collect::<BinaryHeap<_>>();
                say_each!(expected, heap, "{:?}" "{:#?}");
                say_each!(expected, numbers().collect::<BTreeSet<_>>(), "{:?}" "{:#?}" "{:04?}");
                let set = numbers().collect::<HashSet<_>>();
                say_each!(expected, set, "{:?}" "{:#?}");
                let map = pairs.iter().cloned().collect::<BTreeMap<_, _>>();
                say_each!(expected, map, "{:?}" "{:#?}" "{:>7?}");
                let map = pairs.iter().map(|pair| (pair.1.as_str(), [pair.0; 2])).collect::<HashMap<_, _>>();
                say_each!(expected, map, "{:?}" "{:#?}" "{:#x?}");
                say_each!(expected, BTreeMap::from([(1, Some(&map)), (2, None)]), "{:?}" "{:#?}");
                let result = number.ok_or("none");
                say_each!(expected, result, "{:?}" "{:#?}" "{:30?}");
                say_each!(expected, [result.map(|_| ()), Err("x")], "{:?}" "{:#?}");
                let (low, high) = (number.map(|number| number / 2), *number);
                say_each!(expected, low..high, "{:?}" "{:#?}" "{:5?}");
                let mut range = -1..=i64::from(pairs.len() as u32);
                say_each!(expected, range, "{:?}" "{:#?}" "{:+?}");
                range.by_ref().for_each(drop);
                say_each!(expected, range, "{:?}");
                let backwards = std::ops::RangeInclusive::new(5, 3);
                say!(expected, "{:?} {:?}", backwards, (1.5..=f64::NAN));
                say_each!(expected, high.cmp(&Some(7)), "{:?}" "{:9?}|" "{:#?}");
                say!(expected, "{:?}", [Ordering::Less, Ordering::Equal, Ordering::Greater]);
                for (wrapped, text) in pairs {
                    say_each!(expected, Wrapping(*wrapped), "{}" "{:?}" "{:x}" "{:+05}");
                    say_each!(expected, Saturating(*wrapped), "{}" "{:?}" "{:>9}");
                    say_each!(expected, AtomicI16::new(*wrapped), "{:?}" "{:+?}" "{:#x?}");
                    say_each!(expected, Path::new(text), "{:?}" "{:#?}" "{:>20?}");
                    say!(expected, "{:?} {:?}", Path::new(text).to_owned(), Some(std::ffi::OsStr::new(text)));
                    let (cell, mutex, lock) = (RefCell::new(text), Mutex::new(text), RwLock::new(*wrapped));
                    say!(expected, "{} {:>5} {}", cell.borrow(), mutex.lock().unwrap(), lock.read().unwrap());
                    say!(expected, "{:?} {} {:?}", cell.borrow_mut(), mutex.lock().unwrap().len(), lock.write().unwrap());
                }
                let truth = AtomicBool::new(pairs.is_empty());
                let pointer = AtomicPtr::new(std::ptr::without_provenance_mut::<u8>(pairs.len()));
                say!(expected, "{truth:?} {:?} {pointer:?}", AtomicU64::new(number.unwrap_or(3)));
                let borrowed = Cow::Borrowed(&pairs[..]);
                say!(expected, "{:?} {:?}", borrowed, Cow::<Path>::Borrowed(Path::new("a'\"b")));
            }
            expected
        })?;
    });
}

/// Types of the standard library that the statement formats by itself.
#[test]
fn types_with_a_defined_text_are_printed() {
    use std::panic::Location;

    let text = c"caf\xc3\xa9 \xff \n \"q\"";
    let (owned, id, location) = (text.to_owned(), std::thread::current().id(), Location::caller());
    let result = check(|| {
        let mut expected = Vec::new();
        say_each!(expected, text, "{:?}" "{:#?}" "{0:?} {0:?}");
        say_each!(expected, owned, "{:?}" "{:>60?}|");
        say_each!(expected, id, "{:?}" "{:#?}" "{0:?} {0:#?}" "{:20?}|");
        say_each!(expected, location, "{}" "{:>90}|" "{:.5}");
        say!(expected, "{} {:?}", format_args!("{} of {:>5}", 7, "x"), format_args!("{:.2}", 1.5));
        say!(expected, "{:?} {:?} {location} {}", &owned, &id, 7);
        // Its `Debug` has the text of a struct; the reader has one text.
        kymo::info!("{location:?}");
        expected.push(location.to_string());
        expected
    });
    result.unwrap();
}

/// Paths are bytes, and not always UTF-8.
#[test]
fn paths_that_are_not_text_are_printed() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    proptest!(config(), |(names in vec(vec(any::<u8>(), 0..20), 1..30))| {
        check(|| {
            let mut expected = Vec::new();
            for name in &names {
                say_each!(expected, OsStr::from_bytes(name), "{:?}" "{:#?}");
                say!(expected, "{:?}", [std::path::Path::new(OsStr::from_bytes(name))]);
            }
            expected
        })?;
    });
}
