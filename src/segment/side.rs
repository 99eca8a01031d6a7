//! The side file: critical records that their threads write themselves, because the consumer did
//! not answer in time.
//!
//! It is an ordinary segment, made when it is first needed, of one thread for each record, and
//! written by a consumer of its own in the thread that calls. Most of its records are, or come to
//! be, in the log too: the consumer may only have been late. Readers of the log hand each out once
//! (`docs/format.md`, "Side files").

use crate::clock::discipline::Discipline;
use crate::consumer::Consumer;
use crate::format::frame::Clock;
use crate::process::thread_info::ThreadInfo;
use crate::segment::plain::PlainFile;
use crate::segment::writer::frames;
use crate::segment::{LogFile, Output};
use crate::shared::Shared;
use crate::shared::policy::{Overflow, Policies};
use crate::sync::Arc;
use crate::sync::atomic::Ordering;
use crate::sync::statics::{Mutex, MutexGuard, PoisonError};

/// How long a side file may become. Readers hold it in memory.
const MAX_BYTES: u64 = 64 << 20;

/// The side file of a logger.
#[derive(Default)]
pub(crate) struct SideFile(Mutex<State>);

#[derive(Default)]
enum State {
    /// It was not needed so far.
    #[default]
    None,
    /// The file, and how many of the log's clock frames it has.
    Open(Box<Consumer<PlainFile>>, u64),
    /// The logger has ended. (A call that is late must not begin the file anew.)
    Ended,
}

impl SideFile {
    /// Writes a record, and counts it; false if that is impossible.
    pub(crate) fn write(
        &self,
        record: &[u64],
        thread: &ThreadInfo,
        log: &LogFile,
        shared: &Shared,
        synced: bool,
    ) -> bool {
        let mut state = self.lock();
        if let State::None = *state
            && let Some((consumer, lines)) = open(log, shared)
        {
            *state = State::Open(Box::new(consumer), lines);
        }
        let State::Open(consumer, lines) = &mut *state else { return false };
        shared.lines.since(lines).for_each(|line| consumer.follow(line));
        if consumer.output.belong_to(log).is_err() || !consumer.write_alone(record, thread) {
            return false;
        }
        // Under the lock, so that the counts are final once the file is closed.
        shared.counters.rescued.increment();
        if synced && consumer.output.sync().is_err() {
            shared.counters.sync_errors.increment();
        }
        true
    }

    /// The log goes on in another file, or begins: from now on the side file, if there is one, is
    /// that one's.
    pub(crate) fn belong_to(&self, log: &LogFile) {
        if let State::Open(consumer, _) = &mut *self.lock() {
            // Where it fails, the next record tries it again.
            let _ = consumer.output.belong_to(log);
        }
    }

    /// Ends the file, if there is one. Nothing is written to it any more.
    pub(crate) fn close(&self) {
        if let State::Open(mut consumer, _) = std::mem::replace(&mut *self.lock(), State::Ended) {
            consumer.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic leaves at worst a file without an end.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the file; returns also how many of the log's clock frames it has.
fn open(log: &LogFile, shared: &Shared) -> Option<(Consumer<PlainFile>, u64)> {
    let clock = shared.clock;
    let output = PlainFile::create(log, clock.source(), MAX_BYTES).ok()?;
    let own = Shared::new(clock, Policies::new(Overflow::DropNewest), 0);
    // What it makes of the clocks counts only where the log's own clock frames are not to be had: over
    // so long a time that the rate is exact.
    let mut discipline = Discipline::new(clock, shared.started, clock.observe());
    let mut known = 0;
    let mut lines = shared.lines.since(&mut known);
    lines.next().into_iter().for_each(|line| discipline.set_line(line));
    let salt = output.salt();
    let mut consumer = Consumer::new(Arc::new(own), discipline, output, salt);
    lines.for_each(|line| consumer.follow(line));
    Some((consumer, known))
}

impl<O: Output> Consumer<O> {
    /// From now on, ticks become time as another consumer has found.
    fn follow(&mut self, line: Clock) {
        self.discipline.set_line(line);
        frames::put_clock(&mut self.staging, &line);
    }

    /// Writes one record of a thread; says whether that worked.
    fn write_alone(&mut self, record: &[u64], thread: &ThreadInfo) -> bool {
        let Some(mut producer) = self.shared.make_producer(2 * record.len(), thread.clone()) else {
            return false;
        };
        let Ok(mut slot) = producer.ring.reserve(record.len()) else { return false };
        let to = slot.as_mut_ptr();
        // SAFETY: the slot has as many words as the record, and is not Rust memory that the record
        // might overlap.
        unsafe { to.copy_from_nonoverlapping(record.as_ptr(), record.len()) };
        // SAFETY: the record is whole: its thread made it for a ring.
        unsafe { slot.publish() };
        let state = producer.state.clone();
        drop(producer);
        self.sweep();
        // Acquire: as in `Producer::flush`; this thread is the consumer, too.
        state.failures.load(Ordering::Acquire) == 0
    }
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;
    use crate::clock::{self, TickSource};
    use crate::ring::filler;
    use crate::segment::mapped::MappedFile;

    #[test]
    fn who_comes_when_it_is_closed_does_not_write_over_it() {
        let path = std::env::temp_dir().join(format!("kymo-side-{}.kymo", std::process::id()));
        let clock = TickSource::new(clock::Clock::Monotonic);
        let output = MappedFile::create(&path, true, clock.source(), 4 << 20, None).unwrap();
        let log = output.log_file().unwrap();
        let shared = Shared::new(clock, Policies::new(Overflow::DropNewest), 512);
        let side = SideFile::default();
        let write = || side.write(&[filler(2), 0], &ThreadInfo::default(), &log, &shared, false);
        // A filler, which no consumer hands on: the file is made all the same.
        assert!(write());
        side.close();
        let rescue = path.with_extension("kymo.rescue");
        let before = std::fs::read(&rescue).unwrap();
        assert!(!write());
        assert_eq!(std::fs::read(&rescue).unwrap(), before);
        std::fs::remove_file(rescue).unwrap();
        std::fs::remove_file(path).unwrap();
    }
}
