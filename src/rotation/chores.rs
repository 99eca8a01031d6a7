//! What the housekeeper does with the files of a log.

use std::io;
use std::path::PathBuf;

use crate::clock::monotonic_ns;
#[cfg(feature = "compress")]
use crate::rotation::compress::Compressor;
use crate::rotation::housekeeper::{Answer, Chores, Switched};
use crate::rotation::limits::Limits;
use crate::rotation::link;
use crate::rotation::log::LogLock;
use crate::rotation::predecessors::Predecessors;
use crate::segment::Output;
use crate::segment::create_temporary;
use crate::segment::mapped::{Making, MappedFile};
use crate::segments::LogName;
use crate::sync::Arc;

/// How often the limits are looked at when nothing happens, in nanoseconds.
const LOOK_NS: u64 = 60_000_000_000;

/// The files of a log, for the housekeeper.
pub(crate) struct Files {
    pub(crate) limits: Arc<Limits>,
    pub(crate) making: Making,
    /// The number of the current segment.
    pub(crate) current: u64,
    /// The hidden name of the segment that was prepared last.
    pub(crate) temporary: PathBuf,
    /// The file system has symbolic links.
    pub(crate) has_links: bool,
    /// When to look at the limits, on the monotonic clock.
    pub(crate) look_at_ns: u64,
    /// Closes the segments of dead processes.
    pub(crate) predecessors: Option<Predecessors>,
    /// Compresses the segments before the current one, if the program wants that.
    #[cfg(feature = "compress")]
    pub(crate) compressor: Option<Compressor>,
    /// The lock on the log, which is held as long as anything is done here.
    pub(crate) _lock: LogLock,
}

impl Files {
    fn log(&self) -> &LogName {
        &self.limits.log
    }

    /// Has all segments before the current one compressed, unless they are. Returns what is to be told.
    #[cfg(feature = "compress")]
    fn compress(&mut self) -> Vec<Answer<MappedFile>> {
        let mut answers = Vec::new();
        let Some(compressor) = &self.compressor else { return answers };
        let looked = compressor.look_through(self.log(), self.current);
        answers.extend(looked.err().map(Answer::Failed));
        let failed = compressor.take_errors().into_iter().map(io::Error::other);
        answers.extend(failed.map(Answer::Failed));
        answers.push(Answer::Compressed(compressor.totals()));
        answers
    }

    /// Stops what is being compressed, and waits for that, but not for long: if need be it ends later.
    #[cfg(feature = "compress")]
    pub(crate) fn stop_compressing(&self) {
        const LIMIT: std::time::Duration = std::time::Duration::from_secs(1);
        self.compressor.as_ref().map(|compressor| compressor.stop(LIMIT));
    }

    /// Deletes what the limits of the log delete now, and has the rest compressed. Returns what is to be told of that.
    pub(crate) fn retain(&mut self) -> Vec<Answer<MappedFile>> {
        self.look_at_ns = monotonic_ns().saturating_add(LOOK_NS);
        self.limits.look(self.current);
        #[cfg(feature = "compress")]
        return self.compress();
        #[cfg(not(feature = "compress"))]
        Vec::new()
    }

    /// Makes a segment without a name.
    pub(crate) fn prepare_segment(&mut self) -> io::Result<MappedFile> {
        let (file, temporary) =
            create_temporary(&link::temporary(self.log(), "next"), self.making.mode)?;
        MappedFile::ahead(file, temporary.clone(), self.making.clone())
            .inspect_err(|_| {
                // Nobody else knows it.
                let _ = std::fs::remove_file(&temporary);
            })
            .inspect(|_| self.temporary = temporary)
    }

    /// Removes the temporary name of the segment that got its own.
    pub(crate) fn forget_temporary(&self) {
        // It may be removed already, or never have been there.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

impl Chores for Files {
    type Segment = MappedFile;

    fn prepare(&mut self) -> io::Result<MappedFile> {
        self.prepare_segment()
    }

    fn finish(&mut self, switched: Switched<MappedFile>) -> Vec<Answer<MappedFile>> {
        let Switched { mut closed, is_removed, current, sequence } = switched;
        self.current = sequence;
        self.forget_temporary();
        let linked = if self.has_links { link::point(self.log(), &current) } else { Ok(()) };
        let closed = if is_removed { Ok(()) } else { closed.close() };
        let failed = [linked, closed].into_iter().filter_map(Result::err);
        let mut answers: Vec<_> = failed.map(Answer::Failed).collect();
        answers.extend(self.retain());
        answers
    }

    fn look_around(&mut self) -> Vec<Answer<MappedFile>> {
        let unclosed = self.predecessors.as_mut().and_then(Predecessors::take_done);
        if unclosed.is_some() {
            self.limits.set_unclosed(0);
        }
        // What was closed can be compressed.
        let is_due = monotonic_ns() >= self.look_at_ns || unclosed.is_some();
        let unclosed = unclosed.into_iter().flatten().map(Answer::Unclosed);
        let mut answers: Vec<_> = unclosed.collect();
        if is_due {
            answers.extend(self.retain());
        }
        answers
    }

    fn discard(&mut self, next: MappedFile) {
        next.discard();
    }
}
