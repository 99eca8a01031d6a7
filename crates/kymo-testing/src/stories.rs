//! Tests whose stories child processes tell: each has a directory, and some a file system of their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::namespace::{Mount, mount_for};

/// Set for the child process: the story that it is.
const STORY: &str = "KYMO_STORY";

/// Set for the child process: a directory for it.
const PLACE: &str = "KYMO_PLACE";

/// A test for each story, and the test `child`, which tells it in a process of its own, by a function of the module
/// `story`. Those after `=>` are told to tests that are written elsewhere.
#[macro_export]
macro_rules! stories {
    ($($name:ident $(on $mount:expr)?;)* $(=> $($other:ident),+)?) => {
        $(#[test]
        fn $name() {
            let mounts: &[$crate::namespace::Mount] = &[$($mount)?];
            $crate::stories::tell(module_path!(), stringify!($name), mounts.first().copied());
        })*

        /// Tells the story that the parent process asks for.
        #[test]
        #[ignore = "run by the other tests, in processes of their own"]
        fn child() {
            let Some((story, place)) = $crate::stories::asked_for() else { return };
            match story.as_str() {
                $(stringify!($name) => story::$name(&place),)*
                $($(stringify!($other) => story::$other(&place),)+)?
                other => panic!("no such story: {other}"),
            }
        }
    };
}

/// In the child: the story, and its directory.
pub fn asked_for() -> Option<(String, PathBuf)> {
    let story = std::env::var(STORY).ok()?;
    Some((story, std::env::var_os(PLACE)?.into()))
}

/// The command of the child that tells a story. `module`: that of the test `child`, by its `module_path!()`.
pub fn command(module: &str, story: &str, place: &Path) -> Command {
    // A test's name is its path within its crate.
    let child = match module.split_once("::") {
        Some((_, within)) => format!("{within}::child"),
        None => "child".to_owned(),
    };
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &child, "--ignored", "--nocapture"]);
    command.env(STORY, story).env(PLACE, place).env("RUST_BACKTRACE", "0");
    command
}

/// Runs a story. `None`, and a message, where the system does not let it have its file system.
pub fn run(module: &str, story: &str, mount: Option<Mount>) -> Option<Output> {
    let place = tempfile::tempdir().unwrap();
    let mut command = command(module, story, place.path());
    if let Some(mount) = mount {
        mount_for(&mut command, mount, place.path());
    }
    match command.output() {
        Ok(output) => Some(output),
        Err(error) if mount.is_some() => {
            eprintln!("skipped: no file system of its own: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Runs a story, which has to succeed.
pub fn tell(module: &str, story: &str, mount: Option<Mount>) {
    if let Some(child) = run(module, story, mount) {
        let text = String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success(), "{}: {text}", child.status);
    }
}
