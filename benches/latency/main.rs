//! What a log call costs the thread that makes it, and what becomes of the records.
//!
//! ```text
//! cargo bench --bench latency                      # everything, some minutes
//! cargo bench --bench latency -- --quick           # a smoke test of some seconds
//! cargo bench --bench latency -- hot latency --json figures.json
//! cargo bench --bench latency -- --help
//! ```
//!
//! A *subject* is what is measured: kymo, and beside it a floor program that does the least that
//! such a logger has to do. Each *measure* runs all its subjects in turn, round by round, so that
//! what the machine does meanwhile hits all of them; the tables show medians over the rounds.
//! The conditions are printed before the tables.

mod conditions;
mod cpu;
mod measure;
mod options;
mod sites;
mod subject;

use std::error::Error;
use std::process::ExitCode;

use kymo_bench::table::{Report, Table};
use options::{Command, Options};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("latency: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    match options::parse()? {
        Command::Help => print!("{}", options::HELP),
        Command::FirstCalls(options, thread) => measure::first::child(&options, thread)?,
        Command::Memory(options, threads) => measure::memory::child(&options, threads)?,
        Command::Measure(options) => measure_all(&options)?,
    }
    Ok(())
}

fn measure_all(options: &Options) -> Result<()> {
    let conditions = conditions::collect(options);
    kymo_bench::place::pin(options.producer_core)?;
    let mut report = Report::new(conditions);
    report.print_conditions();
    for measure in measure::ALL {
        if options.wants(measure.name) {
            let tables: Vec<Table> = (measure.run)(options)?;
            tables.into_iter().for_each(|table| report.add(measure.name, table));
        }
    }
    if let Some(path) = &options.json {
        std::fs::write(path, report.to_json())?;
    }
    Ok(())
}
