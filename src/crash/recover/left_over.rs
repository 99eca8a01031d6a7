//! The files that a dead process left: its rings, and the files of their call sites.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::crash::recover::RecoverError;
use crate::crash::recover::RefusedFile;
use crate::crash::recover::RingDamage;
use crate::crash::recover::check;
use crate::crash::recover::dictionary::SitesByAddress;
use crate::crash::recover::log::DeadLog;
use crate::crash::recover::thread::{LeftRecords, threads};
use crate::crash::recovered::{RecoveredRecord, ThreadRecords};
use crate::derived::{self, OpenError, Owner, Room};
use crate::format::HEADER_BYTES;
use crate::format::frame::Clock;
use crate::format::header::Header;
use crate::process::lock::{LockOutcome, is_at, lock};
use crate::process::thread_info::ThreadInfo;
use crate::ring;
use crate::ring::storage::file;
use crate::ring::storage::layout::{self, RingIdentity};
use crate::ring::storage::memory::ring_bytes;
use crate::ring::storage::recovery::{FilePart, Image, RingError, WordsKind};
use crate::segment::boot_id;
use crate::segment::crash_proof::place::RingPlace;
use crate::segment::crash_proof::{RingFileName, sites};

/// The files that a dead process left.
#[derive(Default)]
pub(crate) struct LeftOver {
    rings: Vec<LeftRing>,
    sites: Vec<Sites>,
    dictionary: SitesByAddress,
    /// True if a ring of the process was damaged and kept: then its call sites are kept, too.
    has_put_aside: bool,
    /// The files with such a name that are left alone.
    refused: Vec<RefusedFile>,
    /// The file of call sites that names another log.
    of_another_log: Option<PathBuf>,
}

/// A ring file.
struct LeftRing {
    path: PathBuf,
    image: Option<Image>,
    /// What could not be read.
    problems: Vec<String>,
    /// True if the file is of a later version.
    is_foreign: bool,
}

/// A file of call sites.
struct Sites {
    path: PathBuf,
    /// Locked if the file is to be removed, by the logger that uses it or by this recovery.
    file: Option<File>,
    bytes: Vec<u8>,
    problems: Vec<String>,
}

/// The committed length of a segment, if it is known.
type CommittedLength<'a> = dyn Fn(u64) -> Option<u64> + 'a;

impl LeftOver {
    /// What one ring and one file of call sites hold that are in memory, of a logger whose segments
    /// are all committed up to `committed`; and what could not be read.
    #[cfg(feature = "internals")]
    pub(crate) fn in_memory(
        ring: &[u8],
        sites: &[u8],
        committed: u64,
    ) -> (Self, Vec<ThreadRecords>) {
        let logger = SitesByAddress::header(sites).unwrap_or_default().segment;
        let place = RingPlace { directory: PathBuf::new(), process_start: 0, logger };
        let mut left = Self::default();
        left.sites.extend(Sites::of(sites.to_vec(), Path::new("sites"), &place));
        left.rings.extend(LeftRing::of(ring, Path::new("ring"), &place));
        let threads = left.read_with(&|_| Some(committed));
        (left, threads)
    }

    /// Finds the files of the logger that wrote the log, if its process has ended; none if they belong
    /// to another log, in which the logger went on.
    ///
    /// These files themselves say which process made them; the log may say anything. `take`: the
    /// files are going to be removed, and other processes are kept away until then.
    pub(crate) fn find(log: &DeadLog, place: &RingPlace, take: bool) -> Result<Self, RecoverError> {
        let in_use = || RecoverError::InUse(log.path.clone());
        let files = files_of(log.header.process, place)?;
        let owner = log.owner()?;
        let boot = boot_id().unwrap_or_default();
        let mut left = Self { has_put_aside: files.has_put_aside, ..Self::default() };
        let mut room = Room::default();
        for path in files.sites {
            let opened = Sites::open(&path, owner, (log.header.segment, place), take, &mut room);
            match left.unless_refused(&path, opened)?.flatten() {
                Some(Lookup::InUse) => return Err(in_use()),
                Some(Lookup::OfAnotherLog) => {
                    let refused = left.refused;
                    return Ok(Self { refused, of_another_log: Some(path), ..Self::default() });
                }
                Some(Lookup::Found(sites)) => left.sites.push(sites),
                None => {}
            }
        }
        for path in files.rings {
            let ring =
                left.unless_refused(&path, LeftRing::open(&path, owner, place, &mut room))?;
            left.rings.extend(ring.flatten());
        }
        let is_alive = |identity: &RingIdentity| file::is_alive(identity, &boot);
        if left.writers(place, boot).any(|writer| is_alive(&writer)) && !left.is_released(place) {
            return Err(in_use());
        }
        Ok(left)
    }

    /// Returns whether the logger has ended although its process runs, because another program
    /// replaced it (`exec`).
    ///
    /// A running logger has the lock on its file of call sites, and no other program inherits that
    /// lock.
    fn is_released(&self, place: &RingPlace) -> bool {
        !self.sites.is_empty() && self.sites.iter().all(|sites| sites.is_released(place))
    }

    /// Returns the processes that made the files, as each file says it. If a file does not say it,
    /// its name does.
    fn writers(&self, place: &RingPlace, boot: [u8; 16]) -> impl Iterator<Item = RingIdentity> {
        let named = move |path: &Path, extension| {
            let name = RingFileName::parse(path.file_name()?, extension)?;
            let (process, process_start) = (name.process, name.start);
            Some(RingIdentity { process, process_start, boot, ..RingIdentity::default() })
        };
        let of_rings = self.rings.iter().filter_map(move |ring| match &ring.image {
            Some(image) => Some(image.identity().clone()),
            None => named(&ring.path, file::EXTENSION),
        });
        let process_start = place.process_start;
        let of_sites =
            self.sites.iter().filter_map(move |sites| match SitesByAddress::header(&sites.bytes) {
                Some(Header { process, boot, .. }) => {
                    Some(RingIdentity { process, process_start, boot, ..RingIdentity::default() })
                }
                None => named(&sites.path, sites::EXTENSION),
            });
        of_rings.chain(of_sites)
    }

    /// Notes a file that was refused. A file that is gone is no problem.
    fn unless_refused<T>(
        &mut self,
        path: &Path,
        opened: Result<T, OpenError>,
    ) -> Result<Option<T>, RecoverError> {
        match opened {
            Ok(opened) => Ok(Some(opened)),
            Err(OpenError::Refused(reason)) => {
                self.refused.push(RefusedFile { path: path.to_owned(), reason });
                Ok(None)
            }
            Err(error) if error.is_missing() => Ok(None),
            Err(OpenError::Io(error)) => Err(RecoverError::file(path, error)),
        }
    }

    /// Takes the files that have such a name and were left alone.
    pub(crate) fn take_refused(&mut self) -> Vec<RefusedFile> {
        std::mem::take(&mut self.refused)
    }

    /// Returns the file of call sites, if that names another log, to which the rings belong.
    pub(crate) fn of_another_log(&mut self) -> Option<PathBuf> {
        self.of_another_log.take()
    }

    /// Returns whether there are no files.
    pub(crate) fn is_nothing(&self) -> bool {
        self.rings.is_empty() && self.sites.is_empty()
    }

    /// Reads the records that are in the rings and not in the log.
    pub(crate) fn read(&mut self, log: &DeadLog) -> Vec<ThreadRecords> {
        self.read_with(&|segment| (segment == log.number()).then_some(log.committed))
    }

    /// Reads the records past the committed length that `committed` returns for each segment.
    fn read_with(&mut self, committed: &CommittedLength<'_>) -> Vec<ThreadRecords> {
        for sites in &mut self.sites {
            sites.problems.extend(self.dictionary.add(&sites.bytes));
        }
        let dictionary = &self.dictionary;
        threads(self.rings.iter_mut().filter_map(|ring| ring.read(committed, dictionary)))
    }

    /// What could not be read.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &String> {
        let of_sites = self.sites.iter().flat_map(|sites| &sites.problems);
        of_sites.chain(self.rings.iter().flat_map(|ring| &ring.problems))
    }

    /// Returns the clock frames by which ticks become time, as in the log for its last records.
    pub(crate) fn clocks(&self) -> Vec<Clock> {
        if !self.dictionary.clocks.is_empty() {
            return self.dictionary.clocks.clone();
        }
        let images = self.rings.iter().filter_map(|ring| ring.image.as_ref());
        let clocks = images.map(|image| image.identity().clock);
        clocks.max_by_key(|clock| clock.monotonic_ns).into_iter().collect()
    }

    /// Removes the files.
    ///
    /// Damaged files are renamed instead. If there are any, so are the call sites, without which a
    /// ring says nothing. They come last: if this is cut short, the next recovery needs them to
    /// find the damage. A ring that cannot be removed is told; then the call sites stay as they are, and the next
    /// recovery tries once more.
    pub(crate) fn remove(self) -> Vec<RingDamage> {
        let keeps_sites = self.has_put_aside || self.problems().next().is_some();
        let (mut damage, mut is_stuck) = (Vec::new(), false);
        for LeftRing { path, problems, is_foreign, .. } in self.rings {
            match (problems.is_empty(), is_foreign) {
                (true, _) => {
                    if let Err(error) = remove(&path) {
                        is_stuck = true;
                        let problem = format!("recovered, but not removed: {error}");
                        damage.push(RingDamage { path, problem });
                    }
                }
                (false, true) => damage.push(RingDamage::new(path, &problems)),
                (false, false) => damage.push(RingDamage::new(put_aside(path), &problems)),
            }
        }
        if is_stuck {
            return damage;
        }
        for Sites { path, problems, .. } in self.sites {
            let path = if keeps_sites { put_aside(path) } else { path };
            match (problems.is_empty(), keeps_sites) {
                (true, true) => {}
                (true, false) => drop(remove(&path)),
                (false, _) => damage.push(RingDamage::new(path, &problems)),
            }
        }
        damage
    }
}

impl LeftOver {
    /// Removes the files, whatever is in them.
    pub(crate) fn discard(self) {
        self.rings.iter().for_each(|ring| drop(remove(&ring.path)));
        self.sites.iter().for_each(|sites| drop(remove(&sites.path)));
    }
}

/// The files of a process in a directory.
#[derive(Default)]
struct FilesOfProcess {
    rings: Vec<PathBuf>,
    sites: Vec<PathBuf>,
    /// True if there are rings that were damaged and kept.
    has_put_aside: bool,
}

/// The files of a process, by their names.
fn files_of(process: u32, place: &RingPlace) -> Result<FilesOfProcess, RecoverError> {
    let fail = |error| RecoverError::file(&place.directory, error);
    let mut files = FilesOfProcess::default();
    let entries = match fs::read_dir(&place.directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        Err(error) => return Err(fail(error)),
    };
    let put_aside = format!("{}{ASIDE}", file::EXTENSION);
    for entry in entries {
        let entry = entry.map_err(fail)?;
        let is_of_process = |extension| {
            let name = RingFileName::parse(&entry.file_name(), extension);
            name.is_some_and(|name| (name.process, name.start) == (process, place.process_start))
        };
        if is_of_process(file::EXTENSION) {
            files.rings.push(entry.path());
        } else if is_of_process(sites::EXTENSION) {
            files.sites.push(entry.path());
        }
        files.has_put_aside |= is_of_process(&put_aside);
    }
    // In the order in which they were made.
    files.rings.sort_by_key(|path| {
        RingFileName::parse(path.file_name()?, file::EXTENSION).map(|it| it.number)
    });
    files.sites.sort();
    Ok(files)
}

/// The ending of the name of a damaged file.
const ASIDE: &str = ".damaged";

/// Removes a file, unless somebody else has done it. One that cannot be removed is found again.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Gives a damaged file a name by which it is not found again.
fn put_aside(path: PathBuf) -> PathBuf {
    let mut aside = path.clone();
    aside.as_mut_os_string().push(ASIDE);
    if fs::rename(&path, &aside).is_ok() { aside } else { path }
}

/// The result of looking for a file of call sites.
enum Lookup {
    Found(Sites),
    /// A logger or another recovery uses the file.
    InUse,
    /// The logger went on in another log, to which the rings belong.
    OfAnotherLog,
}

impl Sites {
    /// Returns `None` if the file belongs to another logger of the same process.
    fn open(
        path: &Path,
        owner: Owner,
        (log, place): ([u8; 16], &RingPlace),
        take: bool,
        room: &mut Room,
    ) -> Result<Option<Lookup>, OpenError> {
        let mut file = derived::open(path, owner)?;
        let page = derived::read(&mut file, HEADER_BYTES as u64, u64::MAX, room)?;
        if Self::of(page, path, place).is_none() {
            return Ok(None);
        }
        if take {
            // An error: a file system without locks.
            if lock(&file).is_ok_and(|locked| locked == LockOutcome::Elsewhere) {
                return Ok(Some(Lookup::InUse));
            }
            if !is_at(&file, path)? {
                // Another process has recovered it meanwhile.
                return Ok(None);
            }
        }
        let bytes = derived::read(&mut file, u64::MAX, sites::MAX_BYTES, room)?;
        let is_ours = SitesByAddress::header(&bytes).is_some_and(|it| it.segment == place.logger);
        if is_ours && sites::log_of(&bytes).is_some_and(|it| it != log) {
            return Ok(Some(Lookup::OfAnotherLog));
        }
        let found = Self::of(bytes, path, place);
        Ok(found.map(|found| Lookup::Found(Self { file: Some(file), ..found })))
    }

    /// Returns `None` if the file belongs to another logger of the same process.
    fn of(bytes: Vec<u8>, path: &Path, place: &RingPlace) -> Option<Self> {
        let header = SitesByAddress::header(&bytes);
        let is_ours = header.is_none_or(|header| header.segment == place.logger);
        is_ours.then(|| Self { path: path.to_owned(), file: None, bytes, problems: Vec::new() })
    }

    /// Returns whether the file is the logger's, and no other process has it locked. On a file
    /// system without locks this is unknown.
    fn is_released(&self, place: &RingPlace) -> bool {
        let header = SitesByAddress::header(&self.bytes);
        let is_locked = |file| lock(file).is_ok_and(|locked| locked == LockOutcome::Here);
        header.is_some_and(|header| header.segment == place.logger)
            && self.file.as_ref().is_some_and(is_locked)
    }
}

impl LeftRing {
    /// Returns `None` if the file belongs to another logger of the same process.
    fn open(
        path: &Path,
        owner: Owner,
        place: &RingPlace,
        room: &mut Room,
    ) -> Result<Option<Self>, OpenError> {
        let mut file = derived::open(path, owner)?;
        let most = ring_bytes(layout::MAX_CAPACITY_WORDS);
        let page = derived::read(&mut file, layout::HEADER_BYTES as u64, most, room)?;
        let Some(ring) = Self::of(&page, path, place) else { return Ok(None) };
        let Some(image) = &ring.image else { return Ok(Some(ring)) };
        let bytes = ring_bytes(image.identity().capacity_words);
        Ok(Self::of(&derived::read(&mut file, bytes, most, room)?, path, place))
    }

    /// Returns `None` if the file belongs to another logger of the same process.
    fn of(bytes: &[u8], path: &Path, place: &RingPlace) -> Option<Self> {
        let path = path.to_owned();
        let mut ring = Self { path, image: None, problems: Vec::new(), is_foreign: false };
        match Image::from_bytes(bytes) {
            Ok(image) if image.identity().logger != place.logger => return None,
            Ok(image) => ring.image = Some(image),
            // It was never used.
            Err(_) if is_unfinished(bytes) => {}
            Err(error) => {
                ring.is_foreign = matches!(error, RingError::Version(_));
                ring.problems.push(error.to_string());
            }
        }
        Some(ring)
    }

    fn read(
        &mut self,
        committed: &CommittedLength<'_>,
        dictionary: &SitesByAddress,
    ) -> Option<LeftRecords> {
        let image = self.image.as_ref()?;
        let consumed = image.consumed(committed);
        if !consumed.certain {
            let text = "it speaks of a log that is gone: some of its records may be in that one";
            self.problems.push(text.to_owned());
        }
        let site = |record: &[u64]| dictionary.site(ring::address(record[0]));
        let known = |record: &[u64]| match site(record) {
            Some(site) if check::fits(site, record) => WordsKind::Record,
            Some(_) => WordsKind::None,
            None => WordsKind::Stranger,
        };
        let found = match image.recover(consumed, Some(&known)) {
            Ok(found) => found,
            Err(error) => {
                self.problems.push(error.to_string());
                return None;
            }
        };
        // Of the identity, the other copy was good enough.
        let damage = found.damage.iter().filter(|damage| damage.part != FilePart::Identity);
        self.problems.extend(damage.map(|damage| damage.to_string()));
        let records = found.records.iter().filter_map(|record| {
            let header = *record.first_chunk()?;
            Some(RecoveredRecord {
                site: site(record)?,
                header,
                arguments: check::arguments(record)?,
            })
        });
        let records = records.collect();
        let RingIdentity { thread_os_id, thread_name, mode, purpose, .. } = image.identity();
        Some(LeftRecords {
            thread: ThreadInfo { name: thread_name.clone(), os_id: *thread_os_id },
            mode: *mode,
            purpose: *purpose,
            records,
            overwritten: found.overwritten.unwrap_or_default(),
        })
    }
}

/// Returns whether the process died while it made the ring, and so before it used it.
///
/// Of a new ring, the second copy of the identity is written last. After that the tail is the first
/// word that is not zero.
fn is_unfinished(bytes: &[u8]) -> bool {
    let is_zero =
        |from: usize, length: usize| bytes.iter().skip(from).take(length).all(|byte| *byte == 0);
    is_zero(layout::COPY_OFFSETS[1], layout::COPY_BYTES) && is_zero(layout::SHARED_OFFSET, 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One ring cannot be removed: it is told, and keeps the call sites, without which it would count as damaged.
    #[test]
    fn a_ring_that_stays_keeps_the_call_sites() {
        let dir = tempfile::tempdir().unwrap();
        let (ring, stuck) = (dir.path().join("ring"), dir.path().join("stuck"));
        let sites = dir.path().join("sites");
        fs::write(&ring, "").unwrap();
        // As good as any reason.
        fs::create_dir(&stuck).unwrap();
        fs::write(&sites, "").unwrap();
        let left = LeftOver {
            rings: [&stuck, &ring]
                .map(|path| LeftRing {
                    path: path.clone(),
                    image: None,
                    problems: Vec::new(),
                    is_foreign: false,
                })
                .into(),
            sites: vec![Sites {
                path: sites.clone(),
                file: None,
                bytes: Vec::new(),
                problems: Vec::new(),
            }],
            ..LeftOver::default()
        };
        let damage = left.remove();
        assert_eq!(damage.len(), 1);
        assert_eq!(damage[0].path, stuck);
        assert!(damage[0].problem.starts_with("recovered, but not removed: "), "{damage:?}");
        assert!(stuck.exists() && sites.exists() && !ring.exists());
    }
}
