//! Which records `kymo cat` prints.

mod common;
use kymo_testing::segment;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use common::{Turn, run};
use kymo::{debug, error, info, warn};
use kymo_format::types::Type;
use segment::{Arg, Rec, Segment};

/// The messages of what is printed, with spaces between them.
fn messages(log: &Path, options: &str) -> String {
    let mut args: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"cat", &log, &"--format", &"{message}"];
    // A quoted option is one with spaces in it.
    let split: Vec<&str> = options.split('\'').collect();
    let words: Vec<&str> = split
        .iter()
        .enumerate()
        .flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![*part],
        })
        .collect();
    words.iter().for_each(|word| args.push(word));
    let ran = run(&args);
    // What is asked for and is nowhere is told; see `names.rs`.
    assert!(ran.err.lines().all(|line| line.contains(" in the input")), "{options}: {}", ran.err);
    let expected = if ran.out.is_empty() { 1 } else { 0 };
    assert_eq!(ran.code, Some(expected), "{options}: {ran:?}");
    ran.out.trim_end().replace('\n', " ")
}

/// Four records: `e` and `w` of thread `feed`, `i` and `d` of one without a name.
fn four(turn: &Turn) -> (PathBuf, u32) {
    let mut line = 0;
    let log = turn.logged("four.kymo", || {
        let feed = thread::Builder::new().name("feed".to_owned());
        let run = || {
            error!(target: "net::tcp", "e {px}", px = 99.5);
            warn!(target: "net", "w {px} {} {who}", 7, px = 101_u64, who = "ACME");
        };
        feed.spawn(run).unwrap().join().unwrap();
        let run = || {
            info!(target: "disk", "i {took:?}", took = Duration::from_millis(7));
            debug!("d {px:?} {ok}", px = None::<u8>, ok = true);
            line!() - 1
        };
        line = thread::spawn(run).join().unwrap();
    });
    (log, line)
}

/// Filters choose by level, target, thread, place and message.
#[test]
fn filters_choose_records() {
    let turn = Turn::take();
    let (log, line) = four(&turn);
    let (e, w, i, d) = ("e 99.5", "w 101 7 ACME", "i 7ms", "d None true");
    let all = [e, w, i, d].join(" ");
    for (options, expected) in [
        ("", all.as_str()),
        ("--level trace", &all),
        ("--level warn", &[e, w].join(" ")),
        ("--level ERROR", e),
        ("--target net", &[e, w].join(" ")),
        ("--target net:: --target disk", &[e, i].join(" ")),
        ("--thread feed", &[e, w].join(" ")),
        ("--thread 1", &[i, d].join(" ")),
        ("--thread 0 --thread 1", &all),
        ("--thread fee", ""),
        ("--grep ^[ei]", &[e, i].join(" ")),
        ("--grep '(?i)acme$'", w),
        (&format!("--at cat_filters.rs:{line}"), d),
        (&format!("--at kymo-cli/tests/cat_filters.rs:{} --at other.rs:{line}", line - 1), i),
        ("--at filters.rs", ""),
        ("--level warn --target net --thread feed --grep e", e),
        ("--since -5m", &all),
        ("--since=-5m --until +5m", &all),
        ("--until -5m", ""),
        ("--since 2100-01-01T00:00:00Z", ""),
    ] {
        assert_eq!(messages(&log, options), expected, "{options}");
    }
}

#[test]
fn where_chooses_by_typed_arguments() {
    let turn = Turn::take();
    let (log, line) = four(&turn);
    let (e, w, i, d) = ("e 99.5", "w 101 7 ACME", "i 7ms", "d None true");
    for (expression, expected) in [
        ("px > 100", w.to_owned()),
        ("px > 99 and not px >= 100.0", e.to_owned()),
        ("px > 100 and who == \"ACME\"", w.to_owned()),
        ("[0] == 7 and arg0 > 6 and [1] == 101", w.to_owned()),
        ("took >= 5ms and took < 1s", i.to_owned()),
        ("ok", d.to_owned()),
        // A test of what is none or not there is neither true nor false.
        ("px is none", d.to_owned()),
        ("px is not none", [e, w].join(" ")),
        ("px != 0", [e, w].join(" ")),
        ("px >= px", [e, w].join(" ")),
        ("not px > 100", e.to_owned()),
        ("not px == 99.5 or level == debug", [w, d].join(" ")),
        ("not ok", String::new()),
        ("px is none and not px > 0", String::new()),
        ("who contains \"CM\" or who matches \"^x\"", w.to_owned()),
        ("level >= warn", [e, w].join(" ")),
        ("level == debug or \"error\" == level", [e, d].join(" ")),
        ("target == \"disk\" or thread == \"feed\"", [e, w, i].join(" ")),
        ("thread == 1", [i, d].join(" ")),
        ("message matches \"^[wd] \"", [w, d].join(" ")),
        (&format!("file contains \"cat_filters\" and line == {line}"), d.to_owned()),
        ("time > \"-1h\" and time < \"2100-01-01\"", [e, w, i, d].join(" ")),
        ("time < \"-1h\"", String::new()),
        ("px > 1000", String::new()),
    ] {
        assert_eq!(messages(&log, &format!("--where '{expression}'")), expected, "{expression}");
    }
}

/// A wrong expression is shown with a mark under the place.
#[test]
fn a_wrong_expression_is_marked() {
    let turn = Turn::take();
    let (log, _) = four(&turn);
    let ran = run(&[&"cat", &log, &"--where", &"px > and"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert!(ran.err.contains("\n  px > and\n       ^^^\n"), "{}", ran.err);
    for (option, value) in [
        ("--grep", "("),
        ("--since", "noon"),
        ("--level", "loud"),
        ("--format", "{px}"),
        ("--format", "xml"),
        ("--head", "0"),
    ] {
        let ran = run(&[&"cat", &log, &option, &value]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{option}");
        assert!(ran.err.contains(option), "{}", ran.err);
    }
}

/// A name that occurs nowhere is likely misspelt, and reported.
#[test]
fn unknown_names_are_told() {
    let turn = Turn::take();
    let (log, _) = four(&turn);
    let unknown = "kymo: --where: no statement in the input has an argument pxx; did you mean px? \
                   There are px, ok, took, who\n";
    let ran = run(&[&"cat", &log, &"--where", &"pxx > 1 or px > 100 or pxx < 0"]);
    assert_eq!((ran.err.as_str(), ran.code), (unknown, Some(0)));
    let ran = run(&[&"cat", &log, &"--where", &"pxx > 1"]);
    assert_eq!((ran.err.as_str(), ran.code), (unknown, Some(1)));
    let ran = run(&[&"cat", &log, &"--format", &"{arg.pxx}{arg.px}{arg7}"]);
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.err.lines().count(), 2, "{}", ran.err);
    assert!(ran.err.ends_with(
        "--format: no statement in the input has an argument [7]; they have at most 3\n"
    ));
    // It may be in the part that was not read.
    let many = turn.logged("many.kymo", || {
        (0..100_000).for_each(|number| info!("{number}"));
        info!("{late}", late = 1);
    });
    let ran =
        run(&[&"cat", &many, &"-n1", &"--order=written", &"--where", &"late > 1 or number == 0"]);
    assert_eq!((ran.err.as_str(), ran.code), ("", Some(0)));
}

/// Thirty records, `0` to `29`, a microsecond apart; before number 10, there are drops.
fn thirty(turn: &Turn) -> PathBuf {
    let mut segment = Segment::new(7);
    segment.clock(0).thread(0, "t").thread(1, "u").site(0, 3, "{}", &[("", Type::U64)]);
    for half in [0..10, 10..30] {
        if half.start == 10 {
            segment.drops(0, 9_500, 9_600, 3);
        }
        let args: Vec<[Arg<'_>; 1]> = half.clone().map(|number| [Arg::Unsigned(number)]).collect();
        let records: Vec<Rec<'_>> =
            half.zip(&args).map(|(number, args)| Rec(0, number * 1_000, args)).collect();
        segment.block(0, &records);
    }
    segment.close();
    turn.file("thirty.kymo", &segment.bytes)
}

/// What is printed, by the obvious way to choose: the numbers, with `--` between groups.
fn chosen(matches: &[usize], before: usize, after: usize, head: usize, last: usize) -> String {
    let matches = &matches[..matches.len().min(head)];
    let matches = &matches[matches.len().saturating_sub(last)..];
    let is_near = |n: usize| {
        matches.iter().any(|&m| n.max(m) - n.min(m) <= if n < m { before } else { after })
    };
    let mut out = String::new();
    let mut previous = None;
    for n in (0..30).filter(|&n| is_near(n)) {
        if before + after > 0 && previous.is_some_and(|previous| previous + 1 != n) {
            out += "--\n";
        }
        out += &format!("{n}\n");
        previous = Some(n);
    }
    out
}

/// `--head`, `--last` and context agree with an obvious implementation.
#[test]
fn head_last_context_match_a_model() {
    let turn = Turn::take();
    let log = thirty(&turn);
    for (grep, matches) in [
        ("^(3|4|9|10|17|29)$", vec![3, 4, 9, 10, 17, 29]),
        ("^0$", vec![0]),
        ("^x$", vec![]),
        ("7$", vec![7, 17, 27]),
    ] {
        for (before, after) in [(0, 0), (1, 0), (0, 2), (3, 3), (50, 1)] {
            for (option, head, last) in
                [("", 99, 99), ("--head=2", 2, 99), ("--last=2", 99, 2), ("--last=1", 99, 1)]
            {
                let (b, a) = (format!("-B{before}"), format!("-A{after}"));
                let mut args: Vec<&dyn AsRef<std::ffi::OsStr>> =
                    vec![&"cat", &log, &"--no-marks", &"--format={arg0}", &"--grep", &grep, &b, &a];
                if !option.is_empty() {
                    args.push(&option);
                }
                let ran = run(&args);
                let expected = chosen(&matches, before, after, head, last);
                assert_eq!(ran.out, expected, "{grep} {before} {after} {option}");
                assert_eq!(ran.code, Some(if matches.is_empty() { 1 } else { 0 }));
            }
        }
    }
    let out = run(&[&"cat", &log, &"-C1", &"--grep=^(2|20)$", &"--format=json"]).fine();
    assert!(out.lines().all(|line| line.starts_with('{')), "{out}");
    let none = run(&[&"cat", &log, &"--head=1", &"--last=1"]);
    assert_eq!(none.code, Some(2));
}

/// Marks keep their place among lines that are held back.
#[test]
fn marks_keep_their_place_in_held_lines() {
    let turn = Turn::take();
    let log = thirty(&turn);
    let shown = |args: &[&str]| {
        let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"cat", &log, &"--format={arg0}"];
        args.iter().for_each(|arg| all.push(arg));
        let out = run(&all).out;
        let shorten =
            |line: &str| if line.contains("dropped") { "D".into() } else { line.to_owned() };
        out.lines().map(shorten).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(shown(&["--grep=^(8|9|10)$"]), "8 9 D 10");
    assert_eq!(shown(&["--grep=^10$", "-B2"]), "8 9 D 10");
    assert_eq!(shown(&["--grep=^11$", "-B2"]), "9 D 10 11");
    assert_eq!(shown(&["--grep=^12$", "-B1"]), "D 11 12");
    assert_eq!(shown(&["--grep=^9$", "-A1"]), "9 D 10");
    assert_eq!(shown(&["--grep=^x$", "-B1"]), "D");
    // The last ones are records or marks.
    assert_eq!(shown(&["--grep=^(8|9|10|11)$", "--last=3"]), "D 10 11");
    // Marks of another thread, of a level or a time that nobody asked for.
    assert_eq!(shown(&["--thread=u"]), "");
    assert_eq!(shown(&["--level=warn"]), "");
    assert_eq!(shown(&["--until=1970-01-01T00:00:00.000001Z"]), "0");
    assert_eq!(shown(&["--since=1970-01-01T00:00:00.000028Z"]), "28 29");
    assert_eq!(shown(&["--grep=^10$", "--thread=t"]), "D 10");
    assert_eq!(shown(&["--grep=^10$", "--no-marks"]), "10");
    // Context does not reach beyond the range of times.
    assert_eq!(shown(&["--grep=^28$", "-C5", "--since=1970-01-01T00:00:00.000027Z"]), "27 28 29");
}

#[test]
fn a_directory_is_the_log_files_in_it() {
    let turn = Turn::take();
    let directory = turn.path("logs");
    std::fs::create_dir_all(directory.join("deeper.d")).unwrap();
    let log = thirty(&turn);
    for name in ["a.kymo", "b.kymo", "other.txt", "deeper.d/c.kymo"] {
        std::fs::copy(&log, directory.join(name)).unwrap();
    }
    assert_eq!(messages(&directory, "--grep ^7$ --no-marks"), "7 7");
    // A file is read once, whatever names lead to it: the directory, a pattern of the shell, a hard
    // link. Each record was printed once for each name.
    std::fs::hard_link(directory.join("a.kymo"), directory.join("a-again.kymo")).unwrap();
    let (a, b) = (directory.join("a.kymo"), directory.join("b.kymo"));
    for command in ["cat", "tail"] {
        let args: [&dyn AsRef<std::ffi::OsStr>; 7] =
            [&command, &directory, &a, &b, &"--grep=^7$", &"--no-marks", &"--format={message}"];
        assert_eq!(run(&args).fine(), "7\n7\n", "{command}");
    }
    let stats = run(&[&"stats", &directory, &a, &b, &"--json"]).fine();
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    assert_eq!((&stats["files"], &stats["records"]), (&2.into(), &60.into()));
    std::os::unix::fs::symlink("a.kymo", directory.join("latest.kymo")).unwrap();
    let ran = run(&[&"cat", &directory, &"--grep=^7$", &"--no-marks"]);
    ran.complains(2, &["latest.kymo: is a symbolic link"]);
    assert_eq!(ran.out.lines().count(), 2);
}
