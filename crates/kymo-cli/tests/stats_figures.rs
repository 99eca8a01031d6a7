//! Every figure that `kymo stats` prints, against one that is computed here from what was logged,
//! with times from a nanosecond to days.

mod common;
use kymo_testing::segment;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use common::{Turn, run};
use kymo_format::types::Type;
use kymo_format::varint;
use segment::{Arg, Rec, Segment};
use serde_json::Value;

/// What was logged, as the file is told.
#[derive(Clone, Copy)]
struct Logged {
    thread: u64,
    site: u64,
    time_ns: u64,
    id: u64,
    bytes: u64,
}

/// When the clock of the file begins.
const START_NS: u64 = 1_700_000_000_000_000_000;

const THREADS: [&str; 3] = ["left", "right", "third"];
const SITES: [(&str, u8); 3] = [("ask {id}", 3), ("answer {id}", 2), ("other {id}", 4)];
const LEVELS: [&str; 3] = ["info", "warn", "debug"];

/// A sequence of numbers that looks random.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        self.0 >> 20
    }

    /// From 1 to 10^15, each decade as likely as each other.
    fn over_decades(&mut self) -> u64 {
        let exponent = (self.next() % 15_000) as f64 / 1_000.0;
        10_f64.powf(exponent) as u64
    }
}

/// A log of three threads that ask and are answered, and what is in it.
fn log(turn: &Turn) -> (PathBuf, Vec<Logged>) {
    let mut file = Segment::new(9);
    file.clock(START_NS as i64);
    for (number, (format, level)) in SITES.iter().enumerate() {
        file.site(number as u64, *level, format, &[("id", Type::U64)]);
    }
    for (number, name) in THREADS.iter().enumerate() {
        file.thread(number as u64, name);
    }
    let (mut random, mut all, mut ticks) = (Random(1), Vec::new(), 5_u64);
    for id in 0..1_500_u64 {
        let thread = random.next() % 3;
        let mut block = vec![(0, ticks)];
        for _ in 0..random.next() % 3 {
            ticks += 1 + random.next() % 3;
            block.push((2, ticks));
        }
        ticks += random.over_decades();
        block.push((1, ticks));
        let args: Vec<[Arg<'_>; 1]> = block.iter().map(|_| [Arg::Unsigned(id)]).collect();
        let records: Vec<Rec<'_>> =
            block.iter().zip(&args).map(|(&(site, ticks), args)| Rec(site, ticks, args)).collect();
        file.block(thread, &records);
        let mut before = block[0].1;
        for (site, ticks) in block {
            let bytes = varint::len(site) + varint::len(ticks - before) + varint::len(id);
            before = ticks;
            let (time_ns, bytes) = (START_NS + ticks, bytes as u64);
            all.push(Logged { thread, site, time_ns, id, bytes });
        }
        ticks += 1 + random.next() % 100;
    }
    // The thread `right` dropped records of two levels, in one gap.
    file.drops_of_levels(1, 10, 20, &[(3, 70), (1, 5)]);
    file.close_with_index(40);
    (turn.file("figures.kymo", &file.bytes), all)
}

fn command(path: &Path, args: &[&str]) -> String {
    let mut all: Vec<&dyn AsRef<OsStr>> = vec![&"stats", &path, &"--top", &"0"];
    all.extend(args.iter().map(|arg| arg as &dyn AsRef<OsStr>));
    run(&all).fine()
}

/// A span of time as it is printed, in nanoseconds, and how much it may be off.
fn span(text: &str) -> (f64, f64) {
    let (number, unit) = text.trim().split_once(' ').unwrap();
    let unit = match unit.trim() {
        "ns" => 1.0,
        "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "min" => 60e9,
        "h" => 3_600e9,
        "d" => 86_400e9,
        unit => panic!("no unit: {unit}"),
    };
    let digits = number.split_once('.').map_or(0, |(_, digits)| digits.len());
    let value: f64 = number.parse().unwrap();
    (value * unit, 0.501 * unit / 10_f64.powi(digits as i32))
}

#[track_caller]
fn near(text: &str, expected: f64) {
    let (value, error) = span(text);
    assert!((value - expected).abs() <= error.max(0.5), "{text} for {expected} ns");
}

/// So many a second, as it is printed.
#[track_caller]
fn rate_near(text: &str, expected: f64) {
    let (number, unit) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let unit = match unit {
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        unit => panic!("no unit: {unit}"),
    };
    let digits = number.split_once('.').map_or(0, |(_, digits)| digits.len());
    let value = number.parse::<f64>().unwrap() * unit;
    assert!((value - expected).abs() <= 0.501 * unit / 10_f64.powi(digits as i32), "{text}");
}

/// The rows of a table of text, by their last column: records, their share, a second, bytes, their
/// share, a record.
fn table(text: &str, what: &str) -> BTreeMap<String, [String; 6]> {
    let mut lines = text.lines().skip_while(|line| !line.ends_with(&format!("/record  {what}")));
    let _title = lines.next().unwrap();
    let mut rows = BTreeMap::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let widths = [12, 7, 10, 15, 7, 10];
        let mut at = 0;
        let cells = widths.map(|width| {
            at += width;
            line[at - width..at].trim().to_owned()
        });
        rows.insert(line[at + 2..].to_owned(), cells);
    }
    rows
}

/// Checks all that is printed against these records, which are those that pass `args`.
fn check(path: &Path, args: &[&str], records: &[Logged], dropped: &[(&str, u64)]) {
    let json: Value = serde_json::from_str(&command(path, &[args, &["--json"]].concat())).unwrap();
    let text = command(path, args);
    let number = |value: &Value| value.as_u64().unwrap();
    let bytes: u64 = records.iter().map(|it| it.bytes).sum();
    assert_eq!(number(&json["records"]), records.len() as u64, "{args:?}");
    assert_eq!(number(&json["bytes"]), bytes, "{args:?}");
    assert_eq!(number(&json["files"]), 1);
    assert_eq!(number(&json["file_bytes"]), path.metadata().unwrap().len());
    let (first, last) = (
        records.iter().map(|it| it.time_ns).min().unwrap(),
        records.iter().map(|it| it.time_ns).max().unwrap(),
    );
    assert_eq!((number(&json["first_ns"]), number(&json["last_ns"])), (first, last), "{args:?}");
    for zero in ["lost", "gaps", "damages", "damaged_bytes", "dumps", "dumped"] {
        assert_eq!(json[zero], 0, "{zero}");
    }
    let all_dropped: u64 = dropped.iter().map(|(_, count)| count).sum();
    assert_eq!(number(&json["dropped"]), all_dropped, "{args:?}");
    let overview = text.lines().next().unwrap();
    let expected = format!("{} records, {all_dropped} dropped, 0 lost; ", records.len());
    assert!(overview.starts_with(&expected), "{overview}");
    let seconds = (last - first) as f64 / 1e9;
    let line = text.lines().nth(1).unwrap();
    let parts: Vec<&str> = line.rsplit_once("Z: ").unwrap().1.split(", ").collect();
    near(parts[0], (last - first) as f64);
    rate_near(parts[1].strip_suffix(" records/s").unwrap(), records.len() as f64 / seconds);
    rate_near(parts[2].strip_suffix(" bytes/s").unwrap(), bytes as f64 / seconds);

    // Each table.
    let target = |_: &Logged| "target".to_owned();
    let level = |it: &Logged| LEVELS[it.site as usize].to_owned();
    let thread = |it: &Logged| THREADS[it.thread as usize].to_owned();
    let site = |it: &Logged| SITES[it.site as usize].0.to_owned();
    type Key<'k> = &'k dyn Fn(&Logged) -> String;
    let tables: [(&str, &str, &str, Key<'_>); 4] = [
        ("targets", "name", "target", &target),
        ("levels", "name", "level", &level),
        ("threads", "name", "thread", &thread),
        ("call_sites", "format", "call site", &site),
    ];
    for (key, name, title, by) in tables {
        let mut expected = BTreeMap::<String, (u64, u64)>::new();
        for record in records {
            let count = expected.entry(by(record)).or_default();
            *count = (count.0 + 1, count.1 + record.bytes);
        }
        let rows = json[key].as_array().unwrap();
        let found: BTreeMap<String, (u64, u64)> = rows
            .iter()
            .map(|row| (&row[name], (number(&row["records"]), number(&row["bytes"]))))
            .map(|(name, counts)| (name.as_str().unwrap().to_owned(), counts))
            .filter(|(_, counts)| counts.0 > 0)
            .collect();
        assert_eq!(found, expected, "{args:?} {key}");
        for (last, cells) in table(&text, title) {
            let Some((_, &(its, its_bytes))) =
                expected.iter().find(|(name, _)| last.contains(name.as_str()))
            else {
                assert!(last.contains("dropped") && cells[0] == "0", "{last}");
                continue;
            };
            assert_eq!((cells[0].parse(), cells[3].parse()), (Ok(its), Ok(its_bytes)));
            let share =
                |part: u64, whole: usize| format!("{:.1}%", 100.0 * part as f64 / whole as f64);
            assert_eq!(cells[1], share(its, records.len()));
            assert_eq!(cells[4], share(its_bytes, bytes as usize));
            rate_near(&cells[2], its as f64 / seconds);
            assert_eq!(cells[5], format!("{:.1}", its_bytes as f64 / its as f64));
        }
    }
    let found: Vec<(&str, u64)> = (json["drops"].as_array().unwrap().iter())
        .map(|row| (row["level"].as_str().unwrap(), number(&row["records"])))
        .collect();
    assert_eq!(found, dropped, "{args:?}");
    let of_thread: u64 =
        json["threads"].as_array().unwrap().iter().map(|row| number(&row["dropped"])).sum();
    assert_eq!(of_thread, all_dropped, "{args:?}");

    // The histogram: every record in the column of its time.
    let (start, step) =
        (number(&json["histogram"]["start_ns"]), number(&json["histogram"]["step_ns"]));
    for (column, count) in json["histogram"]["records"].as_array().unwrap().iter().enumerate() {
        let from = start + column as u64 * step;
        let here = records.iter().filter(|it| (from..from + step).contains(&it.time_ns)).count();
        assert_eq!(number(count), here as u64, "{args:?} column {column}");
    }

    // The time from one place to another, in a thread and by a value.
    check_between(path, args, records, &[], |it| it.thread);
    check_between(path, args, records, &["--by", "id"], |it| it.id);
}

fn check_between(
    path: &Path,
    args: &[&str],
    records: &[Logged],
    by: &[&str],
    key: impl Fn(&Logged) -> u64,
) {
    let places = ["--between", "main.rs:10,main.rs:11"];
    let mut sorted = records.to_vec();
    sorted.sort_by_key(|it| it.time_ns);
    let (mut open, mut times) = (BTreeMap::new(), Vec::new());
    let (mut begun, mut ended) = (0, 0);
    for record in &sorted {
        match record.site {
            0 => {
                begun += 1;
                open.insert(key(record), record.time_ns);
            }
            1 => {
                ended += 1;
                times.extend(open.remove(&key(record)).map(|begun| record.time_ns - begun));
            }
            _ => {}
        }
    }
    if begun == 0 || ended == 0 {
        // Nothing was logged at one of the places, which is an error of its own.
        return;
    }
    times.sort_unstable();
    let args = [args, &places, by].concat();
    let json: Value =
        serde_json::from_str(&command(path, &[&args[..], &["--json"]].concat())).unwrap();
    let json = &json["between"];
    for (name, expected) in [
        ("begun", begun),
        ("ended", ended),
        ("pairs", times.len() as u64),
        ("backwards", 0),
        ("unwatched", 0),
        ("min_ns", times[0]),
    ] {
        assert_eq!(json[name].as_u64(), Some(expected), "{args:?} {name}");
    }
    let mean = times.iter().map(|&ns| u128::from(ns)).sum::<u128>() as f64 / times.len() as f64;
    assert!((json["mean_ns"].as_f64().unwrap() - mean).abs() <= mean * 1e-12, "{args:?}");
    let text = command(path, &args);
    let row = |what: &str| {
        let line = text.lines().find(|line| line.ends_with(&format!("  {what}"))).unwrap();
        line.rsplit_once("  ").unwrap().0
    };
    near(row("least"), times[0] as f64);
    near(row("mean"), mean);
    for percentile in json["percentiles"].as_array().unwrap() {
        let percent = percentile["percent"].as_f64().unwrap();
        let place = (times.len() as f64 * percent / 100.0).ceil().max(1.0) as usize - 1;
        let (ns, exact) = (percentile["ns"].as_u64().unwrap(), times[place]);
        assert!((exact..=exact + exact / 1_000).contains(&ns), "{args:?} {percent}: {ns}, {exact}");
        if percent == 100.0 {
            assert_eq!(ns, exact);
            near(row("most"), exact as f64);
        } else {
            near(row(&format!("p{percent}")), ns as f64);
        }
    }
}

/// `--between` was wrong for every time above 2 µs, `--since` and `--until` were ignored, and drops
/// were counted whatever their level. So each figure is compared, not only those.
#[test]
fn figures_are_right_over_twelve_decades() {
    let turn = Turn::take();
    let (path, all) = log(&turn);
    let all_drops = [("error", 5), ("info", 70)];
    check(&path, &[], &all, &all_drops);
    let only = |keep: &dyn Fn(&Logged) -> bool| {
        all.iter().copied().filter(|record| keep(record)).collect::<Vec<_>>()
    };
    check(&path, &["--thread", "left"], &only(&|it| it.thread == 0), &[]);
    check(&path, &["--thread", "right"], &only(&|it| it.thread == 1), &all_drops);
    check(&path, &["--level", "warn"], &only(&|it| it.site == 1), &[("error", 5)]);
    check(&path, &["--level", "info"], &only(&|it| it.site < 2), &all_drops);
    check(&path, &["--where", "id >= 1000"], &only(&|it| it.id >= 1_000), &all_drops);

    // From one of the records to another, in the middle of blocks.
    let (from, to) = (all[all.len() / 3].time_ns, all[all.len() / 2].time_ns);
    let (since, until) = (rfc3339(from), rfc3339(to));
    check(&path, &["--since", &since], &only(&|it| it.time_ns >= from), &[]);
    check(&path, &["--until", &until], &only(&|it| it.time_ns < to), &all_drops);
    let both = only(&|it| (from..to).contains(&it.time_ns));
    check(&path, &["--since", &since, "--until", &until], &both, &[]);
}

/// As RFC 3339, of a day that this computes from the number of days since the epoch.
fn rfc3339(ns: u64) -> String {
    let (days, rest) = (ns / 86_400_000_000_000, ns % 86_400_000_000_000);
    let (mut year, mut left) = (1970, days);
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < days {
            break;
        }
        left -= days;
        month += 1;
    }
    let (seconds, fraction) = (rest / 1_000_000_000, rest % 1_000_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{fraction:09}Z", left + 1)
}
