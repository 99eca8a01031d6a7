//! Programs of tests, in pipes and on terminals. Each is the test's own, run again: its test `child` runs what the
//! variable [`NAME`] names.
#![allow(dead_code, reason = "each test uses a part")]

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use kymo_reader::{Event, Files, Options};

/// Which program a child is.
pub const NAME: &str = "KYMO_TEST_CHILD";
/// The path of its log.
pub const LOG: &str = "KYMO_TEST_LOG";

/// What a child does not have from its parent, beside variables of kymo.
const VARIABLES: [&str; 7] = [
    "NO_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "RUST_LOG",
    "XDG_STATE_HOME",
    "LOGS_DIRECTORY",
    "STATE_DIRECTORY",
];

/// A program that is about to be run, and its directory.
pub struct Program {
    pub command: Command,
    pub dir: tempfile::TempDir,
}

/// What became of it.
pub struct Done {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Program {
    pub fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "child", "--nocapture", "-q", "--test-threads=2"]);
        let kymos = std::env::vars_os().map(|(name, _)| name);
        let kymos = kymos.filter(|name| name.to_string_lossy().starts_with("KYMO_"));
        for name in kymos.chain(VARIABLES.map(Into::into)) {
            command.env_remove(name);
        }
        command.env(NAME, name).env(LOG, dir.path().join("app.kymo"));
        command.env("TERM", "xterm");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, dir }
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it. Its directory is removed with what this returns.
    pub fn start(mut self) -> (Child, tempfile::TempDir) {
        (self.command.spawn().unwrap(), self.dir)
    }

    /// Runs it to its end.
    pub fn run(self) -> Done {
        let (child, dir) = self.start();
        done(child, dir)
    }

    /// Runs it with a terminal as its standard error. Returns what that showed.
    pub fn run_on_terminal(mut self) -> (ExitStatus, String) {
        let (ours, theirs) = terminal();
        self.command.stderr(theirs);
        let mut child = self.command.spawn().unwrap();
        // Ours would keep the terminal open.
        drop(self.command);
        let mut seen = Vec::new();
        // It ends with an error when nobody has the other side any more.
        let _ = File::from(ours).read_to_end(&mut seen);
        let status = child.wait().unwrap();
        (status, String::from_utf8(seen).unwrap().replace("\r\n", "\n"))
    }
}

impl Program {
    /// Starts it as the leader of a session whose terminal its standard error is. Returns our side of that.
    pub fn start_in_session(mut self) -> (Child, File, tempfile::TempDir) {
        use std::os::unix::process::CommandExt;
        let (ours, theirs) = terminal();
        self.command.stderr(theirs);
        let take_terminal = || {
            // Whoever runs the tests may have them ignored: `nohup`, or a shell in the background.
            for signal in [libc::SIGHUP, libc::SIGINT] {
                // SAFETY: the default action of a signal.
                unsafe { libc::signal(signal, libc::SIG_DFL) };
            }
            // SAFETY: a call without pointers, which a child of a fork may make.
            let leads = unsafe { libc::setsid() } >= 0;
            // SAFETY: as above.
            let taken = leads && unsafe { libc::ioctl(2, libc::TIOCSCTTY, 0) } == 0;
            if taken { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        };
        // SAFETY: it makes system calls only.
        unsafe { self.command.pre_exec(take_terminal) };
        let child = self.command.spawn().unwrap();
        // Theirs, which would keep the terminal open.
        drop(self.command);
        (child, File::from(ours), self.dir)
    }
}

/// Both sides of a terminal.
fn terminal() -> (OwnedFd, OwnedFd) {
    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let theirs = rustix::fs::open(name, flags, Mode::empty()).unwrap();
    (ours, theirs)
}

pub fn done(child: Child, dir: tempfile::TempDir) -> Done {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    Done { status: output.status, stdout, stderr, path: dir.path().join("app.kymo"), _dir: dir }
}

impl Done {
    #[track_caller]
    pub fn check(&self) -> &Self {
        assert!(self.status.success(), "{}\n{}\n{}", self.status, self.stdout, self.stderr);
        self
    }

    /// What it wrote of its own to standard output, and not the test harness.
    pub fn said(&self) -> Vec<&str> {
        self.stdout.lines().filter(|line| line.starts_with(['{', 's'])).collect()
    }

    pub fn messages(&self) -> Vec<String> {
        messages(&self.path)
    }
}

/// In a program: logs before a fork, in the child, which ends, and after that.
pub fn log_around_fork(logger: kymo::Logger) -> kymo::Report {
    kymo::info!(target: "children", "before");
    assert!(kymo::flush());
    // SAFETY: the child calls what a logger without threads calls, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        kymo::info!(target: "children", "in the child");
        drop(logger);
        // SAFETY: always.
        unsafe { libc::_exit(0) };
    }
    // SAFETY: a null pointer is allowed.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    kymo::info!(target: "children", "after");
    logger.shutdown()
}

/// The messages that are in a log.
pub fn messages(path: &Path) -> Vec<String> {
    let mut files = Files::open([path], Options::new).unwrap();
    let mut messages = Vec::new();
    while let Some((_, event)) = files.next_event().unwrap() {
        let Event::Record(record) = event else { continue };
        let mut message = String::new();
        record.message(&mut message);
        messages.push(message);
    }
    messages
}
