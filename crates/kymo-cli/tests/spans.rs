//! Spans in expressions and in each format: a log that came through `tracing`, and one whose beginning is missing.

mod common;

use std::path::{Path, PathBuf};

use common::{Turn, run};
use kymo_format::types::{SpanRole, Type};
use kymo_testing::segment::{Arg, Rec, Segment};
use tracing::{info, info_span, warn};

fn traced(turn: &Turn) -> PathBuf {
    kymo::bridge::tracing::init().unwrap();
    turn.logged("traced.kymo", || {
        info!(target: "shop", order = 1, "outside");
        let request = info_span!(target: "shop", "request", order = 7_u64, user = "ann \u{1b}[31m");
        request.in_scope(|| {
            info!(target: "shop", "begun");
            info_span!(target: "shop", "query", order = 8_u64, ratio = 0.5).in_scope(|| {
                warn!(target: "shop", span = "argument", "slow");
            });
            info_span!(target: "shop", "render").in_scope(|| info!(target: "shop", "rendered"));
        });
        info_span!(target: "shop", "request", order = 9_u64)
            .in_scope(|| info!(target: "shop", "another"));
    })
}

/// The messages of the records for which this is true.
fn chosen(path: &Path, expression: &str) -> String {
    let args: [&dyn AsRef<std::ffi::OsStr>; 6] =
        [&"cat", &path, &"--format", &"{message:.8}", &"--where", &expression];
    let out = run(&args).out;
    out.lines().map(|line| line.split(' ').next().unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn expressions_ask_for_spans() {
    let turn = Turn::take();
    let path = traced(&turn);
    for (expression, expected) in [
        ("span == \"request\"", "begun another"),
        ("span != \"request\"", "slow rendered"),
        ("not span == \"request\"", "slow rendered"),
        ("span contains \"e\"", "begun slow rendered another"),
        ("span matches \"^r\"", "begun rendered another"),
        ("span is none", "outside"),
        ("span is not none", "begun slow rendered another"),
        ("spans contains \"request\"", "begun slow rendered another"),
        ("spans contains \"query\"", "slow"),
        // Names, not parts of them.
        ("spans contains \"quer\"", ""),
        ("not spans contains \"query\"", "outside begun rendered another"),
        ("spans contains \"query\" or span is none", "outside slow"),
        ("span.order == 7", "begun rendered"),
        ("span.order > 7 and level >= warn", "slow"),
        ("span.order >= 8", "slow another"),
        ("span.ratio < 1", "slow"),
        ("span.ratio is none", "outside begun rendered another"),
        ("span.user contains \"ann\"", "begun slow rendered"),
        ("order == 1", "outside"),
        ("arg.span == \"argument\"", "slow"),
        ("span.order == order", ""),
        ("span == span", "begun slow rendered another"),
    ] {
        assert_eq!(chosen(&path, expression), expected, "{expression}");
    }
}

/// A field that no span has is likely misspelt.
#[test]
fn a_misspelt_field_of_a_span_is_reported() {
    let turn = Turn::take();
    let path = traced(&turn);
    let ran = run(&[&"cat", &path, &"--where", &"span.ordr == 7"]);
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("no span in"), "{}", ran.err);
    assert!(ran.err.contains("has a field ordr") && ran.err.contains("order"), "{}", ran.err);
    let ran = run(&[&"cat", &path, &"--where", &"span.order == 100"]);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
}

#[test]
fn patterns_show_spans() {
    let turn = Turn::take();
    let path = traced(&turn);
    let pattern = "<{span:8}|{spans}|{span.order:>4}|{span.order:03x}|{span.ratio:.2}>";
    let out = run(&[&"cat", &path, &"--format", &pattern]).fine();
    let user = r#"user="ann \u001b[31m""#;
    let expected = [
        "<        ||    |   |>".to_owned(),
        format!("<request |request{{order=7 {user}}}|   7|007|>"),
        format!("<query   |request{{order=7 {user}}}: query{{order=8 ratio=0.5}}|   8|008|0.50>"),
        format!("<render  |request{{order=7 {user}}}: render|   7|007|>"),
        "<request |request{order=9}|   9|009|>".to_owned(),
    ];
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    for (pattern, message) in
        [("{span.}", "no such field"), ("{span:x}", "span is text, which has no `x`")]
    {
        let ran = run(&[&"cat", &path, &"--format", &pattern]);
        assert!(ran.code == Some(2) && ran.err.contains(message), "{ran:?}");
    }
}

/// Each key is there once, with the type that the field had.
#[test]
fn logfmt_has_the_fields_of_spans() {
    let turn = Turn::take();
    let path = traced(&turn);
    let out = run(&[&"cat", &path, &"--format", &"logfmt"]).fine();
    let ends: Vec<&str> = out.lines().map(|it| it.split_once(" message=").unwrap().1).collect();
    assert_eq!(ends[0], "\"outside order=1\" order=1");
    assert!(ends[1].starts_with("begun span=request spans=\"request{order=7 user="), "{}", ends[1]);
    assert!(ends[1].ends_with(" span.order=7 span.user=\"ann \\u001b[31m\""), "{}", ends[1]);
    // The innermost `order` only; an argument that is named as a key is told apart.
    assert!(ends[2].contains(" arg.span=argument span=query spans="), "{}", ends[2]);
    assert!(ends[2].contains(" span.order=8 span.ratio=0.5 span.user="), "{}", ends[2]);
    assert_eq!(ends[2].matches(" span.order=").count(), 1);
    let all = run(&[&"cat", &path, &"--format", &"logfmt", &"--spans"]).fine();
    for event in ["new", "enter", "exit", "close"] {
        assert_eq!(all.matches(&format!(" span_event={event}")).count(), 4, "{event}");
    }
    assert!(!all.contains('\u{1b}'));
}

#[test]
fn csv_has_spans_as_in_json() {
    let turn = Turn::take();
    let path = traced(&turn);
    let csv = run(&[&"cat", &path, &"--format", &"csv", &"--spans"]).fine();
    let json = run(&[&"cat", &path, &"--format", &"json", &"--spans"]).fine();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let names = reader.headers().unwrap().clone();
    assert_eq!(names.iter().skip(8).collect::<Vec<_>>(), ["fields", "spans", "span_event"]);
    let mut with_spans = 0;
    for (row, line) in reader.records().zip(json.lines()) {
        let row = row.unwrap();
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        match line.get("spans") {
            None => assert_eq!(&row[9], ""),
            Some(spans) => {
                assert_eq!(&serde_json::from_str::<serde_json::Value>(&row[9]).unwrap(), spans);
                with_spans += 1;
            }
        }
        assert_eq!(&row[10], line.get("span_event").map_or("", |it| it.as_str().unwrap()));
    }
    assert_eq!((json.lines().count(), with_spans), (5 + 16, 4 + 2 + 12));
}

/// A span whose beginning is missing has its id, and is none in expressions.
#[test]
fn a_span_of_which_only_the_id_is_known() {
    let turn = Turn::take();
    let mut file = Segment::new(0x59A3);
    file.clock(1_000_000_000).thread(0, "main");
    file.site(0, 3, "event", &[("", Type::Span(SpanRole::In))]);
    file.block(0, &[Rec(0, 10, &[Arg::Unsigned(12)])]).close();
    let path = turn.file("id.kymo", &file.bytes);
    assert_eq!(chosen(&path, "span is none and not spans contains \"x\""), "event");
    assert_eq!(chosen(&path, "span == \"x\" or span != \"x\" or span.x == 1"), "");
    let out = |format: &str| run(&[&"cat", &path, &"--format", &format]).fine();
    assert_eq!(out("{span}|{spans}|{span.x:4}|"), "|#12|    |\n");
    assert!(out("logfmt").ends_with(" message=event span_id=12\n"));
    assert!(out("csv").ends_with(",event,{},\"[{\"\"id\"\":12}]\",\n"), "{}", out("csv"));
}
