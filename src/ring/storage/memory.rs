//! The memory of a ring: a mapping that other processes share, the heap, or a model under loom.
//!
//! In comes the identity of a ring; out go its words and its header, as atomics. Nothing here knows
//! of records. The bounded mode also hands out words as plain memory. That is sound because there
//! each word belongs to one half at a time (INV-1 of `ring`).
//!
//! This module cannot prove that the memory is this ring's alone. Other processes may map a ring's
//! file. They must not write to it, or make it shorter, while its process lives. (A file shared
//! with a process that does so is as little sound as any other mapping.)

use std::collections::TryReserveError;
use std::ptr::NonNull;

use crate::ring::WORD_BYTES;
use crate::ring::storage::LogMark;
use crate::ring::storage::layout::{
    BLOCKS, HEADER_BYTES, MAX_CAPACITY_WORDS, RingAccount, RingHeader, RingIdentity, RingMode,
};
#[cfg(not(kymo_loom))]
use crate::ring::storage::layout::{COPY_OFFSETS, SHARED_OFFSET};
use crate::sync::atomic::{AtomicU64, Ordering};

/// A ring: its identity, and its memory, which lives until both halves are dropped.
#[derive(Debug)]
pub struct Ring {
    identity: RingIdentity,
    shared: NonNull<RingHeader>,
    words: NonNull<AtomicU64>,
    memory: Memory,
}

// SAFETY: `shared` and `words` point into `memory`, which lives as long, does not move, and is
// accessed through atomics, or as INV-1 of `ring` allows.
unsafe impl Send for Ring {}
// SAFETY: `&Ring` gives access only through atomics, or as INV-1 of `ring` allows.
unsafe impl Sync for Ring {}

/// The owner of the memory. Freed when the ring is dropped.
#[derive(Debug)]
enum Memory {
    #[cfg(not(kymo_loom))]
    Heap { _pages: Vec<Page> },
    #[cfg(not(kymo_loom))]
    Mapped { _map: memmap2::MmapRaw },
    #[cfg(kymo_loom)]
    Model {
        _shared: Box<RingHeader>,
        _words: Box<[AtomicU64]>,
        /// One cell for each word: see `bounded::Plain`.
        owners: Box<[crate::sync::UnsafeCell<()>]>,
        /// The words, in models in which only the two halves read them. The owners' cells guard
        /// them. Each access of an atomic multiplies what loom has to explore.
        hidden: Option<Box<[Hidden]>>,
    },
}

/// A word as an atomic that loom does not see.
#[cfg(kymo_loom)]
pub(crate) type Hidden = crate::sync::statics::AtomicU64;

/// A page, aligned as a mapping is.
#[cfg(not(kymo_loom))]
#[derive(Clone, Debug)]
#[repr(align(4096))]
struct Page {
    _bytes: [u8; HEADER_BYTES],
}

/// The bytes of a ring's memory: its header page and its words.
pub fn ring_bytes(capacity_words: u64) -> u64 {
    HEADER_BYTES as u64 + capacity_words * WORD_BYTES as u64
}

/// The capacity of a ring for which so many words were asked: the next power of two.
pub fn capacity_for(words: usize) -> u64 {
    (words as u64).clamp(BLOCKS, MAX_CAPACITY_WORDS).next_power_of_two()
}

impl Ring {
    /// Makes a ring on the heap. The identity's `capacity_words` must be a result of
    /// [`capacity_for`].
    #[cfg(not(kymo_loom))]
    #[cfg(any(test, kymo_loom, feature = "internals"))]
    pub fn on_heap(identity: RingIdentity) -> Self {
        Self::try_on_heap(identity).expect("memory for a ring")
    }

    /// Makes a ring on the heap, as [`Ring::on_heap`] does.
    ///
    /// # Errors
    ///
    /// If there is no memory for it.
    #[cfg(not(kymo_loom))]
    pub fn try_on_heap(identity: RingIdentity) -> Result<Self, TryReserveError> {
        let count = ring_bytes(identity.capacity_words).div_ceil(HEADER_BYTES as u64) as usize;
        let mut pages = Vec::<Page>::new();
        pages.try_reserve_exact(count)?;
        // Not by values of pages, which a debug build copies on the stack.
        // SAFETY: room for `count` pages was reserved.
        unsafe { pages.as_mut_ptr().write_bytes(0, count) };
        // SAFETY: `count` pages are there, and all zero, which is a valid page.
        unsafe { pages.set_len(count) };
        let start = NonNull::new(pages.as_mut_ptr()).expect("a vector is somewhere").cast();
        // SAFETY: the pages are zero, aligned to 4096, at least as long as the ring's memory, and
        // kept by it.
        let ring = unsafe { Self::in_memory(identity, start, Memory::Heap { _pages: pages }) };
        Ok(ring)
    }

    /// Makes a ring in a mapping of a file that is all zero.
    ///
    /// # Panics
    ///
    /// If the mapping is too short.
    #[cfg(not(kymo_loom))]
    pub(crate) fn in_mapping(identity: RingIdentity, map: memmap2::MmapRaw) -> Self {
        assert!(map.len() as u64 >= ring_bytes(identity.capacity_words), "a mapping too short");
        let start = NonNull::new(map.as_mut_ptr()).expect("a mapping is somewhere");
        // SAFETY: the mapping is aligned to pages, long enough, zero, as a new file is, and kept by
        // the ring.
        unsafe { Self::in_memory(identity, start, Memory::Mapped { _map: map }) }
    }

    /// Makes a ring in memory that is zero.
    ///
    /// # Safety
    ///
    /// From `start` on there are [`ring_bytes`] zero bytes, aligned to 4096, for as long as
    /// `memory` lives. Nothing else writes to them.
    #[cfg(not(kymo_loom))]
    unsafe fn in_memory(identity: RingIdentity, start: NonNull<u8>, memory: Memory) -> Self {
        // SAFETY: the header page has a `RingHeader` at that offset, aligned to 128.
        let shared = unsafe { start.add(SHARED_OFFSET) }.cast::<RingHeader>();
        // SAFETY: the words follow the header page.
        let words = unsafe { start.add(HEADER_BYTES) }.cast::<AtomicU64>();
        let ring = Self { identity, shared, words, memory };
        ring.begin();
        // Last: a file without an identity is one that was never used.
        let copy = ring.identity.to_copy();
        for offset in COPY_OFFSETS {
            // SAFETY: both copies lie in the header page.
            let to = unsafe { start.add(offset) };
            // SAFETY: both copies lie in the header page, and nothing refers to these bytes.
            unsafe { to.copy_from_nonoverlapping(NonNull::from(&copy).cast(), copy.len()) };
        }
        ring
    }

    /// Makes a ring for a model.
    #[cfg(kymo_loom)]
    pub fn try_on_heap(identity: RingIdentity) -> Result<Self, TryReserveError> {
        Ok(Self::on_heap(identity))
    }

    /// Makes a ring for a model.
    #[cfg(kymo_loom)]
    pub fn on_heap(identity: RingIdentity) -> Self {
        use crate::ring::storage::layout::{Consuming, IndexEntry, StoredAccount};
        let zero = || AtomicU64::new(0);
        let shared = Box::new(RingHeader {
            tail: zero(),
            reserved: zero(),
            ended: zero(),
            padding: Default::default(),
            index: std::array::from_fn(|_| IndexEntry { position: zero(), records: zero() }),
            consumer: Consuming {
                head: zero(),
                ended: zero(),
                padding: Default::default(),
                accounts: std::array::from_fn(|_| StoredAccount {
                    words: std::array::from_fn(|_| zero()),
                }),
            },
        });
        let words: Box<[_]> = (0..identity.capacity_words).map(|_| zero()).collect();
        let owners = words.iter().map(|_| crate::sync::UnsafeCell::new(())).collect();
        let ring = Self {
            shared: NonNull::from(&*shared),
            words: NonNull::from(&*words).cast(),
            identity,
            memory: Memory::Model { _shared: shared, _words: words, owners, hidden: None },
        };
        ring.begin();
        ring
    }

    /// Writes what is not zero at the beginning.
    fn begin(&self) {
        let capacity = self.capacity();
        assert!(capacity.is_power_of_two() && (BLOCKS..=MAX_CAPACITY_WORDS).contains(&capacity));
        // Relaxed: no other thread knows the ring yet.
        if self.identity.mode == RingMode::Overwriting {
            self.shared().reserved.store(self.block_words(), Ordering::Relaxed);
        }
        (0..2).for_each(|index| self.write_account(index, 0, 0, LogMark::default()));
    }

    /// The ring's identity.
    pub fn identity(&self) -> &RingIdentity {
        &self.identity
    }

    /// The capacity in words.
    #[inline]
    pub(crate) fn capacity(&self) -> u64 {
        self.identity.capacity_words
    }

    /// Whether the tail is published as an address: no other process reads it. (Under loom there
    /// are no such addresses.)
    pub(crate) fn publishes_addresses(&self) -> bool {
        #[cfg(not(kymo_loom))]
        return matches!(self.memory, Memory::Heap { .. });
        #[cfg(kymo_loom)]
        return false;
    }

    /// The length of a block in words.
    pub(crate) fn block_words(&self) -> u64 {
        self.identity.block_words()
    }

    /// The part of the header that changes.
    #[inline]
    pub(crate) fn shared(&self) -> &RingHeader {
        // SAFETY: the header lives as long as `self`, and is all atomics (and padding that nothing
        // touches).
        unsafe { self.shared.as_ref() }
    }

    /// The word at a position.
    #[inline]
    pub(crate) fn word(&self, position: u64) -> &AtomicU64 {
        // SAFETY: the word lives as long as `self`.
        unsafe { self.word_at(position).as_ref() }
    }

    /// The address of the word at a position. It is also good for the words that follow, up to the
    /// ring's end.
    #[inline]
    pub(crate) fn word_at(&self, position: u64) -> NonNull<AtomicU64> {
        let index = (position & (self.capacity() - 1)) as usize;
        // SAFETY: there are `capacity` words; the capacity is a power of two.
        unsafe { self.words.add(index) }
    }

    /// The address of the first word.
    #[inline]
    pub(crate) fn words(&self) -> NonNull<AtomicU64> {
        self.words
    }

    /// The cell that represents the word at a position in models of the modes in which words have
    /// owners.
    #[cfg(kymo_loom)]
    pub(crate) fn owner(&self, position: u64) -> &crate::sync::UnsafeCell<()> {
        let Memory::Model { owners, .. } = &self.memory;
        &owners[(position & (self.capacity() - 1)) as usize]
    }

    /// Hides the words from loom, for models in which only the two halves read them.
    #[cfg(kymo_loom)]
    pub(crate) fn with_hidden_words(mut self) -> Self {
        let Memory::Model { hidden, owners, .. } = &mut self.memory;
        *hidden = Some(owners.iter().map(|_| Hidden::new(0)).collect());
        self
    }

    /// Stores the word at a position. Relaxed, here and in `load_word`: in the bounded mode, the
    /// tail and the head order the words.
    #[cfg(kymo_loom)]
    pub(crate) fn store_word(&self, position: u64, word: u64) {
        match self.hidden(position) {
            Some(hidden) => hidden.store(word, Ordering::Relaxed),
            None => self.word(position).store(word, Ordering::Relaxed),
        }
    }

    /// Loads the word at a position. Relaxed: see `store_word`.
    #[cfg(kymo_loom)]
    pub(crate) fn load_word(&self, position: u64) -> u64 {
        match self.hidden(position) {
            Some(hidden) => hidden.load(Ordering::Relaxed),
            None => self.word(position).load(Ordering::Relaxed),
        }
    }

    #[cfg(kymo_loom)]
    fn hidden(&self, position: u64) -> Option<&Hidden> {
        let Memory::Model { hidden, .. } = &self.memory;
        hidden.as_ref().map(|words| &words[(position & (self.capacity() - 1)) as usize])
    }

    /// Writes the account with this index. INV-R6 says when.
    pub(crate) fn write_account(&self, index: usize, position: u64, records: u64, mark: LogMark) {
        let LogMark { segment, committed } = mark;
        let account = RingAccount { position, records, segment, committed };
        let stored = &self.shared().consumer.accounts[index].words;
        for (to, word) in stored.iter().zip(account.to_words()) {
            // Release: pairs with what recovery finds in the memory of a dead process, or, in the
            // models, with the acquire load there. A reader that finds one of these words finds the
            // other account, and the log that it names, as they were before.
            to.store(word, Ordering::Release);
        }
    }
}
