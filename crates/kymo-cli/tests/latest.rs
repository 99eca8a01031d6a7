//! The last records of long files are found by the index.

mod common;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use common::{Ran, Turn, run};
use kymo_format::types::Type;
use kymo_testing::segment;
use segment::{Arg, Rec, Segment};

const START_NS: i64 = 1_700_000_000_000_000_000;

/// A file of some MiB, closed, with an index. Every hundredth record is a warning; the very first
/// records are damaged, which shows if they are read.
fn long(turn: &Turn, name: &str, thread: &str, from: u64) -> PathBuf {
    let mut file = Segment::of(if from == 0 { 7 } else { 8 }, 0);
    let pad = "x".repeat(200);
    let types = [("n", Type::U64), ("pad", Type::Str)];
    file.clock(START_NS).thread(0, thread);
    file.site(0, 3, "{pad} {n}", &types).site(1, 2, "{pad} {n}", &types);
    for block in 0..200_u64 {
        let numbers: Vec<u64> = (0..100).map(|at| block * 100 + at).collect();
        let args: Vec<[Arg<'_>; 2]> =
            numbers.iter().map(|&n| [Arg::Unsigned(n), Arg::Str(pad.as_bytes())]).collect();
        let records: Vec<Rec<'_>> = (numbers.iter().zip(&args))
            .map(|(&n, args)| Rec(u64::from(n % 100 == 7), from + n * 10, args))
            .collect();
        file.block(0, &records);
    }
    file.close_with_index(10);
    let (start, end) = file.frames[4];
    assert!(end - start > 1_000);
    file.bytes[start + 100] ^= 1;
    turn.file(name, &file.bytes)
}

fn command(name: &str, logs: &[&Path], args: &[&str]) -> Ran {
    let mut all: Vec<&dyn AsRef<OsStr>> = vec![&name, &"--format={thread} {arg.n}"];
    logs.iter().for_each(|log| all.push(log));
    args.iter().for_each(|arg| all.push(arg));
    run(&all)
}

/// `kymo tail` and `--last` decoded the whole file. Now what they print is the same, and the damage
/// at the beginning is not met, unless that many records are asked for.
#[test]
fn last_records_match_reading_everything() {
    let turn = Turn::take();
    let (a, b) = (long(&turn, "a.kymo", "a", 0), long(&turn, "b.kymo", "b", 20_005));
    for logs in [&[&*a][..], &[&*a, &*b]] {
        for filter in [&[][..], &["--level=warn"], &["--where", "n < 15000"], &["--grep=77$"]] {
            let everything = command("cat", logs, filter);
            assert_eq!(everything.code, Some(2), "it is damaged");
            let all: Vec<&str> = everything.out.lines().collect();
            let all: Vec<&str> = all.into_iter().filter(|it| !it.starts_with("--")).collect();
            for last in [1, 10] {
                let expected = &all[all.len() - last..];
                let last = last.to_string();
                for (name, option) in [("cat", "--last"), ("tail", "-n"), ("tail", "-fn")] {
                    let ran = command(name, logs, &[filter, &[option, &last]].concat());
                    let shown: Vec<&str> = ran.out.lines().collect();
                    assert_eq!(shown, expected, "{name} {option} {last} {filter:?}");
                    assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{name} {filter:?}");
                }
            }
            // More than the file's end has: everything is read, the damage with it.
            let ran = command("cat", logs, &[filter, &["--last", "100000"]].concat());
            assert_eq!((ran.code, ran.out), (Some(2), everything.out));
        }
    }
}

/// `--where 'time > …'` read the whole file, though `--since` did not.
#[test]
fn a_comparison_of_the_time_is_a_range() {
    let turn = Turn::take();
    let a = long(&turn, "a.kymo", "a", 0);
    let at = |n: i64| {
        let time = START_NS + n * 10;
        format!("2023-11-14T22:13:20.{:09}Z", time % 1_000_000_000)
    };
    for (expression, expected) in [
        (format!("time > \"{}\"", at(19_000)), 19_001..20_000),
        (format!("time >= \"{}\" and n != 5", at(19_000)), 19_000..20_000),
        (format!("\"{}\" < time and time < \"{}\"", at(9_000), at(9_050)), 9_001..9_050),
        (
            format!("time == \"{}\" or time > \"{}\" and n < 19990", at(18_999), at(18_999)),
            18_999..19_990,
        ),
        (format!("time > \"{}\" and time <= \"{}\"", at(9_000), at(9_001)), 9_001..9_002),
    ] {
        let ran = command("cat", &[&a], &["--where", &expression]);
        let numbers: Vec<u64> = (ran.out.lines())
            .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
            .collect();
        assert_eq!(numbers, expected.collect::<Vec<_>>(), "{expression}");
        assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{expression}");
    }
}

/// `kymo tail` and `--last` decoded all of a log without an index: one that is being written, or whose
/// process was killed. Now what they print is the same, and damage at the beginning is not met.
#[test]
fn the_last_records_of_a_log_without_an_index() {
    let turn = Turn::take();
    let live = turn.path("live.kymo");
    let logger = kymo::Logger::builder(&live).start().unwrap();
    // One thread logged long ago. The others wait for each other, so that the last records of each
    // are at the end of the file.
    kymo::warn!(target: "early", "first {}", 0);
    let pace = std::sync::Barrier::new(3);
    let pace = &pace;
    std::thread::scope(|scope| {
        for thread in 0..3_u64 {
            let log = move || {
                for n in 0..8_000_u64 {
                    if n % 500 == 0 {
                        pace.wait();
                    }
                    if n % 100 == 7 {
                        kymo::warn!("{n} of {thread}, which is slow");
                    } else {
                        kymo::info!("{n} of {thread}, {}", "and what else is to be said".repeat(8));
                    }
                    if n % (1_000 + 100 * thread) == 0 {
                        kymo::flush();
                    }
                }
                // So that all of it is in the file before the last record, and in the copy of it.
                kymo::flush();
            };
            std::thread::Builder::new()
                .name(format!("w{thread}"))
                .spawn_scoped(scope, log)
                .unwrap();
        }
    });
    kymo::flush();
    kymo::error!(target: "late", "{} too late", "a call site that is new");
    kymo::flush();
    // Damage: in a block in the first MiB.
    let mut reader = kymo_reader::Reader::open(&live).unwrap();
    let at = std::iter::from_fn(|| {
        let record = reader.next_record().unwrap()?;
        Some(record.block_offset() + 64)
    });
    let mut at = at;
    let at = at.find(|&at| at > 8_000).unwrap();
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&live).unwrap();
    let mut byte = [0];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut byte, at).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[byte[0] ^ 1], at).unwrap();
    let killed = turn.path("killed.kymo");
    std::fs::copy(&live, &killed).unwrap();
    let command = |name: &str, log: &Path, args: &[&str]| {
        let mut all: Vec<&dyn AsRef<OsStr>> =
            vec![&name, &"--format={time} {thread} {message}", &log];
        args.iter().for_each(|arg| all.push(arg));
        run(&all)
    };
    for log in [&live, &killed] {
        for filter in [&[][..], &["--level=warn"], &["--thread=w1"], &["--where", "n < 7000"]] {
            let everything = command("cat", log, filter);
            assert_eq!(everything.code, Some(2), "it is damaged");
            let all: Vec<&str> = everything.out.lines().collect();
            for last in [1, 10, 50] {
                let expected = &all[all.len() - last..];
                let last = last.to_string();
                for (name, option) in [("cat", "--last"), ("tail", "-n")] {
                    let ran = command(name, log, &[filter, &[option, &last]].concat());
                    let shown: Vec<&str> = ran.out.lines().collect();
                    assert_eq!(shown, expected, "{name} {option} {last} {filter:?}");
                    assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{name} {log:?} {filter:?}");
                }
            }
        }
    }
    // Of a log whose writer is gone, following prints these, and says so.
    let ran = command("tail", &killed, &["-f", "-n3"]);
    assert_eq!(ran.out, command("tail", &killed, &["-n3"]).out);
    assert!(ran.err.ends_with("the writer has gone\n"), "{}", ran.err);
    drop(logger);
}
