//! Several processes in one directory of logs: each has one to itself, and none is left over.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use kymo::{Config, Keep, Logger, Rotation, StartErrorKind, info};
use kymo_reader::{Event, Files, Options, Order};

/// One logger at a time in this process.
static TURN: Mutex<()> = Mutex::new(());

const PLACE: &str = "KYMO_JOIN_TEST_PLACE";
const STORY: &str = "KYMO_JOIN_TEST_STORY";

/// In a process of its own: starts a logger, says where it logs, and ends when its input ends.
#[test]
#[ignore = "run by the other tests, as processes of their own"]
fn child() {
    let place = PathBuf::from(std::env::var_os(PLACE).unwrap());
    let builder = Logger::builder(&place).join("app").filter("info");
    let builder = match &*std::env::var(STORY).unwrap() {
        "plain" => builder,
        "rotated" => builder.rotate(Rotation::on_request()).keep(Keep::unlimited()).recover(true),
        "forks" => return forks(&place),
        _ => Logger::builder("elsewhere.kymo").configure(&Config::from_env().unwrap()),
    };
    let logger = builder.start().unwrap();
    println!("{}", logger.path().display());
    info!("process {}", std::process::id());
    kymo::debug!("only if the filter of the parent lets it through");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    logger.shutdown();
}

/// A process that forks workers, each of which starts a logger for itself, as its parent has.
fn forks(place: &Path) {
    let start = || Logger::builder(place).join("app").start().unwrap();
    let logger = start();
    info!("the parent");
    let fork = || {
        // SAFETY: the child starts a logger, logs, and ends.
        match unsafe { libc::fork() } {
            0 => {
                let logger = start();
                info!("a child");
                let path = logger.path().to_owned();
                let code =
                    i32::from(logger.shutdown().written != 1 || path == place.join("app.kymo"));
                // SAFETY: a call without pointers. What the test's process does at its end is not this one's.
                unsafe { libc::_exit(code) }
            }
            child => child,
        }
    };
    let children: Vec<i32> = (0..3).map(|_| fork()).collect();
    for child in children {
        let mut status = -1;
        // SAFETY: valid for a write.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0);
    }
    assert_eq!(logger.shutdown().written, 1);
}

struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    path: PathBuf,
}

fn command(place: &Path, story: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--ignored", "--nocapture", "--quiet"]);
    command.env(PLACE, place).env(STORY, story).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

fn start(mut command: Command) -> Running {
    let mut child = command.spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = output.by_ref().lines();
    let path =
        lines.find_map(|line| Some(PathBuf::from(line.unwrap())).filter(|it| it.is_absolute()));
    Running { input: child.stdin.take(), child, output, path: path.expect("it says where it logs") }
}

impl Running {
    fn name(&self) -> &str {
        self.path.file_name().unwrap().to_str().unwrap()
    }

    fn end(mut self) {
        drop(self.input.take());
        self.output.read_to_string(&mut String::new()).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// How often each message is in the logs of a directory.
fn messages(place: &Path) -> BTreeMap<String, u32> {
    let mut files = Files::open_dir(place, || Options::new().order(Order::Time)).unwrap();
    let mut messages = BTreeMap::new();
    while let Some((_, event)) = files.next_event().unwrap() {
        if let Event::Record(record) = event {
            let mut message = String::new();
            record.message(&mut message);
            *messages.entry(message).or_default() += 1;
        }
    }
    messages
}

/// Processes take the first log that is free; the log of a dead one is.
#[test]
fn processes_take_the_first_free_log() {
    for story in ["plain", "rotated"] {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path();
        let run = || start(command(place, story));
        let (first, second, third) = (run(), run(), run());
        let names = [&first, &second, &third].map(Running::name);
        assert_eq!(names, ["app.kymo", "app-2.kymo", "app-3.kymo"]);
        let mut pids = BTreeSet::from([first.child.id(), third.child.id()]);
        pids.insert(second.child.id());
        second.kill();
        let again = run();
        assert_eq!(again.name(), "app-2.kymo");
        pids.insert(again.child.id());
        first.end();
        let last = run();
        assert_eq!(last.name(), "app.kymo");
        pids.insert(last.child.id());
        [again, third, last].into_iter().for_each(Running::end);
        let found = messages(place);
        // What was killed was committed, or not: it had no ring in a file.
        let expected = pids.iter().map(|pid| format!("process {pid}"));
        let missing = expected.filter(|message| found.get(message) != Some(&1)).count();
        assert!(missing <= 1, "{story}: {found:?}");
        assert!(found.values().all(|times| *times == 1), "{found:?}");
    }
}

/// Workers of a server that forks them before it serves.
#[test]
fn children_of_a_fork_join() {
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path(), "forks").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let found = messages(dir.path());
    assert_eq!(found, BTreeMap::from([("a child".to_owned(), 3), ("the parent".to_owned(), 1)]));
}

/// A child that takes only the environment logs beside its parent, by the parent's filter and settings.
#[test]
fn settings_reach_children() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path();
    let mut config = Config::new();
    config.set("ring_capacity", "64KiB").unwrap();
    config.set("rotate.size", "1MiB").unwrap();
    config.set("rotate.size", "2MiB").unwrap();
    config.set("dir", "/nowhere").unwrap();
    let path = place.join("jobs.kymo");
    let logger = Logger::builder("x.kymo").configure(&config);
    let mut here = Config::new();
    here.set("file", path.to_str().unwrap()).unwrap();
    here.set("dir", place.to_str().unwrap()).unwrap();
    let logger = logger.keep(Keep::unlimited()).configure(&here).start().unwrap();
    logger.set_filter("debug".parse().unwrap());
    let variables = logger.child_environment();
    let expected: [(&str, OsString); 6] = [
        ("KYMO_DIR", place.into()),
        ("KYMO_FILE", path.clone().into()),
        ("KYMO_JOIN", "true".into()),
        ("KYMO_LOG", "debug".into()),
        ("KYMO_RING_CAPACITY", "64KiB".into()),
        ("KYMO_ROTATE_SIZE", "2MiB".into()),
    ];
    assert_eq!(variables, expected);
    let mut command = command(place, "by its environment");
    command.envs(variables).env("KYMO_KEEP_FILES", "100");
    let child = start(command);
    assert_eq!(child.path, place.join("jobs-2.kymo"));
    child.end();
    logger.shutdown();
    assert_eq!(messages(place).get("only if the filter of the parent lets it through"), Some(&1));
    // It is rotated.
    assert!(place.join("jobs-2.kymo").symlink_metadata().unwrap().is_symlink());
}

#[test]
fn wrong_names_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["", ".", "..", "a/b", "/a", "a/", "./a"] {
        let error = Logger::builder(dir.path()).join(name).start().unwrap_err();
        assert!(
            matches!(error.kind(), StartErrorKind::Option { name: "join", .. }),
            "{name:?}: {error}"
        );
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// A name has an extension, or gets one.
#[test]
fn names_get_an_extension() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    for (name, file) in [("app", "app.kymo"), ("app.kymo", "app.kymo"), ("a.b", "a.b.kymo")] {
        let logger = Logger::builder(dir.path()).join(name).overwrite(true).start().unwrap();
        assert_eq!(logger.path(), dir.path().join(file));
        logger.shutdown();
    }
}
