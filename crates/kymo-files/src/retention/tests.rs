//! Tests of retention: plans as such, and on real files.

pub(super) mod power;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use kymo_format::compressed;
use kymo_format::header::{COPY_BYTES, ClockSource};

const LOG: [u8; 16] = [7; 16];
const OTHER_LOG: [u8; 16] = [8; 16];
const DAY_NS: i64 = 86_400_000_000_000;

fn id(number: u64) -> [u8; 16] {
    let mut id = [1; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    id
}

/// Segments from number 1 on, of these sizes, one a day.
fn segments(sizes: &[(u64, u64)]) -> Vec<Stored> {
    let stored = |(index, &(bytes, beside)): (usize, &(u64, u64))| {
        let sequence = index as u64 + 1;
        let file = |bytes, is_beside| StoredFile { name: OsString::new(), bytes, is_beside };
        Stored {
            segment: id(sequence),
            sequence,
            opened_ns: index as i64 * DAY_NS,
            files: vec![file(beside, true), file(bytes, false)],
            is_stuck: false,
        }
    };
    sizes.iter().enumerate().map(stored).collect()
}

fn situation(first_kept: u64) -> Situation {
    Situation { first_kept, ..Situation::default() }
}

#[test]
fn the_oldest_go_first() {
    let segments = segments(&[(10, 0), (20, 0), (30, 0), (40, 0)]);
    let plan = |keep: Keep| plan(&segments, &keep, &situation(4));
    assert_eq!(plan(Keep::bytes(100)), []);
    assert_eq!(plan(Keep::bytes(99)), [0]);
    assert_eq!(plan(Keep::bytes(89)), [0, 1]);
    assert_eq!(plan(Keep::bytes(0)), [0, 1, 2]);
    assert_eq!(plan(Keep::unlimited().files(4)), []);
    assert_eq!(plan(Keep::unlimited().files(2)), [0, 1]);
    assert_eq!(plan(Keep::unlimited().files(1)), [0, 1, 2]);
    assert_eq!(plan(Keep::unlimited()), []);
}

#[test]
fn the_current_segment_counts_at_its_full_size() {
    let segments = segments(&[(10, 0), (10, 0), (10, 5)]);
    let now = Situation { kept_bytes: 50, other_bytes: 7, ..situation(3) };
    // 20 closed, 50 current, 5 beside it, 7 prepared.
    assert_eq!(plan(&segments, &Keep::bytes(82), &now), []);
    assert_eq!(plan(&segments, &Keep::bytes(81), &now), [0]);
    // It takes more than it should.
    let now = Situation { kept_bytes: 9, ..now };
    assert_eq!(plan(&segments, &Keep::bytes(42), &now), []);
    assert_eq!(plan(&segments, &Keep::bytes(41), &now), [0]);
    // It counts before it is there, as a file, too.
    assert_eq!(plan(&segments, &Keep::unlimited().files(3), &situation(4)), [0]);
    // So does the one that is prepared.
    let now = Situation { other_files: 1, ..situation(3) };
    assert_eq!(plan(&segments, &Keep::unlimited().files(4), &now), []);
    assert_eq!(plan(&segments, &Keep::unlimited().files(3), &now), [0]);
    let now = Situation { kept_bytes: 50, ..situation(4) };
    assert_eq!(plan(&segments, &Keep::bytes(85), &now), []);
    assert_eq!(plan(&segments, &Keep::bytes(84), &now), [0]);
}

#[test]
fn a_segment_is_too_old_when_the_next_began_long_ago() {
    let segments = segments(&[(10, 0), (10, 0), (10, 0), (10, 0)]);
    let plan = |now_ns: i64, first_kept| {
        let keep = Keep::unlimited().age(Duration::from_secs(10 * 86_400));
        plan(&segments, &keep, &Situation { now_ns, ..situation(first_kept) })
    };
    assert_eq!(plan(11 * DAY_NS, 4), []);
    assert_eq!(plan(11 * DAY_NS + 1, 4), [0]);
    assert_eq!(plan(13 * DAY_NS + 1, 4), [0, 1, 2]);
    // Nobody knows when the last one ended.
    assert_eq!(plan(1_000 * DAY_NS, 5), [0, 1, 2]);
    // A clock that was set back.
    assert_eq!(plan(i64::MIN, 4), []);
}

#[test]
fn room_is_made_until_enough_is_free() {
    let segments = segments(&[(10, 2), (20, 0), (30, 0), (40, 0)]);
    let plan = |free_bytes| {
        let space = Space { total_bytes: 1_000, free_bytes };
        plan(&segments, &Keep::unlimited().free(0.05), &Situation { space, ..situation(4) })
    };
    assert_eq!(plan(50), []);
    assert_eq!(plan(49), [0]);
    assert_eq!(plan(38), [0]);
    assert_eq!(plan(37), [0, 1]);
    assert_eq!(plan(0), [0, 1, 2]);
}

#[test]
fn what_is_stuck_counts_and_others_go() {
    let mut segments = segments(&[(10, 0), (10, 0), (10, 0)]);
    segments[0].is_stuck = true;
    assert_eq!(plan(&segments, &Keep::bytes(20), &situation(3)), [1]);
    assert_eq!(plan(&segments, &Keep::bytes(0), &situation(3)), [1]);
}

proptest! {
    /// The limits hold afterwards, or nothing more can go; and no more goes than has to.
    #[test]
    fn limits_hold_and_no_more_goes_than_has_to(
        sizes in prop::collection::vec((0..100_u64, 0..20_u64), 0..20),
        stuck in prop::collection::vec(prop::bool::weighted(0.1), 20),
        kept in 0..4_u64,
        (kept_bytes, other_bytes, other_files) in (0..200_u64, 0..100_u64, 0..3_u64),
        (bytes, files, age_days, free) in
            (prop::option::of(0..1_500_u64), prop::option::of(1..20_u64), prop::option::of(0..25_u64), 0..50_u64),
        free_bytes in 0..100_u64,
        now_days in 0..40_i64,
    ) {
        let mut segments = segments(&sizes);
        segments.iter_mut().zip(stuck).for_each(|(stored, stuck)| stored.is_stuck = stuck);
        let count = segments.len() as u64;
        let mut keep = bytes.map_or(Keep::unlimited(), Keep::bytes).free(free as f64 / 100.0);
        if let Some(files) = files {
            keep = keep.files(files);
        }
        if let Some(days) = age_days {
            keep = keep.age(Duration::from_secs(days * 86_400));
        }
        let now = Situation {
            now_ns: now_days * DAY_NS + 1,
            first_kept: (count + 1).saturating_sub(kept),
            kept_bytes,
            other_bytes,
            other_files,
            space: Space { total_bytes: 100, free_bytes },
        };
        let planned = plan(&segments, &keep, &now);
        let (may_go, protected): (Vec<_>, Vec<_>) =
            segments.iter().partition(|stored| stored.sequence < now.first_kept);
        // Oldest first, never a protected one.
        let can_go: Vec<usize> = (0..may_go.len()).filter(|index| !segments[*index].is_stuck).collect();
        prop_assert!(can_go.starts_with(&planned), "{planned:?} of {can_go:?}");

        // Counted the other way round.
        let sum = |gone: &[usize]| -> (u64, u64, u64) {
            let left = may_go.iter().enumerate().filter(|(index, _)| !gone.contains(index));
            let closed: u64 = left.map(|(_, stored)| stored.bytes()).sum();
            let beside: u64 = protected.iter().map(|stored| stored.files[0].bytes).sum();
            let own: u64 = protected.iter().map(|stored| stored.files[1].bytes).sum();
            let files = (may_go.len() - gone.len() + protected.len().max(1)) as u64 + other_files;
            let freed: u64 = gone.iter().map(|index| segments[*index].bytes()).sum();
            (closed + beside + own.max(kept_bytes) + other_bytes, files, free_bytes + freed)
        };
        let holds = |gone: &[usize]| {
            let (all, number, is_free) = sum(gone);
            let is_young = |index: usize| {
                gone.contains(&index)
                    || segments.get(index + 1).zip(age_days).is_none_or(|(next, days)| {
                        now.now_ns - next.opened_ns <= days as i64 * DAY_NS
                    })
            };
            bytes.is_none_or(|most| all <= most)
                && files.is_none_or(|most| number <= most)
                && is_free >= free
                && can_go.iter().all(|index| is_young(*index))
        };
        prop_assert!(holds(&planned) || planned == can_go);
        if let Some((_, fewer)) = planned.split_last() {
            prop_assert!(!holds(fewer), "the last one had not to go");
        }
    }
}

/// Files of a log in a directory.
struct Place {
    directory: tempfile::TempDir,
    name: LogName,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let name = LogName::new(&directory.path().join("app.kymo"));
        Self { directory, name }
    }

    fn owner(&self) -> Owner {
        Owner::of(&fs::metadata(self.directory.path()).unwrap())
    }

    fn header(log: [u8; 16], sequence: u64) -> Header {
        let opened_ns = sequence as i64 * DAY_NS;
        Header {
            log,
            sequence,
            segment: id(sequence),
            opened_ns,
            ..Header::new(ClockSource::Counter)
        }
    }

    /// A segment of so many bytes.
    fn segment(&self, log: [u8; 16], sequence: u64, bytes: usize) -> PathBuf {
        let path = self.name.segment(sequence as i64, sequence);
        let mut page = Self::header(log, sequence).to_page();
        page.resize(bytes, 1);
        fs::write(&path, page).unwrap();
        path
    }

    fn compressed(&self, sequence: u64, bytes: usize) -> PathBuf {
        let path = LogName::compressed(&self.name.segment(sequence as i64, sequence));
        let mut contents = compressed::START.to_vec();
        contents.extend_from_slice(&Self::header(LOG, sequence).to_page()[..COPY_BYTES]);
        contents.resize(bytes, 1);
        fs::write(&path, contents).unwrap();
        path
    }

    /// A file beside the segment with this number.
    fn beside(&self, name: &str, sequence: u64, bytes: usize) -> PathBuf {
        let path = self.directory.path().join(name);
        let header = Header { side_of: id(sequence), ..Self::header([0; 16], 1_000 + sequence) };
        let mut page = header.to_page();
        page.resize(bytes, 1);
        fs::write(&path, page).unwrap();
        path
    }

    fn names(&self) -> BTreeSet<PathBuf> {
        fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    fn inventory(&self) -> Inventory {
        Inventory::read(&self.name, LOG, self.owner()).unwrap()
    }

    fn enforce(&self, keep: Keep, first_kept: u64) -> Deleted {
        enforce(&self.name, LOG, self.owner(), &keep, &situation(first_kept), &|_| 0).unwrap()
    }
}

#[test]
fn a_segment_goes_with_all_that_belongs_to_it() {
    let place = Place::new();
    place.segment(LOG, 1, 8_192);
    place.compressed(1, 4_096);
    place.beside("app.kymo.rescue", 1, 4_096);
    place.beside("other.kymo.recovered.3", 1, 4_096);
    let left = [
        place.segment(LOG, 2, 8_192),
        place.compressed(3, 4_096),
        place.beside("app.kymo.rescue.1", 2, 4_096),
        place.beside("app.kymo.recovered", 77, 4_096),
    ];
    let inventory = place.inventory();
    assert_eq!(inventory.segments.iter().map(|it| it.files.len()).collect::<Vec<_>>(), [4, 2, 1]);
    assert_eq!(inventory.bytes(), 20_480 + 12_288 + 4_096);
    let deleted = place.enforce(Keep::unlimited().files(2), 3);
    assert_eq!((deleted.sequences, deleted.segments, deleted.names.len()), (Some((1, 1)), 1, 4));
    assert_eq!(deleted.bytes, 20_480);
    assert!(deleted.errors.is_empty(), "{:?}", deleted.errors);
    assert_eq!(place.names(), BTreeSet::from(left));
}

#[cfg(unix)]
#[test]
fn nothing_foreign_is_deleted() {
    use std::os::unix::fs::symlink;
    let place = Place::new();
    let at = |name: &str| place.directory.path().join(name);
    place.segment(LOG, 1, 8_192);
    let current = place.segment(LOG, 9, 8_192);
    // Another log with this name; a file without a header; one with a header that says it is beside another.
    let other = place.segment(OTHER_LOG, 2, 8_192);
    let empty = place.name.segment(3, 3);
    fs::write(&empty, "").unwrap();
    let beside = place.name.segment(4, 4);
    let header = Header { side_of: id(99), ..Place::header(LOG, 4) };
    fs::write(&beside, header.to_page()).unwrap();
    // A link to a segment of the log, and a directory.
    let elsewhere = at("elsewhere");
    fs::write(&elsewhere, Place::header(LOG, 5).to_page()).unwrap();
    let link = place.name.segment(5, 5);
    symlink(&elsewhere, &link).unwrap();
    let directory = place.name.segment(6, 6);
    fs::create_dir(&directory).unwrap();
    // Of the log by its header, but not by its name.
    let renamed = at("saved.kymo");
    fs::write(&renamed, Place::header(LOG, 7).to_page()).unwrap();
    // Beside a segment of another log; a link.
    let rescue = place.beside("app.kymo.rescue", 2, 4_096);
    let rescue_link = at("app.kymo.rescue.1");
    let target = place.beside("target", 1, 4_096);
    symlink(&target, &rescue_link).unwrap();
    let log = at("app.kymo");
    symlink(&current, &log).unwrap();

    let deleted = place.enforce(Keep::bytes(0), 9);
    assert_eq!((deleted.sequences, deleted.names.len()), (Some((1, 1)), 1));
    let left = [
        current,
        other,
        empty,
        beside,
        elsewhere,
        link,
        directory,
        renamed,
        rescue,
        rescue_link,
        target,
        log,
    ];
    assert_eq!(place.names(), BTreeSet::from(left));
    assert_eq!(place.inventory().others.len(), 3);
    // A log without an id has no segments.
    let none =
        enforce(&place.name, [0; 16], place.owner(), &Keep::bytes(0), &situation(99), &|_| 0)
            .unwrap();
    assert_eq!(none.segments, 0);
}

/// Somebody puts another file in the place of one that is to be deleted.
#[test]
fn a_file_that_was_replaced_stays() {
    let place = Place::new();
    let path = place.segment(LOG, 1, 8_192);
    let mut listed = place.inventory().segments.remove(0);
    place.segment(OTHER_LOG, 1, 8_192);
    let directory = Directory::open(place.directory.path()).unwrap();
    let mut deleted = Deleted::default();
    let (_, error) = remove(&mut listed, &directory, LOG, place.owner(), &mut deleted).unwrap_err();
    assert!(error.to_string().contains("another file"), "{error}");
    assert!(path.is_file());
    // Also by another segment of this log.
    fs::write(&path, Place::header(LOG, 2).to_page()).unwrap();
    remove(&mut listed, &directory, LOG, place.owner(), &mut deleted).unwrap_err();
    // One that is gone is gone.
    fs::remove_file(&path).unwrap();
    remove(&mut listed, &directory, LOG, place.owner(), &mut deleted).unwrap();
    assert_eq!((deleted.names.len(), listed.files.len()), (0, 0));
}

/// While the limits are at it, a segment is compressed, so that it has another name. It goes by that, and is told once;
/// or it stays, if it is short enough now.
#[test]
fn a_segment_that_is_compressed_meanwhile_goes_too() {
    for (keep, gone) in [(Keep::unlimited().files(2), 2), (Keep::bytes(40_000), 1)] {
        let place = Place::new();
        let paths = [1, 2, 3, 4].map(|sequence| place.segment(LOG, sequence, 16_384));
        let compress = |path: &Path| {
            if path == paths[1] {
                place.compressed(2, 1_000);
                fs::remove_file(path).unwrap();
            }
            0
        };
        let now = Situation { kept_bytes: 16_384, ..situation(4) };
        let deleted = enforce(&place.name, LOG, place.owner(), &keep, &now, &compress).unwrap();
        assert_eq!((deleted.sequences, deleted.segments), (Some((1, gone)), gone), "{deleted:?}");
        assert!(deleted.errors.is_empty());
        let left: Vec<u64> = place.inventory().segments.iter().map(|it| it.sequence).collect();
        assert_eq!(left, (gone + 1..=4).collect::<Vec<_>>());
    }
}

/// The directory is moved away, and another is put in its place.
#[cfg(unix)]
#[test]
fn files_are_deleted_in_the_directory_that_was_opened() {
    let outer = tempfile::tempdir().unwrap();
    let (log, moved) = (outer.path().join("log"), outer.path().join("moved"));
    fs::create_dir(&log).unwrap();
    let place = Place { name: LogName::new(&log.join("app.kymo")), directory: outer };
    let name = place.segment(LOG, 1, 8_192).file_name().unwrap().to_owned();
    let mut listed = place.inventory().segments.remove(0);
    let directory = Directory::open(&log).unwrap();
    fs::rename(&log, &moved).unwrap();
    fs::create_dir(&log).unwrap();
    let decoy = place.segment(LOG, 1, 8_192);
    remove(&mut listed, &directory, LOG, place.owner(), &mut Deleted::default()).unwrap();
    assert!(decoy.is_file() && !moved.join(name).exists());
}

/// Killed after each removal, and begun once more: the limit holds, the newest are left, and at no moment is there a
/// file beside no segment.
#[test]
fn a_kill_at_any_step_is_harmless() {
    let fill = |place: &Place| {
        for sequence in 1..=6 {
            place.segment(LOG, sequence, 8_192);
            if sequence % 2 == 0 {
                place.compressed(sequence, 4_096);
            }
            place.beside(&format!("app.kymo.rescue.{sequence}"), sequence, 4_096);
        }
    };
    let names = |place: &Place| -> BTreeSet<OsString> {
        place.names().iter().map(|path| path.file_name().unwrap().to_owned()).collect()
    };
    let whole = Place::new();
    fill(&whole);
    let keep = Keep::bytes(40_000);
    let all = whole.enforce(keep.clone(), 6);
    assert!(all.names.len() > 5 && all.bytes > 0, "{all:?}");
    for steps in 0..all.names.len() {
        let place = Place::new();
        fill(&place);
        let inventory = place.inventory().segments;
        let planned = plan(&inventory, &keep, &situation(6));
        let files = planned.iter().flat_map(|index| {
            let stored = &inventory[*index];
            stored.files.iter().map(|file| (stored.segment, file))
        });
        let directory = Directory::open(place.directory.path()).unwrap();
        for (segment, file) in files.take(steps) {
            remove_file(file, segment, &directory, LOG, place.owner()).unwrap();
        }
        let segments = place.inventory().segments;
        let beside = beside::in_directory(place.directory.path(), place.owner()).unwrap();
        let belongs =
            |file: &beside::Beside| segments.iter().any(|it| it.segment == file.header.side_of);
        assert!(beside.iter().all(belongs), "after {steps}");
        place.enforce(keep.clone(), 6);
        // What had to go no more, because the limit held already, may be there.
        assert!(names(&place).is_superset(&names(&whole)), "after {steps}");
        let left = place.inventory();
        assert!(left.bytes() <= 40_000, "after {steps}: {left:?}");
        let sequences: Vec<u64> = left.segments.iter().map(|it| it.sequence).collect();
        assert!([1, 2, 3, 4, 5, 6].ends_with(&sequences), "after {steps}: {sequences:?}");
    }
}

#[cfg(unix)]
#[test]
fn what_cannot_be_deleted_is_told() {
    let place = Place::new();
    for sequence in 1..=4 {
        place.segment(LOG, sequence, 8_192);
    }
    // Its side file is a directory by the time that it is to go: as good as any reason for which it cannot.
    let mut inventory = place.inventory().segments;
    let stuck = Path::new("stuck.kymo.rescue");
    fs::create_dir(place.directory.path().join(stuck)).unwrap();
    inventory[0].files.insert(0, StoredFile { name: stuck.into(), bytes: 1, is_beside: true });
    let directory = Directory::open(place.directory.path()).unwrap();
    let mut deleted = Deleted::default();
    let (name, _) =
        remove(&mut inventory[0], &directory, LOG, place.owner(), &mut deleted).unwrap_err();
    assert_eq!((name.as_os_str(), deleted.names.len()), (stuck.as_os_str(), 0));
    assert_eq!(inventory[0].files.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Real files: the sum afterwards is within the limit, unless only what must stay is left.
    #[test]
    fn the_sum_of_files_is_within_the_limit(
        sizes in prop::collection::vec((4_096..60_000_usize, any::<bool>(), any::<bool>(), any::<bool>()), 1..12),
        limit in 0..400_000_u64,
    ) {
        let place = Place::new();
        let mut foreign = BTreeSet::new();
        for (index, (bytes, is_compressed, has_beside, is_foreign)) in sizes.iter().enumerate() {
            let sequence = index as u64 + 1;
            if *is_foreign {
                foreign.insert(place.segment(OTHER_LOG, sequence, *bytes));
                continue;
            }
            place.segment(LOG, sequence, *bytes);
            if *is_compressed {
                place.compressed(sequence, bytes / 2);
            }
            if *has_beside {
                place.beside(&format!("app.kymo.rescue.{sequence}"), sequence, 4_096);
            }
        }
        let last = sizes.len() as u64;
        let before = place.inventory();
        let deleted = place.enforce(Keep::bytes(limit), last);
        let after = place.inventory();
        prop_assert_eq!(before.bytes(), after.bytes() + deleted.bytes);
        prop_assert!(after.bytes() <= limit || after.segments.iter().all(|it| it.sequence >= last));
        prop_assert!(foreign.is_subset(&place.names()));
        let sequences: Vec<u64> = before.segments.iter().map(|it| it.sequence).collect();
        let left: Vec<u64> = after.segments.iter().map(|it| it.sequence).collect();
        prop_assert!(sequences.ends_with(&left));
        // Once more deletes nothing.
        prop_assert_eq!(place.enforce(Keep::bytes(limit), last).names.len(), 0);
    }
}
