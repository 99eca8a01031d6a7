//! What lines that arrived together are sorted by.

use kymo_reader::{Event, Thread};

/// The latest times that were met in a file. They put lines that arrived together into the order of time, and keep that
/// of each thread.
#[derive(Debug)]
pub struct FileTimes {
    /// In any thread.
    latest: i64,
    /// In each, by [`Thread::index`].
    threads: Vec<i64>,
}

impl Default for FileTimes {
    /// Nothing was met yet.
    fn default() -> Self {
        Self { latest: i64::MIN, threads: Vec::new() }
    }
}

impl FileTimes {
    /// Returns what a line for this event is sorted by: its time, or the latest time before it in its thread, if that
    /// is later.
    pub fn key(&mut self, event: &Event<'_>) -> i64 {
        let (thread, time_ns) = match event {
            Event::Record(record) => (Some(record.thread()), Some(record.time_ns())),
            Event::Drops(drops) => (Some(drops.thread), Some(drops.first_ns)),
            Event::Signal(signal) => (signal.thread, Some(signal.time_ns)),
            Event::ClockSet(set) => (None, Some(set.time_ns)),
            Event::Deleted(deleted) => (None, Some(deleted.time_ns)),
            Event::Gap(gap) => (gap.thread, None),
            // The records of a dump are older than those that the thread had logged before.
            Event::Dump(dump) => (None, Some(dump.first_ns)),
            _ => (None, None),
        };
        let Some(index) = thread.map(Thread::index) else {
            return time_ns.unwrap_or(self.latest);
        };
        if self.threads.len() <= index {
            self.threads.resize(index + 1, i64::MIN);
        }
        let latest = &mut self.threads[index];
        // An event without a time comes after the event before it.
        *latest = time_ns.map_or(self.latest, |time_ns| time_ns.max(*latest));
        self.latest = self.latest.max(*latest);
        *latest
    }
}
