//! Brings the log to the disk: when the program chose so, and when a thread asks.
//!
//! A mapped file survives every end of its process, but not a power failure: the system writes it to the disk when it
//! likes, within half a minute or so. A *sync* returns when the disk has all that was in the log when it began, and the
//! file's name.
//!
//! The consumer never syncs, because a disk may take seconds. The thread `kymo-sync` does, and any thread that asks.
//! Syncs take turns. A thread that waited for its turn goes without if a sync that began meanwhile has succeeded.
//!
//! When the logger leaves a file (it was rotated, or another program moved it), the end of that may not be on the disk.
//! Such files are kept open until the next sync, up to [`MAX_LEFT`] of them. With [`Durability::Kernel`] none is kept,
//! because there may never be a sync. A sync that comes after such files were left syncs the whole file system.
//!
//! A system that fails to write a page does not try again, and forgets the failure. So a sync that succeeds after one
//! that failed says nothing of the records before. After a failure, all syncs of that file fail.

use std::io;
use std::time::Duration;

use crate::clock::{monotonic_ns, wall_ns};
use crate::process::inside::Locked;
use crate::segment::LogFile;
use crate::shared::stats::LogCounters;
use crate::sync::Arc;
use crate::sync::statics::{AtomicBool, Mutex, MutexGuard, OnceLock, Ordering, PoisonError};

/// When the log is brought to the disk: see [`Builder::durability`](crate::Builder::durability).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// When the system likes, within half a minute or so. Costs nothing.
    #[default]
    Kernel,
    /// This long after the last time, and at a shutdown.
    Every(Duration),
    /// When a file is complete: at a rotation, after [`Logger::reopen`](crate::Logger::reopen), and at a shutdown.
    AtClose,
}

/// How many files that the logger has left are kept open for a sync.
const MAX_LEFT: usize = 8;

/// The files of a logger, and how much of them is on the disk.
#[derive(Default)]
pub(crate) struct Disk {
    durability: Durability,
    files: Mutex<Files>,
    /// Held during a sync. It is taken before the lock on the files.
    turn: Mutex<Turn>,
    /// The thread that syncs, and whether it is to end.
    thread: OnceLock<std::thread::Thread>,
    has_ended: AtomicBool,
}

#[derive(Default)]
struct Files {
    /// The file that the consumer writes.
    current: Option<Arc<LogFile>>,
    /// Files that it wrote before, and that may not be on the disk.
    left: Vec<Arc<LogFile>>,
    /// It has left files that are not among these.
    has_left_others: bool,
    /// Why the last sync that failed did so, until that is told.
    untold: Option<io::Error>,
}

/// The results of the syncs so far.
#[derive(Default)]
struct Turn {
    /// When the last that succeeded began, by the monotonic clock.
    began_ns: u64,
    /// The segment of which one has failed.
    failed: Option<[u8; 16]>,
}

/// The files that a sync is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// All of them.
    All,
    /// Those that the logger has left.
    Left,
}

impl Disk {
    pub(crate) fn new(durability: Durability) -> Self {
        Self { durability, ..Self::default() }
    }

    pub(crate) fn durability(&self) -> Durability {
        self.durability
    }

    /// The file that the consumer writes.
    pub(crate) fn current(&self) -> Option<Arc<LogFile>> {
        self.files().current.clone()
    }

    /// The consumer goes on in another file, or begins in one. Wakes the thread that syncs for the sake of the last.
    pub(crate) fn set_current(&self, log: Option<LogFile>) {
        let mut files = self.files();
        let Some(left) = std::mem::replace(&mut files.current, log.map(Arc::new)) else { return };
        if self.durability == Durability::Kernel || files.left.len() == MAX_LEFT {
            files.has_left_others = true;
        } else {
            files.left.push(left);
        }
        drop(files);
        self.wake();
    }

    /// Returns whether the logger has left files that may not be on the disk, and are kept open for that.
    pub(crate) fn has_left(&self) -> bool {
        !self.files().left.is_empty()
    }

    /// The logger has ended: forgets all files, and ends the thread that syncs. Returns the files, which a sync may
    /// still have open.
    pub(crate) fn end(&self) -> Vec<Arc<LogFile>> {
        let mut files = self.files();
        files.has_left_others = false;
        let (current, mut ended) = (files.current.take(), std::mem::take(&mut files.left));
        drop(files);
        ended.extend(current);
        // Release: pairs with the acquire in `has_ended`. Nothing hangs on it: the lock would do.
        self.has_ended.store(true, Ordering::Release);
        self.wake();
        ended
    }

    /// Returns whether the logger has ended.
    pub(crate) fn has_ended(&self) -> bool {
        // Acquire: pairs with the release in `end`.
        self.has_ended.load(Ordering::Acquire)
    }

    /// Sets the thread that syncs.
    pub(crate) fn set_thread(&self, thread: std::thread::Thread) {
        // There is one thread for each logger.
        let _ = self.thread.set(thread);
    }

    /// Wakes the thread that syncs, if there is one.
    pub(crate) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Waits until all that was in the log before this call is on the disk, or, of the files that were left, all of it.
    /// Counts failures, and keeps one to be told.
    ///
    /// # Errors
    /// Those of the system. If a sync of this file has failed before, or the logger has ended.
    pub(crate) fn sync(&self, which: Which, counters: &LogCounters) -> io::Result<()> {
        let asked_ns = monotonic_ns();
        let mut turn = self.turn();
        // It began after the call, so it had all of that to sync.
        if turn.began_ns >= asked_ns {
            return Ok(());
        }
        let (began_ns, began_wall_ns) = (monotonic_ns(), wall_ns());
        self.sync_files(which, &mut turn, counters)?;
        if which == Which::All {
            turn.began_ns = began_ns;
            counters.synced_ns.set(began_wall_ns.unsigned_abs());
        }
        Ok(())
    }

    fn sync_files(&self, which: Which, turn: &mut Turn, counters: &LogCounters) -> io::Result<()> {
        let mut files = self.files();
        let current = files.current.clone().filter(|_| which == Which::All);
        // They stay there as long as this has them open: see `end`.
        let left = files.left.clone();
        let has_left_others = current.is_some() && std::mem::take(&mut files.has_left_others);
        drop(files);
        // The oldest first: whatever comes in between, the disk has the beginning of the log.
        let mut result = Ok(());
        for file in left {
            result = result.and(self.note(file.sync(), counters));
            self.files().left.retain(|it| !Arc::ptr_eq(it, &file));
        }
        if which == Which::Left {
            return result;
        }
        let Some(current) = current else {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the logger has ended"));
        };
        let synced = self.note(current.sync(), counters);
        if synced.is_err() {
            turn.failed = Some(current.id);
        }
        result = result.and(synced);
        if has_left_others {
            let synced = self.note(current.sync_file_system(), counters);
            self.files().has_left_others |= synced.is_err();
            result = result.and(synced);
        }
        if turn.failed == Some(current.id) {
            let text = "records of this file may be missing on the disk: it could not be written there before";
            result = result.and(Err(io::Error::other(text)));
        }
        result
    }

    /// Counts a failure, and keeps it to be told.
    fn note(&self, synced: io::Result<()>, counters: &LogCounters) -> io::Result<()> {
        if let Err(error) = &synced {
            counters.sync_errors.increment();
            self.files().untold = Some(io::Error::new(error.kind(), error.to_string()));
        }
        synced
    }

    /// Takes the last failure, to be told. Does not wait for a sync.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.files().untold.take()
    }

    fn files(&self) -> Locked<MutexGuard<'_, Files>> {
        // Nothing under this lock panics.
        Locked::by(|| self.files.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn turn(&self) -> Locked<MutexGuard<'_, Turn>> {
        // A panic under this lock leaves no number half changed.
        Locked::by(|| self.turn.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
