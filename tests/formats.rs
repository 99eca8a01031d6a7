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
                say!(expected, "{} {:?}", kymo::display(text), kymo::debug(text));
                say!(expected, "{:>9}| {}", kymo::display(letter), text);
            }
            expected
        })?;
    });
}

#[test]
fn compound_values_are_printed_as_format_does() {
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

#[test]
fn durations_and_addresses_are_printed_as_format_does() {
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
