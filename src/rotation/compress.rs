//! Compresses closed segments, in a thread of the lowest priority that ends when nothing is left to do.
//!
//! What is done with files, and in which order, is in `kymo_zstd`: at each moment one whole file of a segment is there.
//! A segment that cannot be compressed stays as it is, and is tried again when the log is looked through later. Who
//! asks never waits, except in [`Compressor::stop`].

use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kymo_zstd::{CompressError, Compression, Problem, compress_segment, sweep};

use crate::derived::Owner;
use crate::format::header::Header;
use crate::process::own_thread;
use crate::process::thread_info::{be_idle, be_ordinary};
use crate::rotation::limits::Limits;
use kymo_files::segments::LogName;

/// How long a segment that could not be compressed is left alone.
const PAUSE: Duration = Duration::from_secs(600);

/// The closed segments of one log that are to be compressed.
pub(crate) struct Compressor {
    shared: Arc<Shared>,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// How many segments were compressed.
    pub(crate) segments: u64,
    /// Their lengths in bytes before.
    pub(crate) bytes_before: u64,
    /// And after.
    pub(crate) bytes_after: u64,
    /// How many attempts failed.
    pub(crate) errors: u64,
}

struct Shared {
    /// The log's id.
    id: [u8; 16],
    level: i32,
    owner: Owner,
    /// What deletes segments of the log meanwhile.
    limits: Arc<Limits>,
    state: Mutex<State>,
    /// The thread has ended.
    ended: Condvar,
    stop: AtomicBool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<PathBuf>,
    /// The thread is there, and takes what is waiting.
    is_running: bool,
    /// Segments that could not be compressed, and when that was.
    failed: HashMap<PathBuf, Instant>,
    totals: Totals,
    /// Errors that nobody was told yet.
    errors: Vec<CompressError>,
}

impl Compressor {
    /// For the segments of the log of these limits. Starts no thread.
    pub(crate) fn new(limits: Arc<Limits>, level: i32) -> Self {
        let (id, owner) = (limits.id, limits.owner);
        let (state, ended, stop) = Default::default();
        Self { shared: Arc::new(Shared { id, level, owner, limits, state, ended, stop }) }
    }

    /// Compresses all segments of the log with a lower number than `current`, unless they are. Removes what
    /// killed processes left that did so.
    ///
    /// # Errors
    /// If the directory cannot be read, or no thread be made.
    pub(crate) fn look_through(&self, log: &LogName, current: u64) -> io::Result<()> {
        sweep(log, self.shared.owner)?;
        let segments = log.list(self.shared.owner)?;
        let is_wanted = |header: &Header| header.log == self.shared.id && header.sequence < current;
        let mut result = Ok(());
        for segment in segments {
            if !segment.name.is_compressed && segment.header.as_ref().is_some_and(is_wanted) {
                result = result.and(self.push(segment.path));
            }
        }
        result
    }

    /// Compresses the closed segment at `path`, after those that wait.
    ///
    /// # Errors
    /// If no thread can be made. The segment waits.
    pub(crate) fn push(&self, path: PathBuf) -> io::Result<()> {
        let shared = &self.shared;
        let mut state = shared.state();
        let has_just_failed = state.failed.get(&path).is_some_and(|at| at.elapsed() < PAUSE);
        // Ordering: the flag is set once, and the thread asks it again. Nothing else depends on it.
        if !has_just_failed
            && !state.waiting.contains(&path)
            && !shared.stop.load(Ordering::Relaxed)
        {
            state.waiting.push_back(path);
        }
        if state.waiting.is_empty() || state.is_running {
            return Ok(());
        }
        let shared = Arc::clone(shared);
        own_thread::spawn("kymo-compress", move || run(&shared))?;
        state.is_running = true;
        Ok(())
    }

    /// What was done so far.
    pub(crate) fn totals(&self) -> Totals {
        self.shared.state().totals
    }

    /// What failed since the last call, each segment once.
    pub(crate) fn take_errors(&self) -> Vec<CompressError> {
        std::mem::take(&mut self.shared.state().errors)
    }

    /// Stops after the block that is being compressed, and waits for that. False if it takes longer than `limit`: then
    /// the thread ends later, and leaves everything in order.
    pub(crate) fn stop(&self, limit: Duration) -> bool {
        // Ordering: see `push`.
        self.shared.stop.store(true, Ordering::Relaxed);
        let state = self.shared.state();
        let ended = self.shared.ended.wait_timeout_while(state, limit, |state| state.is_running);
        ended.is_ok_and(|(state, _)| !state.is_running)
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        // Ordering: see `push`.
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code in between can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next segment. `None` if there is none: then the thread must end.
    fn next(&self) -> Option<PathBuf> {
        let mut state = self.state();
        // Ordering: see `push`.
        if self.stop.load(Ordering::Relaxed) {
            state.waiting.clear();
        }
        let next = state.waiting.pop_front();
        state.is_running = next.is_some();
        next
    }

    fn compress(&self, path: &Path) {
        // Ordering: see `push`.
        let compression = Compression::default()
            .level(self.level)
            .owner(self.owner)
            .go_on(|_, _| !self.stop.load(Ordering::Relaxed))
            .in_turn(|change| self.limits.in_turn(change));
        let compressed = catch_unwind(AssertUnwindSafe(|| compress_segment(path, compression)));
        // The panic hook has reported it.
        let result = compressed.unwrap_or_else(|_| {
            let problem = Problem::Io(io::Error::other("the thread that compresses panicked"));
            Err(CompressError { path: path.to_owned(), problem })
        });
        let mut state = self.state();
        match result {
            Ok(done) => {
                state.totals.segments += 1;
                state.totals.bytes_before += done.bytes_before;
                state.totals.bytes_after += done.bytes_after;
                state.failed.remove(path);
            }
            // Another process does this; retention has removed it; somebody looks at its lock at this moment; or its
            // writer died, and it stays as it is.
            Err(CompressError {
                problem:
                    Problem::Stopped
                    | Problem::Busy
                    | Problem::Changed
                    | Problem::InUse
                    | Problem::NotClosed,
                ..
            }) => {}
            Err(CompressError { problem: Problem::Io(error), .. })
                if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                state.totals.errors += 1;
                if state.failed.insert(path.to_owned(), Instant::now()).is_none() {
                    state.errors.push(error);
                }
            }
        }
    }
}

fn run(shared: &Shared) {
    /// Says that the thread has ended, also if it panics.
    struct End<'a>(&'a Shared);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.state().is_running = false;
            self.0.ended.notify_all();
        }
    }
    be_ordinary();
    be_idle();
    let end = End(shared);
    while let Some(path) = shared.next() {
        shared.compress(&path);
    }
    // `next` has said so: a push may have made another thread since.
    std::mem::forget(end);
    shared.ended.notify_all();
}

#[cfg(test)]
mod tests {
    use super::*;
    use kymo_testing::segment::Segment;
    use std::fs::{self, File};

    /// It is the least important thread of a machine that may be busy.
    const LIMIT: Duration = Duration::from_secs(1_000);

    /// A log of so many closed segments, and one more.
    fn log(dir: &Path, segments: u64) -> (LogName, Vec<PathBuf>, [u8; 16]) {
        let names = LogName::new(&dir.join("app.kymo"));
        let mut id = [0; 16];
        let write = |sequence: u64| {
            let mut segment = Segment::of_log(9, sequence);
            segment.clock(1_000_000).site(0, 3, "hello", &[]).thread(1, "main");
            for n in 0..40_u8 {
                segment.frame(77, &[n; 5_000]);
            }
            let is_closed = sequence <= segments;
            if is_closed {
                segment.close()
            } else {
                segment.commit()
            };
            id = Header::from_copy(&segment.bytes).unwrap().log;
            let path = names.segment(1_796_018_220 + sequence as i64, sequence);
            fs::write(&path, &segment.bytes).unwrap();
            path
        };
        let paths = (1..=segments + 1).map(write).collect();
        (names, paths, id)
    }

    fn owner(dir: &Path) -> Owner {
        Owner::of(&dir.metadata().unwrap())
    }

    /// Limits that delete nothing.
    fn unlimited(names: &LogName, id: [u8; 16], dir: &Path) -> Arc<Limits> {
        let keep = crate::keep::Keep::unlimited();
        Arc::new(Limits::new(names.clone(), id, owner(dir), keep, 1 << 20, true))
    }

    impl Compressor {
        /// Waits until nothing is left to do.
        fn finish(&self) {
            let state = self.shared.state();
            let ended =
                self.shared.ended.wait_timeout_while(state, LIMIT, |state| state.is_running);
            assert!(!ended.unwrap().1.timed_out());
        }
    }

    #[test]
    fn closed_segments_of_the_log_are_compressed() {
        let dir = tempfile::tempdir().unwrap();
        let (names, paths, id) = log(dir.path(), 4);
        // Of another log that was called so.
        let other = names.segment(1_796_018_000, 2);
        fs::copy(&paths[1], &other).unwrap();
        let mut page = Header::from_copy(&fs::read(&other).unwrap()).unwrap();
        page.log = [77; 16];
        let mut bytes = fs::read(&other).unwrap();
        bytes[..4096].copy_from_slice(&page.to_page());
        fs::write(&other, bytes).unwrap();
        let left_over = LogName::compressing(&LogName::compressed(&paths[2]));
        fs::write(&left_over, "half").unwrap();

        let compressor = Compressor::new(unlimited(&names, id, dir.path()), 3);
        for _ in 0..2 {
            compressor.look_through(&names, 5).unwrap();
            compressor.finish();
            let compressed = |path: &PathBuf| LogName::compressed(path).exists() && !path.exists();
            assert!(paths[..4].iter().all(compressed));
            assert!(paths[4].exists() && other.exists() && !left_over.exists());
            let totals = compressor.totals();
            assert_eq!((totals.segments, totals.errors), (4, 0));
            assert!(totals.bytes_after < totals.bytes_before);
            assert!(compressor.take_errors().is_empty());
        }
    }

    /// One that cannot be compressed stays, is told once, and does not keep others from it.
    #[test]
    fn errors_are_counted_and_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let (names, paths, id) = log(dir.path(), 4);
        fs::write(LogName::compressed(&paths[0]), "somebody else's").unwrap();
        let in_use = File::open(&paths[1]).unwrap();
        crate::process::lock::lock(&in_use).unwrap();
        // Its writer died: all but the end frame is there.
        let torn = File::options().write(true).open(&paths[2]).unwrap();
        torn.set_len(torn.metadata().unwrap().len() - 8).unwrap();
        let compressor = Compressor::new(unlimited(&names, id, dir.path()), 3);
        for _ in 0..2 {
            compressor.look_through(&names, 5).unwrap();
            compressor.finish();
            assert!(paths[..3].iter().all(|path| path.exists()) && !paths[3].exists());
            assert_eq!((compressor.totals().segments, compressor.totals().errors), (1, 1));
        }
        let errors = compressor.take_errors();
        assert!(matches!(&errors[..], [CompressError { problem: Problem::Exists, .. }]));
        // One that was only in use is compressed the next time.
        drop(in_use);
        compressor.look_through(&names, 5).unwrap();
        compressor.finish();
        assert!(!paths[1].exists() && paths[2].exists());
        assert!(compressor.take_errors().is_empty());
    }

    #[test]
    fn it_stops_and_leaves_whole_files() {
        let dir = tempfile::tempdir().unwrap();
        let (names, paths, id) = log(dir.path(), 40);
        let compressor = Compressor::new(unlimited(&names, id, dir.path()), 22);
        compressor.look_through(&names, 41).unwrap();
        assert!(compressor.stop(LIMIT));
        let compressed = |path: &PathBuf| LogName::compressed(path).exists();
        let left = paths.iter().filter(|path| path.exists()).count();
        assert!(left >= 1);
        assert_eq!(left + paths.iter().filter(|path| compressed(path)).count(), paths.len());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), paths.len());
        // Nothing is begun any more.
        compressor.look_through(&names, 41).unwrap();
        compressor.finish();
        assert_eq!(paths.iter().filter(|path| path.exists()).count(), left);
    }

    #[test]
    fn the_thread_is_the_least_important() {
        let (nice, io) = std::thread::spawn(|| {
            be_ordinary();
            be_idle();
            let nice = rustix::process::getpriority_process(None).unwrap();
            // SAFETY: a call without pointers.
            let io = unsafe { libc::syscall(libc::SYS_ioprio_get, 1, 0) };
            (nice, io)
        })
        .join()
        .unwrap();
        assert_eq!(nice, 19);
        // A sandbox may refuse it.
        assert!(io == 3 << 13 || io < 0, "{io}");
    }
}
