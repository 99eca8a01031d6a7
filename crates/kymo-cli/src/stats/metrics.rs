//! What metrics say, by name and labels: sums of counters, the last value of gauges, percentiles of histograms.
//!
//! Percentiles come from counts by powers of a base a little greater than 1, so that memory does not grow with the
//! number of values, and each percentile is within 1 % of a value. (This is the idea of DDSketch: C. Masson, J. Rim,
//! H. Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019.)

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use kymo_reader::{Record, Value};
use serde::Serialize;

use super::spans::PERCENTILES;

/// How many names with labels are told apart.
const MAX_ROWS: usize = 16_384;

/// The base of the powers: 1 % from the middle of two of them to either.
const BASE: f64 = 1.02;

/// Sums metrics.
#[derive(Default)]
pub struct Metrics {
    rows: Vec<Row>,
    numbers: HashMap<Box<str>, usize>,
    key: String,
    unwatched: u64,
}

struct Row {
    kind: &'static str,
    target: Box<str>,
    name: Box<str>,
    labels: BTreeMap<Box<str>, String>,
    unit: Option<&'static str>,
    records: u64,
    sum: Sum,
    least: f64,
    most: f64,
    /// Of all records, by time.
    last: (i64, f64),
    sketch: Sketch,
}

/// A sum: exact, as long as all values are integers.
#[derive(Clone, Copy)]
enum Sum {
    Integer(i128),
    Float(f64),
}

/// How many values are near each power of [`BASE`].
#[derive(Default)]
struct Sketch {
    negative: BTreeMap<i32, u64>,
    zero: u64,
    positive: BTreeMap<i32, u64>,
}

/// The result.
#[derive(Serialize)]
pub struct MetricSums {
    pub rows: Vec<MetricRow>,
    /// Records that were left out, because there were too many names and labels.
    pub unwatched: u64,
}

/// The records of one metric with the same labels.
#[derive(Serialize)]
pub struct MetricRow {
    pub kind: &'static str,
    pub target: Box<str>,
    pub name: Box<str>,
    pub labels: BTreeMap<Box<str>, String>,
    /// "ns" for durations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<&'static str>,
    pub records: u64,
    pub sum: serde_json::Number,
    pub last: f64,
    pub least: f64,
    pub most: f64,
    /// As [`PERCENTILES`]: within 1 % of a value.
    pub percentiles: [f64; 4],
}

impl Metrics {
    /// Takes a record.
    pub fn record(&mut self, record: &Record<'_>) {
        let Some(metric) = record.metric() else { return };
        let value = metric.number();
        if !value.is_finite() {
            return;
        }
        self.key.clear();
        let key = &mut self.key;
        let _ = write!(key, "{}\0{}\0{}", metric.kind(), record.target(), metric.name());
        for (name, value) in metric.labels() {
            let _ = write!(key, "\0{name}\0{value}");
        }
        let row = match self.numbers.get(&**key) {
            Some(&row) => row,
            None if self.rows.len() < MAX_ROWS => {
                let labels = metric.labels().map(|(name, value)| (name.into(), value.to_string()));
                self.rows.push(Row {
                    kind: metric.kind(),
                    target: record.target().into(),
                    name: metric.name().into(),
                    labels: labels.collect(),
                    unit: matches!(metric.value(), Value::Duration(_)).then_some("ns"),
                    records: 0,
                    sum: Sum::Integer(0),
                    least: value,
                    most: value,
                    last: (i64::MIN, value),
                    sketch: Sketch::default(),
                });
                self.numbers.insert((&**key).into(), self.rows.len() - 1);
                self.rows.len() - 1
            }
            None => return self.unwatched += 1,
        };
        let row = &mut self.rows[row];
        row.records += 1;
        row.sum = row.sum.plus(&metric.value(), value);
        (row.least, row.most) = (row.least.min(value), row.most.max(value));
        if record.time_ns() >= row.last.0 {
            row.last = (record.time_ns(), value);
        }
        row.sketch.add(value);
    }

    /// The result, by kind and name.
    pub fn sums(self) -> MetricSums {
        let row = |row: Row| MetricRow {
            percentiles: PERCENTILES
                .map(|percent| row.sketch.at(percent, row.records).clamp(row.least, row.most)),
            kind: row.kind,
            target: row.target,
            name: row.name,
            labels: row.labels,
            unit: row.unit,
            records: row.records,
            sum: row.sum.number(),
            last: row.last.1,
            least: row.least,
            most: row.most,
        };
        let mut rows: Vec<_> = self.rows.into_iter().map(row).collect();
        rows.sort_by(|a, b| {
            let key = |row: &MetricRow| (row.kind, row.name.clone(), row.labels.clone());
            key(a).cmp(&key(b))
        });
        MetricSums { rows, unwatched: self.unwatched }
    }
}

impl Sum {
    fn plus(self, value: &Value<'_>, number: f64) -> Self {
        let integer = match value {
            Value::Duration(duration) => i128::try_from(duration.as_nanos()).ok(),
            value => value.as_i128(),
        };
        match (self, integer) {
            (Self::Integer(sum), Some(value)) => match sum.checked_add(value) {
                Some(sum) => Self::Integer(sum),
                None => Self::Float(sum as f64 + number),
            },
            (Self::Integer(sum), None) => Self::Float(sum as f64 + number),
            (Self::Float(sum), _) => Self::Float(sum + number),
        }
    }

    fn number(self) -> serde_json::Number {
        let integer = match self {
            Self::Integer(sum) => serde_json::Number::from_i128(sum),
            Self::Float(_) => None,
        };
        let float = match self {
            Self::Integer(sum) => sum as f64,
            Self::Float(sum) => sum,
        };
        integer.or_else(|| serde_json::Number::from_f64(float)).unwrap_or_else(|| 0.into())
    }
}

impl Sketch {
    fn add(&mut self, value: f64) {
        let counts = match value {
            ..0.0 => &mut self.negative,
            0.0 => return self.zero += 1,
            _ => &mut self.positive,
        };
        let power = (value.abs().ln() / BASE.ln()).ceil() as i32;
        *counts.entry(power).or_default() += 1;
    }

    /// The value at a percentile of so many.
    fn at(&self, percent: f64, records: u64) -> f64 {
        // The middle of two powers.
        let value = |power: i32| BASE.powi(power) * 2.0 / (1.0 + BASE);
        let wanted = ((records as f64 * percent / 100.0).ceil() as u64).max(1);
        let negative = self.negative.iter().rev().map(|(power, count)| (-value(*power), *count));
        let positive = self.positive.iter().map(|(power, count)| (value(*power), *count));
        let all = negative.chain([(0.0, self.zero)]).chain(positive);
        let mut seen = 0;
        for (value, count) in all {
            seen += count;
            if seen >= wanted {
                return value;
            }
        }
        f64::INFINITY
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A percentile is within 1 % of the value that has this rank.
        #[test]
        fn percentiles_are_near_a_value(
            mut values in prop::collection::vec(
                prop_oneof![-1e12..1e12, Just(0.0), 1e-9..1e-3, Just(7.0)], 1..300)
        ) {
            let mut sketch = Sketch::default();
            values.iter().for_each(|value| sketch.add(*value));
            values.sort_by(f64::total_cmp);
            for percent in [0.1, 50.0, 90.0, 99.0, 100.0] {
                let rank = ((values.len() as f64 * percent / 100.0).ceil() as usize).max(1);
                let (expected, found) = (values[rank - 1], sketch.at(percent, values.len() as u64));
                prop_assert!((found - expected).abs() <= expected.abs() * 0.0101, "{expected} {found}");
            }
        }
    }
}
