//! The directory in which the processes come, and what has to be in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use kymo::RecoverError;
use kymo_reader::{Event, Files, Options, Order};

use super::{OLD, RECORDS, recover};

/// Numbers in a file that parent and children map: how many calls have returned.
pub struct Numbers(memmap2::MmapRaw);

impl Numbers {
    pub fn map(path: &Path) -> Self {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(path).unwrap();
        file.set_len(4096).unwrap();
        Self(memmap2::MmapOptions::new().map_raw(&file).unwrap())
    }

    pub fn of(&self, slot: usize) -> &AtomicU64 {
        assert!(slot < 512);
        // SAFETY: within the page.
        let at = unsafe { self.0.as_mut_ptr().cast::<AtomicU64>().add(slot) };
        // SAFETY: aligned, mapped as long as `self`, and only used as an atomic.
        unsafe { &*at }
    }
}

/// The directory.
pub struct Place(tempfile::TempDir);

/// What was in it.
pub struct Snapshot(Vec<(PathBuf, Vec<u8>, u64)>);

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("kymo-steps-").tempdir_in("/dev/shm").unwrap();
        fs::create_dir(dir.path().join("rings")).unwrap();
        Self(dir)
    }

    pub fn dir(&self) -> &Path {
        self.0.path()
    }

    pub fn numbers(&self) -> Numbers {
        Numbers::map(&self.dir().join("numbers"))
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for dir in [self.dir(), &self.dir().join("rings")] {
            let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
            files
                .extend(entries.filter(|it| it.file_type().unwrap().is_file()).map(|it| it.path()));
        }
        files.retain(|path| path.file_name().unwrap() != "numbers");
        files.sort();
        files
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut files = Vec::new();
        for path in self.files() {
            let mut bytes = fs::read(&path).unwrap();
            let length = bytes.len() as u64;
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            bytes.truncate(used);
            files.push((path, bytes, length));
        }
        Snapshot(files)
    }

    /// Recovers all logs, and reads them: the messages, none of them twice; and the logs.
    pub fn read_all(&self, told: &str) -> (BTreeSet<String>, Vec<PathBuf>) {
        let mut logs = Vec::new();
        for path in self.files() {
            if path.extension().is_none_or(|it| it != "kymo") {
                continue;
            }
            match recover(&path) {
                Ok(recovery) => {
                    assert!(recovery.damage.is_empty(), "{told}: {recovery:?}");
                    logs.push(path);
                }
                // A start was killed before the header was there.
                Err(RecoverError::NotALog(_)) => {
                    let bytes = fs::read(&path).unwrap();
                    assert!(bytes.iter().all(|byte| *byte == 0), "{told}: {path:?}");
                }
                Err(error) => panic!("{told}: {error}: {:?}", self.files()),
            }
        }
        let listed = kymo_reader::Directory::read(self.dir()).unwrap().logs;
        logs.retain(|log| listed.contains(log));
        (messages(&logs, told), logs)
    }

    /// Each record that must be there is, and none is there twice. No file is left that is of no
    /// use.
    /// `has_old`: what the dead process logged, too. `may_lose`: the processes whose records may all be gone.
    pub fn assert_all(&self, told: &str, has_old: bool, may_lose: [bool; 2], is_clean: bool) {
        let (found, logs) = self.read_all(told);
        let has = |message: String| found.contains(&message);
        for (slot, may_lose) in may_lose.into_iter().enumerate() {
            if may_lose && (0..RECORDS).all(|number| !has(format!("{slot} {number}"))) {
                continue;
            }
            let returned = self.numbers().of(slot).load(Ordering::Acquire);
            for number in 0..RECORDS {
                // One more may have been published by a call that had not returned.
                let is_there = has(format!("{slot} {number}"));
                assert!(is_there || number >= returned, "{told}: {slot} {number} is missing");
                assert!(!is_there || number <= returned, "{told}: {slot} {number}");
            }
        }
        if has_old {
            for kind in ["written", "waiting", "critical"] {
                for number in 0..OLD {
                    let files = self.files();
                    assert!(has(format!("{kind} {number}")), "{told}: {kind} {number}: {files:?}");
                }
            }
        }
        let files = self.files();
        let is_left = |path: &&PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy();
            let is_half_made = name.starts_with('.') || fs::metadata(path).unwrap().len() == 0;
            is_half_made && is_clean
                || name.ends_with("kymoring")
                || is_clean && name.ends_with("kymosites")
        };
        assert_eq!(files.iter().find(is_left), None, "{told}: {files:?}");
        for path in logs {
            let length = fs::metadata(&path).unwrap().len();
            // A fraction of the 64 MiB that are allocated at a time. How much was logged depends on the machine.
            assert!(length < 16 << 20, "{told}: {path:?} has {length} bytes");
        }
    }
}

impl Snapshot {
    pub fn restore(&self, place: &Place) {
        for path in place.files() {
            fs::remove_file(path).unwrap();
        }
        for (path, bytes, length) in &self.0 {
            fs::write(path, bytes).unwrap();
            File::options().write(true).open(path).unwrap().set_len(*length).unwrap();
        }
        (0..2).for_each(|slot| place.numbers().of(slot).store(0, Ordering::Release));
    }
}

/// The messages of all records in these logs, of which nothing is damaged or missing, and none is there twice.
pub fn messages(logs: &[PathBuf], told: &str) -> BTreeSet<String> {
    let mut found = BTreeMap::<String, u64>::new();
    let mut files = Files::open(logs, || Options::new().order(Order::Exact)).unwrap();
    while let Some((_, event)) = files.next_event().unwrap_or_else(|it| panic!("{told}: {it}")) {
        match event {
            Event::Record(record) if record.thread().name() != "kymo" => {
                let mut message = String::new();
                record.message(&mut message);
                *found.entry(message).or_default() += 1;
            }
            Event::Damage(damage) => panic!("{told}: {damage}"),
            Event::Gap(gap) => panic!("{told}: {} records are missing", gap.records),
            _ => {}
        }
    }
    let twice = found.iter().find(|(_, count)| **count != 1);
    assert_eq!(twice, None, "{told}: {logs:?}");
    found.into_keys().collect()
}
