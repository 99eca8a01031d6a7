//! Compression, and a disk that loses power after each step: one whole file of the two is there, whatever of the rest
//! reached the disk.
//!
//! The double is pessimistic. A file that was not synced has any content. Of the names that were made, changed and
//! removed since the directory was synced, any may be on the disk and any may not.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use kymo_files::derived::Owner;
use kymo_files::segments::LogName;
use kymo_format::compressed::is_zstd;
use kymo_testing::segment::Segment;

use crate::tap::{self, Step};
use crate::{Compression, Decoder, Problem, compress_segment, sweep};

/// Which file a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    Original,
    Compressed,
}

struct Disk {
    /// What the disk has of the names.
    names: BTreeMap<PathBuf, File>,
    /// What was done to them since.
    pending: Vec<Step>,
    /// The disk has the content of the compressed file.
    is_synced: bool,
    /// And that of the original.
    is_original_synced: bool,
}

impl Disk {
    fn apply(&mut self, step: &Step) {
        match step {
            Step::Synced(path) if path.extension() == Some("kymo".as_ref()) => {
                self.is_original_synced = true;
            }
            Step::Synced(_) => self.is_synced = true,
            Step::SyncedNames => {
                let pending = std::mem::take(&mut self.pending);
                pending.iter().for_each(|step| change(&mut self.names, step));
            }
            step => {
                self.is_synced &= !matches!(step, Step::Created(_));
                self.pending.push(step.clone());
            }
        }
    }

    /// Every directory that may be left now.
    fn after_power_failure(&self) -> Vec<BTreeMap<PathBuf, File>> {
        (0..1_u32 << self.pending.len())
            .map(|chosen| {
                let mut names = self.names.clone();
                for (index, step) in self.pending.iter().enumerate() {
                    if chosen >> index & 1 == 1 {
                        change(&mut names, step);
                    }
                }
                names
            })
            .collect()
    }
}

fn change(names: &mut BTreeMap<PathBuf, File>, step: &Step) {
    match step {
        Step::Created(path) => drop(names.insert(path.clone(), File::Compressed)),
        Step::Renamed(from, to) => {
            names.remove(from);
            names.insert(to.clone(), File::Compressed);
        }
        Step::Removed(path) => drop(names.remove(path)),
        Step::Synced(_) | Step::SyncedNames => {}
    }
}

/// What the file at `path` holds, decompressed if it is compressed. `None` if it is not whole.
fn content(path: &Path) -> Option<Vec<u8>> {
    let bytes = fs::read(path).ok()?;
    if !is_zstd(&bytes) {
        return Some(bytes);
    }
    let mut content = Vec::new();
    Decoder::new(&*bytes).ok()?.read_to_end(&mut content).ok()?;
    Some(content)
}

struct Story {
    dir: tempfile::TempDir,
    names: LogName,
    path: PathBuf,
    original: Vec<u8>,
    compressed: Vec<u8>,
}

impl Story {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let names = LogName::new(&dir.path().join("app.kymo"));
        let path = names.segment(1_796_018_220, 42);
        let mut segment = Segment::of_log(9, 42);
        segment.clock(1_000_000).site(0, 3, "hello", &[]).thread(1, "main");
        for n in 0..40_u8 {
            segment.frame(77, &[n; 5_000]);
        }
        let original = segment.close().bytes.clone();
        Self { dir, names, path, original, compressed: Vec::new() }
    }

    fn clear(&self) {
        for entry in fs::read_dir(self.dir.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }

    /// Loses power now, in all ways. The machine starts again, and somebody compresses the segment.
    fn lose_power(&self, disk: &Disk, told: &str) {
        let garbage =
            [b"".to_vec(), vec![0; self.compressed.len()], self.compressed[..200].to_vec()];
        let whole = std::slice::from_ref(&self.compressed);
        for names in disk.after_power_failure() {
            for compressed in if disk.is_synced { whole } else { &garbage } {
                self.clear();
                for (path, file) in &names {
                    let bytes = if *file == File::Original { &self.original } else { compressed };
                    fs::write(path, bytes).unwrap();
                }
                let to = LogName::compressed(&self.path);
                let is_whole =
                    |path: &Path| content(path).is_some_and(|content| content == self.original);
                // Readers take the original if both are there. What is not whole on the disk must not come back.
                let is_alone = !names.contains_key(&to);
                assert!(is_alone || disk.is_original_synced, "{told}: {names:?}");
                // What is removed in the end must not be the only one.
                assert!(is_whole(&self.path) || is_whole(&to), "{told}: {names:?}");
                let owner = Owner::of(&self.dir.path().metadata().unwrap());
                sweep(&self.names, owner).unwrap();
                match compress_segment(&self.path, Compression::default()) {
                    Ok(_) => assert!(is_whole(&to) && !self.path.exists(), "{told}: {names:?}"),
                    // What has its name is damaged, and the original stays; or it was removed before.
                    Err(_) if self.path.exists() => assert!(is_whole(&self.path), "{told}"),
                    Err(_) => assert!(is_whole(&to), "{told}: {names:?}"),
                }
                let hidden = LogName::compressing(&to);
                assert!(!hidden.exists(), "{told}: {names:?}");
                tap::take();
            }
        }
    }
}

/// The limits of a log delete a segment while it gets its compressed name. It does not come back.
#[test]
fn a_deleted_segment_does_not_come_back() {
    let story = Story::new();
    fs::write(&story.path, &story.original).unwrap();
    let path = story.path.clone();
    tap::after_each(move |step| {
        if matches!(step, Step::Renamed(..)) {
            fs::remove_file(&path).unwrap();
        }
    });
    let error = compress_segment(&story.path, Compression::default()).unwrap_err();
    assert!(matches!(error.problem, Problem::Changed), "{error:?}");
    assert_eq!(fs::read_dir(story.dir.path()).unwrap().count(), 0);
}

#[test]
fn a_power_failure_leaves_one_whole_file() {
    let mut story = Story::new();
    fs::write(&story.path, &story.original).unwrap();
    tap::take();
    compress_segment(&story.path, Compression::default()).unwrap();
    let steps = tap::take();
    let to = LogName::compressed(&story.path);
    story.compressed = fs::read(&to).unwrap();
    let names = BTreeMap::from([(story.path.clone(), File::Original)]);
    let mut disk = Disk { names, pending: Vec::new(), is_synced: true, is_original_synced: false };
    for (done, step) in steps.iter().enumerate() {
        disk.apply(step);
        story.lose_power(&disk, &format!("after {done}, {step:?}"));
    }
    assert!(
        steps.len() >= 5 && steps.last() == Some(&Step::Removed(story.path.clone())),
        "{steps:?}"
    );

    // A process was killed after it had renamed the file. What it had synced is not known.
    story.clear();
    fs::write(&story.path, &story.original).unwrap();
    fs::write(&to, &story.compressed).unwrap();
    compress_segment(&story.path, Compression::default()).unwrap();
    let again = tap::take();
    assert!(again.contains(&Step::Synced(to.clone())), "{again:?}");
    let hidden = LogName::compressing(&to);
    let names = BTreeMap::from([(story.path.clone(), File::Original)]);
    let pending = vec![Step::Created(hidden.clone()), Step::Renamed(hidden, to)];
    let mut disk = Disk { names, pending, is_synced: false, is_original_synced: true };
    for (done, step) in again.iter().enumerate() {
        // The hidden file of this one is another.
        if !matches!(step, Step::Created(_)) {
            disk.apply(step);
        }
        story.lose_power(&disk, &format!("again, after {done}, {step:?}"));
    }
}
