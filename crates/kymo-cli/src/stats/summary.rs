//! The result of `kymo stats`, as `--json` prints it.

use serde::Serialize as SerializeDerive;
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::Sort;
use super::between::Latency;
use super::histogram::Histogram;
use super::metrics::MetricSums;
use super::scopes::ScopeTimes;
use super::spans::SpanTimes;

/// How many columns the histogram of `--json` has, at most.
const MAX_COLUMNS: usize = 1_024;

/// All of it.
#[derive(Default, SerializeDerive)]
pub struct Summary {
    pub files: usize,
    /// The length of the files.
    pub file_bytes: u64,
    pub frames: u64,
    pub records: u64,
    /// The bytes of records; the rest is frames, the dictionary, and marks.
    pub bytes: u64,
    /// The time of the first record, and of the last, in nanoseconds since the epoch.
    pub first_ns: Option<i64>,
    pub last_ns: Option<i64>,
    /// Records that the program dropped.
    pub dropped: u64,
    pub drop_marks: u64,
    /// Records that statements with a rate have suppressed.
    #[serde(skip_serializing_if = "is_zero")]
    pub suppressed: u64,
    /// Dumps of flight recorders, one for each thread, and the records that they brought, whether
    /// or not these pass the filters.
    pub dumps: u64,
    pub dumped: u64,
    /// Records that are missing.
    pub lost: u64,
    pub gaps: u64,
    pub damages: u64,
    pub damaged_bytes: u64,
    pub levels: Vec<Row>,
    pub targets: Vec<Row>,
    pub threads: Vec<ThreadRow>,
    pub call_sites: Vec<SiteRow>,
    pub drops: Vec<Dropped>,
    pub histogram: Histogram,
    pub between: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spans: Option<SpanTimes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<ScopeTimes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<MetricSums>,
}

/// Most programs have none, and no key for it.
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Records and their bytes in the file.
#[derive(Clone, Copy, Debug, Default, SerializeDerive)]
pub struct Count {
    pub records: u64,
    pub bytes: u64,
}

/// A target or a level.
#[derive(SerializeDerive)]
pub struct Row {
    pub name: String,
    #[serde(flatten)]
    pub count: Count,
}

#[derive(SerializeDerive)]
pub struct ThreadRow {
    pub name: String,
    #[serde(flatten)]
    pub count: Count,
    pub dropped: u64,
    pub lost: u64,
}

#[derive(SerializeDerive)]
pub struct SiteRow {
    /// File, line and column.
    pub at: String,
    pub level: &'static str,
    pub target: String,
    pub format: String,
    /// The message of its first record, if another crate than kymo formats them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub suppressed: u64,
    #[serde(flatten)]
    pub count: Count,
}

/// Records that were dropped, by reason and level, null where it is not known.
#[derive(SerializeDerive)]
pub struct Dropped {
    pub reason: String,
    pub level: Option<&'static str>,
    pub records: u64,
}

impl Count {
    #[inline]
    pub fn add(&mut self, bytes: u64) {
        self.records += 1;
        self.bytes += bytes;
    }

    pub fn merge(&mut self, other: Self) {
        self.records += other.records;
        self.bytes += other.bytes;
    }

    /// The sort key of a row.
    pub fn key(&self, sort: Sort) -> (u64, u64) {
        match sort {
            Sort::Records => (self.records, self.bytes),
            Sort::Bytes => (self.bytes, self.records),
        }
    }
}

impl Summary {
    /// From the first record to the last, in seconds; `None` if that is no time.
    pub fn seconds(&self) -> Option<f64> {
        let span = self.last_ns?.abs_diff(self.first_ns?);
        (span > 0).then_some(span as f64 / 1e9)
    }

    /// The places of `--between` at which nothing was logged.
    pub fn unmet_places(&self) -> Vec<&str> {
        let Some(Latency { from, to, begun, ended, .. }) = &self.between else { return Vec::new() };
        let unmet = |(place, records)| (records == 0_u64).then_some(place);
        let places = [(from.as_str(), *begun), (to.as_str(), *ended)];
        let mut unmet: Vec<_> = places.into_iter().filter_map(unmet).collect();
        unmet.dedup();
        unmet
    }
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let columns = self.columns(MAX_COLUMNS);
        let mut fields = serializer.serialize_struct("Histogram", 3)?;
        fields.serialize_field("start_ns", &columns.start_ns)?;
        fields.serialize_field("step_ns", &columns.step_ns)?;
        fields.serialize_field("records", &columns.counts)?;
        fields.end()
    }
}
