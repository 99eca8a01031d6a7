//! Names that are nowhere: what is said about them, and `kymo fields`.

mod common;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use common::{Ran, Turn, run};
use kymo_format::types::Type;
use kymo_testing::segment::{Arg, Rec, Segment};

fn flights(turn: &Turn) -> PathBuf {
    turn.logged("flights.kymo", || {
        let thread = std::thread::Builder::new().name("feed".to_owned());
        let log = || {
            for number in 0..2_000_u64 {
                kymo::info!(target: "net::tcp", "{carrier} {number}", carrier = "AA");
            }
            kymo::warn!(target: "disk", "{late:?} {}", 7, late = Some(1.5));
        };
        thread.spawn(log).unwrap().join().unwrap();
    })
}

fn command(command: &str, log: &Path, args: &[&str]) -> Ran {
    let mut all: Vec<&dyn AsRef<OsStr>> = vec![&command];
    if command == "export" {
        all.extend([&"--to=json" as &dyn AsRef<OsStr>, &"-"]);
    }
    all.push(&log);
    args.iter().for_each(|arg| all.push(arg));
    run(&all)
}

/// A misspelt field in a pattern with `-n 1`, `--thread nobody`, `--target ZZ` and a comparison of a
/// string with a number printed nothing, and said nothing.
#[test]
fn what_is_nowhere_is_not_silence() {
    let turn = Turn::take();
    let log = flights(&turn);
    let said = "kymo: --thread: no thread nobody in the input; there are feed\n";
    for name in ["cat", "tail", "stats", "export"] {
        let ran = command(name, &log, &["--thread", "nobody"]);
        assert_eq!((ran.err.as_str(), ran.code), (said, Some(1)), "{name}");
    }
    for (args, code, parts) in [
        (
            &["--target", "nett"][..],
            1,
            &["--target: no target", "begins with nett; did you mean net::tcp?"][..],
        ),
        (
            &["--at", "nmes.rs:1"],
            1,
            &["--at: no statement in the input is at nmes.rs:1;", "names.rs:"],
        ),
        (
            &["--where", "carrier == 5"],
            1,
            &["--where: carrier is a string in the input, not a number"],
        ),
        (&["--where", "not carrier == 5"], 0, &["carrier is a string in the input, not a number"]),
        (&["--where", "carrier"], 1, &["carrier is a string in the input, not a boolean"]),
        (
            &["--where", "number contains 5"],
            1,
            &["number is a number in the input, not a string or a sequence"],
        ),
        (&["--where", "late > \"x\""], 1, &["late is a number in the input, not a string"]),
        (
            &["--where", "carier == \"AA\""],
            1,
            &["has an argument carier;", "did you mean carrier? There are carrier"],
        ),
        (
            &["-n1", "--format", "{arg.carier}"],
            0,
            &["--format:", "argument carier; did you mean carrier?"],
        ),
        (
            &["-n1", "--format", "{arg5}"],
            0,
            &["--format: no statement in the input has an argument [5]; they have at most 2"],
        ),
    ] {
        let ran = command("cat", &log, args);
        ran.complains(code, parts);
    }
    // What is there only where nothing was read is there; the index says so.
    for args in [
        &["-n1", "--format", "{arg.late}"][..],
        &["-n1", "--where", "late > 1 or number == 0"],
        &["-n1", "--where", "late >= 1.5 or carrier == \"AA\""],
        &["--target", "net", "--thread", "0", "--at", "names.rs", "-n1"],
    ] {
        assert_eq!(command("cat", &log, args).err, "", "{args:?}");
    }
}

#[test]
fn fields_are_listed_with_their_types() {
    let turn = Turn::take();
    let log = flights(&turn);
    let text = run(&[&"fields", &log]).fine();
    for line in [
        "[0]      i32          ",
        "carrier  str          ",
        "late     Option<f64>  ",
        "number   u64          ",
        "targets: disk net::tcp",
        "threads: feed",
    ] {
        assert!(text.lines().any(|found| found.starts_with(line)), "no {line:?} in\n{text}");
    }
    assert!(text.contains("names.rs:") && text.contains("\"{carrier} {number}\""), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&run(&[&"fields", &"--json", &log]).fine()).unwrap();
    let names: Vec<&str> = (json["fields"].as_array().unwrap().iter())
        .map(|field| field["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["[0]", "carrier", "late", "number"]);
    assert_eq!(json["fields"][2]["types"][0], "Option<f64>");
    assert_eq!(json["threads"][0], "feed");
    // As a stream, which has no index.
    let input = std::fs::File::open(&log).unwrap();
    let output = common::kymo(&[&"fields", &"-"]).stdin(input).output().unwrap();
    assert_eq!(common::finished(output).fine(), text);
    assert_eq!(run(&[&"fields", &turn.path("nowhere.kymo")]).code, Some(2));
}

/// Of 3,001 logs with 1,024 descriptors, 1,020 were read: the soft limit was taken as it is.
#[test]
fn many_logs_are_read_despite_soft_limit() {
    let turn = Turn::take();
    let log = turn.logged("log.kymo", || kymo::info!("one"));
    let directory = turn.path("many");
    std::fs::create_dir(&directory).unwrap();
    for number in 0..300 {
        std::fs::copy(&log, directory.join(format!("{number}.kymo"))).unwrap();
    }
    for (name, lines) in [("cat", 300), ("tail -n 1000", 300), ("fields", 3)] {
        let script = format!("ulimit -Sn 64; exec \"$0\" {name} \"$1\"");
        let output = std::process::Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_kymo")])
            .arg(&directory)
            .output()
            .unwrap();
        let out = common::finished(output).fine();
        assert_eq!(out.lines().count(), lines, "{name}: {out}");
    }
}

/// Where the hard limit is too low, each log that was not read is named, and no side file of one that
/// was read is left out.
#[test]
fn logs_beyond_the_hard_limit_are_named() {
    let turn = Turn::take();
    let directory = turn.path("many");
    std::fs::create_dir(&directory).unwrap();
    for number in 0..100_u8 {
        let log = directory.join(format!("{number}.kymo"));
        let side = log.with_extension("kymo.rescue.1");
        for (mut file, name, ticks) in
            [(Segment::of(number + 1, 0), log, 1), (Segment::of(number + 101, number + 1), side, 2)]
        {
            file.clock(1_000).thread(0, "main").site(0, 1, "from {n}", &[("n", Type::U64)]);
            file.last_block(0, &[Rec(0, ticks, &[Arg::Unsigned(number.into())])], 10).close();
            std::fs::write(name, &file.bytes).unwrap();
        }
    }
    for command in ["cat --format {message}", "export --to csv -", "stats --json"] {
        let script = format!("ulimit -n 64; exec \"$0\" {command} \"$1\"");
        let output = std::process::Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_kymo")])
            .arg(&directory)
            .output()
            .unwrap();
        let ran = common::finished(output);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        let is_named = |number: &u8| {
            let name = format!("many/{number}.kymo: cannot open it: Too many open files");
            ran.err.contains(&name)
        };
        let read: Vec<u8> = (0..100).filter(|number| !is_named(number)).collect();
        assert!((40..64).contains(&read.len()), "{command}: {read:?}");
        assert_eq!(ran.err.lines().count(), 100 - read.len(), "{}", ran.err);
        match command {
            "stats --json" => {
                let summary: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
                assert_eq!(summary["records"], 2 * read.len());
            }
            _ => {
                for number in 0..100 {
                    let is_from = |line: &&str| {
                        line.split([',', '"']).any(|part| part == format!("from {number}"))
                    };
                    let printed = ran.out.lines().filter(is_from).count();
                    assert_eq!(printed, if read.contains(&number) { 2 } else { 0 }, "{number}");
                }
            }
        }
    }
}

/// All threads of a pool have one name, and text did not tell them apart.
#[test]
fn threads_of_one_name_get_a_number_in_text() {
    let turn = Turn::take();
    let log = turn.logged("a.kymo", || {
        for n in 0..3 {
            let run = move || kymo::info!("from {n}");
            let pool = std::thread::Builder::new().name("worker".to_owned());
            pool.spawn(run).unwrap().join().unwrap();
        }
    });
    let threads = |args: &[&str]| {
        let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"cat", &log];
        args.iter().for_each(|arg| all.push(arg));
        common::run(&all).fine()
    };
    let all = "worker: from 0\nworker#2: from 1\nworker#3: from 2\n";
    assert_eq!(threads(&["--format={thread}: {message}"]), all);
    for (thread, message) in threads(&[]).lines().zip(["from 0", "from 1", "from 2"]).enumerate() {
        let name = ["[worker]", "[worker#2]", "[worker#3]"][thread];
        assert!(message.0.contains(name) && message.0.ends_with(message.1), "{message:?}");
    }
    let one = threads(&["--format={message}", "--thread=worker#2"]);
    assert_eq!(
        (one.as_str(), threads(&["--format={message}", "--thread=worker"]).lines().count()),
        ("from 1\n", 3)
    );
}

/// `off` was no level, and `--level <TAB>` offered nothing.
#[test]
fn levels_are_offered_and_off_is_one() {
    let turn = Turn::take();
    let log = turn.logged("a.kymo", || kymo::error!("bad"));
    assert_eq!(common::run(&[&"cat", &"--level=off", &log]).code, Some(1));
    assert!(common::run(&[&"cat", &"--level=WARNING", &log]).fine().ends_with("bad\n"));
    let script = common::run(&[&"completions", &"bash"]).fine();
    assert!(script.contains("compgen -W \"off error warn info debug trace\""));
}
