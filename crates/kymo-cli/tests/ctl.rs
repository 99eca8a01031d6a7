//! `kymo ctl`: what it asks a running process, and what it says if nobody answers, or something else does.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::thread;

use common::{Turn, run};
use kymo::{Level, Logger, Rotation, debug, info, warn};
use serde_json::Value;

fn socket(log: &std::path::Path) -> std::path::PathBuf {
    let mut path = log.to_owned();
    path.as_mut_os_string().push(".ctl");
    path
}

/// Every command, as text and as JSON.
#[test]
fn commands_do_what_they_say() {
    let turn = Turn::take();
    let log = turn.path("app.kymo");
    let logger = Logger::builder(&log)
        .rotate(Rotation::on_request())
        .keep(kymo::Keep::unlimited())
        .flight_recorder(Level::Debug, 1 << 16)
        .filter("debug")
        .control(true)
        .start()
        .unwrap();
    warn!("one");
    info!("two");
    debug!("recorded");
    let text = run(&[&"ctl", &log, &"flush"]).fine();
    assert_eq!(text, "2 records written, 0 dropped\n");
    let text = run(&[&"ctl", &log, &"status"]).fine();
    for line in [
        format!("process   {}\n", std::process::id()),
        format!("log       {}, ", log.display()),
        "filter    debug\n".to_owned(),
        "written   2 (warn 1, info 1)\n".to_owned(),
        "dropped   0\n".to_owned(),
        "errors    none\n".to_owned(),
    ] {
        assert!(text.contains(&line), "{line:?} is not in\n{text}");
    }
    assert_eq!(run(&[&"ctl", &log, &"dump"]).fine(), "1 records dumped\n");
    assert_eq!(run(&[&"ctl", &log, &"rotate"]).fine(), "segment 2 begun\n");
    assert_eq!(run(&[&"ctl", &log, &"filter", &"info,net=debug"]).fine(), "info,net=debug\n");
    let text = run(&[&"ctl", &log, &"filter", &"+net=trace", &"--for", &"1h"]).fine();
    assert!(text.starts_with("info,net=trace (for 3"), "{text}");
    assert!(run(&[&"ctl", &log, &"filter"]).fine().starts_with("info,net=trace (for 3"));
    let json = run(&[&"ctl", &log, &"status", &"--json"]).fine();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["ok"], &json["result"]["rotated"]), (&true.into(), &true.into()));
    run(&[&"ctl", &log, &"filter", &"net=loud"]).complains(2, &["net=loud"]);
    for (wrong, says) in
        [(vec!["--for", "5m"], "DIRECTIVES"), (vec!["info", "--for", "soon"], "1h30m")]
    {
        let arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = [&"ctl" as _, &log as _, &"filter" as _]
            .into_iter()
            .chain(wrong.iter().map(|it| it as _))
            .collect();
        let refused = run(&arguments);
        assert_eq!(refused.code, Some(2));
        assert!(refused.err.contains(says), "{refused:?}");
    }
    let refused = run(&[&"ctl", &log, &"filter", &"a=\u{1b}", &"--json"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.out.contains("\"kind\":\"bad_request\""), "{refused:?}");
    drop(logger);
    run(&[&"ctl", &log, &"status"]).complains(1, &["there is no such socket", "Builder::control"]);
}

/// A log that cannot do something says so.
#[test]
fn what_a_log_lacks_is_said() {
    let turn = Turn::take();
    let log = turn.path("app.kymo");
    let logger = Logger::builder(&log).control(true).start().unwrap();
    run(&[&"ctl", &log, &"rotate"]).complains(2, &["Builder::rotate"]);
    run(&[&"ctl", &log, &"dump"]).complains(2, &["Builder::flight_recorder"]);
    drop(logger);
}

/// Sockets of dead processes, other files, and processes that do not answer.
#[test]
fn who_does_not_answer_is_told_apart() {
    let turn = Turn::take();
    let log = turn.path("app.kymo");
    let ask = |more: &str| run(&[&"ctl", &log, &"status", &"--timeout", &more]);
    let none = ["app.kymo.ctl: there is no such socket", "does the program run"];
    ask("10s").complains(1, &none);
    drop(UnixListener::bind(socket(&log)).unwrap());
    ask("10s").complains(1, &["nobody listens: its process has ended"]);
    std::fs::remove_file(socket(&log)).unwrap();
    turn.file("app.kymo.ctl", b"no socket");
    ask("10s").complains(2, &["it is no socket"]);
    std::fs::remove_file(socket(&log)).unwrap();
    let listener = UnixListener::bind(socket(&log)).unwrap();
    // Nobody accepts: as a process that is stopped.
    ask("20ms").complains(2, &["no answer within 20ms: is it stopped?"]);
    drop(listener);
}

/// Whatever answers: no control characters reach the terminal, and memory is bounded.
#[test]
fn hostile_answers_do_no_harm() {
    let turn = Turn::take();
    let log = turn.path("app.kymo");
    let listener = UnixListener::bind(socket(&log)).unwrap();
    let hostile = "\u{1b}[31m\u{202e}";
    let answers: Vec<(String, i32)> = vec![
        (format!("{{\"ok\":true,\"result\":{{\"log\":{hostile:?},\"filter\":\"{hostile}\"}}}}\n"), 2),
        ("{\"ok\":true,\"result\":{\"log\":\"\\u001b[31m\\u202e\",\"sinks\":[{\"name\":\"\\u001b\"}]}}\n".into(), 0),
        ("{\"ok\":false,\"error\":{\"message\":\"\\u001b[31m\"}}\n".into(), 2),
        ("{\"ok\":true,\"result\":{\"threads\":[1,null,{}],\"written_by_level\":7}}\n".into(), 0),
        ("[]\n".into(), 2),
        ("no json\n".into(), 2),
        ("\n".into(), 2),
        (String::new(), 2),
        ("x".repeat(2 << 20), 2),
    ];
    let mut texts = Vec::new();
    for (answer, code) in answers {
        thread::scope(|scope| {
            scope.spawn(|| {
                // The connection to see whether somebody listens, or the request.
                let (mut stream, _) = listener.accept().unwrap();
                let _ = BufReader::new(&stream).read_line(&mut String::new());
                let _ = stream.write_all(answer.as_bytes());
            });
            let ran = run(&[&"ctl", &log, &"status"]);
            assert_eq!(ran.code, Some(code), "{answer:.80?}: {ran:?}");
            texts.push(ran.out + &ran.err);
        });
    }
    let is_hostile = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    assert!(!texts.concat().contains(is_hostile), "{texts:?}");
}
