//! Runs the command, and makes the log files that it is run on.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

/// A directory of its own, and the right to run this process's only logger.
pub struct Turn {
    dir: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Turn {
    pub fn take() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Self { dir: tempfile::tempdir().unwrap(), _turn: turn }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file with what `log` logs.
    pub fn logged(&self, name: &str, log: impl FnOnce()) -> PathBuf {
        let path = self.path(name);
        let logger = kymo::Logger::builder(&path).start().unwrap();
        log();
        logger.shutdown();
        path
    }

    /// A file with these bytes.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

pub fn kymo(args: &[&dyn AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kymo"));
    command.args(args).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command
}

/// What a command printed, what it complained about, and its exit code.
#[derive(Debug)]
pub struct Ran {
    pub out: String,
    pub err: String,
    pub code: Option<i32>,
}

pub fn run(args: &[&dyn AsRef<OsStr>]) -> Ran {
    finished(kymo(args).output().unwrap())
}

pub fn cat(file: &Path) -> Ran {
    run(&[&"cat", &file])
}

pub fn finished(output: Output) -> Ran {
    Ran {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code(),
    }
}

impl Ran {
    /// What was printed, all being well.
    #[track_caller]
    pub fn fine(self) -> String {
        assert_eq!((self.err.as_str(), self.code), ("", Some(0)), "{}", self.out);
        self.out
    }

    /// Checks that there is one line of complaint, with all of `parts`, and the exit code.
    #[track_caller]
    pub fn complains(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        assert!(self.err.starts_with("kymo: ") && self.err.ends_with('\n'), "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "no {part:?} in {self:?}");
        }
        assert_eq!(self.code, Some(code), "{self:?}");
    }
}
