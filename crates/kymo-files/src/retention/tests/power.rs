//! Retention, and a disk that loses power after each step. All that is kept is whole. Nothing is left that belongs to
//! nothing, and the next look ends what was begun.
//!
//! The double is pessimistic: of the names that were removed since the directory was synced, any may be back.

use std::collections::BTreeMap;

use super::*;
use crate::tap::{self, Step};

/// The files of a directory, with what is in them.
type Contents = BTreeMap<OsString, Vec<u8>>;

fn contents(place: &Place) -> Contents {
    let name = |path: &PathBuf| path.file_name().unwrap().to_owned();
    place.names().iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

/// Every directory that may be left when power is lost after these steps.
fn after_power_failure(before: &Contents, steps: &[Step]) -> Vec<Contents> {
    let (mut names, mut pending) = (before.clone(), Vec::new());
    for step in steps {
        match step {
            Step::Removed(name) => pending.push(name.as_os_str()),
            Step::SyncedNames => pending.drain(..).for_each(|name| drop(names.remove(name))),
            other => panic!("retention only removes: {other:?}"),
        }
    }
    // Bit by bit which of them the disk has removed.
    (0..1_u32 << pending.len())
        .map(|chosen| {
            let mut left = names.clone();
            let gone = pending.iter().enumerate().filter(|(index, _)| chosen >> index & 1 == 1);
            gone.for_each(|(_, name)| drop(left.remove(*name)));
            left
        })
        .collect()
}

/// Which segment a file is, or is beside.
fn segment_of(path: &PathBuf) -> ([u8; 16], bool) {
    let header = header_of(&mut fs::File::open(path).unwrap()).unwrap();
    let is_beside = header.side_of != [0; 16];
    (if is_beside { header.side_of } else { header.segment }, is_beside)
}

#[test]
fn a_power_failure_leaves_nothing_that_belongs_to_nothing() {
    let place = Place::new();
    for sequence in 1..=4 {
        place.segment(LOG, sequence, 8_192);
        place.beside(&format!("{sequence}.kymo.rescue"), sequence, 4_096);
        place.beside(&format!("{sequence}.kymo.recovered"), sequence, 4_096);
    }
    // It is being compressed.
    place.compressed(2, 4_096);
    place.segment(LOG, 5, 8_192);
    let keep = || Keep::unlimited().files(2);
    let before = contents(&place);
    tap::take();
    place.enforce(keep(), 5);
    let steps = tap::take();
    let after = contents(&place);
    let removed = steps.iter().filter(|step| matches!(step, Step::Removed(_))).count();
    assert_eq!((removed, after.len()), (10, before.len() - 10), "{steps:?}");
    for done in 0..=steps.len() {
        for left in after_power_failure(&before, &steps[..done]) {
            let names = left.keys().collect::<Vec<_>>();
            let kept = after.iter().all(|(name, bytes)| left.get(name) == Some(bytes));
            assert!(kept, "after {done}: {names:?}");
            // The machine starts again.
            place.names().iter().for_each(|path| fs::remove_file(path).unwrap());
            for (name, bytes) in &left {
                fs::write(place.directory.path().join(name), bytes).unwrap();
            }
            let found: Vec<_> = place.names().iter().map(segment_of).collect();
            for (segment, is_beside) in &found {
                let is_there = found.contains(&(*segment, false));
                assert!(is_there || !is_beside, "after {done}, beside nothing: {names:?}");
            }
            let deleted = place.enforce(keep(), 5);
            assert!(deleted.errors.is_empty(), "{deleted:?}");
            assert!(contents(&place) == after, "after {done}: {names:?}");
            tap::take();
        }
    }
}
