//! How long spans were busy and idle, by name.
//!
//! A span is *busy* while threads are in it, and *idle* for the rest of the time from its beginning to its end. Where
//! two threads are in it at a time, both count. If a record of it is missing, the span is not counted, or with the time
//! that its other records say.

use std::collections::HashMap;

use hdrhistogram::Histogram;
use kymo_reader::{Record, SpanRole};
use serde::Serialize;

/// How many spans may be open at a time.
const MAX_OPEN: usize = 1 << 20;

/// How many names are told apart.
const MAX_NAMES: usize = 4_096;

/// The percentiles that are printed.
pub const PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 100.0];

/// Measures spans.
#[derive(Default)]
pub struct Spans {
    rows: Vec<Row>,
    /// The row of each target and name.
    numbers: HashMap<(Box<str>, Box<str>), usize>,
    /// By file and id.
    open: HashMap<(usize, u64), Open>,
    /// How many spans ended whose beginning is not there.
    unknown: u64,
    /// How many spans were left out, because there were too many names, or too many were open.
    unwatched: u64,
}

struct Row {
    target: Box<str>,
    name: Box<str>,
    busy: Histogram<u64>,
    idle: Histogram<u64>,
    entered: u64,
}

struct Open {
    row: usize,
    begun_ns: i64,
    busy_ns: u64,
    entered: u64,
    /// The threads that are in it: since when, and how often they have entered it.
    inside: Vec<(usize, i64, u32)>,
}

/// The result. Times are in nanoseconds.
#[derive(Serialize)]
pub struct SpanTimes {
    pub rows: Vec<SpanRow>,
    /// Spans that did not end.
    pub open: u64,
    pub unknown: u64,
    pub unwatched: u64,
}

/// The spans of one name that ended. Percentiles are up to 1 % more than the time of the span in question.
#[derive(Serialize)]
pub struct SpanRow {
    pub target: Box<str>,
    pub name: Box<str>,
    pub spans: u64,
    pub entered: u64,
    /// As [`PERCENTILES`].
    pub busy_ns: [u64; 4],
    pub idle_ns: [u64; 4],
}

impl Spans {
    /// Takes a record. They must come in the order of time.
    pub fn record(&mut self, file: usize, record: &Record<'_>) {
        let (Some(role), Some(id)) = (record.span_role(), record.span_id()) else { return };
        let (key, now) = ((file, id), record.time_ns());
        if role == SpanRole::New {
            return self.begin(key, record);
        }
        let Some(open) = self.open.get_mut(&key) else {
            self.unknown += u64::from(role == SpanRole::Close);
            return;
        };
        let thread = record.thread().index();
        let inside = open.inside.iter().position(|(inside, ..)| *inside == thread);
        match (role, inside) {
            (SpanRole::Enter, None) => {
                open.entered += 1;
                open.inside.push((thread, now, 1));
            }
            (SpanRole::Enter, Some(at)) => open.inside[at].2 += 1,
            (SpanRole::Exit, Some(at)) => {
                open.inside[at].2 -= 1;
                if open.inside[at].2 == 0 {
                    let (_, since, _) = open.inside.swap_remove(at);
                    open.busy_ns = open.busy_ns.saturating_add(elapsed(since, now));
                }
            }
            (SpanRole::Close, _) => self.end(key, now),
            _ => {}
        }
    }

    fn begin(&mut self, key: (usize, u64), record: &Record<'_>) {
        let site = record.call_site();
        let name = (Box::from(site.target()), Box::from(site.format()));
        let row = match self.numbers.get(&name) {
            Some(&row) => row,
            None if self.rows.len() < MAX_NAMES => {
                // Two digits of precision: a histogram grows with the range of its times.
                let new = || {
                    let mut times = Histogram::new(2).expect("a precision from 0 to 5");
                    times.auto(true);
                    times
                };
                let (target, shown) = (name.0.clone(), site.format().replace("{{", "{"));
                let shown = shown.replace("}}", "}").into();
                self.rows.push(Row { target, name: shown, busy: new(), idle: new(), entered: 0 });
                self.numbers.insert(name, self.rows.len() - 1);
                self.rows.len() - 1
            }
            None => return self.unwatched += 1,
        };
        if self.open.len() >= MAX_OPEN && !self.open.contains_key(&key) {
            return self.unwatched += 1;
        }
        let begun_ns = record.time_ns();
        self.open.insert(key, Open { row, begun_ns, busy_ns: 0, entered: 0, inside: Vec::new() });
    }

    fn end(&mut self, key: (usize, u64), now: i64) {
        let Some(mut open) = self.open.remove(&key) else { return };
        // Where the record of an exit is missing, it was at the end at the latest.
        for (_, since, _) in std::mem::take(&mut open.inside) {
            open.busy_ns = open.busy_ns.saturating_add(elapsed(since, now));
        }
        let row = &mut self.rows[open.row];
        row.entered += open.entered;
        let idle_ns = elapsed(open.begun_ns, now).saturating_sub(open.busy_ns);
        // They grow as far as they have to.
        let _ = row.busy.record(open.busy_ns);
        let _ = row.idle.record(idle_ns);
    }

    /// The result, the most frequent spans first.
    pub fn times(self) -> SpanTimes {
        let percentiles = |times: &Histogram<u64>| {
            PERCENTILES.map(|percent| times.value_at_percentile(percent).min(times.max()))
        };
        let rows = self.rows.into_iter().map(|row| SpanRow {
            spans: row.busy.len(),
            entered: row.entered,
            busy_ns: percentiles(&row.busy),
            idle_ns: percentiles(&row.idle),
            target: row.target,
            name: row.name,
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by(|one, other| {
            let key = |row: &SpanRow| (std::cmp::Reverse(row.spans), row.name.clone());
            key(one).cmp(&key(other))
        });
        let open = self.open.len() as u64;
        SpanTimes { rows, open, unknown: self.unknown, unwatched: self.unwatched }
    }
}

fn elapsed(from: i64, to: i64) -> u64 {
    u64::try_from(i128::from(to) - i128::from(from)).unwrap_or(0)
}
