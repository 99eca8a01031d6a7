//! Reads segments while they are written, for one that takes their events.

use std::fs::File;

use kymo_reader::{Event, Reader, Record};

use crate::consumer::feed::{Next, View};
use crate::following::Terms;
use crate::level::Level;
use crate::shared::tally::Tally;
use crate::sync::Arc;

/// How many events are taken at a time, at most.
const EVENTS: usize = 1 << 10;

/// Takes events: a console, or a sink.
pub(crate) trait Take: Send {
    /// It is in its own thread now.
    fn enter(&mut self) {}

    /// Another segment begins: call sites and threads have other numbers there.
    fn begin(&mut self) {}

    /// Whether a record is not for it, by choice.
    fn leaves_out(&self, record: &Record<'_>) -> bool;

    /// Records were skipped, and counted.
    fn skipped(&mut self, records: u64);

    /// Takes an event. If it is a record, it is one of its levels.
    fn take(&mut self, event: &Event<'_>);

    /// Whether it has enough for a part.
    fn is_full(&self) -> bool {
        false
    }

    /// A part is over. Returns whether it can take more.
    fn finish(&mut self, part: Part) -> bool;

    /// Everything was taken, or nothing more is to be.
    fn end(&mut self) {}
}

/// Events that were taken together.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    /// How many of them are records.
    pub(crate) records: u64,
    /// How many records were left out by choice.
    pub(crate) left_out: u64,
    /// It is late, and skips records until it has caught up.
    pub(crate) is_skipping: bool,
}

/// Reads segments.
pub(super) struct Reading<T: Take> {
    take: T,
    level: Level,
    backlog: u64,
    tally: Arc<Tally>,
    /// The segment, if there is one and it can be read.
    reader: Option<Reader<'static>>,
    /// How many bytes the segments before it have.
    begins_at: u64,
    /// It is late, and skips records until it has caught up.
    is_skipping: bool,
}

impl<T: Take> Reading<T> {
    pub(super) fn new(take: T, terms: &Terms, tally: Arc<Tally>) -> Self {
        let Terms { level, backlog, .. } = *terms;
        Self { take, level, backlog, tally, reader: None, begins_at: 0, is_skipping: false }
    }

    /// Skips if it is too late, until it has nearly caught up.
    fn choose(&mut self, committed: u64) {
        let read = self.reader.as_ref().map_or(0, Reader::offset) + self.begins_at;
        let late = committed.saturating_sub(read);
        self.is_skipping = late > if self.is_skipping { self.backlog / 8 } else { self.backlog };
    }

    /// Takes a part of what is new. Returns it, and whether there may be more.
    fn read(&mut self) -> (Part, bool) {
        let mut part = Part { records: 0, left_out: 0, is_skipping: self.is_skipping };
        let Some(reader) = &mut self.reader else { return (part, false) };
        let mut skipped = 0;
        let mut has_more = true;
        for _ in 0..EVENTS {
            if self.take.is_full() {
                break;
            }
            let event = match reader.next_event() {
                Ok(Some(event)) => event,
                Ok(None) => {
                    has_more = false;
                    break;
                }
                Err(_) => {
                    self.tally.errors.increment();
                    (self.reader, has_more) = (None, false);
                    break;
                }
            };
            if let Event::Record(record) = &event {
                if self.take.leaves_out(record) {
                    part.left_out += 1;
                    continue;
                }
                if self.is_skipping {
                    skipped += 1;
                    continue;
                }
                part.records += 1;
            }
            self.take.take(&event);
        }
        if skipped > 0 {
            self.tally.skipped.increase(skipped);
            self.take.skipped(skipped);
        }
        self.is_skipping &= has_more;
        part.is_skipping = self.is_skipping;
        (part, has_more)
    }
}

impl<T: Take> View for Reading<T> {
    type Segment = File;

    fn begin(&mut self, next: Next<File>) {
        let Next { segment, begins_at } = next;
        let level = self.level;
        let options = kymo_reader::Options::new().follow(true);
        let reader = options.filter(move |site| site.level() <= level).from_file(segment);
        if reader.is_err() {
            self.tally.errors.increment();
        }
        (self.reader, self.begins_at) = (reader.ok(), begins_at);
        self.take.begin();
    }

    fn show(&mut self, committed: u64) -> Option<bool> {
        let unseen = self.tally.hear_skipped();
        if unseen > 0 {
            self.take.skipped(unseen);
        }
        self.choose(committed);
        let (part, has_more) = self.read();
        self.take.finish(part).then_some(has_more)
    }

    fn end(&mut self) {
        self.take.end();
    }
}
