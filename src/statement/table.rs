//! Things that are made once and found for ever, without a lock.
//!
//! In comes a hash and what tells whether a thing is the one; out goes a reference that lives as long as the process.
//! A search is one load where the hash leads, and mostly one comparison. A thing is made, and published by one
//! compare-and-swap, when it is first asked for.
//!
//! - INV-1: entries are never removed. So a null entry ends a search, and a reference lives for ever.
//! - INV-2: memory is bounded: half of the places stay empty. So each search ends.

use std::ptr;

use crate::mutant::{self, Mutant};
use crate::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// A table: open addressing.
#[derive(Debug)]
pub struct Table<T, const N: usize> {
    places: [AtomicPtr<T>; N],
    /// How many places are taken, or about to be.
    taken: AtomicU64,
}

impl<T, const N: usize> Table<T, N> {
    /// An empty table.
    #[cfg(not(kymo_loom))]
    pub const fn new() -> Self {
        let places = [const { AtomicPtr::new(ptr::null_mut()) }; N];
        Self { places, taken: AtomicU64::new(0) }
    }

    /// An empty table.
    #[cfg(kymo_loom)]
    pub fn new() -> Self {
        let places = std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut()));
        Self { places, taken: AtomicU64::new(0) }
    }

    /// Finds the thing with this hash that `is` says is the one.
    #[inline(always)]
    pub fn find(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<&'static T> {
        let mut place = hash as usize % N;
        loop {
            // Acquire: pairs with the release in `find_or_make`. Who finds the pointer finds what is there.
            let found =
                self.places[place].load(mutant::ordering(Ordering::Acquire, Mutant::TableLoad));
            if found.is_null() {
                return None;
            }
            // SAFETY: made by `Box::into_raw` below, and never freed (INV-1).
            let found = unsafe { &*found };
            if is(found) {
                return Some(found);
            }
            place = (place + 1) % N;
        }
    }

    /// As [`Self::find`]; makes the thing if it is not there. `None` if there is no room for it. That may be so for a
    /// moment only, in which another thread makes it, too.
    #[cold]
    pub fn find_or_make(
        &self,
        hash: u64,
        is: impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Option<&'static T> {
        if let Some(found) = self.find(hash, &is) {
            return Some(found);
        }
        // Relaxed, here and below: a number that bounds itself, and orders nothing.
        if self.taken.fetch_add(1, Ordering::Relaxed) >= N as u64 / 2 {
            self.taken.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let own = Box::into_raw(Box::new(make()));
        let mut place = hash as usize % N;
        loop {
            // Release: pairs with the acquire in `find`. Acquire: what another thread has put there is looked at.
            let put = self.places[place].compare_exchange(
                ptr::null_mut(),
                own,
                mutant::ordering(Ordering::Release, Mutant::TablePut),
                Ordering::Acquire,
            );
            let found = put.err().unwrap_or(own);
            // SAFETY: made by `Box::into_raw` above, here or in another thread; published ones are never freed (INV-1).
            let there = unsafe { &*found };
            if is(there) {
                if found != own {
                    // Another thread was faster. What this one has leaked stays: once for a thread and a thing.
                    self.taken.fetch_sub(1, Ordering::Relaxed);
                    // SAFETY: made above, and published nowhere.
                    drop(unsafe { Box::from_raw(own) });
                }
                return Some(there);
            }
            place = (place + 1) % N;
        }
    }

    /// Counts the things of which `is` says so, by a look at all places.
    #[cold]
    pub fn count(&self, is: impl Fn(&T) -> bool) -> usize {
        let things = self.places.iter().filter_map(|place| {
            // Acquire: as in `find`.
            let found = place.load(Ordering::Acquire);
            // SAFETY: null, or made by `Box::into_raw` in `find_or_make`, and never freed (INV-1).
            unsafe { found.as_ref() }
        });
        things.filter(|thing| is(thing)).count()
    }

    /// How many things there are.
    #[cfg(any(test, kymo_loom))]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

impl<T, const N: usize> Default for Table<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;

    fn find_or_make(table: &Table<u64, 64>, number: u64) -> Option<&'static u64> {
        table.find_or_make(number / 3, |it| *it == number, || number)
    }

    #[test]
    fn each_thing_is_found_until_the_table_is_full() {
        let table: Table<u64, 64> = Table::new();
        for number in 0..32 {
            assert!(table.find(number / 3, |it| *it == number).is_none());
            assert_eq!(find_or_make(&table, number), Some(&number));
        }
        for number in 0..32 {
            assert_eq!(table.find(number / 3, |it| *it == number), Some(&number));
            assert_eq!(find_or_make(&table, number), Some(&number));
        }
        assert_eq!((table.taken(), find_or_make(&table, 99)), (32, None));
        assert_eq!(table.taken(), 32);
    }

    /// All threads find one thing, and no place is lost to a race.
    #[test]
    fn threads_make_one_thing() {
        static TABLE: Table<u64, 64> = Table::new();
        let find = || {
            let each = (0..32).map(|number| find_or_make(&TABLE, number).unwrap());
            each.map(|thing| ptr::from_ref(thing).addr()).collect::<Vec<_>>()
        };
        let found = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(find));
            threads.map(|thread| thread.join().unwrap())
        });
        assert!(found.iter().all(|it| *it == found[0]));
        assert_eq!(TABLE.taken(), 32);
    }
}
