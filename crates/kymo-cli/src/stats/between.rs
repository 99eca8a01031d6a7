//! The time between two places in a program, from its records.

use std::collections::HashMap;

use std::str::FromStr;

use hdrhistogram::Histogram;
use kymo_reader::json::write_value;
use kymo_reader::{CallSite, Record, Value};
use serde::Serialize;

use kymo_query::{CaretError, Place, Statement};

/// How many records may wait for their counterpart.
const MAX_OPEN: usize = 1 << 20;

/// The percentiles that are printed.
const PERCENTILES: [f64; 6] = [50.0, 90.0, 99.0, 99.9, 99.99, 100.0];

/// Two places, with a comma between them.
#[derive(Clone, Debug)]
pub struct Places([(String, Place); 2]);

impl FromStr for Places {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((from, to)) = text.split_once(',') else {
            return Err("two places are needed, as in `a.rs:10,b.rs:20`".to_owned());
        };
        if from.is_empty() || to.is_empty() {
            return Err("a place is missing on one side of the comma".to_owned());
        }
        let place = |text: &str| match text.parse() {
            Ok(place) => Ok((text.to_owned(), place)),
            Err(error) => Err(CaretError::to_string(&error)),
        };
        Ok(Self([place(from)?, place(to)?]))
    }
}

/// The role of a call site in the pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Role {
    pub begins: bool,
    pub ends: bool,
}

/// Measures the time from each record at one place to the next at the other.
pub struct Between {
    places: Places,
    by: Option<String>,
    /// When the last beginning was that has no end yet.
    open: HashMap<Key, i64>,
    times: Histogram<u64>,
    /// Of those times, exactly.
    least_ns: u64,
    most_ns: u64,
    sum_ns: u128,
    begun: u64,
    ended: u64,
    backwards: u64,
    unwatched: u64,
}

/// The key that a beginning and its end share: the thread of a file, or a value.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Thread(usize, usize),
    Value(String),
}

/// The result. Times are in nanoseconds.
#[derive(Debug, Serialize)]
pub struct Latency {
    pub from: String,
    pub to: String,
    pub by: Option<String>,
    /// Records at either place.
    pub begun: u64,
    pub ended: u64,
    /// How many of them are a pair.
    pub pairs: u64,
    /// Pairs whose end is before their beginning. They count as no time.
    pub backwards: u64,
    /// Beginnings whose ends were not looked for, because too many others were waiting for theirs.
    pub unwatched: u64,
    /// The least time and the mean are exact.
    pub min_ns: u64,
    pub mean_ns: f64,
    pub percentiles: Vec<Percentile>,
}

/// This many per cent of the pairs took at most so long. Up to 0.1 % more than the time of the pair
/// in question, except for 100 per cent, which is exact.
#[derive(Debug, Serialize)]
pub struct Percentile {
    pub percent: f64,
    pub ns: u64,
}

impl Between {
    pub fn new(places: Places, by: Option<String>) -> Self {
        // Three digits of precision, for any time: 400 KiB.
        let times = Histogram::new_with_max(u64::MAX, 3).expect("a precision from 0 to 5");
        Self {
            places,
            by,
            open: HashMap::new(),
            times,
            least_ns: u64::MAX,
            most_ns: 0,
            sum_ns: 0,
            begun: 0,
            ended: 0,
            backwards: 0,
            unwatched: 0,
        }
    }

    /// The role of a call site's records in the pair.
    pub fn role(&self, site: &CallSite) -> Role {
        let statement = Statement::of(site);
        let [begins, ends] = [0, 1].map(|index: usize| self.places.0[index].1.is(&statement));
        Role { begins, ends }
    }

    /// Takes a record of a call site with this role.
    pub fn record(&mut self, role: Role, file: usize, record: &Record<'_>) {
        self.begun += u64::from(role.begins);
        self.ended += u64::from(role.ends);
        let Some(key) = self.key(file, record) else { return };
        let now = record.time_ns();
        // In this order, so that a place can be measured against itself.
        if role.ends
            && let Some(begun) = self.open.remove(&key)
        {
            self.backwards += u64::from(now < begun);
            let elapsed = i128::from(now) - i128::from(begun);
            self.count(u64::try_from(elapsed).unwrap_or(0));
        }
        if !role.begins {
            return;
        }
        if self.open.len() < MAX_OPEN || self.open.contains_key(&key) {
            self.open.insert(key, now);
        } else {
            self.unwatched += 1;
        }
    }

    fn count(&mut self, ns: u64) {
        // Nothing is clamped: every number of 64 bits is in its range.
        self.times.saturating_record(ns);
        self.least_ns = self.least_ns.min(ns);
        self.most_ns = self.most_ns.max(ns);
        self.sum_ns += u128::from(ns);
    }

    fn key(&self, file: usize, record: &Record<'_>) -> Option<Key> {
        let Some(by) = &self.by else {
            return Some(Key::Thread(file, record.thread().index()));
        };
        let position = || record.argument_at(by.parse().ok()?);
        let value = record.argument(by).or_else(position)?;
        // Two records without a value do not match.
        if let Value::Option(None) = value {
            return None;
        }
        let mut text = String::new();
        write_value(&value, &mut text);
        Some(Key::Value(text))
    }

    pub fn latency(self) -> Latency {
        let [from, to] = self.places.0.map(|(text, _)| text);
        let (times, pairs) = (&self.times, self.times.len());
        let percentile = |percent| {
            let ns = times.value_at_percentile(percent);
            Percentile { percent, ns: ns.clamp(self.least_ns.min(self.most_ns), self.most_ns) }
        };
        Latency {
            from,
            to,
            by: self.by,
            begun: self.begun,
            ended: self.ended,
            pairs,
            backwards: self.backwards,
            unwatched: self.unwatched,
            min_ns: if pairs == 0 { 0 } else { self.least_ns },
            mean_ns: self.sum_ns as f64 / pairs.max(1) as f64,
            percentiles: PERCENTILES.map(percentile).into(),
        }
    }
}
