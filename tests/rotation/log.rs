//! Reads a rotated log, segment by segment, and checks what must be true of any.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kymo::{Builder, Keep, Logger, Rotation};
use kymo_files::derived::Owner;
use kymo_files::segments::{LogName, SegmentFile};
use kymo_format::header::Header;
use kymo_reader::{Continued, Deleted, Ending, Event, Options, Order, Report, Totals};

/// A log of segments, none of which is deleted, however full the disk is.
pub fn rotated(path: &Path) -> Builder {
    Logger::builder(path).rotate(Rotation::on_request()).keep(Keep::unlimited())
}

/// A segment, and what is in it.
pub struct Segment {
    pub path: PathBuf,
    pub header: Header,
    /// The numbers in the records of each thread, in the order of the file.
    pub numbers: BTreeMap<String, Vec<u64>>,
    /// kymo's own records.
    pub warnings: Vec<String>,
    /// How many of kymo's own records were dropped.
    pub own_drops: u64,
    pub deleted: Vec<Deleted>,
    pub continued: Option<Continued>,
    pub totals: Option<Totals>,
    pub report: Report,
}

impl Segment {
    pub fn read(path: &Path) -> Self {
        let mut reader = Options::new().order(Order::Written).open(path).unwrap();
        let (mut numbers, mut warnings) = (BTreeMap::<String, Vec<u64>>::new(), Vec::new());
        let (mut own_drops, mut deleted) = (0, Vec::new());
        let (mut continued, mut totals) = (None, None);
        while let Some(event) = reader.next_event().unwrap() {
            match event {
                Event::Record(record) if record.target() == "kymo" => {
                    let mut text = String::new();
                    record.message(&mut text);
                    warnings.push(text);
                }
                Event::Record(record) => {
                    let number = record.get::<u64>("number").unwrap();
                    numbers.entry(record.thread().name().to_owned()).or_default().push(number);
                }
                Event::Drops(mark) if mark.thread.name() == "kymo" => own_drops += mark.total(),
                Event::Deleted(it) => deleted.push(it),
                Event::Continued(it) => {
                    assert!(numbers.is_empty() && continued.is_none(), "first, and once");
                    continued = Some(it);
                }
                Event::End(it) => totals = Some(it),
                _ => {}
            }
        }
        let report = reader.report().clone();
        let mut file = fs::File::open(path).unwrap();
        let header = kymo_files::beside::header_of(&mut file).unwrap();
        Self {
            path: path.to_owned(),
            header,
            numbers,
            warnings,
            own_drops,
            deleted,
            continued,
            totals,
            report,
        }
    }

    pub fn records(&self) -> u64 {
        self.numbers.values().map(|numbers| numbers.len() as u64).sum()
    }
}

/// The names of a log's segments.
pub fn names(path: &Path) -> LogName {
    LogName::new(&std::path::absolute(path).unwrap())
}

/// The files of a log's segments, by number.
pub fn files(path: &Path) -> Vec<SegmentFile> {
    let owner = Owner::of(&path.parent().unwrap().metadata().unwrap());
    names(path).list(owner).unwrap()
}

/// Where the log's link leads.
pub fn linked(path: &Path) -> PathBuf {
    path.parent().unwrap().join(fs::read_link(path).unwrap())
}

/// Reads all segments of a log that no logger writes, and checks that they are one log: numbers, predecessors, names
/// and times go on; the link leads to the last.
pub fn read(path: &Path) -> Vec<Segment> {
    let files = files(path);
    assert!(!files.is_empty(), "no segment");
    let segments: Vec<Segment> = files.iter().map(|file| Segment::read(&file.path)).collect();
    assert!(files.iter().map(|file| &file.path).is_sorted(), "names are not in order");
    let mut before: Option<&Segment> = None;
    for (segment, file) in segments.iter().zip(&files) {
        let (name, header) = (segment.path.display(), &segment.header);
        assert_eq!(header.sequence, file.name.sequence, "{name}");
        assert_eq!(header.opened_ns.div_euclid(1_000_000_000), file.name.began_s, "{name}");
        if let Some(before) = before {
            assert_eq!(header.log, before.header.log, "{name}: of another log");
            assert_eq!(header.sequence, before.header.sequence + 1, "{name}");
            assert_eq!(header.previous, before.header.segment, "{name}");
            assert!(header.opened_ns >= before.header.opened_ns, "{name}");
        }
        before = Some(segment);
    }
    assert_eq!(linked(path), segments.last().unwrap().path);
    segments
}

/// Checks that each segment was finished, and what the totals of one logger say in each. None was deleted.
pub fn assert_finished(segments: &[Segment]) {
    let first = segments.first().unwrap();
    assert!(first.continued.is_none(), "{}", first.path.display());
    assert_segments(segments);
}

/// Checks that each segment was finished, and what the totals of one logger say in each. The oldest may be gone.
pub fn assert_segments(segments: &[Segment]) {
    let before = segments.first().and_then(|first| first.continued);
    let (mut count, mut written, mut dropped, mut own) =
        before.map_or((0, 0, 0, 0), |it| (it.segments, it.written, it.dropped, it.own));
    for segment in segments {
        let name = segment.path.display();
        assert!(segment.report.is_whole(), "{name}: {:?}", segment.report);
        assert_eq!(segment.report.ending, Ending::Closed, "{name}");
        assert_eq!(segment.report.unmarked_drops(), 0, "{name}");
        match &segment.continued {
            None => (count, written, dropped, own) = (0, 0, 0, 0),
            Some(it) => {
                let found = (it.segments, it.written, it.dropped, it.own);
                assert_eq!(found, (count, written, dropped, own), "{name}: totals before");
            }
        }
        let totals = segment.totals.unwrap();
        count += 1;
        written += totals.written;
        dropped += totals.dropped;
        own += segment.warnings.len() as u64;
    }
}

/// The numbers of each thread, over all segments.
pub fn numbers(segments: &[Segment]) -> BTreeMap<String, Vec<u64>> {
    let mut all = BTreeMap::<String, Vec<u64>>::new();
    for segment in segments {
        for (thread, numbers) in &segment.numbers {
            all.entry(thread.clone()).or_default().extend(numbers);
        }
    }
    all
}

/// The names in a directory, sorted.
pub fn entries(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
