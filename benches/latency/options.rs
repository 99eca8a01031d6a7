//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

use crate::Result;
use crate::measure;
use kymo_bench::place;

pub const HELP: &str = "\
Usage: cargo bench --bench latency -- [options] [measure ...]

Measures: hot, latency, rotation, first, cold, saturation, end-to-end, idle, low-rate, memory. Without any:
all of them.

  --quick                  a smoke test: few calls, one round
  --long                   50,000,000 messages end to end instead of 4,000,000
  --rounds N               rounds of which the medians are shown (default: 5)
  --producer-core N        where the only producer is pinned (default: 0)
  --consumer-core N|none   where the consumer is pinned (default: 1)
  --ring-kib N             kymo's ring capacity (default: kymo's own)
  --poll-interval-ns N     kymo's and the floor's poll interval (default: 5000, kymo's own)
  --directory PATH         where the log files go (default: that of temporary files)
  --json FILE              write conditions and tables there, too
";

/// What to do.
pub enum Command {
    Help,
    /// The child process of the measure `first`.
    FirstCalls(Options, FirstThread),
    /// The child process of the measure `memory`, and how many threads it has.
    Memory(Options, usize),
    Measure(Options),
}

/// Which thread makes the first calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstThread {
    Prepared,
    Unprepared,
    /// A new unprepared thread for each call.
    New,
}

impl FirstThread {
    pub const ALL: [(Self, &str); 3] =
        [(Self::Prepared, "prepared"), (Self::Unprepared, "unprepared"), (Self::New, "new")];
}

#[derive(Clone, Debug)]
pub struct Options {
    pub quick: bool,
    pub long: bool,
    pub rounds: usize,
    pub producer_core: usize,
    pub consumer_core: Option<usize>,
    pub ring_bytes: Option<usize>,
    pub poll_interval: Duration,
    pub directory: PathBuf,
    pub json: Option<PathBuf>,
    /// The cores that the process may use.
    pub cores: Vec<usize>,
    measures: Vec<String>,
}

impl Options {
    fn new() -> Self {
        Self {
            quick: false,
            long: false,
            rounds: 5,
            producer_core: place::PRODUCER_CORE,
            consumer_core: place::consumer_core(),
            ring_bytes: None,
            poll_interval: Duration::from_micros(5),
            directory: std::env::temp_dir(),
            json: None,
            cores: place::allowed_cores(),
            measures: Vec::new(),
        }
    }

    /// Whether the measure is to be run.
    pub fn wants(&self, name: &str) -> bool {
        self.measures.is_empty() || self.measures.iter().any(|wanted| wanted == name)
    }

    /// A child process that does what this one was asked to do, where it does it.
    pub fn child(&self) -> std::io::Result<std::process::Command> {
        let core = self.consumer_core.map_or("none".to_owned(), |core| core.to_string());
        let mut child = std::process::Command::new(std::env::current_exe()?);
        child.args(["--consumer-core", &core, "--producer-core", &self.producer_core.to_string()]);
        child.args(["--poll-interval-ns", &self.poll_interval.as_nanos().to_string()]);
        child.arg("--directory").arg(&self.directory);
        if let Some(bytes) = self.ring_bytes {
            child.arg("--ring-kib").arg((bytes >> 10).to_string());
        }
        child.stderr(std::process::Stdio::inherit());
        Ok(child)
    }

    /// The number that counts: the full one, or that of a smoke test.
    pub fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// Reads the command line.
pub fn parse() -> Result<Command> {
    let mut options = Options::new();
    let (mut first, mut memory) = (None, None);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            // Given by `cargo bench`.
            Long("bench") => {}
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("quick") => {
                options.quick = true;
                options.rounds = 1;
            }
            Long("long") => options.long = true,
            Long("rounds") => options.rounds = parser.value()?.parse::<usize>()?.max(1),
            Long("producer-core") => options.producer_core = parser.value()?.parse()?,
            Long("consumer-core") => {
                let core = parser.value()?;
                options.consumer_core = if core == "none" { None } else { Some(core.parse()?) };
            }
            Long("ring-kib") => options.ring_bytes = Some(parser.value()?.parse::<usize>()? << 10),
            Long("poll-interval-ns") => {
                options.poll_interval = Duration::from_nanos(parser.value()?.parse()?);
            }
            Long("directory") => options.directory = parser.value()?.into(),
            Long("json") => options.json = Some(parser.value()?.into()),
            // Not for people: see `measure::first`.
            Long("first-calls") => {
                let name = parser.value()?.string()?;
                first = FirstThread::ALL.into_iter().find(|(_, known)| *known == name);
            }
            // Not for people: see `measure::memory`.
            Long("memory-of") => memory = Some(parser.value()?.parse()?),
            Value(name) => options.measures.push(known_measure(name.string()?)?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(match (first, memory) {
        (Some((thread, _)), _) => Command::FirstCalls(options, thread),
        (None, Some(threads)) => Command::Memory(options, threads),
        (None, None) => Command::Measure(options),
    })
}

fn known_measure(name: String) -> Result<String> {
    if measure::ALL.iter().any(|measure| measure.name == name) {
        Ok(name)
    } else {
        Err(format!("there is no measure {name:?}; --help lists them").into())
    }
}
