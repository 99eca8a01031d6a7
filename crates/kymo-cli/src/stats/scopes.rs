//! How long scopes took, by name.

use std::collections::{HashMap, HashSet};

use hdrhistogram::Histogram;
use kymo_reader::{Record, ScopeEvent};
use serde::Serialize;

use super::spans::PERCENTILES;

/// How many names are told apart.
const MAX_NAMES: usize = 4_096;

/// How many scopes may be open at a time.
const MAX_OPEN: usize = 1 << 20;

/// Measures scopes.
#[derive(Default)]
pub struct Scopes {
    rows: Vec<Row>,
    /// The row of each target and name.
    numbers: HashMap<(Box<str>, Box<str>), usize>,
    /// By file and number: those whose beginning is in the log, and whose end is not yet.
    open: HashSet<(usize, u64)>,
    unwatched: u64,
}

struct Row {
    target: Box<str>,
    name: Box<str>,
    times: Histogram<u64>,
    total_ns: u64,
}

/// The result. Times are in nanoseconds.
#[derive(Serialize)]
pub struct ScopeTimes {
    pub rows: Vec<ScopeRow>,
    /// Scopes that began and did not end.
    pub open: u64,
    /// Scopes that were left out, because there were too many names.
    pub unwatched: u64,
}

/// The scopes of one name. Percentiles are up to 1 % more than the time of the scope in question.
#[derive(Serialize)]
pub struct ScopeRow {
    pub target: Box<str>,
    pub name: Box<str>,
    pub scopes: u64,
    pub total_ns: u64,
    /// As [`PERCENTILES`].
    pub took_ns: [u64; 4],
}

impl Scopes {
    /// Takes a record.
    pub fn record(&mut self, file: usize, record: &Record<'_>) {
        let duration = match record.scope() {
            None => return,
            Some(ScopeEvent::Begin(number)) => {
                if self.open.len() < MAX_OPEN {
                    self.open.insert((file, number));
                }
                return;
            }
            Some(ScopeEvent::End(number, duration)) => {
                if let Some(number) = number {
                    self.open.remove(&(file, number));
                }
                duration
            }
            Some(_) => return,
        };
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let site = record.call_site();
        let key = (Box::from(site.target()), site.name());
        let next = self.rows.len();
        let row = match self.numbers.get(&key) {
            Some(&row) => row,
            None if next < MAX_NAMES => {
                // Two digits of precision: a histogram grows with the range of its times.
                let mut times = Histogram::new(2).expect("a precision from 0 to 5");
                times.auto(true);
                let (target, name) = key.clone();
                self.rows.push(Row { target, name, times, total_ns: 0 });
                self.numbers.insert(key, next);
                next
            }
            None => return self.unwatched += 1,
        };
        let row = &mut self.rows[row];
        row.total_ns = row.total_ns.saturating_add(ns);
        // It grows as far as it has to.
        let _ = row.times.record(ns);
    }

    /// The result, the longest in all first.
    pub fn times(self) -> ScopeTimes {
        let rows = self.rows.into_iter().map(|row| ScopeRow {
            scopes: row.times.len(),
            total_ns: row.total_ns,
            took_ns: PERCENTILES
                .map(|percent| row.times.value_at_percentile(percent).min(row.times.max())),
            target: row.target,
            name: row.name,
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by_key(|row| (std::cmp::Reverse(row.total_ns), row.name.clone()));
        ScopeTimes { rows, open: self.open.len() as u64, unwatched: self.unwatched }
    }
}
