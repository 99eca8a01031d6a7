//! A program that is killed with SIGKILL in the middle of its work, and what it had logged.
//!
//! It starts itself once more. That process counts, logs each number, and prints it when the log
//! call has returned, until it is killed. Then what its rings still held is put beside its log, and
//! every number that was printed is in one of the two.
//!
//! `cargo run --release --example kill_9`

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kymo::{Logger, info};
use kymo_reader::{Event, Files, Options, Order, Value};

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args_os().nth(1) {
        Some(log) => count(&PathBuf::from(log)),
        None => kill(),
    }
}

/// Counts until it is killed.
fn count(log: &Path) -> Result<(), Box<dyn Error>> {
    let _logger = Logger::builder(log).crash_proof("/dev/shm").start()?;
    let mut out = std::io::stdout().lock();
    for number in 1_u64.. {
        info!("step {number}");
        writeln!(out, "{number}")?;
    }
    Ok(())
}

fn kill() -> Result<(), Box<dyn Error>> {
    let log = std::env::temp_dir().join(format!("kill-9-{}.kymo", std::process::id()));
    let program = std::env::current_exe()?;
    let mut child = Command::new(program).arg(&log).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let mut printed = 0;
    for _ in 0..100_000 {
        printed = lines.next().ok_or("it ended by itself")??.parse()?;
    }
    child.kill()?;
    child.wait()?;
    // What was still on its way.
    for line in lines {
        printed = line?.parse().unwrap_or(printed);
    }

    let before = numbers(&log)?;
    let recovery = kymo::recover(&log)?;
    let after = numbers(&log)?;
    println!("printed up to {printed}; in the log {before}; recovered {}", recovery.records());
    if after < printed {
        return Err(format!("{} numbers are lost", printed - after).into());
    }
    for file in recovery.file.iter().chain([&log]) {
        std::fs::remove_file(file)?;
    }
    Ok(())
}

/// How many numbers the log has, and what was recovered of it: 1, 2, 3, …, none twice, none missing.
fn numbers(log: &Path) -> Result<u64, Box<dyn Error>> {
    let mut files = Files::open([log], || Options::new().order(Order::Time))?;
    let mut last = 0;
    while let Some((_, event)) = files.next_event()? {
        let Event::Record(record) = event else { continue };
        if let Some(Value::U64(number)) = record.argument("number") {
            if number != last + 1 {
                return Err(format!("{number} follows {last}").into());
            }
            last = number;
        }
    }
    Ok(last)
}
