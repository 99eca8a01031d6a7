//! What a console shows, in pipes and on terminals, and what it does if nobody reads. Each program is this one, run
//! again.

mod children;
#[path = "../terminal/mod.rs"]
mod terminal;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use terminal::{LOG, NAME, Program, done, messages};

/// Not a test: the program that tests run.
#[test]
#[ignore = "run by the other tests"]
fn child() {
    if let Ok(name) = std::env::var(NAME) {
        children::run(&name, Path::new(&std::env::var(LOG).unwrap()));
    }
}

/// Lines without the time at their beginning.
fn without_time(text: &str) -> Vec<&str> {
    let is_time = |c: char| c.is_ascii_digit() || c == ':' || c == '.';
    text.lines().map(|line| line.trim_start_matches(is_time).trim_start()).collect()
}

/// Text in a pipe: no colours, no control characters, the levels that were asked for, all of it in the file.
#[test]
fn text_in_a_pipe() {
    let done = Program::new("text").run();
    done.check();
    let lines = without_time(&done.stderr);
    assert_eq!(lines.len(), 2, "{}", done.stderr);
    assert_eq!(lines[0], "INFO  [child] shop: order 7 for ACME");
    assert!(lines[1].starts_with("WARN  [child] console::children: a bell "), "{}", lines[1]);
    let controls = done.stderr.chars().filter(|c| c.is_control() && *c != '\n');
    assert_eq!(controls.count(), 0, "{:?}", done.stderr);
    assert_eq!(done.stdout.matches("order").count(), 0);
    assert_eq!(done.messages().len(), 3);
    let time = &done.stderr[..done.stderr.find(' ').unwrap()];
    assert_eq!(time.len(), "20:12:24.123456".len(), "{time}");
}

/// The time of day is in the zone that the program or the operator names.
#[test]
fn times_are_in_a_zone_of_choice() {
    let utc_offset = |zone: &str, tz: &str| {
        let program = Program::new("zoned").env("KYMO_CONSOLE_ZONE", zone).env("TZ", tz);
        let done = program.run();
        done.check();
        let shown = done.stderr.split(' ').next().unwrap().to_owned();
        let mut reader = kymo_reader::Reader::open(&done.path).unwrap();
        let mut times = Vec::new();
        while let Some(record) = reader.next_record().unwrap() {
            times.push(record.time_ns());
        }
        let shows = |hours: i64, minutes: i64| {
            times.iter().any(|time_ns| {
                let micros = time_ns.div_euclid(1_000) + (hours * 60 + minutes) * 60_000_000;
                let (seconds, micros) =
                    (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
                let [h, m, s] = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60];
                format!("{h:02}:{m:02}:{s:02}.{micros:06}") == shown
            })
        };
        [(0, 0), (5, 30), (-3, 30), (-9, 0)].into_iter().find(|it| shows(it.0, it.1))
    };
    assert_eq!(utc_offset("", ""), Some((0, 0)));
    assert_eq!(utc_offset("+05:30", ""), Some((5, 30)));
    assert_eq!(utc_offset("-09:00", "Asia/Kolkata"), Some((-9, 0)));
    if cfg!(feature = "zones") {
        assert_eq!(utc_offset("local", "Asia/Kolkata"), Some((5, 30)));
        assert_eq!(utc_offset("Asia/Kolkata", ""), Some((5, 30)));
    }
}

/// Text on a terminal has colours; what is logged has no effect on it.
#[test]
fn text_on_a_terminal() {
    let (status, seen) = Program::new("text").run_on_terminal();
    assert!(status.success(), "{seen}");
    assert!(seen.contains("\u{1b}[32mINFO \u{1b}[0m [child] shop: order 7 for ACME\n"), "{seen:?}");
    assert_eq!(seen.matches('\u{1b}').count(), 4, "{seen:?}");
}

/// `NO_COLOR`, `CLICOLOR_FORCE`, and a choice of the program's.
#[test]
fn colours_are_a_choice() {
    let (_, seen) = Program::new("text").env("NO_COLOR", "1").run_on_terminal();
    assert!(seen.contains("order 7") && !seen.contains('\u{1b}'), "{seen:?}");
    let done = Program::new("text").env("CLICOLOR_FORCE", "1").run();
    assert!(done.check().stderr.contains("\u{1b}[32mINFO"), "{}", done.stderr);
    let done = Program::new("coloured").env("NO_COLOR", "1").run();
    assert!(done.check().stderr.contains("\u{1b}[1m\u{1b}[31mERROR"), "{:?}", done.stderr);
}

/// JSON goes to standard output, typed.
#[test]
fn json_on_standard_output() {
    let done = Program::new("json").run();
    let lines = done.check().said();
    let json = |line: &&str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let lines: Vec<_> = lines.iter().map(json).collect();
    assert_eq!(lines.len(), 2, "{}", done.stdout);
    assert_eq!(lines[0]["message"], "order 7 for \u{1b}ACME");
    assert_eq!(lines[0]["fields"]["id"], 7);
    assert_eq!((&lines[0]["level"], &lines[1]["level"]), (&"info".into(), &"error".into()));
    assert_eq!(done.stderr, "");
    assert!(!done.stdout.contains('\u{1b}'));
}

#[test]
fn logfmt_where_the_program_wants_it() {
    let done = Program::new("logfmt").run();
    assert!(done.check().stderr.contains(" message=\"order 7\" id=7\n"), "{}", done.stderr);
}

/// What is logged in a span has its name. That the span begins and ends is shown if the program wants it.
#[test]
fn spans_are_hidden_unless_wanted() {
    let lines = |name| {
        let done = Program::new(name).run();
        let text = done.check().stderr.clone();
        (text.contains("order{id=7}: filled"), text.lines().count())
    };
    assert_eq!(lines("no spans"), (true, 1));
    assert_eq!(lines("spans"), (true, 5));
}

/// Nobody reads, for more records and segments than are kept for later: nothing waits. What was skipped is said.
#[test]
fn a_blocked_pipe_stops_nothing() {
    let (mut child, dir) = Program::new("blocked").start();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("said logged") {
        line.clear();
        assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it ended");
    }
    // Now somebody reads.
    child.stdin.take().unwrap().write_all(b"at last\n").unwrap();
    let reads = std::thread::spawn(move || stdout.read_to_string(&mut String::new()));
    let done = done(child, dir);
    reads.join().unwrap().unwrap();
    done.check();
    let note = " records skipped; they are in the file";
    let (notes, shown): (Vec<_>, Vec<_>) = done.stderr.lines().partition(|it| it.contains(note));
    let skipped = |line: &str| {
        let number = line.strip_prefix("-- … ").unwrap().strip_suffix(note).unwrap();
        number.replace(',', "").parse::<u64>().unwrap()
    };
    let skipped: u64 = notes.into_iter().map(skipped).sum();
    let mut shown: Vec<_> = shown.into_iter().filter(|line| !line.contains(" -- ")).collect();
    assert!(skipped > 0);
    assert_eq!(skipped + shown.len() as u64, done.messages().len() as u64);
    // The rest is kymo's own.
    shown.retain(|line| line.contains("children: "));
    assert!(shown.last().unwrap().ends_with("children: at last"), "{shown:?}");
    let number = |line: &&str| line.rsplit(' ').next()?.parse::<u64>().ok();
    let numbers: Vec<_> = shown.iter().filter_map(number).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
}

/// Nobody ever reads: the end comes all the same, and says what was not shown.
#[test]
fn a_stuck_pipe_does_not_hold_the_end() {
    let (mut child, dir) = Program::new("stuck").start();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("said ") {
        line.clear();
        assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it ended");
    }
    let unshown: u64 = line["said ".len()..].trim().parse().unwrap();
    assert!(unshown > 0, "{unshown}");
    let messages = messages(&dir.path().join("app.kymo"));
    let own = messages.iter().filter(|message| !message.starts_with("record"));
    assert_eq!(messages.len() - own.count(), children::MANY as usize);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A pipe that nobody can read any more ends the console, and nothing else: no signal, no error.
#[test]
fn a_closed_pipe_ends_the_console_quietly() {
    let (mut child, dir) = Program::new("closed").start();
    drop(child.stderr.take());
    child.stdin.take().unwrap().write_all(b"closed\n").unwrap();
    let done = done(child, dir);
    assert_eq!(done.check().said(), ["said alive"]);
    assert_eq!(done.messages(), ["nobody reads this", "nor this"]);
}

/// A console shows all segments of a rotated log, one after the other.
#[test]
fn a_rotated_log_is_shown() {
    let done = Program::new("rotated").run();
    let expected: Vec<_> = (0..20).map(|number| format!("record {number}")).collect();
    let shown = |line: &str| Some(line.split_once("children: ")?.1.to_owned());
    let shown: Vec<_> = done.check().stderr.lines().filter_map(shown).collect();
    assert_eq!(shown, expected);
    assert_eq!(done.messages().iter().filter(|it| it.starts_with("record")).count(), 20);
}

/// A log that another program moves, or removes, goes on being shown.
#[test]
fn a_moved_log_is_shown() {
    let done = Program::new("moved").run();
    let shown = |line: &str| Some(line.split_once("children: ")?.1.to_owned());
    let shown: Vec<_> = done.check().stderr.lines().filter_map(shown).collect();
    assert_eq!(shown, ["record 0", "record 1", "record 2", "record 3"], "{}", done.stderr);
}

/// `exit` without a shutdown waits for the console.
#[test]
fn exit_shows_the_last_record() {
    let done = Program::new("exit").run();
    assert!(done.check().stderr.contains("the last words"), "{}", done.stderr);
}

/// So does a termination signal that is handled.
#[test]
fn a_termination_signal_shows_the_last_record() {
    let done = Program::new("term").run();
    assert_eq!(done.status.signal(), Some(libc::SIGTERM), "{}", done.stderr);
    assert!(done.stderr.contains("the last words"), "{}", done.stderr);
}

/// A child of a fork has no console, and the parent goes on with its own.
#[test]
fn a_fork_shows_nothing_twice() {
    let done = Program::new("fork").run();
    let shown = |line: &str| Some(line.split_once("children: ")?.1.to_owned());
    let shown: Vec<_> = done.check().stderr.lines().filter_map(shown).collect();
    assert_eq!(shown, ["before", "after"], "{}", done.stderr);
}

/// kymo's own warnings, and marks of drops, are shown.
#[test]
fn what_kymo_says_is_shown() {
    let done = Program::new("own").env("KYMO_TEST_FILTER", "info,net=loud").run();
    done.check();
    assert!(done.stderr.contains(" WARN  [kymo] kymo: KYMO_TEST_FILTER: "), "{}", done.stderr);
    assert!(done.stderr.contains(" -- "), "{}", done.stderr);
}

/// A consumer that would sleep for minutes does not with a console.
#[test]
fn a_slow_consumer_is_quick_with_a_console() {
    let (mut child, dir) = Program::new("slow consumer").start();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("soon"), "{line}");
    child.stdin.take().unwrap().write_all(b"seen\n").unwrap();
    done(child, dir).check();
}

/// A console for terminals alone: in a pipe there is none, and no thread.
#[test]
fn no_terminal_no_console() {
    let done = Program::new("none").run();
    assert_eq!(done.check().stderr, "");
    let (status, seen) = Program::new("text").run_on_terminal();
    assert!(status.success() && seen.contains("order 7"), "{seen}");
}
