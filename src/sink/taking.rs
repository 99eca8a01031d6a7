//! A sink in its thread: what is called, and what is counted.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kymo_reader::Event;

use crate::following::{Part, Take};
use crate::process::thread_info::os_thread_id;
use crate::shared::tally::SinkTally;
use crate::sink::{Mark, Outcome, Record, Sink};
use crate::sync::Arc;

/// Calls a sink.
pub(super) struct Taking {
    /// `None` after its end.
    sink: Option<Box<dyn Sink>>,
    own: Arc<SinkTally>,
    /// All sinks of the logger: what their threads log is for none.
    all: Vec<Arc<SinkTally>>,
    /// How many records were skipped since the last that it has seen; how many of them it has not been told.
    missed: u64,
    untold: u64,
    /// Something was handed over since the last flush; how many of the records were taken.
    is_dirty: bool,
    held_back: u64,
}

/// Why a call failed.
enum Failure {
    Error(Box<dyn std::error::Error + Send + Sync>),
    Panic(String),
}

impl Taking {
    pub(super) fn new(sink: Box<dyn Sink>, index: usize, all: Vec<Arc<SinkTally>>) -> Self {
        let own = all[index].clone();
        Self { sink: Some(sink), own, all, missed: 0, untold: 0, is_dirty: false, held_back: 0 }
    }

    /// Calls a method. Counts a failure, and returns whether there was none.
    fn call(&mut self, method: impl FnOnce(&mut dyn Sink) -> Outcome) -> bool {
        let Some(sink) = &mut self.sink else { return false };
        let failure = match catch_unwind(AssertUnwindSafe(|| method(&mut **sink))) {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => Failure::Error(error),
            Err(panic) => Failure::Panic(text(panic)),
        };
        match failure {
            Failure::Error(error) => {
                // Its `Display` is code of the program, too.
                let text = catch_unwind(AssertUnwindSafe(|| error.to_string()));
                self.own.fail(&text.as_deref().unwrap_or("its error panics"));
                let _ = catch_unwind(AssertUnwindSafe(|| drop(error)));
            }
            // The panic hook has reported it.
            Failure::Panic(text) => {
                self.own.tally.panics.add(1);
                self.own.fail(&text);
            }
        }
        false
    }

    /// Tells it of skipped records, if there are some.
    fn tell_skipped(&mut self) {
        if self.untold > 0 {
            let records = std::mem::take(&mut self.untold);
            self.is_dirty = true;
            self.call(|sink| sink.mark(&Mark::Skipped(records)));
        }
    }

    /// Has it send what it holds back, if it may have something. Only then it is known what became of these records.
    fn flush(&mut self) {
        if !std::mem::take(&mut self.is_dirty) {
            return;
        }
        let is_sent = self.call(|sink| sink.flush());
        let records = std::mem::take(&mut self.held_back);
        let tally = &self.own.tally;
        if is_sent { &tally.taken } else { &tally.failed }.add(records);
    }
}

/// What a panic says.
fn text(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    // It may be a value of the program, whose end panics.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
    format!("it panicked: {}", text.as_deref().unwrap_or("with no text"))
}

impl Take for Taking {
    fn enter(&mut self) {
        self.own.set_thread(os_thread_id());
    }

    fn begin(&mut self) {
        self.call(|sink| sink.mark(&Mark::Segment));
    }

    fn leaves_out(&self, record: &kymo_reader::Record<'_>) -> bool {
        let is_of_sink = |os_id: u64| self.all.iter().any(|sink| sink.is_thread(os_id));
        record.span_role().is_some() || record.thread().os_id().is_some_and(is_of_sink)
    }

    fn skipped(&mut self, records: u64) {
        self.missed += records;
        self.untold += records;
    }

    fn take(&mut self, event: &Event<'_>) {
        self.is_dirty = true;
        let Event::Record(record) = event else {
            self.call(|sink| sink.mark(&Mark::Event(event)));
            return;
        };
        self.tell_skipped();
        let record = Record { record: *record, missed: std::mem::take(&mut self.missed) };
        if self.call(|sink| sink.record(&record)) {
            self.held_back += 1;
        } else {
            self.own.tally.failed.add(1);
        }
    }

    fn finish(&mut self, part: Part) -> bool {
        self.own.tally.left_out.add(part.left_out);
        if !part.is_skipping {
            self.tell_skipped();
        }
        self.flush();
        true
    }

    fn end(&mut self) {
        self.tell_skipped();
        self.flush();
        self.call(|sink| sink.close());
        let sink = self.sink.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(sink))) {
            self.own.tally.panics.add(1);
            self.own.fail(&text(panic));
        }
    }
}
