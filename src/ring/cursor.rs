//! Where a thread's next record goes: all that a log call needs to know, in one cache line.
//!
//! In come the words that the thread's [`Producer`](crate::thread::producer::Producer) reserved; out go the
//! addresses of records. A cursor knows nothing of statements and of their arguments.
//! (Of the least urgent level, a word lies in the following line, which processors fetch along with it.)
//!
//! The basic idea: the producer reserves all words of the ring that are known to be free. Calls write into
//! them until too few are left. A call *claims* the cursor, writes, publishes, and *releases* the cursor. The
//! slow path claims it for longer, and returns the words that are not used.
//!
//! One comparison finds nearly everything that is unusual: whether the record ends past the *limit*
//! of its level. The limit is the end of the reserved words. It is so low that it admits no record
//! in three cases: the thread has no ring, the level does not take this fast path, or the logger
//! was shut down.

use std::cell::Cell;
use std::ops::Range;
use std::ptr;

use crate::clock::FastClock;
use crate::mutant::{self, Mutant};
use crate::ring::known_sites::KnownSites;
use crate::ring::overwriting_rings::OverwritingProducers;
use crate::ring::producer::ReservedWords;
use crate::ring::storage::bounded::Publisher;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::statics::{AtomicPtr, compiler_fence};

/// The limit of a level for which no words are reserved.
const NONE: usize = 0;

/// The limit if the logger was shut down. It admits no record either.
const CLOSED: usize = 1;

/// The count of claims while nobody has claimed the cursor: one less than zero.
const FREE: u64 = u64::MAX;

/// The ring that the records of a level go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
#[repr(u8)]
pub(crate) enum LevelRing {
    /// The thread's bounded ring.
    Bounded,
    /// The thread's bounded ring, and always by the slow path: the level's records are critical.
    Critical,
    /// The ring that overwrites its oldest records and is part of the log.
    Overwriting,
    /// The flight recorder, which overwrites its oldest records too.
    Flight,
}

impl LevelRing {
    /// Whether it overwrites its oldest records.
    #[inline(always)]
    pub(crate) fn overwrites(self) -> bool {
        self >= Self::Overwriting
    }
}

/// The paths of a log call that write into reserved words. Each has limits of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limits {
    /// The processor's counter, and a ring on the heap.
    Counter,
    /// The coarse clock, and a ring on the heap.
    Coarse,
    /// A ring in a file, and either clock.
    File,
}

/// How many of them there are.
const FAST_PATHS: usize = Limits::File as usize + 1;

/// The levels that are looked at. (The models log at one, or they would take hours.)
const LEVELS: Range<usize> = if cfg!(kymo_loom) { 2..3 } else { 0..5 };

/// Where a thread's next record goes. See the module.
///
/// Invariants:
/// - INV-1: Only the thread whose ring it is uses the cursor, limits excepted. That thread raises the
///   limits, and the consumer closes them.
/// - INV-2: A limit that is neither [`NONE`] nor [`CLOSED`] is the end of reserved words. While
///   that is so and no call has claimed the cursor, `next` is an address among these words or at
///   their end. Then `publisher` is the one that came with them.
/// - INV-3: `overwriting` is null, or belongs to the producer, which uses it only while the cursor is
///   claimed.
/// - INV-4: A signal handler may interrupt everything here, after each instruction, and log. If it finds
///   the cursor claimed it changes nothing of it; if not, it leaves the cursor as another call would. So
///   only the holder of the claim reads and writes the other fields. A handler that comes while a call is
///   claiming the cursor has released it when that call goes on. The call then claims it all the same, and
///   reads all other fields after that.
#[repr(C, align(128))]
pub(crate) struct Cursor {
    /// [`FREE`], or how often it was claimed, or tried to be, since then. An atomic, as is `next`, because all
    /// threads without a ring claim [`NOWHERE`].
    claims: AtomicU64,
    /// The address past the last record that was published in the reserved words.
    next: AtomicPtr<u64>,
    publisher: Cell<Option<Publisher>>,
    /// By fast path, then level.
    limits: [[AtomicUsize; 5]; FAST_PATHS],
    /// By level.
    rings: [LevelRing; 5],
    /// `None` if only the slow path can read the clock.
    clock: Option<FastClock>,
    /// The producers of the rings that overwrite; null if the thread has none.
    overwriting: Cell<*mut OverwritingProducers>,
    /// If a ring of the thread is in a file: the call sites that are in the sites' file, or cannot be.
    known: Option<KnownSites>,
}

// SAFETY: INV-1.
unsafe impl Send for Cursor {}
// SAFETY: INV-1. Of `NOWHERE`, only `claims` and `next` are written, `next` always with null; both are
// atomics. If two threads count at once there, it may stay claimed for ever, which does not matter: calls of
// a thread without a ring take the slow path either way.
unsafe impl Sync for Cursor {}

/// The cursor of threads that have no ring.
#[cfg(not(kymo_loom))]
pub(crate) static NOWHERE: Cursor = Cursor {
    claims: AtomicU64::new(FREE),
    next: AtomicPtr::new(ptr::null_mut()),
    publisher: Cell::new(None),
    limits: [const { [const { AtomicUsize::new(NONE) }; 5] }; FAST_PATHS],
    rings: [LevelRing::Critical; 5],
    clock: None,
    overwriting: Cell::new(ptr::null_mut()),
    known: None,
};

impl Cursor {
    /// Makes a cursor that is claimed, and without reserved words.
    pub(crate) fn new(rings: [LevelRing; 5], clock: Option<FastClock>) -> Self {
        Self {
            claims: AtomicU64::new(0),
            next: AtomicPtr::new(ptr::null_mut()),
            publisher: Cell::new(None),
            limits: std::array::from_fn(|_| std::array::from_fn(|_| AtomicUsize::new(NONE))),
            rings,
            clock,
            overwriting: Cell::new(ptr::null_mut()),
            known: None,
        }
    }

    /// Turns it into the cursor of a thread with rings in files.
    pub(crate) fn in_file(self) -> Self {
        Self { known: Some(KnownSites::new()), ..self }
    }

    /// Whether fast paths read the coarse clock.
    #[inline(always)]
    pub(crate) fn is_coarse(&self) -> bool {
        self.clock == Some(FastClock::Coarse)
    }

    /// The call sites that are in their file, or cannot be; `None` if no ring of the thread is in a file.
    #[inline(always)]
    pub(crate) fn known_sites(&self) -> Option<&KnownSites> {
        self.known.as_ref()
    }

    /// The ring that the records of a level, given by its index, go to.
    #[inline(always)]
    pub(crate) fn ring(&self, level: usize) -> LevelRing {
        self.rings[level]
    }

    /// The fast path that writes a level's records into reserved words, if one does.
    fn fast_path(&self, level: usize) -> Option<Limits> {
        if self.rings[level] != LevelRing::Bounded {
            return None;
        }
        match self.clock? {
            _ if self.known.is_some() => Some(Limits::File),
            FastClock::Counter => Some(Limits::Counter),
            FastClock::Coarse => Some(Limits::Coarse),
        }
    }

    /// Sets the thread's producers of rings that overwrite.
    pub(crate) fn set_overwriting(&self, producers: *mut OverwritingProducers) {
        self.overwriting.set(producers);
    }

    /// Claims the cursor for a call; `None` if the call is re-entrant.
    #[inline(always)]
    pub(crate) fn claim(&self) -> Option<Claim<'_>> {
        self.claim_next().map(|next| Claim { cursor: self, next })
    }

    /// Whether a call is under way.
    pub(crate) fn is_claimed(&self) -> bool {
        // Relaxed: besides this thread only its signal handlers claim it, and they release it.
        self.claims.load(Ordering::Relaxed) != FREE
    }

    /// Claims the cursor, and returns the address past the last record that was published in the reserved
    /// words. `None` if it is claimed already.
    #[inline(always)]
    pub(crate) fn claim_next(&self) -> Option<*mut u64> {
        if !count_up(&self.claims) {
            return None;
        }
        // For signal handlers: what follows does not move up. (INV-4.)
        compiler_fence(Ordering::SeqCst);
        // Relaxed: it is this thread's own.
        Some(self.next.load(Ordering::Relaxed))
    }

    /// Whether any level has a fast path.
    pub(crate) fn has_fast_levels(&self) -> bool {
        (0..self.rings.len()).any(|level| self.fast_path(level).is_some())
    }

    /// Takes over reserved words, and releases the cursor.
    pub(crate) fn release_with(&self, words: &ReservedWords) {
        self.publisher.set(Some(words.publisher));
        let end = words.end.addr();
        for (limit, _) in self.limits().filter(|(_, is_fast)| *is_fast) {
            // Relaxed, both: the consumer only ever stores `CLOSED`, and nothing depends on it.
            // What it stores between the two is kept.
            let before = limit.load(Ordering::Relaxed);
            if mutant::broken(Mutant::LimitOverClosed) && before != CLOSED {
                limit.store(end, Ordering::Relaxed);
            } else if before != CLOSED && before != end {
                let _ = limit.compare_exchange(before, end, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
        self.release(words.next);
    }

    /// Releases the cursor; the next record goes to `next`.
    #[inline(always)]
    pub(crate) fn release(&self, next: *mut u64) {
        // Relaxed, both: see `claim_next`.
        self.next.store(next, Ordering::Relaxed);
        // For signal handlers: what was done before does not move down. (INV-4.)
        compiler_fence(Ordering::SeqCst);
        self.claims.store(FREE, Ordering::Relaxed);
    }

    /// For the consumer: the logger was shut down.
    pub(crate) fn close(&self) {
        for (limit, _) in self.limits() {
            // Relaxed: a call that misses it leaves a last record in the ring. `swap`, so that
            // `release_with` does not store over it.
            limit.swap(CLOSED, Ordering::Relaxed);
        }
    }

    /// Whether the logger was shut down.
    pub(crate) fn is_closed(&self) -> bool {
        // Relaxed: see `close`.
        self.limits().any(|(limit, _)| limit.load(Ordering::Relaxed) == CLOSED)
    }

    /// Whether the logger was shut down, as the limit of a level without a fast path says.
    #[inline(always)]
    fn is_closed_for(&self, level: usize) -> bool {
        // Relaxed: see `close`.
        self.limits[Limits::Counter as usize][level].load(Ordering::Relaxed) == CLOSED
    }

    /// One limit for each level: that of its fast path, and whether it has one. Without, any limit serves.
    fn limits(&self) -> impl Iterator<Item = (&AtomicUsize, bool)> {
        LEVELS.map(|level| {
            let path = self.fast_path(level);
            (&self.limits[path.unwrap_or(Limits::Counter) as usize][level], path.is_some())
        })
    }
}

/// A cursor that was claimed for a call.
#[must_use = "the cursor stays claimed until `release`"]
pub(crate) struct Claim<'a> {
    cursor: &'a Cursor,
    next: *mut u64,
}

impl<'a> Claim<'a> {
    /// The cursor.
    #[inline(always)]
    pub(crate) fn cursor(&self) -> &'a Cursor {
        self.cursor
    }

    /// Claims words for a record of this level and of so many bytes. Fails if too few are reserved for this
    /// fast path, or if something else has to be done first. Another fast path may have some.
    ///
    /// # Safety
    /// The calling thread is the one whose ring it is, and the ring lives. `bytes` is a multiple of
    /// eight and at most [`MAX_RECORD_BYTES`](crate::format::MAX_RECORD_BYTES).
    #[inline(always)]
    pub(crate) unsafe fn words(
        self,
        limits: Limits,
        level: usize,
        bytes: usize,
    ) -> Result<ClaimedWords<'a>, Self> {
        let Self { cursor, next: start } = self;
        // No sum of these wraps: INV-3 of `ring`.
        let end = start.wrapping_byte_add(bytes);
        needed_later(start, end);
        // Relaxed: this thread itself reserved the words. That the logger was shut down need not be seen at
        // once; a record that comes too late stays in the ring, where `orphans` counts it.
        if end.addr() > cursor.limits[limits as usize][level].load(Ordering::Relaxed) {
            return Err(self);
        }
        Ok(ClaimedWords { cursor, start, end })
    }

    /// Whether words are reserved for the level, but fewer bytes than this.
    pub(crate) fn lacks_words(&self, level: usize, bytes: usize) -> bool {
        let Some(path) = self.cursor.fast_path(level) else { return false };
        // Relaxed: see `words`.
        let limit = self.cursor.limits[path as usize][level].load(Ordering::Relaxed);
        limit > CLOSED && self.next.wrapping_byte_add(bytes).addr() > limit
    }

    /// Turns the claim into one of the thread's overwriting rings, for a record of a level whose ring is
    /// one of these. Fails if there is none, or if the logger was shut down.
    #[inline(always)]
    pub(crate) fn overwriting(self, level: usize) -> Result<OverwritingClaim<'a>, Self> {
        let producers = self.cursor.overwriting.get();
        if producers.is_null() || self.cursor.is_closed_for(level) {
            return Err(self);
        }
        Ok(OverwritingClaim { claim: self, producers })
    }

    /// The address past the last record, of a cursor that stays claimed.
    pub(crate) fn into_next(self) -> *mut u64 {
        self.next
    }

    /// Leaves the cursor as it was.
    #[inline(always)]
    pub(crate) fn release(self) {
        self.cursor.release(self.next);
    }
}

/// Does nothing, but has the compiler see that both are needed after it computes the one from the other.
/// Otherwise it takes two instructions for that, a copy and an addition, instead of one.
#[inline(always)]
fn needed_later(start: *mut u64, end: *mut u64) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: there is no instruction in it.
    unsafe {
        std::arch::asm!(
            "/* {} {} */", in(reg) start.addr(), in(reg) end.addr(),
            options(nomem, nostack, preserves_flags)
        );
    }
    let _ = (start, end);
}

/// Counts one more, and returns whether that makes zero. The count does not identify the holder. 64 bits do
/// not wrap in practice.
///
/// On x86-64, one instruction counts and one asks. Not `xadd`, which counts and returns the old value in one:
/// it takes ten cycles on the processors that were measured, during which the next call waits.
#[cfg(all(target_arch = "x86_64", not(any(miri, kymo_loom))))]
#[inline(always)]
fn count_up(counter: &AtomicU64) -> bool {
    // SAFETY: this is a relaxed load and a relaxed store of the atomic.
    unsafe {
        std::arch::asm!(
            "inc qword ptr [{counter}]",
            "jnz {more}",
            counter = in(reg) counter.as_ptr(),
            more = label { return false },
            options(nostack)
        );
    }
    true
}

/// Counts one more, and returns whether that makes zero.
#[cfg(not(all(target_arch = "x86_64", not(any(miri, kymo_loom)))))]
#[inline(always)]
fn count_up(counter: &AtomicU64) -> bool {
    // Relaxed, both: only signal handlers of this thread count besides. They leave it as it was, or leave it
    // to the holder of the claim.
    let count = counter.load(Ordering::Relaxed).wrapping_add(1);
    counter.store(count, Ordering::Relaxed);
    count == 0
}

/// A claim of a thread's overwriting rings.
#[must_use = "the cursor stays claimed until `release`"]
pub(crate) struct OverwritingClaim<'a> {
    claim: Claim<'a>,
    producers: *mut OverwritingProducers,
}

impl<'a> OverwritingClaim<'a> {
    /// The rings' producers.
    #[inline(always)]
    pub(crate) fn producers(&mut self) -> &mut OverwritingProducers {
        // SAFETY: INV-3: not null, and the cursor is claimed.
        unsafe { &mut *self.producers }
    }

    /// The claim of the cursor.
    #[inline(always)]
    pub(crate) fn into_claim(self) -> Claim<'a> {
        self.claim
    }
}

/// Words for a record, of a cursor that is claimed.
#[must_use = "the cursor stays claimed until `publish`"]
pub(crate) struct ClaimedWords<'a> {
    cursor: &'a Cursor,
    start: *mut u64,
    end: *mut u64,
}

impl ClaimedWords<'_> {
    /// The address at which the record begins.
    #[inline(always)]
    pub(crate) fn start(&self) -> *mut u64 {
        self.start
    }

    /// Shows the record to the consumer, by one release store, and releases the cursor. `on_heap`: the ring
    /// is on the heap.
    ///
    /// # Safety
    /// The record has been written.
    #[inline(always)]
    pub(crate) unsafe fn publish(self, on_heap: bool) {
        // SAFETY: INV-2: words are reserved, as the limit admitted the record.
        let publisher = unsafe { self.cursor.publisher.get().unwrap_unchecked() };
        // SAFETY: INV-2: the words are reserved, and begin where the last record ended; they are
        // written, as the caller promises, who had promised that the ring lives.
        unsafe { publisher.publish(self.start, self.end, on_heap) };
        self.cursor.release(self.end);
    }
}
