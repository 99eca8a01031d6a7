//! Puts beside a log what the rings of its dead process still held.
//!
//! In this order, so that each record is recovered once, whenever the recovery itself is killed:
//!
//! 1. The rings are read, each from where the log's committed length says (`ring::recorder::recovery`).
//! 2. What they hold is written to a new file.
//! 3. The log is cut at its committed length: what stands behind it is in the rings, too.
//! 4. The new file gets its name, `NAME.recovered`.
//! 5. The rings are removed.
//!
//! Where 4 is done, only 5 is left to do. A process that has died has all the rings that it will
//! ever have; so the file has all of them, or is not there.
#![forbid(unsafe_code)]

mod check;
mod dictionary;
mod error;

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use dictionary::Dictionary;
pub use error::RecoverError;
use rustix::fs::{FlockOperation, flock};

use super::place::Place;
use super::{Name, sites};
use crate::consumer::recovered::{self, Recovered, Thread};
use crate::format::HEADER_BYTES;
use crate::format::frame::Clock;
use crate::format::header::{COMMITTED_OFFSET, COPY_OFFSETS, Header};
use crate::ring::LENGTH_BITS;
use crate::ring::recorder::layout::{self, Identity};
use crate::ring::recorder::mapping;
use crate::ring::recorder::recovery::{Image, Part, RingError};
use crate::segment::{boot_id, recovered_path, resolve};
use crate::state::ThreadInfo;

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
}

/// What of a ring's file could not be read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RingDamage {
    /// Where the file is now: it is kept, under another name.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
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
/// with [`Builder::crash_proof`](crate::Builder::crash_proof), or it was recovered before.
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
    let log = log.as_ref();
    let path = resolve(log)
        .map_err(|error| RecoverError::file(log, io::Error::other(error.to_string())))?;
    let mut log = Log::open(&path)?;
    let Some(place) = log.place.clone() else { return Ok(Recovery::default()) };
    let mut recovery = Recovery { directory: Some(place.directory.clone()), ..Default::default() };
    let mut left = LeftOver::find(&log, &place)?;
    if left.is_nothing() {
        return Ok(recovery);
    }
    let beside = recovered_path(&path);
    if !log.has_recovered(&beside) {
        let threads = left.read(&log)?;
        let header =
            Header { side_of: log.header.segment, ..crate::segment::header(log.header.clock) };
        // What is known of the machine and the process is of the dead one.
        let Header { process, boot, host, .. } = log.header.clone();
        let header = Header { process, boot, host, ..header };
        let bytes = recovered::segment(&header, &left.clocks(), &threads, SIGKILL);
        let new = new_path(&beside);
        write_new(&new, &bytes, log.mode()?).map_err(|error| RecoverError::file(&new, error))?;
        log.cut()?;
        fs::rename(&new, &beside).map_err(|error| RecoverError::file(&beside, error))?;
        recovery.threads = threads.iter().map(RecoveredThread::of).collect();
    }
    recovery.file = Some(beside);
    recovery.damage = left.remove();
    Ok(recovery)
}

/// How many records the rings of a log's dead process still hold that are not in it; 0 where there
/// is nothing for [`recover`] to do, or where that cannot be told.
pub fn recoverable(log: impl AsRef<Path>) -> u64 {
    let count = || -> Result<u64, RecoverError> {
        let log = Log::open(log.as_ref())?;
        let Some(place) = &log.place else { return Ok(0) };
        if log.has_recovered(&recovered_path(&log.path)) {
            return Ok(0);
        }
        let mut left = LeftOver::find(&log, place)?;
        let threads = left.read(&log)?;
        Ok(threads.iter().map(|thread| thread.records.len() as u64).sum())
    };
    count().unwrap_or(0)
}

/// A log that nobody writes to.
struct Log {
    path: PathBuf,
    /// Locked, where that is possible.
    file: File,
    header: Header,
    place: Option<Place>,
    committed: u64,
}

impl Log {
    fn open(path: &Path) -> Result<Self, RecoverError> {
        let fail = |error| RecoverError::file(path, error);
        let open = |write| File::options().read(true).write(write).open(path);
        let mut file = open(true).or_else(|_| open(false)).map_err(fail)?;
        // Other errors: a file system without locks. Then the process's number has to do.
        let locked = flock(&file, FlockOperation::NonBlockingLockShared);
        if locked == Err(rustix::io::Errno::WOULDBLOCK) {
            return Err(RecoverError::InUse(path.to_owned()));
        }
        let mut page = Vec::new();
        (&mut file).take(HEADER_BYTES as u64).read_to_end(&mut page).map_err(fail)?;
        let copy = COPY_OFFSETS.iter().find_map(|at| Header::from_copy(page.get(*at..)?));
        let header = copy.ok_or_else(|| RecoverError::NotALog(path.to_owned()))?;
        let committed = page.get(COMMITTED_OFFSET..).and_then(|at| at.first_chunk());
        let committed = committed.map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let place = Place::from_page(&page);
        Ok(Self { path: path.to_owned(), file, header, place, committed })
    }

    /// How rings name the segment.
    fn number(&self) -> u64 {
        u64::from_le_bytes(*self.header.segment.first_chunk().unwrap_or(&[0; 8]))
    }

    /// Whether what was recovered of it is there.
    fn has_recovered(&self, path: &Path) -> bool {
        let mut page = Vec::new();
        let read =
            File::open(path).and_then(|file| file.take(HEADER_BYTES as u64).read_to_end(&mut page));
        let header = COPY_OFFSETS.iter().find_map(|at| Header::from_copy(page.get(*at..)?));
        read.is_ok() && header.is_some_and(|header| header.side_of == self.header.segment)
    }

    /// Who may read and write it.
    fn mode(&self) -> Result<u32, RecoverError> {
        let metadata = self.file.metadata();
        Ok(metadata.map_err(|error| RecoverError::file(&self.path, error))?.mode() & 0o666)
    }

    /// Cuts off what is not committed.
    fn cut(&mut self) -> Result<(), RecoverError> {
        let fail = |error| RecoverError::file(&self.path, error);
        let length = self.file.metadata().map_err(fail)?.len();
        if (HEADER_BYTES as u64..length).contains(&self.committed) {
            self.file.set_len(self.committed).map_err(fail)?;
        }
        Ok(())
    }
}

/// The files that a dead process left.
#[derive(Default)]
struct LeftOver {
    rings: Vec<Ring>,
    /// Files of call sites.
    sites: Vec<PathBuf>,
    dictionary: Dictionary,
}

/// The file of a ring.
struct Ring {
    path: PathBuf,
    image: Option<Image>,
    /// What could not be read.
    problems: Vec<String>,
    /// Of a later version.
    is_foreign: bool,
}

impl LeftOver {
    /// Finds the files of the process that wrote the log, if that has ended.
    fn find(log: &Log, place: &Place) -> Result<Self, RecoverError> {
        let mut left = Self::default();
        let boot = boot_id().unwrap_or_default();
        let writer = Identity {
            process: log.header.process,
            process_start: place.process_start,
            boot: log.header.boot,
            ..Identity::default()
        };
        let entries = match fs::read_dir(&place.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(left),
            Err(error) => return Err(RecoverError::file(&place.directory, error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| RecoverError::file(&place.directory, error))?;
            let (name, path) = (entry.file_name(), entry.path());
            let is_ours =
                |name: &Name| (name.process, name.start) == (writer.process, writer.process_start);
            if Name::parse(&name, sites::EXTENSION).is_some_and(|name| is_ours(&name)) {
                left.sites.push(path);
            } else if Name::parse(&name, mapping::EXTENSION).is_some_and(|name| is_ours(&name)) {
                let bytes = fs::read(&path).map_err(|error| RecoverError::file(&path, error))?;
                left.rings.extend(Ring::of(path, &bytes, log));
            }
        }
        if !left.is_nothing() && mapping::is_alive(&writer, &boot) {
            return Err(RecoverError::InUse(log.path.clone()));
        }
        left.rings.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(left)
    }

    /// Whether there are none.
    fn is_nothing(&self) -> bool {
        self.rings.is_empty() && self.sites.is_empty()
    }

    /// Reads what is in the rings and not in the log.
    fn read(&mut self, log: &Log) -> Result<Vec<Thread>, RecoverError> {
        for path in &self.sites {
            let bytes = fs::read(path).map_err(|error| RecoverError::file(path, error))?;
            self.dictionary.add(&bytes);
        }
        let dictionary = &self.dictionary;
        Ok(self.rings.iter_mut().filter_map(|ring| ring.read(log, dictionary)).collect())
    }

    /// How ticks become time: as the log has it for its last records.
    fn clocks(&self) -> Vec<Clock> {
        if !self.dictionary.clocks.is_empty() {
            return self.dictionary.clocks.clone();
        }
        let images = self.rings.iter().filter_map(|ring| ring.image.as_ref());
        let clocks = images.map(|image| image.identity().clock);
        clocks.max_by_key(|clock| clock.monotonic_ns).into_iter().collect()
    }

    /// Removes the files; what is damaged gets another name.
    fn remove(self) -> Vec<RingDamage> {
        let mut damage = Vec::new();
        for ring in self.rings {
            if ring.problems.is_empty() {
                // What cannot be removed is found again, and is known to be in the file.
                let _ = fs::remove_file(&ring.path);
                continue;
            }
            let mut path = ring.path.clone();
            if !ring.is_foreign {
                path.as_mut_os_string().push(".damaged");
                if fs::rename(&ring.path, &path).is_err() {
                    path = ring.path;
                }
            }
            damage.push(RingDamage { path, problem: ring.problems.join("; ") });
        }
        if damage.is_empty() {
            for path in self.sites {
                let _ = fs::remove_file(path);
            }
        }
        damage
    }
}

impl Ring {
    /// `None` where it is of another logger of the same process.
    fn of(path: PathBuf, bytes: &[u8], log: &Log) -> Option<Self> {
        let mut ring = Self { path, image: None, problems: Vec::new(), is_foreign: false };
        match Image::from_bytes(bytes) {
            Ok(image) => {
                let is_ours = Cell::new(image.identity().segment == log.header.segment);
                image.consumed(|segment| {
                    is_ours.set(is_ours.get() || segment == log.number());
                    None
                });
                if !is_ours.get() {
                    return None;
                }
                ring.image = Some(image);
            }
            // It was never used.
            Err(_) if is_unfinished(bytes) => {}
            Err(error) => {
                ring.is_foreign = matches!(error, RingError::Version(_));
                ring.problems.push(error.to_string());
            }
        }
        Some(ring)
    }

    fn read(&mut self, log: &Log, dictionary: &Dictionary) -> Option<Thread> {
        let image = self.image.as_ref()?;
        let committed = |segment| (segment == log.number()).then_some(log.committed);
        let consumed = image.consumed(committed);
        if !consumed.certain {
            let text = "it speaks of a log that is gone: some of its records may be in that one";
            self.problems.push(text.to_owned());
        }
        let site = |record: &[u64]| dictionary.site(record[0] >> LENGTH_BITS);
        let known = |record: &[u64]| site(record).is_some_and(|site| check::fits(site, record));
        let found = match image.recover(consumed, Some(&known)) {
            Ok(found) => found,
            Err(error) => {
                self.problems.push(error.to_string());
                return None;
            }
        };
        // Of the identity, the other copy was good enough.
        for damage in found.damage.iter().filter(|damage| damage.part != Part::Identity) {
            let (offset, bytes) = (damage.offset, damage.bytes);
            self.problems
                .push(format!("{:?} damaged: {bytes} bytes at byte {offset}", damage.part));
        }
        let records = found.records.iter().filter_map(|record| {
            let header = *record.first_chunk()?;
            Some(Recovered { site: site(record)?, header, arguments: check::arguments(record)? })
        });
        let records = records.collect();
        let Identity { thread_os_id, thread_name, .. } = image.identity();
        let info = ThreadInfo { name: thread_name.clone(), os_id: *thread_os_id };
        Some(Thread { info, records })
    }
}

impl RecoveredThread {
    fn of(thread: &Thread) -> Self {
        let ThreadInfo { name, os_id } = thread.info.clone();
        Self { name, os_id, records: thread.records.len() as u64 }
    }
}

/// Whether the process died while it made the ring, and so before it had used it: the second copy of
/// the identity is the last that is written, and the tail the first that is not zero behind that.
fn is_unfinished(bytes: &[u8]) -> bool {
    let is_zero =
        |from: usize, length: usize| bytes.iter().skip(from).take(length).all(|byte| *byte == 0);
    is_zero(layout::COPY_OFFSETS[1], layout::COPY_BYTES) && is_zero(layout::SHARED_OFFSET, 8)
}

/// What a file is called before it is complete.
fn new_path(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(mode);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}
