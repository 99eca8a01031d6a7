//! The side file: critical records that their threads write themselves, because the consumer did
//! not answer in time.
//!
//! In: a whole record, its thread, and the log that it belongs to. Out: a segment beside the log,
//! made when it is first needed, with one thread for each record. It knows nothing of the consumer,
//! nor of rings.
//!
//! Most of its records are in the log, too, or will be: the consumer may only have been late.
//! Readers of the log hand out each of them once (`docs/format.md`, "Side files").

use std::io;

use crate::clock::discipline::Discipline;
use crate::clock::lines::Lines;
use crate::clock::{Observation, TickSource};
use crate::process::inside::Locked;
use crate::process::thread_info::ThreadInfo;
use crate::ring::consumer::records;
use crate::ring::record::Record;
use crate::segment::plain::PlainFile;
use crate::segment::writer::SegmentWriter;
use crate::segment::{LogFile, Output};
use crate::sync::Arc;
use crate::sync::statics::{Mutex, MutexGuard, PoisonError};

/// The most bytes of a side file. Readers hold it in memory.
const MAX_BYTES: u64 = 64 << 20;

/// The side file of a logger.
#[derive(Default)]
pub(crate) struct SideFile(Mutex<SideState>);

#[derive(Default)]
enum SideState {
    /// No record needed it so far.
    #[default]
    None,
    Open(Box<OpenFile>),
    /// The logger has ended. (A late call must not begin the file anew.)
    Ended,
}

/// The log that a side file belongs to.
pub(crate) struct Log<'a> {
    pub(crate) file: &'a LogFile,
    pub(crate) clock: TickSource,
    /// How ticks become time in the log.
    pub(crate) lines: &'a Lines,
    /// What the clocks showed when the logger was made.
    pub(crate) started: Observation,
}

/// The right to write to the side file, which belongs to one log until this is dropped.
pub(crate) struct Writing<'a>(Locked<MutexGuard<'a, SideState>>);

impl Writing<'_> {
    /// Writes a record, which must be as a call path commits it, and brings it to the disk if
    /// `synced`. Returns false if it could not be written. Otherwise calls `count` with the result
    /// of bringing it to the disk, before any other thread can write or close the file.
    pub(crate) fn write(
        mut self,
        record: &[u64],
        thread: &ThreadInfo,
        log: &Log<'_>,
        synced: bool,
        count: impl FnOnce(io::Result<()>),
    ) -> bool {
        let state = &mut *self.0;
        if let SideState::None = *state
            && let Ok(file) = OpenFile::create(log)
        {
            *state = SideState::Open(Box::new(file));
        }
        let SideState::Open(file) = state else { return false };
        if file.write(record, thread, log).is_err() {
            return false;
        }
        count(if synced { file.writer.output().sync() } else { Ok(()) });
        true
    }
}

impl SideFile {
    /// Waits for other threads that write, and for a log that is being changed.
    pub(crate) fn writing(&self) -> Writing<'_> {
        Writing(self.lock())
    }

    /// Has `change_log` bring what is in the rings to the log, and go on in another one. It returns
    /// whether it did. The side file, if there is one, ends with the log that it belongs to. Calls
    /// that want to write to it wait, and find the next log, or their record in the old one.
    pub(crate) fn part<R>(&self, change_log: impl FnOnce(bool) -> (bool, R)) -> R {
        let mut state = self.lock();
        let (changed, result) = change_log(matches!(*state, SideState::Open(_)));
        if changed && let SideState::Open(file) = &mut *state {
            file.close();
            *state = SideState::None;
        }
        result
    }

    /// Has `replace_log` set another log, because the last one was removed, and return it. From then on the side file,
    /// if there is one, is that one's. No call writes to it in between.
    pub(crate) fn belong_to(&self, replace_log: impl FnOnce() -> Option<Arc<LogFile>>) {
        let mut state = self.lock();
        if let (Some(log), SideState::Open(file)) = (replace_log(), &mut *state) {
            file.belongs = file.writer.output_mut().belong_to(&log).is_ok();
        }
    }

    /// Ends the file, if there is one. Nothing is written to it from then on.
    pub(crate) fn close(&self) {
        if let SideState::Open(mut file) = std::mem::replace(&mut *self.lock(), SideState::Ended) {
            file.close();
        }
    }

    fn lock(&self) -> Locked<MutexGuard<'_, SideState>> {
        // After a panic, the worst is a file without an end.
        Locked::by(|| self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A side file that is there.
struct OpenFile {
    writer: SegmentWriter<PlainFile>,
    clock: TickSource,
    /// How many of the log's clock frames it has, or was too late for.
    known_lines: u64,
    /// Whether its header names the log. If that could not be written, the next record tries it again.
    belongs: bool,
}

impl OpenFile {
    fn create(log: &Log<'_>) -> io::Result<Self> {
        let output = PlainFile::create(log.file, log.clock.source(), MAX_BYTES)?;
        let salt = output.salt();
        let writer = SegmentWriter::new(output, salt);
        let mut file = Self { writer, clock: log.clock, known_lines: 0, belongs: true };
        file.put_lines(log);
        if file.writer.staged_bytes() == 0 {
            // The log's own clock frames are not available. Since the logger was made there was
            // time enough for an exact rate.
            let clock = log.clock;
            file.writer.clock(&Discipline::new(clock, log.started, clock.observe()).line());
        }
        Ok(file)
    }

    /// Stages the log's clock frames that the file does not have.
    fn put_lines(&mut self, log: &Log<'_>) {
        log.lines.since(&mut self.known_lines).for_each(|line| self.writer.clock(&line));
    }

    /// Writes a record.
    fn write(&mut self, record: &[u64], thread: &ThreadInfo, log: &Log<'_>) -> io::Result<()> {
        self.put_lines(log);
        if !self.belongs {
            self.writer.output_mut().belong_to(log.file)?;
            self.belongs = true;
        }
        let now = self.clock.begin_sweep();
        let mut thread = self.writer.add_thread(thread.clone());
        for record in records(record) {
            // SAFETY: the record is whole: its thread made it for a ring.
            let record = unsafe { Record::new(record) };
            self.writer.put(record, &mut thread);
        }
        if thread.records() > 0 {
            self.writer.end_thread(&mut thread);
        }
        self.writer.end_sweep(now);
        self.commit()?;
        self.writer.settle(&mut thread);
        Ok(())
    }

    /// Commits what is staged. A failure is not reported here: the record is where it was, or its
    /// call counts it.
    fn commit(&mut self) -> io::Result<()> {
        self.writer.commit(|_| ()).inspect_err(|_| self.writer.restage())
    }

    fn close(&mut self) {
        // A failed attempt is made once more.
        for _ in 0..2 {
            if self.commit().is_err() {
                continue;
            }
            self.writer.end(self.clock.now());
            if self.commit().is_ok() {
                break;
            }
        }
        // There is nobody left to report an error to.
        let _ = self.writer.output_mut().close();
    }
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;
    use crate::clock;
    use crate::ring::filler;
    use crate::segment::LogOutput;
    use crate::segment::mapped::{Making, MappedFile};

    #[test]
    fn who_comes_when_it_is_closed_does_not_write_over_it() {
        let path = std::env::temp_dir().join(format!("kymo-side-{}.kymo", std::process::id()));
        let clock = TickSource::new(clock::Clock::Monotonic);
        let making = Making { clock: clock.source(), ..Making::of_tests(4 << 20) };
        let output = MappedFile::create(&path, true, making).unwrap();
        let file = output.log_file().unwrap();
        let (lines, started) = (Lines::default(), clock.observe());
        let log = Log { file: &file, clock, lines: &lines, started };
        let side = SideFile::default();
        let write =
            || side.writing().write(&[filler(2), 0], &ThreadInfo::default(), &log, false, |_| ());
        // A filler is no record, and the file is made all the same.
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
