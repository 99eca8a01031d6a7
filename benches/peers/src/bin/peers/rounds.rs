//! What is measured, and what came out, round by round.

use std::collections::HashMap;

use kymo_bench::statistics::median;
use kymo_peers::Result;
use kymo_peers::catalogue::Entry;
use serde_json::Value;

use crate::options::Options;
use crate::program::{Logger, Program};

/// One process.
pub struct Measurement<'a> {
    pub entry: &'static Entry,
    pub measure: &'static str,
    pub message: String,
    pub producers: u64,
    program: &'a Program,
}

/// Producers end to end.
pub const PRODUCERS: [u64; 3] = [1, 2, 4];

/// One round: the compared programs run one after another.
pub fn plan<'a>(options: &Options, loggers: &'a [Logger]) -> Vec<Measurement<'a>> {
    let mut plan = Vec::new();
    let mut add = |measure, message: &str, producers| {
        for Logger { entry, program } in loggers {
            // The floor has no other records than those.
            let floor = entry.program == "floor" && ["str64", "disabled"].contains(&message);
            if options.measures(measure) && producers <= entry.most_producers && !floor {
                let message = message.to_owned();
                plan.push(Measurement { entry, measure, message, producers, program });
            }
        }
    };
    let messages = |usual: &[&str]| {
        let usual = || usual.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        options.messages.clone().unwrap_or_else(usual)
    };
    for message in messages(&["mixed", "ints", "static"]) {
        add("hot", &message, 1);
    }
    for message in messages(&["mixed"]) {
        add("latency", &message, 1);
    }
    for producers in PRODUCERS {
        add("end-to-end", "mixed", producers);
    }
    plan
}

impl Measurement<'_> {
    /// What its row is called.
    pub fn row(&self) -> String {
        match self.measure {
            "end-to-end" => format!("{} producers, {}", self.producers, self.entry.name),
            _ => format!("{:9} {}", self.message, self.entry.name),
        }
    }

    pub fn run(&self, options: &Options) -> Result<Value> {
        // Of `latency` a batch is some 4,000 calls: a million a round.
        let batches = match self.measure {
            _ if options.quick => 4,
            "hot" => 60,
            _ => 250,
        };
        let core = options.consumer_core.map_or("none".to_owned(), |core| core.to_string());
        let named = [
            ("measure", self.measure.to_owned()),
            ("message", self.message.clone()),
            ("variant", self.entry.variant.to_owned()),
            ("batches", batches.to_string()),
            ("count", (options.count * self.entry.multiple).to_string()),
            ("producers", self.producers.to_string()),
            ("producer-core", options.producer_core.to_string()),
            ("consumer-core", core),
        ];
        let arguments = named.into_iter().flat_map(|(name, value)| [format!("--{name}"), value]);
        self.program.figures(&arguments.collect::<Vec<_>>(), &options.directory)
    }

    /// How long it takes, roughly.
    pub fn expected_seconds(&self, quick: bool) -> f64 {
        match self.measure {
            _ if quick => 0.2,
            "hot" => 0.6,
            "latency" => 2.0,
            _ => 1.2,
        }
    }
}

/// What came out.
#[derive(Default)]
pub struct Rounds {
    /// Measures and rows, in the order in which they came.
    rows: Vec<(&'static str, String)>,
    figures: HashMap<(&'static str, String), Vec<Value>>,
    /// What failed: measure, row, and why.
    pub failures: Vec<(&'static str, String, String)>,
}

impl Rounds {
    pub fn add(&mut self, step: &Measurement<'_>, figures: Result<Value>) {
        let key = (step.measure, step.row());
        match figures {
            Ok(figures) => {
                if !self.rows.contains(&key) {
                    self.rows.push(key.clone());
                }
                self.figures.entry(key).or_default().push(figures);
            }
            Err(error) => {
                eprintln!("{}, {}: {error}", key.0, key.1);
                self.failures.push((key.0, key.1, error.to_string()));
            }
        }
    }

    /// The rows of a measure.
    pub fn rows<'a>(&'a self, measure: &'a str) -> impl Iterator<Item = &'a str> {
        self.rows.iter().filter(move |row| row.0 == measure).map(|row| row.1.as_str())
    }

    /// A figure in each round, by its JSON pointer.
    fn each(&self, measure: &'static str, row: &str, pointer: &str) -> Vec<f64> {
        let rounds = self.figures.get(&(measure, row.to_owned())).map_or(&[][..], Vec::as_slice);
        rounds.iter().filter_map(|figures| figures.pointer(pointer)?.as_f64()).collect()
    }

    /// The median over the rounds.
    pub fn median(&self, measure: &'static str, row: &str, pointer: &str) -> f64 {
        median(self.each(measure, row, pointer))
    }

    /// The largest of the rounds.
    pub fn largest(&self, measure: &'static str, row: &str, pointer: &str) -> f64 {
        self.each(measure, row, pointer).into_iter().fold(f64::NAN, f64::max)
    }

    /// Half of the difference between the largest and the smallest of the rounds, in percent of the
    /// median.
    pub fn spread(&self, measure: &'static str, row: &str, pointer: &str) -> f64 {
        let each = self.each(measure, row, pointer);
        let largest = each.iter().copied().fold(f64::NAN, f64::max);
        let smallest = each.iter().copied().fold(f64::NAN, f64::min);
        50.0 * (largest - smallest) / median(each)
    }
}
