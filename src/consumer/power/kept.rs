//! The directory of a log on a disk that loses power, while its segments are compressed and deleted.
//!
//! The double is pessimistic: of the names that were made, changed and removed since the directory was synced, any may
//! be on the disk and any may not. A file that was not synced may have any content.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::rc::Rc;

use kymo_files::keep::Keep;
use kymo_files::tap::{self, Step};
use kymo_reader::{Event, Log, Options, Order};

use super::{Kind, Story, beside, read};
use crate::derived::Owner;
use crate::rotation::limits::Limits;
use crate::segment::tap::disk::{self, Disk, Left, Operation};
use crate::segments::LogName;

/// How many segments are kept, the current one and the prepared one included.
const FILES: u64 = 5;

/// What compresses and deletes segments, in the thread of the test: between each two steps of a compression, the limits
/// may delete.
pub(super) struct Keeper {
    names: LogName,
    limits: Rc<Limits>,
    random: fastrand::Rng,
    /// The limits are looked at after so many steps more, by this current segment.
    deletes: Rc<Cell<Option<(u32, u64)>>>,
    by_limits: Rc<Cell<bool>>,
}

fn owner(directory: &Path) -> Owner {
    Owner::of(&directory.metadata().unwrap())
}

impl Keeper {
    pub(super) fn new(seed: u64, path: &Path, log: [u8; 16]) -> Self {
        let names = LogName::new(path);
        let keep = Keep::unlimited().files(FILES);
        let limits = Limits::new(names.clone(), log, owner(names.directory()), keep, 1 << 20, true);
        let limits = Rc::new(limits);
        let (deletes, by_limits) = (Rc::new(Cell::new(None)), Rc::new(Cell::new(false)));
        let seen = (Rc::clone(&limits), Rc::clone(&deletes), Rc::clone(&by_limits));
        tap::after_each(move |step| {
            let (limits, deletes, by_limits) = &seen;
            let content = match step {
                // The limits may have deleted it.
                Step::Synced(path) => fs::read(path).unwrap_or_default(),
                _ => Vec::new(),
            };
            let by = by_limits.get();
            disk::note(|| Operation::Step { step: step.clone(), content, by_limits: by });
            match deletes.get() {
                Some((0, current)) if !by => {
                    deletes.set(None);
                    delete(limits, by_limits, current);
                }
                Some((steps, current)) if !by => deletes.set(Some((steps - 1, current))),
                _ => {}
            }
        });
        Self { names, limits, random: fastrand::Rng::with_seed(seed), deletes, by_limits }
    }

    /// Compresses and deletes, or is late, or does one of them only.
    pub(super) fn look(&mut self, current: u64) {
        if self.random.bool() {
            self.compress(current);
        }
        if self.random.bool() {
            delete(&self.limits, &self.by_limits, current);
        }
    }

    #[cfg(feature = "compress")]
    fn compress(&mut self, current: u64) {
        use kymo_zstd::{Compression, Problem, compress_segment, sweep};
        let owner = owner(self.names.directory());
        assert_eq!(sweep(&self.names, owner).unwrap(), 0);
        for file in self.names.list(owner).unwrap() {
            if file.name.is_compressed || file.name.sequence >= current {
                continue;
            }
            self.deletes.set(self.random.bool().then(|| (self.random.u32(0..6), current)));
            match compress_segment(&file.path, Compression::default()).map_err(|it| it.problem) {
                // It is open until a sync, or the limits have deleted it.
                Ok(_) | Err(Problem::InUse | Problem::Changed) => {}
                Err(Problem::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(problem) => panic!("{problem:?}"),
            }
        }
        self.deletes.set(None);
    }

    #[cfg(not(feature = "compress"))]
    fn compress(&mut self, _current: u64) {}
}

fn delete(limits: &Limits, by_limits: &Cell<bool>, current: u64) {
    by_limits.set(true);
    let retained = limits.retain(current, 0);
    assert!(retained.failed.is_empty(), "{retained:?}");
    by_limits.set(false);
}

/// What a name leads to.
#[derive(Clone, Copy, Debug)]
enum Held {
    Segment([u8; 16]),
    /// The compressed file with this index.
    Compressed(usize),
}

/// What was done to a name.
#[derive(Clone, Debug)]
enum Change {
    Made(OsString, Held),
    Renamed(OsString, OsString, Held),
    Removed(OsString),
}

type Names = BTreeMap<OsString, Held>;

impl Change {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Made(name, held) => drop(names.insert(name.clone(), *held)),
            Self::Renamed(from, to, held) => {
                names.remove(from);
                names.insert(to.clone(), *held);
            }
            Self::Removed(name) => drop(names.remove(name)),
        }
    }
}

/// The directory of a log.
struct Directory {
    log: LogName,
    /// The names that the disk has.
    on_disk: Names,
    /// What was done to them since.
    pending: Vec<Change>,
    /// The names that processes see.
    live: Names,
    /// What the disk has of compressed files. `None` of one that was not synced.
    compressed: Vec<Option<Vec<u8>>>,
    /// The segments that the limits have deleted, by number.
    deleted: BTreeSet<u64>,
    /// The segments of which only the compressed file is left.
    replaced: BTreeSet<u64>,
    /// The identifiers of segments.
    segments: BTreeMap<u64, [u8; 16]>,
}

fn name_of(path: &Path) -> OsString {
    path.file_name().unwrap().to_owned()
}

impl Directory {
    fn new(log: LogName) -> Self {
        let (on_disk, live, pending, compressed) = Default::default();
        let (deleted, replaced, segments) = Default::default();
        Self { log, on_disk, pending, live, compressed, deleted, replaced, segments }
    }

    fn sequence(&self, name: &OsStr) -> Option<u64> {
        Some(self.log.parse(name)?.sequence)
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }

    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Name { segment, path } => {
                let name = name_of(path);
                self.segments.insert(self.sequence(&name).unwrap(), *segment);
                self.change(Change::Made(name, Held::Segment(*segment)));
            }
            Operation::SyncName { .. } => self.sync(),
            Operation::Step { step, content, by_limits } => self.step(step, content, *by_limits),
            _ => {}
        }
    }

    fn step(&mut self, step: &Step, content: &[u8], by_limits: bool) {
        match step {
            Step::Created(path) => {
                self.compressed.push(None);
                let held = Held::Compressed(self.compressed.len() - 1);
                self.change(Change::Made(name_of(path), held));
            }
            Step::Synced(path) => {
                if let Some(Held::Compressed(index)) = self.live.get(&name_of(path)) {
                    self.compressed[*index] = Some(content.to_vec());
                }
            }
            Step::Renamed(from, to) => {
                let held = self.live[&name_of(from)];
                self.change(Change::Renamed(name_of(from), name_of(to), held));
            }
            Step::Removed(path) => {
                let name = name_of(path);
                if let Some(segment) = self.log.parse(&name) {
                    if by_limits {
                        self.deleted.insert(segment.sequence);
                    } else if !segment.is_compressed {
                        self.replaced.insert(segment.sequence);
                    }
                }
                self.change(Change::Removed(name));
            }
            Step::SyncedNames => self.sync(),
        }
    }

    fn sync(&mut self) {
        self.pending.drain(..).for_each(|change| change.apply(&mut self.on_disk));
    }

    /// Names that may be left after a power failure now.
    fn after_power_failure(&self, left: Left, random: &mut fastrand::Rng) -> Names {
        let mut names = self.on_disk.clone();
        for change in &self.pending {
            let is_there = match left {
                Left::Nothing | Left::Header => false,
                Left::Everything => true,
                Left::Rest | Left::Random => random.bool(),
            };
            if is_there {
                change.apply(&mut names);
            }
        }
        names
    }

    /// The numbers of the records that segments had.
    fn numbers(&self, sequences: &BTreeSet<u64>, disk: &Disk) -> HashMap<u64, u32> {
        let mut found = HashMap::new();
        for sequence in sequences {
            read(&disk.files[&self.segments[sequence]].written, &mut found);
        }
        found
    }
}

/// How often each record is in the log, as a reader reads it.
fn read_log(path: &Path) -> HashMap<u64, u32> {
    let mut found = HashMap::new();
    let Ok(log) = Log::find(path) else { return found };
    let mut reader = log.open(Options::new().order(Order::Written)).unwrap();
    loop {
        match reader.next_event() {
            Ok(Some(Event::Record(record))) => {
                let mut text = String::new();
                record.message(&mut text);
                let (number, rest) = text.split_once(' ').unwrap();
                let (number, rest): (u64, u64) = (number.parse().unwrap(), rest.parse().unwrap());
                assert_eq!(rest, beside(number));
                *found.entry(number).or_default() += 1;
            }
            Ok(Some(_)) => {}
            Ok(None) => return found,
            // Of one segment: the next ones can be read.
            Err(_) => {}
        }
    }
}

/// Writes the files that a power failure has left.
fn restore(place: &Path, names: &Names, disk: &Disk, directory: &Directory, left: Left) {
    for entry in fs::read_dir(place).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let mut random = fastrand::Rng::with_seed(names.len() as u64);
    for (name, held) in names {
        let bytes = match held {
            Held::Segment(id) => disk.files[id].after_power_failure(left, &mut random),
            Held::Compressed(index) => match &directory.compressed[*index] {
                Some(bytes) => bytes.clone(),
                None => vec![0; random.usize(0..10_000)],
            },
        };
        fs::write(place.join(name), bytes).unwrap();
    }
}

/// What there was in a story: so that one in which nothing happened does not pass.
#[derive(Debug, Default)]
struct Seen {
    deleted: usize,
    replaced: usize,
    /// Records were there that had been deleted: the disk did not have the removal.
    returned: bool,
}

fn lose_power(seed: u64) -> Seen {
    let logged = tempfile::tempdir().unwrap();
    let left_over = tempfile::tempdir().unwrap();
    let mut story = Story::new(seed, logged.path(), Kind::Kept);
    (0..60).for_each(|_| story.step());
    let (operations, promised) = story.end();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut disk = Disk::default();
    let mut directory = Directory::new(LogName::new(&logged.path().join("app.kymo")));
    let mut seen = Seen::default();
    for (done, operation) in (1..).zip(&operations) {
        disk.apply(operation);
        directory.apply(operation);
        // Each change of names and each sync, and some of the many writes.
        if matches!(operation, Operation::Write { .. } | Operation::Length { .. }) && done % 9 > 0 {
            continue;
        }
        let promised = promised.iter().rev().find(|(count, _)| *count <= done);
        let promised = promised.map_or(0, |(_, records)| *records);
        let deleted = directory.numbers(&directory.deleted, &disk);
        let replaced = directory.numbers(&directory.replaced, &disk);
        for left in [Left::ALL[done % Left::ALL.len()], Left::Random] {
            let names = directory.after_power_failure(left, &mut random);
            restore(left_over.path(), &names, &disk, &directory, left);
            let found = read_log(&left_over.path().join("app.kymo"));
            let what = format!("seed {seed}, {left:?} after {done}, {operation:?}: {names:?}");
            // What was synced, and what was compressed: the original is gone, so the other must be on the disk.
            let mut needed = (0..promised).chain(replaced.keys().copied());
            let missing = needed.find(|it| !found.contains_key(it) && !deleted.contains_key(it));
            assert_eq!(missing, None, "{what}: {promised} were promised");
            let twice = found.iter().find(|(_, count)| **count > 1);
            assert_eq!(twice, None, "{what}");
            seen.returned |= deleted.keys().any(|number| found.contains_key(number));
        }
    }
    seen.deleted = directory.deleted.len();
    seen.replaced = directory.replaced.len();
    // The double has seen all that was done to the names.
    let there: BTreeSet<OsString> =
        fs::read_dir(logged.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(directory.live.into_keys().collect::<BTreeSet<_>>(), there, "seed {seed}");
    seen
}

/// `KYMO_POWER=100 cargo test --lib power` tells a hundred stories.
#[test]
fn a_power_failure_takes_nothing_that_is_kept() {
    let stories = std::env::var("KYMO_POWER").map_or(2, |stories| stories.parse().unwrap());
    let seen: Vec<Seen> = (0..stories).map(lose_power).collect();
    let deleted: usize = seen.iter().map(|it| it.deleted).sum();
    let replaced: usize = seen.iter().map(|it| it.replaced).sum();
    assert!(deleted > 4 && (replaced > 4 || cfg!(not(feature = "compress"))), "{seen:?}");
    assert!(seen.iter().any(|it| it.returned), "{seen:?}");
}
