//! The programs that are asked. Each is run by [`run`] in a process of its own.

use std::io::{BufRead, Write};
use std::path::Path;
use std::process::Command;

use kymo::{Builder, Logger, info};

/// Runs the child of this name, with its log at this path.
pub fn run(name: &str, path: &Path) {
    let builder = || Logger::builder(path).control(true);
    match name {
        "runs" => {
            let logger = builder().start().unwrap();
            info!("{} {}", "one", 1);
            assert!(logger.flush());
            say("ready");
            hear();
            drop(logger);
        }
        // Its child lives on when it is killed.
        "forks" => {
            let logger = builder().start().unwrap();
            // SAFETY: the child calls what a logger without threads calls, and sleeps.
            let child = unsafe { libc::fork() };
            if child == 0 {
                drop(logger);
                // Its parent may be killed from now on.
                say(&std::process::id().to_string());
                // Not for ever, whatever becomes of the test.
                // SAFETY: a call without pointers.
                unsafe { libc::alarm(600) };
                loop {
                    std::thread::park();
                }
            }
            hear();
            drop(logger);
        }
        "starts" => say(&start(builder())),
        // A command that the program starts has nothing of the socket.
        "executes" => {
            let logger = builder().start().unwrap();
            let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
            say(&child.id().to_string());
            hear();
            drop(logger);
            child.kill().unwrap();
            child.wait().unwrap();
        }
        "asks" => match kymo_files::socket::connect(path) {
            Ok(stream) => say(&super::ask_by(stream, "status")),
            Err(error) => say(&error.to_string()),
        },
        other => panic!("no child {other}"),
    }
}

/// What becomes of a start, in words.
fn start(builder: Builder) -> String {
    match builder.start() {
        Ok(_) => "started".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn say(what: &str) {
    // Not `println!`, which the test harness captures.
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "said {what}").unwrap();
    stdout.flush().unwrap();
}

/// Waits until the parent says something, or has gone.
fn hear() {
    let _ = std::io::stdin().lock().read_line(&mut String::new());
}
