//! Which arguments are captured, in which order, and where one ends.

use std::collections::HashMap;

use crate::{Level, Record, info, log, logged};

/// What the statements of `run` logged: format string, names, values.
fn check(run: impl FnOnce(), expected: &[(&str, &[&str], &[&str])]) {
    let records = logged(Level::Info, run);
    assert_eq!(records.len(), expected.len());
    for (Record { location, values, .. }, &(format, names, expected)) in
        records.iter().zip(expected)
    {
        assert_eq!((location.format, location.names), (format, names));
        assert_eq!(values, expected, "{format}");
    }
}

#[test]
fn order_and_names() {
    let (id, px, venue) = (7, 101.25, "XETRA");
    let (width, r#type) = (10, "limit");
    check(
        || {
            info!("order {id} filled at {px:.2} {}", venue, id = 8);
            info!("{px:width$.*} {px}", 3);
            info!("{0} {0:?} {b} {a}", venue, a = 1, b = 2,);
            info!("{type} {r}", r = r#type);
            info!("{type}", type = 4);
            info!("{:p} {}", &raw const id, id);
        },
        &[
            ("order {id} filled at {px:.2} {}", &["", "id", "px"], &["XETRA", "8", "101.25"]),
            ("{px:width$.*} {px}", &["", "px", "width"], &["3", "   101.250|101.25", "10"]),
            ("{0} {0:?} {b} {a}", &["", "a", "b"], &["XETRA", "1", "2"]),
            ("{type} {r}", &["r", "type"], &["limit", "limit"]),
            ("{type}", &["type"], &["4"]),
            ("{:p} {}", &["", ""], &["pointer", "7"]),
        ],
    );
}

#[test]
fn format_strings() {
    macro_rules! passed_on {
        ($format:literal $(, $argument:expr)*) => { info!($format $(, $argument)*) };
    }
    macro_rules! own_variable {
        ($argument:ident) => {{
            let id = 1;
            info!("{id} {}", $argument);
        }};
    }
    let id = 7;
    check(
        || {
            info!(
                "{{}} \x41\u{1F6_00} \
                   {{{id}}}"
            );
            info!(r#"raw \ "{id}""#);
            passed_on!("{id} {}", id + 1);
            own_variable!(id);
        },
        &[
            ("{{}} A\u{1F600} {{{id}}}", &["id"], &["7"]),
            ("raw \\ \"{id}\"", &["id"], &["7"]),
            ("{id} {}", &["", "id"], &["8", "7"]),
            ("{id} {}", &["", "id"], &["7", "1"]),
        ],
    );
}

#[test]
fn every_number_of_arguments() {
    let level = Level::Warn;
    let records = logged(Level::Info, || {
        info!("");
        info!("{}", 1);
        info!("{}{}", 1, 2);
        info!("{}{}{}", 1, 2, 3);
        info!("{}{}{}{}", 1, 2, 3, 4);
        info!("{}{}{}{}{}", 1, 2, 3, 4, 5);
        info!("{}{}{}{}{}{}", 1, 2, 3, 4, 5, 6);
        info!("{}{}{}{}{}{}{}", 1, 2, 3, 4, 5, 6, 7);
        log!(level, "");
        log!(level, "{}", 1);
        log!(level, "{}{}", 1, 2);
        log!(level, "{}{}{}", 1, 2, 3);
        log!(level, "{}{}{}{}", 1, 2, 3, 4);
        log!(level, "{}{}{}{}{}", 1, 2, 3, 4, 5);
        log!(level, "{}{}{}{}{}{}", 1, 2, 3, 4, 5, 6);
        log!(level, "{}{}{}{}{}{}{}", 1, 2, 3, 4, 5, 6, 7);
    });
    for (index, record) in records.iter().enumerate() {
        let expected: Vec<_> = (1..=index % 8).map(|value| value.to_string()).collect();
        assert_eq!(record.values, expected);
        assert_eq!(record.location.names, vec![""; index % 8]);
        assert_eq!(record.level, if index < 8 { Level::Info } else { Level::Warn });
    }
    assert_eq!(records.len(), 16);
}

trait Sum<A, B> {
    const SUM: usize = size_of::<A>() + size_of::<B>();
}
impl Sum<u8, u16> for u32 {}

#[test]
#[rustfmt::skip]
#[allow(clippy::redundant_closure_call, reason = "that is the point")]
fn commas_inside_of_an_argument() {
    let (a, b, c, d) = (1_u32, 2_u32, 3_u32, 4_u32);
    let f: &dyn Fn(u32, u32) -> u32 = &|x, y| x + y;
    check(
        || {
            info!("{} {}", a < b, c > d);
            info!("{} {}", a << b, c >> d);
            info!("{} {}", HashMap::<u8, u16>::new().len(), Vec::<(u8, u8)>::new().len() < 2);
            info!("{} {}", <u32 as Sum<u8, u16>>::SUM, 1);
            info!("{} {}", (|x: u32, y: u32| x * y)(c, d), f(a, b));
            info!("{} {}", [a, b].iter().fold(10, |x, y| x + y), a | b);
            info!("{} {}", (f as &dyn Fn(u32, u32) -> u32)(a, b) < 3 || a > b, 5);
            info!("{} {n}", a as u64 as f64 * 2.5, n = if a < b || c > d { a } else { b });
            info!("{} {}", a == b, (b > a) & (c != d));
        },
        &[
            ("{} {}", &["", ""], &["true", "false"]),
            ("{} {}", &["", ""], &["4", "0"]),
            ("{} {}", &["", ""], &["0", "true"]),
            ("{} {}", &["", ""], &["3", "1"]),
            ("{} {}", &["", ""], &["12", "3"]),
            ("{} {}", &["", ""], &["13", "3"]),
            ("{} {}", &["", ""], &["false", "5"]),
            ("{} {n}", &["", "n"], &["2.5", "1"]),
            ("{} {}", &["", ""], &["false", "true"]),
        ],
    );
}
