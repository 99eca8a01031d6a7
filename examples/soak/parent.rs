//! The parent: starts children, does to them what is to be done from outside, and judges.

use std::error::Error;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lexopt::ValueExt;
use rustix::process::{Pid, Signal, kill_process};

use crate::child::{self, EXIT, TABLE, log_name};
use crate::configuration::{Configuration, Ending, Fault};
use crate::delays;
use crate::table::Table;
use crate::verdict::{Verdict, judge};

/// How many children run at a time.
const AT_A_TIME: usize = 2;

/// When a child hangs.
const DEADLINE: Duration = Duration::from_secs(300);

struct Options {
    seconds: u64,
    seed: u64,
    only: Option<u64>,
    /// Whether threads are delayed at random.
    delays: bool,
}

/// What is asked for on the command line.
enum Asked {
    Soak(Options),
    /// To be the child of this seed, in this directory, with delays or without.
    Child(PathBuf, u64, bool),
}

pub fn main() -> ExitCode {
    match parse() {
        Ok(Asked::Child(directory, seed, delays)) => {
            if delays {
                delays::begin(seed);
            }
            child::run(&directory, seed)
        }
        Ok(Asked::Soak(options)) => match soak(&options) {
            Ok(code) => code,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("{error}\nusage: soak [--seconds N] [--seed S] [--only I] [--delays]");
            ExitCode::from(2)
        }
    }
}

fn parse() -> Result<Asked, lexopt::Error> {
    let seed = fastrand::u64(..1 << 32);
    let mut options = Options { seconds: 60, seed, only: None, delays: false };
    let mut child = None;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("seconds") => options.seconds = parser.value()?.parse()?,
            lexopt::Arg::Long("seed") => options.seed = parser.value()?.parse()?,
            lexopt::Arg::Long("only") => options.only = Some(parser.value()?.parse()?),
            lexopt::Arg::Long("delays") => options.delays = true,
            lexopt::Arg::Long("child") => {
                child = Some((parser.value()?.into(), parser.value()?.parse()?));
            }
            argument => return Err(argument.unexpected()),
        }
    }
    Ok(match child {
        Some((directory, seed)) => Asked::Child(directory, seed, options.delays),
        None => Asked::Soak(options),
    })
}

/// Runs children until the time is over or one of them fails.
fn soak(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let Options { seconds, seed, only, delays } = *options;
    let with_delays = if delays { " --delays" } else { "" };
    println!("soak --seconds {seconds} --seed {seed}{with_delays}");
    let begin = Instant::now();
    let directory = std::env::temp_dir().join(format!("kymo-soak-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let next = AtomicU64::new(only.unwrap_or(0));
    let failed = AtomicBool::new(false);
    let sums = Mutex::new(Verdict::default());
    let work = || {
        while !failed.load(Ordering::Relaxed) && begin.elapsed() < Duration::from_secs(seconds) {
            // Alone, but again and again: what it does is given, not when.
            let number = match only {
                Some(number) => number,
                None => next.fetch_add(1, Ordering::Relaxed),
            };
            let configuration = Configuration::new(seed_of(seed, number));
            let run = next_run();
            let place = directory.join(format!("{number}-{run}"));
            println!("{number}: {configuration:?}");
            match run_child(&configuration, &place, delays) {
                Ok(verdict) if verdict.wrong.is_empty() => add(&sums, &verdict),
                failure => {
                    failed.store(true, Ordering::Relaxed);
                    let wrong = match failure {
                        Ok(verdict) => verdict.wrong.join("\n  "),
                        Err(error) => error.to_string(),
                    };
                    let stderr = fs::read_to_string(place.join("stderr")).unwrap_or_default();
                    println!(
                        "\n{number} FAILED:\n  {wrong}\n{configuration:#?}\nits files: {}\n\
                         again: soak --seed {seed} --only {number}{with_delays}\nits standard error:\n{stderr}",
                        place.display()
                    );
                    continue;
                }
            }
            let _ = fs::remove_dir_all(&place);
        }
    };
    thread::scope(|scope| (0..AT_A_TIME).for_each(|_| drop(scope.spawn(work))));
    let sums = sums.into_inner()?;
    println!(
        "{} processes: {} records logged, {} found, {} marked as dropped, {} rescued, {} unlogged",
        next_run(),
        sums.logged,
        sums.written,
        sums.dropped,
        sums.rescued,
        sums.unlogged
    );
    if failed.into_inner() {
        return Ok(ExitCode::FAILURE);
    }
    fs::remove_dir_all(&directory)?;
    Ok(ExitCode::SUCCESS)
}

/// The seed of a child.
fn seed_of(seed: u64, number: u64) -> u64 {
    fastrand::Rng::with_seed(seed.wrapping_add(number << 32)).u64(..)
}

/// How many runs were begun before.
fn next_run() -> u64 {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    RUNS.fetch_add(1, Ordering::Relaxed)
}

fn add(sums: &Mutex<Verdict>, verdict: &Verdict) {
    if let Ok(mut sums) = sums.lock() {
        sums.logged += verdict.logged;
        sums.written += verdict.written;
        sums.dropped += verdict.dropped;
        sums.rescued += verdict.rescued;
        sums.unlogged += verdict.unlogged;
    }
}

/// Runs a child to its end, and judges.
fn run_child(of: &Configuration, place: &Path, delays: bool) -> Result<Verdict, Box<dyn Error>> {
    fs::create_dir_all(place)?;
    let table = Table::open(&place.join(TABLE))?;
    let child = Command::new(std::env::current_exe()?)
        .arg("--child")
        .arg(place)
        .arg(of.seed.to_string())
        .args(delays.then_some("--delays"))
        .stdin(Stdio::null())
        .stderr(File::create(place.join("stderr"))?)
        .spawn()?;
    let status = attend(child, of, &table, place)?;
    let mut verdict = judge(of, &table, place);
    if !is_expected(status, of) {
        verdict.wrong.insert(0, format!("it ended with {status}"));
    }
    Ok(verdict)
}

/// Waits for a child, and does to it what comes from outside.
fn attend(
    mut child: Child,
    of: &Configuration,
    table: &Table,
    place: &Path,
) -> Result<ExitStatus, Box<dyn Error>> {
    let begin = Instant::now();
    let (mut signal, mut fault) = (None, of.fault);
    if let Ending::Signal { number, after_ms } = of.ending {
        signal = Some((number, after_ms));
    }
    let log = place.join(log_name(0));
    // Faults are counted from when there is a file.
    let mut begun = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if begin.elapsed() > DEADLINE {
            child.kill()?;
            child.wait()?;
            return Err("it hangs".into());
        }
        let run_ms = begin.elapsed().as_millis() as u64;
        if let Some((number, after_ms)) = signal
            && run_ms >= after_ms
        {
            signal = None;
            let number = if number == libc::SIGKILL { Signal::KILL } else { Signal::TERM };
            kill_process(Pid::from_child(&child), number)?;
        }
        if table.sessions[0].begun.get() == 1 {
            let log_ms = begun.get_or_insert_with(Instant::now).elapsed().as_millis() as u64;
            match fault {
                Some(Fault::Cut { percent, after_ms }) if log_ms >= after_ms => {
                    fault = None;
                    // It may be gone.
                    if let Ok(file) = File::options().write(true).open(&log) {
                        file.set_len(file.metadata()?.len() * percent / 100)?;
                    }
                }
                Some(Fault::Remove { after_ms }) if log_ms >= after_ms => {
                    fault = None;
                    let _ = fs::remove_file(&log);
                }
                _ => {}
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a child ended as it should.
fn is_expected(status: ExitStatus, of: &Configuration) -> bool {
    let (code, signal) = match of.ending {
        Ending::Exit => (Some(EXIT), None),
        Ending::PanicInMain => (Some(101), None),
        Ending::Abort => (None, Some(libc::SIGABRT)),
        Ending::Crash => (None, Some(libc::SIGSEGV)),
        Ending::Signal { number, .. } => (None, Some(number)),
        _ => (Some(0), None),
    };
    (status.code(), status.signal()) == (code, signal)
}
