//! Control of a running process by its socket: what it answers, at full rate, to hostile clients, after its end, and in
//! forks.

mod children;
#[path = "../terminal/mod.rs"]
mod terminal;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use kymo::{Keep, Level, Logger, Overflow, Rotation, debug, info, trace};
use kymo_files::socket::{SocketError, connect, path_of};
use kymo_testing::logged::Turn;
use serde_json::{Value, json};
use terminal::{LOG, NAME, Program, messages};

/// Not a test: the program that tests run.
#[test]
#[ignore = "run by the other tests"]
fn child() {
    if let Ok(name) = std::env::var(NAME) {
        children::run(&name, Path::new(&std::env::var(LOG).unwrap()));
    }
}

/// Sends a request, and returns the answer's line.
fn ask_by(mut stream: UnixStream, request: &str) -> String {
    // It may have answered before it has read everything, and be gone.
    let _ = stream.write_all(format!("kymo1 {request}\n").as_bytes());
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

/// Connects. There may be as many connections that wait as may wait.
fn connected(log: &Path) -> UnixStream {
    loop {
        match connect(log) {
            Ok(stream) => return stream,
            Err(SocketError::Busy) => thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn ask(log: &Path, request: &str) -> Value {
    let line = ask_by(connected(log), request);
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

/// The result of a request that is done.
#[track_caller]
fn done(log: &Path, request: &str) -> Value {
    let answer = ask(log, request);
    assert_eq!(answer["ok"], true, "{request}: {answer}");
    answer["result"].clone()
}

/// The kind of error of a request that is not.
#[track_caller]
fn refused(log: &Path, request: &str) -> String {
    let answer = ask(log, request);
    assert_eq!(answer["ok"], false, "{request}: {answer}");
    assert!(!answer["error"]["message"].as_str().unwrap().is_empty());
    answer["error"]["kind"].as_str().unwrap().to_owned()
}

/// The numbers of a status are those of `Logger::stats`.
#[test]
fn a_status_has_the_numbers_of_stats() {
    let turn = Turn::take();
    let logger = turn.builder().filter("debug").control(true).start().unwrap();
    (0..100).for_each(|number| info!("{number}"));
    let work = || {
        debug!("x");
        assert!(kymo::flush());
        // The thread is there while it is asked.
        let status = done(&turn.path, "status");
        let name = "a \"quoted\"\n\u{1b} name";
        let threads = status["threads"].as_array().unwrap();
        assert!(threads.iter().any(|it| it["name"] == name && it["written"] == 1), "{status}");
    };
    thread::scope(|scope| {
        let named = thread::Builder::new().name("a \"quoted\"\n\u{1b} name".into());
        named.spawn_scoped(scope, work).unwrap().join().unwrap();
    });
    assert!(logger.flush());
    let (status, stats) = (done(&turn.path, "status"), logger.stats());
    assert_eq!(status["pid"], std::process::id());
    assert_eq!(status["log"], turn.path.to_str().unwrap());
    assert_eq!((&status["filter"], &status["rotated"]), (&json!("debug"), &json!(false)));
    assert_eq!(status["written"], stats.total.written());
    assert_eq!(status["written_by_level"]["info"], stats.total.written_at(Level::Info));
    assert_eq!(status["dropped"], 0);
    // Clocks are compared, and ended threads are forgotten, meanwhile.
    assert!(status["file_bytes"].as_u64().unwrap() <= stats.file_bytes, "{status}");
    assert!(status["thread_count"].as_u64().unwrap() >= stats.threads.len() as u64, "{status}");
    drop(logger);
}

/// A filter is set, for good and for a while, and shown.
#[test]
fn a_filter_is_changed() {
    let turn = Turn::take();
    let logger = turn.builder().filter("info").control(true).start().unwrap();
    debug!(target: "net", "not yet");
    let set = done(&turn.path, "filter - info,net=debug");
    assert_eq!(set, json!({"filter": "info,net=debug"}));
    assert_eq!(logger.filter().to_string(), "info,net=debug");
    debug!(target: "net", "now");
    let set = done(&turn.path, "filter 3600000 trace");
    assert_eq!(set["filter"], "trace");
    let rest = set["filter_ends_in_seconds"].as_f64().unwrap();
    assert!(rest > 0.0 && rest <= 3600.0, "{rest}");
    trace!("for a while");
    done(&turn.path, "filter 1 trace");
    while logger.filter().to_string() != "info,net=debug" {
        thread::yield_now();
    }
    assert_eq!(done(&turn.path, "filter"), json!({"filter": "info,net=debug"}));
    trace!("no more");
    let more = done(&turn.path, "filter - +net=warn,db=trace");
    assert_eq!(more["filter"], "info,net=warn,db=trace");
    drop(logger);
    let log = turn.read();
    // Who looks at the log later sees what was changed from outside.
    let said: Vec<_> = log.warnings.iter().map(|it| it.message.as_str()).collect();
    let changes = [
        "the filter is now info,net=debug, by command",
        "the filter is now trace for 3600s, by command",
        "the filter is now trace for 1ms, by command",
        "the filter is now info,net=debug, by command",
        "the filter is now info,net=warn,db=trace, by command",
    ];
    assert_eq!(said, changes);
    assert_eq!(log.messages(), ["now", "for a while"]);
}

/// A flush is of all threads, and leaves nothing in a ring.
#[test]
fn a_flush_is_of_all_threads() {
    let turn = Turn::take();
    let logger = turn.builder().overflow(Overflow::Wait { timeout: None }).control(true).start();
    let logger = logger.unwrap();
    for round in 1..=5 {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5_000).for_each(|number| info!("{number}")));
            }
        });
        let flushed = done(&turn.path, "flush");
        assert_eq!((&flushed["written"], &flushed["dropped"]), (&json!(round * 20_000), &json!(0)));
        assert_eq!(turn.read().records.len(), round * 20_000);
    }
    drop(logger);
}

/// What a log does not have is refused, and what it has is done.
#[test]
fn rotate_and_dump() {
    let turn = Turn::take();
    let logger = turn.builder().control(true).start().unwrap();
    assert_eq!(refused(&turn.path, "rotate"), "unsupported");
    assert_eq!(refused(&turn.path, "dump"), "unsupported");
    drop(logger);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let logger = Logger::builder(&path)
        .rotate(Rotation::on_request())
        .keep(Keep::unlimited())
        .flight_recorder(Level::Debug, 1 << 16)
        .control(true)
        .start()
        .unwrap();
    info!("first segment");
    (0..3).for_each(|number| debug!("{number}"));
    assert_eq!(done(&path, "dump"), json!({"records": 3}));
    assert_eq!(done(&path, "rotate"), json!({"segments": 2}));
    info!("second segment");
    assert_eq!(done(&path, "status")["segments"]["begun"], 2);
    drop(logger);
    assert!(matches!(connect(&path), Err(SocketError::Missing)));
}

/// Each bad request has an answer that says what is wrong.
#[test]
fn bad_requests_are_answered() {
    let turn = Turn::take();
    let logger = turn.builder().filter("info").control(true).start().unwrap();
    for bad in [
        "",
        "shutdown",
        "status now",
        " status",
        "STATUS",
        "filter -",
        "filter soon info",
        "filter -5 info",
        "filter 99999999999999999999999999 info",
        "filter - net=loud",
        "filter - +net=loud",
        "filter - +",
        "filter - \u{1b}[31m",
        "flush flush",
        &"x".repeat(5_000),
        &format!("filter - {}", "a=info,".repeat(1_000)),
    ] {
        assert_eq!(refused(&turn.path, bad), "bad_request", "{bad}");
    }
    let raw = |bytes: &[u8]| {
        let mut stream = connected(&turn.path);
        let _ = stream.write_all(bytes);
        let mut line = String::new();
        let _ = BufReader::new(stream).read_line(&mut line);
        serde_json::from_str::<Value>(&line).unwrap()["error"]["kind"].clone()
    };
    for bytes in [&b"\n"[..], b"kymo2 status\n", b"GET / HTTP/1.1\r\n\r\n", b"kymo1 \xff\xfe\n"] {
        assert_eq!(raw(bytes), "bad_request", "{bytes:?}");
    }
    // Random bytes, with a line's end somewhere.
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..200 {
        let mut bytes: Vec<u8> = (0..random.usize(0..6_000)).map(|_| random.u8(..)).collect();
        bytes.push(b'\n');
        assert_eq!(raw(&bytes), "bad_request");
    }
    assert_eq!(logger.filter().to_string(), "info");
    drop(logger);
}

/// Clients that say nothing, half a line, or never read, are many: others get their answers.
#[test]
fn hostile_clients_cost_their_own_connections() {
    let turn = Turn::take();
    let logger = turn.builder().control(true).start().unwrap();
    let mut held = Vec::new();
    for number in 0..300 {
        let mut stream = connected(&turn.path);
        let _ = match number % 3 {
            0 => Ok(()),
            1 => stream.write_all(b"kymo1 sta"),
            // Answered, and never read.
            _ => stream.write_all(b"kymo1 status\n"),
        };
        held.push(stream);
        if number % 20 == 19 {
            let answer = ask_by(connected(&turn.path), "status");
            assert!(answer.starts_with("{\"ok\":true,"), "{answer}");
        }
    }
    // The silent ones are told, sooner or later.
    let silent = held.into_iter().next().unwrap();
    let mut told = String::new();
    let _ = BufReader::new(silent).read_to_string(&mut told);
    assert!(
        told.contains("\"kind\":\"busy\"") || told.contains("\"kind\":\"bad_request\""),
        "{told}"
    );
    assert_eq!(done(&turn.path, "flush")["dropped"], 0);
    // The end does not wait for those who are there.
    let _late = connected(&turn.path);
    drop(logger);
}

/// Commands while threads log at full rate, through rotations: each is answered, and each record is there once.
#[test]
fn commands_at_full_rate() {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.kymo");
    let logger = Logger::builder(&path)
        .rotate(Rotation::on_request())
        .keep(Keep::unlimited())
        .overflow(Overflow::Wait { timeout: None })
        .flight_recorder(Level::Trace, 1 << 16)
        .filter("debug")
        .control(true)
        .start()
        .unwrap();
    let (stop, logged) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut count = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    info!("{count}");
                    count += 1;
                }
                logged.fetch_add(count, Ordering::Relaxed);
            });
        }
        for round in 0..6 {
            let commands = ["status", "filter", "filter 60000 debug", "flush", "status"];
            commands.iter().for_each(|command| drop(done(&path, command)));
            if round % 2 == 1 {
                done(&path, "rotate");
            }
            done(&path, "dump");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(done(&path, "flush")["written"], logged.load(Ordering::Relaxed));
    let report = logger.shutdown();
    assert_eq!((report.written, report.dropped), (logged.load(Ordering::Relaxed), 0));
    let own = |message: &&String| message.parse::<u64>().is_ok();
    assert_eq!(messages(&path).iter().filter(own).count() as u64, report.written);
}

/// Starts a program, and waits until it says something.
fn started(name: &str) -> (Child, tempfile::TempDir, PathBuf, String) {
    let (mut child, dir) = Program::new(name).start();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = lines.find_map(|line| Some(line.unwrap().strip_prefix("said ")?.to_owned()));
    let path = dir.path().join("app.kymo");
    (child, dir, path, said.expect("it ended"))
}

/// A process that was killed leaves its socket, on which nobody listens. The next one replaces it.
#[test]
fn a_killed_process_leaves_a_socket_that_is_replaced() {
    let _turn = Turn::take();
    let (mut child, _dir, path, _) = started("runs");
    assert_eq!(done(&path, "status")["pid"], child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(path_of(&path).symlink_metadata().is_ok());
    assert!(matches!(connect(&path), Err(SocketError::Dead)));
    let logger = Logger::builder(&path).control(true).start().unwrap();
    assert_eq!(done(&path, "status")["pid"], std::process::id());
    drop(logger);
    assert!(path_of(&path).symlink_metadata().is_err());
}

/// The child of a fork neither answers nor removes the socket, and does not seem to listen after its parent's end. Nor
/// does a command that the process has started.
#[test]
fn children_have_nothing_of_the_socket() {
    let _turn = Turn::take();
    for name in ["forks", "executes"] {
        let (mut child, _dir, path, said) = started(name);
        let grandchild: i32 = said.parse().unwrap();
        assert_eq!(done(&path, "status")["pid"], child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(matches!(connect(&path), Err(SocketError::Dead)), "{name}");
        let logger = Logger::builder(&path).control(true).start().unwrap();
        assert_eq!(done(&path, "status")["pid"], std::process::id());
        drop(logger);
        // SAFETY: a call without pointers.
        unsafe { libc::kill(grandchild, libc::SIGKILL) };
    }
}

/// What else has the socket's name stays, and `start` says so, before it has made a log.
#[test]
fn something_else_of_its_name_is_an_error() {
    let turn = Turn::take();
    std::fs::write(path_of(&turn.path), "precious").unwrap();
    let error = turn.builder().control(true).start().unwrap_err().to_string();
    assert!(error.contains(".kymo.ctl: it is no socket"), "{error}");
    assert!(!turn.path.exists());
    assert_eq!(std::fs::read_to_string(path_of(&turn.path)).unwrap(), "precious");
    std::fs::remove_file(path_of(&turn.path)).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(path_of(&turn.path)).unwrap();
    let error = turn.builder().control(true).start().unwrap_err().to_string();
    assert!(error.contains("another process listens there"), "{error}");
    drop(listener);
    drop(turn.builder().control(true).start().unwrap());
}

/// Runs a program as another user, who may read its executable. `None`: this user cannot do that.
fn as_other(name: &str, log: &Path) -> Option<String> {
    // SAFETY: a call without pointers.
    if unsafe { libc::geteuid() } != 0 {
        return None;
    }
    let mut program = Program::new(name);
    program.command.uid(65_534).gid(65_534).env(LOG, log);
    let output = program.command.output().ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().find_map(|line| line.strip_prefix("said ")).expect(&text).to_owned())
}

/// Another user has no answer: the socket's permissions forbid it, and if they did not, its process would.
#[test]
fn other_users_are_refused() {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(dir.path(), 0o755);
    let path = dir.path().join("app.kymo");
    let logger = Logger::builder(&path).control(true).start().unwrap();
    if let Some(said) = as_other("asks", &path) {
        assert!(said.contains("Permission denied"), "{said}");
        mode(&path_of(&path), 0o666);
        let said = as_other("asks", &path).unwrap();
        assert!(said.contains("\"kind\":\"denied\""), "{said}");
    }
    drop(logger);
}

/// In a directory that cannot be written to there is no socket, and `start` says which it could not make.
#[test]
fn a_read_only_directory_is_an_error() {
    let _turn = Turn::take();
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let path = dir.path().join("app.kymo");
    std::os::unix::fs::symlink(elsewhere.path().join("app.kymo"), &path).unwrap();
    mode(elsewhere.path(), 0o777);
    mode(dir.path(), 0o555);
    let said = as_other("starts", &path).unwrap_or_else(|| {
        Logger::builder(&path)
            .control(true)
            .start()
            .map_or_else(|it| it.to_string(), |_| "started".into())
    });
    mode(dir.path(), 0o755);
    assert!(said.contains("app.kymo.ctl: Permission denied"), "{said}");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}
