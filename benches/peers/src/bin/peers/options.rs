//! The command line.

use std::path::PathBuf;

use kymo_bench::place;
use kymo_peers::Result;
use kymo_peers::catalogue;
use lexopt::prelude::*;

pub const HELP: &str = "\
Usage: cargo run --release -- [options] [measure ...]

Measures: hot, latency, end-to-end. Without any: all of them.

  --quick                  a smoke test: few calls, one round
  --rounds N               rounds of which the medians are shown (default: 5)
  --only NAME,...          these loggers only, as the tables name them
  --messages NAME,...      mixed, ints, static, str64, disabled; without it hot measures the first
                           three, latency the first
  --count N                messages end to end (default: 1000000; of the fastest, four times that)
  --producer-core N        where the only producer is pinned (default: 0)
  --consumer-core N|none   where the loggers' threads are pinned (default: 1)
  --directory PATH         where the log files go (default: that of temporary files)
  --output PATH            where peers.json, peers.md and the plots go (default: target/figures)
  --no-plots               no plots
";

pub struct Options {
    pub quick: bool,
    pub rounds: usize,
    pub count: u64,
    pub producer_core: usize,
    pub consumer_core: Option<usize>,
    pub directory: PathBuf,
    pub output: PathBuf,
    pub plots: bool,
    /// The cores that the process may use.
    pub cores: Vec<usize>,
    /// None: those that a measure measures if nothing is said.
    pub messages: Option<Vec<String>>,
    only: Vec<String>,
    measures: Vec<String>,
}

/// The messages that there are.
const MESSAGES: [&str; 5] = ["mixed", "ints", "static", "str64", "disabled"];

impl Options {
    /// Whether the logger is to be measured.
    pub fn wants(&self, logger: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == logger)
    }

    /// Whether the measure is to be run.
    pub fn measures(&self, name: &str) -> bool {
        self.measures.is_empty() || self.measures.iter().any(|wanted| wanted == name)
    }
}

/// Reads the command line; `None` if help is asked for.
pub fn parse() -> Result<Option<Options>> {
    let mut options = Options {
        quick: false,
        rounds: 5,
        count: 1_000_000,
        producer_core: place::PRODUCER_CORE,
        consumer_core: place::consumer_core(),
        directory: std::env::temp_dir(),
        output: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/figures")),
        plots: true,
        cores: place::allowed_cores(),
        messages: None,
        only: Vec::new(),
        measures: Vec::new(),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Long("quick") => {
                options.quick = true;
                options.rounds = 1;
                options.count = 50_000;
            }
            Long("rounds") => options.rounds = parser.value()?.parse::<usize>()?.max(1),
            Long("only") => {
                let loggers = catalogue::ALL.iter().map(|entry| entry.name).collect::<Vec<_>>();
                options.only = list(parser.value()?.string()?, "logger", &loggers)?;
            }
            Long("messages") => {
                options.messages = Some(list(parser.value()?.string()?, "message", &MESSAGES)?);
            }
            Long("count") => options.count = parser.value()?.parse::<u64>()?.max(1),
            Long("producer-core") => options.producer_core = parser.value()?.parse()?,
            Long("consumer-core") => {
                let core = parser.value()?;
                options.consumer_core = if core == "none" { None } else { Some(core.parse()?) };
            }
            Long("directory") => options.directory = parser.value()?.into(),
            Long("output") => options.output = parser.value()?.into(),
            Long("no-plots") => options.plots = false,
            Value(name) => {
                let names = ["hot", "latency", "end-to-end"];
                options.measures.extend(list(name.string()?, "measure", &names)?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(options))
}

/// The names between the commas, each of which has to be known. The name of a logger may contain a
/// comma: then the longest one counts.
fn list(text: String, kind: &str, known: &[&str]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let fits = |name: &&&str| {
            rest.strip_prefix(**name).is_some_and(|rest| rest.is_empty() || rest.starts_with(','))
        };
        let Some(name) = known.iter().filter(fits).max_by_key(|name| name.len()) else {
            return Err(
                format!("there is no {kind} {rest:?}; there are {}", known.join("; ")).into()
            );
        };
        names.push((*name).to_owned());
        rest = rest[name.len()..].trim_start_matches(',').trim_start();
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_are_names() {
        let known = ["kymo", "kymo, coarse clock", "floor"];
        let names = |text: &str| list(text.to_owned(), "logger", &known).ok();
        assert_eq!(names("kymo,floor"), Some(vec!["kymo".to_owned(), "floor".to_owned()]));
        assert_eq!(names("kymo, coarse clock"), Some(vec!["kymo, coarse clock".to_owned()]));
        assert_eq!(
            names("floor,kymo, coarse clock,kymo").map(|names| names.len()),
            Some(3),
            "each of them"
        );
        assert_eq!(names("kymograph"), None);
    }
}
