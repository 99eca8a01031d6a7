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
//! - INV-2: memory is bounded: [`MAX_SPANS`] slots.
//! - INV-3: the word `free` has a number that grows with each change. So a compare-and-swap that succeeds has seen all
//!   changes since its load, and the `next` that it read is that of the first slot.

use std::ptr;

use crate::bridge::tracing::sites::Known;
use crate::process::inside::Inside;
use crate::sync::statics::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

const SLOT_BITS: u32 = 20;

/// How many spans can be open.
pub(super) const MAX_SPANS: u32 = 1 << SLOT_BITS;

const CHUNK: usize = 1024;

/// The spans of the process.
pub(super) static SPANS: Slab = Slab::new();

pub(super) struct Slab {
    chunks: [AtomicPtr<[Slot; CHUNK]>; MAX_SPANS as usize / CHUNK],
    /// The first free slot, plus 1; above it, a number of the change.
    free: AtomicU64,
    /// How many slots were ever used.
    used: AtomicU32,
}

/// A place for an open span.
pub(super) struct Slot {
    /// The id of the span, or of the next one.
    id: AtomicU64,
    handles: AtomicU64,
    known: AtomicPtr<Known>,
    /// The next free slot, plus 1.
    next: AtomicU32,
}

impl Slab {
    const fn new() -> Self {
        Self {
            chunks: [const { AtomicPtr::new(ptr::null_mut()) }; MAX_SPANS as usize / CHUNK],
            free: AtomicU64::new(0),
            used: AtomicU32::new(0),
        }
    }

    /// Gives a span an id, and one handle. `None` if too many are open, or if the calling thread is inside the logger.
    #[inline]
    pub(super) fn open(&self, known: &'static Known) -> Option<u64> {
        let slot = match self.pop() {
            Some(slot) => slot,
            None => self.first_use()?,
        };
        // Relaxed, all: the slot is this thread's. What hands the id to another thread hands the handle over, too.
        slot.known.store(ptr::from_ref(known).cast_mut(), Ordering::Relaxed);
        slot.handles.store(1, Ordering::Relaxed);
        Some(slot.id.load(Ordering::Relaxed))
    }

    /// The slot of an open span.
    #[inline(always)]
    pub(super) fn slot(&self, id: u64) -> Option<&Slot> {
        let slot = self.numbered(id.wrapping_sub(1) as u32 % MAX_SPANS)?;
        // Relaxed: what is read on its account cannot be freed.
        (slot.id.load(Ordering::Relaxed) == id).then_some(slot)
    }

    /// Takes the slot of a span that has no handle any more.
    pub(super) fn close(&self, slot: &Slot) {
        // Relaxed: the slot is this thread's.
        let id = slot.id.load(Ordering::Relaxed);
        slot.id.store(id.wrapping_add(1 << SLOT_BITS), Ordering::Relaxed);
        let number = id.wrapping_sub(1) as u32 % MAX_SPANS;
        let mut free = self.free.load(Ordering::Relaxed);
        loop {
            slot.next.store(free as u32, Ordering::Relaxed);
            let changed = changed(free, number + 1);
            // Release: pairs with the acquire in `pop`, which hands over all that is in the slot.
            match self.free.compare_exchange_weak(
                free,
                changed,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(found) => free = found,
            }
        }
    }

    #[inline]
    fn pop(&self) -> Option<&Slot> {
        // Acquire, both: pairs with the release in `close`.
        let mut free = self.free.load(Ordering::Acquire);
        loop {
            let slot = self.numbered((free as u32).checked_sub(1)?)?;
            // Relaxed: compared by INV-3.
            let next = slot.next.load(Ordering::Relaxed);
            // The success is a read-modify-write: what was released before stays visible to the next one.
            match self.free.compare_exchange_weak(
                free,
                changed(free, next),
                Ordering::Acquire,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(slot),
                Err(found) => free = found,
            }
        }
    }

    #[inline(always)]
    fn numbered(&self, number: u32) -> Option<&Slot> {
        // Acquire: pairs with the release in `first_use`. Who finds the chunk finds its slots.
        let chunk = self.chunks[number as usize / CHUNK].load(Ordering::Acquire);
        // SAFETY: made by `Box::into_raw` in `first_use`, and never freed.
        let chunk = unsafe { chunk.as_ref() }?;
        Some(&chunk[number as usize % CHUNK])
    }

    /// A slot that was not used before.
    #[cold]
    #[inline(never)]
    fn first_use(&self) -> Option<&Slot> {
        if Inside::is_here() {
            return None;
        }
        let _inside = Inside::enter();
        // Relaxed, both: a number that bounds itself, and orders nothing.
        let number = self.used.fetch_add(1, Ordering::Relaxed);
        if number >= MAX_SPANS {
            self.used.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        if self.numbered(number).is_none() {
            let first = number - number % CHUNK as u32;
            let slots: Box<[Slot]> = (first..first + CHUNK as u32).map(Slot::new).collect();
            let own = Box::into_raw(slots).cast::<[Slot; CHUNK]>();
            // Release: pairs with the acquire in `numbered`.
            let put = self.chunks[number as usize / CHUNK].compare_exchange(
                ptr::null_mut(),
                own,
                Ordering::Release,
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
    ((free >> 32) + 1) << 32 | u64::from(first)
}

impl Slot {
    fn new(number: u32) -> Self {
        Self {
            id: AtomicU64::new(u64::from(number) + 1),
            handles: AtomicU64::new(0),
            known: AtomicPtr::new(ptr::null_mut()),
            next: AtomicU32::new(0),
        }
    }

    /// What is known of the span's statement.
    #[inline(always)]
    pub(super) fn known(&self) -> Option<&'static Known> {
        // Relaxed: a thread that has the id also has what was stored before.
        // SAFETY: a reference that lives for ever, or null.
        unsafe { self.known.load(Ordering::Relaxed).as_ref() }
    }

    /// One handle more.
    #[inline(always)]
    pub(super) fn add_handle(&self) {
        // Relaxed: as in `Arc`, the caller has a handle.
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// One handle less. Returns whether that was the last.
    #[inline(always)]
    pub(super) fn remove_handle(&self) -> bool {
        // Acquire, release: what other handles did comes before what the last one does.
        self.handles.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    static CALLSITE: Callsite = Callsite;
    static METADATA: ::tracing_core::Metadata<'static> = ::tracing_core::metadata! {
        name: "test",
        target: "test",
        level: ::tracing_core::Level::INFO,
        fields: &[],
        callsite: &CALLSITE,
        kind: ::tracing_core::metadata::Kind::SPAN,
    };

    struct Callsite;
    impl ::tracing_core::Callsite for Callsite {
        fn set_interest(&self, _: ::tracing_core::subscriber::Interest) {}
        fn metadata(&self) -> &::tracing_core::Metadata<'_> {
            &METADATA
        }
    }

    fn known() -> &'static Known {
        crate::bridge::tracing::sites::known(&METADATA).unwrap()
    }

    #[test]
    fn an_id_is_used_once() {
        static SLAB: Slab = Slab::new();
        let mut met = HashSet::new();
        let mut open = Vec::new();
        for round in 0..5_000 {
            let id = SLAB.open(known()).unwrap();
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
        static SLAB: Slab = Slab::new();
        let each = || {
            let mut ids = Vec::new();
            for round in 0..20_000 {
                let id = SLAB.open(known()).unwrap();
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
}
