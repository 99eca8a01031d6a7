//! One line in `main`: where the log is, what the terminal shows, and what an operator says by variables. Each program
//! is this one, run again.

#[path = "../terminal/mod.rs"]
mod terminal;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use kymo::{InitErrorKind, StartErrorKind};
use terminal::{Done, NAME, Program, done, messages};

/// Not a test: the program that tests run.
#[test]
#[ignore = "run by the other tests"]
fn child() {
    let Ok(name) = std::env::var(NAME) else { return };
    match &*name {
        "twice" => {
            let _kymo = kymo::init().unwrap();
            let error = kymo::init().unwrap_err();
            let InitErrorKind::Start(error) = error.kind() else { panic!("{error}") };
            assert!(matches!(error.kind(), StartErrorKind::AlreadyRunning), "{error}");
        }
        "fails" => {
            println!("said {:?}", kymo::init().unwrap_err());
        }
        "panics" => {
            let _kymo = kymo::init().unwrap();
            panic!("no more {}", "coffee");
        }
        "term" => {
            std::mem::forget(kymo::init().unwrap());
            kymo::info!("the last words");
            // SAFETY: a call without pointers.
            unsafe { libc::raise(libc::SIGTERM) };
            loop {
                std::thread::park();
            }
        }
        "until told" => {
            let hangup = std::env::var_os("KYMO_ON_HANGUP").is_some();
            std::mem::forget(kymo::init().unwrap());
            kymo::info!("hangups are handled: {hangup}");
            loop {
                std::thread::park();
            }
        }
        "goes on" => {
            // SAFETY: as `nohup` does.
            unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
            let logger = kymo::init().unwrap();
            kymo::info!("with a terminal");
            let _ = std::io::stdin().read(&mut [0]);
            for number in 0..100 {
                kymo::info!("without one, {number}");
                assert!(kymo::flush());
            }
            assert!(logger.shutdown().written >= 101);
        }
        "waits" => {
            let logger = kymo::init().unwrap();
            kymo::info!("one of two");
            println!("said {}", logger.path().display());
            std::io::stdout().flush().unwrap();
            let _ = std::io::stdin().read(&mut [0]);
        }
        _ => {
            let logger = kymo::init().unwrap();
            kymo::info!(target: "shop", "order {}", 7);
            kymo::debug!(target: "shop", "details");
            log::info!(target: "library", "a library logs");
            tracing::info!(target: "library", "a library traces");
            println!("said {}", logger.path().display());
        }
    }
}

/// The name of this program, and so of its log.
fn log_name() -> String {
    let name = std::env::current_exe().unwrap();
    format!("{}.kymo", name.file_stem().unwrap().to_str().unwrap())
}

/// A program whose log is in its directory.
fn program(name: &str) -> Program {
    let program = Program::new(name);
    let dir = program.dir.path().to_str().unwrap().to_owned();
    program.env("KYMO_DIR", &dir)
}

/// What a program's log has.
fn logged(done: &Done) -> Vec<String> {
    messages(&done.path.with_file_name(log_name()))
}

#[test]
fn one_line_logs_to_a_file() {
    let done = program("plain").run();
    assert_eq!(logged(done.check()), ["order 7", "a library logs", "a library traces"]);
    let path = done.path.with_file_name(log_name());
    assert_eq!(done.said(), [format!("said {}", path.display())]);
    // Not on a terminal: it is silent.
    assert_eq!(done.stderr, "");
}

/// A terminal shows what is logged, in colours; `KYMO_CONSOLE=off` turns that off.
#[test]
fn a_terminal_shows_it() {
    let (status, seen) = program("plain").run_on_terminal();
    assert!(status.success(), "{seen}");
    assert!(seen.contains("\u{1b}[32mINFO \u{1b}[0m [child] shop: order 7\n"), "{seen:?}");
    assert!(!seen.contains("details"));
    let (status, seen) = program("plain").env("KYMO_CONSOLE", "off").run_on_terminal();
    assert!(status.success() && seen.is_empty(), "{seen:?}");
}

/// `KYMO_CONSOLE=json`: JSON on standard output, terminal or not.
#[test]
fn json_for_containers() {
    let done = program("plain").env("KYMO_CONSOLE", "json").run();
    let lines = done.check().said();
    let json: Vec<serde_json::Value> =
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(json.len(), 3, "{}", done.stdout);
    assert_eq!(json[0]["message"], "order 7");
}

/// `KYMO_LOG` is the filter, `RUST_LOG` if that is not set. What is wrong in it is a warning in the log.
#[test]
fn variables_are_the_filter() {
    let details = |program: Program| {
        let done = program.run();
        logged(done.check()).iter().any(|message| message == "details")
    };
    assert!(details(program("plain").env("KYMO_LOG", "debug")));
    assert!(details(program("plain").env("RUST_LOG", "shop=debug")));
    assert!(!details(program("plain").env("KYMO_LOG", "info").env("RUST_LOG", "debug")));
    let done = program("plain").env("KYMO_LOG", "info,shop=loud").run();
    let messages = logged(done.check());
    assert!(messages.iter().any(|message| message.starts_with("KYMO_LOG: ")), "{messages:?}");
}

/// Without `KYMO_DIR`: the directory of the XDG specification, or that of systemd.
#[test]
fn the_directory_is_that_of_the_system() {
    let run = |variable: &str, inside: &str| {
        let program = Program::new("plain");
        let dir = program.dir.path().join("made");
        let done = program.env(variable, dir.to_str().unwrap()).run();
        let path = dir.join(inside).join(log_name());
        assert_eq!(done.check().said(), [format!("said {}", path.display())]);
        assert_eq!(messages(&path).len(), 3);
    };
    let name = log_name();
    let name = name.strip_suffix(".kymo").unwrap();
    run("XDG_STATE_HOME", name);
    run("HOME", &format!(".local/state/{name}"));
    run("LOGS_DIRECTORY", "");
    run("STATE_DIRECTORY", "");
}

/// Two instances of one tool both start, and each has its log.
#[test]
fn two_instances_both_log() {
    let start = |program: Program| {
        let (mut child, dir) = program.start();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("said ") {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it ended");
        }
        (child, dir, stdout, PathBuf::from(line["said ".len()..].trim()))
    };
    let shared = tempfile::tempdir().unwrap();
    let dir = shared.path().to_str().unwrap();
    let first = start(Program::new("waits").env("KYMO_DIR", dir));
    let second = start(Program::new("waits").env("KYMO_DIR", dir));
    let second_name = log_name().replace(".kymo", "-2.kymo");
    assert_eq!(first.3, shared.path().join(log_name()));
    assert_eq!(second.3, shared.path().join(second_name));
    for (mut child, dir, mut stdout, path) in [first, second] {
        drop(child.stdin.take());
        stdout.read_to_string(&mut String::new()).unwrap();
        done(child, dir).check();
        assert_eq!(messages(&path), ["one of two"]);
    }
}

#[test]
fn a_second_init_is_an_error() {
    program("twice").run().check();
}

/// Errors say what to set, also as `main` prints them.
#[test]
fn errors_say_what_to_set() {
    let said = |program: Program| {
        let done = program.run();
        let said = done.check().said();
        said[0]["said ".len()..].to_owned()
    };
    let mut homeless = Program::new("fails");
    homeless.command.env_remove("HOME");
    assert!(said(homeless).contains("Set KYMO_DIR"));
    let said_of = |home: &str| said(Program::new("fails").env("HOME", home));
    let text = said_of("/dev/null");
    assert!(text.contains("/dev/null/.local/state") && text.contains("Set KYMO_DIR"), "{text}");
    // The advice names what was set.
    let text = said(program("fails").env("KYMO_CRASH_PROOF", "/dev/null/no"));
    assert!(text.contains("Set KYMO_CRASH_PROOF") && !text.contains("KYMO_DIR"), "{text}");
    let text = said(Program::new("fails").env("KYMO_FILE", "/dev/null/no.kymo"));
    assert!(text.contains("Set KYMO_FILE") && !text.contains("KYMO_DIR"), "{text}");
    for nameless in ["/", "."] {
        let text = said(Program::new("fails").env("KYMO_FILE", nameless));
        let advice = "choose the path of the log, with its name";
        assert_eq!(text, format!("KYMO_FILE: {nameless:?}: {advice}"));
    }
    let text = said(Program::new("fails").env("KYMO_DIR", "/dev/null/\u{1b}[31m"));
    assert!(text.contains("/dev/null/\\u{1b}[31m") && !text.contains('\u{1b}'), "{text}");
    let text = said(program("fails").env("KYMO_ROTAT_SIZE", "1GiB"));
    let expected = "KYMO_ROTAT_SIZE: there is no such key: do you mean `KYMO_ROTATE_SIZE`?";
    assert_eq!(text, expected);
    let text = said(program("fails").env("KYMO_CONSOLE", "loud"));
    assert_eq!(text, "KYMO_CONSOLE: \"loud\": choose off, auto, text, json or logfmt");
}

/// A file that `KYMO_CONFIG` names; a variable counts more.
#[test]
fn a_file_and_variables() {
    let program = program("plain");
    let file = program.dir.path().join("kymo.toml");
    std::fs::write(&file, "[console]\nformat = \"logfmt\"\nlevel = \"info\"\n").unwrap();
    let done = program.env("KYMO_CONFIG", file.to_str().unwrap()).env("KYMO_LOG", "debug").run();
    assert!(done.check().stdout.contains("message=\"order 7\""), "{}", done.stdout);
    assert!(!done.stdout.contains("details"), "{}", done.stdout);
    assert!(logged(&done).iter().any(|message| message == "details"));
}

/// A filter that is not UTF-8 is a warning in the log, and the default counts.
#[test]
fn a_filter_that_is_not_utf8() {
    let mut program = program("plain");
    program.command.env("KYMO_LOG", OsStr::from_bytes(b"\xFF"));
    let done = program.run();
    let messages = logged(done.check());
    let is_warning = |it: &&String| it.starts_with("KYMO_LOG: ") && it.contains("not UTF-8");
    assert_eq!(messages.iter().filter(is_warning).count(), 1, "{messages:?}");
    assert!(messages.iter().any(|message| message == "order 7"), "{messages:?}");
}

/// A directory whose name is not UTF-8 is that directory, and no other.
#[test]
fn a_directory_that_is_not_utf8() {
    for variable in ["KYMO_DIR", "LOGS_DIRECTORY"] {
        let mut program = Program::new("plain");
        let dir = program.dir.path().join(OsStr::from_bytes(b"caf\xE9"));
        program.command.env(variable, &dir);
        let done = program.run();
        done.check();
        assert_eq!(messages(&dir.join(log_name())).len(), 3, "{variable}");
    }
}

#[test]
fn a_panic_is_logged() {
    let done = program("panics").run();
    assert!(!done.status.success());
    let messages = logged(&done);
    assert!(messages.iter().any(|message| message.contains("no more coffee")), "{messages:?}");
}

#[test]
fn a_termination_signal_loses_nothing() {
    let done = program("term").run();
    assert_eq!(done.status.signal(), Some(libc::SIGTERM), "{}", done.stderr);
    assert_eq!(logged(&done), ["the last words"]);
}

/// Reads from a terminal until it has shown this.
fn wait_for(terminal: &mut std::fs::File, text: &str) -> String {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(text) {
        let mut byte = [0];
        assert_eq!(terminal.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&seen));
        seen.extend(byte);
    }
    String::from_utf8_lossy(&seen).into_owned()
}

/// Ctrl-C on a terminal, and a terminal that is closed: what was logged is in the file, and shown before.
#[test]
fn a_terminal_that_interrupts_or_is_closed_loses_nothing() {
    let (mut child, mut terminal, dir) = program("until told").start_in_session();
    let seen = wait_for(&mut terminal, "hangups are handled: false");
    assert!(seen.contains("INFO"), "{seen:?}");
    terminal.write_all(&[3]).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGINT));
    assert_eq!(messages(&dir.path().join(log_name())), ["hangups are handled: false"]);

    let program = program("until told").env("KYMO_ON_HANGUP", "60s");
    let (mut child, mut terminal, dir) = program.start_in_session();
    wait_for(&mut terminal, "hangups are handled: true");
    drop(terminal);
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGHUP));
    assert_eq!(messages(&dir.path().join(log_name())), ["hangups are handled: true"]);
}

/// A program that outlives its terminal (`nohup`) goes on logging to its file.
#[test]
fn a_program_outlives_its_terminal() {
    let (mut child, mut terminal, dir) = program("goes on").start_in_session();
    wait_for(&mut terminal, "with a terminal");
    drop(terminal);
    // It goes on when its input ends.
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    let found = messages(&dir.path().join(log_name()));
    assert_eq!(found.len(), 101, "{found:?}");
    assert_eq!(found[100], "without one, 99");
}

/// The log of a program is a rotated one: its path is a link to the current segment.
#[test]
fn the_log_has_segments() {
    let done = program("plain").run();
    let path = done.check().path.with_file_name(log_name());
    let target = std::fs::read_link(&path).unwrap();
    assert!(target.to_str().unwrap().contains(".000001."), "{target:?}");
    assert!(Path::new(&target).is_relative());
}
