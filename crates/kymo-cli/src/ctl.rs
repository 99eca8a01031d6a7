//! `kymo ctl`: asks the process that writes a log, by the socket beside it.

use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use kymo_files::socket::{SocketError, connect, path_of};
use kymo_reader::write_escaped;
use serde_json::Value;

use crate::machine::write_json;
use crate::outcome::{Outcome, complain};
use crate::output::{Closed, Output};

mod status;

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  no process answers: it has ended, or does not use `Builder::control`
  2  an error: the process refused, failed or did not answer in time, or the command was misused";

/// How long an answer may be. The longest that a logger gives has some 20 kB.
const MOST_BYTES: u64 = 1 << 20;

/// How long this waits before it tries again to connect to a busy process.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks at a running process, and changes what it logs.
///
/// The program has to use `Builder::control(true)`, or KYMO_CONTROL=true. Then it has a socket beside its
/// log, LOG.ctl, to which only its user and root can connect.
#[derive(Args)]
#[command(after_help = AFTER_HELP, subcommand_required = true)]
pub struct Ctl {
    /// The log of the process
    #[arg(value_name = "LOG")]
    log: PathBuf,

    #[command(subcommand)]
    command: Command,

    /// Print the answer as JSON, on one line
    #[arg(long, global = true)]
    json: bool,

    /// How long to wait for the answer, such as 10s
    #[arg(long, global = true, value_name = "TIME", default_value = "10s", value_parser = time)]
    timeout: Duration,
}

#[derive(Subcommand)]
enum Command {
    /// Show what was written and dropped, how full the rings are, and what failed
    Status,
    /// Set which levels are logged of which targets, or show it
    ///
    /// It takes the place of the filter that is in force: `net=trace` alone logs nothing of other targets. With `+`
    /// before them, directives are added to it.
    Filter {
        /// Such as info,net=trace, or +net=trace. Without them, the filter is shown
        #[arg(value_name = "DIRECTIVES")]
        directives: Option<String>,
        /// For how long, such as 5m; then the filter that was there before is in force again
        #[arg(long = "for", value_name = "TIME", value_parser = time, requires = "directives")]
        duration: Option<Duration>,
    },
    /// Wait until all that the process has logged is in the file
    Flush,
    /// Go on in the next segment of a rotated log
    Rotate,
    /// Write what the flight recorder holds
    Dump,
}

/// A time, such as `90s` or `1h30m`.
fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "choose a time of at least 1ms, such as 500ms, 90s or 1h30m".to_owned();
    let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    let time = Duration::try_from(span).map_err(|_| wrong())?;
    if time < Duration::from_millis(1) { Err(wrong()) } else { Ok(time) }
}

/// Why there is no answer.
enum Failure {
    NotThere(SocketError),
    Other(String),
}

impl Ctl {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        let path = path_of(&self.log);
        let line = match self.ask() {
            Ok(line) => line,
            Err(Failure::NotThere(error)) => {
                let is_missing = matches!(error, SocketError::Missing);
                let hint = ": does the program run, and use `Builder::control`?";
                let hint = if is_missing { hint } else { "" };
                complain(format_args!("{}: {error}{hint}", path.display()));
                return Outcome::Nothing.into();
            }
            Err(Failure::Other(error)) => {
                complain(format_args!("{}: {error}", path.display()));
                return Outcome::Failed.into();
            }
        };
        let Ok(answer) = serde_json::from_slice::<Value>(&line) else {
            complain(format_args!("{}: its answer is no JSON: is it kymo's?", path.display()));
            return Outcome::Failed.into();
        };
        let is_done = answer["ok"] == true;
        let mut output = Output::new();
        if self.json {
            write_json(&answer, output.buffer());
            output.buffer().push('\n');
        } else if is_done {
            self.command.print(&answer["result"], output.buffer());
        } else {
            let text = answer["error"]["message"].as_str().unwrap_or("it does not say why");
            complain(format_args!("{}: {text}", self.log.display()));
        }
        let outcome = if is_done { Outcome::Found } else { Outcome::Failed };
        match output.finish() {
            Ok(()) => outcome.into(),
            Err(Closed(closed)) => outcome.max(closed).into(),
        }
    }

    /// Sends the request, and returns the line that is the answer.
    fn ask(&self) -> Result<Vec<u8>, Failure> {
        let deadline = Instant::now() + self.timeout;
        let late =
            || Failure::Other(format!("no answer within {:?}: is it stopped?", self.timeout));
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => late(),
            _ => Failure::Other(error.to_string()),
        };
        let mut stream = loop {
            match connect(&self.log) {
                Ok(stream) => break stream,
                Err(SocketError::Busy) if Instant::now() < deadline => std::thread::sleep(PAUSE),
                Err(error @ (SocketError::Missing | SocketError::Dead)) => {
                    return Err(Failure::NotThere(error));
                }
                Err(error) => return Err(Failure::Other(error.to_string())),
            }
        };
        // (Nothing is no limit.)
        let left = || {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() { Err(late()) } else { Ok(Some(left)) }
        };
        stream.set_write_timeout(left()?).map_err(failed)?;
        stream.write_all(self.command.request().as_bytes()).map_err(failed)?;
        let mut line = Vec::new();
        let mut piece = [0; 4 << 10];
        while line.last() != Some(&b'\n') {
            stream.set_read_timeout(left()?).map_err(failed)?;
            match stream.read(&mut piece) {
                Ok(0) => return Err(Failure::Other("it has ended before it had answered".into())),
                Ok(read) => line.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
            if line.len() as u64 > MOST_BYTES {
                return Err(Failure::Other("its answer has no end: is it kymo's?".into()));
            }
        }
        Ok(line)
    }
}

impl Command {
    /// The line that asks for it.
    fn request(&self) -> String {
        match self {
            Self::Status => "kymo1 status\n".into(),
            Self::Filter { directives: None, .. } => "kymo1 filter\n".into(),
            Self::Filter { directives: Some(directives), duration } => {
                let time = duration.map_or("-".into(), |time| time.as_millis().to_string());
                // A line of its own would be another request.
                format!("kymo1 filter {time} {}\n", directives.replace(['\n', '\r'], " "))
            }
            Self::Flush => "kymo1 flush\n".into(),
            Self::Rotate => "kymo1 rotate\n".into(),
            Self::Dump => "kymo1 dump\n".into(),
        }
    }

    /// Prints an answer for people.
    fn print(&self, result: &Value, out: &mut String) {
        let number = |name: &str| result[name].as_u64().unwrap_or_default();
        match self {
            Self::Status => status::print(result, out),
            Self::Filter { .. } => {
                write_escaped(result["filter"].as_str().unwrap_or_default(), out);
                if let Some(rest) = result["filter_ends_in_seconds"].as_f64() {
                    out.push_str(&format!(" (for {rest:.0} s)"));
                }
                out.push('\n');
            }
            Self::Flush => {
                let (written, dropped) = (number("written"), number("dropped"));
                out.push_str(&format!("{written} records written, {dropped} dropped\n"));
            }
            Self::Rotate => out.push_str(&format!("segment {} begun\n", number("segments"))),
            Self::Dump => out.push_str(&format!("{} records dumped\n", number("records"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_times() {
        assert_eq!(time("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(time("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(time("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "5", "-5m", "0s", "5 parsecs", "1ns"] {
            assert!(time(wrong).unwrap_err().contains("90s"), "{wrong}");
        }
    }
}
