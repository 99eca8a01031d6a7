//! What a child process and its parent share: counters in a mapped file, which is there also when
//! the child was killed.

use std::fs::OpenOptions;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use kymo::Report;
use memmap2::MmapRaw;

/// How many threads there can be in the life of a child.
pub const MAX_THREADS: usize = 4_096;

/// How many loggers, one after the other.
pub const MAX_SESSIONS: usize = 3;

/// The row of the consumer, whose hook logs.
pub const HOOK: u64 = 0;

/// The counters. All zero at first; each has one writer.
#[repr(C)]
pub struct Shared {
    /// Whether `unlogged` is final: all threads have ended after the last logger.
    pub settled: Counter,
    /// Whether all threads had ended before the last logger did.
    pub quiet: Counter,
    pub unlogged: Counter,
    pub sessions: [Session; MAX_SESSIONS],
    pub threads: [Row; MAX_THREADS],
}

/// A logger.
#[repr(C)]
pub struct Session {
    /// Whether it was started.
    pub begun: Counter,
    /// Whether it was told to end.
    pub ending: Counter,
    /// Whether what follows is its report.
    pub reported: Counter,
    pub written: Counter,
    pub dropped: Counter,
    pub unwritten: Counter,
    pub rescued: Counter,
    pub warnings: Counter,
    pub cut: Counter,
    pub file_bytes: Counter,
    /// Whether the report has an error.
    pub failed: Counter,
    /// Whether that is that the consumer did not end in time.
    pub timed_out: Counter,
}

/// A thread.
#[repr(C)]
pub struct Row {
    /// How many records it began to log, by level: those that were enabled.
    pub logged: [Counter; 5],
    /// How many of them can be lost by nothing but an end of the logger.
    pub sure: Counter,
    /// How many of those were logged before a flush or a critical record returned.
    pub kept: Counter,
    /// How many critical records' calls have returned.
    pub critical: Counter,
}

#[repr(transparent)]
pub struct Counter(AtomicU64);

impl Counter {
    // Relaxed, both: the parent reads when the child has gone.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl Session {
    pub fn note(&self, report: &Report) {
        self.written.set(report.written);
        self.dropped.set(report.dropped);
        self.unwritten.set(report.unwritten);
        self.rescued.set(report.rescued);
        self.warnings.set(report.warnings);
        self.cut.set(report.cut);
        self.file_bytes.set(report.file_bytes);
        self.failed.set(report.error.is_some().into());
        let kind = report.error.as_ref().map(io::Error::kind);
        self.timed_out.set((kind == Some(io::ErrorKind::TimedOut)).into());
        self.reported.set(1);
    }
}

/// The mapped file.
pub struct Table(MmapRaw);

impl Table {
    /// Maps the file at `path`, which is made if it is not there.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        file.set_len(size_of::<Shared>() as u64)?;
        Ok(Self(MmapRaw::map_raw(&file)?))
    }
}

impl Deref for Table {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        // SAFETY: the mapping is as long as that, begins with a page, and lives as long as `self`;
        // there is nothing in it but atomics, for which all bytes are valid. Nobody cuts the file.
        unsafe { &*self.0.as_mut_ptr().cast::<Shared>() }
    }
}
