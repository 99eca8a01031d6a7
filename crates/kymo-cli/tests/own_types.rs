//! Structs and enums of the logging program in each command that looks at arguments.

mod common;

use std::path::{Path, PathBuf};

use common::{Turn, run};

#[derive(Debug, kymo::Value)]
struct Order<'a> {
    id: u64,
    px: f64,
    #[kymo(hex)]
    flags: u8,
    side: Side,
    venue: Option<Venue<'a>>,
}

#[derive(Clone, Copy, Debug, kymo::Value)]
enum Side {
    Buy,
    Sell { short: bool },
}

#[derive(Debug, kymo::Value)]
struct Venue<'a>(&'a str, u16);

fn log(turn: &Turn) -> PathBuf {
    turn.logged("own.kymo", || {
        for id in 0..4 {
            let side = if id % 2 == 0 { Side::Buy } else { Side::Sell { short: id > 2 } };
            let venue = (id != 1).then_some(Venue("XETR \u{1b}[2J", 7));
            let order = Order { id, px: 100.0 + id as f64, flags: 31, side, venue };
            kymo::info!(order; "filled");
        }
        kymo::warn!("no order");
    })
}

fn ids(log: &Path, expression: &str) -> String {
    let args: [&dyn AsRef<std::ffi::OsStr>; 6] =
        [&"cat", &log, &"--where", &expression, &"--format", &"{arg.order.id}"];
    run(&args).out.replace('\n', "")
}

#[test]
fn expressions_reach_fields() {
    let turn = Turn::take();
    let log = log(&turn);
    for (expression, expected) in [
        ("order.px > 101", "23"),
        ("order.flags == 31 and order.id <= 1", "01"),
        ("order.side == \"Sell\"", "13"),
        ("order.side.short", "3"),
        ("not order.side.short", "1"),
        ("order.side.Sell.short", "3"),
        ("order.venue.1 == 7", "023"),
        ("order.venue is none", "1"),
        ("order.venue.0 contains \"XETR\" and order.px <= 102", "02"),
        ("order contains 103.0", "3"),
    ] {
        assert_eq!(ids(&log, expression), expected, "{expression}");
    }
    let ran = run(&[&"cat", &log, &"--where", &"order.price > 1"]);
    assert!(ran.err.contains("argument order.price") && ran.err.contains("order.id"), "{ran:?}");
    let ran = run(&[&"cat", &log, &"--where", &"order.venue.1 == 8"]);
    assert!(!ran.err.contains("no statement"), "{ran:?}");
}

#[test]
fn every_format_prints_own_types() {
    let turn = Turn::take();
    let log = log(&turn);
    let debug =
        r"Order { id: 3, px: 103.0, flags: 0x1f, side: Sell { short: true }, venue: Some(Venue(\";
    for (format, expected) in [
        ("text", debug),
        ("logfmt", debug),
        (
            "csv",
            r#""id"":3,""px"":103.0,""flags"":31,""side"":{""Sell"":{""short"":true}},""venue"":[""XETR "#,
        ),
        (
            "json",
            r#""order":{"id":3,"px":103.0,"flags":31,"side":{"Sell":{"short":true}},"venue":["XETR "#,
        ),
        ("{arg.order.side} {arg.order.flags:>4}|", "Sell { short: true }   31|"),
        ("{arg.order}", debug.trim_end_matches('\\')),
    ] {
        let printed = run(&[&"cat", &log, &"--format", &format]).fine();
        assert!(printed.contains(expected), "{format}: {printed}");
        assert!(!printed.contains('\u{1b}'), "{format}: {printed}");
    }
}

#[test]
fn every_command_takes_own_types() {
    let turn = Turn::take();
    let log = log(&turn);
    let fields = run(&[&"fields", &log]).fine();
    for expected in ["order.id", "order.side.short", "order.venue.1", "Order", "Side"] {
        assert!(fields.contains(expected), "{expected}: {fields}");
    }
    let stats = run(&[&"stats", &log]).fine();
    assert!(stats.contains("filled"), "{stats}");
    let part = turn.path("part.kymo");
    run(&[&"cut", &log, &"--output", &part, &"--where", &"order.id > 1"]);
    assert_eq!(ids(&part, "order.id >= 0"), "23");
    for file in [&log, &part] {
        assert_eq!(run(&[&"verify", file]).code, Some(0));
    }
    for to in ["json", "perfetto"] {
        let out = turn.path(to);
        let ran = run(&[&"export", &"--to", &to, &out, &log]);
        assert_eq!(ran.code, Some(0), "{to}: {ran:?}");
        let text = std::fs::read_to_string(&out).unwrap();
        assert!(text.contains("103.0"), "{to}: {text}");
    }
}
