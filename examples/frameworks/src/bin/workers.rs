//! Eight workers that are killed and started again, one directory of logs, and no record lost.
//!
//! The program starts itself eight times. Each worker logs what it does, and prints a number when the call has
//! returned. It is killed by SIGKILL in the middle of its work, several times. In the end each number that was printed
//! is in the log of its process, once, in order.
//!
//! `cargo run -p kymo-frameworks --bin workers -- logs`; then `kymo ls logs`, `kymo cat logs`.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use kymo::reader::{Event, Files, Options, Order};
use kymo::{Config, Keep, Logger, Rotation, info};

const WORKERS: u64 = 8;

/// How often a worker is killed.
const KILLS: u64 = 3;

/// How many lines of a worker are read before it is killed.
const LINES: usize = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().unwrap_or_else(|| "logs".to_owned());
    let logger = Logger::builder(&directory)
        .join("app")
        .make_directory(true)
        .rotate(Rotation::size(1 << 20))
        .keep(Keep::unlimited())
        .map_window(4 << 20)
        .crash_proof("/dev/shm")
        .recover(true)
        // In a worker: what its parent said.
        .configure(&Config::from_env()?)
        .start()?;
    if let (Some(worker), Some(run)) = (arguments.next(), arguments.next()) {
        return work(worker.parse()?, run.parse()?);
    }
    // The workers log what this process logs, now.
    logger.set_filter("debug".parse()?);
    let printed: Vec<BTreeMap<(u64, u64), u64>> = thread::scope(|scope| {
        let watch = |worker| {
            let (logger, directory) = (&logger, &directory);
            scope.spawn(move || watch(logger, directory, worker).map_err(|error| error.to_string()))
        };
        let threads: Vec<_> = (0..WORKERS).map(watch).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a panic")?)
            .collect::<Result<_, String>>()
    })?;
    logger.shutdown();
    check(Path::new(&directory), printed.into_iter().flatten().collect())
}

/// A worker: logs, and prints what is logged, until it is killed.
fn work(worker: u64, run: u64) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for step in 1_u64.. {
        kymo::debug!(worker, run, step; "a step");
        writeln!(out, "{step}")?;
    }
    Ok(())
}

/// Starts a worker, and kills it, again and again. Returns the last number that it printed each time.
fn watch(
    logger: &Logger,
    directory: &str,
    worker: u64,
) -> Result<BTreeMap<(u64, u64), u64>, Box<dyn Error>> {
    let mut printed = BTreeMap::new();
    for run in 0..=KILLS {
        let mut child = Command::new(std::env::current_exe()?)
            .args([directory, &worker.to_string(), &run.to_string()])
            .envs(logger.child_environment())
            .stdout(Stdio::piped())
            .spawn()?;
        info!(worker, run, pid = child.id(); "started");
        let lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let mut lines = lines.map_while(Result::ok);
        let mut last = lines.nth(LINES).ok_or("a worker ended by itself")?;
        child.kill()?;
        child.wait()?;
        // What was still on its way. The last line may be cut.
        let rest: Vec<String> = lines.collect();
        if let [.., whole, _] = &rest[..] {
            last.clone_from(whole);
        }
        printed.insert((worker, run), last.parse()?);
    }
    Ok(printed)
}

/// Compares what is in the logs with what was printed.
fn check(directory: &Path, printed: BTreeMap<(u64, u64), u64>) -> Result<(), Box<dyn Error>> {
    // The last workers were killed, and nobody has taken their places.
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let is_link = path.symlink_metadata()?.is_symlink();
        if is_link && path.extension().is_some_and(|it| it == "kymo") {
            kymo::recover(&path)?;
        }
    }
    let mut files = Files::open_dir(directory, || Options::new().order(Order::Time))?;
    let mut found = BTreeMap::<(u64, u64), u64>::new();
    while let Some((_, event)) = files.next_event()? {
        let Event::Record(record) = event else { continue };
        let number = |name| record.get::<u64>(name);
        if let (Ok(worker), Ok(run), Ok(step)) = (number("worker"), number("run"), number("step")) {
            let last = found.entry((worker, run)).or_default();
            if step != *last + 1 {
                return Err(format!("worker {worker}, run {run}: {step} follows {last}").into());
            }
            *last = step;
        }
    }
    for (which, last) in &printed {
        let found = found.get(which).copied().unwrap_or(0);
        if found < *last {
            return Err(
                format!("{which:?}: {found} steps in the log, and {last} were printed").into()
            );
        }
    }
    println!(
        "{} runs of {WORKERS} workers, killed: no step is missing, none is there twice",
        printed.len()
    );
    Ok(())
}
