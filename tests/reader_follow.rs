//! Following a file while it is being written.

use kymo_testing::segment;

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};

use kymo_reader::{Ending, Options, Order};
use segment::{Segment, drain, read, sample};

/// A file that is removed in the end.
struct Scratch(std::path::PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("kymo-{name}-{}.kymo", std::process::id())))
    }

    /// Writes what the file would be with this much committed, preallocated.
    fn write(&self, file: &Segment, committed: usize, written: usize) {
        let mut bytes = file.bytes[..written].to_vec();
        bytes.resize(file.bytes.len() + 100_000, 0);
        bytes[1024..1032].copy_from_slice(&(committed as u64).to_le_bytes());
        let mut out =
            OpenOptions::new().create(true).truncate(false).write(true).open(&self.0).unwrap();
        out.seek(SeekFrom::Start(0)).unwrap();
        out.write_all(&bytes).unwrap();
    }
}

/// Committed bytes are read as they arrive, and no others.
#[test]
fn only_committed_bytes_are_followed() {
    let (file, scratch) = (sample(), Scratch::new("follow"));
    let whole = read(&file.bytes);
    scratch.write(&file, 4096, 4096);
    let mut reader = Options::new().follow(true).open(&scratch.0).unwrap();
    assert!(drain(&mut reader).records.is_empty());
    let mut records = Vec::new();
    for pair in file.frames.windows(2) {
        // Half of the next frame is there, but nobody has said so.
        let (committed, written) = (pair[1].0, (pair[1].0 + pair[1].1) / 2);
        scratch.write(&file, committed, written);
        records.extend(drain(&mut reader).records);
        let expected = whole.records.iter().filter(|it| it.block_offset < committed as u64).count();
        assert_eq!(records.len(), expected);
        assert_eq!(reader.report().ending, Ending::Unread);
        assert!(drain(&mut reader).records.is_empty());
    }
    scratch.write(&file, file.bytes.len(), file.bytes.len());
    records.extend(drain(&mut reader).records);
    assert_eq!(records, whole.records);
    assert_eq!(reader.report().ending, Ending::Closed);
    assert!(reader.report().is_whole(), "{:?}", reader.report());
    assert!(drain(&mut reader).records.is_empty());
}

/// In the order of time, records come with the watermark that releases them.
#[test]
fn watermarks_release_records() {
    let (file, scratch) = (sample(), Scratch::new("follow-by-time"));
    let first_sweep = file.frames[7].0;
    scratch.write(&file, first_sweep, first_sweep);
    let mut reader = Options::new().follow(true).order(Order::Time).open(&scratch.0).unwrap();
    assert_eq!(drain(&mut reader).records.len(), 4, "41 is younger than the watermark of 40");
    scratch.write(&file, file.bytes.len(), file.bytes.len());
    assert_eq!(drain(&mut reader).records.len(), 6);
    assert!(reader.report().is_whole());
}

/// Damage in committed bytes is skipped while following.
#[test]
fn following_skips_committed_damage() {
    let (mut file, scratch) = (sample(), Scratch::new("follow-damage"));
    file.bytes[file.frames[6].0 + 20] ^= 1;
    scratch.write(&file, file.frames[7].0, file.frames[7].0);
    let mut reader = Options::new().follow(true).open(&scratch.0).unwrap();
    let before = drain(&mut reader);
    assert_eq!((before.records.len(), before.report.damages), (2, 0));
    scratch.write(&file, file.bytes.len(), file.bytes.len());
    let after = drain(&mut reader);
    assert_eq!((after.report.records, after.report.damages, after.report.lost()), (7, 1, 3));
}

/// A slice is followed to its committed length.
#[test]
fn slices_are_followed_to_committed_length() {
    let mut file = sample();
    file.set_committed(file.frames[7].0 as u64);
    let mut reader = Options::new().follow(true).from_slice(&file.bytes).unwrap();
    assert_eq!(drain(&mut reader).records.len(), 5);
    assert!(drain(&mut reader).records.is_empty());
}
