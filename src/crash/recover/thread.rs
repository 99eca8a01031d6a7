//! Finds the rings that belonged to one thread, and the order of its records.
#![forbid(unsafe_code)]

use std::collections::HashMap;

use crate::crash::recovered::{RecoveredRecord, ThreadRecords};
use crate::process::thread_info::ThreadInfo;
use crate::ring::storage::layout::{Purpose, RingMode};

/// The records of a ring.
pub(crate) struct LeftRecords {
    pub(crate) thread: ThreadInfo,
    pub(crate) mode: RingMode,
    pub(crate) purpose: Purpose,
    pub(crate) records: Vec<RecoveredRecord>,
    /// The number of records that were overwritten before them, as far as it is known.
    pub(crate) overwritten: u64,
}

/// The rings of a thread: at most one of each kind.
struct ThreadRings {
    thread: ThreadInfo,
    by_kind: [Option<LeftRecords>; 3],
}

/// Groups rings by thread. The rings come in the order in which they were made.
///
/// The system reuses the number of a thread that has ended. But a thread makes its flight
/// recorder's ring first, and only that may be left after its end. So a second ring of a kind, and
/// all rings after it, belong to the next thread.
pub(crate) fn threads(rings: impl Iterator<Item = LeftRecords>) -> Vec<ThreadRecords> {
    let mut threads: Vec<ThreadRings> = Vec::new();
    // By the system's number, the last thread that had it.
    let mut last = HashMap::new();
    for contents in rings {
        let kind = match (contents.purpose, contents.mode) {
            (Purpose::FlightRecorder, _) => FLIGHT,
            (Purpose::Log, RingMode::Bounded) => BOUNDED,
            (Purpose::Log, RingMode::Overwriting) => OVERWRITING,
        };
        let found = last.get(&contents.thread.os_id).map(|index: &usize| &mut threads[*index]);
        let found = found.filter(|rings| {
            rings.thread.name == contents.thread.name && rings.by_kind[kind].is_none()
        });
        match found {
            Some(rings) => rings.by_kind[kind] = Some(contents),
            None => {
                last.insert(contents.thread.os_id, threads.len());
                let mut rings =
                    ThreadRings { thread: contents.thread.clone(), by_kind: [const { None }; 3] };
                rings.by_kind[kind] = Some(contents);
                threads.push(rings);
            }
        }
    }
    threads.into_iter().map(ThreadRings::into_thread).collect()
}

const BOUNDED: usize = 0;
const OVERWRITING: usize = 1;
const FLIGHT: usize = 2;

impl ThreadRings {
    fn into_thread(self) -> ThreadRecords {
        let [bounded, overwriting, flight] = self.by_kind;
        let (records, overwritten) = merge(bounded, overwriting);
        let (flight, flight_overwritten) = of(flight);
        ThreadRecords { info: self.thread, records, overwritten, flight, flight_overwritten }
    }
}

fn of(contents: Option<LeftRecords>) -> (Vec<RecoveredRecord>, u64) {
    contents.map_or_else(Default::default, |contents| (contents.records, contents.overwritten))
}

/// Merges the records of both rings in the order of the consumer (see `consumer::followed`).
///
/// Also returns how many were overwritten, and before which record.
fn merge(
    bounded: Option<LeftRecords>,
    overwriting: Option<LeftRecords>,
) -> (Vec<RecoveredRecord>, (u64, usize)) {
    let (bounded, (others, overwritten)) = (of(bounded).0, of(overwriting));
    let mut records = Vec::with_capacity(bounded.len() + others.len());
    let mut others = others.into_iter().peekable();
    let mut before = None;
    for record in bounded {
        while let Some(other) = others.next_if(|other| other.header[1] < record.header[1]) {
            before.get_or_insert(records.len());
            records.push(other);
        }
        records.push(record);
    }
    let before = before.unwrap_or(records.len());
    records.extend(others);
    (records, (overwritten, before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;
    use crate::statement::call_site::{CallSite, Location};

    static SITE: CallSite = CallSite::new(
        Level::Info,
        Location { target: "", module: "", file: "", line: 1, column: 1, format: "", names: &[] },
        None,
    );

    fn ring(os_id: u64, purpose: Purpose, mode: RingMode, ticks: &[u64]) -> LeftRecords {
        let record =
            |ticks: &u64| RecoveredRecord { site: &SITE, header: [0, *ticks], arguments: vec![] };
        LeftRecords {
            thread: ThreadInfo { name: "a name".to_owned(), os_id },
            mode,
            purpose,
            records: ticks.iter().map(record).collect(),
            overwritten: 7,
        }
    }

    fn ticks(records: &[RecoveredRecord]) -> Vec<u64> {
        records.iter().map(|record| record.header[1]).collect()
    }

    #[test]
    fn rings_are_grouped_by_thread() {
        use Purpose::{FlightRecorder, Log};
        use RingMode::{Bounded, Overwriting};
        let rings = [
            // A thread that ended and left its flight recorder.
            ring(1, FlightRecorder, Overwriting, &[1, 2]),
            ring(2, FlightRecorder, Overwriting, &[]),
            // Another thread with that number.
            ring(1, FlightRecorder, Overwriting, &[8]),
            ring(1, Log, Overwriting, &[3, 5, 5, 9]),
            ring(2, Log, Bounded, &[4, 4]),
            ring(1, Log, Bounded, &[2, 5, 6]),
        ];
        let found = threads(rings.into_iter());
        let [ended, other, next] = &found[..] else { panic!("{} threads", found.len()) };
        assert_eq!((ticks(&ended.flight), ticks(&ended.records)), (vec![1, 2], vec![]));
        assert_eq!((ticks(&other.flight), ticks(&other.records)), (vec![], vec![4, 4]));
        assert_eq!(ticks(&next.flight), [8]);
        assert_eq!(ticks(&next.records), [2, 3, 5, 5, 5, 6, 9]);
        assert_eq!(next.overwritten, (7, 1));
        assert_eq!(ended.flight_overwritten, 7);
    }
}
