//! Builds the loggers, measures them in turn, and prints tables.
//!
//! ```text
//! cargo run --release                       # everything
//! cargo run --release -- --quick            # a smoke test: its figures mean nothing
//! cargo run --release -- --help
//! ```
//!
//! Each measurement is a process of its own. They take turns: all loggers once, then all of them
//! again, so that what the machine does meanwhile hits all. What is shown are medians over the
//! rounds, and how far these were apart.

mod options;
mod program;
mod report;
mod rounds;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use kymo_bench::machine;
use kymo_bench::table::Report;
use kymo_peers::Result;
use kymo_peers::catalogue::{self, Entry};
use options::Options;
use program::Logger;
use rounds::{Measurement, Rounds};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let Some(options) = options::parse()? else {
        print!("{}", options::HELP);
        return Ok(());
    };
    let Built { loggers, failed } = build(&options);
    let mut report = Report::new(conditions(&options, &loggers));
    report.print_conditions();

    let plan = rounds::plan(&options, &loggers);
    eprintln!("{} processes, {}", options.rounds * plan.len(), expected(&options, &plan));
    let rounds = measure(&options, &plan);
    report::tables(&options, &rounds).into_iter().for_each(|(name, table)| report.add(name, table));

    let words = report::words(&loggers, &failed, &rounds);
    println!("{words}");
    std::fs::create_dir_all(&options.output)?;
    let write = |name: &str, text: String| {
        let path = options.output.join(name);
        std::fs::write(&path, text).map(|()| eprintln!("{}", path.display()))
    };
    write("peers.json", report.to_json())?;
    write("peers.md", format!("{}\n{words}", report::summary(&loggers, &rounds)))?;
    plot(&options)
}

/// What could be built, and what could not.
#[derive(Default)]
struct Built {
    loggers: Vec<Logger>,
    /// With the reasons.
    failed: Vec<(&'static Entry, String)>,
}

fn build(options: &Options) -> Built {
    let mut built = Built::default();
    for entry in catalogue::ALL.iter().filter(|entry| options.wants(entry.name)) {
        eprintln!("building {}", entry.name);
        match program::build(entry.program, entry.nightly) {
            Ok(program) => built.loggers.push(Logger { entry, program }),
            Err(error) => {
                eprintln!("{} cannot be built: {error}", entry.name);
                built.failed.push((entry, error.to_string()));
            }
        }
    }
    built
}

fn conditions(options: &Options, loggers: &[Logger]) -> Vec<(&'static str, String)> {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    let command = format!("cargo run --release -- {arguments}");
    let mut versions = Vec::new();
    for name in loggers.iter().flat_map(|logger| logger.entry.crates) {
        let version = format!("{name} {}", catalogue::version(name).unwrap_or("unknown"));
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    let mut conditions = vec![("command", command.trim_end_matches([' ', '-']).to_owned())];
    conditions.extend(machine::describe(&options.cores, &options.directory));
    conditions.extend([
        ("profile", "release, lto = \"fat\", codegen-units = 1".to_owned()),
        ("producer core", options.producer_core.to_string()),
        ("consumer core", options.consumer_core.map_or("none".to_owned(), |core| core.to_string())),
        ("rounds", options.rounds.to_string()),
        ("crates", versions.join(", ")),
    ]);
    conditions
}

/// How long it will take, as far as one can say before it began.
fn expected(options: &Options, plan: &[Measurement]) -> String {
    let seconds = plan.iter().map(|step| step.expected_seconds(options.quick)).sum::<f64>();
    minutes(seconds * options.rounds as f64)
}

fn minutes(seconds: f64) -> String {
    format!("about {:.0} min {:02.0} s", (seconds / 60.0).floor(), seconds % 60.0)
}

fn measure(options: &Options, plan: &[Measurement]) -> Rounds {
    let mut rounds = Rounds::default();
    let start = Instant::now();
    for round in 0..options.rounds {
        for step in plan {
            rounds.add(step, step.run(options));
        }
        let done = (round + 1) as u32;
        let left: Duration = start.elapsed() / done * (options.rounds as u32 - done);
        if !left.is_zero() {
            eprintln!("round {done} of {}, {} to go", options.rounds, minutes(left.as_secs_f64()));
        }
    }
    rounds
}

fn plot(options: &Options) -> Result<()> {
    if !options.plots {
        return Ok(());
    }
    eprintln!("building the plots");
    let mut plots = program::build("plots", false)?.command();
    plots.arg(options.output.join("peers.json")).arg("--directory").arg(&options.output);
    if plots.status()?.success() { Ok(()) } else { Err("the plots could not be drawn".into()) }
}
