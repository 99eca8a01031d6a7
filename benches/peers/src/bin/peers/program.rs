//! Building the programs, and running them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kymo_peers::Result;
use kymo_peers::catalogue::Entry;
use serde_json::Value;

/// A logger whose program was built.
pub struct Logger {
    pub entry: &'static Entry,
    pub program: Program,
}

/// A program that was built.
pub struct Program(PathBuf);

/// Builds a program with the feature of its name, if there is one, and with nothing else.
pub fn build(name: &str, nightly: bool) -> Result<Program> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["build", "--release", "--message-format", "json", "--bin", name]);
    if !["floor", "mutex"].contains(&name) {
        cargo.args(["--features", name]);
    }
    if nightly {
        // Unstable features with a stable compiler, for this program and what it needs only.
        cargo.env("RUSTC_BOOTSTRAP", "1").args(["--target-dir", "target/nightly"]);
    }
    let output = cargo.stderr(Stdio::piped()).output()?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let messages = || stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    if !output.status.success() {
        let error = messages().find(|message| message["message"]["level"] == "error");
        let error = error.and_then(|error| Some(error["message"]["message"].as_str()?.to_owned()));
        let said = String::from_utf8_lossy(&output.stderr);
        let first = said.lines().find(|line| line.starts_with("error"));
        return Err(error.as_deref().or(first).unwrap_or("cargo failed").into());
    }
    let path = messages()
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| Some(message["executable"].as_str()?.into()));
    path.map(Program).ok_or_else(|| "cargo named no program".into())
}

impl Program {
    pub fn command(&self) -> Command {
        Command::new(&self.0)
    }

    /// Runs it with an empty folder, which is removed afterwards; the figures that it prints.
    pub fn figures(&self, arguments: &[String], directory: &Path) -> Result<Value> {
        let folder = directory.join(format!("kymo-peers-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let figures = run(self.command().args(arguments).arg("--directory").arg(&folder));
        std::fs::remove_dir_all(&folder)?;
        figures
    }
}

fn run(command: &mut Command) -> Result<Value> {
    /// The slowest of them takes some ten seconds.
    const LONGEST: Duration = Duration::from_secs(120);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let start = Instant::now();
    // It prints less than a pipe holds.
    while child.try_wait()?.is_none() {
        if start.elapsed() > LONGEST {
            child.kill()?;
            child.wait()?;
            return Err(format!("not ended after {LONGEST:?}").into());
        }
        // So rarely that it does not disturb what is measured.
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or_default();
        return Err(format!("{} {last}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
