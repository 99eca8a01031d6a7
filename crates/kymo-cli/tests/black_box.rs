//! The example `black_box` crashes; the command that it names shows its last steps.

mod common;

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The signal of `abort`, on Linux.
const SIGABRT: i32 = 6;

/// The last steps before the crash are shown.
#[test]
fn last_steps_before_a_crash_are_shown() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("flight.kymo");
    let output = Command::new(example()).arg(&log).stderr(Stdio::null()).output().unwrap();
    assert_eq!(output.status.signal(), Some(SIGABRT), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(words[..3], ["kymo", "cat", log.to_str().unwrap()]);

    let shown = objects(&words[1..]);
    let steps = steps_of(&shown);
    // Some hundred, as a step takes a millisecond; more where some that were late come at once.
    assert!((2..=500).contains(&steps.len()), "{} steps", steps.len());
    assert!(steps.is_sorted() && steps.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    assert_eq!(steps.last(), Some(&500));
    let position = |test: &dyn Fn(&Value) -> bool| shown.iter().position(test).unwrap();
    let last_step =
        position(&|it| it["message"].as_str().is_some_and(|it| it.starts_with("step 500")));
    let error = position(&|it| it["level"] == "error" && it["message"].is_string());
    let signal = position(&|it| it["event"] == "signal");
    assert!(last_step < error && error < signal, "in their places in time");

    // The recorder had more; and by its reason it was dumped for the error, for the signal, or both.
    let all = objects(&["cat", words[2]]);
    assert_eq!(steps_of(&all).len(), 501, "all steps, each once");
    let reasons: Vec<_> =
        all.iter().filter(|it| it["event"] == "dump").map(|it| &it["reason"]).collect();
    assert!(reasons.iter().all(|reason| *reason == "record" || *reason == "signal"), "{reasons:?}");
}

fn steps_of(shown: &[Value]) -> Vec<u64> {
    shown.iter().filter_map(|it| it["fields"]["step"].as_u64()).collect()
}

fn objects(args: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kymo"));
    let output = command.args(args).args(["--format", "json"]).output().unwrap();
    let printed = common::finished(output).fine();
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn example() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or(env!("CARGO").into()));
    cargo.current_dir(root).args(["build", "--workspace", "--example", "black_box"]);
    cargo.args(["--quiet", "--message-format", "json"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    let messages = String::from_utf8(output.stdout).unwrap();
    let executable = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_it = message["target"]["name"] == "black_box";
        message["executable"].as_str().filter(|_| is_it).map(PathBuf::from)
    });
    executable.expect("an example")
}
