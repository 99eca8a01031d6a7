//! Threads find, or make, what the table of call sites has for ever.

use super::{check, must_fail};
use kymo::loom_export::mutant::Mutant;
use kymo::loom_export::sync::UnsafeCell;
use kymo::loom_export::sync::thread;
use kymo::loom_export::table::Table;
use std::sync::Arc;

/// Something that tells loom when it is written and read.
struct Thing {
    key: UnsafeCell<u64>,
}

impl Thing {
    fn new(key: u64) -> Self {
        let thing = Self { key: UnsafeCell::new(0) };
        // SAFETY: nobody else has it yet.
        thing.key.with_mut(|it| unsafe { *it = key });
        thing
    }

    fn key(&self) -> u64 {
        // SAFETY: it is not written after `new`, if it is published as it should be. loom sees to that.
        self.key.with(|it| unsafe { *it })
    }
}

/// With room for one thing more than there are: two threads may each take a place for one thing, until one gives it
/// back.
type Things = Table<Thing, 8>;

fn find_or_make(table: &Things, key: u64) -> Option<&'static Thing> {
    let is = |thing: &Thing| thing.key() == key;
    // All begin at one place.
    table.find(0, is).or_else(|| table.find_or_make(0, is, || Thing::new(key)))
}

/// Two threads make a thing for one key at a time, while one of them makes another, too: all find one thing for a key,
/// whole, and no place is lost.
fn race() {
    let table = Arc::new(Things::new());
    let other = thread::spawn({
        let table = table.clone();
        move || {
            [1, 2].map(|key| find_or_make(&table, key).map(std::ptr::from_ref).map(|it| it.addr()))
        }
    });
    let own = find_or_make(&table, 2).map(std::ptr::from_ref).map(|it| it.addr());
    let [one, two] = other.join().unwrap();
    assert!(own.is_some() && own == two, "two things for one key");
    assert!(one.is_some() && one != two, "one thing for two keys");
    assert_eq!(table.taken(), 2, "a place was lost");
    for key in [1, 2] {
        assert_eq!(find_or_make(&table, key).map(Thing::key), Some(key));
    }
}

#[test]
fn a_thing_is_found_whole_and_once() {
    check("a_thing_is_found_whole_and_once", race);
}

#[test]
fn a_thing_is_found_whole_and_once_mutants() {
    const RACE: &str = "Causality violation";
    let mutants = [(Mutant::TableLoad, RACE), (Mutant::TablePut, RACE)];
    must_fail(a_thing_is_found_whole_and_once_mutants, race, &mutants);
}
