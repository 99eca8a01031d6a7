//! The logger of a process that captures, and its file.
//!
//! It is started by the first capture, and runs until the process ends. The file has no name once it is open, so it is
//! gone with the process.

use std::fs::File;
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

use kymo_reader::{Event, Options, Order, Record};

use crate::consumer::BATCH_WORDS;
use crate::derived::{self, Owner};
use crate::logger::Logger;
use crate::logger::error::{StartError, StartErrorKind};
use crate::ring::WORD_BYTES;
use crate::shared::policy::Overflow;
use crate::shared::running;
use crate::testing::scope;

/// The capacity of a thread's ring, in bytes: tests have many threads.
const RING_BYTES: usize = 256 << 10;

/// How far the file grows at a time, in bytes.
const WINDOW_BYTES: u64 = 4 << 20;

/// By how much a time may be earlier in the file than when it was computed, in nanoseconds.
const MARGIN_NS: i64 = 10_000_000;

static PROCESS: OnceLock<Process> = OnceLock::new();

/// The logger and its file.
pub(super) struct Process {
    /// Ended by `exit`.
    _logger: Logger,
    file: File,
}

/// Returns the logger of this process, and starts it if necessary.
///
/// # Panics
/// If it cannot be started.
#[track_caller]
pub(super) fn get() -> &'static Process {
    static TURN: Mutex<()> = Mutex::new(());
    if let Some(process) = PROCESS.get() {
        return process;
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if PROCESS.get().is_none() {
        match Process::start() {
            Ok(process) => drop(PROCESS.set(process)),
            Err(error) => panic!("cannot capture what is logged: {}", text_of(&error)),
        }
    }
    PROCESS.get().expect("it was just set")
}

fn text_of(error: &StartError) -> String {
    match error.kind() {
        StartErrorKind::AlreadyRunning => "a logger of the program runs in this process: call \
            kymo::testing::capture before it starts, or test the program's own logger in another \
            test program"
            .to_owned(),
        _ => error.to_string(),
    }
}

impl Process {
    fn start() -> Result<Self, StartError> {
        #[cfg(feature = "log")]
        // If `log` has another logger, its records go there.
        let _ = crate::bridge::log::init();
        #[cfg(feature = "tracing")]
        // If the process has another subscriber, that is traced there.
        let _ = crate::bridge::tracing::init();
        let temporary = std::env::temp_dir();
        let fail = |error| StartError::file(&temporary, error);
        // A directory that only this user can look into.
        let directory = tempfile::Builder::new().prefix("kymo-test-").tempdir().map_err(fail)?;
        let path = directory.path().join("capture.kymo");
        let builder = Logger::builder(&path).ring_capacity(RING_BYTES).map_window(WINDOW_BYTES);
        let builder = builder.overflow(Overflow::Wait { timeout: None });
        let logger = builder.of_tests().start()?;
        let owner = Owner::of(&directory.path().symlink_metadata().map_err(fail)?);
        let file = derived::open(&path, owner).map_err(|error| fail(io::Error::other(error)))?;
        directory.close().map_err(fail)?;
        Ok(Self { _logger: logger, file })
    }

    /// The time as the file has it, or earlier.
    pub(super) fn now_ns(&self) -> i64 {
        let Some(shared) = running::current() else { return i64::MIN };
        let Some(line) = shared.lines.since(&mut 0).last() else { return i64::MIN };
        line.time_of(shared.clock.now()).saturating_sub(MARGIN_NS)
    }

    /// Waits until all that was published before this call is in the file. Returns false if it cannot be written.
    fn sweep(&self) -> bool {
        let Some(shared) = running::current() else { return false };
        // A sweep takes so much of each ring, or all that is there.
        let rings = shared.ring_words.div_ceil(BATCH_WORDS) + 1;
        debug_assert!(shared.ring_words * WORD_BYTES <= 2 * RING_BYTES);
        crate::flush() && (0..rings).all(|_| shared.control.request_sweep(None))
    }

    /// Visits all records since a time that were published before this call, each with the scope of its thread.
    ///
    /// # Panics
    /// If the file cannot be written or read.
    #[track_caller]
    pub(super) fn visit(&self, since_ns: i64, visit: impl FnMut(u64, &Record<'_>)) {
        if !self.sweep() {
            broken("it cannot be written");
        }
        if let Err(error) = self.read(since_ns, visit) {
            broken(&error.to_string());
        }
    }

    fn read(
        &self,
        since_ns: i64,
        mut visit: impl FnMut(u64, &Record<'_>),
    ) -> Result<(), kymo_reader::Error> {
        let file = self.file.try_clone().map_err(kymo_reader::Error::Open)?;
        let options = Options::new().order(Order::Exact).snapshot(true).since(since_ns);
        let mut reader = options.from_file(file)?;
        // By the thread's index.
        let mut scopes = Vec::new();
        while let Some(event) = reader.next_event()? {
            let Event::Record(record) = event else { continue };
            let thread = record.thread().index();
            if scopes.len() <= thread {
                scopes.resize(thread + 1, scope::NONE);
            }
            if record.target() == scope::TARGET {
                scopes[thread] = record.get::<u64>(scope::SCOPE).unwrap_or(scope::NONE);
            } else if record.span_role().is_none() {
                visit(scopes[thread], &record);
            }
        }
        Ok(())
    }
}

/// Panics, unless the thread does so already: then a test that fails says why.
#[track_caller]
fn broken(why: &str) {
    let error = io::Error::other(format!("the log of this test program is incomplete: {why}"));
    if std::thread::panicking() {
        eprintln!("{error}");
    } else {
        panic!("{error}");
    }
}
