//! Puts beside a log what the rings of its dead process still held.
//!
//! In this order, so that each record is recovered once, whenever the recovery itself is killed:
//!
//! 1. The rings are read, each from where the log's committed length says (`ring::storage::recovery`).
//! 2. What they hold is written to a new file.
//! 3. The log is cut at its committed length: what stands behind it is in the rings, too.
//! 4. The new file gets its name, `NAME.recovered`, or one with a number where another log has that.
//! 5. The rings are removed.
//!
//! Where 4 is done, only 5 is left to do. A process that has died has all the rings that it will
//! ever have; so the file has all of them, or is not there. It is known by the segment that its
//! header names, not by its name, so it may be renamed, and the log too.
#![forbid(unsafe_code)]

mod check;
mod dictionary;
mod error;
#[doc(hidden)]
pub mod in_memory;
mod left_over;
mod log;
mod thread;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

pub use error::RecoverError;
use left_over::LeftOver;
use log::Log;

use crate::beside::Kind;
use crate::crash::recovered::{self, Thread};
use crate::derived::Refused;
use crate::format::header::Header;
use crate::process::thread_info::ThreadInfo;
use crate::segment::crash_proof::place::Place;
use crate::segment::crash_proof::sites;
use crate::segment::{create_temporary, rename_new, resolve};

/// The signal of which the process is taken to have died.
const SIGKILL: u8 = 9;

/// What a recovery found, and did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Recovery {
    /// Where the rings were; `None` if the log's were in no files.
    pub directory: Option<PathBuf>,
    /// The file beside the log that has what was recovered now, or before; `None` where there was
    /// nothing to do: the logger had ended in order, or was not crash-proof.
    pub file: Option<PathBuf>,
    /// How many records it got, by thread; empty where nothing was left to do.
    pub threads: Vec<RecoveredThread>,
    /// What could not be read.
    pub damage: Vec<RingDamage>,
    /// What was left alone.
    pub refused: Vec<RefusedFile>,
}

/// What a dead process left that is not in its log.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Recoverable {
    /// How many records [`recover`] would find; 0 where there is nothing to do, or where that cannot
    /// be told.
    pub records: u64,
    /// What it would leave alone.
    pub refused: Vec<RefusedFile>,
}

/// Something that has the name of a file that a dead process left, and that kymo would not have put
/// there: others may write to the directory too. It is neither read nor removed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RefusedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Why it is not read.
    pub reason: Refused,
}

/// What was recovered of a thread.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecoveredThread {
    /// Its name, empty where it had none.
    pub name: String,
    /// The operating system's number of it.
    pub os_id: u64,
    /// How many records.
    pub records: u64,
    /// How many of these its flight recorder held: see
    /// [`Builder::flight_recorder`](crate::Builder::flight_recorder).
    pub flight_records: u64,
    /// How many records were overwritten that were to be in the log, of levels with
    /// [`Overflow::OverwriteOldest`](crate::Overflow::OverwriteOldest). The file has a mark of them,
    /// which does not know their levels.
    pub overwritten: u64,
}

/// What of a file that a dead process left could not be read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RingDamage {
    /// Where the file is now: it is kept, under another name.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

impl RingDamage {
    fn new(path: PathBuf, problems: &[String]) -> Self {
        Self { path, problem: problems.join("; ") }
    }
}

impl Recovery {
    /// How many records were recovered.
    pub fn records(&self) -> u64 {
        self.threads.iter().map(|thread| thread.records).sum()
    }
}

/// Puts what the rings of a log's dead process still held beside the log, into `NAME.recovered`, and
/// removes the rings. The reader merges it into the log, as `kymo cat` does.
///
/// Nothing happens where there is nothing to recover: the logger ended in order, was not started
/// with [`Builder::crash_proof`](crate::Builder::crash_proof), or it was recovered before. In each
/// case what was allocated for the log and never written is cut off.
///
/// It takes some memory for good: some hundred bytes for each call site of the dead process.
///
/// # Errors
/// If a logger still writes to the log, or a file cannot be read or written. A damaged ring is no
/// error: see [`Recovery::damage`].
///
/// ```
/// # let path = std::env::temp_dir().join(format!("kymo-recover-{}.kymo", std::process::id()));
/// let logger = kymo::Logger::builder(&path).crash_proof("/dev/shm").start()?;
/// kymo::info!("{} is {}", "answer", 42);
/// logger.shutdown();
/// // It ended in order.
/// assert!(kymo::recover(&path)?.file.is_none());
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn recover(log: impl AsRef<Path>) -> Result<Recovery, RecoverError> {
    let path = resolved(log.as_ref())?;
    recover_from(Log::lock(&path)?)
}

/// As [`recover`], of the log at `path`, which this process has locked.
pub(crate) fn recover_locked(path: &Path, log: &File) -> Result<Recovery, RecoverError> {
    recover_from(Log::of_locked(path, log)?)
}

fn recover_from(mut log: Log) -> Result<Recovery, RecoverError> {
    let Some(place) = log.place.clone() else {
        log.clean();
        return Ok(Recovery::default());
    };
    let recovery = recover_left_over(&mut log, &place);
    sites::remove_unused(&place.directory, log.owner()?);
    recovery
}

fn recover_left_over(log: &mut Log, place: &Place) -> Result<Recovery, RecoverError> {
    let mut left = LeftOver::find(log, place, true)?;
    log.clean();
    let mut recovery = Recovery {
        directory: Some(place.directory.clone()),
        file: log.recovered()?,
        refused: left.take_refused(),
        ..Default::default()
    };
    if left.is_nothing() {
        return Ok(recovery);
    }
    // Also what was recovered before: what is damaged is known by that.
    let threads = left.read(log);
    if recovery.file.is_some() {
        recovery.damage = left.remove();
        return Ok(recovery);
    }
    recovery.threads = threads.iter().map(RecoveredThread::of).collect();
    let tells_end = log.tells_end();
    // A process that noted of which signal it dies left nothing but its files.
    if recovery.records() > 0 || !tells_end {
        let header =
            Header { side_of: log.header.segment, ..crate::segment::header(log.header.clock) };
        // What is known of the machine and the process is of the dead one.
        let Header { process, boot, host, .. } = log.header.clone();
        let header = Header { process, boot, host, ..header };
        let signal = (!tells_end).then_some(SIGKILL);
        let now_ns = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as i64);
        let bytes = recovered::segment(&header, &left.clocks(), &threads, signal, now_ns);
        let new = new_path(&Kind::Recovered.path(&log.path));
        // It stays locked until it has its name.
        let made = create_temporary(&new, log.mode()?);
        let (file, new) = made.map_err(|error| RecoverError::file(&new, error))?;
        let placed = write_new(&file, &bytes)
            .map_err(|error| RecoverError::file(&new, error))
            .and_then(|()| log.cut())
            .and_then(|()| place_new(&new, &log.path));
        if placed.is_err() {
            let _ = fs::remove_file(&new);
        }
        recovery.file = Some(placed?);
    }
    recovery.damage = left.remove();
    Ok(recovery)
}

/// What the rings of a log's dead process still hold that is not in it. Nothing is changed.
pub fn recoverable(log: impl AsRef<Path>) -> Recoverable {
    let look = || {
        let log = Log::open(&resolved(log.as_ref())?)?;
        find_discardable(&log, false)
    };
    let mut found = look().unwrap_or_default();
    Recoverable { records: found.records, refused: found.left.take_refused() }
}

impl RecoveredThread {
    fn of(thread: &Thread) -> Self {
        let ThreadInfo { name, os_id } = thread.info.clone();
        Self {
            name,
            os_id,
            records: thread.count(),
            flight_records: thread.flight.len() as u64,
            overwritten: thread.overwritten.0,
        }
    }
}

/// The file behind the links.
fn resolved(log: &Path) -> Result<PathBuf, RecoverError> {
    resolve(log).map_err(|error| RecoverError::file(log, io::Error::other(error.to_string())))
}

/// What is left of a log that is about to be written over.
#[derive(Default)]
pub(crate) struct Discardable {
    left: LeftOver,
    records: u64,
}

/// Finds what the dead process of a log left, which this process has locked, and which goes with the
/// log; nothing where the log's process has not ended, or the log cannot be read.
pub(crate) fn discardable(path: &Path, log: &File) -> Discardable {
    let log = Log::of_locked(path, log);
    log.and_then(|log| find_discardable(&log, true)).unwrap_or_default()
}

/// `take`: the files are going to be removed.
fn find_discardable(log: &Log, take: bool) -> Result<Discardable, RecoverError> {
    let Some(place) = &log.place else { return Ok(Discardable::default()) };
    let mut left = LeftOver::find(log, place, take)?;
    let is_recovered = log.recovered()?.is_some();
    let threads = if is_recovered { Vec::new() } else { left.read(log) };
    let records = threads.iter().map(Thread::count).sum();
    Ok(Discardable { left, records })
}

impl Discardable {
    /// How many records nobody will see.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Removes it.
    pub(crate) fn discard(self) {
        self.left.discard();
    }
}

/// What a file is called before it is complete.
fn new_path(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

fn write_new(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Gives what was recovered of the log at `log` the first name that is free, and returns it. What
/// bears such a name belongs to another log, which was moved away.
fn place_new(new: &Path, log: &Path) -> Result<PathBuf, RecoverError> {
    /// More than anybody has.
    const MAX_NAMES: usize = 1_000;
    for path in Kind::Recovered.paths(log).take(MAX_NAMES) {
        match rename_new(new, &path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(RecoverError::file(&path, error)),
        }
    }
    Err(RecoverError::file(&Kind::Recovered.path(log), io::ErrorKind::AlreadyExists.into()))
}
