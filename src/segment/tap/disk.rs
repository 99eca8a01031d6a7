//! A double of the disk, which loses power.
//!
//! It takes the writes to segments' files, and the syncs, one operation after the other. At each moment it says what a
//! power failure may leave: what was synced; of everything since, any sector in any of its versions; and any length
//! that the file has had since. So writes reach the disk in any order, and in part.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use kymo_files::tap::Step;

use crate::segment::tap::Ability;

/// What a disk writes at once: all of it, or nothing. Real ones write at least that.
const SECTOR_BYTES: usize = 512;

/// What happened to a file.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Write {
        segment: [u8; 16],
        offset: u64,
        bytes: Vec<u8>,
    },
    Length {
        segment: [u8; 16],
        bytes: u64,
    },
    Sync {
        segment: [u8; 16],
    },
    /// It got its name in the log.
    Name {
        segment: [u8; 16],
        path: PathBuf,
    },
    SyncName {
        segment: [u8; 16],
    },
    /// What compression and retention do.
    Step {
        step: Step,
        /// Of a file that was synced.
        content: Vec<u8>,
        /// The limits of the log have asked for it.
        by_limits: bool,
    },
}

thread_local! {
    static OPERATIONS: RefCell<Option<Vec<Operation>>> = const { RefCell::new(None) };
}

thread_local! {
    static REFUSED: RefCell<Vec<(Ability, i32)>> = const { RefCell::new(Vec::new()) };
}

/// Has this thread's file systems refuse these, with these errors.
pub(crate) fn refuse(abilities: &[(Ability, i32)]) {
    REFUSED.set(abilities.to_vec());
}

/// The error of an ability that is refused.
pub(super) fn refusal(ability: Ability) -> Option<std::io::Error> {
    REFUSED.with_borrow(|refused| {
        let found = refused.iter().find(|(it, _)| *it == ability);
        found.map(|(_, error)| std::io::Error::from_raw_os_error(*error))
    })
}

/// Notes an operation of this thread, if it records them.
pub(crate) fn note(operation: impl FnOnce() -> Operation) {
    OPERATIONS.with_borrow_mut(|operations| {
        if let Some(operations) = operations {
            operations.push(operation());
        }
    });
}

/// Has this thread's operations recorded.
pub(crate) fn record() {
    OPERATIONS.set(Some(Vec::new()));
}

/// How many there have been.
pub(crate) fn count() -> usize {
    OPERATIONS.with_borrow(|operations| operations.as_ref().map_or(0, Vec::len))
}

/// Ends the recording.
pub(crate) fn recorded() -> Vec<Operation> {
    OPERATIONS.take().unwrap_or_default()
}

/// Which of the writes since the last sync a power failure leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Left {
    Nothing,
    Everything,
    /// The first page, but nothing else.
    Header,
    /// Everything but the first page.
    Rest,
    /// Whatever the random numbers say.
    Random,
}

impl Left {
    pub(crate) const ALL: [Self; 5] =
        [Self::Nothing, Self::Everything, Self::Header, Self::Rest, Self::Random];
}

/// A disk with some files.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) files: BTreeMap<[u8; 16], File>,
}

/// A file on the disk.
#[derive(Default)]
pub(crate) struct File {
    /// What a process reads in it.
    pub(crate) written: Vec<u8>,
    synced: Vec<u8>,
    pub(crate) has_name: bool,
    /// The sectors that were written since the last sync, in all their versions.
    since: BTreeMap<usize, Vec<[u8; SECTOR_BYTES]>>,
    /// The lengths that the file has had since then.
    lengths: Vec<usize>,
}

impl Disk {
    pub(crate) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Write { segment, offset, bytes } => {
                self.file(segment).write(*offset as usize, bytes)
            }
            Operation::Length { segment, bytes } => self.file(segment).set_length(*bytes as usize),
            Operation::Sync { segment } => self.file(segment).sync(),
            Operation::SyncName { segment } => self.file(segment).has_name = true,
            // Those are of the directory.
            Operation::Name { .. } | Operation::Step { .. } => {}
        }
    }

    fn file(&mut self, segment: &[u8; 16]) -> &mut File {
        self.files.entry(*segment).or_default()
    }
}

impl File {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        assert!(end <= self.written.len(), "it is allocated before it is written");
        self.written[offset..end].copy_from_slice(bytes);
        for sector in offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES) {
            let mut version = [0; SECTOR_BYTES];
            let content = &self.written[sector * SECTOR_BYTES..];
            let there = content.len().min(SECTOR_BYTES);
            version[..there].copy_from_slice(&content[..there]);
            self.since.entry(sector).or_default().push(version);
        }
    }

    fn set_length(&mut self, bytes: usize) {
        self.written.resize(bytes, 0);
        if self.lengths.is_empty() {
            self.lengths.push(0);
        }
        self.lengths.push(bytes);
    }

    fn sync(&mut self) {
        self.synced.clone_from(&self.written);
        self.since.clear();
        self.lengths = vec![self.written.len()];
    }

    /// What is in the file after a power failure now.
    pub(crate) fn after_power_failure(&self, left: Left, random: &mut fastrand::Rng) -> Vec<u8> {
        let mut choose = |versions: usize, is_header: bool| match left {
            Left::Nothing => 0,
            Left::Everything => versions,
            Left::Header => {
                if is_header {
                    versions
                } else {
                    0
                }
            }
            Left::Rest => {
                if is_header {
                    0
                } else {
                    versions
                }
            }
            Left::Random => random.usize(0..=versions),
        };
        let length = choose(self.lengths.len().saturating_sub(1), false);
        let length = self.lengths.get(length).copied().unwrap_or(0);
        let mut image = self.synced.clone();
        image.resize(self.written.len().max(image.len()).next_multiple_of(SECTOR_BYTES), 0);
        for (sector, versions) in &self.since {
            let at = sector * SECTOR_BYTES;
            let chosen = choose(versions.len(), at < crate::format::HEADER_BYTES);
            if let Some(version) = chosen.checked_sub(1).map(|index| versions[index]) {
                // Beyond a file that was cut there is nothing.
                if let Some(to) = image.get_mut(at..at + SECTOR_BYTES) {
                    to.copy_from_slice(&version);
                }
            }
        }
        image.truncate(length);
        image
    }
}
