//! The spans that are open: what is known of each, and how many handles it has.
//!
//! ```text
//! id    │ how often the slot was used, 44 bits │ number of the slot, 20 bits │  plus 1
//!
//! chunks  ──> 1,024 slots each, made when they are first needed, never freed
//! free    ──> slot ──> slot ──> …   those that were used and are not, the last one first
//! ```
//!
//! - INV-1: an id is used once: a slot changes its id when it becomes free. So an old id finds nothing.
//! - INV-2: memory is bounded by the number of slots.
//! - INV-3: the word `free` has a number that grows with each change. So a compare-and-swap that succeeds has seen all
//!   changes since its load, and the `next` that it read is that of the first slot.

use std::ptr;

use crate::mutant::{self, Mutant};
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// Slots for things of type `T`, in chunks of `CHUNK`. Both numbers are powers of two.
pub struct Slab<T, const CHUNK: usize, const CHUNKS: usize> {
    chunks: [AtomicPtr<[Slot<T>; CHUNK]>; CHUNKS],
    /// The first free slot, plus 1; above it, a number of the change.
    free: AtomicU64,
    /// How many slots were ever used.
    used: AtomicU32,
}

/// A place for an open span.
pub struct Slot<T> {
    /// The id of the span, or of the next one.
    id: AtomicU64,
    handles: AtomicU64,
    known: AtomicPtr<T>,
    /// The next free slot, plus 1.
    next: AtomicU32,
}

impl<T: 'static, const CHUNK: usize, const CHUNKS: usize> Slab<T, CHUNK, CHUNKS> {
    /// How many spans can be open.
    const SLOTS: u32 = {
        assert!(CHUNK.is_power_of_two() && CHUNKS.is_power_of_two() && CHUNK * CHUNKS <= 1 << 20);
        (CHUNK * CHUNKS) as u32
    };

    /// A slab without open spans.
    #[cfg(not(kymo_loom))]
    pub const fn new() -> Self {
        Self {
            chunks: [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS],
            free: AtomicU64::new(0),
            used: AtomicU32::new(0),
        }
    }

    /// A slab without open spans.
    #[cfg(kymo_loom)]
    pub fn new() -> Self {
        Self {
            chunks: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            free: AtomicU64::new(0),
            used: AtomicU32::new(0),
        }
    }

    /// Gives a span an id, and one handle. `None` if no slot is free that was used before: see [`Self::open_first`].
    #[inline]
    pub fn open(&self, known: &'static T) -> Option<u64> {
        Some(self.pop()?.begin(known))
    }

    /// As [`Self::open`], in a slot that was not used before. `None` if there is none. It may allocate.
    #[cold]
    #[inline(never)]
    pub fn open_first(&self, known: &'static T) -> Option<u64> {
        Some(self.first_use()?.begin(known))
    }

    /// The slot of an open span.
    #[inline(always)]
    pub fn slot(&self, id: u64) -> Option<&Slot<T>> {
        let slot = self.numbered(id.wrapping_sub(1) as u32 % Self::SLOTS)?;
        // Relaxed: what is read on its account cannot be freed.
        (slot.id.load(Ordering::Relaxed) == id).then_some(slot)
    }

    /// Takes the slot of a span that has no handle any more.
    pub fn close(&self, slot: &Slot<T>) {
        // Relaxed: the slot is this thread's.
        let id = slot.id.load(Ordering::Relaxed);
        slot.id.store(id.wrapping_add(u64::from(Self::SLOTS)), Ordering::Relaxed);
        let number = id.wrapping_sub(1) as u32 % Self::SLOTS;
        let mut free = self.free.load(Ordering::Relaxed);
        loop {
            slot.next.store(free as u32, Ordering::Relaxed);
            // Release: pairs with the acquire in `pop`, which hands over all that is in the slot.
            match self.free.compare_exchange_weak(
                free,
                changed(free, number + 1),
                mutant::ordering(Ordering::Release, Mutant::SlabClose),
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(found) => free = found,
            }
        }
    }

    #[inline]
    fn pop(&self) -> Option<&Slot<T>> {
        let acquire = mutant::ordering(Ordering::Acquire, Mutant::SlabPop);
        // Acquire, both: pairs with the release in `close`.
        let mut free = self.free.load(acquire);
        loop {
            let slot = self.numbered((free as u32).checked_sub(1)?)?;
            // Relaxed: compared by INV-3.
            let next = slot.next.load(Ordering::Relaxed);
            // The success is a read-modify-write: what was released before stays visible to the next one.
            match self.free.compare_exchange_weak(free, changed(free, next), acquire, acquire) {
                Ok(_) => return Some(slot),
                Err(found) => free = found,
            }
        }
    }

    #[inline(always)]
    fn numbered(&self, number: u32) -> Option<&Slot<T>> {
        // Acquire: pairs with the release in `first_use`. Who finds the chunk finds its slots.
        let acquire = mutant::ordering(Ordering::Acquire, Mutant::SlabChunkLoad);
        let chunk = self.chunks[number as usize / CHUNK].load(acquire);
        // SAFETY: made by `Box::into_raw` in `first_use`, and never freed.
        let chunk = unsafe { chunk.as_ref() }?;
        Some(&chunk[number as usize % CHUNK])
    }

    /// A slot that was not used before.
    fn first_use(&self) -> Option<&Slot<T>> {
        // Relaxed, both: a number that bounds itself, and orders nothing.
        let number = self.used.fetch_add(1, Ordering::Relaxed);
        if number >= Self::SLOTS {
            self.used.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        if self.numbered(number).is_none() {
            let first = number - number % CHUNK as u32;
            let slots: Box<[Slot<T>]> = (first..first + CHUNK as u32).map(Slot::new).collect();
            let own = Box::into_raw(slots).cast::<[Slot<T>; CHUNK]>();
            // Release: pairs with the acquire in `numbered`.
            let put = self.chunks[number as usize / CHUNK].compare_exchange(
                ptr::null_mut(),
                own,
                mutant::ordering(Ordering::Release, Mutant::SlabChunkPut),
                Ordering::Relaxed,
            );
            if put.is_err() {
                // SAFETY: made above, of as many slots, and published nowhere: another thread was faster.
                drop(unsafe { Box::from_raw(own) });
            }
        }
        self.numbered(number)
    }
}

/// The word `free` for this first slot, plus 1.
fn changed(free: u64, first: u32) -> u64 {
    let step = if mutant::broken(Mutant::SlabNumberKept) { 0 } else { 1 };
    ((free >> 32) + step) << 32 | u64::from(first)
}

impl<T: 'static> Slot<T> {
    fn new(number: u32) -> Self {
        Self {
            id: AtomicU64::new(u64::from(number) + 1),
            handles: AtomicU64::new(0),
            known: AtomicPtr::new(ptr::null_mut()),
            next: AtomicU32::new(0),
        }
    }

    /// A span begins here. Returns its id; it has one handle.
    #[inline(always)]
    fn begin(&self, known: &'static T) -> u64 {
        // Relaxed, all: the slot is this thread's. What hands the id to another thread hands the handle over, too.
        self.known.store(ptr::from_ref(known).cast_mut(), Ordering::Relaxed);
        self.handles.store(1, Ordering::Relaxed);
        self.id.load(Ordering::Relaxed)
    }

    /// What is known of the span's statement.
    #[inline(always)]
    pub fn known(&self) -> Option<&'static T> {
        // Relaxed: a thread that has the id also has what was stored before.
        // SAFETY: a reference that lives for ever, or null.
        unsafe { self.known.load(Ordering::Relaxed).as_ref() }
    }

    /// One handle more.
    #[inline(always)]
    pub fn add_handle(&self) {
        // Relaxed: as in `Arc`, the caller has a handle.
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// One handle less. Returns whether that was the last.
    #[inline(always)]
    pub fn remove_handle(&self) -> bool {
        // Acquire, release: what other handles did comes before what the last one does.
        let both = mutant::ordering(Ordering::AcqRel, Mutant::SlabHandle);
        self.handles.fetch_sub(1, both) == 1
    }
}

impl<T: 'static, const CHUNK: usize, const CHUNKS: usize> Default for Slab<T, CHUNK, CHUNKS> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    type Spans = Slab<u64, 1024, 1024>;

    fn begin(slab: &Spans) -> Option<u64> {
        static KNOWN: u64 = 7;
        slab.open(&KNOWN).or_else(|| slab.open_first(&KNOWN))
    }

    #[test]
    fn an_id_is_used_once() {
        static SLAB: Spans = Slab::new();
        let mut met = HashSet::new();
        let mut open = Vec::new();
        for round in 0..5_000 {
            let id = begin(&SLAB).unwrap();
            assert!(met.insert(id), "{id}");
            open.push(id);
            if round % 3 != 0 {
                let id = open.swap_remove(round % open.len());
                let slot = SLAB.slot(id).unwrap();
                slot.add_handle();
                assert!(!slot.remove_handle());
                assert!(slot.remove_handle());
                SLAB.close(slot);
                assert!(SLAB.slot(id).is_none());
            }
        }
        assert!(open.iter().all(|id| SLAB.slot(*id).is_some()));
        assert!((SLAB.used.load(Ordering::Relaxed) as usize) < open.len() + 8);
        assert!(SLAB.slot(0).is_none() && SLAB.slot(u64::MAX).is_none());
    }

    #[test]
    fn threads_never_share_a_slot() {
        static SLAB: Spans = Slab::new();
        let each = || {
            let mut ids = Vec::new();
            for round in 0..20_000 {
                let id = begin(&SLAB).unwrap();
                ids.push(id);
                if round % 7 != 0 {
                    let slot = SLAB.slot(id).unwrap();
                    assert!(slot.remove_handle());
                    SLAB.close(slot);
                }
            }
            ids
        };
        let all = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(each));
            threads.map(|thread| thread.join().unwrap()).concat()
        });
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }

    #[test]
    fn a_full_slab_opens_what_was_closed() {
        static KNOWN: u64 = 7;
        let slab: Slab<u64, 2, 2> = Slab::new();
        let ids = [(); 4].map(|()| slab.open_first(&KNOWN).unwrap());
        assert_eq!((slab.open(&KNOWN), slab.open_first(&KNOWN)), (None, None));
        slab.close(slab.slot(ids[2]).unwrap());
        let again = slab.open(&KNOWN).unwrap();
        assert!(!ids.contains(&again) && slab.slot(ids[2]).is_none());
        assert_eq!((slab.open(&KNOWN), slab.open_first(&KNOWN)), (None, None));
    }
}
