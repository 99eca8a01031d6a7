//! What `kymo cat` prints for a record, in each format.

mod common;
use kymo_testing::segment;

use std::path::PathBuf;
use std::thread;

use common::{Turn, kymo, run};
use kymo::error;
use kymo_format::types::Type;
use segment::{Arg, Rec, Segment};

const EVIL: &str = "\u{1b}[2J\nmore, \"quoted\"\r\u{202e}\u{7f}\u{9b} level=info =1+1 \\ {x}\t";

/// A record in which every text is hostile.
fn hostile(turn: &Turn) -> PathBuf {
    turn.logged("ho\nstile.kymo", || {
        let run = || {
            error!(target: "tar\nget, \"x\"", "hi {evil} {level}", evil = EVIL, level = "=\u{1b}");
        };
        let name = thread::Builder::new().name("th\u{1b}read\n\"".to_owned());
        name.spawn(run).unwrap().join().unwrap();
    })
}

fn is_harmless(out: &str) {
    let odd = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{2028}');
    assert_eq!(out.find(odd), None, "{out:?}");
}

#[test]
fn logfmt_reads_back_and_is_harmless() {
    let turn = Turn::take();
    let out = run(&[&"cat", &hostile(&turn), &"--format=logfmt"]).fine();
    is_harmless(&out);
    assert_eq!(out.lines().count(), 1);
    let pairs = pairs(out.trim_end());
    let value = |key: &str| {
        let mut found = pairs.iter().filter(|(found, _)| found == key);
        assert_eq!(found.clone().count(), 1, "{key} in {out}");
        found.next().unwrap().1.clone()
    };
    assert_eq!(value("level"), "error");
    assert_eq!(value("target"), "tar\nget, \"x\"");
    assert_eq!(value("thread"), "th\u{1b}read\n\"");
    assert_eq!(value("message"), format!("hi {EVIL} =\u{1b}"));
    assert_eq!(value("evil"), EVIL);
    assert_eq!(value("arg.level"), "=\u{1b}");
}

/// What a parser of logfmt makes of a line: a quoted value is as in JSON.
fn pairs(line: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').unwrap();
        assert!(!key.contains([' ', '"']), "{key:?} in {line}");
        let value = if after.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(after).into_iter::<String>();
            let value = values.next().unwrap().unwrap();
            rest = &after[values.byte_offset()..];
            value
        } else {
            let end = after.find(' ').unwrap_or(after.len());
            rest = &after[end..];
            after[..end].to_owned()
        };
        assert!(rest.is_empty() || rest.starts_with(' '), "{rest} in {line}");
        rest = rest.trim_start_matches(' ');
        pairs.push((key.to_owned(), value));
    }
    pairs
}

#[test]
fn csv_reads_back_and_is_harmless() {
    let turn = Turn::take();
    let out = run(&[&"cat", &hostile(&turn), &"--format=csv"]).fine();
    is_harmless(&out);
    assert_eq!(out.lines().count(), 2);
    let mut reader = csv::Reader::from_reader(out.as_bytes());
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(
        names.join(","),
        "event,time,level,target,file,line,thread,message,fields,spans,span_event"
    );
    let row = reader.records().next().unwrap().unwrap();
    let value = |name: &str| &row[names.iter().position(|found| found == name).unwrap()];
    assert_eq!((value("event"), value("level")), ("", "error"));
    assert_eq!(value("target"), "tar\\nget, \"x\"");
    assert_eq!(value("thread"), "th\\u{1b}read\\n\"");
    assert!(value("message").starts_with("hi \\u{1b}[2J\\nmore, \"quoted\"\\r\\u{202e}\\u{7f}"));
    let fields: serde_json::Value = serde_json::from_str(value("fields")).unwrap();
    assert_eq!((&fields["evil"], &fields["level"]), (&EVIL.into(), &"=\u{1b}".into()));
}

/// Patterns escape their fields and fit them into columns.
#[test]
fn patterns_escape_and_fit_fields() {
    let turn = Turn::take();
    let log = hostile(&turn);
    let all =
        "{log} {level} {thread} {target} {module} {file} {message} {fields} {arg.evil} {arg0}";
    let out = run(&[&"cat", &log, &"--format", &all]).fine();
    is_harmless(&out);
    assert_eq!(out.lines().count(), 1);
    assert!(out.contains(r"stile.kymo ERROR th\u{1b}read\n"), "{out}");
    let shown = |pattern: &str| run(&[&"cat", &log, &"--format", &pattern]).fine();
    assert_eq!(
        shown("{{{level:7}|{level:>7}|{level:-^7}|{level:.2}}}"),
        "{ERROR  |  ERROR|-ERROR-|ER}\n"
    );
    // It is the text that is cut, not an escape; and it is as wide as it looks.
    assert_eq!(shown("{arg.level:.1}|{arg.level:>9}|"), "=|  =\\u{1b}|\n");
    assert_eq!(shown("{arg.level:.0}|{arg.level:^3.1}|"), "| = |\n");
    // What a record does not have is as wide, too.
    let out = run(&[&"cat", &log, &"--format", &"{arg9:4}|{arg.nothing}|"]).out;
    assert_eq!(out, "    ||\n");
}

/// `{arg.n:.2}` printed `13` for 1301, `{arg.n:08}` padded with blanks, and numbers kept to the left:
/// a value was formatted as if it were text.
#[test]
fn a_pattern_formats_values_as_rust_does() {
    let turn = Turn::take();
    let (n, px, name, none, list) = (1301_i64, 99.456_f64, "ACME", None::<u8>, [1_u64, 20]);
    let log = turn.logged("values.kymo", || {
        kymo::info!("{n} {px} {name} {none:?} {list:?}", none = none);
    });
    macro_rules! check {
        ($($name:ident $spec:literal)*) => {
            for (pattern, expected) in [$((
                concat!("{arg.", stringify!($name), ":", $spec, "}"),
                format!(concat!("{:", $spec, "}"), $name),
            )),*] {
                let shown = run(&[&"cat", &log, &"--format", &pattern]).fine();
                assert_eq!(shown, expected + "\n", "{pattern}");
            }
        };
    }
    check! {
        n "" n ".2" n "08" n "8" n "<8" n "^8" n "*>+8" n "+" n "x" n "#X" n "#012b" n "o" n "e"
        px ".1" px "8.1" px "08.2" px "+" px "-^12.0" px "e" px ".1E"
        name ".2" name "8" name ">8.3" name "08" name "?" name "10?"
        list "?" list ".1?" list "04x?"
    }
    // A `Some` is its value, and `None` a word, whatever the precision.
    let _ = none;
    assert_eq!(run(&[&"cat", &log, &"--format", &"{arg.none:>6.2}|"]).fine(), "  None|\n");
    let line = run(&[&"cat", &log, &"--format", &"{line}"]).fine();
    let line: u64 = line.trim().parse().unwrap();
    let shown = run(&[&"cat", &log, &"--format", &"{line:7}|{line:07}"]).fine();
    assert_eq!(shown, format!("{line:7}|{line:07}\n"));
}

/// Patterns show the time in any notation and zone.
#[test]
fn patterns_have_times_in_any_zone() {
    let turn = Turn::take();
    let mut segment = Segment::new(7);
    segment.clock(1_750_000_000_000_000_000).thread(0, "t").site(0, 3, "x", &[]);
    segment.block(0, &[Rec(0, 5, &[]), Rec(0, 2_000_000_017, &[])]).close();
    let log = turn.file("a.kymo", &segment.bytes);
    let format = "{time} {time:%H:%M:%S%.3f} {time:%s.%N} {relative} {delta:>12}";
    let out = run(&[&"cat", &log, &"--tz=+05:45", &"--format", &format]).fine();
    let expected = "2025-06-15T20:51:40.000000005+05:45 20:51:40.000 1750000000.000000005 0.000000000  0.000000000\n\
         2025-06-15T20:51:42.000000017+05:45 20:51:42.000 1750000002.000000017 2.000000012  2.000000012\n";
    assert_eq!(out, expected);
}

#[test]
fn spans_of_time_count_from_what_is_printed() {
    let turn = Turn::take();
    let mut segment = Segment::new(7);
    segment.clock(0).thread(0, "t").site(0, 3, "{}", &[("", Type::U64)]);
    let args = [0, 1, 2, 3, 4].map(|number| [Arg::Unsigned(number)]);
    let times = [100, 1_000, 5_000, 5_500, 70_000];
    let records: Vec<Rec<'_>> =
        times.iter().zip(&args).map(|(time, args)| Rec(0, *time, args)).collect();
    segment.block(0, &records).drops(0, 80_000, 80_000, 2).close();
    let log = turn.file("a.kymo", &segment.bytes);

    let out = run(&[&"cat", &log, &"--relative", &"--where=[0] > 0"]).fine();
    assert_eq!(
        out,
        "    0.000000000 INFO  [t] target: 1\n    0.000004000 INFO  [t] target: 2\n    \
         0.000004500 INFO  [t] target: 3\n    0.000069000 INFO  [t] target: 4\n    \
         0.000079000 -- 2 records of thread \"t\" were dropped here: the ring was full (info 2)\n"
    );
    // What was held back, and not printed, does not count.
    let delta = |args: &[&str]| {
        let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> =
            vec![&"cat", &log, &"--delta", &"--no-marks", &"--format=json"];
        args.iter().for_each(|arg| all.push(arg));
        let out = run(&all).fine();
        let value = |line| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let pair = |line| format!("{}:{}", value(line)["fields"]["0"], value(line)["delta"]);
        out.lines().map(pair).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(delta(&[]), "0:0 1:900 2:4000 3:500 4:64500");
    assert_eq!(delta(&["--last=2"]), "3:0 4:64500");
    assert_eq!(delta(&["--where=[0] == 0 or [0] == 4", "-B1"]), "0:0 3:5400 4:64500");
    let csv = run(&[&"cat", &log, &"--delta", &"--format=csv"]).fine();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(
        lines[0],
        "event,time,delta,level,target,file,line,thread,message,fields,spans,span_event"
    );
    assert!(lines[2].starts_with(",1970-01-01T00:00:00.000001000Z,900,info,target,"), "{csv}");
    assert!(
        lines[6].starts_with("drops,1970-01-01T00:00:00.000080000Z,10000,,,,,t,\"2 records"),
        "{csv}"
    );
    let logfmt = run(&[&"cat", &log, &"--relative", &"--format=logfmt"]).fine();
    assert!(logfmt.contains("000001000Z relative=900 level=info "), "{logfmt}");
    let ran = run(&[&"cat", &log, &"--delta", &"--format={message}"]);
    ran.complains(2, &["{delta}"]);
}

#[test]
fn what_is_no_record_is_in_every_format() {
    let turn = Turn::take();
    let mut segment = Segment::new(7);
    segment.clock(0).thread(0, "fe ed").site(0, 3, "x", &[]);
    segment.block(0, &[Rec(0, 1, &[])]).drops(0, 2, 8, 12);
    segment.signal(9, 11, 9).block(0, &[Rec(0, 9, &[])]).close();
    let damaged = segment.frames[3].0 + 12;
    segment.bytes[damaged] ^= 1;
    let log = turn.file("a.kymo", &segment.bytes);
    let shown = |format: &str| {
        let ran = run(&[&"cat", &log, &"--format", &format]);
        // Damage is an error, whatever the format.
        assert_eq!((ran.code, ran.err.lines().count()), (Some(2), 1), "{ran:?}");
        let hidden = run(&[&"cat", &log, &"--no-marks", &"--format", &format]);
        assert_eq!((hidden.code, hidden.err), (Some(2), ran.err), "{}", hidden.out);
        assert_eq!(hidden.out.matches("dropped here").count(), 0, "{}", hidden.out);
        ran.out
    };
    let text = shown("text");
    let pattern = shown("{message}");
    for kind in [
        "are damaged",
        "missing here",
        "12 records of thread \"fe ed\" were dropped here",
        "SIGSEGV",
    ] {
        assert_eq!(text.matches(kind).count(), 1, "{kind} in {text}");
        assert_eq!(pattern.matches(kind).count(), 1, "{kind} in {pattern}");
    }
    let logfmt = shown("logfmt");
    let csv = shown("csv");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    for kind in ["damage", "gap", "drops", "signal"] {
        let line = logfmt.lines().find(|line| line.contains(&format!("event={kind} "))).unwrap();
        let pairs = pairs(line);
        let offset = &pairs.iter().find(|(key, _)| key == "offset").unwrap().1;
        let row = rows.iter().find(|row| &row[0] == kind).unwrap();
        let details: serde_json::Value = serde_json::from_str(&row[8]).unwrap();
        assert_eq!(&details["offset"].to_string(), offset, "{csv}");
        assert_eq!(details["event"], kind);
        assert_eq!(row[7], pairs.iter().find(|(key, _)| key == "message").unwrap().1);
    }
    assert!(logfmt.contains(" event=drops thread=\"fe ed\" records=12 message="), "{logfmt}");
}

/// If standard output is closed early, no format makes that an error.
#[test]
fn a_closed_pipe_is_no_error_in_any_format() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::Stdio;
    let turn = Turn::take();
    let log =
        turn.logged("a.kymo", || (0..50_000).for_each(|i| kymo::info!("some longer text {i}")));
    for format in ["logfmt", "csv", "{message} {delta}"] {
        let mut command = kymo(&[&"cat", &log, &"--format", &format]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let mut complaints = String::new();
        child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        assert_eq!((child.wait().unwrap().code(), complaints.as_str()), (Some(0), ""));
    }
}
