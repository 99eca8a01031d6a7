//! Recovers what the rings of a dead process still held, into a file beside its log.
//!
//! The order of the steps makes sure that each record is recovered once, even if the recovery
//! itself is killed:
//!
//! 1. Read the rings, each from where the log's committed length says (`ring::storage::recovery`).
//! 2. Write what they hold to a new file.
//! 3. Cut the log at its committed length: the bytes past it are in the rings, too.
//! 4. Give the new file its name, `NAME.recovered`, or one with a number if another log has that
//!    name.
//! 5. Remove the rings.
//!
//! A segment of a rotated log is closed after that ([`close`](mod@close)).
//!
//! If step 4 is done, only step 5 is left to do. A dead process makes no more rings: the file has
//! all of them, or does not exist. The segment in its header identifies the file, not its name, so
//! both the file and the log may be renamed.
//!
//! A logger may have left several logs that lead to its rings, because it goes on in another one if
//! its log is moved. The rings belong to one of them, which the file of call sites names
//! (`segment::crash_proof::sites::log_of`). Recovery of the others leaves them alone.
#![forbid(unsafe_code)]

mod check;
mod close;
mod dictionary;
mod error;
#[doc(hidden)]
#[cfg(feature = "internals")]
pub mod in_memory;
mod left_over;
mod log;
mod thread;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

pub(crate) use close::{close, is_closed};
pub use error::RecoverError;
use left_over::LeftOver;
use log::DeadLog;

use crate::beside::Kind;
use crate::crash::recovered::{self, ThreadRecords};
use crate::derived::{Owner, Refused, rename_new};
use crate::format::header::Header;
use crate::process::thread_info::ThreadInfo;
use crate::segment::crash_proof::place::RingPlace;
use crate::segment::crash_proof::sites;
use crate::segment::{create_temporary, resolve};
use crate::segments::LogName;

/// The signal that the process is assumed to have died of.
const SIGKILL: u8 = 9;

/// The result of a recovery: see [`recover`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Recovery {
    /// The directory of the rings; `None` if the log had no ring files.
    pub directory: Option<PathBuf>,
    /// The file beside the log with the records that were recovered, now or before.
    ///
    /// `None` if there was nothing to do: the logger had ended cleanly, or was not crash-proof.
    pub file: Option<PathBuf>,
    /// The threads whose records were recovered now; empty if nothing was left to do.
    pub threads: Vec<RecoveredThread>,
    /// The ring files that could not be read, or only in part; and those that could not be removed.
    pub damage: Vec<RingDamage>,
    /// The files that were left alone.
    pub refused: Vec<RefusedFile>,
    /// The logger's file of call sites, if it names another log, in which the logger went on (see
    /// [`Logger::reopen`](crate::Logger::reopen)).
    ///
    /// The rings belong to that log. If it was deleted, nothing recovers what they hold.
    pub of_another_log: Option<PathBuf>,
    /// The segments of a rotated log that could not be closed, and why. They can be read as they are.
    pub unclosed: Vec<UnclosedSegment>,
}

/// A segment of a rotated log that has no end, because its process died.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UnclosedSegment {
    /// The path of the segment.
    pub path: PathBuf,
    /// The reason why it was not closed.
    pub problem: String,
}

/// What a dead process left that is not in its log: see [`recoverable`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Recoverable {
    /// The number of records that [`recover`] would find; 0 if there are none, or if that cannot be
    /// told.
    pub records: u64,
    /// The files that it would leave alone.
    pub refused: Vec<RefusedFile>,
}

/// A file that has the name of one that a dead process left, and that kymo would not have made.
///
/// Others may write to the directory, too. The file is neither read nor removed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RefusedFile {
    /// The path of the file.
    pub path: PathBuf,
    /// The reason why it is not read.
    pub reason: Refused,
}

/// The records that were recovered of a thread.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecoveredThread {
    /// The name of the thread, empty if it had none.
    pub name: String,
    /// The operating system's number of the thread.
    pub os_id: u64,
    /// The number of records.
    pub records: u64,
    /// The number of those that its flight recorder held: see
    /// [`Builder::flight_recorder`](crate::Builder::flight_recorder).
    pub flight_records: u64,
    /// The number of records that were to be in the log and were overwritten, of levels with
    /// [`Overflow::OverwriteOldest`](crate::Overflow::OverwriteOldest). The file has a mark of
    /// them, without their levels.
    pub overwritten: u64,
}

/// A file of a dead process that could not be read, or only in part.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RingDamage {
    /// The path of the file now: it is kept, under another name if it is damaged.
    pub path: PathBuf,
    /// The damage that was found, or why the file could not be removed.
    pub problem: String,
}

impl RingDamage {
    fn new(path: PathBuf, problems: &[String]) -> Self {
        Self { path, problem: problems.join("; ") }
    }
}

impl Recovery {
    /// Adds what was found for another segment of the log.
    pub(crate) fn add(&mut self, other: Self) {
        self.directory = self.directory.take().or(other.directory);
        self.file = self.file.take().or(other.file);
        self.threads.extend(other.threads);
        self.damage.extend(other.damage);
        self.refused.extend(other.refused);
        self.unclosed.extend(other.unclosed);
    }

    /// Returns the number of records that were recovered.
    pub fn records(&self) -> u64 {
        self.threads.iter().map(|thread| thread.records).sum()
    }
}

/// Recovers the records that the rings of a log's dead process still held, and removes the rings.
///
/// The records are written to `NAME.recovered` beside the log. The reader merges that file into the
/// log, as `kymo cat` does.
///
/// Nothing is recovered if the logger ended cleanly, was started without
/// [`Builder::crash_proof`](crate::Builder::crash_proof), went on in another log (see
/// [`Logger::reopen`](crate::Logger::reopen)), or was recovered before. In each case the
/// log is cut to its contents.
///
/// Of a rotated log, all segments are recovered that have no end. Then each of them is closed: it gets the index and
/// the end that its process had not written, and a mark that the process was killed.
///
/// The call leaks some hundred bytes for each call site of the dead process.
///
/// # Errors
/// If a logger still writes to the log, or a file cannot be read or written. A damaged
/// ring is no error: see [`Recovery::damage`].
///
/// ```
/// # let path = std::env::temp_dir().join(format!("kymo-recover-{}.kymo", std::process::id()));
/// let logger = kymo::Logger::builder(&path).crash_proof("/dev/shm").start()?;
/// kymo::info!("{} is {}", "answer", 42);
/// logger.shutdown();
/// // It ended cleanly.
/// assert!(kymo::recover(&path)?.file.is_none());
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn recover(log: impl AsRef<Path>) -> Result<Recovery, RecoverError> {
    let mut all: Option<Recovery> = None;
    for path in segments_of(log.as_ref())? {
        let mut log = DeadLog::lock(&path)?;
        let mut found = recover_from(&mut log)?;
        if let Err(error) = log.close(&|| true) {
            found.unclosed.push(UnclosedSegment { path, problem: error.to_string() });
        }
        match &mut all {
            Some(all) => all.add(found),
            None => all = Some(found),
        }
    }
    Ok(all.unwrap_or_default())
}

/// Cuts a log to its contents, if no logger writes to it.
pub(crate) fn clean(path: &Path) {
    // It is longer than it need be, no more.
    if let Ok(log) = DeadLog::lock(path) {
        log.clean();
    }
}

/// Recovers the log at `path`, which this process has locked.
pub(crate) fn recover_locked(path: &Path, log: &File) -> Result<Recovery, RecoverError> {
    recover_from(&mut DeadLog::of_locked(path, log)?)
}

/// Recovers the segment at `path`, and leaves it unclosed.
pub(crate) fn recover_segment(path: &Path) -> Result<Recovery, RecoverError> {
    recover_from(&mut DeadLog::lock(path)?)
}

fn recover_from(log: &mut DeadLog) -> Result<Recovery, RecoverError> {
    let Some(place) = log.place.clone() else {
        log.clean();
        return Ok(Recovery::default());
    };
    let recovery = recover_left_over(log, &place);
    sites::remove_unused(&place.directory, log.owner()?);
    recovery
}

fn recover_left_over(log: &mut DeadLog, place: &RingPlace) -> Result<Recovery, RecoverError> {
    let mut left = LeftOver::find(log, place, true)?;
    log.clean();
    let mut recovery = Recovery {
        directory: Some(place.directory.clone()),
        file: log.recovered()?,
        refused: left.take_refused(),
        of_another_log: left.of_another_log(),
        ..Default::default()
    };
    if left.is_nothing() {
        return Ok(recovery);
    }
    // Rings that were recovered before are read, too: that shows which are damaged.
    let threads = left.read(log);
    if recovery.file.is_some() {
        recovery.damage = left.remove();
        return Ok(recovery);
    }
    recovery.threads = threads.iter().map(RecoveredThread::of).collect();
    let tells_end = log.tells_end();
    // If the process noted which signal it died of, and its rings are empty, it left nothing but
    // its files.
    if recovery.records() > 0 || !tells_end {
        let header =
            Header { side_of: log.header.segment, ..crate::segment::header(log.header.clock) };
        // The machine and the process in the header are those of the dead process.
        let Header { process, boot, host, .. } = log.header.clone();
        let header = Header { process, boot, host, ..header };
        let signal = (!tells_end).then_some(SIGKILL);
        let now_ns = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as i64);
        let bytes = recovered::segment(&header, &left.clocks(), &threads, signal, now_ns);
        let new = new_path(&Kind::Recovered.path(&log.path));
        // The file stays locked until it has its name.
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

/// Returns what the rings of a log's dead process hold that is not in the log. Changes nothing.
pub fn recoverable(log: impl AsRef<Path>) -> Recoverable {
    let look = |path: &PathBuf| find_discardable(&DeadLog::open(path)?, false);
    let mut all = Recoverable::default();
    for path in segments_of(log.as_ref()).unwrap_or_default() {
        let mut found = look(&path).unwrap_or_default();
        all.records += found.records;
        all.refused.append(&mut found.left.take_refused());
    }
    all
}

impl RecoveredThread {
    fn of(thread: &ThreadRecords) -> Self {
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

/// Returns the paths of the files whose rings are to be recovered: that of the log; or, of a rotated log, those of the
/// segment to which the link leads, of all later ones, and of earlier ones that have no end. The process may have been
/// killed before it replaced the link.
fn segments_of(log: &Path) -> Result<Vec<PathBuf>, RecoverError> {
    let path = resolved(log);
    let fail = |error| RecoverError::file(log, error);
    let names = LogName::new(log);
    let target = fs::read_link(log).ok();
    let linked = target.and_then(|target| names.parse(target.file_name()?));
    let Some(linked) = linked else { return Ok(vec![path?]) };
    let owner = Owner::of(&fs::symlink_metadata(log).map_err(fail)?);
    let mut files = names.list(owner).map_err(fail)?;
    let id = files.iter().rev().find_map(|file| file.header.as_ref().map(|header| header.log));
    files.retain(|file| {
        let is_of_log = file.header.as_ref().is_some_and(|header| Some(header.log) == id);
        let is_unclosed = || is_closed(&file.path, owner).is_ok_and(|is_closed| !is_closed);
        is_of_log
            && !file.name.is_compressed
            && (file.name.sequence >= linked.sequence || is_unclosed())
    });
    let files: Vec<_> = files.into_iter().map(|file| file.path).collect();
    if files.is_empty() { Ok(vec![path?]) } else { Ok(files) }
}

/// Returns the path of the file that `log` leads to by symbolic links.
fn resolved(log: &Path) -> Result<PathBuf, RecoverError> {
    resolve(log).map_err(|error| RecoverError::file(log, io::Error::other(error.to_string())))
}

/// The ring files of a log that is about to be overwritten.
#[derive(Default)]
pub(crate) struct Discardable {
    left: LeftOver,
    records: u64,
}

/// Finds the ring files that will be removed with a log, which this process has locked.
///
/// There are none if the log's process has not ended, or if the log cannot be read.
pub(crate) fn discardable(path: &Path, log: &File) -> Discardable {
    let log = DeadLog::of_locked(path, log);
    log.and_then(|log| find_discardable(&log, true)).unwrap_or_default()
}

/// Removes the ring files of the dead process of a segment that is about to be deleted. Returns the number of records
/// that were nowhere else.
#[doc(hidden)]
pub fn discard_rings(segment: &Path) -> u64 {
    // What closes segments has the lock for moments, but may have to wait for a core.
    const TRIES: u32 = 10;
    const PAUSE: Duration = Duration::from_millis(2);
    let discard = |found: Discardable| {
        let records = found.records();
        found.discard();
        records
    };
    for _ in 0..TRIES {
        match DeadLog::lock(segment).and_then(|log| find_discardable(&log, true)) {
            Ok(found) => return discard(found),
            Err(RecoverError::InUse(_)) => std::thread::sleep(PAUSE),
            // It is gone, or compressed, or nothing can be told of it.
            Err(_) => return 0,
        }
    }
    // The segment goes in any case. Without a lock, the process must have ended all the same.
    let found = DeadLog::open(segment).and_then(|log| find_discardable(&log, false));
    found.map_or(0, discard)
}

/// Finds the ring files of a log. `take`: they are going to be removed.
fn find_discardable(log: &DeadLog, take: bool) -> Result<Discardable, RecoverError> {
    let Some(place) = &log.place else { return Ok(Discardable::default()) };
    let mut left = LeftOver::find(log, place, take)?;
    let is_recovered = log.recovered()?.is_some();
    let threads = if is_recovered { Vec::new() } else { left.read(log) };
    let records = threads.iter().map(ThreadRecords::count).sum();
    Ok(Discardable { left, records })
}

impl Discardable {
    /// Returns the number of records in them.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Removes the files.
    pub(crate) fn discard(self) {
        self.left.discard();
    }
}

/// Returns the name of a file that is not complete yet.
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

/// Gives the recovered file of the log at `log` the first name that is free, and returns it.
///
/// A name that is taken belongs to another log, which was moved away.
fn place_new(new: &Path, log: &Path) -> Result<PathBuf, RecoverError> {
    /// The number of names that are tried: more than anybody has.
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
